"""
Tests for L{gunnet.front.redirect}: plain HTTP, sent to HTTPS.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.front.clients import Clients
from gunnet.front.redirect import PlainHttp, Redirect
from gunnet.front.trusted import Trusted
from gunnet.settings import SettingsError
from gunnet.web.resource import RelaySite
from tests.transport.doubles import WireTransport
from tests.web.test_resource import UPGRADE, Answer

PROXY = IPv4Address("TCP", "10.0.0.1", 4711)


class RedirectTests(SynchronousTestCase):
    """The resource, in a site."""

    port: int | None = 443
    hosts: tuple[str, ...] = ()

    def ask(
        self, target: str, *headers: str, method: str = "GET", peer: Any = None, host: str = "relay.example"
    ) -> Answer:
        clock = MemoryReactorClock()
        clients = Clients(Trusted(["10.0.0.0/8"]), 32, Counters())
        site = RelaySite(Redirect(clients, lambda: self.port, self.hosts), clock)
        transport = WireTransport()
        transport.peerAddr = peer or transport.peerAddr
        transport.protocol = site.buildProtocol(transport.getPeer())
        transport.protocol.makeConnection(transport)
        lines = "".join(f"{header}\r\n" for header in (f"Host: {host}", *headers))
        transport.protocol.dataReceived(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())
        return Answer(transport.value())

    def test_targets(self) -> None:
        """The same path and query, at the same host."""
        for target in ("/", "/gun?token=a&b", "//other.example/x", "/%0d%0aX:y", "/a@b:c"):
            answer = self.ask(target)
            self.assertEqual(
                (308, f"https://relay.example{target}"), (answer.code, answer.headers["location"])
            )

    def test_hosts(self) -> None:
        """The port of HTTPS takes the place of the one that was asked, and is left out if it is 443."""
        for host, place in (
            ("relay.example", "relay.example"),
            ("Relay.Example:80", "relay.example"),
            ("192.0.2.7:8080", "192.0.2.7"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
            ("relay.example.", "relay.example."),
        ):
            self.assertEqual(f"https://{place}/", self.ask("/", host=host).headers["location"])
        self.port = 8443
        self.assertEqual(
            "https://relay.example:8443/", self.ask("/", host="relay.example:80").headers["location"]
        )
        self.assertEqual("https://[::1]:8443/", self.ask("/", host="[::1]").headers["location"])

    def test_methods(self) -> None:
        """Any method, and a link too: a client that follows keeps it. HEAD has no body."""
        for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE", "BREW"):
            answer = self.ask("/x", method=method)
            self.assertEqual((308, "https://relay.example/x"), (answer.code, answer.headers["location"]))
            self.assertEqual(method == "HEAD", answer.body == b"")
        self.assertEqual(308, self.ask("/gun", *UPGRADE.decode().split("\r\n")[1:-1]).code)

    def test_nowhere_else(self) -> None:
        """No answer has a place to go that is not the host that was asked."""
        for host in (
            "",
            "relay.example/evil",
            "evil@relay.example",
            "relay.example:80:80",
            "relay.example:x",
            "relay example",
            ".relay.example",
            "-relay.example",
            "relay.example\\evil",
            "relay.example?x",
            "relay.example#x",
            "[relay.example]",
            "rel\u00e4y.example",
            "a" * 254,
        ):
            answer = self.ask("/", host=host)
            self.assertEqual((400, False), (answer.code, "location" in answer.headers), host)
        for target in ("http://evil.example/", "*", "evil.example:443"):
            answer = self.ask(target)
            self.assertIn(answer.code, (400, 405), target)  # Twisted has an answer of its own to "*"
            self.assertNotIn("location", answer.headers, target)
        self.assertNotIn("location", self.ask("/", "Host: evil.example").headers)

    def test_known_hosts(self) -> None:
        """Where the names are known, others lead nowhere."""
        self.hosts = ("relay.example:8765", "[2001:db8::1]")
        for host in ("RELAY.example:80", "relay.example", "[2001:DB8::1]:80"):
            self.assertEqual(308, self.ask("/", host=host).code)
        answer = self.ask("/", host="evil.example")
        self.assertEqual((421, False), (answer.code, "location" in answer.headers))

    def test_no_circle(self) -> None:
        """What came by HTTPS to a proxy is not sent there once more; others may say so in vain."""
        for header in ("X-Forwarded-Proto: https", "Forwarded: for=192.0.2.7;proto=https"):
            self.assertEqual(421, self.ask("/", header, peer=PROXY).code)
            self.assertEqual(308, self.ask("/", header).code)
        for header in (
            "X-Forwarded-Proto: http",
            "X-Forwarded-Proto: https, http",
            "Forwarded: for=192.0.2.7;proto=http",
            "Forwarded: for=192.0.2.7",
            "Forwarded: proto=https, nonsense",
        ):
            self.assertEqual(308, self.ask("/", header, peer=PROXY).code, header)

    def test_no_https(self) -> None:
        """While nothing speaks TLS, there is nowhere to go."""
        self.port = None
        self.assertEqual(503, self.ask("/").code)


class PlainHttpTests(SynchronousTestCase):
    """Where it listens."""

    def test_start_and_stop(self) -> None:
        """It listens from start to stop."""
        reactor = MemoryReactorClock()
        site = RelaySite(Redirect(Clients(Trusted([]), 32, Counters()), lambda: 443), reactor)
        service = PlainHttp("tcp:80", site, reactor)
        service.startService()
        self.assertEqual((80, site), reactor.tcpServers[0][:2])
        self.assertIsNotNone(service.port)
        self.successResultOf(service.stopService())
        self.assertIsNone(service.port)

    def test_mistakes(self) -> None:
        """An endpoint that is none is refused."""
        service = PlainHttp("nonsense:80", Any, MemoryReactorClock())  # type: ignore[arg-type]
        self.assertRaises(SettingsError, service.startService)
