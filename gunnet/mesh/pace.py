"""
How much that waits for the firewall is done in one turn, so that what need not wait is not kept by it.

To verify a signature costs the reactor nothing, but what comes before and after does, and with many signed
puts that is most of its time. So while others are there, signed puts are heard and taken in a few at a time,
and not at all while an unsigned put waits for the disk, unless that has gone on for a while.
"""

from __future__ import annotations

from math import inf

SLICE = 8
"""So many signed puts are heard in one turn, and as many taken in, while others are there."""

ALONE = 200
"""The same while there are none."""

QUIET_MS = 100.0
"""For so long after an unsigned message somebody is taken to be there."""

PATIENCE_MS = 5.0
"""For so long signed puts may be kept waiting."""

COMMIT_MS = 50.0
"""So seldom signed puts are committed, since an unsigned one that comes meanwhile has to wait for that."""

BACKLOG = 4
"""With so many batches of them waiting, they are not kept back."""

OVERDUE_MS = 100.0
"""After so long they go first."""


class Pace:
    """
    The pace of one relay.

    @ivar left: how many signed puts may still be heard in this turn.
    """

    def __init__(self) -> None:
        self.left = ALONE
        self._plain_at = -inf
        self._went_on_at = -inf
        self._commit_at = -inf

    def note_plain(self, now: float) -> None:
        """
        A message was heard that does not wait for the firewall.

        @param now: milliseconds since 1970, here as everywhere.
        """
        self._plain_at = now

    def _has_others(self, now: float) -> bool:
        return now - self._plain_at <= QUIET_MS

    def begin(self, now: float, *, plain_waits: bool) -> int:
        """
        A turn ends, and the next begins.

        @param plain_waits: whether an unsigned put waits for the disk.
        @return: how many signed puts may be taken in. As many may be heard until the next call.
        """
        if not self._has_others(now):
            self.left = ALONE
        elif plain_waits and now < self._went_on_at + PATIENCE_MS:
            self.left = 0
        else:
            self.left = SLICE
        if self.left:
            self._went_on_at = now
        return self.left

    @property
    def goes_on_at(self) -> float | None:
        """When signed puts go on that are kept waiting; L{None} if none are."""
        return None if self.left else self._went_on_at + PATIENCE_MS

    def commit_at(self, now: float, full: int) -> float:
        """
        When signed puts may be committed next, where there is nothing else to commit.

        @param full: how many batches of them wait.
        """
        return self._commit_at + COMMIT_MS if full < BACKLOG and self._has_others(now) else now

    def is_commit_overdue(self, now: float) -> bool:
        """Whether signed puts may be committed next, whatever else there is."""
        return now >= self._commit_at + OVERDUE_MS

    def note_commit(self, now: float) -> None:
        """Signed puts are being committed."""
        self._commit_at = now

    def end(self) -> None:
        """Nobody is waited for any more."""
        self._plain_at = self._commit_at = -inf
