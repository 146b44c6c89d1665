"""
Who is at the other end of what we dial: C{wss://} and C{https://}.

The certificate of the other side must come from an authority that is believed, hold now, and be for the host
that was dialled (RFC 9525, by C{service_identity}). Otherwise there is no connection, and none without TLS
either.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any
from weakref import ref

from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from gunnet.tls.contexts import client_context
from gunnet.tls.pairs import read_certificates

_CODES = SSL.X509VerificationCodes
_REASONS = {
    _CODES.ERR_CERT_HAS_EXPIRED: "has expired",
    _CODES.ERR_CERT_NOT_YET_VALID: "does not hold yet",
    _CODES.ERR_CERT_REVOKED: "was revoked",
    **dict.fromkeys(
        (
            _CODES.ERR_CERT_SIGNATURE_FAILURE,  # of another authority with that name
            _CODES.ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            _CODES.ERR_SELF_SIGNED_CERT_IN_CHAIN,
            _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT,
            _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            _CODES.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
        ),
        "comes from an authority that is not believed here (--tls-ca)",
    ),
}


class PeerRefused(Exception):
    """The other side did not show that it is who was dialled. C{str()} of it says why."""


class Trust:
    """Whom to believe about others."""

    def __init__(self, authorities: Iterable[str] = ()) -> None:
        """
        @param authorities: PEM files of authorities, apart from those of the system.
        @raise SettingsError: one can't be read, or has no certificate in it.
        """
        self._authorities = [each for path in authorities for each in read_certificates(path)]

    @cached_property
    def _context(self) -> SSL.Context:
        """Shared by all connections, and made for the first: the system's authorities take a megabyte."""
        return client_context(self._authorities)

    def creator(self, host: str) -> IOpenSSLClientConnectionCreator:
        """What makes the TLS half of a connection to C{host}, a name in ASCII or an address."""
        return _Creator(self._context, host)

    def endpoint(self, host: str, port: int, reactor: Any) -> IStreamClientEndpoint:
        """Where C{host} is, over TLS."""
        return wrapClientTLS(self.creator(host), HostnameEndpoint(reactor, host, port), clock=reactor)

    def agent(self, reactor: Any, pool: HTTPConnectionPool) -> Agent:
        """What makes HTTP requests."""
        agent: Agent = Agent.usingEndpointFactory(reactor, _Endpoints(self, reactor), pool)
        return agent


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Where the host of a URL is."""

    def __init__(self, trust: Trust, reactor: Any) -> None:
        self._trust = trust
        self._reactor = reactor

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Over TLS if it is C{https}."""
        host = uri.host.decode("ascii").strip("[]")
        if uri.scheme == b"https":
            return self._trust.endpoint(host, uri.port, self._reactor)
        return HostnameEndpoint(self._reactor, host, uri.port)


@implementer(IOpenSSLClientConnectionCreator)
class _Creator:
    def __init__(self, context: SSL.Context, host: str) -> None:
        self._context = context
        self._host = host
        self._is_address = isIPAddress(host) or isIPv6Address(host)

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Twisted wants one for a connection that has come about."""
        connection = SSL.Connection(self._context)
        if not self._is_address:  # RFC 6066, 3
            connection.set_tlsext_host_name(self._host.encode("ascii"))
        asking = ref(protocol)  # the connection would keep it, and it keeps the connection

        def verify(_: object, certificate: Any, code: int, depth: int, ok: int) -> bool:
            why = self._problem(certificate, code, depth, bool(ok))
            if why is None:
                return True
            asked = asking()
            if asked is not None:
                asked.failVerification(Failure(PeerRefused(why)))
            return False

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection

    def _problem(self, certificate: Any, code: int, depth: int, ok: bool) -> str | None:
        """Why one certificate of the chain is not taken. Nothing may be raised into OpenSSL."""
        if not ok:
            return f"its certificate {_REASONS.get(code, f'does not verify, OpenSSL says {code}')}"
        if depth > 0:
            return None
        try:
            check = verify_certificate_ip_address if self._is_address else verify_certificate_hostname
            check(certificate.to_cryptography(), self._host)
        except (VerificationError, CertificateError):
            return f"its certificate is not for {self._host}"
        except Exception as e:
            return f"its certificate can't be read: {type(e).__name__}"
        return None
