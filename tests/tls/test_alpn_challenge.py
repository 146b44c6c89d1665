"""
Tests for L{gunnet.tls.alpn_challenge}: showing by TLS that a name is ours.
"""

from __future__ import annotations

from hashlib import sha256

from cryptography import x509
from twisted.internet.testing import StringTransport

from gunnet.tls.alpn_challenge import (
    ACME_TLS,
    HELLO_BYTES_MAX,
    HELLO_SECONDS,
    AlpnChallenges,
    ChallengeFactory,
)
from tests.tls.handshakes import Visitor
from tests.tls.test_certificates import TLS1_2, TLS1_3, CertificatesCase
from tests.tls.test_pairs import NOW

IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


class AlpnTests(CertificatesCase):
    """A factory that is in front of another."""

    def setUp(self) -> None:
        super().setUp()
        self.show("a.example")
        self.challenges = AlpnChallenges()
        self.factory = ChallengeFactory(self.factory, self.challenges, self.clock)  # type: ignore[assignment]

    def ask(self, name: bytes = b"b.example", **fields: object) -> Visitor:
        return self.visit(name, protocols=[ACME_TLS], **fields)

    def test_authority(self) -> None:
        """One is shown what RFC 8737 says, with any version of TLS, and however its words are cut."""
        self.challenges.put("b.example", "token.print", NOW)
        self.challenges.put("c.example", "other.print", NOW)
        for versions in (TLS1_2, TLS1_3, None):
            for piece in (1, 50, 65536):
                visitor = self.ask(versions=versions, piece=piece)
                self.assertEqual(ACME_TLS, visitor.connection.get_alpn_proto_negotiated())
                certificate = visitor.connection.get_peer_certificate(as_cryptography=True)
                assert certificate is not None
                names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
                self.assertEqual(["b.example"], names.value.get_values_for_type(x509.DNSName))
                shown = certificate.extensions.get_extension_for_oid(IDENTIFIER)
                self.assertTrue(shown.critical)
                digest = sha256(b"token.print").digest()
                self.assertEqual(b"\x04\x20" + digest, shown.value.value)  # type: ignore[attr-defined]
                self.assertEqual(b"", visitor.heard)
        self.assertEqual("c.example", self.ask(b"c.example").shown)

    def test_others(self) -> None:
        """All others are served as ever meanwhile."""
        self.challenges.put("b.example", "token.print", NOW)
        for versions in (TLS1_2, TLS1_3):
            for protocols in (None, [b"http/1.1"], [b"h2", b"http/1.1"]):
                for piece in (1, 65536):
                    for name in (b"a.example", b"b.example", None):
                        visitor = self.visit(name, versions=versions, protocols=protocols, piece=piece)
                        self.assertEqual(("a.example", b"hello"), (visitor.shown, visitor.heard))
        visitor.say(b"gun")
        self.assertEqual(b"gun", visitor.protocol._inner.wrappedProtocol.heard)
        self.assertEqual([], self.clock.getDelayedCalls())
        visitor.protocol.connectionLost()

    def test_unknown_name(self) -> None:
        """A name that nothing is waited for is refused, and so is an authority when nothing is at all."""
        self.assertTrue(self.ask().refused)
        self.challenges.put("b.example", "token.print", NOW)
        self.assertTrue(self.ask(b"c.example").refused)
        self.challenges.drop("b.example")
        self.challenges.drop("b.example")
        self.assertTrue(self.ask().refused)
        self.assertIsNone(self.visit(b"a.example").error)

    def test_time(self) -> None:
        """Who says nothing, and an authority that stays, is hung up on."""
        self.challenges.put("b.example", "token.print", NOW)
        silent = StringTransport()
        self.factory.buildProtocol(None).makeConnection(silent)
        self.clock.advance(HELLO_SECONDS / 2)
        authority, other = self.ask(), self.visit(b"a.example")
        self.clock.advance(HELLO_SECONDS / 2)
        self.assertTrue(silent.disconnected)
        self.assertFalse(authority.transport.disconnected)
        self.clock.advance(HELLO_SECONDS / 2)
        self.assertTrue(authority.transport.disconnected)
        self.assertFalse(other.transport.disconnected)

    def test_talkative(self) -> None:
        """An authority has nothing to say."""
        self.challenges.put("b.example", "token.print", NOW)
        authority = self.ask()
        authority.say(b"GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(authority.transport.disconnected)
        authority.protocol.connectionLost()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_nonsense(self) -> None:
        """What is no TLS goes where it would go otherwise, and is refused there; so does what has no end."""
        self.challenges.put("b.example", "token.print", NOW)
        # A record of a greeting that says that 16 KiB of it follow, again and again.
        endless = b"\x16\x03\x01\x40\x00" + b"\x01\x01\x00\x00" + bytes(0x3FFC)
        for data in (b"GET / HTTP/1.1\r\n\r\n", endless * (HELLO_BYTES_MAX // len(endless) + 1)):
            transport = StringTransport()
            protocol = self.factory.buildProtocol(None)
            protocol.makeConnection(transport)
            protocol.dataReceived(data)
            self.clock.advance(0)
            self.assertIsNotNone(protocol._inner)
            self.assertNotIn(b"hello", transport.value())
            protocol.connectionLost()
        self.assertEqual([], self.clock.getDelayedCalls())
