"""
Certificates from a real ACME authority: pebble (C{docs/tls.md}).
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from tests.interop.pebble import BLOCKED, Pebble
from tests.interop.relays import HOST, free_port, http_status
from tests.interop.secure import SecureRelay, Visit, authority

NAME = "relay.example"
HTTP = "the port for challenges"
"""Stands for it in options, as the port is chosen later."""


class AcmeTests(TestCase):
    """A relay, and the authority that looks at it."""

    timeout = 180

    async def begin(
        self, *options: str, names: tuple[str, ...] = (NAME,), holds_seconds: int = 90 * 24 * 3600
    ) -> SecureRelay:
        """
        @return: a relay that listens where the authority looks.
        """
        self.pebble = Pebble(self, authority(), holds_seconds)
        await self.pebble.start()
        return await self.relay(*options, names=names)

    async def relay(self, *options: str, names: tuple[str, ...] = (NAME,)) -> SecureRelay:
        self.folder = getattr(self, "folder", None) or Path(self.mktemp()).resolve()
        relay = SecureRelay(self, b"", *options, name="relay")
        relay.port = self.pebble.tls_port
        # fmt: off
        relay.options += (
            "--acme-directory", self.pebble.directory, "--acme-agree-tos", "--acme-email", "me@example.com",
            "--acme-folder", str(self.folder), "--acme-http-port", str(self.pebble.http_port),
            "--tls-ca", self.pebble.ca,
        )
        # fmt: on
        for name in names:
            relay.options += ("--acme-domain", name)
        relay.options = tuple(str(self.pebble.http_port) if each == HTTP else each for each in relay.options)
        await relay.start()
        return relay

    async def shown(self, relay: SecureRelay, name: str) -> bytes:
        """
        @return: the certificate that it shows to who asks for C{name}, whoever gave it.
        """
        visiting = Visit()
        endpoint = wrapClientTLS(_Anything(name), TCP4ClientEndpoint(reactor, HOST, relay.port))
        await connectProtocol(endpoint, visiting)
        await visiting.secure
        self.assertEqual([name], visiting.names)
        shown = visiting.shown.public_bytes(Encoding.PEM)
        visiting.transport.loseConnection()  # type: ignore[union-attr]
        return shown

    def stranger(self) -> str:
        """
        @return: a file with the certificate of an authority that has given nothing.
        """
        path = Path(self.mktemp()).resolve()
        path.write_bytes(authority().pem)
        return str(path)

    async def test_http(self) -> None:
        """Each name gets its own by http-01; they are kept, and used at the next start."""
        relay = await self.begin(names=(NAME, "other.example"))
        for name in (NAME, "other.example"):
            await relay.said(f"ACME: a certificate for {name}")
        first = await self.shown(relay, NAME)
        await self.shown(relay, "other.example")
        self.assertEqual(404, await http_status(self.pebble.http_port, "/gun"))
        [place] = self.folder.iterdir()
        self.assertEqual(["account.key", "other.example.pem", "relay.example.pem"], sorted(os.listdir(place)))
        for path in place.iterdir():
            self.assertEqual(0o600, path.stat().st_mode & 0o777)
        self.assertIn(first, (place / "relay.example.pem").read_bytes())
        await relay.stop()
        relay = await self.relay(names=(NAME, "third.example"))
        await relay.said("ACME: a certificate for third.example")
        self.assertFalse(relay.says(f"asking for a certificate for {NAME}"))
        self.assertEqual(first, await self.shown(relay, NAME))
        await relay.stop()

    async def test_redirect(self) -> None:
        """The port for challenges is also that from which plain HTTP is sent on to HTTPS."""
        relay = await self.begin("--redirect-http", HTTP)
        await relay.said(f"ACME: a certificate for {NAME}")
        self.assertEqual(308, await http_status(self.pebble.http_port, "/gun"))
        self.assertEqual(404, await http_status(self.pebble.http_port, "/.well-known/acme-challenge/none"))
        await relay.stop()

    async def test_alpn(self) -> None:
        """By tls-alpn-01 no other port is needed."""
        relay = await self.begin("--acme-challenge", "tls-alpn-01")
        await relay.said(f"ACME: a certificate for {NAME}")
        await self.shown(relay, NAME)
        self.assertIsNone(await http_status(self.pebble.http_port, "/"))
        await relay.stop()

    async def test_renewal(self) -> None:
        """One that holds for half a minute is renewed in time, twice, and shown to who comes then."""
        for challenge in ("http-01", "tls-alpn-01"):
            self.folder = Path(self.mktemp()).resolve()
            relay = await self.begin("--acme-challenge", challenge, holds_seconds=12)
            await relay.said(f"ACME: a certificate for {NAME}")
            first = await self.shown(relay, NAME)

            await relay.said(f"ACME: a certificate for {NAME}", 60.0, times=3)
            self.assertNotEqual(first, await self.shown(relay, NAME))
            await relay.stop()

    async def test_refused(self) -> None:
        """A name that the authority does not give is told of and refused; the others are served."""
        relay = await self.begin(names=(BLOCKED, NAME))
        await relay.said(f"ACME: no certificate for {BLOCKED}: the authority says")
        self.assertTrue(relay.says("it is tried again in"))
        await relay.said(f"ACME: a certificate for {NAME}")
        await self.shown(relay, NAME)
        await relay.stop()

    async def test_unseen(self) -> None:
        """So is one whose challenge the authority does not see; meanwhile every handshake is refused."""
        self.pebble = Pebble(self, authority())
        await self.pebble.start()
        self.pebble.http_port = free_port()
        relay = await self.relay()
        await relay.said("the authority could not see that the name is ours: http-01: ")
        with self.assertRaises(SSL.Error):
            await self.shown(relay, NAME)
        await relay.stop()

    async def test_unknown(self) -> None:
        """An authority whose own web server is not to be believed is not asked."""
        self.pebble = Pebble(self, authority())
        await self.pebble.start()
        self.pebble.ca = self.stranger()
        relay = await self.relay()
        await relay.said(f"ACME: no certificate for {NAME}: SSLError")
        self.assertFalse(any("/dir" in line for line in self.pebble.child.output if "GET" in line))
        await relay.stop()


@implementer(IOpenSSLClientConnectionCreator)
class _Anything:
    """Asks for a name, and looks at nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:
        connection = SSL.Connection(SSL.Context(SSL.TLS_METHOD))
        connection.set_tlsext_host_name(self._name.encode())
        return connection
