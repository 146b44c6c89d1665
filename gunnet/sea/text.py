"""
The texts that SEA hashes, signs and encrypts: JSON exactly as JavaScript writes it, as UTF-8.
"""

from __future__ import annotations

import binascii
import re
from hashlib import sha256
from typing import Any

from gunnet.sea.errors import BadData
from gunnet.wire import jstext

PREFIX = "SEA{"
"""How texts begin that SEA made."""

_LONE = re.compile("[\ud800-\udfff]")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*\Z", re.ASCII)
_BASE64_WHITESPACE = str.maketrans("", "", "\t\n\f\r ")


def parsed(data: Any) -> Any:
    """
    What SEA takes data for: of text that is JSON, perhaps after C{SEA}, the value; anything else as it is
    (gun.js C{sea/settings.js}, C{s.parse}).
    """
    if not isinstance(data, str):
        return data
    text = data[3:] if data.startswith(PREFIX) else data
    try:
        return jstext.parse_text(text)
    except jstext.NotJSON:
        return text


def json_text(value: Any, *, sort: bool = False) -> bytes:
    """
    C{value} as C{JSON.stringify} writes it: in each object names that look like array indexes first, the
    others as they came.

    @param sort: all names in UTF-16 order, as relays of gun.js have them (C{lib/yson.js}).
    @raise BadData: if JSON can't say it.
    """
    if type(value) is str:
        return jstext.string(value)
    try:
        return jstext.stringify(value if _is_plain(value) else _in_javascript(value), sort=sort)
    except (ValueError, RecursionError) as error:
        raise BadData(f"not JSON: {error}") from None


def _is_plain(value: Any) -> bool:
    return value is None or type(value) in (str, bool, int, float)


def _in_javascript(value: Any) -> Any:
    """C{value} with the names of objects in JavaScript's order, if it is made of nothing else than JSON."""
    if _is_plain(value):
        return value
    if type(value) is list:
        return [_in_javascript(item) for item in value]
    if type(value) is not dict:
        raise BadData(f"{type(value).__name__} is no type of JSON")
    for name in value:
        if type(name) is not str:
            raise BadData(f"a name that is {type(name).__name__}")
    indexes = sorted([name for name in value if jstext.is_index(name)], key=int)
    others = [name for name in value if not jstext.is_index(name)]
    return {name: _in_javascript(value[name]) for name in indexes + others}


def from_json_text(text: bytes) -> Any:
    """
    What a L{json_text} says.

    @raise BadData: if it is nested too deeply.
    """
    try:
        return jstext.parse(text)
    except jstext.NotJSON as error:
        raise BadData(str(error)) from None


def plain_text(value: Any) -> bytes:
    """
    Text as it is, anything else as JSON (gun.js C{sea/sha256.js}).

    @raise BadData: if JSON can't say it.
    """
    return utf8(value) if isinstance(value, str) else json_text(value)


def utf8(text: str) -> bytes:
    """C{text} as C{TextEncoder} encodes it: lone surrogates are replaced by U+FFFD."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return _LONE.sub("\ufffd", joined).encode("utf-8")


def from_utf8(data: bytes) -> str:
    """C{data} as C{TextDecoder} decodes it: without a byte order mark, what is no UTF-8 replaced."""
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def digest(text: bytes) -> bytes:
    """SHA-256."""
    return sha256(text).digest()


def base64(data: bytes) -> str:
    """Base64 with padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def from_base64(text: Any) -> bytes:
    """
    The bytes of base64 as C{atob} takes it: white space does not count, padding may be missing.

    @raise BadData: if it is none.
    """
    if not isinstance(text, str):
        raise BadData("base64 that is no text")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return _from_odd_base64(text)


def _from_odd_base64(text: str) -> bytes:
    bare = text.translate(_BASE64_WHITESPACE)
    if len(bare) % 4 == 0:
        bare = bare[:-2] + bare[-2:].rstrip("=")
    if len(bare) % 4 == 1 or _BASE64.match(bare) is None:
        raise BadData("not base64")
    return binascii.a2b_base64(bare + "=" * (-len(bare) % 4))
