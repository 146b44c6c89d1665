"""
Tests for L{gunnet.bench.load}: what counts as an answer, and when something is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.bench.frames import frame
from gunnet.bench.load import Asker, Askers, Pace
from gunnet.bench.sources import Batch
from gunnet.bench.tally import Tally
from tests.bench.memory import TurnClock


class Numbered:
    """A source whose frames are numbers."""

    prefix = b"ID"

    def __init__(self, limit: int = 1_000) -> None:
        self.taken = 0
        self._limit = limit

    def take(self, count: int) -> Batch:
        """See L{gunnet.bench.sources.Source}."""
        first, self.taken = self.taken, min(self._limit, self.taken + count)
        numbers = [b"%09d" % number for number in range(first, self.taken)]
        return numbers, b" ".join(numbers)


class Written:
    """A peer that keeps what is written."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.write = self.writes.append


def texts(*messages: str) -> bytes:
    """A chunk of frames."""
    return b"".join(frame(message.encode(), masked=False) for message in messages)


class AskerTests(SynchronousTestCase):
    """Answers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.peer: Any = Written()
        self.tally = Tally("x", at_rate=False)
        self.tally.begin(0)

    def asker(self, *, with_put: bool = False, limit: int = 1_000) -> Asker:
        """One that has asked three things."""
        asker = Asker(self.peer, Numbered(limit), self.tally, self.clock.seconds, with_put=with_put)
        asker.ask(3)
        return asker

    def test_acks(self) -> None:
        """Acks count once each, alone and packed, and of others not at all."""
        asker = self.asker()
        self.clock.advance(0.5)
        asker.heard(
            texts('{"#":"a","@":"ID000000000","ok":true}', "[]", '{"#":"a","@":"XX000000001","ok":1}')
        )
        self.assertEqual((self.tally.count, len(asker.sent)), (1, 2))
        asker.heard(texts('[{"@":"ID000000001","ok":1},{"@":"ID000000002"},{"@":"ID000000000"}]'))
        self.assertEqual((self.tally.count, asker.sent), (3, {}))
        self.assertAlmostEqual(self.tally.latencies.percentile(0.5) or 0, 0.5, places=4)

    def test_refill(self) -> None:
        """When it is to go on, it asks one new thing for each answer, in one write; until there is none."""
        asker = self.asker(limit=4)
        asker.refill = True
        asker.heard(texts('[{"@":"ID000000000"},{"@":"ID000000001"}]'))
        self.assertEqual(self.peer.writes[1:], [b"000000003"])
        asker.heard(texts('{"@":"ID000000003"}'))
        self.assertEqual((len(self.peer.writes), list(asker.sent)), (2, [b"000000002"]))

    def test_errors(self) -> None:
        """An error counts as one, and makes room for something new."""
        asker = self.asker()
        asker.refill = True
        asker.heard(texts('[{"@":"ID000000000","err":"disk full"},{"@":"ID000000001","ok":1},{"err":1}]'))
        self.assertEqual((self.tally.count, self.tally.error_texts), (1, {"disk full": 1}))
        self.assertEqual(len(asker.sent), 3)

    def test_with_put(self) -> None:
        """Of a get only an answer with data counts, whatever the order of what is in it."""
        asker = self.asker(with_put=True)
        asker.heard(texts('{"#":"a","@":"ID000000000"}'))
        self.assertEqual((self.tally.count, len(asker.sent)), (0, 3))
        asker.heard(texts('{"#":"a","##":5,"%":"b","@":"ID000000000","FOO":1,"put":{"s":{}}}'))
        asker.heard(texts('[{"@":"ID000000001"},{"put":{"s":{}},"@":"ID000000001"}]'))
        self.assertEqual((self.tally.count, list(asker.sent)), (2, [b"000000002"]))

    def test_give_up(self) -> None:
        """What has no answer at the end is unanswered."""
        self.asker().give_up()
        self.assertEqual(self.tally.unanswered, 3)


class TallyTests(SynchronousTestCase):
    """What counts."""

    def test_saturation(self) -> None:
        """What ends within the time."""
        tally = Tally("x", at_rate=False)
        tally.done([0], 1)
        tally.begin(2)
        tally.done([0, 1], 3)
        tally.end(4)
        tally.done([3], 5)
        self.assertEqual((tally.count, tally.ended, tally.ended_within), (2, 4, 2))

    def test_rate(self) -> None:
        """What was due within it; but the rate is of what ended within it."""
        tally = Tally("x", at_rate=True)
        tally.begin(2)
        tally.done([1.9, 2.0], 3)
        tally.end(4)
        tally.done([3.9, 4.0], 9)
        self.assertEqual((tally.count, tally.ended, tally.ended_within), (2, 4, 2))
        self.assertAlmostEqual(tally.latencies.percentile(1) or 0, 9 - 3.9)


class Dues:
    """A load that keeps when things were due."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def due(self, times: Sequence[float]) -> None:
        """See L{gunnet.bench.load.Load}."""
        self.times += times


class PaceTests(SynchronousTestCase):
    """A fixed rate."""

    def test_each_at_its_time(self) -> None:
        """Messages are due one after the other."""
        clock, dues = TurnClock(), Dues()
        pace = Pace(dues, 100, clock, clock.seconds)  # type: ignore[arg-type]
        pace.start()
        for _ in range(100):
            clock.advance(0.001)
        self.assertEqual(len(dues.times), 11)
        self.assertAlmostEqual(dues.times[10], 0.1)
        self.assertLess(pace.lag.percentile(1) or 0, 0.002)
        pace.stop()
        clock.advance(1)
        self.assertEqual((len(dues.times), clock.getDelayedCalls()), (11, []))

    def test_after_a_halt(self) -> None:
        """When nothing could be sent for a while, all that was due in it is, each as of its own time."""
        clock, dues = TurnClock(), Dues()
        pace = Pace(dues, 10, clock, clock.seconds)  # type: ignore[arg-type]
        pace.start()
        clock.advance(1.05)
        self.assertEqual([round(time, 3) for time in dues.times], [round(at / 10, 3) for at in range(11)])
        self.assertAlmostEqual(pace.lag.percentile(1) or 0, 0.95, places=3)

    def test_in_turn(self) -> None:
        """Peers take turns, also from one time to the next."""
        clock, peers = Clock(), [Written() for _ in range(3)]
        tally = Tally("x", at_rate=True)
        source = Numbered()
        askers: list[Asker] = [Asker(peer, source, tally, clock.seconds) for peer in peers]  # type: ignore[arg-type]
        load = Askers(askers)
        load.due([0.0, 0.1])
        load.due([0.2, 0.3, 0.4, 0.5])
        self.assertEqual(
            [sorted(asker.sent.values()) for asker in askers], [[0.0, 0.3], [0.1, 0.4], [0.2, 0.5]]
        )
