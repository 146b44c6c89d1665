"""
Asking clients back for what they ask for, so that what they wrote while they were cut off gets here.

A gun.js client that lost its link keeps what is written meanwhile in memory and, when it is back, only asks
for what it is subscribed to (C{src/mesh.js}, at C{hi}); what it wrote it says to nobody. A page that
boots says C{hi} once, along with its first questions, and a client that is back does not. So a peer from
which none came is asked for each thing that it newly asks for, with the hashes of what we would answer, and
says only what differs. What it answers is taken in like any other put.

A client that has a node in memory answers nine names at a time, each with its own hash, and one question
carries one hash. But an answer that a client has heard from somebody else is not given by it again: the id of
the question and the hash decide that (C{src/mesh.js}, C{hear} and C{raw}). So it hears of the other hashes as
answers without data, before it hears the question.

B{Behind links.} Properties of a node that it reached by a link, gun.js does not ask for again: where
C{get('deep').get('a')} led to C{deep/a}, it asks for C{a} of C{deep} and for nothing of C{deep/a}
(C{src/chain.js} has no entry in C{ask} for what was not known when it was asked for). So links are followed,
those that stand here in what the client asked for and those in what it answers: it is asked for each linked
node once a link, and, because it is as silent about what is equal as about what it does not have, also for
one property of it, without a hash. If it answers, it has the node. Then it is subscribed to that node, told
what of it we have and it does not, and the links in it are followed in turn; so the search ends where the
memory of the client does.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from msgspec.structs import replace

from gunnet.counters import Counters
from gunnet.graph.answer import Selection, in_order, is_hash_of, render
from gunnet.graph.lex import Query, Span, write_get
from gunnet.graph.merge import Graph
from gunnet.graph.node import has_links, linked_soul, read_put
from gunnet.limits import Limits
from gunnet.mesh.behind import Souls, Standing
from gunnet.mesh.hashes import hashes_of
from gunnet.mesh.interest import Interest
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.routes import OwnQuestion, Push, Route
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.store.interface import StoreError
from gunnet.wire import jstext
from gunnet.wire.dup import Dup

ASK_BACK_MS = 100.0
"""
So long after its first question a peer is asked: by then it has our answers, so that its own is not older
data, and C{hi}, which gun.js sends among its first questions in any order, would have come.
"""

TURN_QUESTIONS = 200
TURN_BYTES = 1_000_000
"""In one turn so many questions are asked of all peers, or, if that is less, what takes so much reading."""

_SLICES = 40
"""A peer is asked in so many slices per second."""


class _Task(Enum):
    """
    What is to be done with something that waits.

    @cvar ASK: the peer asked for it; it is asked too, and links in it are followed.
    @cvar ASK_LINKED: a link led to it; the peer is asked for it, and whether it has it.
    @cvar FOLLOW: the peer has it; links in it are followed.
    """

    ASK = 0
    ASK_LINKED = 1
    FOLLOW = 2


class _Waiting:
    """
    What one peer is to be asked.

    @ivar at: when the next slice is, in milliseconds.
    @ivar question: one for all that it is asked, but for whether it has a node.
    """

    __slots__ = ("at", "peer", "question", "tasks")

    def __init__(self, peer: Peer, at: float) -> None:
        self.peer = peer
        self.question = OwnQuestion(peer)
        self.at = at
        self.tasks: deque[tuple[_Task, Query]] = deque()


class AskBack:
    """Asks peers back that may have been cut off."""

    def __init__(
        self,
        graph: Graph,
        peers: Peers,
        subscriptions: Subscriptions,
        interest: Interest,
        dup: Dup[Route],
        limits: Limits,
        counters: Counters,
    ) -> None:
        self._graph = graph
        self._peers = peers
        self._subscriptions = subscriptions
        self._interest = interest
        self._dup = dup
        self._limits = limits
        self._counters = counters
        self._slice = -(-limits.ask_backs // _SLICES)
        self._slice_ms = 1000 * self._slice / limits.ask_backs
        self._count = self._size = 0
        # Each in the order of C{at}: all wait equally long before the first slice, and between two slices.
        self._first: dict[Peer, _Waiting] = {}
        self._further: dict[Peer, _Waiting] = {}
        self._souls = Souls(limits, counters)

    def __len__(self) -> int:
        """How many things wait to be asked."""
        return self._count

    @property
    def souls(self) -> int:
        """How many souls are remembered as asked for, of all peers."""
        return len(self._souls)

    @property
    def next_at(self) -> float | None:
        """When L{run} is to be called next, in milliseconds."""
        waiting = self._next()
        return None if waiting is None else waiting.at

    # What there is to ask

    def note(self, peer: Peer, query: Query, now: float) -> None:
        """C{peer} has subscribed to what it was not subscribed to over this link: it may know better."""
        if query.soul is None or not _may_be_back(peer):
            return
        if query.is_whole_node:
            standing = self._souls.find(peer, query.soul)
            if standing is not None or self._souls.has_room(peer):
                self._souls.note(peer, query.soul, Standing.TOLD)
            if standing is not None:
                if standing is Standing.ASKED:
                    self._add(peer, _Task.FOLLOW, query, now)
                return
        self._add(peer, _Task.ASK, query, now)

    def heard(self, peer: Peer, question: OwnQuestion, put: bytes, digest: str | None, now: float) -> None:
        """
        C{peer} has answered a question of ours with data, which was taken in.

        @param put: the JSON text of C{put}.
        @param digest: the C{##} of the answer.
        """
        if question.peer is not peer or not _may_be_back(peer):
            return
        souls: dict[str, list[str]] = {}
        links = []
        for soul, key, _, value in read_put(put, self._limits):
            souls.setdefault(soul, []).append(key)
            links.append(linked_soul(value))
        for soul, keys in souls.items():
            self._has(peer, soul, keys, question.held, digest, now)
        for link in links:
            self._follow(peer, link, now)

    def _has(
        self, peer: Peer, soul: str, keys: list[str], held: str | None, digest: str | None, now: float
    ) -> None:
        """C{peer} has shown that it has these C{keys} of a node."""
        standing = self._souls.find(peer, soul)
        if standing is None:
            return
        if standing is Standing.ASKED:
            query = Query(soul)
            self._souls.note(peer, soul, Standing.HELD)
            if self._subscriptions.add(peer, query):
                self._interest.want(query, now)
            self._add(peer, _Task.FOLLOW, query, now)
            if held is not None:
                # Silent about the rest, it has all that we had when it was asked; but that may have changed.
                self._tell(peer, soul, keys, held)
        if held is None and standing is not Standing.TOLD:
            self._souls.note(peer, soul, Standing.TOLD)
            self._tell(peer, soul, keys, digest)

    def _tell(self, peer: Peer, soul: str, keys: list[str], known: str | None) -> None:
        """
        Say a node, or if it is long, only these C{keys} of it.

        @param known: text of the hash of what C{peer} has.
        """
        selection = Selection(self._graph, Query(soul))
        try:
            chunk = selection.chunk(self._limits.answer_bytes)
            if chunk is not None and not selection.ended:
                cells = [(key, self._graph.known(soul, key)) for key in keys]
                text = render(in_order({soul: [(key, cell) for key, cell in cells if cell is not None]}))
                chunk = text, jstext.string_hash(text)
        except StoreError:
            self._counters.count("store_reads_failed")
            return
        if chunk is None or (known is not None and is_hash_of(known, *chunk)):
            return
        update = self._peers.new_id()
        self._dup.remember(update, Push(()))
        self._peers.say(peer, b'{"#":"%b","put":%b}' % (update.encode(), chunk[0]))
        self._counters.count("updates_sent")

    def _follow(self, peer: Peer, soul: str | None, now: float) -> None:
        """Ask C{peer} for the node behind a link, unless it was asked for it."""
        if soul is None or self._souls.find(peer, soul) is not None:
            return
        if 4 * len(soul) > self._limits.name_bytes and len(jstext.utf8(soul)) > self._limits.name_bytes:
            return  # no such node can be
        if self._souls.has_room(peer) and self._add(peer, _Task.ASK_LINKED, Query(soul), now):
            self._souls.note(peer, soul, Standing.ASKED)

    def _add(self, peer: Peer, task: _Task, query: Query, now: float) -> bool:
        size = query.length
        limits = self._limits
        if self._count >= limits.ask_back_names or self._size + size > limits.ask_back_bytes:
            self._counters.count("ask_backs_refused")
            return False
        waiting = self._further.get(peer) or self._first.get(peer)
        if waiting is None and task is _Task.ASK:
            waiting = self._first[peer] = _Waiting(peer, now + ASK_BACK_MS)
        elif waiting is None:
            waiting = self._further[peer] = _Waiting(peer, now + self._slice_ms)
        waiting.tasks.append((task, query))
        self._count += 1
        self._size += size
        return True

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone, or it need not be asked."""
        self._souls.forget(peer)
        waiting = self._first.pop(peer, None) or self._further.pop(peer, None)
        if waiting is not None:
            self._count -= len(waiting.tasks)
            self._size -= sum([query.length for _, query in waiting.tasks])

    # Asking

    def run(self, now: float) -> None:
        """Ask what is due, as much as one turn may."""
        questions, size = TURN_QUESTIONS, TURN_BYTES
        while (waiting := self._next()) is not None and waiting.at <= now and questions > 0 and size > 0:
            peer = waiting.peer
            if not _may_be_back(peer):
                self.forget(peer)
                continue
            asked = min(self._slice, questions, len(waiting.tasks))
            for _ in range(asked):
                size -= self._do(waiting, *self._take(waiting), now)
            questions -= asked
            self._first.pop(peer, None)
            self._further.pop(peer, None)
            if asked:
                self._further[peer] = waiting
                waiting.at = now + self._slice_ms

    def _next(self) -> _Waiting | None:
        first = next(iter(self._first.values()), None)
        further = next(iter(self._further.values()), None)
        if first is None or further is None:
            return first or further
        return first if first.at < further.at else further

    def _take(self, waiting: _Waiting) -> tuple[_Task, Query]:
        task, query = waiting.tasks.popleft()
        self._count -= 1
        self._size -= query.length
        return task, query

    def _do(self, waiting: _Waiting, task: _Task, query: Query, now: float) -> int:
        """@return: how many bytes had to be read for it."""
        size = 0
        if task is not _Task.FOLLOW:
            size += self._ask(waiting, query, is_held=task is _Task.ASK_LINKED)
        if task is not _Task.ASK_LINKED and query.budget is None:
            size += self._follow_links(waiting.peer, query, now)
        return size

    def _ask(self, waiting: _Waiting, query: Query, *, is_held: bool) -> int:
        """
        @param is_held: whether it is also to be found out if the peer has that node.
        @return: how many bytes had to be read for it.
        """
        peer = waiting.peer
        known = hashes_of(self._graph, query, self._limits, self._counters, is_held=is_held)
        question_id = self._new_question(waiting.question)
        name = question_id.encode()
        for digest in known.parts:
            self._peers.say(
                peer, b'{"#":"%b","@":"%b","##":%d}' % (self._peers.new_id().encode(), name, digest)
            )
        has = b"" if known.digest is None else b'"##":%d,' % known.digest
        self._peers.say(peer, b'{"#":"%b",%b"get":%b}' % (name, has, write_get(query)))
        self._counters.count("ask_backs_sent")
        if is_held and known.digest is not None and known.least is not None:
            name = self._new_question(OwnQuestion(peer, held=str(known.digest))).encode()
            get = write_get(replace(query, key=known.least))
            self._peers.say(peer, b'{"#":"%b","get":%b}' % (name, get))
        return known.size

    def _new_question(self, question: OwnQuestion) -> str:
        question_id = self._peers.new_id()
        self._dup.remember(question_id, question)
        return question_id

    def _follow_links(self, peer: Peer, query: Query, now: float) -> int:
        """
        Follow the links in a node, or in a property of it, that stand here; in a long one, later on from
        where this left off.

        @return: how many bytes had to be read for it.
        """
        soul = query.soul or ""
        node = self._graph.node(soul) if query.is_whole_node else None
        if node is not None and node.text is not None and not has_links(node.text):
            return len(node.text)
        size = 0
        try:
            if query.key is not None:
                cell = self._graph.known(soul, query.key)
                cells = iter([] if cell is None else [(query.key, cell)])
            else:
                cells = self._graph.cells(soul, query.keys)
            for key, (_, value) in cells:
                if size > self._limits.answer_bytes:
                    self._add(peer, _Task.FOLLOW, Query(soul, keys=Span(first=key)), now)
                    break
                size += len(key) + len(value)
                self._follow(peer, linked_soul(value), now)
        except StoreError:
            self._counters.count("store_reads_failed")
        return size


def _may_be_back(peer: Peer) -> bool:
    """Whether C{peer} may be a gun.js client whose link was lost for a while."""
    return peer.up and peer.url is None and not peer.said_hi and not peer.is_gunnet
