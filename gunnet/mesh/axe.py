"""
AXE: who is subscribed to what, and the updates that go to them (gun.js C{lib/axe.js}).

A get subscribes the peer that asks, for the life of its link. What HAM took in one turn is merged per
subscriber into one message with a fresh id; acks to it are led back to the puts it came from. Upstreams
are told everything that did not come from them.
"""

from __future__ import annotations

from collections.abc import Iterator

from gunnet.counters import Counters
from gunnet.graph.answer import NodeCells, in_order, render
from gunnet.graph.ham import Cell
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, told
from gunnet.mesh.routes import Origin, Push, Route
from gunnet.wire.dup import Dup
from gunnet.wire.jstext import string


class Change:
    """
    A cell that is news.

    @ivar origins: the puts that brought it or what it replaced in the same turn.
    @ivar known_by: peers that have it already.
    """

    __slots__ = ("cell", "key", "known_by", "origins", "soul")

    def __init__(self, soul: str, key: str, cell: Cell) -> None:
        self.soul = soul
        self.key = key
        self.cell = cell
        self.origins: list[Origin] = []
        self.known_by: list[Peer] = []


class Subscriptions:
    """A bounded table of (peer, soul, key); a key of L{None} is the whole node."""

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._souls: dict[str, dict[str | None, dict[Peer, None]]] = {}
        self._count = 0
        self.size = 0

    def __len__(self) -> int:
        return self._count

    def add(self, peer: Peer, soul: str, key: str | None) -> None:
        """Subscribe C{peer}, unless a bound is reached: then it still gets answers, but no updates."""
        if (soul, key) in peer.subscriptions:
            return
        limits = self._limits
        size = len(soul) + len(key or "")
        if len(peer.subscriptions) >= limits.peer_subscriptions:
            self._counters.count("peer_subscriptions_refused")
        elif self._count >= limits.subscriptions or self.size + size > limits.subscription_bytes:
            self._counters.count("subscriptions_refused")
        else:
            self._souls.setdefault(soul, {}).setdefault(key, {})[peer] = None
            peer.subscriptions.add((soul, key))
            self._count += 1
            self.size += size

    def forget(self, peer: Peer) -> None:
        """End all subscriptions of C{peer}."""
        for soul, key in peer.subscriptions:
            keys = self._souls[soul]
            del keys[key][peer]
            if not keys[key]:
                del keys[key]
                if not keys:
                    del self._souls[soul]
            self._count -= 1
            self.size -= len(soul) + len(key or "")
        peer.subscriptions.clear()

    def names(self) -> list[tuple[str, str | None]]:
        """The (soul, key) that somebody is subscribed to, each once."""
        return [(soul, key) for soul, keys in self._souls.items() for key in keys]

    def to(self, soul: str, key: str) -> Iterator[Peer]:
        """The peers subscribed to a cell; one may come twice."""
        keys = self._souls.get(soul)
        if keys is not None:
            yield from keys.get(None, ())
            yield from keys.get(key, ())

    def to_soul(self, soul: str) -> Iterator[Peer]:
        """The peers subscribed to anything of a soul; one may come more than once."""
        for peers in self._souls.get(soul, {}).values():
            yield from peers


class Updates:
    """Collects the news of a turn, and tells them."""

    def __init__(
        self, peers: Peers, subscriptions: Subscriptions, dup: Dup[Route], limits: Limits, counters: Counters
    ) -> None:
        self._peers = peers
        self._subscriptions = subscriptions
        self._dup = dup
        self._limits = limits
        self._counters = counters
        self._changes: dict[tuple[str, str], Change] = {}

    def note(self, soul: str, key: str, cell: Cell, origin: Origin, asker: Peer | None) -> None:
        """
        A cell was taken.

        @param asker: whom the message that brought it is passed on to anyway.
        """
        change = self._changes.get((soul, key))
        if change is None:
            change = self._changes[(soul, key)] = Change(soul, key, cell)
        change.cell = cell
        change.origins.append(origin)
        change.known_by = [origin.peer] if asker is None else [origin.peer, asker]

    def tell(self) -> None:
        """Say all that was noted, once to each peer that is to know it."""
        if not self._changes:
            return
        changes = list(self._changes.values())
        self._changes.clear()
        wanted: dict[Peer, list[int]] = {}
        for index, change in enumerate(changes):
            for peer in self._interested(change):
                indexes = wanted.setdefault(peer, [])
                if not indexes or indexes[-1] != index:
                    indexes.append(index)
        groups: dict[tuple[int, ...], list[Peer]] = {}
        for peer, indexes in wanted.items():
            groups.setdefault(tuple(indexes), []).append(peer)
        for group, peers in groups.items():
            self._push([changes[index] for index in group], peers)

    def _interested(self, change: Change) -> Iterator[Peer]:
        known_by = change.known_by
        for peer in self._subscriptions.to(change.soul, change.key):
            if peer.up and peer not in known_by:
                yield peer
        for peer in self._peers.upstreams.values():
            if peer not in known_by:
                yield peer

    def _push(self, changes: list[Change], peers: list[Peer]) -> None:
        size = 0
        start = 0
        for end, change in enumerate(changes, 1):
            size += len(change.soul) + 2 * len(change.key) + len(change.cell[1])
            if size >= self._limits.answer_bytes or end == len(changes):
                self._push_one(changes[start:end], peers)
                start = end
                size = 0

    def _push_one(self, changes: list[Change], peers: list[Peer]) -> None:
        update = self._peers.new_id()
        origins = {id(origin): origin for change in changes for origin in change.origins}
        self._dup.remember(update, Push(tuple(origins.values())))
        names = b"" if len(peers) == 1 else b'"><":%b,' % told(peers)
        text = b'{"#":%b,%b"ok":{"@":2,"/":%d},"put":%b}' % (
            string(update),
            names,
            self._peers.near,
            render(_nodes(changes)),
        )
        self._counters.count("updates_sent", len(peers))
        for peer in peers:
            self._peers.say(peer, text)


def _nodes(changes: list[Change]) -> NodeCells:
    if len(changes) == 1:
        change = changes[0]
        return [(change.soul, [(change.key, change.cell)])]
    nodes: dict[str, list[tuple[str, Cell]]] = {}
    for change in changes:
        nodes.setdefault(change.soul, []).append((change.key, change.cell))
    return in_order(nodes)
