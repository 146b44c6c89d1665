"""
AXE: the updates that go to those who are subscribed (gun.js C{lib/axe.js}).

What HAM took in one turn is merged per subscriber into one message with a fresh id; acks to it are led back
to the puts it came from. The relays above are told everything that did not come from them, and other gunnet
relays what they are subscribed to; of the rest they learn when graphs are compared (L{gunnet.mesh.sync}).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gunnet.counters import Counters
from gunnet.graph.answer import NodeCells, in_order, render
from gunnet.graph.ham import Cell
from gunnet.limits import Limits
from gunnet.mesh.group import DATAGRAM_PARTS
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, told
from gunnet.mesh.routes import Origin, Push, Route
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.mesh.unacked import Unacked
from gunnet.wire.dup import Dup
from gunnet.wire.jstext import string

_CELL_CHARACTERS = 40
"""What a cell takes apart from its names and its value."""


class Change:
    """
    A cell that is news.

    @ivar origins: the puts that brought it or what it replaced in the same turn.
    @ivar known_by: peers that have it already.
    @ivar told: names of relays that the relay it came from has sent it to as well.
    """

    __slots__ = ("cell", "key", "known_by", "origins", "soul", "told")

    def __init__(self, soul: str, key: str, cell: Cell) -> None:
        self.soul = soul
        self.key = key
        self.cell = cell
        self.origins: list[Origin] = []
        self.known_by: Collection[Peer] = ()
        self.told: frozenset[str] = frozenset()

    def is_known_by(self, peer: Peer) -> bool:
        """Whether C{peer} has it, or was sent it by another relay."""
        return peer in self.known_by or (bool(self.told) and peer.is_named_in(self.told))


class Updates:
    """
    Collects the news of a turn, and tells them.

    @ivar deliveries: how many peers were told something. May be set.
    @ivar heard: when the first of what was told last was heard, milliseconds since 1970.
    """

    def __init__(
        self,
        peers: Peers,
        subscriptions: Subscriptions,
        unacked: Unacked,
        dup: Dup[Route],
        limits: Limits,
        counters: Counters,
    ) -> None:
        self._peers = peers
        self._subscriptions = subscriptions
        self._unacked = unacked
        self._dup = dup
        self._limits = limits
        self._counters = counters
        self._changes: dict[tuple[str, str], Change] = {}
        self.deliveries = 0
        self.heard = 0.0

    def note(self, soul: str, key: str, cell: Cell, origin: Origin, askers: Collection[Peer]) -> None:
        """
        A cell was taken.

        @param askers: whom the message that brought it is passed on to anyway.
        """
        change = self._changes.get((soul, key))
        if change is None:
            change = self._changes[(soul, key)] = Change(soul, key, cell)
        change.cell = cell
        change.origins.append(origin)
        change.told = origin.told
        change.known_by = {origin.peer, *askers} if askers else (origin.peer,)

    def note_late(self, soul: str, key: str, cell: Cell, origin: Origin) -> None:
        """
        A cell was taken that went to everybody before its time. Who is subscribed and came after that is told
        now, but for relays, which are seen to by others.
        """
        subscribed = self._subscriptions.to(soul, key)
        there = [peer for peer in subscribed if peer.joined <= origin.joined]
        self.note(soul, key, cell, origin, (*there, *self._peers.relays.values(), *self._peers.above()))

    def will_tell(self, peer: Peer, soul: str, key: str) -> bool:
        """Whether L{tell} has a cell for C{peer}, or would have if it had not come from there."""
        change = self._changes.get((soul, key))
        return change is not None and (
            change.is_known_by(peer) or any(peer is each for each in self._interested(change))
        )

    def tell(self, now: float) -> None:
        """
        Say all that was noted, once to each peer that is to know it.

        @param now: milliseconds since 1970.
        """
        if not self._changes:
            return
        changes = list(self._changes.values())
        self._changes.clear()
        self.heard = changes[0].origins[0].heard
        self._tell_group(changes, now)
        wanted: dict[Peer, list[int]] = {}
        for index, change in enumerate(changes):
            for peer in self._interested(change):
                indexes = wanted.setdefault(peer, [])
                if not indexes or indexes[-1] != index:
                    indexes.append(index)
        if self._peers.relays:
            self._mind_behind(changes, wanted)
        groups: dict[tuple[int, ...], list[Peer]] = {}
        for peer, indexes in wanted.items():
            if peer.up:
                groups.setdefault(tuple(indexes), []).append(peer)
            else:
                self._unacked.owe(peer, [(changes[at].soul, changes[at].key) for at in indexes])
        for group, peers in groups.items():
            self._push([changes[index] for index in group], peers, now, self._limits.answer_bytes)

    def _tell_group(self, changes: list[Change], now: float) -> None:
        """Tell the local network, but for what it knows or another relay that is linked tells it."""
        group = self._peers.group
        peer = group.peer
        if peer is None or not group.others:
            return
        news = []
        for change in changes:
            origin = change.origins[-1]
            if group.hearer(origin.peer) and not origin.flooded and peer not in change.known_by:
                news.append(change)
        self._push(news, [peer], now, self._limits.datagram_bytes // DATAGRAM_PARTS)

    def _interested(self, change: Change) -> Iterator[Peer]:
        for peer in self._subscriptions.to(change.soul, change.key):
            if peer.up and not peer.is_shadow and not change.is_known_by(peer):
                yield peer
        for peer in self._peers.above():
            if not change.is_known_by(peer):
                yield peer

    def _mind_behind(self, changes: list[Change], wanted: dict[Peer, list[int]]) -> None:
        """Note which gunnet relays are not told something that they don't have."""
        for peer in self._peers.relays.values():
            if peer.is_gunnet and not peer.behind and len(wanted.get(peer, ())) < len(changes):
                told = set(wanted.get(peer, ()))
                peer.behind = any(
                    index not in told and not change.is_known_by(peer) for index, change in enumerate(changes)
                )

    def _push(self, changes: list[Change], peers: list[Peer], now: float, size_max: int) -> None:
        size = 0
        start = 0
        for end, change in enumerate(changes, 1):
            size += _CELL_CHARACTERS + len(change.soul) + 2 * len(change.key) + len(change.cell[1])
            if size >= size_max or end == len(changes):
                self._push_one(changes[start:end], peers, now)
                start = end
                size = 0

    def _push_one(self, changes: list[Change], peers: list[Peer], now: float) -> None:
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
        self.deliveries += len(peers)
        trace = self._peers.trace
        if trace is not None:
            trace.update(update, [origin.id for origin in origins.values()])
        for peer in peers:
            self._peers.say(peer, text)
        if self._peers.relays:
            cells = [(change.soul, change.key) for change in changes]
            for peer in peers:
                self._unacked.said(peer, update, cells, now)


def _nodes(changes: list[Change]) -> NodeCells:
    if len(changes) == 1:
        change = changes[0]
        return [(change.soul, [(change.key, change.cell)])]
    nodes: dict[str, list[tuple[str, Cell]]] = {}
    for change in changes:
        nodes.setdefault(change.soul, []).append((change.key, change.cell))
    return in_order(nodes)
