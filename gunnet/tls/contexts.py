"""
The settings of OpenSSL: TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3, which has
nothing else. No compression (RFC 7457, 2.6), no renegotiation (2.10), no tickets, whose keys OpenSSL would
never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509

from gunnet.settings_error import SettingsError
from gunnet.tls.pairs import Pair

CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, as OpenSSL writes them."""
HTTP = (b"http/1.1",)
"""What is spoken inside (ALPN, RFC 7301): over HTTP/2 there would be no WebSocket."""


def server_context(
    pair: Pair | None = None,
    choose: Callable[[bytes | None], SSL.Context | None] | None = None,
    protocols: Sequence[bytes] = HTTP,
) -> SSL.Context:
    """
    For connections that come in.

    @param pair: what is shown; L{None} for nothing, with which no handshake succeeds.
    @param choose: called with the name that is asked for; gives another context for it, or L{None}.
    @param protocols: those to agree on with who offers any; if there is none in common the handshake fails.
    @raise SettingsError: OpenSSL takes no such key or certificate.
    """
    context = _context()

    def agree(_: SSL.Connection, offered: list[bytes]) -> bytes:
        return next((protocol for protocol in protocols if protocol in offered), b"")

    def named(connection: SSL.Connection) -> None:
        chosen = choose(connection.get_servername()) if choose is not None else None
        if chosen is not None and chosen is not context:
            connection.set_context(chosen)

    context.set_alpn_select_callback(agree)
    context.set_tlsext_servername_callback(named)
    if pair is not None:
        try:
            context.use_certificate(pair.chain[0])
            context.use_privatekey(pair.key)
            for certificate in pair.chain[1:]:
                context.add_extra_chain_cert(certificate)
            context.check_privatekey()
        except (SSL.Error, TypeError) as e:  # a weak one, for instance
            is_theirs = isinstance(e, SSL.Error)
            why = "; ".join(reason for _, _, reason in e.args[0]) if is_theirs else str(e)
            raise SettingsError(f"TLS: OpenSSL refuses the key or the certificate: {why}") from e
    context.set_cipher_list(CIPHERS)
    return context


def client_context(authorities: Sequence[x509.Certificate]) -> SSL.Context:
    """
    For connections that go out. Who uses it checks the name of the other side.

    @param authorities: certificates of those who are believed, apart from the system's.
    """
    context = _context()
    context.set_default_verify_paths()
    store = context.get_cert_store()
    assert store is not None
    for certificate in authorities:
        store.add_cert(X509.from_cryptography(certificate))
    context.set_cipher_list(CIPHERS)
    return context


def _context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(
        SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # an idle connection keeps no 32 KiB
    return context
