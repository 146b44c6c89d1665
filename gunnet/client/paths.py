"""
Where a chain leads: its steps, and following them through the graph, links included (gun.js C{src/chain.js},
C{src/map.js}).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.logger import Logger

from gunnet.client.errors import Busy
from gunnet.client.nodes import Nodes, Want
from gunnet.client.values import is_link, query_of
from gunnet.counters import Counters
from gunnet.graph.lex import Query
from gunnet.limits import Limits
from gunnet.wire.jstext import parse

Change = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Key:
    """One property. @ivar name: its key."""

    name: str


@dataclass(frozen=True)
class Part:
    """The part of a node that a LEX selects. @ivar lex: the LEX, as JSON text."""

    lex: bytes


@dataclass(frozen=True)
class Each:
    """
    Each property.

    @ivar lex: only those that this LEX (JSON text) selects; L{None} for all.
    @ivar change: gives what is told in place of a value, or L{None} for nothing; L{None} for the value.
    """

    lex: bytes | None = None
    change: Change | None = None


@dataclass(frozen=True)
class Wire:
    """All of a node, with its states and signatures: as it stands on the wire."""


Step = Key | Part | Each | Wire

Item = tuple[str, ...]
"""Which of the many places of a path: the keys at its C{map()}s."""


class Hearer(Protocol):
    """Who is told where a path leads."""

    def found(self, key: str, value: Any, keys: set[str] | None, since: float, item: Item) -> None:
        """
        There is a value.

        @param key: the last key on the way.
        @param value: a C{dict} for a node.
        @param keys: which of its keys have changed, of a node.
        @param since: since when it is as it is known, seconds; infinity while more is announced.
        @param item: of which item it is.
        """

    def missing(self, key: str) -> None:
        """There is nothing, as far as can be known now."""


class Followed(Protocol):
    """A part of the graph that is being watched."""

    soul: str

    def stop(self) -> None:
        """Watch it no more."""


class Leaf:
    """All, or a part, of the node that a path ends in."""

    def __init__(
        self, nodes: Nodes, query: Query, hearer: Hearer, key: str, item: Item, *, wire: bool
    ) -> None:
        assert query.soul is not None
        self.soul = query.soul
        self._nodes = nodes
        self._hearer = hearer
        self._key = key
        self._item = item
        self._wire = wire
        self._want: Want | None = nodes.watch(query, self)

    def stop(self) -> None:
        """See L{Followed.stop}."""
        want, self._want = self._want, None
        if want is not None:
            self._nodes.unwatch(want, self)

    def changed(self, keys: set[str]) -> None:
        """See L{gunnet.client.nodes.Watcher.changed}."""
        want = self._want
        if want is not None:
            node = want.node
            value = node.wire(want.query) if self._wire else node.values(want.query)
            self._hearer.found(self._key, value, keys, want.since, self._item)

    def missing(self) -> None:
        """See L{gunnet.client.nodes.Watcher.missing}."""
        self._hearer.missing(self._key)


class Fork:
    """
    A step from a node to one of its properties, or to each of them.

    Of a property that is a link, the rest of the path is followed from the node it leads to.
    """

    _log = Logger()

    def __init__(
        self,
        nodes: Nodes,
        query: Query,
        rest: tuple[Step, ...],
        hearer: Hearer,
        limits: Limits,
        item: Item,
        *,
        each: bool,
    ) -> None:
        """
        @param item: the keys at the C{map()}s before this step.
        @param each: whether this is one.
        """
        assert query.soul is not None
        self.soul = query.soul
        self._nodes = nodes
        self._rest = rest
        self._hearer = hearer
        self._limits = limits
        self._item = item
        self._each = each
        self._children: dict[str, Followed] = {}
        self._want: Want | None = nodes.watch(query, self)

    def stop(self) -> None:
        """See L{Followed.stop}."""
        want, self._want = self._want, None
        if want is not None:
            self._nodes.unwatch(want, self)
        children, self._children = self._children, {}
        for child in children.values():
            child.stop()

    def changed(self, keys: set[str]) -> None:
        """See L{gunnet.client.nodes.Watcher.changed}."""
        for key in sorted(keys):
            if self._want is None:  # stopped by who was told
                return
            self._follow(key, self._want)

    def _follow(self, key: str, want: Want) -> None:
        cell = want.node.cells.get(key)
        value: Any = None if cell is None else cell[2]
        child = self._children.get(key)
        if is_link(value):
            if child is None or child.soul != value["#"]:
                self._replace(key, value["#"])
            return
        if child is not None:
            del self._children[key]
            child.stop()
        if self._rest:
            self._hearer.missing(key)
        else:
            self._hearer.found(key, value, None, want.since, self._item_at(key))

    def _item_at(self, key: str) -> Item:
        return (*self._item, key) if self._each else self._item

    def _replace(self, key: str, soul: str) -> None:
        child = self._children.pop(key, None)
        if child is not None:
            child.stop()
        try:
            self._children[key] = follow(
                self._nodes, soul, self._rest, self._hearer, self._limits, key, self._item_at(key)
            )
        except Busy as error:
            self._log.warn("{soul} is not followed: {error}", soul=soul, error=error)
            self._hearer.missing(key)

    def missing(self) -> None:
        """See L{gunnet.client.nodes.Watcher.missing}."""
        want = self._want
        self._hearer.missing("" if want is None or want.query.key is None else want.query.key)


def follow(
    nodes: Nodes,
    soul: str,
    steps: tuple[Step, ...],
    hearer: Hearer,
    limits: Limits,
    key: str = "",
    item: Item = (),
) -> Followed:
    """
    Watch where C{steps} lead from a node.

    @param key: the key that led to the node; none if it is where the path begins.
    @param item: the keys at the C{map()}s on the way to the node.
    @raise Busy: too much is watched.
    """
    step = steps[0] if steps else None
    if isinstance(step, Key):
        return Fork(nodes, Query(soul, key=step.name), steps[1:], hearer, limits, item, each=False)
    if isinstance(step, Each):
        query = Query(soul) if step.lex is None else query_of(soul, parse(step.lex), limits)
        if step.change is not None:
            hearer = _Changed(hearer, step.change, nodes.counters)
        return Fork(nodes, query, steps[1:], hearer, limits, item, each=True)
    query = query_of(soul, parse(step.lex), limits) if isinstance(step, Part) else Query(soul)
    return Leaf(nodes, query, hearer, key or soul, item, wire=isinstance(step, Wire))


class _Changed:
    """A hearer behind the function of a C{map(function)}."""

    _log = Logger()

    def __init__(self, hearer: Hearer, change: Change, counters: Counters) -> None:
        self._hearer = hearer
        self._change = change
        self._counters = counters

    def found(self, key: str, value: Any, keys: set[str] | None, since: float, item: Item) -> None:
        try:
            changed = self._change(value, key)
        except Exception:
            self._counters.count("client_callbacks_failed")
            self._log.failure("the function of a map() failed on {key!r}", key=key)
            return
        if changed is not None:
            self._hearer.found(key, changed, None if changed is not value else keys, since, item)

    def missing(self, key: str) -> None:
        self._hearer.missing(key)
