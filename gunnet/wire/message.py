"""
One message of GUN's mesh protocol (DAM), as it stands on the wire.

Grammar: a frame is JSON text, one object or an array of objects (or of strings that hold one each)::

    {"#": id, "@": id answered, "##": hash of put, "><": peers that have it,
     "put": graph | "get": question | "dam": verb, "ok": …, "err": …, "%": …}

Values that are only passed on stay JSON text (L{msgspec.Raw}); fields not named here are kept in the text
of the message, which is what travels on when it is forwarded as it is.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gunnet.wire import jstext
from gunnet.wire.envelope import NOTHING, Message

__all__ = [
    "NOTHING",
    "Message",
    "answer_name",
    "digest_text",
    "read",
    "rewrite",
    "says_anything",
    "split",
]

_ALIASES = {field.encode_name: field.name for field in msgspec.structs.fields(Message)}
_RAW = {"put", "get", "ok", "err", "trace", "meta", "chain"}
_LOCAL = ("_", "$", "DBG")
_DIGEST_CHARACTERS = 30
_EMPTY = {"#", "><", "NTS", "nts"}
_decode = msgspec.json.Decoder(Message).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read(text: bytes) -> tuple[Message, bytes]:
    """
    Read one message.

    @param text: JSON text of an object.
    @return: the message, and its text in a form that may be forwarded as it is.
    @raise jstext.NotJSON: if JavaScript would not parse it.
    """
    try:
        message = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message, text = _read_slowly(text)
    if message.trace or message.meta or message.chain:
        text = rewrite(text, {})
    return message, text


def _read_slowly(text: bytes) -> tuple[Message, bytes]:
    fields = jstext.parse_slowly(text)
    if not isinstance(fields, dict):
        raise jstext.NotJSON("not an object")
    try:
        values = {}
        for name, value in fields.items():
            attribute = _ALIASES.get(name)
            if attribute is not None:
                values[attribute] = msgspec.Raw(jstext.stringify(value)) if attribute in _RAW else value
        return Message(**values), jstext.stringify(fields)
    except ValueError as error:
        raise jstext.NotJSON(str(error)) from None


def _fields(text: bytes) -> dict[str, Any]:
    """Wire name to JSON text of all fields of a message that L{read} took."""
    try:
        return dict(_decode_fields(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {name: jstext.stringify(value) for name, value in jstext.parse_slowly(text).items()}


def digest_text(value: object) -> str | None:
    """A C{##} as text, as JavaScript would append it to an id; L{None} if it is no hash."""
    if isinstance(value, str) and len(value) <= _DIGEST_CHARACTERS:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return jstext.number(value)
        except ValueError:
            return None
    return None


def answer_name(message: Message, digest: str) -> str:
    """What an answer is remembered by, so that the same one is taken once: as C{##} says, C{digest}."""
    return str(message.re or message.id) + digest


def says_anything(text: bytes) -> bool:
    """Whether a message of unknown kind has more than an id and names."""
    return not _fields(text).keys() <= _EMPTY


def rewrite(text: bytes, changes: dict[str, bytes], without: tuple[str, ...] = ()) -> bytes:
    """
    The message C{text} with some fields put in place of its own, unknown ones kept and private ones dropped.

    @param changes: wire name to JSON text.
    @param without: wire names of fields to be left out.
    """
    fields = _fields(text)
    for name in (*_LOCAL, *without):
        fields.pop(name, None)
    fields.update(changes)
    return (
        b"{" + b",".join([jstext.string(name) + b":" + bytes(value) for name, value in fields.items()]) + b"}"
    )


def split(frame: bytes) -> list[bytes]:
    """
    The messages of one frame, each as JSON text of an object; what is no message is left out (gun.js
    C{src/mesh.js}, C{hear}).

    @raise jstext.NotJSON: if the frame is an array that JavaScript would not parse.
    """
    first = frame[:1]
    if first == b"{":
        return [frame]
    if first != b"[" or frame == b"[]":
        return []
    try:
        items = [bytes(item) for item in _decode_items(frame)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            items = [jstext.stringify(item) for item in jstext.parse_slowly(frame)]
        except ValueError as error:
            raise jstext.NotJSON(str(error)) from None
    texts = []
    for item in items:
        if item[:1] == b'"':
            item = jstext.utf8(jstext.parse(item))
        if item[:1] == b"{":
            texts.append(item)
    return texts
