"""
Doubles for tests of transports: a mesh that writes down what it is told, and a peer's end of a raw WebSocket.
"""

from __future__ import annotations

import struct
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IStreamClientEndpoint,
)
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.transport.link import Links
from gunnet.transport.websocket import ServerFactory

HANDSHAKE = (
    b"GET /gun?x=1 HTTP/1.1\r\nHost: relay.example:8765\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class RecordingRelay:
    """The little that transports and pages know of a relay."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.counters = Counters()
        self.stuck: str | None = None

    def health(self) -> dict[str, object]:
        return {"ok": self.stuck is None, "error": self.stuck}


class RecordingMesh:
    """
    A mesh whose peers are numbers.

    @ivar calls: (name of the call, arguments), in order.
    @ivar links: peer to link.
    @ivar broken: names of calls that raise.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.relay = RecordingRelay(limits)
        self.calls: list[tuple[Any, ...]] = []
        self.links: dict[Any, Any] = {}
        self.broken: set[str] = set()
        self.full = False

    def _record(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] in self.broken:
            raise RuntimeError(f"broken {call[0]}")

    def dial(self, url: str) -> str:
        self._record("dial", url)
        return url

    def meet(self, link: Any, peer: Any = None) -> Any:
        if self.full:
            return None
        peer = len(self.links) + 1 if peer is None else peer
        self.links[peer] = link
        self._record("meet", peer)
        return peer

    def hear(self, peer: Any, *frames: bytes) -> int:
        for frame in frames:
            self._record("hear", peer, frame)
        return sum(frame.count(b"{") or 1 for frame in frames)

    def hear_oversized(self, peer: Any) -> None:
        self._record("hear_oversized", peer)

    def pause(self, peer: Any) -> None:
        self._record("pause", peer)

    def resume(self, peer: Any) -> None:
        self._record("resume", peer)

    def lose(self, peer: Any, reason: str) -> None:
        self._record("lose", peer, reason)

    def heard(self) -> list[bytes]:
        return [call[2] for call in self.calls if call[0] == "hear"]


class WireTransport(StringTransport):
    """A transport in memory that tells its protocol when the connection is gone, and can be full."""

    def __init__(self) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", "192.0.2.7", 51724))
        self.protocol: Any = None
        self.gone = False
        self.aborted = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.lose()

    def lose(self, why: Exception | None = None) -> None:
        from twisted.internet.error import ConnectionAborted, ConnectionDone

        if not self.gone:
            self.gone = True
            reason = why or (ConnectionAborted() if self.aborted else ConnectionDone())
            self.protocol.connectionLost(Failure(reason))

    def unregisterProducer(self) -> None:
        self.producer = None  # as TCP does it, whether or not there is one

    def fill(self) -> None:
        """The peer does not read."""
        if self.producer is not None:
            self.producer.pauseProducing()

    def drain(self) -> None:
        """It does again."""
        if self.producer is not None:
            self.producer.resumeProducing()


class Wire:
    """
    The peer's end of one accepted link.

    @ivar link: our end.
    """

    def __init__(self, mesh: RecordingMesh, clock: MemoryReactorClock, links: Links | None = None) -> None:
        self.links = Links() if links is None else links
        self.factory = ServerFactory(mesh, self.links, clock)  # type: ignore[arg-type]
        self.transport = WireTransport()
        self.link = self.factory.buildProtocol(self.transport.getPeer())
        self.transport.protocol = self.link
        self.link.makeConnection(self.transport)

    def open(self, more: bytes = b"") -> Wire:
        self.link.dataReceived(HANDSHAKE + more + b"\r\n")
        self.answer, _, frames_after = self.transport.value().partition(b"\r\n\r\n")
        self.transport.clear()
        self.transport.write(frames_after)
        return self

    def say(self, payload: bytes, kind: int = TEXT, *, last: bool = True, claim: int | None = None) -> None:
        self.raw(frame(payload, kind, last=last, claim=claim))

    def raw(self, data: bytes) -> None:
        self.link.dataReceived(data)

    def got(self) -> list[tuple[int, bytes]]:
        data = self.transport.value()
        self.transport.clear()
        return frames(data)


def frame(payload: bytes, kind: int = TEXT, *, last: bool = True, claim: int | None = None) -> bytes:
    """
    A masked frame, as clients send it.

    @param claim: the length in its header, if that is not the one of C{payload}.
    """
    length = len(payload) if claim is None else claim
    head = bytes([(0x80 if last else 0) | kind])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += b"\xfe" + struct.pack("!H", length)
    else:
        head += b"\xff" + struct.pack("!Q", length)
    return head + b"\0\0\0\0" + payload


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """The (kind, payload) of unmasked frames, as servers send them."""
    found = []
    while data:
        kind, length, at = data[0] & 15, data[1], 2
        if length == 126:
            length, at = struct.unpack_from("!H", data, 2)[0], 4
        elif length == 127:
            length, at = struct.unpack_from("!Q", data, 2)[0], 10
        found.append((kind, data[at : at + length]))
        data = data[at + length :]
    return found


@implementer(IStreamClientEndpoint)
class ManualEndpoint:
    """
    An endpoint that connects when the test says so.

    @ivar attempts: (factory, Deferred) of each attempt.
    """

    def __init__(self) -> None:
        self.attempts: list[tuple[Any, Deferred[Any]]] = []

    def connect(self, factory: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.attempts.append((factory, done))
        return done

    def fail(self, why: Exception) -> None:
        self.attempts[-1][1].errback(Failure(why))

    def accept(self) -> Any:
        """TCP connects; the protocol that Twisted would talk to comes back, not yet on a transport."""
        factory, done = self.attempts[-1]
        protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.9", 80))
        self.then = lambda: done.callback(protocol)
        return protocol


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class ResolvingReactor(MemoryReactorClock):
    """
    A reactor in memory that resolves names at once.

    @ivar names: name to addresses; may be changed. All other names are taken for addresses.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver: Any = self
        self.names: dict[str, list[str]] = {}

    def resolveHostName(
        self, receiver: Any, name: str, portNumber: int = 0, *args: object, **fields: object
    ) -> Any:
        receiver.resolutionBegan(None)
        for address in self.names.get(name, [name]):
            kind: Any = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, portNumber))
        receiver.resolutionComplete()
        return receiver
