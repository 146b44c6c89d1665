"""
Tests for L{gunnet.bench.latencies}.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from gunnet.bench import latencies
from gunnet.bench.latencies import Latencies


class LatenciesTests(SynchronousTestCase):
    """Percentiles."""

    def test_none(self) -> None:
        """Of nothing there are none."""
        self.assertEqual((Latencies().percentile(0.5), Latencies().mean()), (None, None))

    def test_as_sorted(self) -> None:
        """They are as of a sorted list, to the microsecond."""
        random = Random(1)
        values = [random.expovariate(100) for _ in range(150_000)]
        found = Latencies()
        for at in range(0, len(values), 1_000):
            found.add(values[at : at + 1_000])
        values.sort()
        self.assertEqual(found.count, len(values))
        for part in (0.5, 0.9, 0.99, 0.999):
            exact = values[int(part * len(values)) - 1]
            self.assertLessEqual(abs((found.percentile(part) or 0) - exact), 2e-6)
        self.assertEqual(found.percentile(1.0), values[-1])
        self.assertAlmostEqual(found.mean() or 0, sum(values) / len(values))

    def test_counted(self) -> None:
        """Those that are alike may be added together."""
        one, other = Latencies(), Latencies()
        one.add([0.5, 0.5, 0.5, 2.0, 0.25])
        other.add_counted([(0.5, 3), (2.0, 1), (0.25, 1)])
        for part in (0.1, 0.5, 0.9):
            self.assertEqual(one.percentile(part), other.percentile(part))
        self.assertEqual((one.count, one.mean(), one.most), (other.count, other.mean(), other.most))

    def test_bound(self) -> None:
        """With more different ones than there is room for, they become coarser."""
        self.patch(latencies, "_BUCKETS_MAX", 100)
        found = Latencies()
        found.add([at / 1_000 for at in range(1_000)])
        self.assertLessEqual(abs((found.percentile(0.5) or 0) - 0.5), 0.05)
        self.assertLessEqual(len(found._buckets), 100)
