"""
Figures by the names that gun.js has for them: what C{lib/stats.js} writes into a file C{stats.radata}, and
C{examples/stats.html} reads at C{/gun/stats.radata} each five seconds.

Counts are of the last C{over} milliseconds, as there: they are taken again when they are asked for, but not
more often than each five seconds, so that several may look.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

from twisted.internet.interfaces import IReactorTime

from gunnet.mesh.relay import Relay

INTERVAL_SECONDS = 5.0


class GunStats:
    """Takes them."""

    def __init__(self, relay: Relay, reactor: IReactorTime) -> None:
        self._relay = relay
        self._reactor = reactor
        self._started = self._taken_at = reactor.seconds()
        self._totals = self._count()
        self._last: dict[str, Any] | None = None

    def now(self) -> dict[str, Any]:
        """
        The figures. gun.js has C{over}, C{up.start} and C{peers.time} in milliseconds, C{up.time} in seconds,
        C{cpu.user} and C{cpu.system} in microseconds, sizes in bytes.
        """
        seconds = self._reactor.seconds()
        if self._last is None or seconds - self._taken_at >= INTERVAL_SECONDS:
            self._last = self._take(seconds)
        return self._last

    def _count(self) -> tuple[int, int, int, int, int, int]:
        relay = self._relay
        frames, size = relay.figures.said()
        counters = relay.counters
        heard, asked, put = counters["messages_heard"], counters["gets_served"], counters["commits_done"]
        return heard, relay.figures.heard.bytes, frames, size, asked, put

    def _take(self, seconds: float) -> dict[str, Any]:
        totals = self._count()
        heard, heard_bytes, said, said_bytes, gets, puts = (
            now - before for now, before in zip(totals, self._totals, strict=True)
        )
        over = max(1.0, 1000 * (seconds - self._taken_at))
        self._taken_at, self._totals = seconds, totals
        relay = self._relay
        return {
            "up": {"start": int(1000 * self._started), "count": 1, "time": seconds - self._started},
            "stay": {},
            "over": over,
            "memory": memory(),
            "cpu": {**processor(), "stack": len(relay.waiting())},
            "peers": {"count": len(relay.figures.peers()), "time": 0},
            "node": {"count": relay.figures.hot_nodes},
            "all": {},
            "dam": {
                "in": {"count": heard, "done": heard_bytes},
                "out": {"count": said, "done": said_bytes},
            },
            "rad": {"get": {"time": {}, "count": gets}, "put": {"time": {}, "count": puts}},
        }


def memory() -> dict[str, int]:
    """
    As C{process.memoryUsage()} and C{os} of Node have it; Python has no heap apart from what is resident.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    resident = _resident(page)
    return {
        "rss": resident,
        "heapTotal": resident,
        "heapUsed": resident,
        "external": 0,
        "arrayBuffers": 0,
        "totalmem": page * os.sysconf("SC_PHYS_PAGES"),
        "freemem": page * os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else 0,
    }


def _resident(page: int) -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return page * int(file.read().split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def processor() -> dict[str, Any]:
    """As C{process.cpuUsage()} and C{os.loadavg()} of Node have it."""
    times = os.times()
    return {
        "user": int(1e6 * times.user),
        "system": int(1e6 * times.system),
        "loadavg": list(os.getloadavg()),
    }
