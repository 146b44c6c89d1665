"""
TLS as the operator wants it: plain data, checked, with nothing opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from gunnet.settings_error import SettingsError

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
CHALLENGES = ("http-01", "tls-alpn-01")
HTTP_PORT = 80

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class Tls:
    """
    Keys and certificates in files, and whom to believe. By default none, and the system's authorities.

    @ivar keys: PEM files of private keys.
    @ivar certs: PEM files of their certificates, in the same order, each with those that lead from it to an
        authority after it. The first is shown to who asks for no name, or for one that none has.
    @ivar authorities: PEM files of certificates of authorities that are believed about others, apart from
        those of the system.
    @raise SettingsError: one clear line on what is wrong.
    """

    keys: tuple[str, ...] = ()
    certs: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.keys) != len(self.certs):
            raise SettingsError(
                "TLS needs both a key and a certificate, each time: "
                f"there are {len(self.keys)} of --tls-key and {len(self.certs)} of --tls-cert"
            )

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(key, certificate) each."""
        return tuple(zip(self.keys, self.certs, strict=True))


@dataclass(frozen=True)
class Acme:
    """
    Certificates that an authority gives to who shows that a name leads to it (RFC 8555). By default none.

    @ivar domains: the names, each of which gets a certificate of its own.
    @ivar email: where the authority may write to; L{None} for nowhere.
    @ivar directory: URL of the authority.
    @ivar agreed: whether the operator agrees to its terms.
    @ivar challenge: how it is shown: C{http-01} over plain HTTP on port 80 (RFC 8555, 8.3), or
        C{tls-alpn-01} where TLS is spoken, on port 443 (RFC 8737).
    @ivar folder: where the account's key and the certificates are kept; L{None} for C{acme} in the data
        folder.
    @ivar http: endpoint string of the listener for C{http-01}.
    @raise SettingsError: one clear line on what is wrong.
    """

    domains: tuple[str, ...] = ()
    email: str | None = None
    directory: str = LETS_ENCRYPT
    agreed: bool = False
    challenge: Literal["http-01", "tls-alpn-01"] = "http-01"
    folder: str | None = None
    http: str = f"tcp:{HTTP_PORT}"

    def __post_init__(self) -> None:
        for name in self.domains:
            if name.startswith("*."):
                raise SettingsError(
                    f"ACME: {name}: certificates for all names of a domain need a challenge in DNS, "
                    "which this relay can't answer"
                )
            if not _NAME.fullmatch(name) or re.fullmatch(r"[0-9.]+", name):
                raise SettingsError(f"ACME: {name!r} is no host name, like relay.example")
        if len(set(self.domains)) < len(self.domains):
            raise SettingsError("ACME: asked for the same name twice")
        if self.challenge not in CHALLENGES:
            raise SettingsError(f"ACME: challenge {self.challenge!r} is none of {', '.join(CHALLENGES)}")
        self._check_directory()
        if self.domains and not self.agreed:
            raise SettingsError("ACME: --acme-agree-tos must say that you agree to the authority's terms")

    def _check_directory(self) -> None:
        try:
            parts = urlsplit(self.directory)
            scheme, host, _ = parts.scheme, parts.hostname, parts.port
        except ValueError as e:
            raise SettingsError(f"ACME: directory {self.directory!r}: {e}") from e
        if scheme != "https" or not host or re.search(r"[^\x21-\x7e]", self.directory):
            raise SettingsError(f"ACME: directory {self.directory!r} is not a URL that begins with https://")
