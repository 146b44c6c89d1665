"""
Tests for L{gunnet.tls.outgoing}: whom we take for whom we dialled.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.python.runtime import seconds
from twisted.test.iosim import FakeTransport, connect
from twisted.web.client import URI, HTTPConnectionPool
from zope.interface import implementer

from gunnet.settings import SettingsError
from gunnet.tls.contexts import server_context
from gunnet.tls.outgoing import PeerRefused, Trust
from gunnet.tls.pairs import Pair
from tests.tls.authority import Authority
from tests.tls.handshakes import talk
from tests.tls.test_pairs import PairCase


class Dialling(Protocol):
    """Keeps what it hears, and why it ended."""

    heard = b""
    why: BaseException | None = None

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.why = reason.value


@implementer(IOpenSSLServerConnectionCreator)
class Shows:
    """Shows a certificate, whatever is in it."""

    def __init__(self, pair: Pair) -> None:
        self._context = server_context(pair)

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        return SSL.Connection(self._context)


class TrustTests(PairCase):
    """A server with some certificate, and one that dials it. OpenSSL looks at the real clock."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.authority = Authority(real_now())
        self.trust = Trust([self.file(self.authority.pem)])

    def dial(self, host: str, pair: tuple[bytes, bytes], trust: Trust | None = None) -> Dialling:
        shows = Shows(read_any(pair))
        server = TLSMemoryBIOFactory(shows, False, talk(), clock=self.clock).buildProtocol(None)
        creator = (trust or self.trust).creator(host)
        factory = Factory.forProtocol(Dialling)
        client = TLSMemoryBIOFactory(creator, True, factory, clock=self.clock).buildProtocol(None)
        inner: Dialling = client.wrappedProtocol
        pump = connect(server, FakeTransport(server, True), client, FakeTransport(client, False))
        self.clock.advance(0)
        pump.flush()
        return inner

    def refusal(self, host: str, pair: tuple[bytes, bytes], trust: Trust | None = None) -> str:
        dialled = self.dial(host, pair, trust)
        self.assertEqual(b"", dialled.heard)
        self.assertIsInstance(dialled.why, PeerRefused)
        return str(dialled.why)

    def test_taken(self) -> None:
        """The right name or address, from an authority that is believed."""
        pair = self.authority.gives("relay.example", "*.b.example", "192.0.2.1", "2001:db8::1")
        for host in ("relay.example", "RELAY.example", "a.b.example", "192.0.2.1", "2001:db8::1"):
            self.assertEqual(b"hello", self.dial(host, pair).heard, host)

    def test_name(self) -> None:
        """Another name is refused."""
        pair = self.authority.gives("relay.example", "192.0.2.1")
        for host in ("other.example", "a.relay.example", "192.0.2.2"):
            self.assertEqual(f"its certificate is not for {host}", self.refusal(host, pair))
        self.assertIn("not for relay.example", self.refusal("relay.example", self.authority.gives()))

    def test_unreadable(self) -> None:
        """So is one that makes no sense where OpenSSL does not look."""
        broken = x509.UnrecognizedExtension(
            x509.ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS, b"nonsense"
        )
        pair = self.authority.gives("relay.example", extension=broken)
        self.assertIn("its certificate can't be read", self.refusal("relay.example", pair))

    def test_authority(self) -> None:
        """So is another authority, of the same name too; the system's believes neither."""
        pair = Authority(real_now()).gives("relay.example")
        for trust in (self.trust, Trust()):
            self.assertIn("--tls-ca", self.refusal("relay.example", pair, trust))

    def test_time(self) -> None:
        """So is what has expired, or begins later."""
        for fields, why in (({"ends": -60.0}, "has expired"), ({"begins": 3600.0}, "does not hold yet")):
            pair = self.authority.gives("relay.example", **fields)
            self.assertEqual(f"its certificate {why}", self.refusal("relay.example", pair))

    def test_bundle(self) -> None:
        """A file may have many authorities in it, and there may be many files."""
        others = [Authority(real_now(), f"authority {number}") for number in range(3)]
        trust = Trust([self.file(others[0].pem + others[1].pem), self.file(others[2].pem)])
        for other in others:
            self.assertEqual(b"hello", self.dial("a.example", other.gives("a.example"), trust).heard)

    def test_unusable(self) -> None:
        """A file that is missing or has no certificate in it is a mistake."""
        self.assertIn("No such file", str(self.assertRaises(SettingsError, Trust, ["/nonexistent.pem"])))
        self.assertIn("no certificate", str(self.assertRaises(SettingsError, Trust, [self.file(b"x")])))

    def test_endpoints(self) -> None:
        """C{https} is dialled with TLS and the clock that was passed in, C{http} without."""
        reactor = MemoryReactorClock()
        agent: Any = self.trust.agent(reactor, HTTPConnectionPool(reactor, persistent=False))
        for url, host, port, secure in (
            (b"https://relay.example/", "relay.example", 443, True),
            (b"https://[2001:db8::1]:8443/", "2001:db8::1", 8443, True),
            (b"http://127.0.0.1:81/", "127.0.0.1", 81, False),
        ):
            endpoint = agent._endpointFactory.endpointForURI(URI.fromBytes(url))
            inner = endpoint._wrappedEndpoint if secure else endpoint
            self.assertEqual((host, port), (inner._hostText, inner._port))
            if secure:
                self.assertIs(reactor, endpoint._wrapperFactory(talk())._clock)


class ReactorTests(PairCase):
    """Programs may dial on a reactor that is not the one of the process."""

    def test_no_global_reactor(self) -> None:
        """Nothing asks for that."""
        program = (
            "import sys\n"
            "from twisted.internet.testing import MemoryReactorClock, StringTransport\n"
            "from twisted.web.client import URI, HTTPConnectionPool\n"
            "from gunnet.tls.outgoing import Trust\n"
            "from gunnet.transport.dialer import endpoint_of\n"
            "from tests.tls.handshakes import talk\n"
            "reactor = MemoryReactorClock()\n"
            "agent = Trust().agent(reactor, HTTPConnectionPool(reactor, persistent=False))\n"
            "for endpoint in (\n"
            "    agent._endpointFactory.endpointForURI(URI.fromBytes(b'https://a.example/')),\n"
            "    endpoint_of('wss://a.example/gun', reactor),\n"
            "):\n"
            "    factory = endpoint._wrapperFactory(talk())\n"
            "    factory.buildProtocol(None).makeConnection(StringTransport())\n"
            "sys.exit('twisted.internet.reactor' in sys.modules)\n"
        )
        checkout = Path(__file__).resolve().parents[2]
        done = subprocess.run([sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True)
        self.assertEqual((0, ""), (done.returncode, done.stderr))


def real_now() -> float:
    """
    @return: the time on the wall, which OpenSSL goes by.
    """
    return float(seconds())


def read_any(pair: tuple[bytes, bytes]) -> Pair:
    """A pair, whether it holds now or not."""
    return Pair(load_pem_private_key(pair[0], None), tuple(x509.load_pem_x509_certificates(pair[1])))
