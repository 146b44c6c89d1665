"""
The options about WebRTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.python.usage import Options

from gunnet.amounts import number
from gunnet.limits import Limits
from gunnet.rtc.ice import ice_server, turn_server
from gunnet.rtc.wanted import TURN_SECONDS, Rtc


class RtcOptions(Options):
    """The part of the command line that says it."""

    optParameters = [
        ["rtc-room", None, None, "WebRTC room to be a member of; needs gunnet[webrtc]"],
        ["rtc-peers", None, None, f"Most members to be connected to [default: {Limits().rtc_peers}]"],
        ["turn-secret-file", None, None, "File of the secret shared with the TURN servers"],
        ["turn-seconds", None, None, f"How long credentials for these hold [default: {TURN_SECONDS}]"],
    ]

    def opt_ice_server(self, url: str) -> None:
        """STUN or TURN server, like stun:stun.example:3478 (may be repeated)"""
        self["ice-server"].append(url)

    def opt_turn_server(self, url: str) -> None:
        """TURN server that takes time-limited credentials, like turn:turn.example (may be repeated)"""
        self["turn-server"].append(url)


FIELDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "rtc-room": ("room", str),
    "turn-secret-file": ("turn_secret_file", str),
    "turn-seconds": ("turn_seconds", number),
}
LISTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ice-server": ("ice_servers", ice_server),
    "turn-server": ("turn_servers", turn_server),
}
"""Option to the field of L{Rtc} that it sets, and how its text is read; those of L{LISTS} may be repeated."""

LIMITS: dict[str, tuple[str, Callable[[str], Any]]] = {"rtc-peers": ("rtc_peers", number)}
"""Option to the field of L{gunnet.limits.Limits} that it sets, likewise."""


def rtc_of(said: Mapping[str, Any]) -> Rtc:
    """
    What comes of all that was said.

    @param said: option name to value, of the right type.
    @raise gunnet.settings.SettingsError: one clear line on what is wrong.
    """
    return Rtc(**{field: said[name] for name, (field, _) in {**FIELDS, **LISTS}.items() if name in said})


def limits_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that were said, by their names there."""
    return {field: said[name] for name, (field, _) in LIMITS.items() if name in said}
