"""
LEX: which souls or keys a get asks for (gun.js C{lib/radisk.js}, C{lib/store.js}).

A selector is plain text (exactly this name) or an object: C{=} exact, C{*} prefix, C{>} from and C{<} to
(both inclusive), C{-} from the end. C{%} beside it is a budget in characters: a string costs its length,
anything else nine, and names are taken until the sum has reached it.

Where gun.js is wrong (a range relative to the prefix, souls with C{undefined} in front, no limit that is
over 100,000), this does what was meant: prefix and range both hold, on the whole name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gunnet.graph.query import ALL, ONE, PlainGet, Query, Span
from gunnet.limits import Limits
from gunnet.wire.jstext import number, parse, string

__all__ = ["ALL", "ONE", "Query", "Span", "cost", "read_get", "read_get_text", "write_get"]


def cost(value: bytes) -> int:
    """What a value (JSON text) takes of a budget: the length of a string in UTF-16 code units, else nine."""
    if value[0] != 0x22:
        return 9
    if value.isascii() and b"\\" not in value:
        return len(value) - 2
    return len(str(parse(value)).encode("utf-16-le", "surrogatepass")) // 2


_decode_plain = msgspec.json.Decoder(PlainGet).decode


def read_get_text(text: bytes, limits: Limits) -> Query | None:
    """
    L{read_get}, of the JSON text of a C{get}.

    @raise gunnet.wire.jstext.NotJSON: if JavaScript would not parse it.
    """
    try:
        plain = _decode_plain(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return read_get(parse(text), limits)
    soul, key = plain.soul, plain.key
    if not soul or len(soul) > limits.name_bytes or (key is not None and len(key) > limits.name_bytes):
        return None
    return Query(soul, key=key or None)


def read_get(get: Any, limits: Limits) -> Query | None:
    """
    The question of a get.

    @param get: the parsed C{get} of a message, whatever it is.
    @return: L{None} if it names no soul that could exist: such a get is a miss.
    """
    if not isinstance(get, dict) or _is_too_long(get, limits):
        return None
    soul = get.get("#")
    reverse = bool(get.get("-"))
    budget = _budget(get.get("%"), limits)
    if isinstance(soul, dict):
        span, exact, backwards = _span(soul)
        if exact is None:
            if not any(mark in soul for mark in "*><"):
                return None
            reverse = reverse or backwards
            return Query(None, souls=span, budget=ONE if budget is None else budget, reverse=reverse)
        soul = exact
    if not isinstance(soul, str) or not soul:
        return None
    key = get.get(".")
    if isinstance(key, str) and key:
        return Query(soul, key=key)
    if not isinstance(key, dict):
        return Query(soul, budget=budget, reverse=reverse and budget is not None)
    span, exact, backwards = _span(key)
    if exact is not None:
        return Query(soul, key=exact)
    if budget is None and any(mark in key for mark in "*><"):
        budget = ONE
    return Query(soul, keys=span, budget=budget, reverse=(reverse or backwards) and budget is not None)


def write_get(query: Query) -> bytes:
    """
    The JSON text of a get that L{read_get} reads as C{query}; only, where spans have no budget, it has to be
    written as one name, which is what a LEX without C{%} is.
    """
    soul = _lex(query.souls) if query.soul is None else string(query.soul)
    parts = [b'"#":%b' % soul]
    if query.key is not None:
        parts.append(b'".":%b' % string(query.key))
    elif query.soul is not None and (query.keys != ALL or query.budget == ONE):
        parts.append(b'".":%b' % _lex(query.keys))
    if query.budget:
        parts.append(b'"%%":%b' % number(query.budget).encode("ascii"))
    if query.reverse:
        parts.append(b'"-":1')
    return b"{%b}" % b",".join(parts)


def _lex(span: Span) -> bytes:
    marks = [(b"*", span.prefix or None), (b">", span.first), (b"<", span.last)]
    operands = [b'"%b":%b' % (mark, string(operand)) for mark, operand in marks if operand is not None]
    return b"{%b}" % b",".join(operands or [b'"*":""'])


def _span(lex: dict[str, Any]) -> tuple[Span, str | None, bool]:
    """(the names between the bounds, the one name if it is exact, whether from the end)."""
    exact = _operand(lex.get("="))
    if exact and "*" not in lex:
        return ALL, exact, False
    span = Span(_operand(lex.get("*")) or "", _operand(lex.get(">")), _operand(lex.get("<")))
    return span, None, bool(lex.get("-"))


def _is_too_long(get: dict[str, Any], limits: Limits) -> bool:
    """Whether a soul, a key or a bound is longer than any name."""
    for selector in (get.get("#"), get.get(".")):
        operands = selector.values() if isinstance(selector, dict) else (selector,)
        if any(isinstance(operand, str) and len(operand) > limits.name_bytes for operand in operands):
            return True
    return False


def _operand(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return number(value)
        except ValueError:
            return None
    return None


def _budget(value: Any, limits: Limits) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        return None
    return float(min(value, limits.lex_characters))
