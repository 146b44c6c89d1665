"""
The states of what is written here: milliseconds that never repeat (gun.js C{src/state.js}).
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor

_PER_MS = 1000


class States:
    """Gives states, each higher than the one before."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """
        @param seconds: the time since 1970.
        """
        self._seconds = seconds
        self._last_ms = 0
        self._count = 0

    def __call__(self) -> float:
        """The next state: whole milliseconds, and beyond the first of one millisecond a fraction."""
        now = floor(self._seconds() * 1000)
        if now > self._last_ms:
            self._last_ms = now
            self._count = 0
        else:
            self._count += 1
        return self._last_ms + self._count / _PER_MS
