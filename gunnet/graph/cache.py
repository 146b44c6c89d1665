"""
Hot nodes: whole nodes kept in memory, the least recently used one leaving first.
"""

from __future__ import annotations

from gunnet.counters import Counters
from gunnet.graph.ham import Cell
from gunnet.limits import Limits

_NODE_BYTES = 600
_CELL_BYTES = 200


class HotNode:
    """
    All cells of one soul.

    @ivar cells: key to cell, in no order; only L{HotNodes} writes to it.
    @ivar size: roughly what it takes in memory with its answer, in bytes.
    @ivar answer: (the JSON text of a C{put} with the whole node, its hash), once it was asked for.
    """

    __slots__ = ("answer", "cells", "size")

    def __init__(self, cells: dict[str, Cell]) -> None:
        self.cells = cells
        self.size = _NODE_BYTES + sum([_cell_size(key, cell) for key, cell in cells.items()])
        self.answer: tuple[bytes, int] | None = None


class HotNodes:
    """A bounded table of L{HotNode}s by soul."""

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._nodes: dict[str, HotNode] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._nodes)

    def find(self, soul: str) -> HotNode | None:
        """The node, now the most recently used one; L{None} if it is not in memory."""
        node = self._nodes.pop(soul, None)
        if node is not None:
            self._nodes[soul] = node
        return node

    def add(self, soul: str, cells: dict[str, Cell]) -> None:
        """Keep a node, which must be whole, unless it is too large."""
        node = HotNode(cells)
        self.drop(soul)
        self._nodes[soul] = node
        self._grow(soul, node.size, before=0)

    def update(self, soul: str, key: str, cell: Cell) -> None:
        """Put one cell into the node, if it is in memory."""
        node = self._nodes.get(soul)
        if node is None:
            return
        before = node.size
        known = node.cells.get(key)
        node.cells[key] = cell
        node.size += _cell_size(key, cell) - (0 if known is None else _cell_size(key, known))
        if node.answer is not None:
            node.size -= len(node.answer[0])
            node.answer = None
        self._grow(soul, node.size, before=before)

    def remember_answer(self, soul: str, text: bytes, digest: int) -> None:
        """Keep the answer for the whole node, if the node is in memory."""
        node = self._nodes.get(soul)
        if node is not None and node.answer is None:
            before = node.size
            node.answer = (text, digest)
            node.size += len(text)
            self._grow(soul, node.size, before=before)

    def drop(self, soul: str) -> None:
        """Forget a node, if it is in memory."""
        node = self._nodes.pop(soul, None)
        if node is not None:
            self.size -= node.size

    def _grow(self, soul: str, size: int, *, before: int) -> None:
        self.size += size - before
        if size > self._limits.cache_node_bytes:
            self.drop(soul)
            self._counters.count("cache_nodes_too_large")
        while self.size > self._limits.cache_bytes:
            self.drop(next(iter(self._nodes)))
            self._counters.count("cache_nodes_evicted")


def _cell_size(key: str, cell: Cell) -> int:
    return _CELL_BYTES + len(key) + len(cell[1])
