"""
A private key and its certificate, read from PEM files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, verify_service_identity

from gunnet.access.files import read_bytes
from gunnet.settings_error import SettingsError

PEM_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True)
class Pair:
    """
    A private key and its certificate.

    @ivar key: the private key, as C{cryptography} has it.
    @ivar chain: the certificate, and those that lead from it to an authority.
    """

    key: Any
    chain: tuple[x509.Certificate, ...]

    @property
    def begins(self) -> float:
        """From when on it holds, in seconds since 1970."""
        return self.chain[0].not_valid_before_utc.timestamp()

    @property
    def ends(self) -> float:
        """Until when it holds, likewise."""
        return self.chain[0].not_valid_after_utc.timestamp()

    @property
    def names(self) -> tuple[str, ...]:
        """The host names and addresses it is for, in small letters."""
        try:
            found = self.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return ()
        hosts = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
        return (*hosts, *map(str, found.get_values_for_type(x509.IPAddress)))

    @cached_property
    def patterns(self) -> Sequence[Any]:
        """The same, as C{service_identity} has them."""
        return extract_patterns(self.chain[0])

    def fits(self, name: str) -> bool:
        """Whether it is for that host name: itself, or all that end as it does."""
        try:
            verify_service_identity(self.patterns, [DNS_ID(name)], [])
        except (VerificationError, CertificateError, ValueError):
            return False
        return True


def read_pair(key_path: str, cert_path: str, now: float) -> Pair:
    """
    Read a key and its certificate. Both may be in one file.

    @param now: seconds since 1970.
    @raise SettingsError: they can't be read, are none, don't belong together, or don't hold now.
    """
    pair = Pair(_key(key_path), read_certificates(cert_path))
    if _public(pair.key.public_key()) != _public(pair.chain[0].public_key()):
        raise SettingsError(
            f"TLS: the private key in {key_path} is not that of the first certificate in {cert_path}"
        )
    try:
        _ = pair.names, pair.patterns
    except (ValueError, CertificateError, x509.DuplicateExtension) as e:
        raise SettingsError(f"TLS: the names in {cert_path} can't be read") from e
    if pair.ends <= now:
        raise SettingsError(f"TLS: {cert_path} has expired, at {pair.chain[0].not_valid_after_utc}")
    if pair.begins > now:
        raise SettingsError(f"TLS: {cert_path} does not hold before {pair.chain[0].not_valid_before_utc}")
    return pair


def read_certificates(path: str) -> tuple[x509.Certificate, ...]:
    """
    All certificates in a file.

    @raise SettingsError: it can't be read, or has none.
    """
    data = _read(path)
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError as e:
        raise SettingsError(f"TLS: {path} holds no certificate (PEM), or a damaged one") from e


def _key(path: str) -> Any:
    data = _read(path)
    try:
        return load_pem_private_key(data, None)
    except TypeError as e:
        raise SettingsError(f"TLS: the private key in {path} needs a password, which is not asked for") from e
    except (ValueError, UnsupportedAlgorithm) as e:
        raise SettingsError(f"TLS: {path} holds no private key (PEM), or a damaged one") from e


def _read(path: str) -> bytes:
    try:
        return read_bytes(path, PEM_BYTES_MAX)
    except SettingsError as e:
        raise SettingsError(f"TLS: {e}") from e


def _public(key: Any) -> bytes:
    data: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data
