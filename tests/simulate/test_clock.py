"""
Tests for L{gunnet.simulate.clock}.
"""

from __future__ import annotations

from random import Random

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from gunnet.simulate import clock as module
from gunnet.simulate.clock import TICKS, EndlessInstantError, ProcessClock, VirtualClock

START = 1_800_000_000.0


class ClockTests(SynchronousTestCase):
    """Calls come when they are due, in one order."""

    def setUp(self) -> None:
        self.clock = VirtualClock(START)
        self.came: list[str] = []

    def later(self, delay: float, name: str) -> module.Call:
        """Note C{name} after C{delay}."""
        return self.clock.callLater(delay, self.came.append, name)

    def test_interfaces(self) -> None:
        """They are what Twisted expects."""
        self.assertTrue(verifyObject(IReactorTime, self.clock))
        self.assertTrue(verifyObject(IReactorTime, ProcessClock(self.clock)))
        self.assertTrue(verifyObject(IDelayedCall, self.later(1, "a")))

    def test_order(self) -> None:
        """By time; those for one instant in the order in which they were asked for."""
        for delay, name in ((2, "d"), (1, "b"), (1, "c"), (0, "a")):
            self.later(delay, name)
        self.clock.run_until(START + 1)
        self.assertEqual(self.came, ["a", "b", "c"])
        self.assertEqual(self.clock.seconds(), START + 1)
        self.clock.run_for(0.5)
        self.assertEqual(self.came, ["a", "b", "c"])
        self.clock.run_for(0.5)
        self.assertEqual(self.came, ["a", "b", "c", "d"])
        self.assertEqual(self.clock.seconds(), START + 2)
        self.assertEqual(self.clock.calls_done, 4)

    def test_time_of_a_call(self) -> None:
        """During a call it is the time for which it was asked, and arguments come through."""
        seen: list[tuple[float, int, int]] = []
        self.clock.callLater(0.25, lambda a, b: seen.append((self.clock.seconds(), a, b)), 1, b=2)
        self.clock.run_for(10)
        self.assertEqual(seen, [(START + 0.25, 1, 2)])

    def test_calls_that_make_calls(self) -> None:
        """A call may ask for another one, also for now."""
        self.clock.callLater(1, self.later, 0, "now")
        self.clock.callLater(1, self.later, 1, "then")
        self.clock.run_for(1)
        self.assertEqual(self.came, ["now"])
        self.clock.run_for(1)
        self.assertEqual(self.came, ["now", "then"])

    def test_cancel(self) -> None:
        """What is cancelled does not come, and can't be cancelled again; nor can what has come."""
        call, done = self.later(1, "a"), self.later(0.5, "b")
        call.cancel()
        self.assertFalse(call.active())
        self.clock.run_for(2)
        self.assertEqual(self.came, ["b"])
        self.assertFalse(done.active())
        for action in (call.cancel, lambda: call.reset(1), lambda: call.delay(1)):
            self.assertRaises(AlreadyCancelled, action)
        for action in (done.cancel, lambda: done.reset(1), lambda: done.delay(1)):
            self.assertRaises(AlreadyCalled, action)

    def test_reset_and_delay(self) -> None:
        """A call can be moved, both ways, and comes once."""
        one, two, three = self.later(1, "one"), self.later(2, "two"), self.later(3, "three")
        self.clock.run_for(0.5)
        one.reset(4)
        two.delay(0.5)
        three.delay(-1)
        self.assertEqual([call.getTime() - START for call in (one, two, three)], [4.5, 2.5, 2.0])
        self.assertEqual(self.clock.getDelayedCalls(), [three, two, one])
        self.clock.run_for(10)
        self.assertEqual(self.came, ["three", "two", "one"])

    def test_least_delay(self) -> None:
        """However short a delay is, time passes: at this size of the numbers a double would not notice."""
        self.assertEqual(START + 1e-9, START)
        for _ in range(10):
            self.later(1e-9, "tick")
            self.clock.run_for(1e-9 if self.came else 1 / TICKS)
        self.clock.run_for(1)
        self.assertEqual(len(self.came), 10)
        self.assertRaises(ValueError, self.clock.callLater, -1, print)

    def test_endless_instant(self) -> None:
        """A loop that lets no time pass is found."""
        self.patch(module, "AT_ONCE_MAX", 1_000)

        def again() -> None:
            self.clock.callLater(0, again)

        again()
        self.assertRaises(EndlessInstantError, self.clock.run_for, 1)

    def test_many(self) -> None:
        """Thousands of calls made, moved and cancelled at random come as a plain list would have it."""
        dice = Random(1)
        calls: dict[str, module.Call] = {}
        due: dict[str, tuple[int, int]] = {}
        for number in range(6_000):
            name = str(number)
            if calls and dice.random() < 0.6:
                name = dice.choice(list(calls))
                if dice.random() < 0.5:
                    calls.pop(name).cancel()
                    del due[name]
                    continue
                calls[name].reset(dice.randrange(50) / 16)
            else:
                calls[name] = self.later(dice.randrange(50) / 16, name)
            due[name] = (round((calls[name].getTime() - START) * 16), number)
        self.assertEqual(len(self.clock.getDelayedCalls()), len(due))
        self.assertLess(len(self.clock._heap), 2 * len(due) + 2 * module._COMPACT_AT)
        self.clock.run_for(100)
        self.assertEqual(self.came, sorted(due, key=lambda name: due[name]))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIsNone(self.clock.next_tick)

    def test_process(self) -> None:
        """What a process has asked for does not come when it is dead; others go on."""
        process, other = ProcessClock(self.clock), ProcessClock(self.clock)
        process.callLater(1, self.came.append, "early")
        process.callLater(3, self.came.append, "late")
        other.callLater(3, self.came.append, "other")
        self.clock.run_for(2)
        process.alive = False
        self.assertEqual(process.seconds(), START + 2)
        self.clock.run_for(2)
        self.assertEqual(self.came, ["early", "other"])
