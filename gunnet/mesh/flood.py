"""
With AXE off a put goes to everybody as it came (L{gunnet.mesh.forward}). Here it is seen to that other relays
get its news also when their link is down at that moment, or breaks.
"""

from __future__ import annotations

from collections.abc import Collection

from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.routes import Origin
from gunnet.mesh.unacked import Name, Unacked


class Flood:
    """Minds what was flooded."""

    def __init__(self, peers: Peers, unacked: Unacked) -> None:
        self._peers = peers
        self._unacked = unacked

    def mind(
        self,
        origin: Origin,
        news: list[Name],
        sent: Collection[Peer],
        seen: frozenset[str] | None,
        now: float,
    ) -> None:
        """
        A put was taken in.

        @param news: what in it was news.
        @param sent: to whom it went.
        @param seen: names of those who have it, says the sender; L{None} for a put that does not go to
            everybody, as an answer.
        @param now: milliseconds since 1970.
        """
        for peer in sent:
            self._unacked.said(peer, origin.id, news, now)
        for peer in self._peers.relays.values():
            if peer.is_gunnet and peer is not origin.peer and peer not in sent:
                peer.behind = peer.behind or not (seen and peer.is_named_in(seen))
        if seen is not None:
            self._owe(origin, news, everybody=False)

    def due(self, origin: Origin, news: list[Name]) -> None:
        """
        What had a future state has become news. It was passed on when it came, as with gun.js; who was away
        then has not got it.
        """
        self._owe(origin, news, everybody=True)

    def _owe(self, origin: Origin, news: list[Name], *, everybody: bool) -> None:
        for peer in self._peers.above():
            if peer is not origin.peer and (everybody or not peer.up):
                self._unacked.owe(peer, news)
