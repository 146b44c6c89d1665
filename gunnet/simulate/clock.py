"""
The virtual reactor: time that passes only when all that is due now is done.

C{twisted.internet.task.Clock} sorts its calls at each C{callLater}; with the tens of thousands of a big
simulation that is what all the time goes into. This one keeps a heap.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import ceil
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

TICKS = 1 << 20
"""
Ticks in a second. Time is counted in whole ones, and every delay over 0 takes at least one: in seconds since
1970, a double can't tell shorter ones apart, and who waits for such a moment would wait for ever.
"""

AT_ONCE_MAX = 200_000
"""So many calls in one instant are a loop that never ends."""

_COMPACT_AT = 1_000


class EndlessInstantError(Exception):
    """Calls keep coming, and time does not pass."""


@implementer(IDelayedCall)
class Call:
    """One call to come; see L{twisted.internet.interfaces.IDelayedCall}."""

    __slots__ = ("_args", "_clock", "_function", "_kw", "_number", "_state", "_tick")

    def __init__(
        self,
        clock: VirtualClock,
        tick: int,
        function: Callable[..., object],
        args: tuple[Any, ...],
        kw: dict[str, Any],
    ) -> None:
        self._clock = clock
        self._tick = tick
        self._function = function
        self._args = args
        self._kw = kw
        self._number = 0
        self._state = ""

    def getTime(self) -> float:
        """When it is due, seconds since 1970."""
        return self._tick / TICKS

    def active(self) -> bool:
        """Whether it is still to come."""
        return not self._state

    def cancel(self) -> None:
        """
        Have it not come.

        @raise AlreadyCalled: too late.
        @raise AlreadyCancelled: for the second time.
        """
        self._check()
        self._state = "cancelled"
        self._clock._forgot(self)

    def delay(self, secondsLater: float) -> None:
        """Have it come later than it would, or earlier if C{secondsLater} is below 0."""
        self._check()
        self._clock._move(self, max(self._tick + ceil(secondsLater * TICKS), self._clock.tick))

    def reset(self, secondsFromNow: float) -> None:
        """Have it come so long from now."""
        self._check()
        self._clock._move(self, self._clock.tick + ceil(secondsFromNow * TICKS))

    def _check(self) -> None:
        if self._state == "called":
            raise AlreadyCalled()
        if self._state == "cancelled":
            raise AlreadyCancelled()


@implementer(IReactorTime)
class VirtualClock:
    """
    L{twisted.internet.interfaces.IReactorTime} whose time passes as fast as its calls are done. Calls for the
    same instant come in the order in which they were asked for.

    @ivar tick: the time now, in L{TICKS} since 1970.
    @ivar calls_done: how many calls have come.
    """

    def __init__(self, start: float = 0.0) -> None:
        """
        @param start: seconds since 1970.
        """
        self.tick = ceil(start * TICKS)
        self.calls_done = 0
        self._seconds = self.tick / TICKS
        self._heap: list[tuple[int, int, Call]] = []
        self._number = 0
        self._stale = 0

    def seconds(self) -> float:
        """The time now, seconds since 1970."""
        return self._seconds

    def callLater(self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any) -> Call:
        """Have C{callable} called C{delay} seconds from now."""
        if delay < 0:
            raise ValueError(f"a delay of {delay} seconds")
        return self.call_at(self.tick + ceil(delay * TICKS), callable, *args, **kw)

    def call_at(self, tick: int, callable: Callable[..., object], *args: Any, **kw: Any) -> Call:
        """Have C{callable} called at C{tick}, or now if that is past."""
        call = Call(self, max(tick, self.tick), callable, args, kw)
        self._push(call)
        return call

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """All calls to come, in order."""
        return [call for _, number, call in sorted(self._heap, key=_place) if number == call._number]

    @property
    def next_tick(self) -> int | None:
        """When the next call is due; L{None} if there is none."""
        heap = self._heap
        while heap and heap[0][1] != heap[0][2]._number:
            heappop(heap)
            self._stale -= 1
        return heap[0][0] if heap else None

    def run_until(self, seconds: float) -> None:
        """
        Do everything that is due until then, and have it be then.

        @raise EndlessInstantError: if it never gets there.
        """
        end = ceil(seconds * TICKS)
        at_once = 0
        while (tick := self.next_tick) is not None and tick <= end:
            if tick > self.tick:
                self._go_to(tick)
                at_once = 0
            at_once += 1
            if at_once > AT_ONCE_MAX:
                raise EndlessInstantError(
                    f"{at_once} calls at {self._seconds:.6f}, the last: {self._heap[0][2]._function}"
                )
            self._run_next()
        if end > self.tick:
            self._go_to(end)

    def run_for(self, seconds: float) -> None:
        """L{run_until} so long from now."""
        self.run_until(self._seconds + seconds)

    def _go_to(self, tick: int) -> None:
        self.tick = tick
        self._seconds = tick / TICKS

    def _run_next(self) -> None:
        call = heappop(self._heap)[2]
        call._state = "called"
        call._number = 0
        self.calls_done += 1
        call._function(*call._args, **call._kw)

    def _push(self, call: Call) -> None:
        self._number += 1
        call._number = self._number
        heappush(self._heap, (call._tick, self._number, call))

    def _move(self, call: Call, tick: int) -> None:
        self._forgot(call)
        call._tick = tick
        self._push(call)

    def _forgot(self, call: Call) -> None:
        """What is in the heap for C{call} does not count any more: it goes when there is much of it."""
        call._number = 0
        self._stale += 1
        if self._stale > _COMPACT_AT and self._stale * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[1] == entry[2]._number]
            heapify(self._heap)
            self._stale = 0


def _place(entry: tuple[int, int, Call]) -> tuple[int, int]:
    return entry[0], entry[1]


@implementer(IReactorTime)
class ProcessClock:
    """
    The clock of one process: when that dies, what it has asked for does not come.

    @ivar alive: whether it lives.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.alive = True
        self._clock = clock

    def seconds(self) -> float:
        """See L{VirtualClock.seconds}."""
        return self._clock.seconds()

    def callLater(self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any) -> Call:
        """See L{VirtualClock.callLater}."""
        return self._clock.callLater(delay, self._call, callable, args, kw)

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """Those of all processes: see L{VirtualClock.getDelayedCalls}."""
        return self._clock.getDelayedCalls()

    def _call(self, function: Callable[..., object], args: tuple[Any, ...], kw: dict[str, Any]) -> None:
        if self.alive:
            function(*args, **kw)
