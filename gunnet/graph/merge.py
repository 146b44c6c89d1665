"""
The graph as the relay knows it: what the store has, what waits for the store, and what is kept hot.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from gunnet.counters import Counters
from gunnet.graph.cache import HotNode, HotNodes
from gunnet.graph.ham import Cell
from gunnet.graph.lex import ALL, Span
from gunnet.limits import Limits
from gunnet.store.interface import Store
from gunnet.wire.jstext import order_key

_CELL_BYTES = 300


class Batch:
    """
    Accepted cells that go to the store in one commit.

    @ivar signed: whether they are of souls with signatures (L{is_signed}).
    @ivar nodes: soul to key to cell.
    @ivar count: how many cells there are.
    @ivar size: roughly what they take in memory, in bytes.
    """

    __slots__ = ("count", "nodes", "signed", "size")

    def __init__(self, *, signed: bool) -> None:
        self.signed = signed
        self.nodes: dict[str, dict[str, Cell]] = {}
        self.count = 0
        self.size = 0

    def add(self, soul: str, key: str, cell: Cell) -> int:
        """Put in a cell, over what is there. @return: the bytes by which this grew."""
        before: Cell | None = None
        node = self.nodes.get(soul)
        if node is None:
            self.nodes[soul] = {key: cell}
        else:
            before = node.get(key)
            node[key] = cell
        if before is None:
            self.count += 1
            grown = _CELL_BYTES + len(soul) + len(key) + len(cell[1])
        else:
            grown = len(cell[1]) - len(before[1])
        self.size += grown
        return grown

    def rows(self) -> list[tuple[str, str, Cell]]:
        """All (soul, key, cell), those of one soul together."""
        return [(soul, key, cell) for soul, node in self.nodes.items() for key, cell in node.items()]


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
        self._open = [Batch(signed=False), Batch(signed=True)]
        self._handed_over: tuple[list[Batch], list[Batch]] = ([], [])  # by signed, the oldest first
        self._fresh_souls: list[tuple[bytes, str]] | None = None  # in order, made when it is asked for
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
        is_hot, cell = self._hot.known(soul, key)
        if is_hot:
            return cell
        signed = is_signed(soul)
        fresh = self._open[signed].nodes.get(soul)
        if fresh is not None:
            cell = fresh.get(key)
        if cell is None:
            cell = self._under_way(soul, key, signed)
        return self._store.cell(soul, key) if cell is None else cell

    def _under_way(self, soul: str, key: str, signed: bool) -> Cell | None:
        """The newest of the cells that were handed over and are not settled."""
        handed_over = self._handed_over[signed]
        for at in range(len(handed_over) - 1, -1, -1):
            node = handed_over[at].nodes.get(soul)
            if node is not None:
                cell = node.get(key)
                if cell is not None:
                    return cell
        return None

    def _fresh(self, soul: str) -> dict[str, Cell]:
        """All cells of a soul that are not settled, by key."""
        signed = is_signed(soul)
        batches = [*self._handed_over[signed], self._open[signed]]
        nodes = [batch.nodes[soul] for batch in batches if soul in batch.nodes]
        if len(nodes) == 1:
            return nodes[0]
        fresh: dict[str, Cell] = {}
        for node in nodes:
            fresh.update(node)
        return fresh

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
        souls = len(batch.nodes)
        self.pending_bytes += batch.add(soul, key, cell)
        if len(batch.nodes) > souls:
            self._fresh_souls = None
        self._hot.update(soul, key, cell)

    def confirm(self, soul: str, key: str) -> bool:
        """
        A write told us no more than is known. If that is not committed yet, it goes into the next batch
        once more, so that an ack that waits for that batch is true whatever becomes of earlier ones.

        @return: whether that was so.
        """
        signed = is_signed(soul)
        fresh = self._open[signed].nodes.get(soul)
        if fresh is not None and key in fresh:
            return True
        cell = self._under_way(soul, key, signed)
        if cell is None:
            return False
        self.take(soul, key, cell)
        return True

    def cut(self, *, signed: bool = False) -> Batch | None:
        """
        The cells accepted since the last call, to be committed; L{None} if there are none.

        @param signed: of which souls (L{is_signed}).
        """
        batch = self._open[signed]
        if not batch.count:
            return None
        self._handed_over[signed].append(batch)
        self._open[signed] = Batch(signed=signed)
        return batch

    def settle(self, batch: Batch, *, stored: bool) -> None:
        """
        A batch was committed, or was not. What was not stored is not known any more either.
        """
        if stored:
            self._store.refresh()
        self.pending_bytes -= batch.size
        self._handed_over[batch.signed].remove(batch)
        self._fresh_souls = None
        if stored:
            return
        for soul, node in batch.nodes.items():
            fresh = self._fresh(soul)
            for key in node:
                if key not in fresh:
                    self._hot.drop(soul)
                    if self.watch is not None:
                        self.watch(soul, key, None)

    def open_cells(self, *, signed: bool) -> int:
        """How many cells were accepted that L{cut} has not handed over."""
        return self._open[signed].count

    def node(self, soul: str) -> HotNode | None:
        """A whole node, if it is in memory."""
        return self._hot.find(soul)

    def cells(self, soul: str, span: Span = ALL, *, reverse: bool = False) -> Iterator[tuple[str, Cell]]:
        """
        The (key, cell) pairs of a soul, in order. Lazy; must not be held across a turn.

        @raise gunnet.store.interface.StoreError: if the store can't be read.
        """
        kept = self._store.node(soul, span, reverse=reverse)
        unsettled = self._fresh(soul)
        if not unsettled:
            return kept
        fresh = [(key, cell) for key, cell in unsettled.items() if span.holds(key)]
        fresh.sort(key=lambda item: order_key(item[0]), reverse=reverse)
        return _merge(kept, fresh, reverse=reverse)

    def souls(self, span: Span, *, reverse: bool = False) -> Iterator[str]:
        """The souls that have a cell, in order. Lazy; must not be held across a turn."""
        in_order = self._fresh_souls
        if in_order is None:
            batches = [*self._handed_over[False], *self._handed_over[True], *self._open]
            unsettled = {soul for batch in batches for soul in batch.nodes}
            in_order = self._fresh_souls = sorted([(order_key(soul), soul) for soul in unsettled])
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
