"""
What carries frames from one end to the other, and how it fails.

A I{stream} is as TCP is: in order, and when it breaks all that is on its way is lost, and each end learns of
it at its own time. I{Datagrams} may each be lost, doubled or overtaken; the link itself stays.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Protocol

from gunnet.simulate.clock import TICKS, VirtualClock


class Ear(Protocol):
    """Whoever is at one end of a link."""

    def opened(self, end: End) -> bool:
        """The link is open. @return: whether it is wanted."""

    def heard(self, end: End, frame: bytes) -> None:
        """One frame has come."""

    def lost(self, end: End, reason: str) -> None:
        """The link is gone: once for each L{opened}, also if this side closed it."""

    def choked(self, end: End) -> None:
        """Too much is on its way to the other end."""

    def drained(self, end: End) -> None:
        """It is little enough again."""


class Watch(Protocol):
    """Who sees every frame of a network."""

    def sent(self, end: End, frame: bytes) -> None:
        """C{end} has sent C{frame}."""

    def arrived(self, end: End, frame: bytes) -> None:
        """C{frame} has reached C{end}, and is heard there for the first time."""


@dataclass
class Weather:
    """
    What happens to frames on their way. May be changed at any time.

    @ivar latency: seconds from end to end, at least.
    @ivar jitter: up to so many seconds more.
    @ivar loss: how often (0 to 1) a datagram is lost.
    @ivar doubles: how often one comes twice.
    @ivar overtaking: how often one takes up to ten times as long.
    @ivar window: so many bytes may be on their way to one end before the other is told to wait, as a full
        socket does.
    """

    latency: float = 0.010
    jitter: float = 0.005
    loss: float = 0.0
    doubles: float = 0.0
    overtaking: float = 0.0
    window: int = 64 * 1024


class Wire:
    """
    What is between two ends.

    @ivar ends: at the dialler and at the listener.
    @ivar lossy: whether it carries datagrams.
    @ivar broken: whether nothing passes any more.
    @ivar stalled: whether nothing passes for a while.
    """

    __slots__ = ("broken", "clock", "ends", "lossy", "random", "stalled", "watch", "weather")

    def __init__(
        self,
        clock: VirtualClock,
        random: Random,
        weather: Weather,
        watch: Watch | None,
        names: tuple[str, str],
        ears: tuple[Ear, Ear],
        *,
        lossy: bool,
    ) -> None:
        self.clock = clock
        self.random = random
        self.weather = weather
        self.watch = watch
        self.lossy = lossy
        self.broken = False
        self.stalled = False
        dialler, listener = names
        self.ends = End(self, dialler, listener, ears[0]), End(self, listener, dialler, ears[1])
        self.ends[0].other, self.ends[1].other = self.ends[1], self.ends[0]

    def delay(self) -> int:
        """How long one frame takes, in ticks."""
        weather = self.weather
        seconds = weather.latency + weather.jitter * self.random.random()
        return ceil(seconds * TICKS)

    def snap(self, reason: str, notice: float) -> None:
        """
        Break: what is on its way is lost, and each end learns of it within C{notice} seconds.
        """
        if self.broken:
            return
        self.broken = True
        for end in self.ends:
            end.arriving.clear()
            end.unread = 0
            self.clock.callLater(notice * self.random.random(), end.lose, reason)

    def stall(self) -> None:
        """Let nothing through until L{go_on}; datagrams are lost."""
        self.stalled = True

    def go_on(self) -> None:
        """Let what was held come."""
        self.stalled = False
        for end in self.ends:
            end.arriving = deque((end.reach_tick(self.delay()), frame) for _, frame in end.arriving)
            end.schedule()


class End:
    """
    One end of a link: L{gunnet.transport.interface.Link} to whoever is there.

    @ivar name: who is here.
    @ivar far: who is at the other end.
    @ivar ear: takes what arrives; L{None} once this end is gone.
    @ivar reads: bytes a second that are read here; 0 for any number.
    @ivar unread: bytes that were sent to this end and not heard yet.
    @ivar arriving: frames on their way here, each with the tick of its arrival.
    """

    __slots__ = (
        *("_choked", "_closed", "_due", "_last_tick", "_open", "_reading", "_ready_tick"),
        *("arriving", "ear", "far", "name", "other", "reads", "unread", "wire"),
    )

    other: End

    def __init__(self, wire: Wire, name: str, far: str, ear: Ear) -> None:
        self.wire = wire
        self.name = name
        self.far = far
        self.ear: Ear | None = ear
        self.reads = 0.0
        self.unread = 0
        self.arriving: deque[tuple[int, bytes]] = deque()
        self._open = False
        self._closed: str | None = None
        self._reading = True
        self._choked = False
        self._due = False
        self._last_tick = 0
        self._ready_tick = 0

    @property
    def reliable(self) -> bool:
        """See L{gunnet.transport.interface.Link}."""
        return not self.wire.lossy

    # What whoever is here calls

    def send(self, *frames: bytes) -> None:
        """See L{gunnet.transport.interface.Link.send}."""
        for frame in frames:
            self._send(frame)

    def _send(self, frame: bytes) -> None:
        wire = self.wire
        if self._closed is not None or not self._open:
            return
        if wire.watch is not None:
            wire.watch.sent(self, frame)
        if wire.broken:
            return
        if wire.lossy:
            self._send_datagram(frame)
            return
        other = self.other
        other.arriving.append((other.reach_tick(wire.delay()), frame))
        other.unread += len(frame)
        if not other._due:
            other.schedule()
        if other.unread > wire.weather.window and not self._choked and self.ear is not None:
            self._choked = True
            self.ear.choked(self)

    def drop(self, reason: str) -> None:
        """See L{gunnet.transport.interface.Link.drop}. What is on its way still reaches the other end."""
        if self._closed is not None:
            return
        self._closed = reason
        self.wire.clock.callLater(0, self.lose, reason)
        other = self.other
        if not self.wire.broken:
            tick = other.reach_tick(self.wire.delay())
            self.wire.clock.call_at(tick, other.hang_up, reason)

    def pause_reading(self) -> None:
        """See L{gunnet.transport.interface.Link.pause_reading}."""
        self._reading = False

    def resume_reading(self) -> None:
        """See L{gunnet.transport.interface.Link.resume_reading}."""
        self._reading = True
        self.schedule()

    # What the network calls

    def open(self) -> bool:
        """The link is there. @return: whether it is wanted here."""
        if self.ear is None:
            return False
        self._open = True
        return self.ear.opened(self)

    def hang_up(self, reason: str) -> None:
        """The other end has closed: hear what came before, unless nobody listens, and close."""
        if self.ear is None or self.wire.broken:
            return
        if self.wire.stalled or (self.arriving and self._reading):
            self.wire.clock.callLater(0.1, self.hang_up, reason)
        else:
            self.lose(reason)

    def lose(self, reason: str) -> None:
        """This end is gone, and whoever is here learns of it."""
        ear, self.ear = self.ear, None
        self._closed = self._closed or reason
        self.arriving.clear()
        self.unread = 0
        if ear is not None and self._open:
            ear.lost(self, self._closed)

    def die(self) -> None:
        """Whoever is here is no more: nobody is to be told."""
        self.ear = None
        self._closed = "died"
        self.arriving.clear()

    def reach_tick(self, delay: int) -> int:
        """When what is sent now arrives here: not before what was sent earlier."""
        self._last_tick = max(self._last_tick, self.wire.clock.tick + delay)
        return self._last_tick

    def schedule(self) -> None:
        """Hear the next frame when it has arrived and is read."""
        if self._due or not self.arriving or not self._reading or self.wire.stalled or self.ear is None:
            return
        self._due = True
        self.wire.clock.call_at(max(self.arriving[0][0], self._ready_tick), self._deliver)

    def _deliver(self) -> None:
        self._due = False
        wire = self.wire
        clock = wire.clock
        arriving = self.arriving
        while arriving is self.arriving and arriving and self._reading and not wire.stalled:
            if arriving[0][0] > clock.tick or self._ready_tick > clock.tick:
                break
            frame = arriving.popleft()[1]
            self.unread -= len(frame)
            if self.reads:
                self._ready_tick = clock.tick + ceil(len(frame) / self.reads * TICKS)
            self._hear(frame, first=True)
        other = self.other
        if other._choked and self.unread * 2 <= wire.weather.window:
            other._choked = False
            if other.ear is not None and other._closed is None:
                other.ear.drained(other)
        self.schedule()

    def _hear(self, frame: bytes, *, first: bool) -> None:
        if self.ear is None or self._closed is not None:
            return
        watch = self.wire.watch
        if first and watch is not None:
            watch.arrived(self, frame)
        self.ear.heard(self, frame)

    # Datagrams

    def _send_datagram(self, frame: bytes) -> None:
        wire = self.wire
        random = wire.random
        weather = wire.weather
        copies = 2 if random.random() < weather.doubles else 1
        for copy in range(copies):
            if wire.stalled or random.random() < weather.loss:
                continue
            delay = wire.delay()
            if random.random() < weather.overtaking:
                delay *= random.randint(2, 10)
            wire.clock.call_at(wire.clock.tick + delay, self.other._take_datagram, frame, copy == 0)

    def _take_datagram(self, frame: bytes, first: bool) -> None:
        if self.wire.broken or not self._open:
            return
        if self._reading:
            self._hear(frame, first=first)
        elif self.unread < self.wire.weather.window:
            # Held by the socket until the mesh reads on.
            self.unread += len(frame)
            self.arriving.append((self.wire.clock.tick, frame))
