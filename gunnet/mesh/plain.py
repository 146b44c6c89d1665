"""
Comparing our graph with that of a relay that only speaks GUN: it is asked for every node that we know. What
it answers is taken in like any other put, and what we have newer is put to it. It can't be asked which nodes
it has beside ours.

gun.js says nothing to a question whose hash is right, nor to one with any hash about a node that it does not
have (C{src/mesh.js}). So a small node is asked for without one, which always is answered. With a larger one
goes a second question, for its smallest property: if that is answered and the first one is not, the node is
the same. Answers overtake each other, so one to the first is still heard for a while after that. If the
property is not there, the node is asked for without a hash.

An answer may come in parts, from memory and from disk, in any order. When it does not have all that we have,
and no more of it comes, one property that is missing is asked for by itself. gun.js reads that from its disk
after what it was asked before: if it is not there, all that was to come is on its way. That care is needed
because gun.js takes a put for news that is older than what it has on its disk only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gunnet.counters import Counters
from gunnet.graph.answer import Selection
from gunnet.graph.ham import Cell, Verdict, decide
from gunnet.graph.lex import ALL, Query, Span, write_get
from gunnet.graph.merge import Graph
from gunnet.graph.node import PutRefused, read_put
from gunnet.limits import Limits
from gunnet.mesh.compare import Telling
from gunnet.mesh.debt import RETRY_MS
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.plain_course import Asked, Course, PlainOutcome, is_newer, readable_cells
from gunnet.mesh.routes import OwnQuestion, Push, Route
from gunnet.mesh.unacked import Name, Unacked
from gunnet.store.interface import StoreError
from gunnet.wire.dup import Dup

SILENCE_MS = 5_000.0
"""
gun.js answers each question without a hash, so who has not by then is busy, or something else. What it has is
not known, and it is put nothing.
"""

PART_MS = 50.0
"""So long after a part of an answer the next one is waited for; then a missing property is asked for."""

LATE_MS = 500.0
"""So long after the last silence that was taken for an answer, others are still heard."""

CHECKS = 3
"""So many missing properties of a node are asked for; then what is not in its answer is put."""

SMALL_BYTES = 300
"""A node is asked for without a hash up to this size: the questions that save its answer are as large."""

SLICE_SOULS = 25
QUESTIONS_A_NODE = 2


class PlainSync:
    """Compares with gun.js relays, in slices as L{gunnet.mesh.sync.Sync} does."""

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
        self._courses: dict[Peer, Course] = {}

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
        telling = Telling(peer, self._peers, self._limits, self._note_put, self._is_told)
        self._courses[peer] = Course(telling, done)

    def _note_put(self, peer: Peer, put_id: str, names: list[Name]) -> None:
        self._dup.remember(put_id, Push(()))
        self._unacked.said(peer, put_id, names, self._now)

    def _is_told(self, peer: Peer, soul: str, key: str) -> bool:
        return (soul, key) not in self._courses[peer].long_told and self._unacked.is_told(peer, soul, key)

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        course = self._courses.pop(peer, None)
        if course is not None:
            course.outcome.error = "the link was lost"
            course.tell()

    def end(self, peer: Peer) -> list[Query]:
        """
        C{peer} turned out to be a gunnet relay after all, which is compared with in another way.

        @return: the questions that it has not answered: they are going to subscribe us.
        """
        course = self._courses.pop(peer, None)
        if course is None:
            return []
        course.outcome.error = "it is a gunnet relay"
        course.tell()
        return list(course.said.values())

    # Answers

    def hear(self, peer: Peer, re: str, put: bytes | None, now: float) -> None:
        """
        Take an answer, if it is one to a question of ours, before its cells are taken in.

        @param re: the id of what is answered.
        @param put: the JSON text of its C{put}, L{None} if it has none.
        """
        course = self._courses.get(peer)
        if course is None:
            return
        course.said.pop(re, None)
        node = course.asked.get(re)
        if node is None:
            if put is None or re not in course.silent:
                return
            node = self._reopen(course, re, now)
        if put is None:
            if re == node.part:
                course.drop_question(node, re)
                self._part_missing(peer, course, node, now)
            elif node.answer is None and not node.hashed:
                node.answer = {}
                course.finish(node)
            return
        try:
            cells = {key: (s, v) for soul, key, s, v in read_put(put, self._limits) if soul == node.soul}
        except PutRefused:
            self._counters.count("plain_answers_refused")
            if re == node.part:
                course.drop_question(node, re)
                self._part_missing(peer, course, node, now)
                return
            cells = readable_cells(put, node.soul, self._limits)
        try:
            for key, cell in cells.items():
                course.outcome.received += self._is_newer(node.soul, key, cell, now)
            self._hear_cells(peer, course, node, re, cells, now)
        except StoreError:
            self._counters.count("store_reads_failed")

    def _reopen(self, course: Course, question_id: str, now: float) -> Asked:
        """A node was not the same after all: the answer was late."""
        self._counters.count("plain_answers_late")
        node = Asked(course.silent.pop(question_id), now + PART_MS, hashed=True)
        node.questions.append(question_id)
        course.asked[question_id] = node
        course.nodes += 1
        return node

    def _hear_cells(
        self, peer: Peer, course: Course, node: Asked, re: str, cells: dict[str, Cell], now: float
    ) -> None:
        node.until = now + PART_MS
        is_part = re == node.part
        if is_part and cells:
            course.drop_question(node, re)
        elif is_part and node.checks:
            # There is nothing in its memory; what is on its disk follows, and if nothing is, silence.
            node.checks = CHECKS + 1
            node.until = now + SILENCE_MS
        if node.answer is None and is_part:
            if cells and all(cell == self._graph.known(node.soul, key) for key, cell in cells.items()):
                self._take_for_the_same(course, node, now)
            elif cells:
                node.until = now + SILENCE_MS
            return
        answer = node.answer = node.answer or {}
        for key, cell in cells.items():
            self._keep(course, answer, key, cell)
        if self._first_wanting(node) is None:
            course.finish(node)
        elif is_part and cells and node.checks and node.hashed:
            # What was said is in its memory; on its disk is what we have, so it has left that out.
            self._ask_without_hash(peer, course, node, now)

    def _keep(self, course: Course, answer: dict[str, Cell], key: str, cell: Cell) -> None:
        """Remember what was answered. Beyond the bound that is nothing, and ours is put, newer or not."""
        if key in answer:
            if is_newer(cell, answer[key]):
                answer[key] = cell
        elif course.kept < self._limits.plain_cells:
            course.kept += 1
            answer[key] = cell
        else:
            self._counters.count("plain_cells_exceeded")

    def _is_newer(self, soul: str, key: str, cell: Cell, now: float) -> bool:
        """To be asked before the answer was taken in."""
        return decide(*cell, self._graph.known(soul, key), now) is Verdict.TAKE

    def _first_wanting(self, node: Asked) -> str | None:
        """A property of ours that was not answered; L{None} if no more has to come."""
        answer = node.answer or {}
        if node.wanting is None or node.wanting in answer:
            rest = ALL if node.wanting is None else Span(first=node.wanting)
            cells = self._graph.cells(node.soul, rest)
            node.wanting = next((key for key, _ in cells if key not in answer), None)
            if node.wanting is None:
                return None
        return node.wanting

    def _take_for_the_same(self, course: Course, node: Asked, now: float) -> None:
        """A property was answered, and the node was not."""
        for question_id in list(node.questions):
            course.drop_question(node, question_id)
            if len(course.silent) >= self._limits.plain_silences:
                self._counters.count("plain_silences_evicted")
                del course.silent[next(iter(course.silent))]
            course.silent[question_id] = node.soul
        course.nodes -= 1
        course.late_at = now + LATE_MS

    def _part_missing(self, peer: Peer, course: Course, node: Asked, now: float) -> None:
        """A property is not there."""
        if node.answer is None:
            self._ask_without_hash(peer, course, node, now)
        elif node.checks:
            node.checks = CHECKS
            node.until = now + PART_MS

    # Time

    @property
    def next_at(self) -> float | None:
        """When L{run} is to be called, milliseconds; L{None} for not until something happens."""
        times = [node.until for course in self._courses.values() for node in course.asked.values()]
        times += [course.late_at for course in self._courses.values() if course.late_at is not None]
        return min(times, default=None)

    def run(self, now: float) -> None:
        """Wait no longer for what has not come."""
        for peer, course in self._courses.items():
            if course.late_at is not None and course.late_at <= now:
                course.late_at = None
                course.silent.clear()
            late = {id(node): node for node in course.asked.values() if node.until <= now}
            for node in late.values():
                try:
                    self._wait_no_longer(peer, course, node, now)
                except StoreError:
                    self._counters.count("store_reads_failed")
                    course.finish(node)

    def _wait_no_longer(self, peer: Peer, course: Course, node: Asked, now: float) -> None:
        if node.answer is None:
            if node.hashed:
                self._ask_without_hash(peer, course, node, now)
            else:
                self._leave_unanswered(course, node)
            return
        missing = self._first_wanting(node)
        if missing is None or node.checks > CHECKS:
            course.finish(node)
        elif node.checks and node.part is not None:
            self._leave_unanswered(course, node)
        elif node.checks == CHECKS:
            course.finish(node)
        elif len(course.asked) >= self._limits.plain_questions and node.part is None:
            node.until = now + PART_MS  # late answers have made them more
        else:
            node.checks += 1
            self._ask_part(peer, course, node, missing)
            node.until = now + SILENCE_MS

    def _leave_unanswered(self, course: Course, node: Asked) -> None:
        self._counters.count("plain_questions_unanswered")
        course.outcome.unanswered += 1
        node.unanswered = True
        course.finish(node)

    def waiting(self) -> list[Peer]:
        """The peers for which L{continue_with} has something to do."""
        return [
            peer
            for peer, course in self._courses.items()
            if peer.up
            and course.telling.has_room
            and (course.complete or course.is_over or (not course.ended and self._room(course) > 0))
        ]

    def _room(self, course: Course) -> int:
        """How many more nodes may be asked for."""
        most = max(1, self._limits.plain_questions // QUESTIONS_A_NODE)
        return min(SLICE_SOULS, most - course.nodes)

    def continue_with(self, peer: Peer, now: float) -> None:
        """Work off some answers, and ask some more."""
        course = self._courses.get(peer)
        if course is None:
            return
        self._now = now
        if not course.outcome.souls:
            course.long_told = self._unacked.long_told(peer, now - RETRY_MS)
        try:
            while course.complete and course.telling.has_room:
                self._work_off(course, course.complete.pop())
            course.telling.flush()
            room = self._room(course)
            if not course.ended and room > 0 and course.telling.has_room:
                self._ask_some(peer, course, room, now)
        except StoreError as error:
            self._counters.count("store_reads_failed")
            course.give_up(str(error))
        if course.is_over:
            del self._courses[peer]
            course.outcome.sent = course.telling.cells
            course.tell()

    def _work_off(self, course: Course, node: Asked) -> None:
        """Put what we have newer than was answered, and what it lacks."""
        answer = node.answer or {}
        course.kept -= len(answer)
        for key, cell in self._graph.cells(node.soul):
            if is_newer(cell, answer[key]) if key in answer else not node.unanswered:
                course.outcome.newer += 1
                course.telling.add(node.soul, key, cell)

    # Questions

    def _ask_some(self, peer: Peer, course: Course, count: int, now: float) -> None:
        souls = list(self._souls_after(course.last, count))
        course.ended = len(souls) < count
        for soul in souls:
            course.last = soul
            course.outcome.souls += 1
            course.nodes += 1
            digest = self._digest(soul)
            node = Asked(soul, now + SILENCE_MS, hashed=digest is not None)
            self._ask_whole(peer, course, node, digest)
            if digest is not None:
                _, key = min((len(key) + len(cell[1]), key) for key, cell in self._graph.cells(soul))
                self._ask_part(peer, course, node, key)

    def _souls_after(self, last: str | None, count: int) -> Iterator[str]:
        for soul in self._graph.souls(ALL if last is None else Span(first=last)):
            if soul != last:
                if count == 0:
                    return
                count -= 1
                yield soul

    def _digest(self, soul: str) -> int | None:
        """The hash to ask for a node with; L{None} if it is too small, or too large for one answer."""
        selection = Selection(self._graph, Query(soul))
        chunk = selection.chunk(self._limits.answer_bytes)
        return chunk[1] if chunk is not None and selection.ended and len(chunk[0]) > SMALL_BYTES else None

    def _ask_without_hash(self, peer: Peer, course: Course, node: Asked, now: float) -> None:
        """Have it say whether it has a node at all. The earlier question may be answered yet."""
        if node.part is not None:
            course.drop_question(node, node.part)
        node.hashed = False
        node.until = now + SILENCE_MS
        self._ask_whole(peer, course, node, None)

    def _ask_whole(self, peer: Peer, course: Course, node: Asked, digest: int | None) -> None:
        known = b"" if digest is None else b'"##":%d,' % digest
        self._ask(peer, course, node, known, Query(node.soul))

    def _ask_part(self, peer: Peer, course: Course, node: Asked, key: str) -> None:
        if node.part is not None:
            course.drop_question(node, node.part)
        node.part = self._ask(peer, course, node, b"", Query(node.soul, key=key))

    def _ask(self, peer: Peer, course: Course, node: Asked, known: bytes, query: Query) -> str:
        question_id = self._peers.new_id()
        self._dup.remember(question_id, OwnQuestion(peer))
        node.questions.append(question_id)
        course.asked[question_id] = node
        course.said[question_id] = query
        if len(course.said) > self._limits.plain_silences:
            del course.said[next(iter(course.said))]
        self._peers.say(peer, b'{"#":"%b",%b"get":%b}' % (question_id.encode(), known, write_get(query)))
        return question_id
