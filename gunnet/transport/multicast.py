"""
The local network: UDP multicast, as gun.js has it (C{lib/multicast.js}), and links to relays that are heard
there.

A datagram is UTF-8 text, and either says who is there (L{gunnet.transport.neighbours}) or is a frame as on a
WebSocket. Who hears what is anybody's guess, and anybody on the network may say anything: garbage and floods
change nothing but a counter.
"""

from __future__ import annotations

import errno
from collections import OrderedDict
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.buckets import Bucket
from gunnet.settings import Multicast
from gunnet.transport.lan import (
    Network,
    Place,
    Sockets,
    Source,
    SystemNetwork,
    group_for_ipv6,
    places,
)
from gunnet.transport.neighbours import Beacon, Neighbours, read_beacon

if TYPE_CHECKING:
    from gunnet.mesh.peer import Peer
    from gunnet.turns import MeshService

BEACON_SECONDS = 1.0
SOON_SECONDS = 0.1
"""Somebody new is answered so soon, and what is too large is announced no more often than this."""

_FULL = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)
"""A buffer of the system is full: that passes."""

ALL_SOURCES = 4
"""All addresses together may send so many times as much as one."""


class LocalLinks(Protocol):
    """Dials relays on the local network: L{gunnet.transport.dialers.Dialers}."""

    def set_local(self, urls: list[str]) -> set[str]:
        """
        Be linked to these, and to no others because of what was heard there.

        @return: those that are dialled for no other reason.
        """


class MulticastLink:
    """
    What the mesh says to the group goes through here: L{gunnet.transport.interface.Link}.

    @ivar paused: whether nothing is to be heard.
    """

    reliable = False

    def __init__(self, name: str, service: MulticastService) -> None:
        self.name = f"multicast {name}"
        self.paused = False
        self._service = service

    def send(self, *frames: bytes) -> None:
        """Send each frame as a datagram; one that is too large is announced."""
        self._service.send(frames)

    def drop(self, reason: str) -> None:
        """The link goes, and there is a new one a moment later."""
        self._service.dropped(reason)

    def pause_reading(self) -> None:
        """Lose what comes: nobody could be told to wait."""
        self.paused = True

    def resume_reading(self) -> None:
        """Listen again."""
        self.paused = False


class MulticastService(Service):
    """
    Listens, says that we are there, and keeps a link to whoever else is.

    @ivar neighbours: who is there.
    """

    name = "multicast"
    log = Logger()

    def __init__(
        self,
        settings: Multicast,
        mesh: MeshService,
        links: LocalLinks,
        reactor: Any,
        random: Random,
        *,
        where: Callable[[], Beacon],
        network: Network | None = None,
    ) -> None:
        """
        @param where: says where we listen for WebSockets.
        @param network: by default the system's.
        """
        relay = mesh.relay
        self._settings = settings
        self._mesh = mesh
        self._links = links
        self._reactor = reactor
        self._where = where
        self._network = network or SystemNetwork(reactor)
        self._limits = limits = relay.limits
        self._counters = relay.counters
        self._groups = [group for group in (settings.group, group_for_ipv6(settings.group)) if group]
        self._group_name = f"{settings.group}:{settings.port}"
        self._number = f"2{random.randrange(10**8):08}"
        self._joined: dict[Place, Sockets] = {}
        self._unproven: set[Place] = set()  # joined, and nothing was sent there yet
        self._failed: dict[Place | None, str] = {}
        self._link: MulticastLink | None = None
        self._peer: Peer | None = None
        self._call: IDelayedCall | None = None
        self._beacon_at = 0.0
        self._has_more = False
        self._sent = Bucket(limits.multicast_bytes, reactor.seconds())
        self._resume: IDelayedCall | None = None
        self._heard = Rates(limits, relay.counters, reactor.seconds)
        self.neighbours = Neighbours(relay.pid, limits, relay.counters)

    # Twisted calls

    def startService(self) -> None:
        """Join the groups where they can be joined now, and see to it that this stays so."""
        super().startService()
        self._tick()

    def stopService(self) -> None:
        """Leave."""
        super().stopService()
        for call in (self._call, self._resume):
            if call is not None and call.active():
                call.cancel()
        self.dropped("the relay stops")
        for sockets in self._joined.values():
            sockets.close()
        self._joined.clear()

    # Every second

    def _tick(self) -> None:
        self._call = None
        try:
            self._mind_interfaces()
            self._mind_neighbours()
            if self._peer is None and self._joined:
                self._meet()
            self._say_hello()
        except Exception:
            self._counters.count("faults")
            self.log.failure("multicast failed")
        self._again_in(BEACON_SECONDS)

    def _again_in(self, seconds: float) -> None:
        if not self.running:
            return
        if self._call is None:
            self._call = self._reactor.callLater(seconds, self._tick)
        elif self._call.getTime() - self._reactor.seconds() > seconds:
            self._call.reset(seconds)

    def _mind_interfaces(self) -> None:
        """Join where there is something new to be joined, and leave what has gone."""
        settings = self._settings
        try:
            way = self._network.way_to(settings.group, settings.port)
            wanted = places(self._network.interfaces(), self._groups, settings.interfaces, way)
        except OSError as error:
            self._complain(None, f"can't tell the interfaces: {error}")
            return
        if wanted:
            self._failed.pop(None, None)
        else:
            self._complain(None, "no interface to find peers on")
        for place in [place for place in self._joined if place not in wanted]:
            self._leave(place)
            self.log.info("no multicast on {place} any more", place=place)
        for place in wanted:
            if place not in self._joined:
                self._join(place)
        for gone in [place for place in self._failed if place is not None and place not in wanted]:
            del self._failed[gone]

    def _join(self, place: Place) -> None:
        group = next(each for each in self._groups if (":" in each) == (place.version == 6))
        port, ttl = self._settings.port, self._settings.ttl
        try:
            self._joined[place] = self._network.join(place, group, port, ttl, self._hear)
        except OSError as error:
            self._complain(place, str(error))
            return
        self._unproven.add(place)

    def _leave(self, place: Place) -> None:
        self._joined.pop(place).close()
        self._unproven.discard(place)

    def _prove(self, place: Place) -> None:
        """It works there: of an interface that is down that is not known before something is sent."""
        self._unproven.discard(place)
        self._failed.pop(place, None)
        self.log.info("multicast {group} on {place}", group=self._group_name, place=place)

    def _complain(self, place: Place | None, why: str) -> None:
        """Log an error, once until it is another one."""
        if self._failed.get(place) != why:
            self._failed[place] = why
            self._counters.count("multicast_failed")
            self.log.error("no multicast on {place}: {why}", place=place or "any interface", why=why)

    def _meet(self) -> None:
        self._link = MulticastLink(self._group_name, self)
        self._peer = self._mesh.relay.group.join(self._link, self._group_name)

    def _mind_neighbours(self) -> None:
        neighbours, relay = self.neighbours, self._mesh.relay
        neighbours.settle(relay.linked_pids(), self._reactor.seconds())
        relay.group.others = neighbours.others
        relay.group.members = neighbours.members
        relay.group.dialled = frozenset(self._links.set_local(neighbours.urls))
        if neighbours.newcomer and self._peer is not None:
            neighbours.newcomer = False
            self._mesh.meet_group()

    def _say_hello(self) -> None:
        where = self._where()
        has_more, self._has_more = self._has_more, False
        pid = self._mesh.relay.pid
        beacon = Beacon(pid, where.port, where.path, where.secure, has_more)
        self._beacon_at = self._reactor.seconds()
        self._send_all(beacon.text(self._number))

    # Sending

    def send(self, frames: tuple[bytes, ...]) -> None:
        """Send frames to the group, and have the mesh wait when that was too much."""
        for frame in frames:
            if len(frame) >= self._limits.datagram_bytes:
                self._counters.count("datagram_bytes_exceeded")
                self._has_more = True
                self._hurry()
            else:
                self._send_all(frame)
                self._sent.spend(len(frame))
        rate = self._limits.multicast_bytes
        debt = self._sent.debt_seconds(rate, self._reactor.seconds())
        if debt > 0 and self._peer is not None and self._resume is None:
            self._counters.count("multicast_bytes_exceeded")
            self._mesh.pause(self._peer)
            self._resume = self._reactor.callLater(debt, self._go_on)

    def _go_on(self) -> None:
        self._resume = None
        if self._peer is not None:
            self._mesh.resume(self._peer)

    def _send_all(self, datagram: bytes) -> None:
        for place, sockets in list(self._joined.items()):
            try:
                sockets.send(datagram)
            except OSError as error:
                self._counters.count("multicast_unsent")
                if error.errno not in _FULL:
                    self._leave(place)
                    self._complain(place, str(error))
            else:
                if place in self._unproven:
                    self._prove(place)

    def _hurry(self) -> None:
        """Have the next second begin soon."""
        since = self._reactor.seconds() - self._beacon_at
        self._again_in(max(0.0, SOON_SECONDS - since))

    def dropped(self, reason: str) -> None:
        """The link to the group is to go."""
        peer, self._peer, self._link = self._peer, None, None
        if peer is not None:
            self._mesh.lose(peer, reason)

    # Hearing

    def _hear(self, place: Place, datagram: bytes, source: Source) -> None:
        if any(sockets.source == source for sockets in self._joined.values()):
            return
        if not place.has(source[0]):
            self._counters.count("multicast_foreign")
        elif self._heard.exceeded(source[0], len(datagram)):
            self._counters.count("source_datagrams_exceeded")
        elif datagram[:1] == b"2":
            self._hear_beacon(place, datagram, source)
        elif self.neighbours.is_linked(source):
            self._counters.count("multicast_by_link_too")
        else:
            self._hear_frame(place, datagram, source)

    def _hear_beacon(self, place: Place, datagram: bytes, source: Source) -> None:
        beacon = read_beacon(datagram, self._limits.id_units)
        if beacon is None:
            self._counters.count("multicast_garbage")
        elif beacon.pid != self._mesh.relay.pid:
            self._note(place, source, beacon)

    def _note(self, place: Place, source: Source, beacon: Beacon) -> None:
        neighbours = self.neighbours
        is_news = neighbours.hear(source, place.interface.name, beacon, self._reactor.seconds())
        self._mesh.relay.group.others = neighbours.others
        if is_news or beacon.has_more:
            self._hurry()

    def _hear_frame(self, place: Place, datagram: bytes, source: Source) -> None:
        peer, link = self._peer, self._link
        try:
            datagram.decode("utf-8")
        except UnicodeDecodeError:
            datagram = b""
        if datagram[:1] not in (b"{", b"["):
            self._counters.count("multicast_garbage")
        elif peer is None or link is None or link.paused:
            self._counters.count("multicast_unheard")
        else:
            if not self.neighbours.knows(source):  # gun.js may say something before it says that it is there
                self._note(place, source, Beacon())
            self._mesh.hear(peer, datagram)


class Rates:
    """How much each address may send, and all together."""

    def __init__(self, limits: Limits, counters: Counters, seconds: Callable[[], float]) -> None:
        self._counters = counters
        self._seconds = seconds
        self._room = limits.neighbours
        one = (
            min(limits.source_datagrams, limits.address_messages or limits.source_datagrams),
            min(limits.source_bytes, limits.address_bytes or limits.source_bytes),
        )
        self._one = one
        self._all = (limits.source_datagrams * ALL_SOURCES, limits.source_bytes * ALL_SOURCES)
        self._together = self._new(self._all)
        self._sources: OrderedDict[str, tuple[Bucket, Bucket]] = OrderedDict()

    def _new(self, rates: tuple[float, float]) -> tuple[Bucket, Bucket]:
        now = self._seconds()
        return Bucket(rates[0], now), Bucket(rates[1], now)

    def exceeded(self, source: str, size: int) -> bool:
        """Whether a datagram of C{size} bytes is too much. One that is does not count."""
        buckets = self._sources.pop(source, None) or self._new(self._one)
        self._sources[source] = buckets
        if len(self._sources) > self._room:
            self._counters.count("neighbours_evicted")
            self._sources.popitem(last=False)
        now = self._seconds()
        for pair, rates in ((buckets, self._one), (self._together, self._all)):
            if any(bucket.debt_seconds(rate, now) > 0 for bucket, rate in zip(pair, rates, strict=True)):
                return True
        for pair in (buckets, self._together):
            pair[0].spend(1)
            pair[1].spend(size)
        return False
