"""
Tests for L{gunnet.tls.service}: TLS of one relay.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.web.static import Data

from gunnet.counters import Counters
from gunnet.settings import SettingsError
from gunnet.tls import service
from gunnet.tls.alpn_challenge import ChallengeFactory
from gunnet.tls.service import LOOK_AGAIN_SECONDS, TlsService
from gunnet.tls.wanted import Acme, Tls
from tests.tls.authority import DAY
from tests.tls.handshakes import Visitor, talk
from tests.tls.test_pairs import NOW, PairCase


class Taken(MemoryReactorClock):
    """No port can be had."""

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        raise CannotListenError(interface, port, OSError(98, "Address already in use"))


class ServiceCase(PairCase):
    """A service on a reactor in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        self.reactor.advance(NOW)
        self.counters = Counters()
        self.lines = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def service(self, tls: Tls | None = None, data: str | None = None, **acme: Any) -> TlsService:
        if acme:
            acme = {"agreed": True, "directory": "https://authority.example/dir", **acme}
        return TlsService(tls or Tls(), Acme(**acme), data, self.reactor, Random(1), self.counters)

    def tls(self, *names: str, **fields: Any) -> Tls:
        key, cert = map(self.file, self.authority.gives(*names, **fields))
        return Tls((key,), (cert,))

    def warnings(self) -> list[str]:
        return [formatEvent(event) for event in self.lines if event["log_level"] == LogLevel.warn]


class FileTests(ServiceCase):
    """With keys and certificates in files."""

    def test_nothing(self) -> None:
        """Who asks for nothing gets nothing."""
        tls = self.service()
        self.assertFalse(tls.enabled)
        tls.open()
        tls.startService()
        self.assertEqual(([], {}), (self.reactor.getDelayedCalls(), tls.certificates()))
        self.successResultOf(tls.stopService())

    def test_reload(self) -> None:
        """Files are looked at every few seconds, from the start to the stop."""
        wanted = self.tls("a.example")
        tls = self.service(wanted)
        tls.open()
        tls.startService()
        factory = tls.wrap(talk())
        for path, data in zip((*wanted.keys, *wanted.certs), self.authority.gives("b.example"), strict=True):
            os.replace(self.file(data), path)
        self.assertEqual("a.example", Visitor(factory).shown)
        self.reactor.advance(LOOK_AGAIN_SECONDS)
        self.assertEqual("b.example", Visitor(factory).shown)
        self.successResultOf(tls.stopService())
        self.reactor.advance(0)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_certificates(self) -> None:
        """How long each still holds."""
        tls = self.service(self.tls("a.example", "b.example"))
        tls.open()
        self.reactor.advance(10)
        self.assertEqual({"a.example": 90 * DAY - 10}, tls.certificates())

    def test_warning(self) -> None:
        """From 14 days before the end on, once a day."""
        tls = self.service(self.tls("a.example", ends=15 * DAY))
        tls.open()
        tls.startService()
        self.reactor.advance(DAY)
        self.assertEqual([], self.warnings())
        self.reactor.pump([600.0] * 143)
        self.assertEqual(["TLS: the certificate for a.example ends in 14.0 days"], self.warnings())
        self.reactor.pump([600.0] * 144)
        self.assertEqual("TLS: the certificate for a.example ends in 13.0 days", self.warnings()[-1])
        self.assertEqual(2, self.counters["tls_expiry_warnings"])
        tls.stopService()

    def test_ending(self) -> None:
        """One that ends soon already is told of at the start."""
        tls = self.service(self.tls("a.example", ends=DAY))
        tls.open()
        tls.startService()
        self.assertEqual(["TLS: the certificate for a.example ends in 1.0 days"], self.warnings())
        tls.stopService()

    def test_wanted(self) -> None:
        """A key for each certificate."""
        why = str(self.assertRaises(SettingsError, Tls, ("a", "b"), ("c",)))
        self.assertIn("2 of --tls-key and 1 of --tls-cert", why)
        self.assertEqual((("a", "c"), ("b", "d")), Tls(("a", "b"), ("c", "d")).pairs)


class AcmeTests(ServiceCase):
    """With certificates from an authority, which is not asked here."""

    def test_missing_package(self) -> None:
        """Without it the start says what to install."""
        self.patch(service, "find_spec", lambda name: None)
        tls = self.service(domains=("a.example",), folder=self.mktemp())
        self.assertIn("pip install 'gunnet[acme]'", str(self.assertRaises(SettingsError, tls.open)))

    def test_folder(self) -> None:
        """It is in the data folder unless it is said where; nowhere is a mistake."""
        data, place = self.mktemp(), self.mktemp()
        self.service(data=data, domains=("a.example",)).open()
        self.assertEqual(["authority.example"], os.listdir(os.path.join(data, "acme")))
        self.service(data=data, folder=place, domains=("a.example",)).open()
        self.assertEqual(["authority.example"], os.listdir(place))
        tls = self.service(domains=("a.example",))
        self.assertIn("--acme-folder", str(self.assertRaises(SettingsError, tls.open)))

    def test_http(self) -> None:
        """Challenges are answered on a port of their own, and nothing else is, but for a fallback."""
        tls = self.service(domains=("a.example",), folder=self.mktemp(), http="tcp:80")
        tls.open()
        for part in tls:
            part.startService = lambda: None  # type: ignore[method-assign]
        tls.startService()
        self.assertTrue(tls.enabled)
        self.assertEqual([80], [server[0] for server in self.reactor.tcpServers])
        tls.put("a.example", "token", "answer")
        site = self.reactor.tcpServers[0][1]
        for path, code, body in (
            ("/.well-known/acme-challenge/token", 200, b"answer"),
            ("/.well-known/acme-challenge/other", 404, b"not found\n"),
            ("/gun", 404, None),
        ):
            found = get(site, path)
            self.assertEqual(code, found[0], path)
            if body is not None:
                self.assertEqual(body, found[1])
        tls.drop("a.example", "token")
        self.assertEqual(404, get(site, "/.well-known/acme-challenge/token")[0])
        tls.stopService()

    def test_fallback(self) -> None:
        """Something else may answer what is no challenge."""
        tls = self.service(domains=("a.example",), folder=self.mktemp())
        tls.fallback = Data(b"elsewhere\n", "text/plain")
        tls.fallback.isLeaf = True
        tls.startService()
        tls.put("a.example", "token", "answer")
        site = self.reactor.tcpServers[0][1]
        self.assertEqual((200, b"elsewhere\n"), get(site, "/gun"))
        self.assertEqual((200, b"elsewhere\n"), get(site, "/.well-known/other"))
        self.assertEqual((200, b"answer"), get(site, "/.well-known/acme-challenge/token"))
        tls.stopService()

    def test_taken(self) -> None:
        """A port that can't be had ends the start."""
        self.reactor = Taken()
        tls = self.service(domains=("a.example",), folder=self.mktemp())
        self.assertRaises(CannotListenError, tls.startService)

    def test_alpn(self) -> None:
        """Or where TLS is spoken."""
        tls = self.service(domains=("a.example",), folder=self.mktemp(), challenge="tls-alpn-01")
        factory = tls.wrap(talk())
        self.assertIsInstance(factory, ChallengeFactory)
        self.assertTrue(Visitor(factory, b"a.example").refused)
        tls.put("a.example", "token", "answer")
        self.assertEqual("a.example", Visitor(factory, b"a.example", protocols=[b"acme-tls/1"]).shown)
        tls.drop("a.example", "token")
        self.assertTrue(Visitor(factory, b"a.example", protocols=[b"acme-tls/1"]).refused)

    def test_warning(self) -> None:
        """One for six days is told of only if it was not renewed in time."""
        place = self.mktemp()
        tls = self.service(domains=("a.example",), folder=place)
        tls.open()
        key, cert = self.authority.gives("a.example", begins=0, ends=6 * DAY)
        with open(os.path.join(place, "authority.example", "a.example.pem"), "wb") as file:
            file.write(key + cert)
        tls = self.service(domains=("a.example",), folder=place)
        tls.open()
        tls.look()
        self.assertEqual([], self.warnings())
        self.reactor.advance(5 * DAY + 1)
        tls.look()
        self.assertEqual(1, len(self.warnings()))

    def test_mistakes(self) -> None:
        """Each is one line."""
        for fields, named in (
            ({"domains": ("*.a.example",)}, "DNS"),
            ({"domains": ("a b",)}, "'a b'"),
            ({"domains": ("192.0.2.1",)}, "host name"),
            ({"domains": ("a", "a")}, "twice"),
            ({"challenge": "dns-01"}, "http-01, tls-alpn-01"),
            ({"directory": "http://authority.example/dir"}, "https://"),
            ({"directory": "https://["}, "directory"),
            ({"domains": ("a",), "agreed": False}, "--acme-agree-tos"),
        ):
            self.assertIn(named, str(self.assertRaises(SettingsError, Acme, **{"agreed": True, **fields})))


def get(site: Any, path: str) -> tuple[int, bytes]:
    """
    @return: the status and the body of a page.
    """
    from twisted.internet.testing import StringTransport

    transport = StringTransport()
    protocol = site.buildProtocol(None)
    protocol.makeConnection(transport)
    protocol.dataReceived(f"GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n".encode())
    head, _, body = transport.value().partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body
