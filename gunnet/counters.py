"""
What the relay counts: every refusal, eviction and fault has a name here.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView


class Counters:
    """
    Name to number, to be read like a dictionary. A name that was never counted reads as 0.

    Names are C{subject_verb}, for instance C{peers_refused} or C{dup_ids_evicted}; those of
    L{gunnet.limits.Limits} begin with the limit's name.
    """

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: dict[str, int] = {}  # no dictionary itself: calls of such a class are slow if compiled

    def __getitem__(self, name: str) -> int:
        return self._times.get(name, 0)

    def __contains__(self, name: str) -> bool:
        return name in self._times

    def keys(self) -> KeysView[str]:
        """What was counted."""
        return self._times.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self._times)

    def items(self) -> ItemsView[str, int]:
        """What was counted, and how many times."""
        return self._times.items()

    def count(self, name: str, times: int = 1) -> None:
        """Add C{times} to C{name}."""
        self._times[name] = self._times.get(name, 0) + times
