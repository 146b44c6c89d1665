"""
The options that say who may use a relay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from twisted.python.usage import Options

from gunnet.access.wanted import Access
from gunnet.amounts import number, size
from gunnet.option_group import OptionGroup
from gunnet.settings_error import SettingsError

_PORTS = {"http": 80, "https": 443}


class AccessOptions(Options):
    """The part of the command line that says it."""

    optParameters = [
        ["allow-pub", None, None, "File of public keys, one a line: only they may write"],
        ["token-file", None, None, "File of secrets, one a line: who connects must show one"],
        ["jwt-key", None, None, "File of a key: who connects must show a JWT that it verifies"],
        ["jwt-algorithm", None, None, f"What JWTs are signed with [default: {Access().jwt_algorithm}]"],
        ["jwt-audience", None, None, "Whom JWTs must be for"],
        ["jwt-issuer", None, None, "Whom JWTs must be from"],
        ["address-links", None, None, "Most links of one address at one time [default: any number]"],
        ["address-messages", None, None, "Most messages of one address per second [default: any number]"],
        ["address-bytes", None, None, "Most bytes of one address per second [default: any number]"],
        ["writer-puts", None, None, "Most signed puts of one key per second [default: any number]"],
        ["writer-bytes", None, None, "Most bytes in signed puts of one key per second [default: any number]"],
        ["quota-user", None, None, "Most bytes that one user may keep here [default: any number]"],
        ["rule", None, None, "Python callable, module:callable, that is asked about each put"],
        ["rule-program", None, None, "Command of a program that is asked about each put, in lines of JSON"],
        ["rule-deadline", None, None, f"Seconds a rule may take [default: {Access().rule_deadline:g}]"],
        ["rule-fail", None, None, f"If a rule does not answer: open, closed [default: {Access().rule_fail}]"],
        ["allow-user", None, None, "File of public keys: who proves to own one is given a token"],
    ]
    optFlags = [
        ["require-signed", None, "Refuse what nobody signs: there is no public space"],
    ]

    def opt_allow_origin(self, origin: str) -> None:
        """Origin, like https://app.example, of pages that may connect (may be repeated)"""
        self["allow-origin"].append(origin)

    def opt_allow_host(self, host: str) -> None:
        """Name of this relay, like relay.example, that challenges are given for (may be repeated)"""
        self["allow-host"].append(host)

    def opt_quota(self, quota: str) -> None:
        """PREFIX=BYTES: most bytes in souls that begin so (may be repeated)"""
        self["quota"].append(quota)


def text(value: str) -> str:
    """
    Read text.

    @raise gunnet.settings.SettingsError: there is none.
    """
    if not value:
        raise SettingsError("it is empty")
    return value


def seconds(value: str) -> float:
    """
    Read a time.

    @raise SettingsError: it is none.
    """
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value, re.ASCII):
        raise SettingsError(f"{value!r} is not a number of seconds, like 0.5")
    return float(value)


def origin(value: str) -> str:
    """An origin as browsers write it: they leave out the port if it is that of the scheme."""
    bare = value.lower().removesuffix("/")
    scheme = bare.partition("://")[0]
    return bare.removesuffix(f":{_PORTS[scheme]}") if scheme in _PORTS else bare


def prefix_bytes(value: str) -> tuple[str, int]:
    """
    Read a quota.

    @raise SettingsError: it isn't one.
    """
    prefix, sign, amount = value.rpartition("=")
    if not sign:
        raise SettingsError(f"{value!r} is not like room/=10M")
    return prefix, size(amount)


GROUP = OptionGroup(
    fields={
        "allow-pub": ("allow_pub", text),
        "token-file": ("token_file", text),
        "jwt-key": ("jwt_key", text),
        "jwt-algorithm": ("jwt_algorithm", text),
        "jwt-audience": ("jwt_audience", text),
        "jwt-issuer": ("jwt_issuer", text),
        "allow-user": ("allow_user", text),
        "rule": ("rule", text),
        "rule-program": ("rule_program", text),
        "rule-deadline": ("rule_deadline", seconds),
        "rule-fail": ("rule_fail", text),
    },
    lists={"allow-origin": ("allow_origin", origin), "allow-host": ("allow_host", str.lower)},
    flags={"require-signed": "require_signed"},
    limits={
        "address-links": ("address_links", number),
        "address-messages": ("address_messages", number),
        "address-bytes": ("address_bytes", size),
        "writer-puts": ("writer_puts", number),
        "writer-bytes": ("writer_bytes", size),
        "quota-user": ("user_bytes", size),
    },
    lists_of_limits={"quota": prefix_bytes},
)


def limits_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that were said, by their names there."""
    limits = GROUP.chosen_limits(said)
    if "quota" in said:
        limits["prefix_bytes"] = tuple(dict(said["quota"]).items())
    return limits


def access_of(said: Mapping[str, Any]) -> Access:
    """
    What comes of all that was said.

    @param said: option name to value, of the right type.
    @raise gunnet.settings.SettingsError: one clear line on what is wrong.
    """
    return Access(**GROUP.chosen(said))
