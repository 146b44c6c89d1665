"""
What accepted and dialled WebSocket links have in common.

Autobahn|Python does the handshake, the frames, the pings and the closing; what is added here is what it
leaves open: a bound on everything, back pressure, and that no fault of ours leaves the link it happened on.
What comes in is in L{gunnet.transport.incoming}.

A link lives like this::

    handshake ─▶ open: meet ─▶ hear … pause/resume … ─▶ closing (drop, or the peer's close) ─▶ gone: lose
                                                            └─ after CLOSE_SECONDS: aborted
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gunnet.transport.incoming import Incoming
from gunnet.transport.timers import Timer

if TYPE_CHECKING:
    from gunnet.mesh.peer import Peer

PING_SECONDS = 30.0
PONG_SECONDS = 30.0
CLOSE_SECONDS = 2.0
"""How long a peer may take for its part of the closing handshake."""

TRY_AGAIN_LATER = 1013
"""The close code of a relay that is full (RFC 6455's registry of them)."""


class _Quiet:
    """
    Where Autobahn's own log lines go. It logs each close as a warning, which any stranger could fill a disk
    with; what matters of it is in our own line about the link.
    """

    _log = Logger("autobahn")

    def debug(self, *args: object, **fields: object) -> None:
        """Nothing: there are several per frame."""

    def info(self, format: str, **fields: Any) -> None:
        """Autobahn's info, warnings and errors are our debug."""
        self._log.debug(format, **fields)

    warn = error = info


class _Nobody:
    """Who waits for a link to be open, or closed, as a Deferred: the mesh is told in another way."""

    def callback(self, result: object) -> None:
        """Nothing."""


_NOBODY = _Nobody()


class Links(set["WebSocketLink"]):
    """
    The links that are open, of all factories of one relay.

    @ivar partial_bytes: what they hold of messages that have come in part.
    """

    partial_bytes = 0
    _gone: Deferred[None] | None = None

    def deafen(self) -> None:
        """Hear nothing more."""
        for link in self:
            link.pause_reading()

    def goodbye(self, reactor: IReactorTime, seconds: float) -> Deferred[None]:
        """
        Close every link, and after C{seconds} abort those that are still there.

        @return: fires when none is left.
        """
        gone: Deferred[None] = Deferred()
        late = reactor.callLater(seconds, self._abort_all)
        gone.addCallback(lambda _: late.cancel() if late.active() else None)
        self._gone = gone
        for link in list(self):
            link.drop("the relay stops")
        self._check()
        return gone

    def discard(self, link: object) -> None:
        """Forget a link that is gone."""
        super().discard(link)
        self._check()

    def _abort_all(self) -> None:
        for link in list(self):
            link.abort("the relay stops")
            self.discard(link)

    def _check(self) -> None:
        if self._gone is not None and not self:
            gone, self._gone = self._gone, None
            gone.callback(None)


@implementer(IPushProducer)
class WebSocketLink(Incoming):
    """
    What accepted and dialled links have in common; mixed into Autobahn's protocols.

    @ivar name: how logs call this link.
    """

    reliable = True

    log = _Quiet()
    name = "ws"
    _log = Logger()
    _lost: str | None = None  # why it is gone
    _choked = False  # the write buffer is full
    _deaf = False  # the mesh asked not to read
    _slowed: IDelayedCall | None = None  # its address sends too much: then it is read again
    _reads = True  # what comes of both
    _heartbeat: Timer | None = None
    _abort_call: IDelayedCall | None = None

    def __init__(self) -> None:
        super().__init__()
        # Autobahn's own have the link for their result: only the garbage collection would be the end of it.
        self.is_open = self.is_closed = _NOBODY
        self._valid_events = self._results = None  # of events that it can tell others, who are not there

    # ---- the mesh calls (gunnet.transport.interface.Link)

    def send(self, *frames: bytes) -> None:
        """Write some frames, if the link is open."""
        if self.state == self.STATE_OPEN:
            self._write(frames)

    def drop(self, reason: str) -> None:
        """Close the link, as gun.js does: without a code. A peer that doesn't read is cut off at once."""
        self._close(reason, None, None)

    def _refuse(self) -> None:
        """Close a link that there is no room for; what the mesh said on it still goes out before."""
        self._close("refused", TRY_AGAIN_LATER, b"try again later")

    def _close(self, reason: str, code: int | None, text: bytes | None) -> None:
        if self._leaving is not None or self._lost is not None:
            return
        self._leaving = reason
        if self._choked:
            self.abort(reason)
        elif self.state == self.STATE_OPEN:
            self.sendCloseFrame(code, text)  # sendClose lets only few codes through

    def pause_reading(self) -> None:
        """Take no more bytes; what came already is still heard."""
        self._deaf = True
        self._mind_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._deaf = False
        self._mind_reading()

    def _slow_down(self, seconds: float) -> None:
        """Take no more bytes for so long, whatever the mesh says."""
        if self._slowed is not None:
            self._slowed.reset(max(seconds, self._slowed.getTime() - self.factory.reactor.seconds()))
        elif self._abort_call is None and self._lost is None:
            self._slowed = self.factory.reactor.callLater(seconds, self._speed_up)
            self._mind_reading()

    def _speed_up(self) -> None:
        if self._slowed is not None and self._slowed.active():
            self._slowed.cancel()
        self._slowed = None
        self._mind_reading()

    def _mind_reading(self) -> None:
        reads = not self._deaf and self._slowed is None
        if reads is not self._reads and self._lost is None:
            self._reads = reads
            self.transport.resumeProducing() if reads else self.transport.pauseProducing()

    # ---- closing

    def abort(self, reason: str) -> None:
        """Cut the connection; nothing more is sent, not even what waits."""
        if self._lost is not None:
            return
        self._leaving = self._leaving or reason
        if self.state != self.STATE_CLOSED:
            self.wasNotCleanReason = reason
            self.dropConnection(abort=True)
        else:  # Autobahn is through with it, but not all bytes are sent
            self.transport.abortConnection()

    def sendCloseFrame(self, *args: Any, **fields: Any) -> None:
        """Whoever began it, and for whatever reason: from here on the connection has little time left."""
        super().sendCloseFrame(*args, **fields)
        self._hurry()

    def dropConnection(self, abort: bool = False) -> None:
        """The same for what isn't open yet, or is already closed and has bytes left to send."""
        super().dropConnection(abort=abort)
        if not abort:
            self._hurry()

    def _hurry(self) -> None:
        if self._abort_call is None and self._lost is None:
            self._speed_up()
            self.resume_reading()  # else the peer's close frame would never be seen
            self._abort_call = self.factory.reactor.callLater(
                CLOSE_SECONDS, self.abort, self.wasNotCleanReason or "it didn't take part in closing"
            )

    # ---- Autobahn calls

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone. Autobahn forgets why, where TLS failed."""
        if reason.check(ConnectionDone, ConnectionLost, ConnectionAborted) is None:
            self.wasNotCleanReason = f"{type(reason.value).__name__}: {reason.getErrorMessage()}"
        super().connectionLost(reason)

    def onOpen(self) -> None:
        """The handshake is done."""
        self.transport.registerProducer(self, True)
        try:
            self._peer = self.factory.mesh.meet(self, self.factory.peer)
        except Exception:
            self._fault("meeting")
        if self._peer is None:
            self._refuse()
        elif self._lost is not None:
            self._lose()
        else:
            self.factory.links.add(self)
            if self._choked:
                self._tell(self.factory.mesh.pause)

    def onAutoPingTimeout(self) -> None:
        """No pong. That is our own doing if we don't read: then ask again later."""
        if not self._reads:
            self.autoPingTimeoutCall = self.autoPingPending = None
            self.autoPingPendingCall = self.factory.reactor.callLater(PING_SECONDS, self._sendAutoPing)
        else:
            super().onAutoPingTimeout()

    def onClose(self, was_clean: bool, code: int | None, text: str | None) -> None:
        """The connection is gone."""
        self._forget_all()
        for call in (self._heartbeat, self._abort_call, self._slowed):
            if call is not None and call.active():
                call.cancel()
        if self._leaving is not None:
            self._lost = self._leaving
        elif was_clean:
            self._lost = f"closed by the peer, code {code or 1005} {text or ''}".rstrip()
        else:
            self._lost = str(self.wasNotCleanReason or text)
        self.factory.links.discard(self)
        self._lose()

    def _lose(self) -> None:
        if self._peer is not None:
            peer, self._peer = self._peer, None
            try:
                self.factory.mesh.lose(peer, self._lost)
            except Exception:
                self._fault("losing")

    # ---- Twisted's transport calls (IPushProducer)

    def pauseProducing(self) -> None:
        """The write buffer is full."""
        self._choked = True
        self._tell(self.factory.mesh.pause)

    def resumeProducing(self) -> None:
        """It has drained."""
        self._choked = False
        self._tell(self.factory.mesh.resume)

    def stopProducing(self) -> None:
        """The connection is gone; L{onClose} follows."""

    def _tell(self, what: Callable[[Peer], None]) -> None:
        if self._peer is not None and self._leaving is None:
            try:
                what(self._peer)
            except Exception:
                self._fault("pushing back")

    def _fault(self, doing: str) -> None:
        """In an except clause: our own mistake. It is logged and counted, and costs this link."""
        self._log.failure("failed in {doing} ({name})", doing=doing, name=self.name)
        self.factory.mesh.relay.counters.count("link_faults")
        self.drop("internal error")
