"""
Messages that have come and wait for their turn, and from whom no more is read meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.pace import Pace
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.transport.interface import Link


class Inboxes:
    """
    The inboxes of all peers.

    @ivar pressed: whether nobody is served, because much waits for the disk.
    @ivar hold: links from which no more is to be read, since the last turn.
    @ivar release: links from which reading goes on.
    """

    def __init__(self, peers: Peers, pace: Pace, limits: Limits, counters: Counters) -> None:
        self._peers = peers
        self._pace = pace
        self._limits = limits
        self._counters = counters
        self._crowded: dict[str, Peer] = {}
        self.pressed = False
        self.hold: list[Link] = []
        self.release: list[Link] = []

    @property
    def size(self) -> int:
        """What waits in all of them, in bytes."""
        return sum([_size(peer) for peer in self._crowded.values()])

    def meet(self, peer: Peer) -> None:
        """A link is up."""
        if self.pressed:
            self._hold_back(peer)

    def forget(self, peer: Peer) -> None:
        """A link is gone."""
        self._crowded.pop(peer.id, None)

    def can_answer(self, peer: Peer) -> bool:
        """
        Whether there is room for what comes of messages of C{peer}: one that asks faster than it reads must
        wait, and so must one that signs faster than that is verified, or while others are served.
        """
        limits = self._limits
        return (
            len(peer.streams) < limits.streams
            and peer.outbox.size <= limits.outbox_bytes // 2
            and peer.unchecked < limits.unchecked_cells
            and (not peer.signs or self._pace.left > 0)
        )

    def can_serve(self, peer: Peer) -> bool:
        """Whether the next message of C{peer} may be served."""
        return not self.pressed and self.can_answer(peer)

    def add(self, peer: Peer, texts: list[bytes]) -> None:
        """Let messages wait."""
        if len(peer.streams) >= self._limits.streams:
            self._counters.count("streams_exceeded")
        if peer.unchecked >= self._limits.unchecked_cells:
            self._counters.count("unchecked_cells_exceeded")
        peer.inbox.extend(texts)
        self._crowded[peer.id] = peer

    def serve(self, peer: Peer, hear: Callable[[Peer, bytes, float], None], now: float) -> None:
        """Have some messages of C{peer} heard, for one turn."""
        served = 0
        while peer.inbox and served < self._limits.turn_messages and self.can_serve(peer):
            hear(peer, peer.inbox.pop(0), now)
            served += 1
        if not peer.inbox:
            self._crowded.pop(peer.id, None)
            if peer.held and not self.pressed:
                self._let_go(peer)

    def mind(self, peer: Peer) -> None:
        """Read no more from C{peer} while much of it waits, and drop it if that makes too much of all."""
        limits = self._limits
        if len(peer.inbox) <= limits.inbox_messages and _size(peer) <= limits.message_bytes:
            return
        self._counters.count("inbox_messages_exceeded")
        self._hold_back(peer)
        if self.size > limits.inbox_bytes:
            self._counters.count("inbox_bytes_exceeded")
            self._peers.drop(peer, "too many messages wait for their turn")

    def waiting(self) -> list[Peer]:
        """The peers that have a message which may be served now."""
        return [peer for peer in self._crowded.values() if peer.inbox and self.can_serve(peer)]

    def mind_pressure(self, pending: int) -> None:
        """
        While much waits for the disk, nobody is read from: what is not read can't be lost.

        @param pending: bytes that were accepted and are not stored.
        """
        if not self.pressed and pending > self._limits.pending_bytes // 2:
            self.pressed = True
            self._counters.count("pending_bytes_pressed")
            for peer in self._everybody():
                self._hold_back(peer)
        elif self.pressed and pending <= self._limits.pending_bytes // 4:
            self.pressed = False
            for peer in self._everybody():
                if peer.held and peer.id not in self._crowded:
                    self._let_go(peer)

    def _everybody(self) -> list[Peer]:
        group = self._peers.group.peer
        return [*self._peers.up.values(), *([] if group is None else [group])]

    def _hold_back(self, peer: Peer) -> None:
        if not peer.held and peer.link is not None:
            peer.held = True
            self.hold.append(peer.link)

    def _let_go(self, peer: Peer) -> None:
        if peer.link is not None:
            peer.held = False
            self.release.append(peer.link)


def _size(peer: Peer) -> int:
    return sum(map(len, peer.inbox))
