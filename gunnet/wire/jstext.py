"""
Numbers, strings and text order exactly as JavaScript has them.

What is hashed (C{##}), signed (SEA) or compared (HAM's tie rule) is JSON text as C{JSON.stringify} writes
it, and names sort by UTF-16 code unit. Python agrees with neither by itself.
"""

from __future__ import annotations

import json
import math
import re
from operator import mul
from types import FunctionType
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from mypy_extensions import i64

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_LONE = re.compile(f"[{chr(0xD800)}-{chr(0xDFFF)}]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_PLAIN_INTEGER = re.compile(rb"(?:0|-?[1-9][0-9]{0,14})\Z").match
_STRING = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_STRINGS = re.compile(_STRING, re.DOTALL)
_BRACKETS = re.compile(rb"[{}\[\]]")
_HASH_RUN = 4096
_POWERS = [pow(31, power, 1 << 32) for power in reversed(range(_HASH_RUN))]
_RUN_FACTOR = pow(31, _HASH_RUN, 1 << 32)


class NotJSON(ValueError):
    """The text is not JSON as C{JSON.parse} takes it."""


def order_key(text: str) -> bytes:
    """
    Bytes that sort as JavaScript sorts C{text}: by UTF-16 code unit.

    They are CESU-8: UTF-8, with each character above U+FFFF written as its two surrogates of three bytes
    each. No byte is 0xF0 or higher, lone surrogates are kept, and L{from_order_key} gives the text back.
    """
    if text.isascii():
        return text.encode("ascii")
    units = text.encode("utf-8", "surrogatepass")
    if max(units) < 0xF0:
        return units
    return _ASTRAL.sub(_as_surrogates, text).encode("utf-8", "surrogatepass")


def _as_surrogates(match: re.Match[str]) -> str:
    beyond = ord(match.group()) - 0x10000
    return chr(0xD800 + (beyond >> 10)) + chr(0xDC00 + (beyond & 0x3FF))


def from_order_key(units: bytes) -> str:
    """
    The text of an L{order_key}.

    @raise UnicodeDecodeError: if C{units} is no such key.
    """
    if units.isascii():
        return units.decode("ascii")
    text = units.decode("utf-8", "surrogatepass")
    if _LONE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def number(value: float | int) -> str:
    """
    C{value} as JavaScript writes it: the shortest digits that read back as the same double
    (ECMA-262, Number::toString).

    @raise ValueError: if it is infinite or not a number, which JSON can't say.
    """
    if type(value) is int and -9007199254740992 <= value <= 9007199254740992:
        return str(value)
    try:
        double = float(value)
    except OverflowError:
        double = math.inf
    if -1e16 < double < 1e16 and double == (integer := int(double)):
        return str(integer)
    if not math.isfinite(double):
        raise ValueError(f"{value!r} is not a finite number")
    sign = "-" if double < 0 else ""
    mantissa, _, exponent = repr(abs(double)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)
    if whole.strip("0") == "":
        point = int(exponent or 0) - (len(fraction) - len(fraction.lstrip("0")))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = point - 1
    tail = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"


def string(text: str) -> bytes:
    """C{text} as a JSON string, quotes included, as C{JSON.stringify} writes it (lone surrogates escaped)."""
    try:
        return _encode(text)
    except UnicodeEncodeError:
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        head = 0
        pieces = [b'"']
        for lone in _LONE.finditer(joined):
            pieces.append(_encode(joined[head : lone.start()])[1:-1])
            pieces.append(b"\\u%04x" % ord(lone.group()))
            head = lone.end()
        pieces.append(_encode(joined[head:])[1:])
        return b"".join(pieces)


def utf8(text: str) -> bytes:
    """JSON text as UTF-8; a lone surrogate in it, which UTF-8 can't say, is escaped."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _LONE.sub(lambda lone: f"\\u{ord(lone.group()):04x}", text).encode("utf-8")


def is_deeper(text: bytes, depth: int) -> bool:
    """Whether objects and arrays in JSON text are nested more than C{depth} levels."""
    # In JSON each level takes two characters.
    if len(text) <= 2 * depth or text.count(b"{") + text.count(b"[") <= depth:
        return False
    level = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", text)):
        if bracket in b"{[":
            level += 1
            if level > depth:
                return True
        else:
            level -= 1
    return False


def stringify(value: Any, *, sort: bool = False) -> bytes:
    """
    C{value} (of L{parse}) as C{JSON.stringify} writes it.

    @param sort: order the keys of objects by UTF-16 code unit, as a relay does (gun.js C{lib/yson.js}).
    @raise ValueError: for a number that is not finite, and for what is nested too deeply.
    """
    try:
        return _stringify(value, sort)
    except RecursionError:
        raise NotJSON("nested too deeply") from None


def _stringify(value: Any, sort: bool) -> bytes:
    if isinstance(value, str):
        return string(value)
    if value is None:
        return b"null"
    if value is True:
        return b"true"
    if value is False:
        return b"false"
    if isinstance(value, (int, float)):
        return number(value).encode("ascii")
    if isinstance(value, list):
        return b"[" + b",".join([_stringify(item, sort) for item in value]) + b"]"
    items = sorted(value.items(), key=lambda item: order_key(item[0])) if sort else value.items()
    return b"{" + b",".join([string(name) + b":" + _stringify(item, sort) for name, item in items]) + b"}"


def parse(text: bytes) -> Any:
    """
    Read JSON text as strictly as C{JSON.parse}, lone surrogates included.

    @return: L{None}, L{bool}, L{int}, L{float}, L{str}, L{list} or L{dict}; of equal names the last counts.
    @raise NotJSON: if it is anything else, C{NaN} and raw control characters included.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return parse_slowly(text)


def parse_slowly(text: bytes) -> Any:
    """What L{parse} does, for text that the fast decoder refuses and JavaScript may accept."""
    try:
        return _loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotJSON(str(error)) from None


def parse_text(text: str) -> Any:
    """
    L{parse}, of text that is a string of JavaScript itself: lone surrogates may stand in it unescaped.

    @raise NotJSON: as L{parse}.
    """
    try:
        return parse(text.encode("utf-8"))
    except UnicodeEncodeError:
        return _loads(text)


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotJSON(str(error)) from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def is_index(name: str) -> bool:
    """Whether JavaScript takes a name for that of an array's item: objects have these first, by number."""
    plain = name.isascii() and name.isdigit() and len(name) <= 10 and (name[0] != "0" or name == "0")
    return plain and int(name) < 4294967295


def canonical(text: bytes) -> bytes:
    """
    One JSON value, already known to be well formed, as C{JSON.stringify(JSON.parse(text))}, keys in order.

    @raise NotJSON: if C{JSON.parse} would refuse it.
    @raise ValueError: if it holds a number too large for a double.
    """
    first = text[0]
    if first == 0x22:
        if b"\\" not in text:
            return text
    elif first in b"tfn" or _PLAIN_INTEGER(text):
        return text
    return stringify(parse(text))


def string_hash(text: bytes) -> int:
    """
    GUN's C{String.hash} (gun.js C{src/shim.js}): a signed 32 bit integer, over UTF-16 code units.

    @param text: UTF-8.
    """
    width = 1
    if not text.isascii():
        text = text.decode("utf-8").encode("utf-16-le")
        width = 2
    if _COMPILED:
        return hash_by_unit(text, width)
    return hash_by_run(memoryview(text).cast("H") if width == 2 else text)


def hash_by_unit(units: bytes, width: i64) -> int:
    """
    L{string_hash} of UTF-16 code units, fast as machine code only.

    @param units: of C{width} bytes each, the lower one first.
    """
    total: i64 = 0
    at: i64 = 0
    size: i64 = len(units)
    while at < size:
        unit: i64 = units[at]
        if width == 2:
            high: i64 = units[at + 1]
            unit += high * 256
        total = (total * 31 + unit) & 0xFFFFFFFF
        at += width
    return _signed(total)


def hash_by_run(units: bytes | memoryview) -> int:
    """L{string_hash} of a sequence of UTF-16 code units, in as few steps of the interpreter as can be."""
    total = 0
    size = len(units)
    head = size % _HASH_RUN
    if head:
        total = sum(map(mul, units[:head], _POWERS[-head:]))
    for start in range(head, size, _HASH_RUN):
        total = (total * _RUN_FACTOR + sum(map(mul, units[start : start + _HASH_RUN], _POWERS))) & 0xFFFFFFFF
    return _signed(total & 0xFFFFFFFF)


def _signed(total: int) -> int:
    return total - 0x100000000 if total >= 0x80000000 else total


# Functions of a compiled module are not Python's own.
_COMPILED = not isinstance(string_hash, FunctionType)
