"""
Nodes on the wire: C{{soul: {"_": {"#": soul, ">": {key: state}}, key: value}}}, checked and taken apart.

The whole of a put is checked before any of it counts. The error texts are those that gun.js makes and
never sends (C{src/root.js}, C{put}); what may be a value is said in its C{src/valid.js}.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from gunnet.graph.ham import Cell
from gunnet.graph.meta import Meta
from gunnet.limits import Limits
from gunnet.wire import jstext

PutCell = tuple[str, str, float, bytes]
"""(soul, key, state, the value as canonical JSON text)."""


class PutRefused(ValueError):
    """
    A put that is not taken in; C{str()} of it is the C{err} for its sender.

    @ivar counter: the limit that it met counts there; L{None} if it met none.
    """

    def __init__(self, text: str, counter: str | None = None) -> None:
        super().__init__(text)
        self.counter = counter


class InvalidGraph(PutRefused):
    """A put that breaks the rules."""

    def __init__(self, text: str, counter: str | None = None) -> None:
        super().__init__("Error: Invalid graph!" + text, counter)


_decode_nodes = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]]).decode
_decode_meta = msgspec.json.Decoder(Meta).decode


def read_put(text: bytes, limits: Limits) -> list[PutCell]:
    """
    The cells of a put, in the order of the message.

    @param text: the JSON text of C{put}.
    @raise InvalidGraph: at the first fault; nothing of the put may be used then.
    """
    cells = _read(text)
    if len(cells) > limits.put_cells:
        excess = f" {len(cells)} properties in one put, limit {limits.put_cells}."
        raise InvalidGraph(excess, "put_cells_refused")
    for soul, key, _state, _value in cells:
        if not key:
            raise InvalidGraph(f"{_cut(key)}on{_cut(soul)}0 length key!")
        if len(soul) + len(key) > limits.name_bytes // 4:
            _check_lengths(soul, key, limits)
    return cells


def cells_of(text: bytes) -> dict[str, Cell]:
    """
    Key to cell, of one node.

    @param text: the JSON text of a C{put} with that node, as L{gunnet.graph.answer.render} makes it.
    """
    return {key: (state, value) for _, key, state, value in _read(text)}


def _read(text: bytes) -> list[PutCell]:
    try:
        return _read_fast(text)
    except (msgspec.DecodeError, ValueError, LookupError, RecursionError):
        return _read_slowly(text)


def _read_fast(text: bytes) -> list[PutCell]:
    """The cells of a put without faults. Anything odd is an error, for the slow way to explain."""
    cells = []
    for soul, node in _decode_nodes(text).items():
        meta = _decode_meta(node.pop("_"))
        if meta.soul != soul or not soul:
            raise ValueError
        states = meta.states
        for key, raw in node.items():
            value = bytes(raw)
            first = value[0]
            if first == 0x7B:
                value = _link(jstext.parse(value))
            elif first == 0x5B:
                raise ValueError
            else:
                value = jstext.canonical(value)
            cells.append((soul, key, states[key], value))
    return cells


def has_links(text: bytes) -> bool:
    """
    Whether a value of a node is a link.

    @param text: the JSON text of a C{put} with one node, as L{gunnet.graph.answer.render} makes it.
    """
    return text.count(b'{"#":') > 1  # one is that of the node itself, and in a string the quotes are escaped


def linked_soul(value: bytes) -> str | None:
    """
    The soul that a value leads to.

    @param value: canonical JSON text, as in a L{PutCell}.
    @return: L{None} if it is no link.
    """
    return str(jstext.parse(value)["#"]) if value[:1] == b"{" else None


def _link(value: Any) -> bytes:
    """
    The JSON text of a link.

    @raise ValueError: if C{value} is none.
    """
    if type(value) is dict and len(value) == 1:
        soul = value.get("#")
        if type(soul) is str and soul:
            return b'{"#":' + jstext.string(soul) + b"}"
    raise ValueError("not a link")


def _read_slowly(text: bytes) -> list[PutCell]:
    try:
        graph = jstext.parse(text)
    except jstext.NotJSON:
        raise InvalidGraph(" not JSON.") from None
    if not isinstance(graph, dict):
        raise InvalidGraph(f"{_cut(graph)}no node.")
    cells = []
    for soul, node in graph.items():
        states = _states(soul, node)
        for key, value in node.items():
            if key != "_":
                state = _finite(states.get(key))
                if state is None:
                    raise InvalidGraph(f"{_cut(key)}on{_cut(soul)}no state.")
                cells.append((soul, key, state, _value(value, key, soul)))
    return cells


def _states(soul: str, node: Any) -> dict[str, Any]:
    if not isinstance(node, dict) or not soul:
        raise InvalidGraph(f"{_cut(soul)}no node.")
    meta = node.get("_")
    if not isinstance(meta, dict):
        raise InvalidGraph(f"{_cut(soul)}no meta.")
    if meta.get("#") != soul:
        raise InvalidGraph(f"{_cut(soul)}soul not same.")
    states = meta.get(">")
    if not isinstance(states, dict):
        raise InvalidGraph(f"{_cut(soul)}no state.")
    return states


def _value(value: Any, key: str, soul: str) -> bytes:
    try:
        if isinstance(value, (dict, list)):
            return _link(value)
        return jstext.stringify(value)
    except ValueError:
        kind = "number" if isinstance(value, (int, float)) else "object"
        raise InvalidGraph(f"{_cut(key)}on{_cut(soul)}bad {kind}{_cut(value)}") from None


def _finite(state: Any) -> float | None:
    """C{state} as a double, L{None} if it is no finite number."""
    if type(state) is not int and type(state) is not float:
        return None
    try:
        double = float(state)
    except OverflowError:
        return None
    return double if math.isfinite(double) else None


def _cut(value: Any) -> str:
    """The first nine characters of what JavaScript makes of C{value} as text, in quotes."""
    try:
        text = _as_text(value)
    except RecursionError:
        text = ""
    return f" '{text[:9]}...' "


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "[object Object]"
    if isinstance(value, list):
        return ",".join([_as_text(item) for item in value[:9]])
    try:
        return jstext.stringify(value).decode()
    except ValueError:
        return "Infinity" if value > 0 else "-Infinity"


def _check_lengths(soul: str, key: str, limits: Limits) -> None:
    for name in (soul, key):
        size = len(name.encode("utf-8", "surrogatepass"))
        if size > limits.name_bytes:
            excess = f"{_cut(key)}on{_cut(soul)}name of {size} bytes, limit {limits.name_bytes}."
            raise InvalidGraph(excess, "name_bytes_refused")
