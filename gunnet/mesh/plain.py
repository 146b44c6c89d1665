"""
Comparing our graph with that of a relay that only speaks GUN: it is asked for every node that we know, with
the hash of what we have. What it answers is taken in like any other put, and what we have newer is put to it.

It can't be asked which nodes it has beside ours. gun.js says nothing to a question whose hash is right
(C{src/mesh.js}), nor to one with a hash about a node that it does not have, so after a silence it is asked
for one property without a hash; and it answers a node in parts, in any order, so an answer is
held for complete when it has all of ours in it, or when no more of it has come for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gunnet.counters import Counters
from gunnet.graph.answer import Selection
from gunnet.graph.ham import Cell, Verdict, decide
from gunnet.graph.lex import ALL, Query, Span
from gunnet.graph.merge import Graph
from gunnet.graph.node import PutRefused, read_put
from gunnet.limits import Limits
from gunnet.mesh.compare import Telling
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.routes import OwnQuestion, Push, Route
from gunnet.mesh.unacked import Name, Unacked
from gunnet.store.interface import StoreError
from gunnet.wire.dup import Dup
from gunnet.wire.jstext import string

SILENCE_MS = 2_000.0
"""Who has not answered a question by then does not: it has the same."""

REST_MS = 500.0
"""So long after a part of an answer the next one is waited for."""

SLICE_SOULS = 25
KEPT_CELLS = 10_000
"""Of an answer so many cells are remembered; of what it has more, ours is put whether it is newer or not."""

Answer = dict[str, Cell]


@dataclass
class PlainOutcome:
    """
    What a comparison did.

    @ivar error: why it ended early, L{None} if it did not.
    @ivar souls: how many nodes were asked for.
    @ivar newer: cells that we had newer; C{sent}: those of them that it was put, for it may have been told
        already; C{received}: cells that were answered and newer than ours.
    """

    error: str | None = None
    souls: int = 0
    newer: int = 0
    sent: int = 0
    received: int = 0


class _Asked:
    """
    A question.

    @ivar answer: what was answered so far; C{until}: when no more of it is waited for.
    @ivar probes: whether it asks for one property without a hash, since the whole node was met with silence.
    """

    __slots__ = ("answer", "probes", "soul", "until")

    def __init__(self, soul: str, until: float, *, probes: bool = False) -> None:
        self.soul = soul
        self.probes = probes
        self.until = until
        self.answer: Answer | None = None


class _Course:
    """
    The comparison with one peer.

    @ivar last: the soul that was asked for last; C{ended}: whether there is none after it.
    @ivar complete: questions of which the whole answer is there.
    """

    def __init__(
        self, telling: Telling, *, hashes: bool, done: Callable[[PlainOutcome], None] | None
    ) -> None:
        self.telling = telling
        self.hashes = hashes
        self.done = [] if done is None else [done]
        self.last: str | None = None
        self.ended = False
        self.asked: dict[str, _Asked] = {}
        self.complete: list[_Asked] = []
        self.outcome = PlainOutcome()

    def tell(self) -> None:
        """It is over."""
        for done in self.done:
            done(self.outcome)


class PlainSync:
    """
    Compares with gun.js relays, in slices as L{gunnet.mesh.sync.Sync} does.

    @ivar hashes: whether questions have a hash. That saves answers, and costs L{SILENCE_MS} where nothing
        differs. May be set.
    """

    hashes = True

    def __init__(
        self,
        graph: Graph,
        peers: Peers,
        dup: Dup[Route],
        unacked: Unacked,
        limits: Limits,
        counters: Counters,
    ) -> None:
        self._graph = graph
        self._peers = peers
        self._dup = dup
        self._unacked = unacked
        self._now = 0.0
        self._limits = limits
        self._counters = counters
        self._courses: dict[Peer, _Course] = {}

    def begin(self, peer: Peer, done: Callable[[PlainOutcome], None] | None = None) -> None:
        """
        Compare with C{peer} from now on, unless that is under way.

        @param done: called when it has ended.
        """
        if peer in self._courses:
            if done is not None:
                self._courses[peer].done.append(done)
            return
        self._counters.count("plain_syncs_begun")
        telling = Telling(peer, self._peers, self._limits, self._note_put, self._unacked.is_told)
        self._courses[peer] = _Course(telling, hashes=self.hashes, done=done)

    def _note_put(self, peer: Peer, put_id: str, names: list[Name]) -> None:
        self._dup.remember(put_id, Push(()))
        self._unacked.said(peer, put_id, names, self._now)

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        course = self._courses.pop(peer, None)
        if course is not None:
            course.outcome.error = "the link was lost"
            course.tell()

    def hear(self, peer: Peer, re: str, put: bytes | None, now: float) -> None:
        """
        Take an answer, if it is one to a question of ours, before its cells are taken in.

        @param re: the id of what is answered.
        @param put: the JSON text of its C{put}, L{None} if it has none.
        """
        course = self._courses.get(peer)
        asked = None if course is None else course.asked.get(re)
        if course is None or asked is None:
            return
        if put is not None:
            asked.until = now + REST_MS
            answer = asked.answer = asked.answer or {}
            try:
                for soul, key, state, value in read_put(put, self._limits):
                    if soul == asked.soul and len(answer) < KEPT_CELLS:
                        answer[key] = (state, value)
                        course.outcome.received += self._is_newer(soul, key, (state, value), now)
            except (PutRefused, StoreError):
                self._counters.count("plain_answers_refused")
        elif asked.answer is None:
            asked.answer = {}
            asked.until = now
        if asked.until <= now or asked.probes or self._is_all_there(asked):
            course.complete.append(course.asked.pop(re))

    def _is_newer(self, soul: str, key: str, cell: Cell, now: float) -> bool:
        """To be asked before the answer was taken in."""
        return decide(*cell, self._graph.known(soul, key), now) is Verdict.TAKE

    def _is_all_there(self, asked: _Asked) -> bool:
        """Whether no more of an answer could make a difference."""
        answer = asked.answer
        if answer is None:
            return False
        try:
            return all(
                key in answer and not _is_ours_newer(cell, answer[key])
                for key, cell in self._graph.cells(asked.soul)
            )
        except StoreError:
            return False

    @property
    def next_at(self) -> float | None:
        """When L{run} is to be called, milliseconds; L{None} for not until something happens."""
        times = [asked.until for course in self._courses.values() for asked in course.asked.values()]
        return min(times, default=None)

    def run(self, now: float) -> None:
        """Wait no longer for what has not come."""
        for peer, course in self._courses.items():
            late = [question_id for question_id, asked in course.asked.items() if asked.until <= now]
            for question_id in late:
                asked = course.asked.pop(question_id)
                if asked.answer is None and course.hashes and not asked.probes and peer.up:
                    self._probe(peer, course, asked.soul, now)
                else:
                    course.complete.append(asked)

    def _probe(self, peer: Peer, course: _Course, soul: str, now: float) -> None:
        """
        Ask for one property without a hash: gun.js is as silent about a node that it does not have as about
        one that is the same.
        """
        try:
            key = next((key for key, _ in self._graph.cells(soul)), None)
        except StoreError:
            self._counters.count("store_reads_failed")
            return
        if key is not None:
            question_id = self._peers.new_id()
            self._dup.remember(question_id, OwnQuestion(peer))
            course.asked[question_id] = _Asked(soul, now + SILENCE_MS, probes=True)
            get = b'{"#":"%b","get":{"#":%b,".":%b}}'
            self._peers.say(peer, get % (question_id.encode(), string(soul), string(key)))

    def waiting(self) -> list[Peer]:
        """The peers for which L{continue_with} has something to do."""
        most = self._limits.plain_questions
        return [
            peer
            for peer, course in self._courses.items()
            if peer.up
            and course.telling.has_room
            and (
                course.complete
                or (course.ended and not course.asked)
                or (not course.ended and len(course.asked) < most)
            )
        ]

    def continue_with(self, peer: Peer, now: float) -> None:
        """Work off some answers, and ask some more."""
        course = self._courses.get(peer)
        if course is None:
            return
        self._now = now
        try:
            while course.complete and course.telling.has_room:
                self._work_off(course, course.complete.pop())
            course.telling.flush()
            room = min(SLICE_SOULS, self._limits.plain_questions - len(course.asked))
            if not course.ended and room > 0 and course.telling.has_room:
                self._ask_some(peer, course, room, now)
        except StoreError as error:
            self._counters.count("store_reads_failed")
            course.outcome.error = str(error)
            course.ended = True
            course.asked.clear()
            course.complete.clear()
        if course.ended and not course.asked and not course.complete:
            del self._courses[peer]
            course.outcome.sent = course.telling.cells
            course.tell()

    def _work_off(self, course: _Course, asked: _Asked) -> None:
        """Put what we have newer than was answered. No answer means that there is nothing."""
        answer = asked.answer
        if (answer is None and course.hashes) or (asked.probes and answer):
            return
        for key, cell in self._graph.cells(asked.soul):
            if answer is None or key not in answer or _is_ours_newer(cell, answer[key]):
                course.outcome.newer += 1
                course.telling.add(asked.soul, key, cell)

    def _ask_some(self, peer: Peer, course: _Course, count: int, now: float) -> None:
        souls = list(self._souls_after(course.last, count))
        course.ended = len(souls) < count
        for soul in souls:
            course.last = soul
            course.outcome.souls += 1
            question_id = self._peers.new_id()
            self._dup.remember(question_id, OwnQuestion(peer))
            course.asked[question_id] = _Asked(soul, now + SILENCE_MS)
            digest = self._digest(soul) if course.hashes else None
            known = b"" if digest is None else b'"##":%d,' % digest
            self._peers.say(
                peer, b'{"#":"%b",%b"get":{"#":%b}}' % (question_id.encode(), known, string(soul))
            )

    def _souls_after(self, last: str | None, count: int) -> Iterator[str]:
        for soul in self._graph.souls(ALL if last is None else Span(first=last)):
            if soul != last:
                if count == 0:
                    return
                count -= 1
                yield soul

    def _digest(self, soul: str) -> int | None:
        """The hash of our whole node; L{None} if it is too large for one answer."""
        selection = Selection(self._graph, Query(soul))
        chunk = selection.chunk(self._limits.answer_bytes)
        return chunk[1] if chunk is not None and selection.ended else None


def _is_ours_newer(ours: Cell, theirs: Cell) -> bool:
    return decide(*ours, theirs, ours[0]) is Verdict.TAKE
