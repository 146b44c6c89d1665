"""
The options about WebRTC.
"""

from __future__ import annotations

from twisted.python.usage import Options

from gunnet.amounts import number
from gunnet.limits import Limits
from gunnet.option_group import OptionGroup
from gunnet.rtc.ice import ice_server, turn_server
from gunnet.rtc.wanted import TURN_SECONDS


class RtcOptions(Options):
    """The part of the command line that says it."""

    optParameters = [
        ["rtc-room", None, None, "WebRTC room to be a member of; needs gunnet[webrtc]"],
        ["rtc-peers", None, None, f"Most members to be connected to [default: {Limits().rtc_peers}]"],
        ["turn-secret-file", None, None, "File of the secret shared with the TURN servers"],
        [
            "turn-seconds",
            None,
            None,
            f"Seconds that credentials for a --turn-server hold [default: {TURN_SECONDS}]",
        ],
    ]

    def opt_ice_server(self, url: str) -> None:
        """STUN or TURN server, like stun:stun.example:3478 (may be repeated)"""
        self["ice-server"].append(url)

    def opt_turn_server(self, url: str) -> None:
        """TURN server that takes time-limited credentials, like turn:turn.example (may be repeated)"""
        self["turn-server"].append(url)


GROUP = OptionGroup(
    fields={
        "rtc-room": ("room", str),
        "turn-secret-file": ("turn_secret_file", str),
        "turn-seconds": ("turn_seconds", number),
    },
    lists={"ice-server": ("ice_servers", ice_server), "turn-server": ("turn_servers", turn_server)},
    limits={"rtc-peers": ("rtc_peers", number)},
)
