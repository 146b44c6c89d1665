"""
Who may use a relay, as its operator wants it: plain data, checked, with nothing opened.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Literal

from gunnet.settings_error import SettingsError

JWT_ALGORITHMS = (
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:(?![/?#@])[!-~])+|null")


@dataclass(frozen=True)
class Access:
    """
    Who may use a relay. By default everybody may, for everything.

    @ivar require_signed: whether there is no public space: what nobody signs is refused.
    @ivar allow_pub: a file of public keys; only they may write. L{None} for all.
    @ivar allow_origin: where pages may be from that connect (C{https://app.example}); empty for anywhere.
        What is no browser says nothing of that, and may connect.
    @ivar token_file: a file of secrets, of which one must be shown to connect; L{None} if none need be. Of
        this, C{jwt_key} and C{allow_user}, any one will do for those who connect.
    @ivar jwt_key: a file with the key that JWTs are verified with.
    @ivar jwt_algorithm: the one that they are signed with.
    @ivar jwt_audience: whom they must be for.
    @ivar jwt_issuer: whom they must be from.
    @ivar allow_user: a file of public keys; who owns one is given a token.
    @ivar allow_host: the names of this relay, with the port if there is one in its address, of which the
        challenges for C{allow_user} name one; empty for whatever it is called by who asks for them.
    @ivar rule: a Python callable that is asked about each put, as C{module:callable}.
    @ivar rule_program: the command line of a program that is.
    @ivar rule_deadline: seconds that either may take.
    @ivar rule_fail: what holds when it does not answer: C{open}, all may stand; C{closed}, nothing.
    @raise SettingsError: one clear line on what is wrong.
    """

    require_signed: bool = False
    allow_pub: str | None = None
    allow_origin: tuple[str, ...] = ()
    token_file: str | None = None
    jwt_key: str | None = None
    jwt_algorithm: str = "HS256"
    jwt_audience: str | None = None
    jwt_issuer: str | None = None
    allow_user: str | None = None
    allow_host: tuple[str, ...] = ()
    rule: str | None = None
    rule_program: str | None = None
    rule_deadline: float = 1.0
    rule_fail: Literal["open", "closed"] = "closed"

    @property
    def needs_token(self) -> bool:
        """Whether who connects must show something."""
        return any(way is not None for way in (self.token_file, self.jwt_key, self.allow_user))

    def __post_init__(self) -> None:
        for what, path in (
            ("writers", self.allow_pub),
            ("tokens", self.token_file),
            ("users", self.allow_user),
            ("the JWT key", self.jwt_key),
        ):
            if path is not None and not path.strip():
                raise SettingsError(f"the file of {what} has no name")
        for origin in self.allow_origin:
            if not _ORIGIN.fullmatch(origin):
                raise SettingsError(
                    f"origin {origin!r} is not like https://app.example, in small letters, or xn--… of others"
                )
        for host in self.allow_host:
            if not _HOST.fullmatch(host):
                raise SettingsError(f"host {host!r} is not like relay.example or relay.example:8765")
        if self.allow_host and self.allow_user is None:
            raise SettingsError("names of this relay are of no use without a file of users")
        if self.jwt_algorithm not in JWT_ALGORITHMS:
            raise SettingsError(
                f"JWT algorithm {self.jwt_algorithm!r} is none of {', '.join(JWT_ALGORITHMS)}"
            )
        if self.jwt_key is None and (self.jwt_audience, self.jwt_issuer) != (None, None):
            raise SettingsError("a JWT audience or issuer is of no use without a JWT key")
        self._check_rule()

    def _check_rule(self) -> None:
        if self.rule is not None and self.rule_program is not None:
            raise SettingsError("a rule is a callable or a program, not both")
        if self.rule_program is not None:
            try:
                words = shlex.split(self.rule_program)
            except ValueError as e:
                raise SettingsError(f"program of the rule {self.rule_program!r}: {e}") from e
            if not words:
                raise SettingsError("the program of the rule has no name")
        if not 0.001 <= self.rule_deadline <= 60:
            raise SettingsError(f"a deadline of {self.rule_deadline} s: between 0.001 and 60 is possible")
        if self.rule_fail not in ("open", "closed"):
            raise SettingsError(f"a rule fails open or closed, not {self.rule_fail!r}")
