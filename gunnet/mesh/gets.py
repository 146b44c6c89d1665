"""
Serving gets: subscribe, answer from what is known, and ask others (gun.js C{src/root.js},
C{get}, and C{lib/axe.js}).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from gunnet.counters import Counters
from gunnet.graph.answer import Selection, is_hash_of
from gunnet.graph.lex import Query
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.mesh.axe import Subscriptions
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, read_told, told
from gunnet.mesh.routes import OwnQuestion, Question, Route
from gunnet.store.interface import StoreError
from gunnet.wire.dup import Dup
from gunnet.wire.jstext import string
from gunnet.wire.message import Message, rewrite

TURN_MS = 25.0
TURN_PEERS = 3
"""A question is offered to so many peers at a time, so far apart (gun.js C{lib/axe.js})."""

RESYNC_SOULS = 100
"""So many subscriptions are asked of a new upstream link in one turn."""

LONG_NAMES = 256
"""
What a get asks for is remembered, so that who answers it is subscribed too; not if it is longer than this,
for the id memory is bounded by count.
"""

NOT_READ = "Error: The relay could not read this."


class Stream:
    """A long answer under way. @ivar next_id: the id that the last chunk announced for the next one."""

    __slots__ = ("next_id", "question", "selection")

    def __init__(self, question: Question, selection: Selection, next_id: str) -> None:
        self.question = question
        self.selection = selection
        self.next_id = next_id


class Gets:
    """Answers questions, and passes them on."""

    def __init__(
        self,
        graph: Graph,
        peers: Peers,
        subscriptions: Subscriptions,
        dup: Dup[Route],
        limits: Limits,
        counters: Counters,
        *,
        axe: bool,
    ) -> None:
        """
        @param axe: whether questions go to those who may know; else they go to everybody.
        """
        self._graph = graph
        self._peers = peers
        self._subscriptions = subscriptions
        self._dup = dup
        self._limits = limits
        self._counters = counters
        self._axe = axe
        self._unfinished: dict[str, Peer] = {}
        self._offers: deque[Offer] = deque()
        self._offer_bytes = 0
        self._resyncs: dict[str, list[tuple[str, str | None]]] = {}

    @property
    def next_at(self) -> float | None:
        """When the next question is to be offered on, in milliseconds."""
        return self._offers[0].at if self._offers else None

    def serve(self, question: Question, message: Message, text: bytes, now: float) -> None:
        """
        Answer a question, and ask others.

        @param text: the message as it may be forwarded.
        @param now: in milliseconds.
        """
        self._counters.count("gets_served")
        query = question.query
        if query is not None and query.soul is not None:
            self._subscribe(question.peer, query)
        answered = query is not None and self._answer(question, query)
        if not answered:
            self._peers.say(
                question.peer, b'{"#":"%b","@":%b}' % (self._peers.new_id().encode(), string(question.id))
            )
        if query is None or message.private or message.private_too:
            return
        if len(query.soul or "") + len(query.key or "") > LONG_NAMES:
            question.query = None
        seen = read_told(message.told)
        if self._axe:
            self._route(question, query, text, seen, answered, now)
        else:
            self._flood(question, text, seen)

    def _subscribe(self, peer: Peer, query: Query) -> None:
        soul = query.soul
        if soul is not None:
            self._subscriptions.add(peer, soul, query.key)

    def answered_by(self, peer: Peer, question: Question) -> None:
        """C{peer} gave data for C{question}: it is subscribed to the same, as with gun.js."""
        if question.query is not None and peer.url is None:
            self._subscribe(peer, question.query)

    def _answer(self, question: Question, query: Query) -> bool:
        """@return: whether there is anything to answer with."""
        selection = Selection(self._graph, query)
        try:
            chunk = selection.chunk(self._limits.answer_bytes)
        except StoreError:
            self._cannot_read(question)
            return True
        if chunk is None:
            return False
        next_id = "" if selection.ended else self._peers.new_id()
        self._say_chunk(question, self._peers.new_id(), chunk, next_id)
        if next_id:
            question.peer.streams.append(Stream(question, selection, next_id))
            self._unfinished[question.peer.id] = question.peer
        return True

    def _say_chunk(self, question: Question, chunk_id: str, chunk: tuple[bytes, int], next_id: str) -> None:
        put, digest = chunk
        asked = question.digest
        if asked is None:
            question.digest = str(digest)
        elif is_hash_of(asked, put, digest):
            self._counters.count("answers_known_already")
            return
        more = b'"%%":"%b",' % next_id.encode() if next_id else b""
        self._peers.say(
            question.peer,
            b'{"#":"%b","##":%d,"@":%b,%b"put":%b}'
            % (chunk_id.encode(), digest, string(question.id), more, put),
        )

    def _cannot_read(self, question: Question) -> None:
        self._counters.count("store_reads_failed")
        self._peers.say(
            question.peer,
            b'{"#":"%b","@":%b,"err":%b}'
            % (self._peers.new_id().encode(), string(question.id), string(NOT_READ)),
        )

    def waiting(self) -> list[Peer]:
        """The peers to which there is more to say than fitted into one turn."""
        return [peer for peer in self._unfinished.values() if peer.up and not peer.paused]

    def continue_with(self, peer: Peer) -> None:
        """Say some more to C{peer}: the next chunk of its oldest long answer, or questions after a resync."""
        names = self._resyncs.get(peer.id)
        if peer.streams and peer.outbox.size <= self._limits.answer_bytes:
            self._continue(peer, peer.streams[0])
        if names:
            for soul, key in names[-RESYNC_SOULS:]:
                self._ask_again(peer, Query(soul, key=key))
            del names[-RESYNC_SOULS:]
        if not peer.streams and not names:
            self.forget(peer)

    def forget(self, peer: Peer) -> None:
        """There is nothing more to say to C{peer}, or no way to."""
        self._unfinished.pop(peer.id, None)
        self._resyncs.pop(peer.id, None)

    def _continue(self, peer: Peer, stream: Stream) -> None:
        try:
            chunk = stream.selection.chunk(self._limits.answer_bytes)
        except StoreError:
            self._cannot_read(stream.question)
            peer.streams.popleft()
            return
        chunk_id = stream.next_id
        if stream.selection.ended or chunk is None:
            peer.streams.popleft()
            stream.next_id = ""
        else:
            stream.next_id = self._peers.new_id()
        if chunk is not None:
            self._say_chunk(stream.question, chunk_id, chunk, stream.next_id)

    def _flood(self, question: Question, text: bytes, seen: frozenset[str]) -> None:
        """Ask every peer that has not seen the question."""
        asked = [
            peer
            for peer in self._peers.up.values()
            if peer is not question.peer and not peer.is_named_in(seen)
        ]
        if asked:
            text = _forwarded(question, text, asked)
            for peer in asked:
                self._peers.say(peer, text)

    def _route(
        self,
        question: Question,
        query: Query,
        text: bytes,
        seen: frozenset[str],
        answered: bool,
        now: float,
    ) -> None:
        """Ask the upstreams, unless they keep us up to date already; on a miss offer it to the others too."""
        peers = self._peers
        upstreams = [
            peer
            for peer in peers.upstreams.values()
            if peer.up
            and peer is not question.peer
            and not peer.is_named_in(seen)
            and (self._must_ask(peer, query) or not answered)
        ]
        if upstreams:
            text = _forwarded(question, text, upstreams)
            for peer in upstreams:
                peers.say(peer, text)
        if answered:
            return
        candidates = (peer for peer in self._holders(query) if peer.url is None)
        self._run_offer(Offer(question, text, self._others(candidates, question.peer, seen)), now)

    def _must_ask(self, upstream: Peer, query: Query) -> bool:
        """Whether C{upstream} does not keep us up to date about C{query} over this link."""
        asked = upstream.asked
        soul = query.soul or ""
        whole, part = hash((soul, None)), hash((soul, query.key))
        if whole in asked or (query.key is not None and part in asked):
            return False
        if query.key is not None or query.is_whole_node:
            if len(asked) >= self._limits.upstream_souls:
                self._counters.count("upstream_souls_evicted", len(asked))
                asked.clear()
            asked.add(part)
        return True

    def _holders(self, query: Query) -> Iterable[Peer]:
        """All peers, those that are subscribed to the soul first."""
        if query.soul is not None:
            yield from self._subscriptions.to_soul(query.soul)
        yield from self._peers.up.values()

    def _others(self, candidates: Iterable[Peer], asker: Peer, seen: frozenset[str]) -> deque[Peer]:
        chosen: dict[Peer, None] = {}
        for peer in candidates:
            if peer is not asker and not peer.is_named_in(seen):
                if len(chosen) >= self._limits.question_peers:
                    self._counters.count("question_peers_exceeded")
                    break
                chosen[peer] = None
        return deque(chosen)

    def run_offers(self, now: float) -> None:
        """Offer questions on whose turn has come."""
        while self._offers and self._offers[0].at <= now:
            offer = self._next_offer()
            if offer.question.digest is None:
                self._run_offer(offer, now)

    def _run_offer(self, offer: Offer, now: float) -> None:
        asked: list[Peer] = []
        while offer.candidates and len(asked) < TURN_PEERS:
            peer = offer.candidates.popleft()
            if peer.up:
                asked.append(peer)
        if asked:
            text = _forwarded(offer.question, offer.text, asked)
            for peer in asked:
                self._peers.say(peer, text)
        if offer.candidates:
            offer.at = now + TURN_MS
            self._offers.append(offer)
            self._offer_bytes += len(offer.text)
            limits = self._limits
            while len(self._offers) > limits.questions or self._offer_bytes > limits.question_bytes:
                self._counters.count("questions_evicted")
                self._next_offer()

    def _next_offer(self) -> Offer:
        offer = self._offers.popleft()
        self._offer_bytes -= len(offer.text)
        return offer

    def resync(self, upstream: Peer) -> None:
        """The link to an upstream is up: ask it, bit by bit, for all that our peers are subscribed to."""
        if len(self._subscriptions):
            self._resyncs[upstream.id] = self._subscriptions.names()
            self._unfinished[upstream.id] = upstream

    def _ask_again(self, upstream: Peer, query: Query) -> None:
        if not self._must_ask(upstream, query):
            return
        try:
            chunk = Selection(self._graph, query).chunk(self._limits.answer_bytes)
        except StoreError:
            self._counters.count("store_reads_failed")
            chunk = None
        known = b"" if chunk is None else b'"##":%d,' % chunk[1]
        key = b"" if query.key is None else b',".":%b' % string(query.key)
        question_id = self._peers.new_id()
        self._dup.remember(question_id, OwnQuestion(upstream))
        self._peers.say(
            upstream,
            b'{"#":"%b",%b"get":{"#":%b%b}}' % (question_id.encode(), known, string(query.soul or ""), key),
        )


class Offer:
    """
    A question that is offered to peers in turns until an answer has come.

    @ivar candidates: who is still to be asked, in order.
    @ivar at: when the next turn is, in milliseconds.
    """

    __slots__ = ("at", "candidates", "question", "text")

    def __init__(self, question: Question, text: bytes, candidates: deque[Peer]) -> None:
        self.question = question
        self.text = text
        self.candidates = candidates
        self.at = 0.0


def _forwarded(question: Question, text: bytes, peers: list[Peer]) -> bytes:
    """The question as it goes on: with the hash of the answer that is known, and the names of who has it."""
    changes = {"><": told([question.peer, *peers])}
    if question.digest is not None and question.digest.lstrip("-").isdigit():
        changes["##"] = question.digest.encode("ascii")
    return rewrite(text, changes)
