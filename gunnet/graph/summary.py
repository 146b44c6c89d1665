"""
Fingerprints of parts of the graph, so that two relays can find out where they differ without telling each
other everything.

All cells stand in one order, by soul and then by key (L{Place}). The fingerprint of a range of them is how
many they are and the sum of their hashes. Sums of neighbouring ranges add up, and one cell more or less
changes them by its own hash, so they are kept for blocks of cells and follow each change. Who writes many
cells can choose them so that two sets of them have the same sum; all that comes of it is that relays which
have learned the one and the other do not notice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from operator import attrgetter, itemgetter
from struct import Struct
from typing import NamedTuple

from gunnet.counters import Counters
from gunnet.graph.expiry import lifetime
from gunnet.graph.ham import Cell
from gunnet.graph.lex import ALL, Span
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.store.interface import StoreError
from gunnet.wire.jstext import from_order_key, order_key

Place = tuple[bytes, bytes]
"""
Where a cell stands: the L{order_key} of its soul and of its key. Bounds of ranges need not be names of cells.
"""

LOWEST: Place = (b"", b"")
END: Place = (b"\xff", b"")
"""Above every cell: no order key has such a byte."""

HASH_BYTES = 16
BLOCK_CELLS = 128
"""So many cells make a block, until there are too many blocks."""

BLOCK_BYTES = 350
"""What a block takes in memory beside its names, with its two numbers and its places in two tables."""

PARTS = 16
"""A range is cut into about so many parts."""

_FEW_BLOCKS = 4
_MASK = (1 << (8 * HASH_BYTES)) - 1
_HEAD = Struct(">IId").pack
_block_place = attrgetter("place")
_entry_place = itemgetter(0)


class Entry(NamedTuple):
    """
    A cell without its value.

    @ivar digest: L{item_hash}.
    """

    place: Place
    state: float
    digest: int

    @property
    def soul(self) -> str:
        """The soul as text."""
        return from_order_key(self.place[0])

    @property
    def key(self) -> str:
        """The key as text."""
        return from_order_key(self.place[1])


class Part(NamedTuple):
    """A range and its fingerprint. @ivar low: where it begins; it ends where the next one does."""

    low: Place
    cells: int
    total: int


class Block:
    """
    Some neighbouring cells. @ivar fresh: whether C{count} and C{total} are true; if not, they are to be read.
    """

    __slots__ = ("count", "fresh", "place", "total")

    def __init__(self, place: Place, *, fresh: bool) -> None:
        self.place = place
        self.fresh = fresh
        self.count = 0
        self.total = 0


def place_of(soul: str, key: str) -> Place:
    """Where a cell stands."""
    return order_key(soul), order_key(key)


def item_hash(place: Place, cell: Cell) -> int:
    """The hash of a cell, names, state and value together."""
    soul, key = place
    head = _HEAD(len(soul), len(key), cell[0] + 0.0)  # -0.0 is the same state as 0.0
    text = b"".join((head, soul, key, cell[1]))
    return int.from_bytes(blake2b(text, digest_size=HASH_BYTES).digest(), "big")


def between(before: Place, after: Place) -> Place:
    """The shortest place above C{before} and not above C{after}, which is higher and that of a cell."""
    if before[0] != after[0]:
        return _shortest(before[0], after[0]), b""
    return after[0], _shortest(before[1], after[1])


def _shortest(before: bytes, after: bytes) -> bytes:
    """The first characters of C{after}, as many as make it higher than C{before}."""
    end = next((at for at, unit in enumerate(before) if after[at] != unit), len(before)) + 1
    while end < len(after) and after[end] & 0xC0 == 0x80:
        end += 1
    return after[:end]


class Summary:
    """
    The fingerprints of a whole graph, but for values that last for a while only.

    It begins as one block that is not fresh, and L{advance} reads a part of what is not fresh. It is told of
    each change before that is made (L{Graph.watch}), and keeps fresh what is. Where the memory store forgets
    cells by itself it goes wrong: then it is to be made anew.

    @ivar scanned: how many cells were read for it so far.
    @ivar size: roughly what the blocks take in memory, bytes.
    """

    def __init__(self, graph: Graph, limits: Limits, counters: Counters) -> None:
        self._graph = graph
        self._limits = limits
        self._counters = counters
        first = Block(LOWEST, fresh=False)
        self._blocks = [first]
        self._stale = {LOWEST: None}
        self._cells = BLOCK_CELLS
        self._kept: tuple[Place, list[Entry]] | None = None
        self.size = _size(first)
        self.scanned = 0
        graph.watch = self.changed

    def __len__(self) -> int:
        return len(self._blocks)

    def changed(self, soul: str, key: str, cell: Cell | None) -> None:
        """
        A cell is about to be what C{cell} is; L{None} if it may have become anything.

        Costs nothing in proportion to the graph, and next to nothing where it is not fresh anyway.
        """
        if lifetime(soul) is not None:
            return
        place = place_of(soul, key)
        block = self._blocks[self._at(place)]
        if self._kept is not None and self._kept[0] == block.place:
            self._kept = None
        if not block.fresh:
            return
        if cell is None:
            self._spoil(block)
            return
        try:
            known = self._graph.known(soul, key)
        except StoreError:
            self._spoil(block)
            return
        if known is None:
            block.count += 1
        else:
            block.total -= item_hash(place, known)
        block.total = (block.total + item_hash(place, cell)) & _MASK
        if block.count > 2 * self._cells:
            self._spoil(block)  # reading it again cuts it

    def _spoil(self, block: Block) -> None:
        block.fresh = False
        block.count = block.total = 0
        self._stale[block.place] = None

    # Reading

    def advance(self, cells: int) -> bool:
        """
        Read about C{cells} cells of what is not fresh.

        @return: whether all is fresh now; it stays so until the turn ends.
        @raise gunnet.store.interface.StoreError: if the store can't be read.
        """
        while self._stale and cells > 0:
            cells -= 1 + self._scan(next(iter(self._stale)), cells)
        return not self._stale

    def _scan(self, place: Place, cells: int) -> int:
        """Read a block anew, or as much of it as makes C{cells}, and cut it. @return: how many were read."""
        at = self._at(place)
        made = [Block(place, fresh=True)]
        last, scanned = place, 0
        for entry in self._read(place, self._end_of(at)):
            block = made[-1]
            if block.count >= self._cells:
                rest = between(last, entry.place)
                made.append(Block(rest, fresh=scanned < cells))
                if scanned >= cells:
                    break
                block = made[-1]
            block.count += 1
            block.total = (block.total + entry.digest) & _MASK
            last = entry.place
            scanned += 1
        self.size += sum([_size(block) for block in made]) - _size(self._blocks[at])
        self._blocks[at : at + 1] = made
        self._kept = None
        del self._stale[place]
        if not made[-1].fresh:
            self._stale[made[-1].place] = None
        while self.size > self._limits.summary_bytes and len(self._blocks) > 1:
            self._join_neighbours()
        return scanned

    def _join_neighbours(self) -> None:
        """Make of each two blocks one."""
        joined = self._blocks[::2]
        for block, other in zip(joined, self._blocks[1::2], strict=False):
            block.fresh = block.fresh and other.fresh
            block.count = block.count + other.count if block.fresh else 0
            block.total = (block.total + other.total) & _MASK if block.fresh else 0
        self._counters.count("summary_blocks_joined", len(self._blocks) - len(joined))
        self._blocks = joined
        self._stale = {block.place: None for block in joined if not block.fresh}
        self._cells *= 2
        self.size = sum([_size(block) for block in joined])

    def _read(self, low: Place, high: Place) -> Iterator[Entry]:
        """The cells of a range, in order. Must not be held across a turn."""
        first = from_order_key(low[0])
        for soul in self._graph.souls(Span(first=first) if first else ALL):
            units = order_key(soul)
            if (units, b"") >= high:
                return
            if lifetime(soul) is not None:
                continue
            span = Span(first=from_order_key(low[1])) if units == low[0] and low[1] else ALL
            inside = units < high[0]
            for key, cell in self._graph.cells(soul, span):
                place = (units, order_key(key))
                if not inside and place >= high:
                    return
                self.scanned += 1
                yield Entry(place, cell[0], item_hash(place, cell))

    def entries(self, low: Place, high: Place, limit: int) -> tuple[list[Entry], Place | None]:
        """
        The first C{limit} cells of a range, in order.

        @return: them, and where the rest of the range begins; L{None} if there is no rest.
        @raise gunnet.store.interface.StoreError: if the store can't be read.
        """
        found = list(islice(self._read(low, high), limit + 1))
        if len(found) <= limit:
            return found, None
        rest = found.pop()
        return found, rest.place

    # Fingerprints; all must be fresh

    def fingerprint(self, low: Place, high: Place) -> tuple[int, int]:
        """
        The fingerprint of a range. To be called only after L{advance} gave true.

        @return: how many cells it has, and the sum of their hashes.
        @raise gunnet.store.interface.StoreError: if the store can't be read.
        """
        count = total = 0
        for part in self._parts(low, high):
            count += part.cells
            total += part.total
        return count, total & _MASK

    def split(self, low: Place, high: Place) -> list[Part]:
        """
        A range cut into L{PARTS} of about as many cells, up to twice as many parts where that comes out even
        less; one that has more than one cell is cut into two at least. As L{fingerprint}.
        """
        pieces = [piece for piece in self._parts(low, high) if piece.cells]
        if len(pieces) <= _FEW_BLOCKS:
            pieces = self._single(low, high)
        most = -(-sum([piece.cells for piece in pieces]) // PARTS)
        parts: list[Part] = []
        for piece in pieces:
            if not parts or parts[-1].cells + piece.cells > most:
                parts.append(piece if parts else Part(low, piece.cells, piece.total))
            else:
                part = parts[-1]
                parts[-1] = Part(part.low, part.cells + piece.cells, (part.total + piece.total) & _MASK)
        return parts

    def _parts(self, low: Place, high: Place) -> Iterator[Part]:
        """The blocks of a range; of the first and the last one, what is in the range."""
        at = self._at(low)
        while at < len(self._blocks) and self._blocks[at].place < high:
            block = self._blocks[at]
            if block.place >= low and self._end_of(at) <= high:
                yield Part(block.place, block.count, block.total)
            elif block.count:
                inside = self._in_block(at, low, high)
                total = sum([entry.digest for entry in inside]) & _MASK
                yield Part(max(low, block.place), len(inside), total)
            at += 1

    def _single(self, low: Place, high: Place) -> list[Part]:
        """Each cell of a range that lies within few blocks, by itself."""
        parts: list[Part] = []
        before = low
        for entry in self.small(low, high):
            parts.append(Part(between(before, entry.place) if parts else low, 1, entry.digest))
            before = entry.place
        return parts

    def _in_block(self, at: int, low: Place, high: Place) -> list[Entry]:
        place = self._blocks[at].place
        if self._kept is None or self._kept[0] != place:
            self._kept = (place, list(self._read(place, self._end_of(at))))
        entries = self._kept[1]
        first = bisect_left(entries, low, key=_entry_place)
        return entries[first : bisect_left(entries, high, key=_entry_place)]

    def small(self, low: Place, high: Place) -> list[Entry]:
        """All cells of a range that has few of them. As L{fingerprint}."""
        found = []
        for at in range(self._at(low), len(self._blocks)):
            if self._blocks[at].place >= high:
                break
            if self._blocks[at].count:
                found += self._in_block(at, low, high)
        return found

    def _at(self, place: Place) -> int:
        """The block that C{place} is in."""
        return bisect_right(self._blocks, place, key=_block_place) - 1

    def _end_of(self, at: int) -> Place:
        return self._blocks[at + 1].place if at + 1 < len(self._blocks) else END


def _size(block: Block) -> int:
    return BLOCK_BYTES + len(block.place[0]) + len(block.place[1])
