"""
AXE: the updates that go to those who are subscribed (gun.js C{lib/axe.js}).

What HAM took in one turn is merged per subscriber into one message with a fresh id; acks to it are led back
to the puts it came from. The relays above are told everything that did not come from them, and other gunnet
relays what they are subscribed to; of the rest they learn when graphs are compared (L{gunnet.mesh.sync}).
"""

from __future__ import annotations

from collections.abc import Collection

from gunnet.acyclic import mypyc_attr
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


@mypyc_attr(acyclic=True)
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
        self.known_by: tuple[Peer, ...] | frozenset[Peer] = ()
        self.told: frozenset[str] = frozenset()

    def is_known_by(self, peer: Peer) -> bool:
        """Whether C{peer} has it, or was sent it by another relay."""
        return peer in self.known_by or (bool(self.told) and peer.is_named_in(self.told))


class Audience:
    """
    Those who are to know the same changes.

    @ivar peers: who; in order, as the keys.
    @ivar indexes: of the changes.
    """

    __slots__ = ("indexes", "peers")

    def __init__(self, peers: dict[Peer, None]) -> None:
        self.peers = peers
        self.indexes: list[int] = []


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
        changes = self._changes
        change = changes.get((soul, key)) if changes else None
        if change is None:
            if not self._concerns_anybody(soul):
                return
            change = changes[(soul, key)] = Change(soul, key, cell)
        change.cell = cell
        change.origins.append(origin)
        change.told = origin.told
        change.known_by = frozenset((origin.peer, *askers)) if askers else (origin.peer,)

    def _concerns_anybody(self, soul: str) -> bool:
        """Whether there may be somebody to tell a change of C{soul}. Who asks later is answered with it."""
        peers = self._peers
        return bool(
            self._subscriptions.may_be_wanted(soul) or peers.relays or peers.upstreams or peers.group.others
        )

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
            change.is_known_by(peer)
            or peer in self._interested(change, self._subscriptions.tables(soul, key), self._peers.above())
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
        audiences = self._audiences(changes)
        if self._peers.relays:
            self._mind_behind(changes, audiences)
        for audience in _apart(audiences):
            peers = []
            for peer in audience.peers:
                if peer.up:
                    peers.append(peer)
                else:
                    self._unacked.owe(peer, [(changes[at].soul, changes[at].key) for at in audience.indexes])
            if peers:
                self._push([changes[at] for at in audience.indexes], peers, now, self._limits.answer_bytes)

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

    def _audiences(self, changes: list[Change]) -> list[Audience]:
        """Who is to know what. Changes that came in the same way for the same peers have one audience."""
        audiences: dict[object, Audience] = {}
        above = self._peers.above()
        for index, change in enumerate(changes):
            tables = self._subscriptions.tables(change.soul, change.key)
            if not tables and not above:
                continue
            kind = (tuple([id(table) for table in tables]), change.known_by, change.told)
            audience = audiences.get(kind)
            if audience is None:
                audience = audiences[kind] = Audience(self._interested(change, tables, above))
            audience.indexes.append(index)
        return list(audiences.values())

    def _interested(
        self, change: Change, tables: list[dict[Peer, None]], above: list[Peer]
    ) -> dict[Peer, None]:
        found: dict[Peer, None] = {}
        for table in tables:
            for peer in table:
                if peer.up and not peer.is_shadow and not change.is_known_by(peer):
                    found[peer] = None
        for peer in above:
            if not change.is_known_by(peer):
                found[peer] = None
        return found

    def _mind_behind(self, changes: list[Change], audiences: list[Audience]) -> None:
        """Note which gunnet relays are not told something that they don't have."""
        for peer in self._peers.relays.values():
            if peer.is_gunnet and not peer.behind:
                told = {at for audience in audiences if peer in audience.peers for at in audience.indexes}
                peer.behind = len(told) < len(changes) and any(
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


def _apart(audiences: list[Audience]) -> list[Audience]:
    """The same, but each peer in one only."""
    if len(audiences) < 2:
        return audiences
    places: dict[Peer, list[int]] = {}
    for place, audience in enumerate(audiences):
        for peer in audience.peers:
            places.setdefault(peer, []).append(place)
    found: dict[tuple[int, ...], Audience] = {}
    for peer, of_peer in places.items():
        joint = tuple(of_peer)
        if joint not in found:
            found[joint] = Audience({})
            found[joint].indexes = sorted([at for place in of_peer for at in audiences[place].indexes])
        found[joint].peers[peer] = None
    return list(found.values())


def _nodes(changes: list[Change]) -> NodeCells:
    if len(changes) == 1:
        change = changes[0]
        return [(change.soul, [(change.key, change.cell)])]
    nodes: dict[str, list[tuple[str, Cell]]] = {}
    for change in changes:
        nodes.setdefault(change.soul, []).append((change.key, change.cell))
    return in_order(nodes)
