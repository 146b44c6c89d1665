"""
Durations, many of them, and their percentiles.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable

_FOLD = 1 << 16
_BUCKETS_MAX = 1 << 17


class Latencies:
    """
    A histogram that costs little to add to: in microseconds at first, and ten times as coarse whenever it
    would have too many buckets.

    @ivar count: how many durations there are; C{total} and C{most}: their sum and the longest, in seconds.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.most = 0.0
        self._recent = array("d")
        self._buckets: Counter[int] = Counter()
        self._per_second = 1e6

    def add(self, durations: list[float]) -> None:
        """Take some, in seconds."""
        self.count += len(durations)
        self._recent.extend(durations)
        if len(self._recent) > _FOLD:
            self._fold()

    def add_counted(self, durations: Iterable[tuple[float, int]]) -> None:
        """Take some, each with how often there was just this one."""
        buckets, scale = self._buckets, self._per_second
        for duration, count in durations:
            buckets[int(duration * scale)] += count
            self.count += count
            self.total += duration * count
            if duration > self.most:
                self.most = duration
        if len(buckets) > _BUCKETS_MAX:
            self._coarsen()

    def mean(self) -> float | None:
        """The mean, in seconds; L{None} if there are none."""
        self._fold()
        return self.total / self.count if self.count else None

    def percentile(self, part: float) -> float | None:
        """
        The duration, in seconds, below or at which are so many of them.

        @param part: between 0 and 1.
        @return: L{None} if there are none.
        """
        self._fold()
        if not self.count:
            return None
        wanted = part * self.count
        for bucket in sorted(self._buckets):
            wanted -= self._buckets[bucket]
            if wanted <= 0:
                return min((bucket + 1) / self._per_second, self.most)
        return self.most

    def _fold(self) -> None:
        if not self._recent:
            return
        scale = self._per_second
        self._buckets.update([int(duration * scale) for duration in self._recent])
        self.total += sum(self._recent)
        self.most = max(self.most, max(self._recent))
        self._recent = array("d")
        if len(self._buckets) > _BUCKETS_MAX:
            self._coarsen()

    def _coarsen(self) -> None:
        while len(self._buckets) > _BUCKETS_MAX:
            coarser: Counter[int] = Counter()
            for bucket, count in self._buckets.items():
                coarser[bucket // 10] += count
            self._buckets = coarser
            self._per_second /= 10
