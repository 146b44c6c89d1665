"""
WebSocket frames, as a load generator wants them (RFC 6455).

What comes in is cut where frames end, and nothing more: a chunk of whole text frames goes on as it came, for
one search to go through all of them. What goes out is masked with the key zero, so that its text stays.
Everything that is no whole text frame is taken apart with care.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_FIN = 0x80
_WHOLE_TEXT = _FIN | TEXT
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MESSAGE_BYTES_MAX = 1 << 28


class FrameError(Exception):
    """The other side does not keep to the standard. C{str()} of it is one line that says how."""


def accept_of(key: bytes) -> bytes:
    """What a server answers to the C{Sec-WebSocket-Key} of a client."""
    return b64encode(sha1(key + _GUID).digest())


def header(size: int, *, masked: bool, opcode: int = TEXT) -> bytes:
    """The header of a whole frame; a mask is zero."""
    mask, key = (0x80, b"\0\0\0\0") if masked else (0, b"")
    first = _FIN | opcode
    if size < 126:
        return bytes((first, mask | size)) + key
    if size < 1 << 16:
        return bytes((first, mask | 126)) + size.to_bytes(2, "big") + key
    return bytes((first, mask | 127)) + size.to_bytes(8, "big") + key


def frame(payload: bytes, *, masked: bool, opcode: int = TEXT) -> bytes:
    """A whole frame."""
    return header(len(payload), masked=masked, opcode=opcode) + payload


def payloads(chunk: bytes, *, masked: bool = False) -> Iterator[bytes]:
    """The payloads in a chunk of whole frames."""
    at, mask, key = 0, 0x80 if masked else 0, 4 if masked else 0
    while at < len(chunk):
        begin, end = _bounds(chunk, at, chunk[at + 1] - mask, key)
        yield chunk[begin:end]
        at = end


class FrameReader:
    """
    Cuts what comes from the other side.
    """

    def __init__(self, *, masked: bool) -> None:
        """
        @param masked: whether the other side is a client, which masks; with zero, as L{frame} does it.
        """
        self._mask = 0x80 if masked else 0
        self._key = 4 if masked else 0
        self._masked = masked
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._need = 0
        self._message: list[bytes] | None = None
        self._message_bytes = 0
        self._message_opcode = TEXT

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """
        Take what was read.

        @return: (L{TEXT}, a chunk of whole text frames, headers and all), or (another opcode, its payload),
            in order. A text in fragments is made a whole frame.
        @raise FrameError: these are no frames.
        """
        if self._held:
            self._held.append(data)
            self._held_bytes += len(data)
            if self._held_bytes < self._need:
                return []
            data = b"".join(self._held)
            self._held.clear()
        found: list[tuple[int, bytes]] = []
        size, at, start, mask, key = len(data), 0, 0, self._mask, self._key
        end = 2
        while size - at >= 2:
            length = data[at + 1] - mask
            if 0 <= length < 126:
                end = at + 2 + key + length
            else:
                end = _bounds(data, at, length, key)[1]
            if end > size:
                break
            if data[at] != _WHOLE_TEXT:
                if at > start:
                    found.append((TEXT, data[start:at]))
                self._unusual(data[at], next(payloads(data[at:end], masked=self._masked)), found)
                start = end
            at = end
        else:
            end = at + 2
        if at > start:
            # Compiled, a slice is a copy, even that of all.
            found.append((TEXT, data if at - start == size else data[start:at]))
        if at < size:
            self._held.append(data[at:])
            self._held_bytes = size - at
            self._need = end - at
        return found

    def _unusual(self, first: int, payload: bytes, found: list[tuple[int, bytes]]) -> None:
        opcode, fin = first & 0x0F, first & _FIN
        if first & 0x70:
            raise FrameError("reserved bits are set")
        if opcode >= CLOSE:
            if not fin or opcode > PONG or len(payload) > 125:
                raise FrameError("a bad control frame")
            found.append((opcode, payload))
            return
        if opcode > BINARY or (opcode == CONTINUATION) != (self._message is not None):
            raise FrameError("a frame out of order")
        if self._message is None:
            self._message, self._message_bytes, self._message_opcode = [], 0, opcode
        self._message.append(payload)
        self._message_bytes += len(payload)
        if self._message_bytes > MESSAGE_BYTES_MAX:
            raise FrameError(f"a message of more than {MESSAGE_BYTES_MAX} bytes")
        if fin:
            whole, self._message = b"".join(self._message), None
            if self._message_opcode == TEXT:
                whole = frame(whole, masked=self._masked)
            found.append((self._message_opcode, whole))


def _bounds(data: bytes, at: int, length: int, key: int) -> tuple[int, int]:
    """
    Where the payload of the frame at C{at} begins and ends; if not even its length has come in full, an end
    that is not there yet.
    """
    begin = at + 2 + key
    if 0 <= length < 126:
        return begin, begin + length
    if not 0 <= length < 128:
        raise FrameError("a frame that is masked, or is not, as it must not be")
    more = 2 if length == 126 else 8
    if len(data) < at + 2 + more:
        return begin, at + 2 + more
    length = int.from_bytes(data[at + 2 : at + 2 + more], "big")
    if length > MESSAGE_BYTES_MAX:
        raise FrameError(f"a frame of {length} bytes")
    return begin + more, begin + more + length
