"""
Hot nodes: whole nodes kept in memory, the least recently used one leaving first.

A small node is kept as the answer to who asks for it, which takes a fifth of what its cells take one by one.
These are there from the first look at one of them until it is asked for again.
"""

from __future__ import annotations

from gunnet.counters import Counters
from gunnet.graph.ham import Cell
from gunnet.graph.node import cells_of
from gunnet.limits import Limits

_NODE_BYTES = 250
_CELLS_BYTES = 350
_CELL_BYTES = 200

_NODES_SHARE = 3
"""One such part of L{Limits.cache_bytes} is for nodes, whatever else needs memory."""

_SLACK = 64
"""One such part of the room is left when nodes had to go."""

BOTH_BYTES = 4_096
"""
A node that would be smaller with both is kept as its answer alone; a larger one keeps its cells too, for to
take its answer apart would take longer than all else of a put.
"""


class HotNode:
    """
    All cells of one soul: one by one, as an answer, or both.

    @ivar cells: key to cell, in no order; L{None} if there is the answer only.
    @ivar size: roughly what it takes in memory, in bytes.
    @ivar text: the JSON text of a C{put} with the whole node; L{None} if it changed since it was asked for.
    @ivar digest: the hash of C{text}.
    @ivar soul: its name.
    """

    __slots__ = ("cells", "digest", "size", "soul", "text")

    def __init__(self, soul: str, cells: dict[str, Cell], text: bytes, digest: int) -> None:
        self.soul = soul
        self.size = _size_of(cells)
        self.cells: dict[str, Cell] | None = cells
        self.text: bytes | None = None
        self.digest = 0
        self.keep_answer(text, digest)

    def take_apart(self) -> dict[str, Cell]:
        """Key to cell, in no order, from now on in memory."""
        cells = self.cells
        if cells is None:
            assert self.text is not None
            cells = self.cells = cells_of(self.text)
            self.size = _size_of(cells) + len(self.text)
        return cells

    def put(self, key: str, cell: Cell) -> None:
        """Have one cell anew."""
        cells = self.take_apart()
        known = cells.get(key)
        cells[key] = cell
        self.size += _cell_size(key, cell) - (0 if known is None else _cell_size(key, known))
        if self.text is not None:
            self.size -= len(self.text)
            self.text = None

    def keep_answer(self, text: bytes, digest: int) -> None:
        """Keep the answer; one that is there is true, and stays."""
        if self.text is None:
            self.text = text
            self.digest = digest
            self.size += len(text)
            if self.size < BOTH_BYTES:
                self.cells = None
                self.size = _NODE_BYTES + len(text)


class HotNodes:
    """
    A bounded table of L{HotNode}s by soul.

    @ivar size: roughly what they take in memory, in bytes.
    """

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._nodes: dict[str, HotNode] = {}
        self._room = limits.cache_bytes
        self.size = 0

    def __len__(self) -> int:
        return len(self._nodes)

    def leave_room(self, taken: int) -> None:
        """
        Of L{Limits.cache_bytes} C{taken} are in use for something else; but a third of it is for nodes in any
        case.
        """
        whole = self._limits.cache_bytes
        self._room = max(whole - taken, whole // _NODES_SHARE)
        self._evict()

    def find(self, soul: str) -> HotNode | None:
        """The node, now the most recently used one; L{None} if it is not in memory."""
        node = self._nodes.pop(soul, None)
        if node is not None:
            self._nodes[soul] = node
        return node

    def same_name(self, soul: str) -> str:
        """C{soul}, to be kept for long: if that node is in memory, as the text that is there anyway."""
        node = self._nodes.get(soul)
        return soul if node is None else node.soul

    def known(self, soul: str, key: str) -> tuple[bool, Cell | None]:
        """(whether the node is in memory, its cell, if it has such a one)."""
        node = self.find(soul)
        if node is None:
            return False, None
        cells = node.cells
        if cells is None:
            before = node.size
            cells = node.take_apart()
            self._grow(soul, node.size, before=before)
        return True, cells.get(key)

    def add(self, soul: str, cells: dict[str, Cell], text: bytes, digest: int) -> None:
        """
        Keep a node, unless it is too large.

        @param cells: all of it.
        @param text: its answer, with the hash C{digest}.
        """
        self.drop(soul)
        node = self._nodes[soul] = HotNode(soul, cells, text, digest)
        self._grow(soul, node.size, before=0)

    def update(self, soul: str, key: str, cell: Cell) -> None:
        """Put one cell into the node, if it is in memory."""
        node = self._nodes.get(soul)
        if node is not None:
            before = node.size
            node.put(key, cell)
            self._grow(soul, node.size, before=before)

    def remember_answer(self, soul: str, text: bytes, digest: int) -> None:
        """Keep the answer for the whole node, if the node is in memory."""
        node = self._nodes.get(soul)
        if node is not None:
            before = node.size
            node.keep_answer(text, digest)
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
        self._evict()

    def _evict(self) -> None:
        """
        Have a little more room than there must be: to find the first of a dictionary takes the longer the
        more were taken out before it.
        """
        if self.size <= self._room:
            return
        size, enough = self.size, self._room - self._room // _SLACK
        evicted = []
        for soul, node in self._nodes.items():
            if size <= enough:
                break
            size -= node.size
            evicted.append(soul)
        for soul in evicted:
            self.drop(soul)
        self._counters.count("cache_nodes_evicted", len(evicted))


def _size_of(cells: dict[str, Cell]) -> int:
    return _NODE_BYTES + _CELLS_BYTES + sum([_cell_size(key, cell) for key, cell in cells.items()])


def _cell_size(key: str, cell: Cell) -> int:
    return _CELL_BYTES + len(key) + len(cell[1])
