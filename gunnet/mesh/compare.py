"""
One message of a comparison worked through, in slices: what the other relay needs is put, and what it told of
its cells is held against ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gunnet.graph.answer import NodeCells, render
from gunnet.graph.ham import BEGINNING, Cell, beginning, decide_tie
from gunnet.graph.merge import Graph
from gunnet.graph.summary import END, LOWEST, Entry, Place, Summary, place_of
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.ranges import Draft, Heard, Range, Tie, item_size
from gunnet.mesh.unacked import Name

ITEMS = 32
"""A range of so many cells is not cut any more: its cells are told."""

WALK_CELLS = 500
RANGE_COST = 10
"""A range is as much work as to read so many cells, besides those that are read for it."""

PUT_BYTES = 1 << 20
"""
When its ranges have led to puts of so many bytes, the rest of a message is left to the next one. What was
asked for is put in any case.
"""

SCAN_CELLS = 50_000
"""The same, when so many cells were read for it."""


class Telling:
    """
    Cells on their way to one peer as puts, which are kept to the size of messages.

    @ivar cells: how many were added so far.
    @ivar bytes: the size of what was said so far.
    """

    def __init__(
        self,
        peer: Peer,
        peers: Peers,
        limits: Limits,
        note: Callable[[Peer, str, list[Name]], None],
        is_told: Callable[[Peer, str, str], bool],
    ) -> None:
        """
        @param note: told the id of each put, and the names of the cells in it.
        @param is_told: whether the peer has been told a cell, or is being told it anyway.
        """
        self.cells = 0
        self.bytes = 0
        self._peer = peer
        self._peers = peers
        self._limits = limits
        self._note = note
        self._is_told = is_told
        self._nodes: NodeCells = []
        self._souls: set[str] = set()
        self._size = 0

    @property
    def has_room(self) -> bool:
        """Whether the peer reads as fast as it is told."""
        return not self._peer.paused and self._peer.outbox.size <= self._limits.answer_bytes

    def add(self, soul: str, key: str, cell: Cell) -> None:
        """Tell a cell, unless that is being done already; those of one soul best after one another."""
        if self._is_told(self._peer, soul, key):
            return
        if not self._nodes or self._nodes[-1][0] != soul:
            if soul in self._souls:
                self.flush()  # JSON has each name once
            self._souls.add(soul)
            self._nodes.append((soul, []))
            self._size += len(soul)
        self._nodes[-1][1].append((key, cell))
        self._size += 2 * len(key) + len(cell[1])
        self.cells += 1
        if self._size >= self._limits.sync_message_bytes:
            self.flush()

    def flush(self) -> None:
        """Say what was added."""
        if not self._nodes:
            return
        put_id = self._peers.new_id()
        self._note(self._peer, put_id, [(soul, key) for soul, cells in self._nodes for key, _ in cells])
        text = b'{"#":"%b","put":%b}' % (put_id.encode(), render(self._nodes))
        self._peers.say(self._peer, text)
        self.bytes += len(text)
        self._nodes = []
        self._souls.clear()
        self._size = 0


class Comparison:
    """
    What follows of one message.

    @ivar draft: the message that is to be said in answer, complete when L{step} has given true.
    @ivar telling: the cells that were put.
    @ivar differs: whether the other side has shown to have anything else than we have.
    """

    def __init__(
        self, graph: Graph, summary: Summary, telling: Telling, heard: Heard | None, limits: Limits
    ) -> None:
        """
        @param heard: the message; L{None} to begin with the fingerprint of everything.
        """
        self.draft = Draft()
        self.telling = telling
        self.differs = heard is not None and bool(heard.need)
        self._graph = graph
        self._summary = summary
        self._limits = limits
        self._is_first = heard is None
        self._need = deque[tuple[str, str]]() if heard is None else heard.need
        self._ties = deque[Tie]() if heard is None else heard.ties
        self._ranges = deque([Range(LOWEST, END)]) if heard is None else heard.ranges
        self._scanned = 0
        self._asked_bytes = 0

    def step(self, cells: int) -> bool:
        """
        Do a slice: some C{cells} may be read for it.

        @return: whether all is done.
        @raise gunnet.store.interface.StoreError: if the store can't be read.
        """
        while self._need:
            if not self.telling.has_room:
                return False
            self._put(*self._need.popleft())
            self._asked_bytes = self.telling.bytes
        while self._ties:
            if not self.telling.has_room:
                return False
            self._end_tie(self._ties.popleft())
            self._asked_bytes = self.telling.bytes
        if self._ranges and not self._summary.advance(cells):
            return False
        before = self._summary.scanned
        served = 0
        while self._ranges and self._summary.scanned - before + served < cells:
            served += RANGE_COST
            if not self.telling.has_room:
                break
            if self._is_full or self._is_first:
                self._leave_rest()
            elif self._compare(self._ranges[0]):
                self._ranges.popleft()
        self._scanned += self._summary.scanned - before
        if not self._ranges:
            self.telling.flush()
        return not self._ranges

    @property
    def _is_full(self) -> bool:
        return (
            self.draft.size >= self._limits.sync_message_bytes
            or self.telling.bytes - self._asked_bytes >= PUT_BYTES
            or self._scanned >= SCAN_CELLS
        )

    def _leave_rest(self) -> None:
        """Leave all that is still to be compared to the next message."""
        low, high = self._ranges[0].low, self._ranges[-1].high
        self.draft.fingerprint(low, high, *self._summary.fingerprint(low, high))
        self._ranges.clear()

    def _compare(self, range_: Range) -> bool:
        """@return: whether all of the range is done; else its C{low} has moved, or the rest is to be left."""
        if range_.items is None:
            low, high = range_.low, range_.high
            count, total = self._summary.fingerprint(low, high)
            if (count, total) == (range_.count, range_.total):
                return True
            self.differs = True
            if range_.count > 0:
                return self._tell_items(range_) if count <= ITEMS else self._split(range_)
            range_.items = deque()
        return self._walk(range_, range_.items)

    def _split(self, range_: Range) -> bool:
        parts = self._summary.split(range_.low, range_.high)
        for at, part in enumerate(parts):
            high = parts[at + 1].low if at + 1 < len(parts) else range_.high
            self.draft.fingerprint(part.low, high, part.cells, part.total)
            range_.low = high
            if self._is_full:
                break
        return range_.low == range_.high

    def _tell_items(self, range_: Range) -> bool:
        entries = self._summary.small(range_.low, range_.high)
        size = self.draft.size
        for at, entry in enumerate(entries):
            if at and size >= self._limits.sync_message_bytes:
                self.draft.items(range_.low, entry.place, entries[:at])
                range_.low = entry.place
                return False
            size += item_size(entry)
        self.draft.items(range_.low, range_.high, entries)
        return True

    def _walk(self, range_: Range, theirs: deque[Entry]) -> bool:
        """Hold our cells against those that were told, both in order."""
        ours, rest = self._summary.entries(range_.low, range_.high, WALK_CELLS)
        for entry in ours:
            if not self._need_before(theirs, entry.place, range_):
                return False
            if self._is_full:
                range_.low = entry.place
                range_.items = None
                return False
            told = theirs.popleft() if theirs and theirs[0].place == entry.place else None
            if told is None or entry.state > told.state:
                self._put(entry.soul, entry.key)
            elif told.state > entry.state:
                self.draft.need(told.place)
            elif told.digest != entry.digest:
                self._ask_about(entry)
        if not self._need_before(theirs, rest or range_.high, range_):
            return False
        range_.low = rest or range_.high
        return rest is None

    def _need_before(self, theirs: deque[Entry], place: Place, range_: Range) -> bool:
        """Ask for those of C{theirs} that are below C{place}. @return: whether there was room for all."""
        while theirs and theirs[0].place < place:
            if self._is_full:
                range_.low = theirs[0].place
                range_.items = None
                return False
            self.draft.need(theirs.popleft().place)
        return True

    def _ask_about(self, entry: Entry) -> None:
        """Of two values with the same state one stands; the other one need not cross."""
        cell = self._graph.known(entry.soul, entry.key)
        if cell is not None:
            self.draft.tie(entry, beginning(cell[1]))

    def _end_tie(self, tie: Tie) -> None:
        cell = self._graph.known(tie.soul, tie.key)
        ours_stands: bool | None = False
        if cell is not None and cell[0] != tie.state:
            ours_stands = cell[0] > tie.state
        elif cell is not None:
            ours = beginning(cell[1])
            if ours == tie.text and len(ours) < BEGINNING:
                return  # it has come by another way
            ours_stands = decide_tie(ours, tie.text)
        if ours_stands is not False:
            self._put(tie.soul, tie.key)
        if not ours_stands:
            self.draft.need(place_of(tie.soul, tie.key))

    def _put(self, soul: str, key: str) -> None:
        cell = self._graph.known(soul, key)
        if cell is not None:
            self.telling.add(soul, key, cell)
