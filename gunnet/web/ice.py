"""
STUN and TURN servers for pages, with credentials that hold for a while::

    GET /gun/ice.json     {"iceServers": as RTCPeerConnection takes it, "seconds": for so long}
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.web.resource import Resource
from twisted.web.server import Request

from gunnet.access.door import Door
from gunnet.counters import Counters
from gunnet.rtc.ice import IceServers
from gunnet.web.entrance import Tries, answer, kept_out


class Ice(Resource):
    """Tells them to whoever may open a link."""

    isLeaf = True

    def __init__(
        self,
        servers: IceServers,
        door: Door,
        tries: Tries,
        counters: Counters,
        seconds: Callable[[], float],
    ) -> None:
        super().__init__()
        self._servers = servers
        self._door = door
        self._tries = tries
        self._counters = counters
        self._seconds = seconds

    def render_GET(self, request: Request) -> bytes:
        """Tell, or say why not."""
        refused = kept_out(request, self._door, self._tries, self._seconds())
        if refused is not None:
            return refused
        self._counters.count("ice_servers_told")
        found = [server.fields() for server in self._servers.now(self._seconds())]
        return answer(request, {"iceServers": found, "seconds": self._servers.seconds})
