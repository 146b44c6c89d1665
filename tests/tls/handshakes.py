"""
TLS in memory: one that dials a factory of ours, with OpenSSL and nothing between.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport


class Talk(Protocol):
    """What a relay would be: says C{hello}, and keeps what it hears."""

    def connectionMade(self) -> None:
        self.heard = b""
        self.transport.write(b"hello")  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self.heard += data


def talk() -> Factory:
    """
    @return: a factory of these.
    """
    return Factory.forProtocol(Talk)


class Visitor:
    """
    Somebody who dials.

    @ivar error: what OpenSSL says when the handshake fails.
    """

    def __init__(
        self,
        factory: Any,
        name: bytes | None = None,
        *,
        protocols: list[bytes] | None = None,
        versions: tuple[int, int] | None = None,
        ciphers: bytes | None = None,
        piece: int = 65536,
    ) -> None:
        """
        @param name: whom to ask for.
        @param versions: of TLS, the least and the most.
        @param piece: so many bytes are sent at once.
        """
        context = SSL.Context(SSL.TLS_METHOD)
        if versions is not None:
            context.set_min_proto_version(versions[0])
            context.set_max_proto_version(versions[1])
        if protocols is not None:
            context.set_alpn_protos(protocols)
        if ciphers is not None:
            context.set_cipher_list(ciphers)
        self.error: SSL.Error | None = None
        self.heard = b""
        self._piece = piece
        self.transport = StringTransport()
        self.connection = SSL.Connection(context)
        self.connection.set_connect_state()
        if name is not None:
            self.connection.set_tlsext_host_name(name)
        self.protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))
        self.protocol.makeConnection(self.transport)
        self.pump()

    def pump(self) -> None:
        """Carry bytes both ways until there are none."""
        for _ in range(20):
            self._step()
            moved = self._carry()
            data = self.transport.value()
            self.transport.clear()
            if data:
                self.connection.bio_write(data)
            elif not moved:
                break
        self._step()

    def _step(self) -> None:
        try:
            self.connection.do_handshake()
            self.heard += self.connection.recv(65536)
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self.error = self.error or error

    def _carry(self) -> bool:
        moved = False
        while True:
            try:
                data = self.connection.bio_read(self._piece)
            except SSL.WantReadError:
                return moved
            moved = True
            if not self.transport.disconnected:
                self.protocol.dataReceived(data)

    @property
    def refused(self) -> bool:
        """Whether there is no TLS between the two."""
        return self.error is not None

    @property
    def shown(self) -> str:
        """The first name of the certificate that the factory showed."""
        certificate = self.connection.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return str(found.value.get_values_for_type(x509.DNSName)[0])

    def say(self, data: bytes) -> None:
        """Send something."""
        self.connection.send(data)
        self.pump()
