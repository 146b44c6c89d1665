"""
What a source was asked for and has not answered at all: a gunnet relay answers whatever it is asked, so that
question was lost, and is asked again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from gunnet.graph.lex import Query

RETRY_MS = 3_000.0
RETRIES = 5
"""A gunnet relay that does not answer is asked again after this pause, and so often; the pause doubles."""


class Unanswered:
    """What one source was asked for and has not answered, by how often it was asked again."""

    __slots__ = ("_by_tries",)

    def __init__(self) -> None:
        self._by_tries: list[OrderedDict[int, tuple[float, Query]]] = [
            OrderedDict() for _ in range(RETRIES + 1)
        ]

    def __len__(self) -> int:
        return sum(map(len, self._by_tries))

    def add(self, query: Query, tries: int, now: float) -> bool:
        """
        C{query} was asked.

        @param tries: how often it was asked again.
        @return: whether it was not among these before.
        """
        what = hash(query)
        is_new = not self.remove(what)
        self._by_tries[tries][what] = (now + RETRY_MS * 2**tries, query)
        return is_new

    def remove(self, what: int) -> bool:
        """@return: whether the query with the hash C{what} was not answered so far."""
        return any(waiting.pop(what, None) is not None for waiting in self._by_tries)

    @property
    def next_at(self) -> float | None:
        """When the next query is to be asked again, in milliseconds."""
        return min([next(iter(waiting.values()))[0] for waiting in self._by_tries if waiting], default=None)

    def pop_due(self, now: float) -> Iterator[tuple[Query, int]]:
        """What is to be asked again now: (the query, how often it was asked again before)."""
        for tries, waiting in enumerate(self._by_tries):
            while waiting:
                what, (at, query) = next(iter(waiting.items()))
                if at > now:
                    break
                del waiting[what]
                yield query, tries
