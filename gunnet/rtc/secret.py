"""
The secret that is shared with TURN servers, from a file.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime

from gunnet.access.files import WatchedFile, read_text
from gunnet.rtc.ice import IceServers
from gunnet.rtc.wanted import Rtc
from gunnet.settings_error import SettingsError


def read_secret(path: str) -> bytes:
    """
    Read it: one line.

    @raise SettingsError: it can't be read, or is something else.
    """
    text = read_text(path).strip()
    if not text or "\n" in text:
        raise SettingsError(f"{path}: a secret is one line")
    return text.encode()


def ice_servers(rtc: Rtc, reactor: IReactorTime) -> tuple[IceServers, list[Service]]:
    """
    The servers that the operator wants.

    @return: these, and the services that they need.
    @raise SettingsError: the secret can't be read.
    """
    if rtc.turn_secret_file is None:
        return IceServers(rtc.ice_servers), []
    file = WatchedFile(rtc.turn_secret_file, read_secret, reactor)
    servers = IceServers(rtc.ice_servers, rtc.turn_servers, lambda: file.found, rtc.turn_seconds)
    return servers, [file]
