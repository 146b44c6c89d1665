"""
A third way to know a token: the relay gave it to somebody who has shown to own a SEA key.

Who wants in asks for a challenge, signs it, and is given a token for it. Nothing is kept for either: both
carry the relay's own mark, which nobody else can make.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Collection
from hashlib import sha256

from gunnet import sea
from gunnet.settings_error import SettingsError

CHALLENGE_SECONDS = 60
TOKEN_SECONDS = 3_600
"""Links outlive the tokens that they were opened with; dialling again needs one that still holds."""

SECRET_BYTES = 32
_NAME = "gunnet-challenge"
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")


class NotProven(Exception):
    """Somebody who may not have a token; C{str()} says why."""


class UserTokens:
    """Challenges, and tokens for those who meet them (L{gunnet.access.door.Way})."""

    def __init__(
        self,
        secret: bytes,
        users: Callable[[], Collection[str]],
        random_bytes: Callable[[int], bytes],
        hosts: Collection[str] = (),
    ) -> None:
        """
        @param secret: what the marks are made with.
        @param users: gives the public keys of those who may connect.
        @param hosts: the names that this relay has, in small letters; empty for whatever it is called.
        """
        self._hosts = frozenset(hosts)
        self._secret = secret
        self._users = users
        self._random_bytes = random_bytes

    def challenge(self, host: str, now: float) -> str:
        """
        Something to be signed. It names the host, so that who signs can see that no other relay passes on
        this one's, provided that this one knows its names: else the other can ask for one with its own.

        @param host: what the relay was called by who asks.
        @param now: seconds since 1970.
        @raise NotProven: this relay is called otherwise.
        """
        if self._hosts and host.lower() not in self._hosts:
            raise NotProven("this relay has another name")
        host = host if _HOST.fullmatch(host) else "unknown"
        text = f"{_NAME}:{host}:{int(now) + CHALLENGE_SECONDS}:{self._random_bytes(16).hex()}"
        return f"{text}:{self._mark(text)}"

    def prove(self, pub: object, proof: object, now: float) -> str:
        """
        Give a token for a signed challenge.

        @param proof: C{SEA.sign} of the challenge.
        @raise NotProven: it isn't that, or C{pub} may not connect.
        """
        if not isinstance(pub, str) or pub not in self._users():
            raise NotProven("this key may not connect here")
        try:
            challenge = sea.verify(proof, pub)
        except sea.SEAError:
            raise NotProven("the proof is no signature of this key") from None
        text, _, mark = challenge.rpartition(":") if isinstance(challenge, str) else ("", "", "")
        if not text.startswith(f"{_NAME}:") or not self._is_marked(text, mark):
            raise NotProven("what was signed is no challenge of this relay")
        if int(text.split(":")[-2]) <= now:
            raise NotProven("the challenge is too old; ask for another")
        token = f"u.{int(now) + TOKEN_SECONDS}.{pub}"
        return f"{token}.{self._mark(token)}"

    def admits(self, token: str, now: float) -> bool:
        """See L{gunnet.access.door.Way.admits}. Who is no user any more is not admitted."""
        text, _, mark = token.rpartition(".")
        if not text.startswith("u.") or not self._is_marked(text, mark):
            return False
        _, ends, pub = text.split(".", 2)
        return int(ends) > now and pub in self._users()

    def _mark(self, text: str) -> str:
        return hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()

    def _is_marked(self, text: str, mark: str) -> bool:
        return mark.isascii() and hmac.compare_digest(self._mark(text), mark)


def secret_in(folder: str | None, random_bytes: Callable[[int], bytes]) -> bytes:
    """
    The secret of the relay whose data is in C{folder}, which is made if there is none, so that tokens outlive
    a restart.

    @param folder: L{None} for a relay that keeps nothing.
    @raise SettingsError: it can't be read, or written.
    """
    if folder is None:
        return random_bytes(SECRET_BYTES)
    path = os.path.join(folder, "access.secret")
    try:
        if not os.path.exists(path):
            fresh = f"{path}.new"
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(random_bytes(SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.rename(fresh, path)
        with open(path, "rb") as file:
            secret = file.read(SECRET_BYTES + 1)
    except OSError as e:
        raise SettingsError(f"{path}: {e.strerror}") from e
    if len(secret) != SECRET_BYTES:
        raise SettingsError(f"{path} is damaged; remove it, and tokens that were given end")
    return secret
