"""
What is kept of comparisons with other relays (L{gunnet.mesh.sync}): sessions, and whose turn it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gunnet.graph.summary import END, LOWEST, Place
from gunnet.mesh.compare import Comparison
from gunnet.mesh.peer import Peer
from gunnet.mesh.ranges import Heard

SYNC_TIMEOUT_MS = 20_000.0
"""Who has not answered after so long will not."""

WAIT_MS = 5_000.0
"""How often the other side is told that an answer takes its time."""

STUCK_ROUNDS = 64
"""A session that goes on and on about the same range is given up."""


@dataclass
class Outcome:
    """
    What a session did.

    @ivar error: why it ended early, L{None} if it did not.
    @ivar equal: whether it has found that both know the same, at its beginning.
    @ivar rounds: how many answers came.
    @ivar sent: cells put to the other side; C{received}: those that it says it put to us.
    """

    error: str | None = None
    equal: bool = False
    rounds: int = 0
    sent: int = 0
    received: int = 0
    needed: int = 0

    @property
    def moved(self) -> bool:
        """Whether any cell went over, or was asked for."""
        return self.sent + self.received + self.needed > 0


Done = Callable[[Outcome], None]


class Session:
    """
    One that we began.

    @ivar work: what is being made of the last answer; L{None} while the next one is awaited.
    @ivar asked: the id of the message that it must answer; and C{until} when.
    """

    def __init__(self, work: Comparison) -> None:
        self.work: Comparison | None = work
        self.done: list[Done] = []
        self.asked = ""
        self.until = 0.0
        self.outcome = Outcome()
        self._lowest: Place = LOWEST
        self._stuck = 0

    @property
    def next_at(self) -> float | None:
        """When it is to be given up, milliseconds."""
        return self.until if self.work is None else None

    def note(self, heard: Heard) -> bool:
        """
        Reckon an answer in.

        @return: whether the session comes to an end some time: in each so many rounds there must be something
            from the lowest place on about which nothing is left to be said.
        """
        outcome = self.outcome
        outcome.rounds += 1
        outcome.received += heard.cells
        lowest = heard.ranges[0].low if heard.ranges else END
        self._stuck = 0 if lowest > self._lowest else self._stuck + 1
        self._lowest = max(lowest, self._lowest)
        return self._stuck <= STUCK_ROUNDS

    def tell(self) -> None:
        """It has ended: tell those who wait for that."""
        done, self.done = self.done, []
        for each in done:
            each(self.outcome)


class Serving:
    """
    A message of the other side that is being answered.

    @ivar is_opening: whether it is the first one of a session.
    @ivar wait_at: when the other side is told to wait.
    """

    def __init__(self, asked: str, work: Comparison, now: float, *, is_opening: bool) -> None:
        self.asked = asked
        self.is_opening = is_opening
        self.work = work
        self.wait_at = now + WAIT_MS


class Neighbour:
    """
    What is kept of a gunnet relay for the life of its link.

    @ivar due: when a session is to begin, L{None} for not yet.
    @ivar ended: when the last one has ended, or the first one was thought of; L{None} before.
    @ivar failures: how many have failed in a row.
    @ivar looks: how many in a row have moved anything.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.session: Session | None = None
        self.serving: Serving | None = None
        self.due: float | None = None
        self.ended: float | None = None
        self.failures = 0
        self.looks = 0

    def works(self) -> Iterator[Comparison]:
        """What can be worked on."""
        if self.serving is not None:
            yield self.serving.work
        if self.session is not None and self.session.work is not None:
            yield self.session.work

    def times(self) -> Iterator[float]:
        """When something is to be done about it."""
        if self.due is not None and self.session is None:
            yield self.due
        if self.session is not None and self.session.next_at is not None:
            yield self.session.next_at
        if self.serving is not None:
            yield self.serving.wait_at
