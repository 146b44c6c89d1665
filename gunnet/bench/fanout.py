"""
One writer, many subscribers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from gunnet.bench.load import Asker
from gunnet.bench.sources import Updates
from gunnet.bench.tally import Tally

_REMEMBERED = 200_000
"""Puts whose time is known; what comes of an earlier one does not count."""
_CHUNKS_KEPT = 32
"""Relays say the same bytes to all subscribers: so many chunks are not searched again."""

_Arrived = tuple[int, list[tuple[float, int]]]
"""How many values came, and how many of them were put at which time."""


class FanOut:
    """
    The L{Load<gunnet.bench.load.Load>} of one writer. A put is delivered when its value arrives at a
    subscriber. In saturation, so many puts are under way that not all have; or, if it goes by acks, that are
    not acknowledged. What is put for deliveries is put together for all that was read in one turn of the
    reactor: else each link that is read would start a put of its own, and relays would get them one by one.

    @ivar delivered: deliveries in all.
    """

    def __init__(
        self,
        writer: Asker,
        updates: Updates,
        subscribers: int,
        tally: Tally,
        clock: Callable[[], float],
        *,
        by_acks: bool = False,
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        """
        @param soon: calls what it is given when all that is there has been read.
        """
        self.delivered = 0
        self._writer = writer
        self._subscribers = subscribers
        self._tally = tally
        self._clock = clock
        self._by_acks = by_acks
        self._soon = soon
        self._is_due = False
        writer.again = self._put_now
        self._times: dict[bytes, float] = {}
        self._owed = 0
        self._outstanding = 0
        self._values = re.compile(re.escape(updates.value_prefix) + rb"(\d{9})").findall
        self._seen_at_look = 0
        self._puts = 0
        self._chunks: dict[bytes, _Arrived] = {}

    def begin(self, outstanding: int) -> None:
        """See L{Load.begin<gunnet.bench.load.Load.begin>}."""
        if self._by_acks:
            self._writer.refill = True
        else:
            self._outstanding = outstanding
        self._put_now(outstanding)

    def due(self, times: Sequence[float]) -> None:
        """See L{Load.due<gunnet.bench.load.Load.due>}."""
        self._put(times)

    def stop(self) -> None:
        """See L{Load.stop<gunnet.bench.load.Load.stop>}."""
        self._outstanding = 0
        self._writer.refill = False

    def heard(self, chunk: bytes) -> None:
        """A subscriber has heard something."""
        count, times = self._chunks.get(chunk) or self._search(chunk)
        if not count:
            return
        self._tally.done_counted(times, self._clock())
        self.delivered += count
        if self._outstanding:
            self._owed += count
            if self._owed >= self._subscribers and not self._is_due:
                self._is_due = True
                self._soon(self._put_owed)

    def _put_owed(self) -> None:
        self._is_due = False
        if self._outstanding:
            puts, self._owed = divmod(self._owed, self._subscribers)
            self._put_now(puts)

    def _search(self, chunk: bytes) -> _Arrived:
        found = Counter(map(self._times.get, self._values(chunk)))
        times = [(time, count) for time, count in found.items() if time is not None]
        if len(self._chunks) >= _CHUNKS_KEPT:
            self._chunks.clear()
        arrived = self._chunks[chunk] = (sum(count for _, count in times), times)
        return arrived

    def missing(self) -> int:
        """How many deliveries have not come."""
        return max(0, self._puts * self._subscribers - self.delivered)

    def give_up(self) -> None:
        """Count what has not come as unanswered."""
        self._tally.unanswered += self.missing()

    def look(self) -> None:
        """Once a second: when nothing comes any more, what is under way is lost, and more is put."""
        if self._outstanding and self.delivered == self._seen_at_look:
            self._owed = 0
            self._put_now(self._outstanding)
        self._seen_at_look = self.delivered

    def _put_now(self, count: int) -> None:
        self._put([self._clock()] * count)

    def _put(self, times: Sequence[float]) -> None:
        first = self._puts
        self._puts += len(times)
        for number, time in enumerate(times, first):
            self._times[b"%09d" % number] = time
            if number >= _REMEMBERED:
                self._times.pop(b"%09d" % (number - _REMEMBERED), None)
        self._writer.ask_due(times)
