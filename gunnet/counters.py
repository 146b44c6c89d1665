"""
What the relay counts: every refusal, eviction and fault has a name here.
"""

from __future__ import annotations


class Counters(dict[str, int]):
    """
    Name to number. A name that was never counted reads as 0.

    Names are C{subject_verb}, for instance C{peers_refused} or C{dup_ids_evicted}; those of
    L{gunnet.limits.Limits} begin with the limit's name.
    """

    def __missing__(self, name: str) -> int:
        return 0

    def count(self, name: str, times: int = 1) -> None:
        """Add C{times} to C{name}."""
        self[name] = self[name] + times
