"""
Whole text frames, taken straight out of the bytes that were read (RFC 6455, section 5.2).

Nearly all that peers send are such frames. Anything else is left to Autobahn: control frames, fragments,
frames over 64 KiB, and all that breaks the rules, which it refuses as the standard says.
"""

from __future__ import annotations

from autobahn.websocket.xormasker import create_xor_masker  # type: ignore[attr-defined]

LENGTH_MAX = 65_535
"""Longer frames have another form of header."""

_WHOLE_TEXT = 0x81
_SHORT = 1_000
_UNMASKED = b"\0\0\0\0"


def take_texts(data: bytes, *, masked: bool, longest: int = LENGTH_MAX) -> tuple[list[bytes], int, bool]:
    """
    Take whole text frames from the beginning of C{data}.

    @param masked: whether the sender is one that has to mask.
    @param longest: bytes of text in a frame; longer ones are not taken.
    @return: (what they say, valid UTF-8; where what is left begins; whether that is nothing or the beginning
        of one more such frame, so that it may wait for the rest of it).
    """
    texts: list[bytes] = []
    mask_bytes = 4 if masked else 0
    mask_bit = 0x80 if masked else 0
    at = 0
    end = len(data)
    while at < end:
        if data[at] != _WHOLE_TEXT:
            return texts, at, False
        start = at + 2
        if start > end:
            break
        length = data[at + 1] ^ mask_bit
        if length > 126:  # a long frame, or the mask bit is not as it must be
            return texts, at, False
        if length == 126:
            start = at + 4
            if start > end:
                break
            length = data[at + 2] << 8 | data[at + 3]
            if length < 126:
                return texts, at, False
        if length > longest:
            return texts, at, False
        start += mask_bytes
        stop = start + length
        if stop > end:
            break
        text = data[start:stop]
        if masked:
            text = _unmasked(text, data[start - 4 : start])
        if not text.isascii() and not is_utf8(text):
            return texts, at, False
        texts.append(text)
        at = stop
    return texts, at, True


def _unmasked(text: bytes, mask: bytes) -> bytes:
    if mask == _UNMASKED:
        return text
    length = len(text)
    if length > _SHORT:  # Autobahn's masker is written in C, and takes 2 microseconds to make
        return bytes(create_xor_masker(mask, length).process(text))
    key = int.from_bytes((mask * (length + 3 >> 2))[:length], "little")
    return (int.from_bytes(text, "little") ^ key).to_bytes(length, "little")


def is_utf8(text: bytes | bytearray) -> bool:
    """Whether C{text} is UTF-8."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
