"""
The link between the chain and the node in the same process: the chain is a peer of it like any other, and
speaks GUN to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from gunnet.client.errors import Busy
from gunnet.mesh.peer import Peer
from gunnet.turns import MeshService
from gunnet.wire import jstext
from gunnet.wire.message import split

REOPEN_SECONDS = 0.1
"""A link that the node dropped is opened again after so long."""

Heard = Callable[[dict[str, Any]], None]


class Line:
    """
    L{gunnet.transport.interface.Link} to the node, and what the chain says and hears over it.

    What one side says, the other hears a turn of the reactor later at the latest.
    """

    reliable = True
    name = "chain"
    _log = Logger()

    def __init__(
        self, mesh: MeshService, reactor: IReactorTime, new_id: Callable[[], str], heard: Heard
    ) -> None:
        """
        @param heard: called with each message of the node.
        """
        self._mesh = mesh
        self._reactor = reactor
        self._new_id = new_id
        self._heard = heard
        self._pid = new_id()
        self._peer: Peer | None = None
        self._arriving: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._held = False
        self._next: IDelayedCall | None = None
        self._again: IDelayedCall | None = None
        self._closed = False
        self.on_reopened: Callable[[], None] = _nothing

    # The chain

    def open(self) -> None:
        """
        Become a peer of the node.

        @raise Busy: it takes no more.
        """
        self._peer = self._mesh.meet(self)
        if self._peer is None:
            raise Busy("the relay takes no more peers")
        # Who says hi has nothing of an earlier link to be asked for.
        self.say(b'{"#":"%b","dam":"hi"}' % self._new_id().encode())

    def say(self, message: bytes) -> None:
        """Say something to the node; if it does not read just now, later."""
        if self._held or self._peer is None:
            self._waiting.append(message)
        else:
            self._mesh.hear(self._peer, message)

    def close(self) -> None:
        """Leave the node."""
        self._closed = True
        for call in (self._next, self._again):
            if call is not None and call.active():
                call.cancel()
        peer, self._peer = self._peer, None
        if peer is not None:
            self._mesh.lose(peer, "the chain was closed")

    # The node

    def send(self, *frames: bytes) -> None:
        """See L{gunnet.transport.interface.Link.send}."""
        if not self._closed:
            self._arriving.extend(frames)
            self._schedule()

    def drop(self, reason: str) -> None:
        """See L{gunnet.transport.interface.Link.drop}. The chain comes back."""
        if self._again is None and not self._closed:
            self._log.warn("the link to the own node was dropped: {reason}", reason=reason)
            self._again = self._reactor.callLater(REOPEN_SECONDS, self._reopen, reason)

    def pause_reading(self) -> None:
        """See L{gunnet.transport.interface.Link.pause_reading}."""
        self._held = True

    def resume_reading(self) -> None:
        """See L{gunnet.transport.interface.Link.resume_reading}."""
        self._held = False
        while self._waiting and not self._held and self._peer is not None:
            self._mesh.hear(self._peer, self._waiting.popleft())

    def _schedule(self) -> None:
        if self._next is None:
            self._next = self._reactor.callLater(0, self._deliver)

    def _deliver(self) -> None:
        self._next = None
        while self._arriving:
            for text in split(self._arriving.popleft()):
                try:
                    self._hear(jstext.parse(text))
                except Exception:
                    self._mesh.relay.counters.count("client_faults")
                    self._log.failure("the chain failed on a message of its node")

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("dam") == "?":
            if message.get("@") is None:
                fields = {"#": self._new_id(), "@": message["#"], "dam": "?", "pid": self._pid}
                self.say(jstext.stringify(fields))
        elif "get" in message and "put" not in message:
            self.say(jstext.stringify({"#": self._new_id(), "@": message["#"]}))
        elif message.get("dam") is None:
            self._heard(message)

    def _reopen(self, reason: str) -> None:
        self._again = None
        peer, self._peer = self._peer, None
        self._held = False
        self._waiting.clear()
        if peer is not None:
            self._mesh.lose(peer, reason)
        try:
            self.open()
        except Busy:
            self._again = self._reactor.callLater(REOPEN_SECONDS, self._reopen, reason)
            return
        self.on_reopened()


def _nothing() -> None:
    pass
