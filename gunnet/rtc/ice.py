"""
STUN and TURN servers, and time-limited credentials for the latter.

The scheme is the one of draft-uberti-behave-turn-rest-00, which coturn (C{use-auth-secret}) and others have:
the server and whoever gives credentials share a secret, and the user name says when it expires.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from hmac import digest

from gunnet.settings_error import SettingsError

_URL = re.compile(
    r"(?P<scheme>stuns?|turns?):(?:(?P<name>[^:@\s]+):(?P<password>[^@\s]+)@)?"
    r"(?P<place>(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(?P<how>\?transport=(?:udp|tcp))?"
)


@dataclass(frozen=True)
class IceServer:
    """
    One server.

    @ivar url: as RFC 7064 and RFC 7065 have it: C{stun:host:port}, C{turn:host:port?transport=udp}.
    @ivar username: of TURN; L{None} if it needs none.
    @ivar credential: the password.
    """

    url: str
    username: str | None = None
    credential: str | None = None

    def fields(self) -> dict[str, object]:
        """What browsers take for it (C{RTCIceServer})."""
        fields: dict[str, object] = {"urls": [self.url]}
        if self.username is not None:
            fields |= {"username": self.username, "credential": self.credential}
        return fields


def ice_server(text: str) -> IceServer:
    """
    Read C{stun:host}, or C{turn:name:password@host}, with a port and a transport if need be.

    @raise SettingsError: it is no such thing.
    """
    found = _URL.fullmatch(text)
    is_turn = text.startswith("turn")
    if found is None or (not is_turn and (found["name"] or found["how"])):
        shown = re.sub(r":[^:@]*@", ":…@", text)
        raise SettingsError(
            f"{shown!r} is not like stun:stun.example:3478, "
            "or turn:name:password@turn.example:3478?transport=udp"
        )
    url = f"{found['scheme']}:{found['place']}{found['how'] or ''}"
    return IceServer(url, found["name"], found["password"])


def turn_server(text: str) -> str:
    """
    Read the URL of a TURN server without a name and a password.

    @raise SettingsError: it is none.
    """
    found = ice_server(text)
    if not found.url.startswith("turn") or found.username is not None:
        raise SettingsError(f"{text!r} is not like turn:turn.example:3478?transport=udp, without a name")
    return found.url


def credentials(secret: bytes, expires: int, name: str = "") -> tuple[str, str]:
    """
    Make credentials for TURN.

    @param expires: seconds since 1970.
    @param name: who they are for; may be empty.
    @return: the user name and the password.
    """
    username = f"{expires}:{name}" if name else f"{expires}"
    return username, b64encode(digest(secret, username.encode(), sha1)).decode()


class IceServers:
    """Those of one relay."""

    def __init__(
        self,
        fixed: Sequence[IceServer] = (),
        turn: Sequence[str] = (),
        secret: Callable[[], bytes] = bytes,
        seconds: int = 3600,
    ) -> None:
        """
        @param fixed: those whose credentials do not change.
        @param turn: URLs of those whose credentials are made here.
        @param secret: gives what is shared with these.
        @param seconds: how long such credentials hold.
        """
        self.seconds = seconds
        self._fixed = tuple(fixed)
        self._turn = tuple(turn)
        self._secret = secret

    def __len__(self) -> int:
        return len(self._fixed) + len(self._turn)

    def now(self, seconds: float, name: str = "") -> list[IceServer]:
        """
        All of them, with credentials that hold from now on.

        @param seconds: since 1970.
        @param name: who they are for; may be empty.
        """
        if not self._turn:
            return list(self._fixed)
        username, password = credentials(self._secret(), int(seconds) + self.seconds, name)
        return [*self._fixed, *(IceServer(url, username, password) for url in self._turn)]
