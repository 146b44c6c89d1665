"""
The graph as the relay knows it: what the store has, what waits for the store, and what is kept hot.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gunnet.counters import Counters
from gunnet.graph.cache import HotNode, HotNodes
from gunnet.graph.ham import Cell
from gunnet.graph.lex import ALL, Span
from gunnet.limits import Limits
from gunnet.store.interface import Store
from gunnet.wire.jstext import order_key

_CELL_BYTES = 300


@dataclass(slots=True)
class Batch:
    """
    Accepted cells that go to the store in one commit.

    @ivar cells: (soul, key) to cell.
    @ivar size: roughly what they take in memory, in bytes.
    """

    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    size: int = 0

    def add(self, soul: str, key: str, cell: Cell) -> int:
        """Put in a cell, over what is there. @return: the bytes by which this grew."""
        before = self.cells.get((soul, key))
        self.cells[(soul, key)] = cell
        if before is None:
            grown = _CELL_BYTES + len(soul) + len(key) + len(cell[1])
        else:
            grown = len(cell[1]) - len(before[1])
        self.size += grown
        return grown

    def rows(self) -> list[tuple[str, str, Cell]]:
        """All (soul, key, cell)."""
        return [(soul, key, cell) for (soul, key), cell in self.cells.items()]


def is_signed(soul: str) -> bool:
    """Whether what stands in C{soul} is signed (gun.js C{sea/index.js}), and so committed by itself."""
    return "~" in soul


class Graph:
    """
    One consistent view. Reads see accepted cells at once; L{cut} hands them over to be committed and
    L{settle} says how that went. There are two open batches: what is signed does not make others wait.

    @ivar now: the time as of the last message or turn, milliseconds since 1970; to be set.
    @ivar pending_bytes: what was accepted and is not settled.
    @ivar watch: called with (soul, key, cell) before each cell is taken, and with L{None} for the cell after
        one was forgotten again; L{None} for nobody.
    """

    def __init__(self, store: Store, limits: Limits, counters: Counters) -> None:
        self._store = store
        self._hot = HotNodes(limits, counters)
        self._open = [Batch(), Batch()]  # by is_signed
        self._waiting: dict[str, dict[str, tuple[Cell, Batch]]] = {}
        self._waiting_souls: list[tuple[bytes, str]] | None = None  # in order, made when it is asked for
        self.now = 0.0
        self.pending_bytes = 0
        self.watch: Callable[[str, str, Cell | None], None] | None = None

    @property
    def hot(self) -> HotNodes:
        """The nodes kept in memory."""
        return self._hot

    def known(self, soul: str, key: str) -> Cell | None:
        """
        The cell that stands now.

        @raise gunnet.store.interface.StoreError: if the store can't be read.
        """
        node = self._hot.find(soul)
        if node is not None:
            return node.cells.get(key)
        waiting = self._waiting.get(soul)
        if waiting is not None:
            entry = waiting.get(key)
            if entry is not None:
                return entry[0]
        return self._store.cell(soul, key)

    def stored(self) -> Iterator[tuple[str, str, Cell]]:
        """
        Each (soul, key, cell) that is in the store, in order.

        @raise gunnet.store.interface.StoreError: if it can't be read.
        """
        for soul in self._store.souls(ALL):
            for key, cell in self._store.node(soul, ALL):
                yield soul, key, cell

    def take(self, soul: str, key: str, cell: Cell) -> None:
        """Accept a cell: it is known from now on, and goes into the next batch."""
        if self.watch is not None:
            self.watch(soul, key, cell)
        batch = self._open[is_signed(soul)]
        self.pending_bytes += batch.add(soul, key, cell)
        waiting = self._waiting.get(soul)
        if waiting is None:
            self._waiting[soul] = {key: (cell, batch)}
            self._waiting_souls = None
        else:
            waiting[key] = (cell, batch)
        self._hot.update(soul, key, cell)

    def confirm(self, soul: str, key: str) -> bool:
        """
        A write told us no more than is known. If that is not committed yet, it goes into the next batch
        once more, so that an ack that waits for that batch is true whatever becomes of earlier ones.

        @return: whether that was so.
        """
        entry = self._waiting.get(soul, {}).get(key)
        if entry is None:
            return False
        if entry[1] is not self._open[is_signed(soul)]:
            self.take(soul, key, entry[0])
        return True

    def cut(self, *, signed: bool = False) -> Batch | None:
        """
        The cells accepted since the last call, to be committed; L{None} if there are none.

        @param signed: of which souls (L{is_signed}).
        """
        batch = self._open[signed]
        if not batch.cells:
            return None
        self._open[signed] = Batch()
        return batch

    def settle(self, batch: Batch, *, stored: bool) -> None:
        """
        A batch was committed, or was not. What was not stored is not known any more either.
        """
        if stored:
            self._store.refresh()
        self.pending_bytes -= batch.size
        for soul, key in batch.cells:
            waiting = self._waiting[soul]
            if waiting[key][1] is batch:
                del waiting[key]
                if not waiting:
                    del self._waiting[soul]
                    self._waiting_souls = None
                if not stored:
                    self._hot.drop(soul)
                    if self.watch is not None:
                        self.watch(soul, key, None)

    def open_cells(self, *, signed: bool) -> int:
        """How many cells were accepted that L{cut} has not handed over."""
        return len(self._open[signed].cells)

    def node(self, soul: str) -> HotNode | None:
        """A whole node, if it is in memory."""
        return self._hot.find(soul)

    def cells(self, soul: str, span: Span = ALL, *, reverse: bool = False) -> Iterator[tuple[str, Cell]]:
        """
        The (key, cell) pairs of a soul, in order. Lazy; must not be held across a turn.

        @raise gunnet.store.interface.StoreError: if the store can't be read.
        """
        kept = self._store.node(soul, span, reverse=reverse)
        waiting = self._waiting.get(soul)
        if waiting is None:
            return kept
        fresh = [(key, entry[0]) for key, entry in waiting.items() if span.holds(key)]
        fresh.sort(key=lambda item: order_key(item[0]), reverse=reverse)
        return _merge(kept, fresh, reverse=reverse)

    def souls(self, span: Span, *, reverse: bool = False) -> Iterator[str]:
        """The souls that have a cell, in order. Lazy; must not be held across a turn."""
        in_order = self._waiting_souls
        if in_order is None:
            in_order = self._waiting_souls = sorted([(order_key(soul), soul) for soul in self._waiting])
        first = 0 if span.first is None else bisect_left(in_order, (order_key(span.first), ""))
        is_open = not span.prefix and span.last is None
        fresh = [(soul, _NO_CELL) for _, soul in in_order[first:] if is_open or span.holds(soul)]
        if reverse:
            fresh.reverse()
        kept = _without_cells(self._store.souls(span, reverse=reverse))
        return _names(_merge(kept, fresh, reverse=reverse))


_NO_CELL: Cell = (0.0, b"")


def _without_cells(names: Iterator[str]) -> Iterator[tuple[str, Cell]]:
    # No generator expression: compiled, that would be a list.
    for name in names:
        yield name, _NO_CELL


def _names(pairs: Iterator[tuple[str, Cell]]) -> Iterator[str]:
    for name, _ in pairs:
        yield name


def _merge(
    kept: Iterator[tuple[str, Cell]], fresh: list[tuple[str, Cell]], *, reverse: bool
) -> Iterator[tuple[str, Cell]]:
    """Two runs of (name, cell) as one, in order; where both have a name, C{fresh} counts."""
    at = 0
    for name, cell in kept:
        place = order_key(name)
        while at < len(fresh):
            fresh_place = order_key(fresh[at][0])
            if fresh_place == place or (fresh_place > place) is not reverse:
                break
            yield fresh[at]
            at += 1
        if at < len(fresh) and fresh[at][0] == name:
            yield fresh[at]
            at += 1
        else:
            yield name, cell
    yield from fresh[at:]
