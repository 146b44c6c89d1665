"""
Tests for L{gunnet.tls.certificates} and L{gunnet.tls.contexts}: which certificate is shown to whom, and how.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa, x25519
from OpenSSL import SSL
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory

from gunnet.settings import SettingsError
from gunnet.tls.certificates import Certificates
from gunnet.tls.pairs import Pair
from tests.tls.handshakes import Visitor, talk
from tests.tls.test_pairs import NOW, PairCase

TLS1_3 = (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)
TLS1_2 = (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)
OLD = (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION)


class CertificatesCase(PairCase):
    """A factory with TLS."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = MemoryReactorClock()
        self.certificates = Certificates()
        self.factory = TLSMemoryBIOFactory(self.certificates, False, talk(), clock=self.clock)

    def show(self, *names: str, source: str | None = None, **fields: Any) -> None:
        self.certificates.put(source or names[0], self.read(*self.authority.gives(*names, **fields)))

    def visit(self, name: bytes | None = None, **fields: Any) -> Visitor:
        visitor = Visitor(self.factory, name, **fields)
        self.clock.advance(0)
        visitor.pump()
        return visitor


class ChoiceTests(CertificatesCase):
    """Which one."""

    def setUp(self) -> None:
        super().setUp()
        self.show("first.example")
        self.show("*.b.example")
        self.show("a.b.example", "other.example")

    def test_by_name(self) -> None:
        """That very name, then a star, then the first."""
        for name, shown in (
            (b"first.example", "first.example"),
            (b"a.b.example", "a.b.example"),
            (b"A.B.example", "a.b.example"),
            (b"other.example", "a.b.example"),
            (b"c.b.example", "*.b.example"),
            (b"c.c.b.example", "first.example"),
            (b"unknown.example", "first.example"),
            (b"\xff\xfe", "first.example"),
            (b"x" * 255, "first.example"),
            (None, "first.example"),
        ):
            for versions in (TLS1_2, TLS1_3):
                visitor = self.visit(name, versions=versions)
                self.assertEqual((shown, b"hello"), (visitor.shown, visitor.heard), name)

    def test_replaced(self) -> None:
        """Who comes later sees the new one; who is there notices nothing."""
        early = self.visit(b"first.example")
        self.show("second.example", source="first.example")
        self.assertEqual("second.example", self.visit(b"first.example").shown)
        early.say(b"still here")
        self.assertEqual(b"still here", early.protocol.wrappedProtocol.heard)

    def test_shown(self) -> None:
        """All of them, by name; of two with one name, what ends first."""
        self.show("first.example", source="again", ends=50.0)
        shown = self.certificates.shown()
        self.assertEqual(["first.example", "*.b.example", "a.b.example"], list(shown))
        self.assertEqual(NOW + 50, shown["first.example"].ends)


class ModernTests(CertificatesCase):
    """Nothing that is old or weak."""

    def setUp(self) -> None:
        super().setUp()
        self.show("first.example")

    def test_none(self) -> None:
        """Without a certificate nobody gets in, nor a word in plain text."""
        self.certificates = Certificates()
        self.factory = TLSMemoryBIOFactory(self.certificates, False, talk(), clock=self.clock)
        for versions in (TLS1_2, TLS1_3):
            visitor = self.visit(b"first.example", versions=versions)
            self.assertTrue(visitor.refused)
            self.assertEqual(b"", visitor.heard)

    def test_plain(self) -> None:
        """Who speaks plain HTTP is not answered in it."""
        protocol = self.factory.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.clock.advance(0)
        self.assertNotIn(b"hello", transport.value())
        self.assertTrue(transport.disconnecting or transport.disconnected)

    def test_old_versions(self) -> None:
        """TLS 1.0 and 1.1 are refused, 1.2 and 1.3 are not."""
        old = self.visit(versions=OLD, ciphers=b"ALL:@SECLEVEL=0")
        self.assertIn("alert protocol version", str(old.error))
        for versions, name in ((TLS1_2, "TLSv1.2"), (TLS1_3, "TLSv1.3")):
            self.assertEqual(name, self.visit(versions=versions).connection.get_protocol_version_name())

    def test_weak_suites(self) -> None:
        """What has no forward secrecy, or does not authenticate what it encrypts, is refused."""
        weak = (
            *("AES128-GCM-SHA256", "AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"),
            *("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256"),
            *("ADH-AES128-GCM-SHA256", "ECDHE-RSA-NULL-SHA"),
        )
        for key, kind in ((None, "ECDSA"), (rsa.generate_private_key(65537, 2048), "RSA")):
            self.show("first.example", key=key)
            for name in weak:
                visitor = self.visit(versions=TLS1_2, ciphers=name.encode() + b":@SECLEVEL=0")
                self.assertIn("alert handshake failure", str(visitor.error), name)
            for name in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"):
                suite = f"ECDHE-{kind}-{name}"
                visitor = self.visit(versions=TLS1_2, ciphers=suite.encode())
                self.assertEqual(suite, visitor.connection.get_cipher_name())

    def test_weak_key(self) -> None:
        """A key that OpenSSL takes for too weak is refused in a line; what was there before stays."""
        weak = rsa.generate_private_key(65537, 1024)
        error = self.assertRaises(SettingsError, self.show, "first.example", key=weak)
        self.assertIn("ee key too small", str(error))
        self.assertEqual("first.example", self.visit().shown)
        self.show("first.example", key=rsa.generate_private_key(65537, 2048))
        self.assertIn("RSA", self.visit(versions=TLS1_2).connection.get_cipher_name() or "")

    def test_kinds_of_keys(self) -> None:
        """Ed25519 is a good one; what can't sign is refused in a line."""
        key = ed25519.Ed25519PrivateKey.generate()
        self.show("second.example", source="first.example", key=key)
        for versions in (TLS1_2, TLS1_3):
            self.assertEqual("second.example", self.visit(versions=versions).shown)
        pair = self.read(*self.authority.gives("a.example"))
        odd = Pair(x25519.X25519PrivateKey.generate(), pair.chain)
        self.assertRaises(SettingsError, self.certificates.put, "odd", odd)

    def test_renegotiation(self) -> None:
        """Who wants to begin anew is told no."""
        visitor = self.visit(versions=TLS1_2)
        visitor.connection.renegotiate()
        visitor.pump()
        self.assertIn("no renegotiation", str(visitor.error))
        self.assertEqual(0, visitor.protocol.getHandle().total_renegotiations())

    def test_http(self) -> None:
        """HTTP/1.1 is agreed on with who offers more; who wants something else only is refused."""
        visitor = self.visit(protocols=[b"h2", b"http/1.1"])
        self.assertEqual(b"http/1.1", visitor.connection.get_alpn_proto_negotiated())
        self.assertEqual(b"http/1.1", visitor.protocol.negotiatedProtocol)
        self.assertTrue(self.visit(protocols=[b"h2"]).refused)
        self.assertFalse(self.visit().refused)
