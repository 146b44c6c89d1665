"""
The PROXY protocol, versions 1 and 2: a header before all that a connection carries, TLS included, in which a
proxy says whose connection it passes on (haproxy's C{doc/proxy-protocol.txt}).

Twisted reads what is in it. What is added here is whom it is believed, how long it may be and take, and that
it may come in pieces.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocolFactory, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.haproxy._exceptions import InvalidProxyHeader
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

from gunnet.counters import Counters
from gunnet.front.trusted import Trusted, plain_ip

HEADER_SECONDS = 10.0
"""How long a proxy may take for the header."""
COMPLAIN_SECONDS = 60.0
"""The log says at most so often why connections are refused; the counters say how many."""

_LINE_BYTES = 107  # the longest of version 1, with its end
_LINE = V1Parser.PROXYSTR + b" "
_UNKNOWN = b"PROXY UNKNOWN"
_FIXED_BYTES = 16  # of version 2


class BadHeader(Exception):
    """It is no header of the PROXY protocol, or says nothing that can be."""


def header_length(data: bytes, most: int) -> int | None:
    """
    How long the header is that C{data} begins with.

    @param most: how long it may be.
    @return: L{None} if more is needed to tell.
    @raise BadHeader: it is none, or longer.
    """
    if data.startswith(_LINE[: len(data)]):
        end = data.find(b"\r\n", 0, min(most, _LINE_BYTES))
        if end < 0 and len(data) >= min(most, _LINE_BYTES):
            raise BadHeader("its first line is too long")
        return end + 2 if end >= 0 else None
    if not data.startswith(V2Parser.PREFIX[: len(data)]):
        raise BadHeader("it does not begin with a header of the PROXY protocol")
    if len(data) < _FIXED_BYTES:
        return None
    length = _FIXED_BYTES + int.from_bytes(data[14:16], "big")
    if length > most:
        raise BadHeader(f"its header is {length} bytes, of at most {most}")
    return length


def source_of(header: bytes) -> IPv4Address | IPv6Address | None:
    """
    Whose connection it is.

    @param header: a whole one.
    @return: L{None} for the proxy's own, or that of somebody without an address.
    @raise BadHeader: it says nothing that can be.
    """
    is_line = header.startswith(_LINE)
    if is_line and header.startswith((_UNKNOWN + b" ", _UNKNOWN + b"\r\n")):
        return None
    try:
        info = V1Parser.parse(header[:-2]) if is_line else V2Parser.parse(header)
        source: Any = info.source
        if not isinstance(source, (IPv4Address, IPv6Address)):
            return None
        ip = plain_ip(source.host)  # Twisted takes any word of version 1 for an address
        if not 0 <= source.port < 65536 or source.type != "TCP":
            raise BadHeader(f"its header names {source.type} port {source.port}")
    except (InvalidProxyHeader, ValueError) as e:
        raise BadHeader("its header can't be read") from e
    return (IPv4Address if ip.version == 4 else IPv6Address)("TCP", str(ip), source.port)


class ProxiedConnection(ProtocolWrapper):
    """A connection with such a header. What is behind it is built, and hears of it, when that has come."""

    factory: ProxyFactory
    wrappedProtocol: Any = None
    transport: Any
    _late: IDelayedCall | None = None
    _source: IAddress | None = None

    def __init__(self, factory: ProxyFactory) -> None:
        super().__init__(factory, self.wrappedProtocol)  # type: ignore[arg-type]
        self._early = b""

    def makeConnection(self, transport: ITransport) -> None:
        """It is open; the header comes first."""
        directlyProvides(self, providedBy(transport))
        Protocol.makeConnection(self, transport)
        self.factory.registerProtocol(self)
        self._late = self.factory.reactor.callLater(HEADER_SECONDS, self._time_out)

    def dataReceived(self, data: bytes) -> None:
        """Twisted has bytes for us."""
        if self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(data)
        elif self._late is not None:
            self._early += data
            try:
                length = header_length(self._early, self.factory.header_bytes)
                if length is not None and len(self._early) >= length:
                    self._begin(source_of(self._early[:length]), self._early[length:])
            except BadHeader as why:
                self._refuse("proxy_headers_refused", str(why))

    def _begin(self, source: IAddress | None, rest: bytes) -> None:
        self._forget()
        self._source = source
        self.wrappedProtocol = self.factory.wrappedFactory.buildProtocol(self.getPeer())
        if self.wrappedProtocol is None:
            self.transport.abortConnection()
            return
        self.wrappedProtocol.makeConnection(self)
        if rest:
            self.wrappedProtocol.dataReceived(rest)

    def getPeer(self) -> IAddress:
        """Whose connection it is."""
        own: IAddress = self.transport.getPeer()
        return self._source or own

    def _time_out(self) -> None:
        self._refuse("proxy_headers_late", f"no whole header came in {HEADER_SECONDS:g} seconds")

    def _refuse(self, counter: str, why: str) -> None:
        self._forget()
        self.factory.complain(counter, self.transport.getPeer(), why)
        self.transport.abortConnection()

    def _forget(self) -> None:
        self._early = b""
        late, self._late = self._late, None
        if late is not None and late.active():
            late.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        self._forget()
        if self.wrappedProtocol is not None:
            super().connectionLost(reason)
            self.wrappedProtocol = None  # they would keep each other until garbage is collected
        else:
            self.factory.unregisterProtocol(self)


class ProxyFactory(WrappingFactory):
    """Has connections begin with such a header, and refuses those of anybody who is not trusted."""

    log = Logger()
    noisy = False

    def __init__(
        self,
        behind: IProtocolFactory,
        trusted: Trusted,
        header_bytes: int,
        counters: Counters,
        reactor: Any,
    ) -> None:
        """
        @param behind: gets what comes after the header.
        @param header_bytes: L{gunnet.limits.Limits.proxy_header_bytes}.
        """
        super().__init__(behind)
        self.header_bytes = header_bytes
        self.reactor = reactor
        self._trusted = trusted
        self._counters = counters
        self._quiet_until: float | None = None

    def buildProtocol(self, addr: Any) -> Any:
        """Somebody connects."""
        if self._trusted.has(addr):
            return ProxiedConnection(self)
        self.complain("proxies_refused", addr, "it is not in --trust-proxy")
        return None

    def complain(self, counter: str, address: IAddress, why: str) -> None:
        """Count a connection that is refused, and log it unless one was logged a moment ago."""
        self._counters.count(counter)
        now = self.reactor.seconds()
        if self._quiet_until is None or now >= self._quiet_until:
            self._quiet_until = now + COMPLAIN_SECONDS
            host = getattr(address, "host", "a UNIX socket")
            self.log.info("refused a connection of {host} for the PROXY protocol: {why}", host=host, why=why)
