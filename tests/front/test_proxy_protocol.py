"""
Tests for L{gunnet.front.proxy_protocol}: connections that begin with a header of the PROXY protocol.
"""

from __future__ import annotations

import random
import socket
import struct

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.front.proxy_protocol import COMPLAIN_SECONDS, HEADER_SECONDS, ProxyFactory
from gunnet.front.trusted import Trusted
from gunnet.transport.link import Links
from gunnet.transport.websocket import ServerFactory
from gunnet.web.resource import RelaySite, Root
from tests.transport.doubles import TEXT, RecordingMesh, WireTransport, frame
from tests.web.test_resource import UPGRADE

PROXY = IPv4Address("TCP", "10.0.0.1", 4711)
STRANGER = IPv4Address("TCP", "192.0.2.66", 1)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_2(command: int, family: int, addresses: bytes, *, version: int = 2) -> bytes:
    """A header of version 2."""
    return SIGNATURE + struct.pack("!BBH", version << 4 | command, family, len(addresses)) + addresses


def tcp4(host: str, port: int) -> bytes:
    """The addresses of a connection from there."""
    return socket.inet_aton(host) + socket.inet_aton("10.0.0.1") + struct.pack("!HH", port, 443)


def tcp6(host: str, port: int) -> bytes:
    """Likewise."""
    packed = [socket.inet_pton(socket.AF_INET6, each) for each in (host, "2001:db8::1")]
    return b"".join(packed) + struct.pack("!HH", port, 443)


class Recorder(Protocol):
    """
    What is behind the header.

    @ivar peers: whose connections there were.
    """

    peers: list[IAddress] = []
    heard = b""
    lost = False

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.peers.append(self.transport.getPeer())

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True


class ProxyCase(SynchronousTestCase):
    """A listener for proxies."""

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.counters = Counters()
        self.lines = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.made: list[Recorder] = []
        self.patch(Recorder, "peers", [])

        def build() -> Recorder:
            self.made.append(Recorder())
            return self.made[-1]

        self.factory = self.proxied(Factory.forProtocol(build))  # type: ignore[arg-type]

    def proxied(self, behind: Factory, header_bytes: int = 200) -> ProxyFactory:
        trusted = Trusted(["10.0.0.0/8", "unix"])
        return ProxyFactory(behind, trusted, header_bytes, self.counters, self.clock)

    def connected(self, peer: IAddress = PROXY) -> WireTransport:
        transport = WireTransport()
        transport.peerAddr = peer
        transport.protocol = self.factory.buildProtocol(peer)
        transport.protocol.makeConnection(transport)
        return transport

    def logged(self) -> list[str]:
        return [formatEvent(event) for event in self.lines if "proxy_protocol" in event["log_namespace"]]


class HeaderTests(ProxyCase):
    """What headers say."""

    def test_sources(self) -> None:
        """Both versions, both kinds of addresses; extras of version 2 are skipped."""
        for header, host, port in (
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 51724 443\r\n", "192.0.2.7", 51724),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 51724 443\r\n", "2001:db8::7", 51724),
            (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 51724 443\r\n", "192.0.2.7", 51724),
            (version_2(1, 0x11, tcp4("192.0.2.7", 51724)), "192.0.2.7", 51724),
            (version_2(1, 0x21, tcp6("2001:db8::7", 51724)), "2001:db8::7", 51724),
            (version_2(1, 0x11, tcp4("192.0.2.7", 51724) + b"\x04\x00\x02xx"), "192.0.2.7", 51724),
        ):
            transport = self.connected()
            transport.protocol.dataReceived(header + b"hello")
            made, peer = self.made[-1], Recorder.peers[-1]
            self.assertEqual(b"hello", made.heard, header)
            self.assertEqual((host, port), (peer.host, peer.port), header)  # type: ignore[attr-defined]
            transport.protocol.dataReceived(b" again")
            self.assertEqual(b"hello again", made.heard)
            transport.lose()
            self.assertTrue(made.lost)
        self.assertEqual({}, dict(self.counters))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual({}, self.factory.protocols)

    def test_own(self) -> None:
        """What the proxy says for itself, or for somebody without an address, is its own connection."""
        for header in (
            b"PROXY UNKNOWN\r\n",
            b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
            version_2(0, 0x11, tcp4("192.0.2.7", 1)),
            version_2(0, 0, b""),
            version_2(1, 0, b""),
            version_2(1, 0x31, b"/x".ljust(108, b"\0") * 2),
        ):
            self.factory.header_bytes = 500
            for own in (PROXY, UNIXAddress(None)):
                self.connected(own).protocol.dataReceived(header + b"x")
                self.assertEqual((own, b"x"), (Recorder.peers[-1], self.made[-1].heard), header)

    def test_pieces(self) -> None:
        """A header may come byte by byte; nothing is behind it before it is whole."""
        for header in (
            b"PROXY TCP4 192.0.2.7 10.0.0.1 51724 443\r\n",
            version_2(1, 0x11, tcp4("192.0.2.7", 51724)),
        ):
            transport = self.connected()
            before = len(self.made)
            for byte in header:
                self.assertEqual(before, len(self.made))
                transport.protocol.dataReceived(bytes([byte]))
            self.assertEqual(before + 1, len(self.made))
            self.assertEqual(("192.0.2.7", b""), (Recorder.peers[-1].host, self.made[-1].heard))  # type: ignore[attr-defined]


class RefusalTests(ProxyCase):
    """What is not taken."""

    def test_bad_headers(self) -> None:
        """What is no header, or says what can't be, ends the connection at once; nothing gets behind it."""
        for data in (
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 51724\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 x 443\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 443\r\n",
            b"PROXY TCP4 name 10.0.0.1 51724 443\r\n",
            b"PROXY TCP4 \xff 10.0.0.1 51724 443\r\n",
            b"PROXY TCP9 192.0.2.7 10.0.0.1 51724 443\r\n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXY \r\n",
            b"PROXY " + b"x" * 101,
            b"\r\n\r\nGET",
            version_2(2, 0x11, tcp4("192.0.2.7", 1)),
            version_2(1, 0x11, tcp4("192.0.2.7", 1), version=1),
            version_2(1, 0x12, tcp4("192.0.2.7", 1)),
            version_2(1, 0x41, tcp4("192.0.2.7", 1)),
            version_2(1, 0x11, b"short"),
        ):
            transport = self.connected()
            before = self.counters["proxy_headers_refused"]
            transport.protocol.dataReceived(data)
            self.assertTrue(transport.aborted, data)
            self.assertEqual(before + 1, self.counters["proxy_headers_refused"], data)
            transport.protocol.dataReceived(b"PROXY UNKNOWN\r\n")
        self.assertEqual([], self.made)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual({}, self.factory.protocols)

    def test_anything(self) -> None:
        """Whatever comes, in whatever pieces, is refused, waited for or taken: never a fault of ours."""
        dice = random.Random(1)
        good = [
            b"PROXY TCP4 192.0.2.7 10.0.0.1 51724 443\r\n",
            b"PROXY UNKNOWN\r\n",
            version_2(1, 0x11, tcp4("192.0.2.7", 1)),
            version_2(1, 0x21, tcp6("2001:db8::7", 1)),
        ]
        for _ in range(5000):
            data = bytearray(dice.choice(good))
            for _ in range(dice.randrange(4)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            transport = self.connected()
            cut = dice.randrange(len(data))
            transport.protocol.dataReceived(bytes(data[:cut]))
            transport.protocol.dataReceived(bytes(data[cut:]))
            transport.lose()
        self.assertEqual([], self.flushLoggedErrors())
        self.assertEqual([], self.clock.getDelayedCalls())
        refused = self.counters["proxy_headers_refused"]
        self.assertTrue(1000 < refused < 4000 and len(self.made) > 1000, (refused, len(self.made)))

    def test_proxy_header_bytes(self) -> None:
        """A header of version 2 may be so long and no longer, which is known before it has come."""
        room = 200 - 16 - 12
        transport = self.connected()
        transport.protocol.dataReceived(version_2(1, 0x11, tcp4("192.0.2.7", 1) + b"x" * room))
        self.assertEqual(1, len(self.made))
        transport = self.connected()
        transport.protocol.dataReceived(version_2(1, 0x11, tcp4("192.0.2.7", 1) + b"x" * (room + 1))[:16])
        self.assertTrue(transport.aborted)
        self.assertEqual(1, self.counters["proxy_headers_refused"])

    def test_late(self) -> None:
        """A header that does not come in time ends the connection."""
        transport = self.connected()
        transport.protocol.dataReceived(b"PROXY ")
        self.clock.advance(HEADER_SECONDS - 1)
        self.assertFalse(transport.gone)
        self.clock.advance(1)
        self.assertTrue(transport.aborted)
        self.assertEqual(1, self.counters["proxy_headers_late"])
        self.assertEqual([], self.made)

    def test_gone_before(self) -> None:
        """A proxy that only looks whether we are there is nothing to speak of."""
        self.connected().lose()
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual({}, dict(self.counters))
        self.assertEqual({}, self.factory.protocols)

    def test_strangers(self) -> None:
        """Who is not trusted is not even heard; the log says so once a minute."""
        for _ in range(3):
            self.assertIsNone(self.factory.buildProtocol(STRANGER))
        self.assertEqual(3, self.counters["proxies_refused"])
        line = "refused a connection of 192.0.2.66 for the PROXY protocol: it is not in --trust-proxy"
        self.assertEqual([line], self.logged())
        self.clock.advance(COMPLAIN_SECONDS)
        self.factory.buildProtocol(STRANGER)
        self.assertEqual([line] * 2, self.logged())


class LinkTests(ProxyCase):
    """A whole site behind it."""

    def test_link(self) -> None:
        """A link bears the name of the client, and hears and says as any other."""
        mesh = RecordingMesh()
        factory = ServerFactory(mesh, Links(), self.clock)  # type: ignore[arg-type]
        self.factory = self.proxied(RelaySite(Root(factory, "/gun"), self.clock))
        transport = self.connected()
        header = b"PROXY TCP4 192.0.2.7 10.0.0.1 51724 443\r\n"
        transport.protocol.dataReceived(header + b"GET /gun HTTP/1.1\r\n" + UPGRADE + b"\r\n")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 101 "))
        self.assertEqual("ws 192.0.2.7:51724", mesh.links[1].name)
        transport.protocol.dataReceived(frame(b"{}", TEXT))
        self.assertEqual([b"{}"], mesh.heard())
        transport.clear()
        mesh.links[1].send(b"[]")
        self.assertEqual(b"\x81\x02[]", transport.value())
        transport.lose()
        self.assertEqual("lose", mesh.calls[-1][0])
        self.assertEqual({}, self.factory.protocols)
