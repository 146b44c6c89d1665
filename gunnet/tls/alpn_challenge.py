"""
Showing by TLS that a name is ours (RFC 8737): who connects and offers C{acme-tls/1} (ALPN) is shown a
certificate made for that, and nothing else happens on such a connection.

OpenSSL asks which protocol to agree on too late to show another certificate: with TLS 1.3 that works, with
TLS 1.2 the handshake breaks. So while a challenge is waited for, and only then, a second connection of
OpenSSL reads the first words of whoever comes, and then it is known who is to have them.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocol, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from gunnet.tls.contexts import server_context
from gunnet.tls.pairs import Pair

ACME_TLS = b"acme-tls/1"
HELLO_BYTES_MAX = 32 * 1024
"""Who has not said hello in so many bytes is no authority."""
HELLO_SECONDS = 10.0
"""So long a connection lasts that has not said hello, or is an authority's."""

_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_OCTET_STRING = b"\x04\x20"  # of 32 bytes, as DER has it
_HOLDS = timedelta(days=7)


def challenge_pair(name: str, answer: str, now: float) -> Pair:
    """
    The certificate that shows it (RFC 8737, 3).

    @param answer: the key authorization.
    @param now: seconds since 1970.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    digest = _OCTET_STRING + sha256(answer.encode()).digest()
    today = datetime.fromtimestamp(now, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - _HOLDS)
        .not_valid_after(today + _HOLDS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(x509.UnrecognizedExtension(_IDENTIFIER, digest), critical=True)
        .sign(key, SHA256())
    )
    return Pair(key, (certificate,))


@implementer(IOpenSSLServerConnectionCreator)
class AlpnChallenges:
    """The answers that are waited for, each as a certificate."""

    def __init__(self) -> None:
        self._contexts: dict[str, SSL.Context] = {}
        self._none = server_context(None, self._choose, [ACME_TLS])

    @property
    def waiting(self) -> bool:
        """Whether there are any."""
        return bool(self._contexts)

    def put(self, name: str, answer: str, now: float) -> None:
        """Answer for C{name} from now on."""
        self._contexts[name] = server_context(challenge_pair(name, answer, now), None, [ACME_TLS])

    def drop(self, name: str) -> None:
        """Answer for it no more."""
        self._contexts.pop(name, None)

    def offered(self) -> Hello:
        """To read what somebody says first."""
        return Hello(next(iter(self._contexts.values()), self._none))

    def _choose(self, name: bytes | None) -> SSL.Context | None:
        return self._contexts.get((name or b"").decode("ascii", "replace").lower())

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Twisted wants one for an authority."""
        return SSL.Connection(self._none)


class Hello:
    """
    The first words of TLS, read by OpenSSL.

    @ivar complete: whether they are all there, or never will be.
    """

    def __init__(self, context: SSL.Context) -> None:
        """
        @param context: one with a certificate, without which OpenSSL would not read TLS 1.2 to the end, and
            with C{acme-tls/1} as the only protocol.
        """
        self.complete = False
        self._connection = SSL.Connection(context)
        self._connection.set_accept_state()

    @property
    def is_challenge(self) -> bool:
        """Whether they are those of an authority: whether its protocol was agreed on."""
        return self._connection.get_alpn_proto_negotiated() == ACME_TLS

    def feed(self, data: bytes) -> None:
        """Some more of them."""
        self._connection.bio_write(data)
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            with suppress(SSL.WantReadError):
                self.complete = bool(self._connection.bio_read(1))  # OpenSSL has something to answer
        except SSL.Error:
            self.complete = True


class ChallengeFactory(Factory):
    """Before a TLS factory: takes authorities away from it while a challenge is waited for."""

    noisy = False

    def __init__(self, usual: IProtocolFactory, challenges: AlpnChallenges, reactor: Any) -> None:
        """
        @param usual: for all others.
        """
        self.usual = usual
        self.challenges = challenges
        self.reactor = reactor
        nothing = Factory.forProtocol(_Nothing)
        nothing.noisy = False
        self.authorities = TLSMemoryBIOFactory(challenges, False, nothing, clock=reactor)

    def doStart(self) -> None:
        """A listener begins."""
        self.usual.doStart()

    def doStop(self) -> None:
        """It ends."""
        self.usual.doStop()

    def buildProtocol(self, addr: Any) -> Any:
        """Somebody has connected."""
        if not self.challenges.waiting:
            return self.usual.buildProtocol(addr)
        return _Undecided(self, addr)


class _Undecided(Protocol):
    """Holds what is said until it is known who is to have it, and then passes all on."""

    def __init__(self, doors: ChallengeFactory, addr: Any) -> None:
        self._doors = doors
        self._addr = addr
        self._hello: Hello | None = doors.challenges.offered()
        self._said = b""
        self._inner: IProtocol | None = None

    def connectionMade(self) -> None:
        """Somebody has connected."""
        transport: Any = self.transport
        self._end = self._doors.reactor.callLater(HELLO_SECONDS, transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        """They say something."""
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        hello = self._hello
        if hello is None:
            return
        self._said += data
        hello.feed(data)
        if hello.complete or len(self._said) > HELLO_BYTES_MAX:
            self._hello = None
            self._decide(hello.is_challenge)

    def _decide(self, is_challenge: bool) -> None:
        transport: Any = self.transport
        if not is_challenge:
            self._end.cancel()
        factory = self._doors.authorities if is_challenge else self._doors.usual
        self._inner = factory.buildProtocol(self._addr)
        if self._inner is None:
            transport.abortConnection()
            return
        self._inner.makeConnection(transport)
        said, self._said = self._said, b""
        self._inner.dataReceived(said)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        if self._end.active():
            self._end.cancel()
        if self._inner is not None:
            self._inner.connectionLost(reason)
            self._inner = None


class _Nothing(Protocol):
    """What is spoken with an authority: nothing."""

    def dataReceived(self, data: bytes) -> None:
        """It should not have said anything."""
        transport: Any = self.transport
        transport.abortConnection()
