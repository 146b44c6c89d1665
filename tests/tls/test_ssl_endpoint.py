"""
Tests for L{gunnet.tls.ssl_endpoint}: Twisted's own endpoints with TLS.
"""

from __future__ import annotations

from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.testing import MemoryReactorClock

from gunnet.settings import SettingsError
from gunnet.tls.ssl_endpoint import server_endpoint
from tests.tls.test_pairs import NOW, PairCase


class EndpointTests(PairCase):
    """What they would show."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        self.reactor.advance(NOW)

    def endpoint(self, key: bytes, cert: bytes) -> object:
        return server_endpoint(self.reactor, f"ssl:443:privateKey={self.file(key)}:certKey={self.file(cert)}")

    def test_good(self) -> None:
        """They work as ever, as do all others."""
        self.assertIsInstance(self.endpoint(*self.authority.gives("a.example")), SSL4ServerEndpoint)
        self.assertIsInstance(server_endpoint(self.reactor, "tcp:80"), TCP4ServerEndpoint)
        self.assertRaises(ValueError, server_endpoint, self.reactor, "nonsense:1")
        self.assertRaises(OSError, server_endpoint, self.reactor, "ssl:443:privateKey=/nonexistent")

    def test_mistakes(self) -> None:
        """Each is one line."""
        key, cert = self.authority.gives("a.example")
        other, _ = self.authority.gives("a.example")
        for pair, why in (
            ((other, cert), "is not that of the certificate"),
            ((b"nonsense", cert), "no use of the key or the certificate"),
            ((key, b""), "no use of the key or the certificate"),
            (self.authority.gives("a.example", ends=0.0), "has expired"),
        ):
            error = str(self.assertRaises(SettingsError, self.endpoint, *pair))
            self.assertIn(why, error)
            self.assertNotIn("\n", error)
