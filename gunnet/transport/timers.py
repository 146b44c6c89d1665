"""
Timers that every link has, at the weight of a few words each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

LATE_SECONDS_MAX = 0.05
"""So late a timer may be, so that the reactor need not wake for each of thousands."""


class Timer:
    """A call to come. Twisted's own weighs 500 bytes and more, and there are two of each idle link."""

    __slots__ = ("_call", "_due", "_line")

    def __init__(self, line: _Line, due: float, call: Callable[[], object]) -> None:
        self._line = line
        self._due = due
        self._call: Callable[[], object] | None = call

    def active(self) -> bool:
        """Whether it is still to come."""
        return self._call is not None

    def cancel(self) -> None:
        """Forget it, if it is still to come."""
        if self._call is not None:
            self._call = None
            self._line.lost_one()

    def due_in(self, now: float) -> float:
        """Seconds until it is to come."""
        return self._due - now

    def run(self) -> None:
        """Do it, unless it was cancelled."""
        call, self._call = self._call, None
        if call is not None:
            self._line.lost_one()
            call()


class Timers:
    """
    The timers of one factory.

    Those of one length come in the order in which they were set: so they stand in line, and the reactor is
    asked to call for the first. Autobahn's own run on a reactor that is global to the process, whatever
    reactor the factory was given, and are late or early by up to a second.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._lines: dict[float, _Line] = {}

    def call_later(self, seconds: float, call: Callable[[], object]) -> Timer:
        """
        Have C{call} called.

        @param seconds: after so long, or up to L{LATE_SECONDS_MAX} later; there may be few different ones.
        """
        line = self._lines.get(seconds)
        if line is None:
            line = self._lines[seconds] = _Line(self._reactor, seconds)
        return line.add(call)


class _Line:
    """Timers of one length. Cancelled ones stay until it is their turn, as an empty L{Timer}."""

    _log = Logger()

    def __init__(self, reactor: IReactorTime, seconds: float) -> None:
        self._reactor = reactor
        self._seconds = seconds
        self._timers: deque[Timer] = deque()
        self._active = 0
        self._next: IDelayedCall | None = None

    def add(self, call: Callable[[], object]) -> Timer:
        """One more."""
        timer = Timer(self, self._reactor.seconds() + self._seconds, call)
        self._timers.append(timer)
        self._active += 1
        if self._next is None:
            self._next = self._reactor.callLater(self._seconds, self._run)
        return timer

    def lost_one(self) -> None:
        """One of them was cancelled, or runs."""
        self._active -= 1
        if not self._active:
            self._timers.clear()
            if self._next is not None:
                self._next.cancel()
                self._next = None

    def _run(self) -> None:
        self._next = None
        now = self._reactor.seconds()
        timers = self._timers
        while timers and (not timers[0].active() or timers[0].due_in(now) <= 0):
            timer = timers.popleft()
            try:
                timer.run()
            except Exception:
                self._log.failure("a timer failed")
        if timers and self._next is None:
            wait = max(LATE_SECONDS_MAX, timers[0].due_in(now))
            self._next = self._reactor.callLater(wait, self._run)
