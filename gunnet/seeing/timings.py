"""
How long things take. That is measured by the turn and by the commit, with the number of those whom it
concerns, so that a message costs nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import inf

from gunnet.mesh.puts import Commit

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of buckets."""
TURN_SECONDS = (0.0001, 0.00025, *SECONDS[:11])
CELLS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000)

SAMPLES = 4
"""So many puts of a commit are asked when they came; each stands for its neighbours."""


class Histogram:
    """How often which values were observed."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """
        @param bounds: the upper ends of the buckets, in order.
        """
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, weight: int = 1) -> None:
        """
        C{value} was observed.

        @param weight: so many times.
        """
        self._counts[bisect_left(self._bounds, value)] += weight
        self.sum += value * weight

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[float, int]]:
        """(upper end, how many values are not above it), the last one for all."""
        return list(zip((*self._bounds, inf), accumulate(self._counts), strict=True))


class Timings:
    """
    What the shell of a relay measures, in seconds.

    @ivar turns: one turn of the relay, without reading and without what threads do.
    @ivar commits: from handing a commit to the store until the relay knows of its end.
    @ivar commit_cells: properties in one commit.
    @ivar acks: from hearing a put until its ack is written to the link.
    @ivar deliveries: from hearing a put until an update with it is written to the link of a subscriber.
    """

    def __init__(self) -> None:
        self.turns = Histogram(TURN_SECONDS)
        self.commits = Histogram(SECONDS)
        self.commit_cells = Histogram(CELLS)
        self.acks = Histogram(SECONDS)
        self.deliveries = Histogram(SECONDS)

    def acked(self, commit: Commit, now: float) -> None:
        """
        The acks of a commit were written.

        @param now: milliseconds since 1970.
        """
        origins = commit.origins
        step = -(-len(origins) // SAMPLES) or 1
        for at in range(0, len(origins), step):
            self.acks.observe(max(0.0, now - origins[at].heard) / 1000, min(step, len(origins) - at))
