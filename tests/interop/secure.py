"""
TLS for tests with real sockets: a relay with keys and certificates, and somebody who looks at what it shows.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.interop.children import Child, until, within
from tests.interop.relays import HOST, GunnetRelay, free_port
from tests.tls.authority import Authority

READY_SECONDS_MAX = 30.0


def authority() -> Authority:
    """
    @return: one whose clock is right.
    """
    return Authority(reactor.seconds())


class Files:
    """A key and a certificate in files, which a test may replace."""

    def __init__(self, test: TestCase, key: bytes, cert: bytes) -> None:
        folder = Path(test.mktemp()).resolve()
        folder.mkdir(parents=True)
        self.key, self.cert = folder / "key.pem", folder / "cert.pem"
        self.write(key, cert)

    def write(self, key: bytes, cert: bytes) -> None:
        """New ones in their place."""
        for path, data in ((self.key, key), (self.cert, cert)):
            new = path.with_suffix(".new")
            new.write_bytes(data)
            new.replace(path)

    @property
    def options(self) -> tuple[str, ...]:
        """For the command line."""
        return ("--tls-key", str(self.key), "--tls-cert", str(self.cert))


class SecureRelay(GunnetRelay):
    """
    A relay with TLS.

    @ivar believes: the certificate of whoever gave those of the relay, PEM.
    """

    def __init__(self, test: TestCase, believes: bytes, *options: str, name: str = "secure") -> None:
        super().__init__(test, store=False, name=name)
        self.believes = believes
        self.options = options
        self.url = f"https://localhost:{self.port}/gun"

    async def is_well(self) -> bool:
        """Whether it listens: what it shows is for the test to look at."""
        return self._child is not None and any("listening on https" in line for line in self._child.output)

    def says(self, text: str, times: int = 1) -> bool:
        """Whether it has logged something with C{text} in it so often."""
        output = () if self._child is None else self._child.output
        return sum(text in line for line in output) >= times

    async def said(self, text: str, seconds: float = READY_SECONDS_MAX, *, times: int = 1) -> None:
        """Wait for that."""

        async def heard() -> bool:
            return self.says(text, times)

        await until(seconds, lambda: f"{text!r}. {self.report()}", heard)

    def hang_up(self) -> None:
        """Send it SIGHUP."""
        self._running().transport.signalProcess("HUP")

    async def visit(self, name: str = "localhost") -> Visit:
        """Connect, with a check of what it shows."""
        return await visit(self.port, name, self.believes)


class Visit(Protocol):
    """
    A connection over TLS.

    @ivar secure: fires when there was an answer; fails if the connection ends before.
    """

    def __init__(self) -> None:
        self.heard = b""
        self.secure: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """TCP is there; the first answer shows that TLS is."""
        self.ask("/healthz")

    def ask(self, path: str) -> None:
        """Ask for a page, and keep the connection."""
        assert self.transport is not None
        self.transport.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        if not self.secure.called:
            self.secure.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.secure.called:
            self.secure.errback(reason)

    @property
    def shown(self) -> x509.Certificate:
        """What the other side showed."""
        transport: Any = self.transport
        certificate: x509.Certificate = transport.getPeerCertificate().to_cryptography()
        return certificate

    @property
    def names(self) -> list[str]:
        """Its names."""
        found = self.shown.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return found.value.get_values_for_type(x509.DNSName)


async def visit(port: int, name: str, believes: bytes) -> Visit:
    """
    Connect by TLS.

    @param name: whom to ask for, and expect.
    @raise Exception: the handshake failed.
    """
    options = optionsForClientTLS(name, trustRootFromCertificates([Certificate.loadPEM(believes)]))
    endpoint = wrapClientTLS(options, TCP4ClientEndpoint(reactor, HOST, port))
    visiting = Visit()
    await connectProtocol(endpoint, visiting)
    await within(10, "an answer over TLS", visiting.secure)
    return visiting


async def ends(test: TestCase, *options: str, twist: bool = False) -> tuple[int, list[str]]:
    """
    Run a relay that does not start.

    @return: its status, and what it said.
    """
    child = Child("a relay that does not start")
    relay = GunnetRelay(test, store=False)
    command = [sys.executable, "-m", "twisted", "gun"] if twist else [sys.executable, "-m", "gunnet", "relay"]
    port = free_port()
    command += ["--host", HOST, "--port", str(port), "--no-multicast", "--no-store", *options]
    child.start(test, command, relay.environment())
    status = await within(READY_SECONDS_MAX, child.report, child.ended())
    return status, list(child.output)
