"""
Talking to an ACME authority (RFC 8555), with the C{acme} package. All of it waits, so it is called in a
thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ssl import SSLContext, create_default_context
from typing import Any

from acme import challenges, client, errors, messages
from acme.crypto_util import make_csr
from cryptography.hazmat.primitives.serialization import Encoding
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from gunnet import __version__
from gunnet.tls.acme_folder import AcmeFolder
from gunnet.tls.pairs import read_certificates
from gunnet.tls.wanted import Acme

REQUEST_SECONDS = 20
ORDER_SECONDS = 120.0
"""So long the authority may take to look at our answers and to sign."""


class AcmeError(Exception):
    """There is no certificate this time. C{str()} of it says why, in one line."""


@dataclass(frozen=True)
class Challenge:
    """
    What the authority wants to see.

    @ivar token: where, with C{http-01}.
    @ivar answer: what (the key authorization, RFC 8555, 8.1).
    """

    token: str
    answer: str
    body: Any


@dataclass(frozen=True)
class Order:
    """
    A certificate that is asked for.

    @ivar challenges: what is to be shown first; none if the authority knows already.
    """

    challenges: tuple[Challenge, ...]
    client: client.ClientV2
    resource: messages.OrderResource


class _TlsAlpn01Response(challenges.KeyAuthorizationChallengeResponse):
    typ = "tls-alpn-01"


class _TlsAlpn01(challenges.KeyAuthorizationChallenge):
    """What C{acme} had until its version 4."""

    response_cls = _TlsAlpn01Response
    typ = "tls-alpn-01"

    def validation(self, account_key: JWK, **_: Any) -> str:
        """What is to be shown."""
        return self.key_authorization(account_key)


challenges.ChallengeResponse.register(_TlsAlpn01Response)
challenges.Challenge.register(_TlsAlpn01)


class AcmeClient:
    """One authority, and our account there."""

    def __init__(self, wanted: Acme, folder: AcmeFolder, authorities: Iterable[str]) -> None:
        """
        @param authorities: PEM files of those that may vouch for the authority's own web server, apart from
            the system's.
        """
        self._wanted = wanted
        self._folder = folder
        self._authorities = tuple(authorities)

    def begin(self, name: str, key: bytes) -> Order:
        """
        Ask for a certificate.

        @param key: the private key that it is for, PEM.
        @raise AcmeError: it can't be had.
        """
        try:
            acme = self._connect()
            order = acme.new_order(make_csr(key, [name]))
            account = JWKEC(key=self._folder.account_key())
            wanted = [self._challenge(each, account) for each in order.authorizations]
            return Order(tuple(each for each in wanted if each is not None), acme, order)
        except (errors.Error, messages.Error, RequestException, JoseError, OSError, ValueError) as e:
            raise AcmeError(why(e)) from e

    def finish(self, order: Order) -> bytes:
        """
        Have the authority look at what it wanted to see, and sign.

        @return: the certificate and those that lead to the authority, PEM.
        @raise AcmeError: it does not.
        """
        try:
            for challenge in order.challenges:
                order.client.answer_challenge(
                    challenge.body, challenge.body.chall.response(order.client.net.key)
                )
            end = datetime.now() + timedelta(seconds=ORDER_SECONDS)  # noqa: TID251, as acme wants it
            return str(order.client.poll_and_finalize(order.resource, end).fullchain_pem).encode()
        except (errors.Error, messages.Error, RequestException, JoseError, OSError, ValueError) as e:
            raise AcmeError(why(e)) from e

    def _connect(self) -> client.ClientV2:
        key = JWKEC(key=self._folder.account_key())
        net = client.ClientNetwork(
            key, alg=ES256, user_agent=f"gunnet/{__version__}", timeout=REQUEST_SECONDS
        )
        net.session.mount("https://", _Adapter(self._context()))
        acme = client.ClientV2(client.ClientV2.get_directory(self._wanted.directory, net), net)
        asked = messages.NewRegistration.from_data(
            email=self._wanted.email, terms_of_service_agreed=self._wanted.agreed
        )
        try:
            acme.new_account(asked)
        except errors.ConflictError as e:  # it is there from an earlier time
            net.account = messages.RegistrationResource(uri=e.location, body=asked)
        return acme

    def _context(self) -> SSLContext:
        context = create_default_context()
        for path in self._authorities:
            for certificate in read_certificates(path):
                context.load_verify_locations(cadata=certificate.public_bytes(Encoding.DER))
        return context

    def _challenge(self, authorization: Any, account: JWK) -> Challenge | None:
        if authorization.body.status == messages.STATUS_VALID:
            return None
        for body in authorization.body.challenges:
            if body.chall.typ == self._wanted.challenge:
                return Challenge(body.chall.encode("token"), body.chall.key_authorization(account), body)
        raise AcmeError(f"the authority has no challenge {self._wanted.challenge} for this name")


class _Adapter(HTTPAdapter):
    """Has connections use a context of ours."""

    def __init__(self, context: SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **fields: Any) -> None:
        """Requests begins."""
        super().init_poolmanager(*args, ssl_context=self._context, **fields)


def why(error: Exception) -> str:
    """One line on what went wrong."""
    if isinstance(error, errors.ValidationError):
        found = [
            f"{each.chall.typ}: {each.error.detail or each.error.typ}"
            for authorization in error.failed_authzrs
            for each in authorization.body.challenges
            if each.error is not None
        ]
        return "the authority could not see that the name is ours: " + "; ".join(found)
    if isinstance(error, messages.Error):
        return f"the authority says {error.detail or error.typ}"
    if isinstance(error, errors.TimeoutError):
        return f"the authority did not come to an end in {ORDER_SECONDS:.0f} seconds"
    return " ".join(f"{type(error).__name__}: {error}".split())
