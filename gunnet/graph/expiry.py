"""
Souls whose values last for some seconds only: C{<?} in a soul is followed by how many (gun.js
C{sea/index.js}).
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import isfinite

_SECONDS = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def lifetime(soul: str) -> float | None:
    """For how many seconds values in C{soul} last; L{None} for ever."""
    return _lifetime(soul) if "<?" in soul else None


@lru_cache(maxsize=1_000)
def _lifetime(soul: str) -> float | None:
    match = _SECONDS.match(soul.partition("<?")[2])
    seconds = float(match[0]) if match else 0.0
    return seconds if seconds and isfinite(seconds) else None


def is_expired(soul: str, state: float, now: float) -> bool:
    """
    Whether a value with C{state} is older than its soul allows.

    @param now: milliseconds since 1970. Of a state that is still to come, its own time counts: then it is
        looked at by gun.js.
    """
    seconds = lifetime(soul)
    return seconds is not None and state < max(now, state) - seconds * 1000
