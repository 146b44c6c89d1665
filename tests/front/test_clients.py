"""
Tests for L{gunnet.front.clients}: whose request it is, as a whole site sees it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.access.door import Door, Refusal
from gunnet.front.clients import Clients
from gunnet.front.trusted import Trusted
from gunnet.limits import Limits
from gunnet.transport.link import Links
from gunnet.transport.websocket import ServerFactory
from gunnet.web.resource import RelaySite, Root
from tests.transport.doubles import RecordingMesh, WireTransport
from tests.web.test_resource import UPGRADE, Answer

PROXY = IPv4Address("TCP", "10.0.0.1", 4711)


class Nobody(Door):
    """Lets nobody in."""

    def refuse(self, visit: Any, now: float) -> Refusal | None:
        return Refusal(401, "no")


class ClientCase(SynchronousTestCase):
    """A site behind a proxy."""

    door: type[Door] | None = None

    def site(self, *trusted: str, **limits: Any) -> None:
        self.mesh = RecordingMesh(replace(Limits(), **limits))
        self.counters = self.mesh.relay.counters
        clock = MemoryReactorClock()
        factory = ServerFactory(self.mesh, Links(), clock)  # type: ignore[arg-type]
        clients = Clients(Trusted(trusted), self.mesh.relay.limits.forwarded_hops, self.counters)
        door = None if self.door is None else self.door((), (), self.counters)
        self.made = RelaySite(Root(factory, "/gun", door=door, clients=clients), clock)

    def connected(self, peer: IAddress = PROXY) -> WireTransport:
        transport = WireTransport()
        transport.peerAddr = peer
        transport.protocol = self.made.buildProtocol(peer)
        transport.protocol.makeConnection(transport)
        return transport

    def dial(self, *headers: str, peer: IAddress = PROXY, transport: WireTransport | None = None) -> Answer:
        """Ask for a link."""
        transport = transport or self.connected(peer)
        lines = "".join(f"{header}\r\n" for header in headers).encode()
        transport.protocol.dataReceived(b"GET /gun HTTP/1.1\r\n" + UPGRADE + lines + b"\r\n")
        self.link = transport.protocol
        return Answer(transport.value())

    def named(self, *headers: str, peer: IAddress = PROXY) -> str:
        """How the link that comes of it is called."""
        answer = self.dial(*headers, peer=peer)
        self.assertEqual(101, answer.code, headers)
        peer_number = len(self.mesh.links)
        return str(self.mesh.links[peer_number].name)


class NameTests(ClientCase):
    """Whose link it is."""

    def test_walk(self) -> None:
        """The first from the right that is not trusted; the proxy itself if there is nothing to go by."""
        self.site("10.0.0.0/8", "2001:db8:1::/48")
        for headers, name in (
            ((), "ws 10.0.0.1:4711"),
            (("X-Forwarded-For: 192.0.2.7",), "ws 192.0.2.7"),
            (("X-Forwarded-For: 192.0.2.66, 192.0.2.7",), "ws 192.0.2.7"),
            (("X-Forwarded-For: 192.0.2.66", "X-Forwarded-For: 192.0.2.7"), "ws 192.0.2.7"),
            (("X-Forwarded-For: 192.0.2.66, 192.0.2.7, 10.0.0.2, 2001:db8:1::2",), "ws 192.0.2.7"),
            (("X-Forwarded-For: 10.0.0.3, 10.0.0.2",), "ws 10.0.0.3"),
            (('Forwarded: for=192.0.2.66, for="192.0.2.7:99";proto=https, for=10.0.0.2',), "ws 192.0.2.7:99"),
            (('Forwarded: for="[2001:db8::7]"',), "ws [2001:db8::7]"),
            (("Forwarded: for=192.0.2.66, for=unknown",), "ws 10.0.0.1:4711"),
            (("Forwarded: for=192.0.2.66, for=_x, for=10.0.0.9",), "ws 10.0.0.9"),
            (("Forwarded: for=192.0.2.7", "X-Forwarded-For: 192.0.2.7"), "ws 192.0.2.7"),
            (("X-Forwarded-For: ",), "ws 10.0.0.1:4711"),
            (("X-Real-IP: 192.0.2.66",), "ws 10.0.0.1:4711"),
        ):
            self.assertEqual(name, self.named(*headers), headers)
        self.assertEqual({}, dict(self.counters))

    def test_untrusted(self) -> None:
        """From others nothing of it is believed, which is counted: maybe a proxy is not trusted yet."""
        stranger = IPv4Address("TCP", "192.0.2.9", 5)
        for trusted in ((), ("10.0.0.0/8", "unix")):
            self.site(*trusted)
            for header in ("X-Forwarded-For: 192.0.2.66", "Forwarded: for=192.0.2.66"):
                self.assertEqual("ws 192.0.2.9:5", self.named(header, peer=stranger))
            self.assertEqual(2, self.counters["forwarded_ignored"])

    def test_unix(self) -> None:
        """A UNIX socket has no address; who comes through it has one, if it is trusted."""
        self.site("unix")
        self.assertEqual("ws 192.0.2.7", self.named("X-Forwarded-For: 192.0.2.7", peer=UNIXAddress(None)))
        self.assertEqual("ws unix", self.named(peer=UNIXAddress(None)))
        self.site()
        self.assertEqual("ws unix", self.named("X-Forwarded-For: 192.0.2.7", peer=UNIXAddress(None)))

    def test_malformed(self) -> None:
        """What can't be read is not believed, nor anything left of it."""
        self.site("10.0.0.0/8")
        self.assertEqual("ws 10.0.0.1:4711", self.named("X-Forwarded-For: 192.0.2.66, nonsense"))
        self.assertEqual("ws 10.0.0.2", self.named("Forwarded: for=192.0.2.66;;, for=10.0.0.2"))
        self.assertEqual(2, self.counters["forwarded_malformed"])
        self.assertEqual("ws 192.0.2.7", self.named("X-Forwarded-For: nonsense, 192.0.2.7"))
        self.assertEqual(2, self.counters["forwarded_malformed"])

    def test_forwarded_hops(self) -> None:
        """Of a long chain of trusted proxies only so much is looked at."""
        self.site("10.0.0.0/8", forwarded_hops=3)
        self.assertEqual("ws 192.0.2.7", self.named("X-Forwarded-For: 192.0.2.7, 10.0.0.3, 10.0.0.2"))
        self.assertEqual(0, self.counters["forwarded_hops_exceeded"])
        name = self.named("X-Forwarded-For: 192.0.2.7, 10.0.0.4, 10.0.0.3, 10.0.0.2")
        self.assertEqual("ws 10.0.0.4", name)
        self.assertEqual(1, self.counters["forwarded_hops_exceeded"])

    def test_disagreement(self) -> None:
        """A proxy passes on the header that it does not write: nobody can be somebody else with that."""
        self.site("10.0.0.0/8")
        for headers in (
            ("X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.66"),
            ("Forwarded: for=192.0.2.7", "X-Forwarded-For: 192.0.2.66"),
            ("Forwarded: for=192.0.2.7", "X-Forwarded-For: nonsense"),
        ):
            answer = self.dial(*headers)
            self.assertEqual(400, answer.code)
            self.assertIn(b"X-Forwarded-For", answer.body)
        self.assertEqual(3, self.counters["forwarded_disagreements"])
        self.assertEqual({}, self.mesh.links)


class LimitTests(ClientCase):
    """What is limited is the client."""

    def test_address_links(self) -> None:
        """Clients of one proxy are limited each by itself; what a client makes up does not help it."""
        self.site("10.0.0.0/8", address_links=1)
        self.assertEqual(101, self.dial("X-Forwarded-For: 192.0.2.7").code)
        first = self.link
        self.assertEqual(101, self.dial("X-Forwarded-For: 192.0.2.8").code)
        self.assertEqual(429, self.dial("X-Forwarded-For: 192.0.2.7").code)
        self.assertEqual(429, self.dial("X-Forwarded-For: 192.0.2.99, 192.0.2.7").code)
        first.transport.lose()
        self.assertEqual(101, self.dial("X-Forwarded-For: 192.0.2.7").code)

    def test_keep_alive(self) -> None:
        """Requests of different clients come over one connection; the link is that of who asked for it."""
        self.site("10.0.0.0/8", address_links=1)
        transport = self.connected()
        for client in (b"192.0.2.7", b"192.0.2.8"):
            transport.protocol.dataReceived(
                b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: %s\r\n\r\n" % client
            )
        self.assertEqual(2, transport.value().count(b"HTTP/1.1 200 "))
        transport.clear()
        self.assertEqual(101, self.dial("X-Forwarded-For: 192.0.2.9", transport=transport).code)
        self.assertEqual("ws 192.0.2.9", self.mesh.links[1].name)
        self.assertEqual(429, self.dial("X-Forwarded-For: 192.0.2.9").code)
        self.assertEqual(101, self.dial("X-Forwarded-For: 192.0.2.8").code)

    def test_weight(self) -> None:
        """A link does not keep the address once it is open."""
        self.site("10.0.0.0/8")
        self.named("X-Forwarded-For: 192.0.2.7")
        self.assertIsNone(self.mesh.links[1].client)


class TriesTests(ClientCase):
    """Whose try it was to get in."""

    door = Nobody

    def test_tries(self) -> None:
        """One client that tries too often does not shut others of the same proxy out."""
        self.site("10.0.0.0/8", address_messages=1)
        codes = [self.dial("X-Forwarded-For: 192.0.2.7").code for _ in range(20)]
        self.assertEqual({401, 429}, set(codes))
        self.assertEqual(429, codes[-1])
        self.assertEqual(429, self.dial("X-Forwarded-For: 192.0.2.99, 192.0.2.7").code)
        self.assertEqual(401, self.dial("X-Forwarded-For: 192.0.2.8").code)
