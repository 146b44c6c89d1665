"""
What is kept of ACME, in a folder for each authority that only the owner of the process can read::

    account.key         the private key of the account
    NAME.pem            the private key for a host name, its certificate, and those that lead to the authority
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gunnet.settings_error import SettingsError
from gunnet.tls.pairs import Pair, read_pair


class AcmeFolder:
    """The folder of one authority."""

    def __init__(self, folder: str, directory: str) -> None:
        """
        @param folder: that of all authorities.
        @param directory: URL of this one.
        """
        self._path = os.path.join(folder, urlsplit(directory).netloc.replace(":", "_"))

    def open(self) -> None:
        """
        Make it if it is missing.

        @raise SettingsError: it can't be written to.
        """
        try:
            os.makedirs(self._path, mode=0o700, exist_ok=True)
            self.account_key()
        except (OSError, ValueError) as e:
            raise SettingsError(f"ACME: {self._path}: {getattr(e, 'strerror', None) or e}") from e

    def account_key(self) -> Any:
        """
        The key of the account, which is made if it is missing.

        @raise ValueError: what is there is none.
        @raise OSError: it can't be read or written.
        """
        path = os.path.join(self._path, "account.key")
        try:
            with open(path, "rb") as file:
                return load_pem_private_key(file.read(), None)
        except FileNotFoundError:
            pem = new_key()
            _write(path, pem)
            return load_pem_private_key(pem, None)

    def path(self, name: str) -> str:
        """Where the certificate for C{name} is."""
        return os.path.join(self._path, f"{name}.pem")

    def read(self, name: str, now: float) -> Pair | None:
        """
        The certificate for C{name}; L{None} if there is none yet.

        @raise SettingsError: it is of no use.
        """
        path = self.path(name)
        return read_pair(path, path, now) if os.path.exists(path) else None

    def write(self, name: str, key: bytes, chain: bytes, now: float) -> Pair:
        """
        Keep a new one, unless it is of no use.

        @param key: PEM.
        @param chain: PEM.
        @raise SettingsError: the authority gave something else; what was there before stays.
        @raise OSError: it can't be written.
        """
        path = self.path(name)
        _write(f"{path}.new", key + chain)
        pair = read_pair(f"{path}.new", f"{path}.new", now)
        os.replace(f"{path}.new", path)
        return pair


def new_key() -> bytes:
    """A new private key (P-256), as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: str, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
