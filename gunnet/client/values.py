"""
What may be put, and where: values, keys and LEX, checked before anything happens (gun.js C{src/valid.js},
C{src/put.js}).
"""

from __future__ import annotations

import math
from typing import Any

from gunnet.client.errors import BadValue
from gunnet.graph.lex import ALL, Query, read_get
from gunnet.limits import Limits

Cell = tuple[str, str, float, Any]
"""(soul, key, state in milliseconds, the value as JSON has it)."""

_EXACT = 1 << 53
"""JavaScript's numbers are doubles: beyond, not every integer is one."""

_ALL = {".": {"*": ""}}


def is_link(value: Any) -> bool:
    """Whether a value leads to a node: C{{"#": soul}}."""
    return (
        isinstance(value, dict) and len(value) == 1 and isinstance(value.get("#"), str) and bool(value["#"])
    )


def checked(value: Any, path: tuple[str, ...]) -> Any:
    """
    A value that is no node.

    @param path: where it stands, for the text of the error.
    @raise BadValue: GUN has no such values.
    """
    if value is None or isinstance(value, str | bool) or is_link(value):
        return value
    if isinstance(value, int) and -_EXACT <= value <= _EXACT:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int | float):
        raise BadValue(f"Invalid data: {value!r} at {shown(path)} is no number of JavaScript")
    hint = ": there are no lists in GUN, use set() or a dict" if isinstance(value, list | tuple) else ""
    raise BadValue(f"Invalid data: {type(value).__name__} at {shown(path)}{hint}")


def checked_key(key: Any, path: tuple[str, ...] = ()) -> str:
    """
    A soul or a key. Integers are written out, as in gun.js.

    @raise BadValue: it is neither text nor an integer, or empty.
    """
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    if isinstance(key, str) and key:
        return key
    raise BadValue(f"{key!r} at {shown(path)} is no key: it must be text, and not empty")


def shown(path: tuple[str, ...]) -> str:
    """A path for people."""
    return ".".join(path) or "the root"


def own_soul(value: dict[Any, Any]) -> str | None:
    """The soul that a node says it has: C{{"_": {"#": soul}, …}}; L{None} if it says none."""
    meta = value.get("_")
    soul = meta.get("#") if isinstance(meta, dict) else None
    return soul if isinstance(soul, str) and soul else None


def query_of(soul: str, lex: dict[str, Any], limits: Limits) -> Query:
    """
    What a LEX selects of a node.

    @param lex: C{{".": {…}}} with C{=}, C{*}, C{>}, C{<} and C{-} in it, and C{%} beside it; or the inner
        part alone. Without C{%} the budget is C{limits.lex_characters}; for gun.js it would be one name.
    @raise BadValue: it is no LEX for keys.
    """
    whole = lex if "." in lex else {".": lex}
    keys = whole["."]
    if isinstance(keys, dict) and not any(mark in keys for mark in "=*><-"):
        keys = None
    if not isinstance(keys, str | dict) or not keys or "#" in whole:
        raise BadValue(f"{lex!r} is no LEX for keys, like {_ALL!r}")
    budget = whole.get("%", limits.lex_characters)
    query = read_get({**whole, "#": soul, "%": budget}, limits)
    if query is None or (query.budget is None and query.key is None):
        raise BadValue(f"{lex!r} is no LEX: a name in it is too long, or its budget is none")
    return query


def matches(query: Query, key: str) -> bool:
    """Whether a key is selected by a query of one node."""
    if query.key is not None:
        return query.key == key
    return query.keys is ALL or query.keys.holds(key)
