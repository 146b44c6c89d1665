"""
The store in memory: for C{--no-store}, where a relay only passes on and remembers a while, and for tests.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from operator import itemgetter

from gunnet.graph.lex import ALL, Span
from gunnet.store.interface import Cell, StoreError
from gunnet.store.layout import bounds
from gunnet.wire.jstext import from_order_key, order_key

SOUL_BYTES = 600
"""What CPython spends on one soul beside its name: a node with its two tables, and its place in two more."""

CELL_BYTES = 210
"""What it spends on one cell beside its key and value: their headers, the state, a pair, two places."""

_BLOCK_NAMES = 512
_first = itemgetter(0)


class MemoryStore:
    """
    L{gunnet.store.interface.Store} that keeps within its bound: when a commit would exceed it, the nodes
    that were read or written longest ago are forgotten whole.

    @ivar evicted_cells: how many cells were forgotten so.
    """

    blocking = False
    place = "memory"

    def __init__(self, bytes_max: int) -> None:
        """
        @param bytes_max: bytes of memory, names, values and bookkeeping (an estimate) together.
        """
        self.evicted_cells = 0
        self._bytes_max = bytes_max
        self._bytes = 0
        self._cells = 0
        # The first is the one used longest ago.
        self._nodes: OrderedDict[bytes, _Node] = OrderedDict()
        self._souls = _Names()

    def cell(self, soul: str, key: str) -> Cell | None:
        """See L{gunnet.store.interface.Store.cell}."""
        node = self._used(order_key(soul))
        return None if node is None else node.cells.get(order_key(key))

    def node(self, soul: str, span: Span = ALL, *, reverse: bool = False) -> Iterator[tuple[str, Cell]]:
        """See L{gunnet.store.interface.Store.node}."""
        node = self._used(order_key(soul))
        if node is None:
            return
        low, high = bounds(span)
        cells = node.cells
        for place in node.keys.backwards(low, high) if reverse else node.keys.forwards(low, high):
            yield from_order_key(place), cells[place]

    def souls(self, span: Span = ALL, *, reverse: bool = False) -> Iterator[str]:
        """See L{gunnet.store.interface.Store.souls}. It does not count as use of the nodes."""
        low, high = bounds(span)
        for place in self._souls.backwards(low, high) if reverse else self._souls.forwards(low, high):
            yield from_order_key(place)

    def commit(self, cells: Sequence[tuple[str, str, Cell]]) -> None:
        """
        See L{gunnet.store.interface.Store.commit}; here they last as long as the process, at most.

        @raise StoreError: if C{cells} alone exceed the bound.
        """
        new: dict[bytes, dict[bytes, Cell]] = {}
        for soul, key, cell in cells:
            new.setdefault(order_key(soul), {})[order_key(key)] = cell
        size = sum(
            _soul_bytes(place) + sum(_cell_bytes(key, cell) for key, cell in node.items())
            for place, node in new.items()
        )
        if size > self._bytes_max:
            raise StoreError(f"store {self.place} is full ({size} bytes to write, limit {self._bytes_max})")
        for place, fresh in new.items():
            self._write(place, fresh)
        while self._bytes > self._bytes_max:
            self._evict()

    def refresh(self) -> None:
        """See L{gunnet.store.interface.Store.refresh}. Here reads are never behind."""

    def stats(self) -> dict[str, int]:
        """See L{gunnet.store.interface.Store.stats}."""
        return {
            "bytes": self._bytes,
            "cells": self._cells,
            "bytes_max": self._bytes_max,
            "souls": len(self._nodes),
            "evicted_cells": self.evicted_cells,
        }

    def close(self) -> None:
        """See L{gunnet.store.interface.Store.close}."""
        self._nodes.clear()
        self._souls = _Names()
        self._bytes = self._cells = 0

    def _used(self, place: bytes) -> _Node | None:
        node = self._nodes.get(place)
        if node is not None:
            self._nodes.move_to_end(place)
        return node

    def _write(self, place: bytes, fresh: dict[bytes, Cell]) -> None:
        node = self._used(place)
        if node is None:
            node = self._nodes[place] = _Node(_soul_bytes(place))
            self._souls.add(place)
            self._bytes += node.bytes
        grown = 0
        for key, cell in fresh.items():
            known = node.cells.get(key)
            if known is None:
                node.keys.add(key)
                self._cells += 1
            else:
                grown -= _cell_bytes(key, known)
            node.cells[key] = cell
            grown += _cell_bytes(key, cell)
        node.bytes += grown
        self._bytes += grown

    def _evict(self) -> None:
        place, node = self._nodes.popitem(last=False)
        self._souls.remove(place)
        self._bytes -= node.bytes
        self._cells -= len(node.cells)
        self.evicted_cells += len(node.cells)


class _Node:
    """One soul's cells, by key, and their keys in order; C{bytes} is its share of the bound."""

    __slots__ = ("bytes", "cells", "keys")

    def __init__(self, size: int) -> None:
        self.bytes = size
        self.cells: dict[bytes, Cell] = {}
        self.keys = _Names()


class _Names:
    """
    A sorted set of order keys, in blocks, so that one more among a million moves a block and not them all.

    Names may come and go while L{forwards} or L{backwards} is under way.
    """

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: list[list[bytes]] = []

    def add(self, name: bytes) -> None:
        """Take in a name that is not in the set."""
        blocks = self._blocks
        if not blocks:
            blocks.append([name])
            return
        at = self._home(name)
        block = blocks[at]
        insort(block, name)
        if len(block) > 2 * _BLOCK_NAMES:
            blocks[at : at + 1] = [block[:_BLOCK_NAMES], block[_BLOCK_NAMES:]]

    def remove(self, name: bytes) -> None:
        """Let go of a name that is in the set."""
        at = self._home(name)
        block = self._blocks[at]
        del block[bisect_left(block, name)]
        if not block:
            del self._blocks[at]

    def forwards(self, low: bytes, high: bytes) -> Iterator[bytes]:
        """The names with C{low <= name < high}."""
        while low < high and self._blocks:
            at = self._home(low)
            if self._blocks[at][-1] < low:
                at += 1
            if at == len(self._blocks):
                return
            block = self._blocks[at]
            run = block[bisect_left(block, low) : bisect_left(block, high)]
            if not run:
                return
            yield from run
            low = run[-1] + b"\x00"

    def backwards(self, low: bytes, high: bytes) -> Iterator[bytes]:
        """The names with C{low <= name < high}, from the last."""
        while low < high:
            at = bisect_left(self._blocks, high, key=_first) - 1
            if at < 0:
                return
            block = self._blocks[at]
            run = block[bisect_left(block, low) : bisect_left(block, high)]
            if not run:
                return
            yield from reversed(run)
            high = run[0]

    def _home(self, name: bytes) -> int:
        """The block where C{name} is or would be."""
        return max(bisect_right(self._blocks, name, key=_first) - 1, 0)


def _soul_bytes(place: bytes) -> int:
    return len(place) + SOUL_BYTES


def _cell_bytes(key: bytes, cell: Cell) -> int:
    return len(key) + len(cell[1]) + CELL_BYTES
