"""
The WebRTC room and its servers, as the operator wants them: plain data, checked, with nothing opened.
"""

from __future__ import annotations

from dataclasses import dataclass

from gunnet.rtc.ice import IceServer
from gunnet.settings_error import SettingsError

TURN_SECONDS = 3600
ROOM_BYTES_MAX = 1_000


@dataclass(frozen=True)
class Rtc:
    """
    What a relay does about WebRTC. By default nothing, beyond carrying the signalling of others.

    @ivar room: the name of the room to be a member of; L{None} for none.
    @ivar ice_servers: STUN and TURN servers.
    @ivar turn_servers: URLs of TURN servers with the scheme of L{gunnet.rtc.ice}.
    @ivar turn_secret_file: a file of the secret that is shared with these.
    @ivar turn_seconds: how long credentials made with it hold.
    @raise SettingsError: one clear line on what is wrong.
    """

    room: str | None = None
    ice_servers: tuple[IceServer, ...] = ()
    turn_servers: tuple[str, ...] = ()
    turn_secret_file: str | None = None
    turn_seconds: int = TURN_SECONDS

    def __post_init__(self) -> None:
        if self.room is not None and len(self.room.encode("utf-8", "replace")) > ROOM_BYTES_MAX:
            raise SettingsError(f"the name of the room is longer than {ROOM_BYTES_MAX} bytes")
        if bool(self.turn_servers) != (self.turn_secret_file is not None):
            raise SettingsError("--turn-server and --turn-secret-file need each other")
        if self.turn_seconds < 60:
            raise SettingsError(f"TURN credentials for {self.turn_seconds} seconds: 60 is the least")
