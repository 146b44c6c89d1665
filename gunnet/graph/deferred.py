"""
Writes whose state lies in the future wait here for their time (in gun.js, C{src/root.js},
each has a timer).
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

from gunnet.graph.node import PutCell
from gunnet.limits import Limits

Token = TypeVar("Token")
_CELL_BYTES = 300


class Deferred(Generic[Token]):
    """A bounded heap of cells by their state, each with a token that says whose it is."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._heap: list[tuple[float, int, PutCell, Token]] = []
        self._times: dict[PutCell, int] = {}
        self._count = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._heap)

    def has_room(self, cells: list[PutCell]) -> bool:
        """Whether all of C{cells} may be added."""
        size = sum([_size(cell) for cell in cells])
        limits = self._limits
        return len(self) + len(cells) <= limits.deferred_cells and self.size + size <= limits.deferred_bytes

    def __contains__(self, cell: PutCell) -> bool:
        """Whether the same write waits already."""
        return cell in self._times

    def add(self, cell: PutCell, token: Token) -> None:
        """Let a cell wait until its state has come."""
        self._count += 1
        self._times[cell] = self._times.get(cell, 0) + 1
        self.size += _size(cell)
        heapq.heappush(self._heap, (cell[2], self._count, cell, token))

    def pop_due(self, now: float) -> tuple[PutCell, Token] | None:
        """Take out the cell with the oldest state, if that is not later than C{now} (milliseconds)."""
        if not self._heap or self._heap[0][0] > now:
            return None
        _, _, cell, token = heapq.heappop(self._heap)
        self.size -= _size(cell)
        self._times[cell] -= 1
        if not self._times[cell]:
            del self._times[cell]
        return cell, token

    @property
    def next_at(self) -> float | None:
        """The earliest state that waits, in milliseconds."""
        return self._heap[0][0] if self._heap else None


def _size(cell: PutCell) -> int:
    return _CELL_BYTES + len(cell[0]) + len(cell[1]) + len(cell[3])
