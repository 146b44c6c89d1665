"""
WebSocket links, accepted and dialled, on Autobahn|Python. To the mesh each is a
L{Link<gunnet.transport.interface.Link>}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
)
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.tcp import Connection

from gunnet import __version__
from gunnet.settings import websocket_url
from gunnet.transport.addresses import Addresses, address_of
from gunnet.transport.light import LightServerProtocol
from gunnet.transport.link import PING_SECONDS, PONG_SECONDS, TRY_AGAIN_LATER, Links, WebSocketLink
from gunnet.transport.timers import Timers

if TYPE_CHECKING:
    from gunnet.turns import MeshService

HEARTBEAT_SECONDS = 20.0
"""How often accepted peers get C{[]} (gun.js C{lib/wire.js}); proxies between cut what is silent."""
HANDSHAKE_SECONDS = 10.0

_KEPT_BYTES = 65_536

_REFUSAL = (
    "HTTP/1.1 {code} {title}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n"
)
_CLOSE = f"Access-Control-Allow-Origin: *\r\nConnection: close\r\nServer: gunnet/{__version__}\r\n"
_TITLES = {
    405: "Method Not Allowed",
    426: "Upgrade Required",
    429: "Too Many Requests",
    505: "HTTP Version Not Supported",
}


class ServerLink(WebSocketLink, LightServerProtocol):  # type: ignore[misc]
    """A link that a peer opened to us."""

    transport: Any
    _address: str | None = None  # what is limited, if it is

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """
        Accept. A browser that names sub-protocols wants one of them back: the first, as C{ws} does it.

        @raise ConnectionDeny: its address has as many links as one may have.
        """
        self.name = _name(self.client)
        addresses = self.factory.addresses
        if addresses.limited:
            address = address_of(self.client)
            if address is not None:
                if not addresses.enter(address):
                    raise ConnectionDeny(429, "too many links from this address")
                self._address = address
        return request.protocols[0] if request.protocols else None

    def onOpen(self) -> None:
        """The handshake is done; the heartbeat begins."""
        self.lighten()
        self.peer = self.name
        super().onOpen()
        self._heartbeat = self.factory.timers.call_later(HEARTBEAT_SECONDS, self._beat)

    def onClose(self, was_clean: bool, code: int | None, text: str | None) -> None:
        """The connection is gone."""
        if self._address is not None:
            self.factory.addresses.leave(self._address)
            self._address = None
        super().onClose(was_clean, code, text)

    def dataReceived(self, data: bytes) -> None:
        """Twisted has bytes for us."""
        super().dataReceived(data)
        self._spend(0, len(data))

    def _heard(self, messages: int) -> None:
        self._spend(messages, 0)

    def _spend(self, messages: int, size: int) -> None:
        if self._address is not None:
            seconds = self.factory.addresses.spend(self._address, messages, size)
            if seconds > 0:
                self._slow_down(seconds)

    def _beat(self) -> None:
        if self.state == self.STATE_OPEN:
            self._heartbeat = self.factory.timers.call_later(HEARTBEAT_SECONDS, self._beat)
            if not self._choked:
                self._write((b"[]",))

    def _write(self, frames: tuple[bytes, ...]) -> None:
        # Servers don't mask, so a frame is a few bytes and the text: Autobahn takes ten times as long for it.
        data = self.factory.framed(frames)
        transport = self.transport
        if _has_nothing_waiting(transport):
            try:
                sent = transport.socket.send(data)
            except OSError:
                sent = 0  # the buffer is full, or the connection is gone, of which Twisted hears as well
            if sent == len(data):
                return
            data = data[sent:]
        transport.write(data)

    def sendHttpErrorResponse(
        self, code: int, reason: str, headers: list[tuple[str, str]] | None = None
    ) -> None:
        """A complete answer, which browsers may read, in place of Autobahn's bare status line."""
        body = f"{reason}\n".encode()
        head = _REFUSAL.format(code=code, title=_TITLES.get(code, "Bad Request"), length=len(body)) + _CLOSE
        head += "".join(f"{name}: {value}\r\n" for name, value in headers or ())
        self.sendData(head.encode() + b"\r\n" + body)


class ClientLink(WebSocketLink, WebSocketClientProtocol):  # type: ignore[misc]
    """A link that we opened to another relay."""

    def onOpen(self) -> None:
        """The handshake is done."""
        self.name = self.factory.upstream.partition("?")[0]  # a token would be in the query
        self.factory.opened(self)
        super().onOpen()

    def onClose(self, was_clean: bool, code: int | None, text: str | None) -> None:
        """The connection is gone, or never came about."""
        super().onClose(was_clean, code, text)
        if code == TRY_AGAIN_LATER:
            self.factory.busy()
        self.factory.closed(self._lost)

    def _write(self, frames: tuple[bytes, ...]) -> None:
        try:
            for frame in frames:
                self.sendMessage(frame)
        except Exception:
            self._fault("sending")


class ServerFactory(WebSocketServerFactory):
    """Makes the links that peers open to us."""

    protocol = ServerLink
    noisy = False
    peer = None
    """Whoever comes is a new one."""

    def __init__(self, mesh: MeshService, links: Links, reactor: IReactorTime) -> None:
        super().__init__(server=f"gunnet/{__version__}", reactor=reactor)
        self.timers = self._batched_timer = Timers(reactor)
        self.mesh = mesh
        self.links = links
        self._last: tuple[tuple[bytes, ...], bytes] = ((), b"")
        self.addresses = Addresses(mesh.relay.limits, mesh.relay.counters, reactor.seconds)
        self.setProtocolOptions(
            **_options(mesh.relay.limits.frame_bytes),
            versions=[8, 13],
            webStatus=False,
            requireMaskedClientFrames=True,
            maskServerFrames=False,
            serveFlashSocketPolicy=False,
            allowedOrigins=["*"],
            allowNullOrigin=True,
            maxConnections=0,  # the mesh counts
            trustXForwardedFor=0,
        )

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """
        Make the link of a new connection.

        @param addr: the address of the client; that of the connection need not be it
            (L{gunnet.front.clients}).
        """
        link: Any = super().buildProtocol(addr)
        link.client = addr
        return link

    def framed(self, frames: tuple[bytes, ...]) -> bytes:
        """Some frames as they go out. Many peers in a row often get the same: that is put together once."""
        last, data = self._last
        if frames != last:
            data = b"".join([part for frame in frames for part in (_header(len(frame)), frame)])
            self._last = (frames, data) if len(data) <= _KEPT_BYTES else ((), b"")
        return data


class ClientFactory(WebSocketClientFactory):
    """Makes the links to one upstream relay, one after the other."""

    protocol = ClientLink
    noisy = False

    def __init__(
        self,
        upstream: str,
        mesh: MeshService,
        links: Links,
        reactor: IReactorTime,
        *,
        opened: Callable[[ClientLink], None],
        busy: Callable[[], None],
        closed: Callable[[str], None],
    ) -> None:
        """
        @param upstream: its URL, as configured.
        @param opened: called with each link when it is open.
        @param busy: called, before C{closed}, when the upstream closed a link because it is full.
        @param closed: called with the reason when a link is gone, or its handshake has failed.
        """
        super().__init__(url=websocket_url(upstream), useragent=f"gunnet/{__version__}", reactor=reactor)
        self._batched_timer = Timers(reactor)
        self.upstream = upstream
        self.mesh = mesh
        self.links = links
        self.opened = opened
        self.busy = busy
        self.closed = closed
        self.peer = mesh.dial(upstream)
        self.setProtocolOptions(
            **_options(mesh.relay.limits.frame_bytes),
            version=18,
            acceptMaskedServerFrames=False,
            maskClientFrames=True,
            serverConnectionDropTimeout=0,  # CLOSE_SECONDS instead
            perMessageCompressionOffers=[],
        )


def _options(frame_bytes: int) -> dict[str, Any]:
    """Every option that both ends have, by name: some change back to something else if they are left out."""
    return {
        "utf8validateIncoming": True,
        "applyMask": True,
        "maxFramePayloadSize": frame_bytes,
        "maxMessagePayloadSize": frame_bytes,  # over limits.message_bytes it is skipped, in link.py
        "autoFragmentSize": 0,
        "failByDrop": False,
        "echoCloseCodeReason": True,
        "openHandshakeTimeout": HANDSHAKE_SECONDS,
        "closeHandshakeTimeout": 0,  # CLOSE_SECONDS instead
        "tcpNoDelay": True,
        "perMessageCompressionAccept": _uncompressed,
        "autoPingInterval": PING_SECONDS,
        "autoPingTimeout": PONG_SECONDS,
        "autoPingSize": 12,
        "autoPingRestartOnAnyTraffic": True,
    }


def _uncompressed(offers: object) -> None:
    """Accept no compression: it costs each idle link some hundred kilobytes."""


def _has_nothing_waiting(transport: Any) -> bool:
    """
    Whether what is written now may go to the socket at once, without a turn of the reactor and two calls of
    the kernel to have it watched: nothing is to go out before. Only Twisted's own TCP is known well enough,
    and never with TLS on it.
    """
    return (
        isinstance(transport, Connection)
        and not transport.TLS
        and bool(transport.connected)
        and not transport.dataBuffer
        and not getattr(transport, "_tempDataBuffer", True)
    )


def _header(length: int) -> bytes:
    """The header of an unmasked, whole text frame."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65536:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


def _name(address: Any) -> str:
    """How logs call an accepted link."""
    host = getattr(address, "host", None)
    if host is None:
        return "ws unix"
    host = host.removeprefix("::ffff:")  # IPv4, seen by a listener on both
    place = f"[{host}]" if ":" in host else host
    return f"ws {place}:{address.port}" if address.port else f"ws {place}"  # proxies need not tell the port
