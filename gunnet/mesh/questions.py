"""
Asking others what could not be answered from the store (gun.js C{lib/axe.js}).

Sources that do not keep us up to date yet are asked in any case. What we have nothing of is offered to other
peers too, the likeliest first, a few at a time, until an answer has come. Who asks the same meanwhile shares
what comes back, and nobody is asked again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import islice

from gunnet.counters import Counters
from gunnet.graph.lex import Query
from gunnet.limits import Limits
from gunnet.mesh.interest import Interest
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, told
from gunnet.mesh.routes import Asking, Question
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.wire.message import rewrite

TURN_MS = 25.0
TURN_PEERS = 3
"""A question is offered to so many peers at a time, so far apart (gun.js C{lib/axe.js})."""

SHARE_MS = 3_000.0
"""For so long others are added to a question that is not answered."""

HOLDERS = 4 * TURN_PEERS
"""So many subscribers are asked before the sources that keep us up to date."""

_WEIGHT = 0.2
_HIT_RATE_MIN = 0.01


class Offer:
    """
    A question that is offered to peers in turns.

    @ivar sources: who is to be asked in any case, in order.
    @ivar others: who is to be asked until an answer has come, in order.
    @ivar at: when the next turn is, in milliseconds.
    """

    __slots__ = ("asking", "at", "others", "question", "sources", "text")

    def __init__(
        self, question: Question, text: bytes, asking: Asking, sources: list[Peer], others: list[Peer]
    ) -> None:
        self.question = question
        self.text = text
        self.asking = asking
        self.sources = deque(sources)
        self.others = deque(others)
        self.at = 0.0


class Questions:
    """Passes questions on."""

    def __init__(
        self,
        peers: Peers,
        subscriptions: Subscriptions,
        interest: Interest,
        limits: Limits,
        counters: Counters,
    ) -> None:
        self._peers = peers
        self._subscriptions = subscriptions
        self._interest = interest
        self._limits = limits
        self._counters = counters
        self._answerers = Answerers(limits, counters)
        self._offers: deque[Offer] = deque()
        self._offer_bytes = 0
        self._open: OrderedDict[Query, tuple[Asking, Question]] = OrderedDict()

    @property
    def size(self) -> int:
        """What their messages have, in bytes."""
        return self._offer_bytes

    def __len__(self) -> int:
        """How many questions are under way."""
        return len(self._offers) + len(self._open)

    @property
    def next_at(self) -> float | None:
        """When L{run} has something to do, in milliseconds."""
        times = [self._offers[0].at] if self._offers else []
        if self._open:
            times.append(next(iter(self._open.values()))[0].ends_at)
        return min(times, default=None)

    def ask(
        self, question: Question, query: Query, text: bytes, seen: frozenset[str], answered: bool, now: float
    ) -> None:
        """
        Ask those who are to keep us up to date, and, if there is no answer here, all who may know.

        @param text: the message as it may be forwarded.
        @param seen: names of those who have the question.
        """
        if question.peer.above and self._interest.is_leaf:
            return
        self._ask_group(question, text, seen)
        if answered and not self._peers.relays:
            question.query = None  # nobody is asked, and tens of thousands are remembered
            return
        sources = self._sources(question, query, seen)
        if answered:
            if sources:
                question.asking = Asking(query, now + SHARE_MS)
                self._offer(Offer(question, text, question.asking, sources, []), now)
            return
        shared = None if question.query is None else self._to_share(query)
        others: list[Peer] = []
        if shared is None:
            asking = Asking(query, now + SHARE_MS)
            others = self._others(question.peer, query, seen, sources)
            if question.query is not None:
                self._let_share(question, asking)
        else:
            self._counters.count("questions_shared")
            asking, first = shared
            asking.askers = asking.askers or [first]
            asking.askers.append(question)
            others = [peer for peer in asking.holders if peer is not question.peer]
            asking.holders = [peer for peer in asking.holders if peer is question.peer]
        if question.digest is not None and question.peer not in asking.asked:
            asking.holders.append(question.peer)
        question.asking = asking
        if sources or others:
            self._offer(Offer(question, text, asking, sources, others), now)

    def flood(self, question: Question, query: Query, text: bytes, seen: frozenset[str], now: float) -> None:
        """Ask every peer that has not seen the question."""
        self._ask_group(question, text, seen)
        asked = [
            peer
            for peer in self._peers.up.values()
            if peer is not question.peer and not peer.is_named_in(seen)
        ]
        if asked:
            text = _forwarded(question, text, asked, None)
            for peer in asked:
                self._interest.said_too(peer, query, now)
                self._peers.say(peer, text)

    def _ask_group(self, question: Question, text: bytes, seen: frozenset[str]) -> None:
        """Ask the local network too, each time, as gun.js does: it keeps nobody up to date."""
        group = self._peers.group.hearer(question.peer)
        if group is not None and not group.is_named_in(seen):
            self._peers.say(group, _forwarded(question, text, [], None))

    # Whom to ask

    def _sources(self, question: Question, query: Query, seen: frozenset[str]) -> list[Peer]:
        """
        Those that do not keep us up to date yet. Whoever has seen the question by another way still has to
        know that we ask, too; gun.js would not hear it, though.
        """
        interest = self._interest
        return [
            peer
            for peer in interest.sources()
            if peer is not question.peer
            and (peer.is_gunnet or not seen or not peer.is_named_in(seen))
            and interest.must_ask(peer, query)
        ]

    def _others(self, asker: Peer, query: Query, seen: frozenset[str], sources: list[Peer]) -> list[Peer]:
        chosen: dict[Peer, None] = {}
        passed_over = {asker, *sources}
        for peer in self._likeliest(query):
            if peer in passed_over or peer in chosen or not peer.up:
                continue
            if seen and peer.is_named_in(seen):
                continue
            twin = peer.twin
            if twin is None or not twin.up or not peer.is_gunnet:
                if len(chosen) >= self._limits.question_peers:
                    self._counters.count("question_peers_exceeded")
                    break
                chosen[peer] = None
        return list(chosen)

    def _likeliest(self, query: Query) -> Iterator[Peer]:
        """All peers, the likeliest to know first; one may come more than once."""
        if query.soul is not None:
            yield from islice(self._subscriptions.to_soul(query.soul), HOLDERS)
        yield from self._interest.sources()
        yield from self._answerers.best()
        yield from self._peers.up.values()

    # Sharing

    def _to_share(self, query: Query) -> tuple[Asking, Question] | None:
        """
        The question about the same that is under way, one that somebody may still answer, and who asked it
        first.
        """
        shared = self._open.get(query)
        if shared is None:
            return None
        asking = shared[0]
        if not asking.offers and not any(peer.up for peer in asking.asked):
            self._end_sharing(asking)
            return None
        if max(1, len(asking.askers)) > self._limits.question_sharers:
            self._counters.count("question_sharers_exceeded")
            return None
        return shared

    def _let_share(self, first: Question, asking: Asking) -> None:
        self._open.pop(asking.query, None)
        self._open[asking.query] = (asking, first)
        if len(self._open) > self._limits.shared_questions:
            self._counters.count("shared_questions_evicted")
            self._open.popitem(last=False)

    def _end_sharing(self, asking: Asking) -> None:
        shared = self._open.get(asking.query)
        if shared is not None and shared[0] is asking:
            del self._open[asking.query]

    def answered(self, peer: Peer, question: Question, digest: str | None, now: float, *, data: bool) -> bool:
        """
        C{peer} has answered a question.

        @param digest: the C{##} of its answer.
        @param data: whether there was data in it.
        @return: whether it was asked, and this is its first answer.
        """
        asking = question.asking
        if asking is None:
            return False
        since = asking.asked.pop(peer, None)
        if since is not None:
            self._answerers.answered(peer, now - since, data=data)
        if data and digest is not None:
            asking.digest = digest
            self._end_sharing(asking)
        return since is not None

    # Turns

    def run(self, now: float) -> None:
        """Offer questions on whose turn has come, and share those no more that are old."""
        while self._offers and self._offers[0].at <= now:
            self._offer(self._next_offer(), now)
        while self._open:
            asking = next(iter(self._open.values()))[0]
            if asking.ends_at > now:
                break
            self._end_sharing(asking)
            asking.asked.clear()

    def _offer(self, offer: Offer, now: float) -> None:
        asking = offer.asking
        asked: list[Peer] = []
        while offer.sources and len(asked) < TURN_PEERS:
            peer = offer.sources.popleft()
            if peer.up and self._interest.must_ask(peer, asking.query):
                self._interest.said(peer, asking.query, now, minded=offer.question.query is not None)
                asked.append(peer)
        if asking.digest is not None:
            offer.others.clear()
        while offer.others and len(asked) < TURN_PEERS:
            peer = offer.others.popleft()
            if peer.up:
                self._interest.said_too(peer, asking.query, now)
                asked.append(peer)
        if asked:
            text = _forwarded(offer.question, offer.text, asked, asking.digest)
            for peer in asked:
                self._peers.say(peer, text)
                if now < asking.ends_at:
                    asking.asked[peer] = now
                self._answerers.asked(peer)
        if offer.sources or offer.others:
            self._go_on(offer, now)

    def _go_on(self, offer: Offer, now: float) -> None:
        offer.at = now + TURN_MS
        self._offers.append(offer)
        self._offer_bytes += len(offer.text)
        offer.asking.offers += 1
        limits = self._limits
        while len(self._offers) > limits.questions or self._offer_bytes > limits.question_bytes:
            self._counters.count("questions_evicted")
            self._next_offer()

    def _next_offer(self) -> Offer:
        offer = self._offers.popleft()
        self._offer_bytes -= len(offer.text)
        offer.asking.offers -= 1
        return offer

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        self._answerers.forget(peer)


class Record:
    """
    How well a peer answers.

    @ivar hit_rate: the part of the questions to it that it answered with data, lately.
    @ivar latency_ms: how long its answers took, lately; L{None} before the first.
    """

    __slots__ = ("hit_rate", "latency_ms")

    def __init__(self) -> None:
        self.hit_rate = 0.0
        self.latency_ms: float | None = None

    @property
    def cost(self) -> float:
        """What asking it costs per answer with data, in milliseconds. Only for one that has given data."""
        return (1.0 + (self.latency_ms or 0.0)) / self.hit_rate


class Answerers:
    """Records of the peers that were asked over their present links, and a bounded list of the best."""

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._records: dict[Peer, Record] = {}
        self._ranked: list[Peer] = []

    def __len__(self) -> int:
        """How many peers there are records of."""
        return len(self._records)

    def asked(self, peer: Peer) -> None:
        """C{peer} was asked: that is a miss until it answers."""
        record = self._records.get(peer)
        if record is None:
            record = self._records[peer] = Record()
        record.hit_rate *= 1 - _WEIGHT
        if 0 < record.hit_rate < _HIT_RATE_MIN:
            record.hit_rate = 0.0
            if peer in self._ranked:
                self._ranked.remove(peer)

    def answered(self, peer: Peer, latency_ms: float, *, data: bool) -> None:
        """C{peer} has answered so long after it was asked."""
        record = self._records.get(peer)
        if record is None:
            return
        before = record.latency_ms
        record.latency_ms = latency_ms if before is None else before + _WEIGHT * (latency_ms - before)
        if data:
            record.hit_rate += _WEIGHT
            if peer not in self._ranked:
                self._rank(peer)

    def _rank(self, peer: Peer) -> None:
        self._ranked.append(peer)
        if len(self._ranked) > self._limits.answerers:
            self._counters.count("answerers_evicted")
            self._ranked = self.best()[:-1]

    def best(self) -> list[Peer]:
        """Those that have given data, best first."""
        return sorted(self._ranked, key=lambda peer: self._records[peer].cost)

    def forget(self, peer: Peer) -> None:
        """Drop the record of C{peer}."""
        if self._records.pop(peer, None) is not None and peer in self._ranked:
            self._ranked.remove(peer)


def _forwarded(question: Question, text: bytes, peers: list[Peer], digest: str | None) -> bytes:
    """
    A question as it goes on: with the names of who has it, and the hash of the answer that is known.

    @param digest: of an answer that came.
    """
    changes = {"><": told([question.peer, *peers])}
    known = digest or question.digest
    if known is not None and known.lstrip("-").isdigit():
        changes["##"] = known.encode("ascii")
    return rewrite(text, changes)
