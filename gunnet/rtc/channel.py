"""
A link of the mesh over an open data channel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime

from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.turns import MeshService
from gunnet.wire import jstext
from gunnet.wire.message import split

BUFFER_BYTES = 1024 * 1024
"""With more on its way the mesh holds back, until half of it has gone."""


class ChannelLink:
    """
    L{gunnet.transport.interface.Link} over a data channel. It is not reliable: the channel gives up on what
    was lost three times (C{maxRetransmits: 2}), and does not keep the order.

    @ivar name: how logs call it.
    @ivar peer: what the mesh knows of the member; L{None} before and after.
    """

    reliable = False

    def __init__(
        self,
        name: str,
        mesh: MeshService,
        reactor: IReactorTime,
        send: Callable[[Sequence[bytes]], None],
        close: Callable[[str], None],
        message_bytes: int,
    ) -> None:
        """
        @param send: puts messages on their way.
        @param close: closes the channel; one line says why.
        @param message_bytes: what the other side takes as one message.
        """
        self.name = name
        self.peer: Peer | None = None
        self._mesh = mesh
        self._reactor = reactor
        self._send = send
        self._close = close
        self._message_bytes = message_bytes
        self._counters = mesh.relay.counters
        self._limits: Limits = mesh.relay.limits
        self._handed = self._gone = self._unread_bytes = 0
        self._unread: deque[bytes] = deque()
        self._choked = self._scheduled = self._closed = False
        self._reading = True

    # What the mesh calls

    def send(self, *frames: bytes) -> None:
        """Put some frames on their way; what was packed too large goes one by one."""
        if self._closed:
            return
        fitting = [part for frame in frames for part in self._fit(frame)]
        self._handed += sum(map(len, fitting))
        if fitting:
            self._send(fitting)
        if not self._choked and self._handed - self._gone > BUFFER_BYTES and self.peer is not None:
            self._choked = True
            self._mesh.pause(self.peer)

    def _fit(self, frame: bytes) -> list[bytes]:
        if len(frame) <= self._message_bytes:
            return [frame]
        try:
            texts = split(frame)
        except jstext.NotJSON:
            texts = [frame]
        fitting = [text for text in texts if len(text) <= self._message_bytes]
        if len(fitting) < len(texts):
            self._counters.count("rtc_messages_too_large", len(texts) - len(fitting))
        return fitting

    def drop(self, reason: str) -> None:
        """Close the channel."""
        if not self._closed:
            self._close(reason)

    def pause_reading(self) -> None:
        """Keep what comes, up to a bound: there is no way to hold a channel back."""
        self._reading = False

    def resume_reading(self) -> None:
        """Read on."""
        self._reading = True
        if self._unread and not self._scheduled:
            self._scheduled = True
            self._reactor.callLater(0, self._read)

    # What the room calls

    def heard(self, data: bytes) -> None:
        """A message came."""
        if self.peer is None:
            return
        if self._reading and not self._unread:
            self._hear(self.peer, data)
        elif self._unread_bytes + len(data) > self._limits.rtc_unread_bytes:
            self._counters.count("rtc_messages_lost")
        else:
            self._unread.append(data)
            self._unread_bytes += len(data)

    def _read(self) -> None:
        self._scheduled = False
        while self._unread and self._reading and self.peer is not None:
            data = self._unread.popleft()
            self._unread_bytes -= len(data)
            self._hear(self.peer, data)

    def _hear(self, peer: Peer, data: bytes) -> None:
        if len(data) > self._limits.message_bytes:
            self._mesh.hear_oversized(peer)
        else:
            self._mesh.hear(peer, data)

    def sent(self, total: int) -> None:
        """So many bytes have gone by now, but for a few."""
        self._gone = total
        if self._choked and (self._handed - self._gone) * 2 <= BUFFER_BYTES and self.peer is not None:
            self._choked = False
            self._mesh.resume(self.peer)

    def lost(self, why: str) -> None:
        """The channel is gone."""
        self._closed = True
        self._unread.clear()
        self._unread_bytes = 0
        peer, self.peer = self.peer, None
        if peer is not None:
            self._mesh.lose(peer, why)
