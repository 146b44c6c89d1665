"""
Serving puts: check, merge, tell, commit, and only then acknowledge (gun.js C{src/root.js}, C{put}
and C{ham}).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from gunnet.counters import Counters
from gunnet.graph.answer import in_order, render, render_cells
from gunnet.graph.deferred import Deferred
from gunnet.graph.ham import Cell, Verdict, decide
from gunnet.graph.merge import Batch, Graph, is_signed
from gunnet.graph.node import InvalidGraph, PutCell, PutRefused, read_put
from gunnet.limits import Limits
from gunnet.mesh.axe import Updates
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.routes import Origin
from gunnet.mesh.unacked import Name
from gunnet.sea.firewall import Judgement
from gunnet.sea.firewall import Verdict as Judged
from gunnet.store.interface import StoreError
from gunnet.wire.jstext import string

SIGNED_CELLS = 512
"""With so many, or one put more, a batch of signed cells is full, so that others do not wait long for it."""

PLAIN, SIGNED = 1, 2
"""Cells that are committed apart from each other; added up for both."""

NOT_STORED = "Error: The relay could not store this."
BUSY = "Error: The relay is busy, too much is waiting to be stored."
TOO_MANY_DEFERRED = "Error: Too many writes wait for a future state."
_OK = b'"ok":true'


@dataclass(frozen=True)
class Commit:
    """What is to become durable. @ivar origins: the puts that are acknowledged then, one entry a part."""

    batch: Batch
    origins: list[Origin]


class Puts:
    """
    Takes puts in, and answers them.

    @ivar on_taken: called with each value that becomes known: (soul, key, the one before, the new one).
    @ivar judge_again: has the firewall judge a write whose state has come (L{gunnet.mesh.checks}); L{None}
        if there is none.
    @ivar on_due: called when a write with a future state has become news.
    @ivar plain: how many puts wait for a commit that the firewall had nothing to say about.
    @ivar stuck: why the last commit failed, L{None} if it did not.
    """

    def __init__(
        self, graph: Graph, peers: Peers, updates: Updates, limits: Limits, counters: Counters
    ) -> None:
        self._graph = graph
        self._peers = peers
        self._updates = updates
        self._limits = limits
        self._counters = counters
        self._deferred: Deferred[Origin] = Deferred(limits)
        self._waiting: tuple[list[Origin], list[Origin]] = ([], [])  # the second: for what is signed
        self._full: deque[Commit] = deque()
        self.plain = 0
        self.stuck: str | None = None
        self.on_taken: Callable[[str, str, Cell | None, Cell], None] | None = None
        self.judge_again: Callable[[Peer, PutCell, Callable[[list[Judged], float], None], float], None] | None
        self.judge_again = None
        self.on_due: Callable[[Origin, PutCell, float], None] | None = None

    @property
    def next_at(self) -> float | None:
        """When a deferred write is due, milliseconds since 1970."""
        return self._deferred.next_at

    @property
    def deferred(self) -> int:
        """How many properties wait for their state."""
        return len(self._deferred)

    @property
    def deferred_bytes(self) -> int:
        """The same, by their size."""
        return self._deferred.size

    def note(self, origin: Origin, step: str, what: str) -> None:
        """For whoever follows the message (L{gunnet.mesh.trace})."""
        if self._peers.trace is not None:
            self._peers.trace.note(origin.id, step, what)

    def read(self, origin: Origin, put: bytes, now: float) -> list[PutCell] | None:
        """
        Take a put apart.

        @param put: the JSON text of C{put}.
        @param now: milliseconds since 1970.
        @return: its cells; L{None} if it is refused as a whole, and its sender was told.
        """
        try:
            cells = read_put(put, self._limits)
            self._check_future(cells, now)
        except PutRefused as error:
            self._refuse_all(origin, error)
            return None
        return cells

    def _refuse_all(self, origin: Origin, error: PutRefused) -> None:
        self._counters.count("puts_refused")
        self.note(origin, "check", f"refused: {error}")
        if error.counter is not None:
            self._counters.count(error.counter)
        self._fail(origin, str(error))

    def refuse(self, origin: Origin, errors: list[str]) -> None:
        """
        Something in a put may not stand: its sender is told, and that the rest is stored is not said, for an
        ack would be of all of it.
        """
        origin.refused = True
        origin.acks = 0
        for error in errors:
            self._answer(origin, b'"err":%b' % string(error))

    def serve(
        self, origin: Origin, cells: list[PutCell], size: int, askers: Collection[Peer], now: float
    ) -> list[Name] | None:
        """
        Take the cells of a put in, all or none.

        @param size: of the put, bytes.
        @param askers: whom the message goes to anyway, because it answers their gets.
        @param now: milliseconds since 1970.
        @return: what in it is news now; L{None} if nothing is, not even later.
        """
        ahead = [cell for cell in cells if cell[2] > now]
        try:
            if ahead and not self._deferred.has_room(ahead):
                raise PutRefused(TOO_MANY_DEFERRED, "deferred_refused")
            if self._graph.pending_bytes + size > self._limits.pending_bytes:
                raise PutRefused(BUSY, "pending_bytes_refused")
        except PutRefused as error:
            self._refuse_all(origin, error)
            return None
        self._counters.count("puts_served")
        try:
            news, waits = self._merge(cells, origin, askers, now)
        except StoreError:
            self._counters.count("store_reads_failed")
            self._fail(origin, NOT_STORED)
            return None
        later = [cell for cell in ahead if cell not in self._deferred] if ahead else ahead
        if self._peers.trace is not None:
            self.note(origin, "merge", _merged(len(news), len(cells), len(later)))
        for cell in ahead:
            self._deferred.add(cell, origin)
        if origin.flooded and 0 < len(news) + len(later) < len(cells):
            said = {*news, *(cell[:2] for cell in later)}
            origin.news_only = render_cells([cell for cell in cells if cell[:2] in said])
        origin.parts = len(ahead) + bool(waits & PLAIN) + bool(waits & SIGNED)
        if waits:
            self._wait(origin, waits)
        elif not ahead:
            self._done(origin)
        return news if news or later else None

    def _check_future(self, cells: list[PutCell], now: float) -> None:
        """
        @raise PutRefused: if a state is too far ahead.
        """
        for soul, key, state, _ in cells:
            if state > now + self._limits.ahead_ms:
                late = f" '{key[:9]}...' on '{soul[:9]}...' state too far ahead."
                raise InvalidGraph(late, "ahead_ms_refused")

    def _merge(
        self, cells: list[PutCell], origin: Origin, askers: Collection[Peer], now: float
    ) -> tuple[list[Name], int]:
        """
        Let each cell stand or fall. Everything is read before anything is taken.

        @return: (what is news, whether the ack must wait for commits: of L{PLAIN} cells, of L{SIGNED} ones).
        @raise StoreError: nothing was taken.
        """
        graph = self._graph
        updates = self._updates
        news: list[Name] = []
        waits = 0
        known = [graph.known(soul, key) for soul, key, _, _ in cells]
        for at, (soul, key, state, value) in enumerate(cells):
            standing = known[at]
            verdict = decide(state, value, standing, now)
            if verdict is Verdict.TAKE:
                cell = (state, value)
                graph.take(soul, key, cell)
                if self.on_taken is not None:
                    self.on_taken(soul, key, standing, cell)
                if not origin.flooded:
                    updates.note(soul, key, cell, origin, askers)
                news.append((soul, key))
                waits |= SIGNED if is_signed(soul) else PLAIN
            elif verdict is Verdict.KEEP:
                if standing is not None and standing[0] == state and standing[1] != value:
                    origin.lost_tie = True
                if graph.confirm(soul, key):
                    waits |= SIGNED if is_signed(soul) else PLAIN
        return news, waits

    def standing(self, put: bytes) -> bytes:
        """
        What is known of the properties in a put that L{serve} took.

        @return: the JSON text of a C{put}.
        @raise StoreError: if the store can't be read.
        """
        nodes: dict[str, list[tuple[str, Cell]]] = {}
        for soul, key, _, _ in read_put(put, self._limits):
            cell = self._graph.known(soul, key)
            if cell is not None:
                nodes.setdefault(soul, []).append((key, cell))
        return render(in_order(nodes))

    def run_deferred(self, now: float) -> None:
        """Take in the writes whose time has come."""
        while (due := self._deferred.pop_due(now)) is not None:
            cell, origin = due
            if self.judge_again is None:
                self._take_due(cell, origin, [Judgement.ALLOWED], now)
            else:
                self.judge_again(origin.peer, cell, partial(self._take_due, cell, origin), now)

    def _take_due(self, cell: PutCell, origin: Origin, verdicts: list[Judged], now: float) -> None:
        """@param verdicts: the one on C{cell}: much may have become of its writer since it came."""
        if verdicts[0] is not Judgement.ALLOWED:
            if isinstance(verdicts[0], str):
                self._counters.count("cells_refused")
                self.refuse(origin, [verdicts[0]])
            else:
                self._counters.count("cells_expired")
            self._finish_part(origin)
            return
        origin.heard = now
        try:
            news, waits = self._merge([cell], origin, (), now)
        except StoreError:
            self._counters.count("store_reads_failed")
            self._fail(origin, NOT_STORED)
        except Exception:
            self._fail(origin, NOT_STORED)
            raise
        else:
            if self._peers.trace is not None:
                self.note(origin, "merge", f"its time has come: {_merged(len(news), 1, 0)}")
            if news and self.on_due is not None:
                self.on_due(origin, cell, now)
            if waits:
                self._wait(origin, waits)
            else:
                self._finish_part(origin)

    def _wait(self, origin: Origin, waits: int) -> None:
        if waits & PLAIN:
            self._await(origin, signed=False)
        if waits & SIGNED:
            self._await(origin, signed=True)
        if self._graph.open_cells(signed=True) >= SIGNED_CELLS:
            commit = self._cut(signed=True)
            if commit is not None:
                self._full.append(commit)

    def _await(self, origin: Origin, *, signed: bool) -> None:
        self._waiting[signed].append(origin)
        if not origin.checked:
            self.plain += 1

    @property
    def full(self) -> int:
        """How many commits of signed cells wait."""
        return len(self._full)

    def cut(self, *, signed: bool = False) -> Commit | None:
        """
        What is to be committed now; L{None} if there is nothing.

        @param signed: of what is signed, or of the rest.
        """
        return self._full.popleft() if signed and self._full else self._cut(signed=signed)

    def _cut(self, *, signed: bool) -> Commit | None:
        batch = self._graph.cut(signed=signed)
        if batch is None:
            return None
        waiting = self._waiting[signed]
        commit = Commit(batch, waiting.copy())
        waiting.clear()
        if self._peers.trace is not None:
            for origin in commit.origins:
                self.note(origin, "store", f"handed over with {batch.count} properties")
        return commit

    def settle(self, commit: Commit, error: str | None) -> None:
        """
        A commit has ended.

        @param error: why nothing of it was stored; L{None} if all of it is durable.
        """
        try:
            self._graph.settle(commit.batch, stored=error is None)
        except StoreError as unreadable:
            error = str(unreadable)
            self._graph.settle(commit.batch, stored=False)
        self.stuck = error
        if self._peers.trace is not None:
            for origin in commit.origins:
                self.note(origin, "store", error or "durable")
        self.plain -= sum([not origin.checked for origin in commit.origins])
        if error is None:
            self._counters.count("commits_done")
            self._counters.count("cells_stored", commit.batch.count)
            for origin in commit.origins:
                self._finish_part(origin)
        else:
            self._counters.count("commits_failed")
            for origin in commit.origins:
                self._fail(origin, NOT_STORED)

    def late_ack(self, origin: Origin, text: bytes) -> None:
        """
        Another peer acknowledged C{origin}. An ack is a promise, so it is passed on after our own; but not
        more of them than its sender wants.
        """
        origin.acks -= 1
        if origin.acks < 0:
            self._counters.count("acks_unwanted")
        elif origin.parts <= 0 or origin.failed:
            self._peers.say(origin.peer, text)
        elif origin.late is None:
            origin.late = [text]
        elif len(origin.late) < self._limits.late_acks:
            origin.late.append(text)
        else:
            self._counters.count("late_acks_evicted")

    def _finish_part(self, origin: Origin) -> None:
        origin.parts -= 1
        if origin.parts <= 0:
            self._done(origin)

    def _done(self, origin: Origin) -> None:
        origin.parts = 0
        if not origin.failed and not origin.refused:
            self._answer(origin, _OK)
            for text in origin.late or ():
                self._peers.say(origin.peer, text)
            origin.late = None

    def _fail(self, origin: Origin, error: str) -> None:
        if not origin.failed:
            origin.failed = True
            self._answer(origin, b'"err":%b' % string(error))
            origin.late = None

    def _answer(self, origin: Origin, result: bytes) -> None:
        if origin.peer.is_group and result != _OK:  # nobody there can tell whom that concerns
            return
        self._peers.say(
            origin.peer, b'{"#":"%b","@":%b,%b}' % (self._peers.new_id().encode(), string(origin.id), result)
        )


def _merged(news: int, cells: int, later: int) -> str:
    waiting = f", {later} wait for their time" if later else ""
    return f"{news} of {cells} properties are news{waiting}"
