"""Timers of links, which stand in line."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.transport.timers import LATE_SECONDS_MAX, Timers


class TimersTests(SynchronousTestCase):
    """L{Timers}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.called: list[str] = []

    def set(self, name: str, seconds: float = 10) -> None:
        self.timers.call_later(seconds, lambda: self.called.append(name))

    def test_in_time(self) -> None:
        """Each comes when it is due, whatever other lengths there are."""
        self.set("a")
        self.clock.advance(4)
        self.set("b")
        self.set("c", 1)
        self.clock.advance(1)
        self.assertEqual(["c"], self.called)
        self.clock.advance(4.9)
        self.assertEqual(["c"], self.called)
        self.clock.advance(0.1)
        self.assertEqual(["c", "a"], self.called)
        self.clock.advance(4)
        self.assertEqual((["c", "a", "b"], []), (self.called, self.clock.getDelayedCalls()))

    def test_one_call_of_the_reactor(self) -> None:
        """However many there are; the reactor is not woken for each of those that are nearly due."""
        for at in range(1_000):
            self.set(str(at))
            self.clock.advance(0.001)
        self.assertEqual(1, len(self.clock.getDelayedCalls()))
        woken = 0
        while calls := self.clock.getDelayedCalls():
            self.clock.advance(calls[0].getTime() - self.clock.seconds())
            woken += 1
        self.assertEqual([str(at) for at in range(1_000)], self.called)
        self.assertLessEqual(woken, 1 / LATE_SECONDS_MAX + 2)

    def test_cancelled(self) -> None:
        """It does not come, and may be cancelled again; with the last, the reactor has nothing to do."""
        timers = [self.timers.call_later(10, self.fail) for _ in range(3)]
        self.set("one")
        for timer in (*timers, *timers):
            timer.cancel()
            self.assertFalse(timer.active())
        self.clock.advance(10)
        self.assertEqual((["one"], []), (self.called, self.clock.getDelayedCalls()))
        self.timers.call_later(10, self.fail).cancel()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_done(self) -> None:
        """One that came is not active, and cancelling it takes nothing from others."""
        first = self.timers.call_later(10, lambda: self.called.append("first"))
        self.clock.advance(5)
        self.set("second")
        self.clock.advance(5)
        first.cancel()
        self.assertFalse(first.active())
        self.clock.advance(5)
        self.assertEqual(["first", "second"], self.called)

    def test_set_in_one(self) -> None:
        """What comes may set the next of its length, as heartbeats do, or cancel the others."""

        def beat() -> None:
            self.called.append("beat")
            self.timers.call_later(10, beat)

        self.timers.call_later(10, beat)
        for _ in range(3):
            self.clock.advance(10)
        self.assertEqual((3, 1), (len(self.called), len(self.clock.getDelayedCalls())))
        other = self.timers.call_later(7, lambda: last.cancel())
        last = self.timers.call_later(7, self.fail)
        self.clock.advance(7)
        self.assertEqual(
            (False, False, 1), (other.active(), last.active(), len(self.clock.getDelayedCalls()))
        )

    def test_fault(self) -> None:
        """One that fails is logged, and costs the others nothing."""
        self.timers.call_later(10, lambda: [][0])
        self.set("next")
        self.clock.advance(10)
        self.assertEqual((["next"], 1), (self.called, len(self.flushLoggedErrors(IndexError))))
