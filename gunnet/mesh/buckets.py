"""
How fast somebody may be: so much a second, on average over the last few.
"""

from __future__ import annotations

BURST_SECONDS = 5.0
"""Who did nothing for so long may do all of that at once."""


class Bucket:
    """
    What one may still spend. It may be overdrawn once, by what cannot be cut in two, and is then paid off.
    """

    __slots__ = ("_at", "_left")

    def __init__(self, per_second: float, now: float) -> None:
        """
        @param now: seconds, from any clock.
        """
        self._left = per_second * BURST_SECONDS
        self._at = now

    def debt_seconds(self, per_second: float, now: float) -> float:
        """How long it takes until there is something to be spent again; 0 if there is now."""
        earned = max(0.0, now - self._at) * per_second
        self._left = min(per_second * BURST_SECONDS, self._left + earned)
        self._at = now
        return max(0.0, -self._left / per_second)

    def spend(self, amount: float) -> None:
        """Take C{amount} out, also if that is more than is in."""
        self._left -= amount
