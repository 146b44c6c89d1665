"""
With AXE off a put goes to everybody as it came (L{gunnet.mesh.forward}). Here it is seen to that other relays
get its news also when their link is down at that moment, or breaks.
"""

from __future__ import annotations

from collections.abc import Collection

from gunnet.graph.node import PutCell
from gunnet.mesh.axe import Updates
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.routes import Origin
from gunnet.mesh.unacked import Name, Unacked


class Flood:
    """Minds what was flooded."""

    def __init__(self, peers: Peers, unacked: Unacked, updates: Updates) -> None:
        self._peers = peers
        self._unacked = unacked
        self._updates = updates

    def begin(self, origin: Origin) -> None:
        """C{origin} goes to everybody who is there now."""
        origin.flooded = True
        origin.joined = self._peers.joined

    def mind(
        self, origin: Origin, news: list[Name], sent: Collection[Peer], seen: frozenset[str], now: float
    ) -> None:
        """
        A put went to everybody.

        @param news: what in it was news.
        @param sent: to whom it went.
        @param seen: names of those who have it, says the sender.
        @param now: milliseconds since 1970.
        """
        for peer in sent:
            self._unacked.said(peer, origin.id, news, now)
        for peer in self._peers.relays.values():
            if peer.is_gunnet and peer is not origin.peer and peer not in sent:
                peer.behind = peer.behind or not peer.is_named_in(seen)
        for peer in self._peers.above():
            if not peer.up and peer is not origin.peer:
                self._unacked.owe(peer, news)

    def due(self, origin: Origin, cell: PutCell, now: float) -> None:
        """
        What had a future state has become news. It went to everybody when it came, as with gun.js, but
        whoever was away or did not get it has no other way to learn of it.
        """
        if not origin.flooded:
            return
        soul, key, state, value = cell
        news = [(soul, key)]
        others = {peer.id: peer for peer in (*self._peers.relays.values(), *self._peers.above())}
        for peer in others.values():
            if peer is origin.peer or (origin.echoes and peer in origin.echoes):
                continue
            if peer.link is None or peer.joined > origin.joined:
                self._unacked.owe(peer, news)
            elif not peer.link.reliable:
                self._unacked.said(peer, origin.id, news, now)  # it is due there too, and acknowledged then
            elif peer.is_gunnet:
                peer.behind = True
        self._updates.note_late(soul, key, (state, value), origin)
