"""
Asking clients back for what they ask for, so that what they wrote while they were cut off gets here.

A gun.js client that lost its link keeps what is written meanwhile in memory and, when it is back, only asks
for all that it is subscribed to (C{src/mesh.js}, at C{hi}); what it wrote it says to nobody. A page that
boots says C{hi} once, along with its first questions, and a client that is back does not. So a peer from
which none came is asked for each thing that it newly asks for, with the hashes of what we would answer, and
says only what differs. What it answers is taken in like any other put.

A client that has a node in memory answers nine names at a time, each with its own hash, and one question
carries one hash. But an answer that a client has heard from somebody else is not given by it again: the id of
the question and the hash decide that (C{src/mesh.js}, C{hear} and C{raw}). So it hears of the other hashes as
answers without data, before it hears the question.
"""

from __future__ import annotations

from collections import deque

from gunnet.counters import Counters
from gunnet.graph.answer import Selection, digest_without_yson, digests_from_memory
from gunnet.graph.lex import Query, write_get
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.routes import OwnQuestion, Route
from gunnet.store.interface import StoreError
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


class _Waiting:
    """
    What one peer is to be asked.

    @ivar at: when the next slice is, in milliseconds.
    """

    __slots__ = ("at", "peer", "queries")

    def __init__(self, peer: Peer, at: float) -> None:
        self.peer = peer
        self.at = at
        self.queries: deque[Query] = deque()


class AskBack:
    """Asks peers back that may have been cut off."""

    def __init__(
        self, graph: Graph, peers: Peers, dup: Dup[Route], limits: Limits, counters: Counters
    ) -> None:
        self._graph = graph
        self._peers = peers
        self._dup = dup
        self._limits = limits
        self._counters = counters
        self._slice = -(-limits.ask_backs // _SLICES)
        self._slice_ms = 1000 * self._slice / limits.ask_backs
        self._count = 0
        # Each in the order of C{at}: all wait equally long before the first slice, and between two slices.
        self._first: dict[Peer, _Waiting] = {}
        self._further: dict[Peer, _Waiting] = {}

    def __len__(self) -> int:
        """How many things wait to be asked."""
        return self._count

    @property
    def next_at(self) -> float | None:
        """When L{run} is to be called next, in milliseconds."""
        waiting = self._next()
        return None if waiting is None else waiting.at

    def note(self, peer: Peer, query: Query, now: float) -> None:
        """C{peer} has subscribed to what it was not subscribed to over this link: it may know better."""
        if query.soul is None or not _may_be_back(peer):
            return
        if self._count >= self._limits.ask_back_names:
            self._counters.count("ask_backs_refused")
            return
        waiting = self._further.get(peer) or self._first.get(peer)
        if waiting is None:
            waiting = self._first[peer] = _Waiting(peer, now + ASK_BACK_MS)
        waiting.queries.append(query)
        self._count += 1

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone, or it need not be asked."""
        waiting = self._first.pop(peer, None) or self._further.pop(peer, None)
        if waiting is not None:
            self._count -= len(waiting.queries)

    def run(self, now: float) -> None:
        """Ask what is due, as much as one turn may."""
        questions, size = TURN_QUESTIONS, TURN_BYTES
        while (waiting := self._next()) is not None and waiting.at <= now and questions > 0 and size > 0:
            peer = waiting.peer
            if not waiting.queries or not _may_be_back(peer):
                self.forget(peer)
                continue
            asked = min(self._slice, questions, len(waiting.queries))
            for _ in range(asked):
                size -= self._ask(peer, waiting.queries.popleft())
            questions -= asked
            self._count -= asked
            self._first.pop(peer, None)
            self._further.pop(peer, None)
            self._further[peer] = waiting
            waiting.at = now + self._slice_ms

    def _next(self) -> _Waiting | None:
        first = next(iter(self._first.values()), None)
        further = next(iter(self._further.values()), None)
        if first is None or further is None:
            return first or further
        return first if first.at < further.at else further

    def _ask(self, peer: Peer, query: Query) -> int:
        """@return: how many bytes had to be read for it."""
        question_id = self._peers.new_id()
        self._dup.remember(question_id, OwnQuestion(peer))
        name = question_id.encode()
        known, digests, size = self._known(query)
        for digest in digests:
            self._peers.say(
                peer, b'{"#":"%b","@":"%b","##":%d}' % (self._peers.new_id().encode(), name, digest)
            )
        self._peers.say(peer, b'{"#":"%b",%b"get":%b}' % (name, known, write_get(query)))
        self._counters.count("ask_backs_sent")
        return size

    def _known(self, query: Query) -> tuple[bytes, list[int], int]:
        """(the hash of our answer as it goes into the question, hashes of parts of it, the size of it)."""
        selection = Selection(self._graph, query)
        digests: list[int] = []
        try:
            chunk = selection.chunk(self._limits.answer_bytes)
            if chunk is None:
                return b"", [], 0
            if query.is_whole_node and query.soul is not None and selection.ended:
                digests = digests_from_memory(query.soul, list(self._graph.cells(query.soul)))
        except StoreError:
            self._counters.count("store_reads_failed")
            return b"", [], 0
        if not selection.ended:
            return b"", [], len(chunk[0])
        digest = digest_without_yson(*chunk)
        return b'"##":%d,' % digest, [other for other in digests if other != digest], len(chunk[0])


def _may_be_back(peer: Peer) -> bool:
    """Whether C{peer} may be a gun.js client whose link was lost for a while."""
    return peer.up and peer.url is None and not peer.said_hi and not peer.is_gunnet
