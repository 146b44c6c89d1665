"""
What came of the operations of one kind.
"""

from __future__ import annotations

from collections import Counter

from gunnet.bench.latencies import Latencies

_MANY = 10


class Tally:
    """
    Counts operations that ended, and how long they took, within the time that is measured.

    At a fixed rate those count that were due within it, however late they end; otherwise those that end
    within it.

    @ivar name: of the kind.
    @ivar errors: that were refused, anywhere.
    @ivar unanswered: that had no answer at the end.
    @ivar ended: all that ended, whether they count or not; C{ended_within}, within the time that is measured.
    """

    def __init__(self, name: str, *, at_rate: bool) -> None:
        self.name = name
        self.latencies = Latencies()
        self.errors = 0
        self.error_texts: dict[str, int] = {}
        self.unanswered = 0
        self.ended = self.ended_within = 0
        self._at_rate = at_rate
        self._since = self._until = float("inf")

    @property
    def count(self) -> int:
        """How many count."""
        return self.latencies.count

    def begin(self, now: float) -> None:
        """The time that is measured begins."""
        self._since = now
        self.ended_within = -self.ended

    def end(self, now: float) -> None:
        """It ends."""
        self._until = now
        self.ended_within += self.ended

    def done(self, times: list[float], now: float) -> None:
        """
        Operations ended.

        @param times: when each was due, or was sent.
        """
        self.ended += len(times)
        if self._at_rate:
            since, until = self._since, self._until
            self.latencies.add([now - time for time in times if since <= time < until])
        elif self._since <= now < self._until:
            if len(times) < _MANY:
                self.latencies.add([now - time for time in times])
            else:  # most were sent together
                self.latencies.add_counted((now - time, count) for time, count in Counter(times).items())

    def done_counted(self, times: list[tuple[float, int]], now: float) -> None:
        """L{done}, for times of which each has a count."""
        self.ended += sum([count for _, count in times])
        if self._at_rate:
            since, until = self._since, self._until
            self.latencies.add_counted(
                [(now - time, count) for time, count in times if since <= time < until]
            )
        elif self._since <= now < self._until:
            self.latencies.add_counted([(now - time, count) for time, count in times])

    def refused(self, text: str) -> None:
        """One operation ended with C{err}, or a link did what it should not."""
        self.errors += 1
        if text in self.error_texts or len(self.error_texts) < 20:
            self.error_texts[text] = self.error_texts.get(text, 0) + 1
