"""
All that says who may use one relay, put together from what its operator wants.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from twisted.internet.interfaces import IReactorTime

from gunnet.access.door import Door, Way
from gunnet.access.files import WatchedFile, read_pubs
from gunnet.access.users import UserTokens, secret_in
from gunnet.access.wanted import Access
from gunnet.counters import Counters
from gunnet.sea.firewall import Firewall, Rules

T = TypeVar("T")


class Gate:
    """
    The parts of access control of one relay.

    @ivar files: the files that are looked at again and again, as services.
    @ivar rules: what may be written, at first.
    @ivar users: gives tokens to those who own a key; L{None} if nobody is.
    """

    def __init__(self, access: Access, reactor: IReactorTime, random_bytes: Callable[[int], bytes]) -> None:
        """
        Read the files.

        @raise gunnet.settings.SettingsError: one can't be read, or has a mistake in it.
        """
        self._access = access
        self._reactor = reactor
        self._random_bytes = random_bytes
        self._firewall: Firewall | None = None
        self.files: list[WatchedFile[Any]] = []
        self._ways = self._tokens() if access.token_file or access.jwt_key else []
        self.users: UserTokens | None = None
        self._allowed_users = None if access.allow_user is None else self._watch(access.allow_user, read_pubs)
        writers = None
        if access.allow_pub is not None:
            writers = self._watch(access.allow_pub, read_pubs, self._set_writers)()
        self.rules = Rules(access.require_signed, writers)

    def _watch(
        self, path: str, read: Callable[[str], T], changed: Callable[[T], None] | None = None
    ) -> Callable[[], T]:
        file = WatchedFile(path, read, self._reactor, changed)
        self.files.append(file)
        return lambda: file.found

    def guard(self, firewall: Firewall) -> None:
        """Tell C{firewall} what changes."""
        self._firewall = firewall

    def _set_writers(self, writers: frozenset[str]) -> None:
        if self._firewall is not None:
            self._firewall.rules = Rules(self._access.require_signed, writers)

    def door(self, data: str | None, counters: Counters) -> Door:
        """
        Who may connect.

        @param data: the folder of the relay.
        @raise gunnet.settings.SettingsError: there can't be a secret in it.
        """
        ways = self._ways
        if self._allowed_users is not None:
            secret = secret_in(data, self._random_bytes)
            self.users = UserTokens(secret, self._allowed_users, self._random_bytes)
            ways = [*ways, self.users]
        return Door(self._access.allow_origin, ways, counters)

    def _tokens(self) -> list[Way]:
        from gunnet.access.tokens import JWTs, Secrets, read_jwt_key, read_secrets  # PyJWT takes its time

        access = self._access
        ways: list[Way] = []
        if access.token_file is not None:
            ways.append(Secrets(self._watch(access.token_file, read_secrets)))
        if access.jwt_key is not None:
            key = self._watch(access.jwt_key, partial(read_jwt_key, algorithm=access.jwt_algorithm))
            ways.append(JWTs(key, access.jwt_algorithm, access.jwt_audience, access.jwt_issuer))
        return ways
