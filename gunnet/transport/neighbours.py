"""
Who else is on the local network, and which of the relays there are linked to.

Everybody there says every second that he is there. What gun.js says is an id: C{2} and 8 digits
(C{lib/multicast.js}); to it, all that begins with C{2} is one. A gunnet relay adds who it is, and where it
listens::

    212345678{"pid":"…","port":8765,"path":"/gun"}

Two relays that hear each other need one link. The one whose process id is the lesser dials; the other does so
too if nothing has come of that after a while.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from dataclasses import dataclass

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.transport.lan import Source

BEACON_BYTES_MAX = 1_000
GONE_SECONDS = 15.0
"""Who was not heard for so long is not there any more."""

PATIENCE_SECONDS = 5.0
"""So long the other one may take to dial us."""

TRIAL_SECONDS = 30.0
"""So long a link may take to come about."""

REST_SECONDS = 60.0
"""So long it is not tried again after that."""

HURRIED_LINKS = 4
"""So many more links than usual there may be to relays that have something which no datagram can carry."""

_PATH = re.compile(r"/[\w.~!$&'()*+,;=:@%/-]*", re.ASCII)


@dataclass(frozen=True)
class Beacon:
    """
    What somebody says of himself.

    @ivar pid: the process id of a gunnet relay; L{None} of gun.js, and of what can't be read.
    @ivar port: of its WebSocket; L{None} if there is none for others.
    @ivar secure: whether that speaks TLS.
    @ivar has_more: whether it has something to tell that is too large for a datagram.
    """

    pid: str | None = None
    port: int | None = None
    path: str = "/gun"
    secure: bool = False
    has_more: bool = False

    def text(self, number: str) -> bytes:
        """
        As it is sent.

        @param number: C{2} and 8 digits.
        """
        fields: dict[str, object] = {"pid": self.pid}
        if self.port is not None:
            fields |= {"port": self.port, "path": self.path}
        fields |= {name: True for name, said in (("tls", self.secure), ("more", self.has_more)) if said}
        return number.encode("ascii") + json.dumps(fields, separators=(",", ":")).encode("ascii")


def read_beacon(datagram: bytes, id_units: int) -> Beacon | None:
    """
    Read what begins with C{2}.

    @param id_units: how long a process id may be.
    @return: L{None} if it is neither gun.js's nor ours.
    """
    if len(datagram) > BEACON_BYTES_MAX or not re.fullmatch(rb"2[0-9.e-]{0,8}", datagram[:9]):
        return None
    if len(datagram) <= 9:
        return Beacon()
    try:
        fields = json.loads(datagram[9:])
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    pid, port, path = fields.get("pid"), fields.get("port"), fields.get("path")
    if not isinstance(pid, str) or not 0 < len(pid) <= id_units or not pid.isascii():
        return None
    if (
        type(port) is not int
        or not 0 < port < 65536
        or not isinstance(path, str)
        or not _PATH.fullmatch(path)
    ):
        return Beacon(pid)
    return Beacon(pid, port, path, fields.get("tls") is True, fields.get("more") is True)


class _Neighbour:
    """
    One address that was heard.

    @ivar heard_at: when it said last that it is there; C{met_at}, first. Seconds, as all times here.
    @ivar more_until: until when it is linked to before others.
    """

    def __init__(self, now: float) -> None:
        self.beacon = Beacon()
        self.url: str | None = None
        self.met_at = self.heard_at = now
        self.more_until = 0.0
        self.tried_at: float | None = None
        self.rests_until = 0.0


class Neighbours:
    """
    All that were heard.

    @ivar others: whether one of them is not linked.
    @ivar members: process ids of those that are.
    @ivar urls: of those that are to be dialled.
    @ivar newcomer: whether somebody has come who can't be linked to. May be set.
    """

    def __init__(self, pid: str, limits: Limits, counters: Counters) -> None:
        """
        @param pid: the own process id.
        """
        self._pid = pid
        self._limits = limits
        self._counters = counters
        self._all: OrderedDict[Source, _Neighbour] = OrderedDict()
        self.others = False
        self.members: frozenset[str] = frozenset()
        self.urls: list[str] = []
        self.newcomer = False

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._all)

    def hear(self, source: Source, zone: str, beacon: Beacon, now: float) -> bool:
        """
        Somebody is there.

        @param zone: the interface.
        @return: whether that is news.
        """
        neighbour = self._all.pop(source, None)
        is_new = neighbour is None or neighbour.beacon.pid != beacon.pid
        if neighbour is None or is_new:
            neighbour = _Neighbour(now)
        self._all[source] = neighbour
        if len(self._all) > self._limits.neighbours:
            self._counters.count("neighbours_evicted")
            self._all.popitem(last=False)
        neighbour.beacon = beacon
        neighbour.heard_at = now
        neighbour.url = _url(source, zone, beacon)
        if is_new:
            self.others = True
            self.newcomer = self.newcomer or neighbour.url is None
        if beacon.has_more:
            neighbour.more_until = now + TRIAL_SECONDS
        return is_new

    def knows(self, source: Source) -> bool:
        """Whether somebody was heard there."""
        return source in self._all

    def is_linked(self, source: Source) -> bool:
        """Whether all that comes from there comes over a link, too."""
        neighbour = self._all.get(source)
        return neighbour is not None and neighbour.beacon.pid in self.members

    def settle(self, linked: set[str], now: float) -> None:
        """
        Find out what is to be done: to be called now and then.

        @param linked: process ids of the relays that this one is linked to.
        """
        for source, neighbour in list(self._all.items()):
            if now - neighbour.heard_at > GONE_SECONDS:
                del self._all[source]
        pids = {neighbour.beacon.pid for neighbour in self._all.values()}
        self.members = frozenset(pid for pid in pids if pid in linked)
        self.others = any(pid is None or pid not in linked for pid in pids)
        chosen: dict[str, str] = {}
        for neighbour in sorted(self._all.values(), key=lambda each: (each.tried_at is None, each.met_at)):
            pid, url = neighbour.beacon.pid, neighbour.url
            if pid is None or url is None or pid == self._pid or pid in chosen:
                continue
            if self._wants(neighbour, pid in linked, now) and self._has_room(len(chosen), neighbour, now):
                chosen[pid] = url
                if neighbour.tried_at is None or pid in linked:
                    neighbour.tried_at = now
            elif pid not in linked:
                neighbour.tried_at = None
        self.urls = list(dict.fromkeys(chosen.values()))

    def _wants(self, neighbour: _Neighbour, linked: bool, now: float) -> bool:
        """Whether it is to be dialled, or still is."""
        pid = neighbour.beacon.pid
        if linked:
            return neighbour.tried_at is not None
        if now < neighbour.rests_until:
            return False
        if neighbour.tried_at is not None and now - neighbour.tried_at > TRIAL_SECONDS:
            self._counters.count("local_links_given_up")
            neighbour.rests_until = now + REST_SECONDS
            return False
        patience = 0.0 if pid is None or self._pid < pid else PATIENCE_SECONDS
        return (
            neighbour.tried_at is not None or now - neighbour.met_at >= patience or now < neighbour.more_until
        )

    def _has_room(self, links: int, neighbour: _Neighbour, now: float) -> bool:
        room = self._limits.local_links + (HURRIED_LINKS if now < neighbour.more_until else 0)
        if links >= room and neighbour.tried_at is None:
            self._counters.count("local_links_exceeded")
        return links < room


def _url(source: Source, zone: str, beacon: Beacon) -> str | None:
    """Where its WebSocket is: at the address that it sent from, and nowhere else."""
    if beacon.port is None:
        return None
    host = f"[{source[0]}%{zone}]" if ":" in source[0] else source[0]
    return f"{'wss' if beacon.secure else 'ws'}://{host}:{beacon.port}{beacon.path}"
