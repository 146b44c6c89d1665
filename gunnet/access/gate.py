"""
All that says who may use one relay, put together from what its operator wants.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime

from gunnet.access.door import Door, Way
from gunnet.access.files import WatchedFile, read_pubs
from gunnet.access.policies import Policies
from gunnet.access.program import ProgramRule
from gunnet.access.rules import CallableRule, Rule, load_rule
from gunnet.access.users import UserTokens, secret_in
from gunnet.access.wanted import Access
from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.sea.firewall import Firewall, Rules
from gunnet.settings_error import SettingsError
from gunnet.turns import MeshService

T = TypeVar("T")


class Gate:
    """
    The parts of access control of one relay.

    @ivar files: the files that are looked at again and again, as services.
    @ivar rules: what may be written, at first.
    @ivar rule: the operator's own; L{None} if there is none.
    @ivar users: gives tokens to those who own a key; L{None} if nobody is.
    """

    def __init__(
        self,
        access: Access,
        limits: Limits,
        reactor: IReactorTime,
        random_bytes: Callable[[int], bytes],
        policies: Policies | None = None,
    ) -> None:
        """
        Read the files.

        @param policies: what a program says itself.
        @raise gunnet.settings.SettingsError: one can't be read, or has a mistake in it.
        """
        self._access = access
        self._policies = policies = policies or Policies()
        self._reactor = reactor
        self._random_bytes = random_bytes
        self._firewall: Firewall | None = None
        self.files: list[WatchedFile[Any]] = []
        self._ways = [*policies.ways, *(self._tokens() if access.token_file or access.jwt_key else [])]
        self.users: UserTokens | None = None
        self._allowed_users = None if access.allow_user is None else self._watch(access.allow_user, read_pubs)
        self.rule = self._rule(limits)
        writers = policies.writers
        if access.allow_pub is not None:
            writers = self._watch(access.allow_pub, read_pubs, self._set_writers)()
        self.rules = Rules(access.require_signed, writers)

    def _watch(
        self, path: str, read: Callable[[str], T], changed: Callable[[T], None] | None = None
    ) -> Callable[[], T]:
        file = WatchedFile(path, read, self._reactor, changed)
        self.files.append(file)
        return lambda: file.found

    def _rule(self, limits: Limits) -> Rule | None:
        access, reactor = self._access, self._reactor
        deadline, fails_open = access.rule_deadline, access.rule_fail == "open"
        rule = self._policies.rule if access.rule is None else load_rule(access.rule)
        if rule is not None:
            return CallableRule(rule, reactor, deadline, fails_open=fails_open)
        if access.rule_program is None:
            return None
        command = shlex.split(access.rule_program)
        if shutil.which(command[0]) is None:
            raise SettingsError(f"program of the rule: there is no {command[0]!r} that can be run")
        return ProgramRule(command, reactor, deadline, limits, fails_open=fails_open)

    @property
    def services(self) -> list[Service]:
        """What runs beside the relay."""
        return [*self.files, *([self.rule] if isinstance(self.rule, ProgramRule) else [])]

    def guard(self, mesh: MeshService) -> None:
        """Stand before C{mesh}."""
        self._firewall = mesh.relay.checks.firewall
        if self.rule is not None:
            self.rule.counters = mesh.relay.counters
            mesh.rule = self.rule
            mesh.relay.checks.asking = True

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
            hosts = self._access.allow_host
            self.users = UserTokens(secret, self._allowed_users, self._random_bytes, hosts)
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
