"""
Links in memory between the clients of a load and a null relay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

TRAVEL_SECONDS = 0.001


class TurnClock(Clock):
    """A clock that does what is due at once no earlier than the next turn, as reactors do."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> IDelayedCall:
        """See C{IReactorTime}."""
        return super().callLater(max(delay, 1e-6), callable, *args, **kw)


class MemoryTransport:
    """One end of a link: what is written arrives a millisecond later, all that was written together."""

    def __init__(self, clock: Clock) -> None:
        self.other: MemoryTransport
        self.protocol: Protocol
        self.reading = True
        self.closed = False
        self._clock = clock
        self._waiting = b""

    def write(self, data: bytes) -> None:
        """Have bytes arrive."""
        if not self._waiting:
            self._clock.callLater(TRAVEL_SECONDS, self._arrive)
        self._waiting += data

    def loseConnection(self) -> None:
        """Close both ends, after what was written."""
        if not self.closed:
            self.closed = self.other.closed = True
            self._clock.callLater(TRAVEL_SECONDS, self._lose)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """See C{ITCPTransport}."""

    def pauseProducing(self) -> None:
        """See C{IPushProducer}."""
        self.reading = False

    def _arrive(self) -> None:
        data, self._waiting = self._waiting, b""
        if self.other.reading and not self.closed:
            self.other.protocol.dataReceived(data)

    def _lose(self) -> None:
        for end in (self, self.other):
            end.protocol.connectionLost(Failure(connectionDone.value))


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """
    Leads to what a factory makes.

    @ivar error: what comes of connecting, if it is to fail. May be set.
    """

    def __init__(self, clock: Clock, build: Callable[[Any], Protocol | None]) -> None:
        self.error: Exception | None = None
        self.servers: list[Protocol] = []
        self._clock = clock
        self._build = build

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """See C{IStreamClientEndpoint}."""
        if self.error is not None:
            return fail(self.error)
        address = IPv4Address("TCP", "127.0.0.1", 1)
        client: Any = protocolFactory.buildProtocol(address)
        server = self._build(address)
        assert server is not None
        ends = MemoryTransport(self._clock), MemoryTransport(self._clock)
        ends[0].protocol, ends[0].other = client, ends[1]
        ends[1].protocol, ends[1].other = server, ends[0]
        for end in ends:
            end.protocol.makeConnection(end)
        self.servers.append(server)
        return succeed(client)
