"""
Tests for L{gunnet.seeing.timings}, and that a relay measures.
"""

from __future__ import annotations

from math import inf

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.mesh.routes import Origin
from gunnet.seeing.timings import SAMPLES, Histogram
from gunnet.testing import Conversation, put


class HistogramTests(SynchronousTestCase):
    """Values in buckets."""

    def test_buckets(self) -> None:
        """Each bucket has all that is not above its end, the last one all; weights count."""
        histogram = Histogram((1.0, 2.0))
        for value, weight in ((0.5, 1), (1.0, 2), (1.5, 3), (9.0, 4)):
            histogram.observe(value, weight)
        self.assertEqual([(1.0, 3), (2.0, 6), (inf, 10)], histogram.buckets())
        self.assertEqual(10, histogram.count)
        self.assertEqual(0.5 + 2 * 1.0 + 3 * 1.5 + 4 * 9.0, histogram.sum)


class RelayTests(SynchronousTestCase):
    """What a relay measures."""

    def setUp(self) -> None:
        self.talk = Conversation()
        self.timings = self.talk.mesh.timings
        self.a = self.talk.connect("a")

    def test_acks(self) -> None:
        """Acks count from when a put is heard until it is written, one for each put, all of them."""
        self.talk.writer.holding = True
        with self.talk.one_turn():
            for number in range(3 * SAMPLES + 1):
                self.a.say(put(f"p{number}", "s", {f"k{number}": 1}, self.talk.now))
        self.talk.advance(40)
        self.assertEqual(0, self.timings.acks.count)
        self.talk.writer.release()
        self.talk.settle()
        self.assertEqual(3 * SAMPLES + 1, self.timings.acks.count)
        self.assertAlmostEqual(0.04 * (3 * SAMPLES + 1), self.timings.acks.sum, 4)
        self.assertEqual((1, 3 * SAMPLES + 1), (self.timings.commits.count, self.timings.commit_cells.sum))
        self.assertAlmostEqual(0.04, self.timings.commits.sum, 4)

    def test_failed_commit(self) -> None:
        """A commit that fails acknowledges nothing."""
        self.talk.writer.error = "the disk is full"
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.assertEqual((0, 0), (self.timings.acks.count, self.timings.commits.count))

    def test_deliveries(self) -> None:
        """An update counts once for each who gets it, from when what it tells was heard."""
        for number in range(3):
            self.talk.connect(f"b{number}").say({"#": f"g{number}", "get": {"#": "s"}})
        with self.talk.one_turn():
            self.a.say(put("p", "s", {"x": 1}, self.talk.now))
            self.talk.clock.rightNow += 0.02
        self.assertEqual(3, self.timings.deliveries.count)
        self.assertAlmostEqual(0.06, self.timings.deliveries.sum, 4)
        self.a.say({"#": "g9", "get": {"#": "other"}})
        self.assertEqual(3, self.timings.deliveries.count)

    def test_future(self) -> None:
        """What was written for later counts from its time on."""
        self.talk.connect("b").say({"#": "g", "get": {"#": "s"}})
        self.a.say(put("p", "s", {"x": 1}, self.talk.now + 60_000))
        self.talk.advance(61_000)
        self.assertEqual((1, 1), (self.timings.acks.count, self.timings.deliveries.count))
        self.assertLess(self.timings.acks.sum + self.timings.deliveries.sum, 0.1)

    def test_turns(self) -> None:
        """Each turn counts, with the time that it takes."""
        before = self.timings.turns.count
        relay_turn = self.talk.relay.turn

        def slow(now: float) -> object:
            clock: Clock = self.talk.clock
            clock.rightNow += 0.003
            return relay_turn(now)

        self.talk.mesh.relay = _Slow(self.talk.relay, slow)  # type: ignore[assignment]
        self.a.say({"#": "x", "dam": "hi"})
        self.assertEqual(before + 1, self.timings.turns.count)
        self.assertAlmostEqual(0.003, self.timings.turns.sum, 4)

    def test_origin_remembers(self) -> None:
        """A put that nobody heard has no time."""
        assert self.a.peer is not None
        self.assertEqual(0.0, Origin(self.a.peer, "p").heard)


class _Slow:
    """A relay whose turns take a while: that of a compiled one can't be replaced."""

    def __init__(self, relay: object, turn: object) -> None:
        self._relay = relay
        self.turn = turn

    def __getattr__(self, name: str) -> object:
        return getattr(self._relay, name)
