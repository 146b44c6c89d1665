"""
Links without a network: two meshes in one process, joined as a dialler and a listener would be.

Frames arrive a turn of the reactor later, in order. What the receiver has not read yet is the transport's
buffer: over a limit the sender is told to wait, as a full socket would have it.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.interfaces import IReactorTime

from gunnet.mesh.peer import Peer
from gunnet.turns import MeshService


class LinkEnd:
    """
    One end of a link: L{gunnet.transport.interface.Link} to the mesh on its side.

    @ivar name: how logs call it.
    @ivar peer: what the mesh on this side knows of the other one; L{None} before and after.
    @ivar unread: bytes that were sent to this end and not heard yet.
    """

    reliable = True

    def __init__(self, name: str, mesh: MeshService, reactor: IReactorTime, limit_bytes: int | None) -> None:
        self.name = name
        self.peer: Peer | None = None
        self.unread = 0
        self._mesh = mesh
        self._reactor = reactor
        self._limit_bytes = limit_bytes
        self._other: LinkEnd
        self._arriving: deque[bytes] = deque()
        self._reading = True
        self._scheduled = False
        self._choked = False
        self._closed: str | None = None

    # What the mesh calls

    def send(self, *frames: bytes) -> None:
        """Put some frames on their way."""
        if self._closed is not None:
            return
        other = self._other
        other._arriving.extend(frames)
        other.unread += sum(map(len, frames))
        other._schedule()
        if self._limit_bytes is not None and other.unread > self._limit_bytes and not self._choked:
            self._choked = True
            if self.peer is not None:
                self._mesh.pause(self.peer)

    def drop(self, reason: str) -> None:
        """Close the link. What is on its way still arrives at the other end, if that reads."""
        if self._closed is not None:
            return
        self._close(reason)
        other = self._other
        if other._closed is None:
            other._closed = reason
            if not other._reading:
                other._arriving.clear()
            other._schedule()

    def pause_reading(self) -> None:
        """Leave what arrives unread."""
        self._reading = False

    def resume_reading(self) -> None:
        """Read on."""
        self._reading = True
        self._schedule()

    # Arriving

    def _close(self, reason: str) -> None:
        self._closed = reason
        self._arriving.clear()
        self.unread = 0
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and (self._closed is not None or (self._reading and self._arriving)):
            self._scheduled = True
            self._reactor.callLater(0, self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        while self._arriving and self._reading and self.peer is not None:
            frame = self._arriving.popleft()
            self.unread -= len(frame)
            self._mesh.hear(self.peer, frame)
        if self._closed is not None and self.peer is not None:
            peer, self.peer = self.peer, None
            self._arriving.clear()
            self._mesh.lose(peer, self._closed)
        self._other._drained(self.unread)

    def _drained(self, unread: int) -> None:
        if (
            self._choked
            and self._closed is None
            and self.peer is not None
            and unread * 2 <= (self._limit_bytes or 0)
        ):
            self._choked = False
            self._mesh.resume(self.peer)


def join(
    dialler: MeshService,
    listener: MeshService,
    reactor: IReactorTime,
    *,
    url: str = "memory:",
    limit_bytes: int | None = None,
) -> tuple[LinkEnd, LinkEnd]:
    """
    Link two meshes.

    @param url: what the dialler calls the listener; the same one again is the same peer on a new link.
    @param limit_bytes: how many bytes may be on their way in one direction before the sender is told to wait;
        L{None} for any number.
    @return: the ends at the dialler and at the listener. C{drop} of either closes the link.
    """
    out = LinkEnd(f"memory to {url}", dialler, reactor, limit_bytes)
    into = LinkEnd(f"memory from {url}", listener, reactor, limit_bytes)
    out._other, into._other = into, out
    out.peer = dialler.meet(out, dialler.dial(url))
    into.peer = listener.meet(into)
    for end in (out, into):
        if end.peer is None:
            end.drop("refused")
    return out, into
