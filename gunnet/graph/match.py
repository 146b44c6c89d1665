"""
Which texts a client matches with a LEX: C{String.match} of gun.js (C{src/shim.js}), quirks included.

Clients use it for C{map()} and SEA for the paths of certificates, where every reader must come to the same
decision. What a relay selects for a get is another thing: L{gunnet.graph.lex}.
"""

from __future__ import annotations

from typing import Any

from gunnet.wire.jstext import order_key

_OPERATORS = ("=", "*", ">", "<")


def is_truthy(value: Any) -> bool:
    """Whether a value of JSON counts as true in JavaScript: empty objects and lists do."""
    return value is not None and value is not False and value != "" and value != 0


def matches(text: Any, lex: Any) -> bool:
    """
    Whether C{text} is matched.

    An empty prefix matches nothing; C{>} is also a prefix; C{*} makes the range count for nothing. Operands
    that are no text match nothing.

    @param text: anything but text is never matched.
    @param lex: text for exactly that, or an object with some of C{=}, C{*}, C{>}, C{<}; anything else matches
        nothing.
    """
    if isinstance(lex, str):
        lex = {"=": lex}
    if not isinstance(text, str) or not isinstance(lex, dict):
        return False
    if text == _first(lex, _OPERATORS):
        return True
    if "=" in lex:
        return False
    place = order_key(text)
    prefix = _first(lex, ("*", ">"))
    if isinstance(prefix, str) and place.startswith(order_key(prefix)):
        return True
    if "*" in lex:
        return False
    bounds = [mark for mark in ("<", ">") if mark in lex]
    return bool(bounds) and all(_is_within(place, mark, lex[mark]) for mark in bounds)


def _first(lex: dict[str, Any], marks: tuple[str, ...]) -> Any:
    return next((lex[mark] for mark in marks if is_truthy(lex.get(mark))), None)


def _is_within(place: bytes, mark: str, bound: Any) -> bool:
    if not isinstance(bound, str):
        return False
    return place >= order_key(bound) if mark == ">" else place <= order_key(bound)
