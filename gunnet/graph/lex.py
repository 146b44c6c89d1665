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

from gunnet.limits import Limits
from gunnet.wire.jstext import number, order_key, parse, string


class Span(msgspec.Struct, frozen=True):
    """
    A run of names in UTF-16 order: those that start with C{prefix} and lie between C{first} and C{last}.

    @ivar first: the lowest name, inclusive, or L{None}.
    @ivar last: the highest name, inclusive, or L{None}.
    """

    prefix: str = ""
    first: str | None = None
    last: str | None = None

    def holds(self, name: str) -> bool:
        """Whether C{name} is in the span."""
        place = order_key(name)
        if not place.startswith(order_key(self.prefix)):
            return False
        if self.first is not None and place < order_key(self.first):
            return False
        return self.last is None or place <= order_key(self.last)


ALL = Span()
"""Every name."""

ONE = 0.0
"""The budget that is reached by the first name: what a LEX without C{%} gets."""


class Query(msgspec.Struct, frozen=True):
    """
    What a get asks for.

    @ivar soul: the soul, or L{None} where C{souls} says which.
    @ivar souls: the souls, if the question names no single one.
    @ivar key: the one property asked for, or L{None} where C{keys} says which.
    @ivar keys: the properties, if the question names no single one.
    @ivar budget: in characters; L{None} for no limit.
    @ivar reverse: whether the budget is spent from the end; without one there is no end to begin from.
    """

    soul: str | None
    souls: Span = ALL
    key: str | None = None
    keys: Span = ALL
    budget: float | None = None
    reverse: bool = False

    @property
    def is_whole_node(self) -> bool:
        """Whether it asks for all of one node."""
        return self.soul is not None and self.key is None and self.keys == ALL and self.budget is None

    @property
    def length(self) -> int:
        """The characters of all names in it."""
        length = len(self.soul or "") + len(self.key or "")
        if self.souls is not ALL or self.keys is not ALL:
            for span in (self.souls, self.keys):
                length += len(span.prefix) + len(span.first or "") + len(span.last or "")
        return length


def cost(value: bytes) -> int:
    """What a value (JSON text) takes of a budget: the length of a string in UTF-16 code units, else nine."""
    if value[0] != 0x22:
        return 9
    if value.isascii() and b"\\" not in value:
        return len(value) - 2
    return len(str(parse(value)).encode("utf-16-le", "surrogatepass")) // 2


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """What nearly all gets are."""

    soul: str = msgspec.field(name="#")
    key: str | None = msgspec.field(name=".", default=None)


_decode_plain = msgspec.json.Decoder(_Plain).decode


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
