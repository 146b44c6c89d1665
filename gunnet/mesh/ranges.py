"""
What relays say to each other to compare their graphs: the verb C{sync} as JSON.

A message goes through the order of all cells from the lowest on, range by range. Each range ends where the
next one begins, and says where it ends first::

    [end]                         nothing more about this range
    [end, count, "sum"]           the fingerprint of the sender's cells in it
    [end, [soul, [key, state, "hash", …], …]]    the sender's cells in it
    end = null | soul | [soul, key]

C{null} is the end of everything. Behind the last range there is nothing more to say. C{need} is a list of
cells that the sender wants to be put: C{[soul, [key, …], …]}. C{ties} are cells of which both sides have
different values with the same state: C{[soul, [key, state, "beginning of the sender's value", …], …]}, from
which the other side sees whose stands, so that only this one is put. Sums and hashes are 16 bytes in base64
without C{=}. All names are in order, each once.
"""

from __future__ import annotations

import math
from binascii import a2b_base64, b2a_base64
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from gunnet.graph.ham import BEGINNING
from gunnet.graph.summary import END, HASH_BYTES, LOWEST, Entry, Place, place_of
from gunnet.limits import Limits
from gunnet.wire.jstext import from_order_key, number, order_key, string

VERSION = 1
"""What the field C{sync} says."""

_DIGITS = -(-HASH_BYTES * 8 // 6)
_COUNT_MAX = 1 << 53
_BYTES_LEAST = 2


class Malformed(ValueError):
    """A message that is none of these forms. C{str()} of it says where."""


@dataclass(slots=True)
class Range:
    """
    One range of a message.

    @ivar low: where it begins, or where what is still to be compared begins.
    @ivar count: with C{total}, the other side's fingerprint.
    @ivar items: the other side's cells, in order; L{None} if it told the fingerprint.
    """

    low: Place
    high: Place
    count: int = 0
    total: int = 0
    items: deque[Entry] | None = None


class Tie(NamedTuple):
    """A cell of which the other side has another value. @ivar text: how that one begins."""

    soul: str
    key: str
    state: float
    text: str


@dataclass(slots=True)
class Heard:
    """
    One message, checked. Ranges about which there is nothing to say are left out.

    @ivar need: (soul, key) of the cells that the other side wants.
    @ivar ties: the cells about which it wants to know whose value stands.
    @ivar cells: how many it says it has put before this message.
    """

    ranges: deque[Range] = field(default_factory=deque)
    need: deque[tuple[str, str]] = field(default_factory=deque)
    ties: deque[Tie] = field(default_factory=deque)
    cells: int = 0

    @property
    def is_opening(self) -> bool:
        """Whether it is the first message of a session: the fingerprint of everything."""
        if len(self.ranges) != 1 or self.need or self.ties:
            return False
        [only] = self.ranges
        return only.items is None and (only.low, only.high) == (LOWEST, END)


def read(fields: dict[str, Any], limits: Limits) -> Heard:
    """
    Check the fields of a message and take them apart.

    @raise Malformed: at the first fault.
    """
    _check_size(fields, limits)
    heard = Heard()
    low = LOWEST
    for said in _list(fields.get("ranges", [])):
        if type(said) is not list or not 1 <= len(said) <= 3 or low == END:
            raise Malformed("no range")
        high = _bound(said[0], limits)
        if high <= low:
            raise Malformed("ranges out of order")
        if len(said) == 3:
            heard.ranges.append(Range(low, high, _count(said[1]), _digest(said[2])))
        elif len(said) == 2:
            heard.ranges.append(Range(low, high, items=deque(_items(said[1], low, high, limits))))
        low = high
    for soul, keys in _by_soul(fields.get("need", [])):
        heard.need.extend([(_name(soul, limits), _name(key, limits)) for key in keys])
    if any(place_of(*cell) >= place_of(*after) for cell, after in pairwise(heard.need)):
        raise Malformed("need out of order")
    heard.ties.extend(_ties(fields.get("ties", []), limits))
    if any(place_of(*tie[:2]) >= place_of(*after[:2]) for tie, after in pairwise(heard.ties)):
        raise Malformed("ties out of order")
    heard.cells = _count(fields.get("sent", 0))
    return heard


def _check_size(fields: dict[str, Any], limits: Limits) -> None:
    """No message that was cut in time says as much as this, and to read more takes long."""
    left = limits.sync_message_bytes // _BYTES_LEAST
    lists = [fields.get("ranges"), fields.get("need"), fields.get("ties")]
    while lists:
        said = lists.pop()
        if type(said) is list:
            left -= len(said)
            lists += said
        if left < 0:
            raise Malformed("too long")


def _items(value: Any, low: Place, high: Place, limits: Limits) -> Iterator[Entry]:
    before = low
    is_first = True
    for soul, said in _by_soul(value):
        units = order_key(_name(soul, limits))
        if len(said) % 3:
            raise Malformed("items are no triples")
        for at in range(0, len(said), 3):
            place = (units, order_key(_name(said[at], limits)))
            if not (before <= place if is_first else before < place) or place >= high:
                raise Malformed("items out of order")
            yield Entry(place, _state(said[at + 1]), _digest(said[at + 2]))
            before, is_first = place, False


def _ties(value: Any, limits: Limits) -> Iterator[Tie]:
    for soul, said in _by_soul(value):
        if len(said) % 3:
            raise Malformed("ties are no triples")
        for at in range(0, len(said), 3):
            if type(said[at + 2]) is not str:
                raise Malformed("no text")
            text = said[at + 2][:BEGINNING]
            yield Tie(_name(soul, limits), _name(said[at], limits), _state(said[at + 1]), text)


def _by_soul(value: Any) -> Iterator[tuple[Any, list[Any]]]:
    said = _list(value)
    if len(said) % 2:
        raise Malformed("a soul alone")
    for at in range(0, len(said), 2):
        yield said[at], _list(said[at + 1])


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Malformed("no list")
    return value


def _name(value: Any, limits: Limits) -> str:
    if type(value) is not str or not 0 < len(value) <= limits.name_bytes:
        raise Malformed("no name")
    return value


def _bound(value: Any, limits: Limits) -> Place:
    if value is None:
        return END
    if type(value) is list and len(value) == 2:
        return place_of(_name(value[0], limits), _name(value[1], limits))
    return place_of(_name(value, limits), "")


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _COUNT_MAX:
        raise Malformed("no count")
    return value


def _state(value: Any) -> float:
    if type(value) is not int and type(value) is not float:
        raise Malformed("no state")
    try:
        state = float(value)
    except OverflowError:
        state = math.inf
    if not math.isfinite(state):
        raise Malformed("no state")
    return state


def _digest(value: Any) -> int:
    if type(value) is not str or len(value) != _DIGITS:
        raise Malformed("no hash")
    try:
        return int.from_bytes(a2b_base64(value + "==", strict_mode=True), "big")
    except ValueError:
        raise Malformed("no hash") from None


class Draft:
    """
    A message being made, in order.

    @ivar size: roughly its size, bytes.
    @ivar needed: how many cells it asks for, or asks about.
    """

    def __init__(self) -> None:
        self.size = 0
        self.needed = 0
        self._ranges: list[bytes] = []
        self._told_to = LOWEST
        self._need: dict[Place, bytes] = {}
        self._ties: list[tuple[bytes, bytes]] = []

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing that would want an answer."""
        return not self._ranges and not self._need and not self._ties

    def fingerprint(self, low: Place, high: Place, count: int, total: int) -> None:
        """Tell a fingerprint."""
        self._add(low, high, b',%d,"%b"' % (count, _text(total)))

    def items(self, low: Place, high: Place, entries: Sequence[Entry]) -> None:
        """Tell the cells of a range."""
        said = [(entry.place[0], _item(entry)) for entry in entries]
        self._add(low, high, b",[%b]" % _grouped(said))

    def _add(self, low: Place, high: Place, what: bytes) -> None:
        if low != self._told_to:
            self._append(b"[%b]" % _written(low))
        self._append(b"[%b%b]" % (_written(high), what))
        self._told_to = high

    def _append(self, text: bytes) -> None:
        self._ranges.append(text)
        self.size += len(text) + 1

    def need(self, place: Place) -> None:
        """Ask for a cell."""
        text = string(from_order_key(place[1]))
        self._need[place] = text
        self.size += len(text) + len(place[0]) + 5
        self.needed += 1

    def tie(self, entry: Entry, text: str) -> None:
        """Ask whose value of a cell stands, in order. @param text: how ours begins."""
        said = b"%b,%b,%b" % (string(entry.key), number(entry.state).encode("ascii"), string(text))
        self._ties.append((entry.place[0], said))
        self.size += len(said) + len(entry.place[0]) + 5
        self.needed += 1

    def fields(self) -> bytes:
        """What goes into the message, with commas in front."""
        text = b""
        if self._ranges:
            text += b',"ranges":[%b]' % b",".join(self._ranges)
        if self._need:
            need = sorted(self._need.items())
            text += b',"need":[%b]' % _grouped([(soul, key) for (soul, _), key in need])
        if self._ties:
            text += b',"ties":[%b]' % _grouped(self._ties)
        return text


def _grouped(said: Iterable[tuple[bytes, bytes]]) -> bytes:
    souls: dict[bytes, list[bytes]] = {}
    for units, text in said:
        souls.setdefault(units, []).append(text)
    return b",".join(
        [b"%b,[%b]" % (string(from_order_key(units)), b",".join(texts)) for units, texts in souls.items()]
    )


def _item(entry: Entry) -> bytes:
    return b'%b,%b,"%b"' % (string(entry.key), number(entry.state).encode("ascii"), _text(entry.digest))


def item_size(entry: Entry) -> int:
    """Roughly what a cell takes in a message, its soul included, bytes."""
    return len(_item(entry)) + len(string(entry.soul)) + 5


def _written(place: Place) -> bytes:
    if place == END:
        return b"null"
    soul = string(from_order_key(place[0]))
    return b"[%b,%b]" % (soul, string(from_order_key(place[1]))) if place[1] else soul


def _text(digest: int) -> bytes:
    return b2a_base64(digest.to_bytes(HASH_BYTES, "big"), newline=False).rstrip(b"=")
