"""L{gunnet.bench.fanout}."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from gunnet.bench import fanout
from gunnet.bench.fanout import FanOut
from gunnet.bench.tally import Tally


class Writer:
    """Counts what it is to put."""

    def __init__(self) -> None:
        self.puts = 0

    def ask_due(self, times: Sequence[float]) -> None:
        """Put so many."""
        self.puts += len(times)


def chunk(*numbers: int) -> bytes:
    """What a relay says of these puts."""
    return b",".join(b'"v-%09d"' % number for number in numbers)


class FanOutTests(SynchronousTestCase):
    """Two subscribers."""

    def setUp(self) -> None:
        """See C{TestCase}."""
        self.now = 0.0
        self.writer = Writer()
        self.tally = Tally("delivery", at_rate=False)
        self.tally.begin(0.0)
        updates = SimpleNamespace(value_prefix=b"v-")
        self.read: list[Callable[[], None]] = []
        self.load = FanOut(
            cast(Any, self.writer),
            cast(Any, updates),
            2,
            self.tally,
            lambda: self.now,
            soon=self.read.append,
        )

    def test_same_bytes(self) -> None:
        """What two hear in the same words counts for each of them; more is put when all is read."""
        self.load.begin(2)
        for self.now in (1.0, 3.0):
            self.load.heard(chunk(0, 1))
        self.assertEqual(self.writer.puts, 2)
        [all_read] = self.read
        all_read()
        self.assertEqual((self.tally.count, self.load.missing(), self.writer.puts), (4, 2 * 2, 2 + 2))
        self.assertAlmostEqual(self.tally.latencies.mean() or 0, 2.0)

    def test_stopped(self) -> None:
        """What is still to be put when the load is stopped is not put."""
        self.load.begin(1)
        for _ in range(2):
            self.load.heard(chunk(0))
        self.load.stop()
        [all_read] = self.read
        all_read()
        self.assertEqual(self.writer.puts, 1)

    def test_many_words(self) -> None:
        """However many different things are heard, few are kept."""
        count = 3 * fanout._CHUNKS_KEPT
        self.load.due([0.0] * count)
        for number in range(count):
            self.load.heard(chunk(number))
        self.assertEqual(self.tally.count, count)
        self.assertTrue(0 < len(self.load._chunks) <= fanout._CHUNKS_KEPT)

    def test_unknown(self) -> None:
        """What nobody put, or no value at all, does not count."""
        self.load.due([0.0])
        self.load.heard(chunk(7))
        self.load.heard(b'{"#":"a","ok":true}')
        self.load.heard(chunk(7, 0))
        self.assertEqual((self.tally.count, self.load.missing()), (1, 1))
