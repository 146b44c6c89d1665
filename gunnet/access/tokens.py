"""
Two ways to know a token: it is one of a list of secrets, or a JWT that somebody else has signed.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from gunnet.access.files import read_lines, read_text
from gunnet.settings_error import SettingsError

SECRET_CHARACTERS_MIN = 16
SECRETS_MAX = 1_000
"""Each visit is compared with all of them."""

_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, RecursionError)


def read_secrets(path: str) -> tuple[bytes, ...]:
    """
    The hashes of the secrets in a file.

    @raise SettingsError: it can't be read, or has a secret that could be guessed. No secret is in the text.
    """
    found: dict[bytes, None] = {}
    for number, line in read_lines(path):
        if len(line) < SECRET_CHARACTERS_MIN:
            raise SettingsError(
                f"{path}, line {number}: a token has at least {SECRET_CHARACTERS_MIN} characters"
            )
        found[_hash(line)] = None
    if len(found) > SECRETS_MAX:
        raise SettingsError(f"{path}: more than {SECRETS_MAX} tokens; --jwt-key is for these")
    return tuple(found)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


class Secrets:
    """Tokens out of a list (L{gunnet.access.door.Way})."""

    def __init__(self, secrets: Callable[[], Sequence[bytes]]) -> None:
        """
        @param secrets: gives what L{read_secrets} read last.
        """
        self._secrets = secrets

    def admits(self, token: str, now: float) -> bool:
        """See L{gunnet.access.door.Way.admits}. How long it takes tells nothing of the secrets."""
        given = _hash(token)
        found = False
        for secret in self._secrets():
            found |= hmac.compare_digest(given, secret)
        return found


def read_jwt_key(path: str, algorithm: str) -> Any:
    """
    The key that JWTs are verified with: a secret for C{HS…}, else a public key (PEM).

    @raise SettingsError: it is no such key.
    """
    text = read_text(path).strip()
    if algorithm.startswith("HS"):
        size = int(algorithm[2:]) // 8
        if len(text.encode()) < size:
            raise SettingsError(f"{path}: a secret for {algorithm} has at least {size} bytes")
    elif "PRIVATE" in text:
        raise SettingsError(f"{path}: the relay verifies only; give it the public key")
    try:
        return jwt.get_algorithm_by_name(algorithm).prepare_key(text)
    except (*_UNREADABLE, UnsupportedAlgorithm, NotImplementedError) as e:
        raise SettingsError(f"{path}: no key for {algorithm}") from e


class JWTs:
    """JWTs that were signed with one key (L{gunnet.access.door.Way})."""

    def __init__(
        self, key: Callable[[], Any], algorithm: str, audience: str | None, issuer: str | None
    ) -> None:
        """
        @param key: gives what L{read_jwt_key} read last.
        @param audience: whom they must be for.
        @param issuer: whom they must be from.
        """
        self._key = key
        self._algorithm = algorithm
        self._audience = audience
        self._issuer = issuer

    def admits(self, token: str, now: float) -> bool:
        """See L{gunnet.access.door.Way.admits}. Times in it are compared with the clock of the system."""
        try:
            jwt.decode(
                token,
                self._key(),
                algorithms=[self._algorithm],
                audience=self._audience,
                issuer=self._issuer,
            )
        except _UNREADABLE:
            return False
        return True
