"""
Who reaches whom: listeners by url, links between them, partitions, and what is seen of it all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Protocol

from gunnet.simulate.clock import VirtualClock
from gunnet.simulate.links import Ear, End, Watch, Weather, Wire

TIMEOUT_SECONDS = 5.0
"""Who dials somebody who can't be reached waits so long."""


class Listener(Protocol):
    """
    Who can be dialled.

    @ivar name: who it is.
    """

    name: str

    def accept(self) -> Ear:
        """Somebody dials: who hears what it says."""


class Attempt:
    """
    One call to somebody.

    @ivar given_up: whether the caller does not want the link any more; may be set.
    """

    def __init__(self, caller: str, url: str, ear: Ear, failed: Callable[[str], None], lossy: bool) -> None:
        self.caller = caller
        self.url = url
        self.ear = ear
        self.failed = failed
        self.lossy = lossy
        self.given_up = False

    def fail(self, reason: str) -> None:
        """Tell the caller that there will be no link."""
        if not self.given_up:
            self.given_up = True
            self.failed(reason)


class Network:
    """
    All links there are.

    @ivar clock: the time.
    @ivar weather: what happens to frames on new links, and on all that share it.
    @ivar wires: the links that were made and are not broken, oldest first.
    """

    def __init__(
        self, clock: VirtualClock, random: Random, weather: Weather | None = None, watch: Watch | None = None
    ) -> None:
        """
        @param random: decides everything that happens by chance here.
        @param watch: who sees each frame.
        """
        self.clock = clock
        self.weather = weather or Weather()
        self.wires: dict[Wire, None] = {}
        self._random = random
        self._watch = watch
        self._listeners: dict[str, Listener] = {}
        self._sides: dict[str, int] = {}
        self._held: list[Wire] = []

    def listen(self, url: str, listener: Listener) -> None:
        """From now on, who dials C{url} reaches C{listener}."""
        self._listeners[url] = listener

    def unlisten(self, url: str) -> None:
        """From now on, nobody is at C{url}."""
        self._listeners.pop(url, None)

    def dial(
        self, caller: str, url: str, ear: Ear, failed: Callable[[str], None], *, lossy: bool = False
    ) -> Attempt:
        """
        Try to open a link.

        @param caller: who dials.
        @param ear: told when it is open, and what is heard on it.
        @param failed: told why, if it does not come about.
        @param lossy: whether it is to carry datagrams.
        """
        attempt = Attempt(caller, url, ear, failed, lossy)
        self.clock.callLater(self._trip(), self._answer, attempt)
        return attempt

    def _trip(self) -> float:
        return self.weather.latency + self.weather.jitter * self._random.random()

    def _answer(self, attempt: Attempt) -> None:
        listener = self._listeners.get(attempt.url)
        if attempt.given_up:
            return
        if listener is None:
            self.clock.callLater(self._trip(), attempt.fail, "refused")
            return
        if not self.reaches(attempt.caller, listener.name):
            self.clock.callLater(TIMEOUT_SECONDS, attempt.fail, "no answer")
            return
        names = attempt.caller, listener.name
        ears = attempt.ear, listener.accept()
        wire = Wire(self.clock, self._random, self.weather, self._watch, names, ears, lossy=attempt.lossy)
        self.wires[wire] = None
        dialler, accepted = wire.ends
        # The frames that the listener sends when it meets the link must not come before the link.
        tick = dialler.reach_tick(wire.delay())
        self.clock.call_at(tick, self._open, attempt, dialler)
        if not accepted.open():
            accepted.drop("refused")

    def _open(self, attempt: Attempt, end: End) -> None:
        wire = end.wire
        if wire.broken or end.ear is None:
            attempt.fail("lost at once")
        elif attempt.given_up:
            end.drop("not wanted any more")
        elif not end.open():
            end.drop("refused")

    # What goes wrong

    def links(self, name: str | None = None) -> Iterator[Wire]:
        """The links that are not broken: all, or those of one."""
        dead = [wire for wire in self.wires if wire.broken or wire.ends[0].ear is wire.ends[1].ear is None]
        for wire in dead:
            del self.wires[wire]
        for wire in list(self.wires):
            if name is None or name in (wire.ends[0].name, wire.ends[1].name):
                yield wire

    def kill(self, name: str, notice: float) -> None:
        """
        Whoever is called C{name} is no more: its links break without its knowing.

        @param notice: the others learn of it within so many seconds.
        """
        for wire in self.links(name):
            for end in wire.ends:
                if end.name == name:
                    end.die()
            wire.snap("the other end died", notice)

    def part(self, sides: Sequence[set[str]], broken: float, notice: float) -> None:
        """
        Let nothing pass from one side to another. Who is in none of them reaches everybody.

        @param broken: how often (0 to 1) a stream between them breaks; the others stall until L{heal}.
        @param notice: of those that break, each end learns within so many seconds.
        """
        self.heal()
        self._sides = {name: number for number, side in enumerate(sides) for name in side}
        for wire in self.links():
            if not self.reaches(wire.ends[0].name, wire.ends[1].name):
                if not wire.lossy and self._random.random() < broken:
                    wire.snap("partition", notice)
                else:
                    wire.stall()
                    self._held.append(wire)

    def heal(self) -> None:
        """Everybody reaches everybody again."""
        self._sides = {}
        held, self._held = self._held, []
        for wire in held:
            wire.go_on()

    def reaches(self, one: str, other: str) -> bool:
        """Whether something sent by C{one} would come to C{other}."""
        side = self._sides.get(one)
        far = self._sides.get(other)
        return side is None or far is None or side == far
