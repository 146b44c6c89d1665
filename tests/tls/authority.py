"""
An authority made for a test, and the certificates that it gives.
"""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

DAY = 24 * 3600.0


class Authority:
    """
    One authority.

    @ivar now: what it takes for the present, in seconds since 1970.
    """

    def __init__(self, now: float, name: str = "a test's authority") -> None:
        self.now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key, -DAY, 10_000 * DAY)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = builder.add_extension(constraints, critical=True).sign(self._key, SHA256())

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def gives(
        self,
        *names: str,
        begins: float = -DAY,
        ends: float = 90 * DAY,
        key: Any = None,
        extension: x509.ExtensionType | None = None,
    ) -> tuple[bytes, bytes]:
        """
        @param names: host names and addresses.
        @param begins: seconds from now.
        @param ends: likewise.
        @param extension: goes into the certificate.
        @return: (private key, certificate), PEM.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([])
        builder = self._builder(subject, key, begins, ends)
        if names:
            found = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(found, critical=False)
        if extension is not None:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, SHA256())
        return pem_of(key), certificate.public_bytes(Encoding.PEM)

    def _builder(self, subject: x509.Name, key: Any, begins: float, ends: float) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.fromtimestamp(self.now + begins, UTC))
            .not_valid_after(datetime.fromtimestamp(self.now + ends, UTC))
        )


def pem_of(key: Any, password: bytes | None = None) -> bytes:
    """A private key as PEM."""
    hidden = NoEncryption() if password is None else BestAvailableEncryption(password)
    data: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)
    return data


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
