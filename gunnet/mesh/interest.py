"""
What this relay has asked of the relays that it gets news from, its I{sources}: those above it, and bridges.

Who is asked for something keeps us up to date about it, so each source is asked once a link for each thing
that a peer of ours is subscribed to, also when its link is new. When no peer wants it any more, a source that
is a gunnet relay is told so, after a while::

    {"#":id,"dam":"off","get":{"#":soul,".":key}}

Where relays want something of one another, it is found out first whether any client does
(L{gunnet.mesh.wanted}). If none does, those that are subscribed are told that it is C{over}. One that knows
better, because a client has come meanwhile, asks again; the others end their own interest likewise::

    {"#":id,"dam":"over","get":{"#":soul,".":key}}

Gunnet relays answer whatever they are asked, so a question that one of them does not answer at all was lost,
and is asked again.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec.structs import replace

from gunnet.counters import Counters
from gunnet.graph.answer import Selection
from gunnet.graph.lex import Query, write_get
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.routes import OwnQuestion, Route
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.mesh.unanswered import RETRIES, Unanswered
from gunnet.mesh.wanted import Wanted
from gunnet.store.interface import StoreError
from gunnet.wire.dup import Dup

GREETING_MS = 500.0
"""
A new link is asked for what we want once its greeting is over, when a gunnet relay knows that we are one too
and answers also what needs no answer; or after this time, if nobody greets.
"""

SLICE = 100
"""So many questions are asked of one relay in one turn on our own account."""


class Resync:
    """
    A source that is to be asked for all that our peers want.

    @ivar at: when it is asked even if it has not greeted us, in milliseconds; L{None} before the first turn.
    @ivar queries: what it is still to be asked for; L{None} before it is asked.
    """

    __slots__ = ("at", "queries")

    def __init__(self) -> None:
        self.at: float | None = None
        self.queries: list[Query] | None = None


class Interest:
    """
    Asks the sources, and remembers what for.

    @ivar is_leaf: whether what relays above ask is asked of nobody else. May be set.
    """

    def __init__(
        self,
        graph: Graph,
        peers: Peers,
        subscriptions: Subscriptions,
        dup: Dup[Route],
        limits: Limits,
        counters: Counters,
    ) -> None:
        self._graph = graph
        self._peers = peers
        self._subscriptions = subscriptions
        self._dup = dup
        self._limits = limits
        self._counters = counters
        self.is_leaf = False
        self._resyncs: dict[Peer, Resync] = {}
        self._members: dict[Peer, None] = {}
        self._unanswered: dict[Peer, Unanswered] = {}
        self._unanswered_count = 0
        self._idle: OrderedDict[Query, float | None] = OrderedDict()
        self.wanted = Wanted(peers, subscriptions, limits, counters)
        self._unwanted: list[Query] = []
        self.wanted.on_unwanted = self._unwanted.append

    def __len__(self) -> int:
        """How many questions wait for an answer, things for their end, and sources to be asked."""
        return self._unanswered_count + len(self._idle) + len(self._resyncs) + len(self.wanted)

    # Asking on behalf of a peer

    def sources(self) -> list[Peer]:
        """Those to be asked. Of two links to one relay only one is."""
        relays = [peer for peer in self._peers.sources() if peer.twin is None or not peer.twin.up]
        return [*relays, *(peer for peer in self._members if peer.up)]

    def must_ask(self, peer: Peer, query: Query) -> bool:
        """
        Whether C{peer} does not keep us up to date about C{query} over this link. It does for what it was
        asked for, except that gun.js has no subscriptions to a range of souls.
        """
        asked = peer.asked
        soul = query.soul
        if soul is not None:
            if hash((soul, None)) in asked:
                return False
            if query.key is not None or query.is_whole_node:
                return hash((soul, query.key)) not in asked
        elif not peer.is_gunnet:
            return True
        return _span_hash(query) not in asked or hash(query) not in asked

    def said(self, peer: Peer, query: Query, now: float, *, minded: bool) -> None:
        """
        C{peer} was asked for C{query}.

        @param minded: whether its answer will be told to L{answered}.
        """
        hashes = (hash((query.soul, query.key)),) if _is_plain(query) else (_span_hash(query), hash(query))
        asked = peer.asked
        if len(asked) + len(hashes) > self._limits.upstream_souls:
            self._counters.count("upstream_souls_evicted", len(asked))
            asked = frozenset()
        if isinstance(asked, frozenset):
            asked = peer.asked = set(asked)
        asked.update(hashes)
        if not self._subscriptions.wants(query):
            self.unwanted(query)
        if minded:
            self._mind(peer, query, 0, now)

    def said_too(self, peer: Peer, query: Query, now: float) -> None:
        """
        C{peer} was asked for C{query} as others are. If it is a source, that has subscribed us, so its end is
        to be told to it, too.
        """
        if peer.above or peer.bridge:
            self.said(peer, query, now, minded=False)

    def _mind(self, peer: Peer, query: Query, tries: int, now: float) -> None:
        if self._unanswered_count >= self._limits.interests_unanswered:
            self._counters.count("interests_unanswered_exceeded")
            return
        unanswered = self._unanswered.get(peer)
        if unanswered is None:
            unanswered = self._unanswered[peer] = Unanswered()
        if unanswered.add(query, tries, now):
            self._unanswered_count += 1

    def answered(self, peer: Peer, what: int) -> None:
        """C{peer} has said something to our question for the query with the hash C{what}."""
        unanswered = self._unanswered.get(peer)
        if unanswered is not None and unanswered.remove(what):
            self._unanswered_count -= 1

    # Asking on our own account

    def want(self, query: Query, now: float) -> None:
        """A peer is subscribed to something that it did not ask for: the sources are asked in its place."""
        for source in self.sources():
            self._ask_if_needed(source, query, now)

    def resync(self, peer: Peer) -> None:
        """The link to a source is up, or a peer has become one: ask it for all that our peers want."""
        if len(self._subscriptions):
            self._resyncs[peer] = Resync()

    def add_member(self, peer: Peer) -> None:
        """
        C{peer} is a member of a room that we are in too: no relay, but asked as these are, for what it says
        it may say to nobody else. Both sides do so (gun.js C{lib/webrtc.js}).
        """
        self._members[peer] = None
        self.resync(peer)

    def waiting(self) -> list[Peer]:
        """The sources which L{continue_with} has something to ask of."""
        return [
            peer
            for peer, resync in self._resyncs.items()
            if peer.up and not peer.paused and (resync.queries is not None or peer.pid is not None)
        ]

    def continue_with(self, peer: Peer, now: float) -> None:
        """Ask a source some more."""
        resync = self._resyncs.get(peer)
        if resync is None:
            return
        if resync.queries is None:
            resync.queries = self._subscriptions.queries()
        for query in resync.queries[-SLICE:]:
            if self._subscriptions.is_wanted_without(query, peer):
                self._ask_if_needed(peer, query, now)
        del resync.queries[-SLICE:]
        if not resync.queries:
            del self._resyncs[peer]

    def _ask_if_needed(self, peer: Peer, query: Query, now: float) -> None:
        if not _is_plain(query):
            query = replace(query, budget=float(self._limits.lex_characters))
        if self.must_ask(peer, query):
            self.said(peer, query, now, minded=True)
            self._ask(peer, query)

    def _ask(self, peer: Peer, query: Query) -> None:
        """Ask, with the hash of what we have: it does not come again if it is the same."""
        try:
            chunk = Selection(self._graph, query).chunk(self._limits.answer_bytes)
        except StoreError:
            self._counters.count("store_reads_failed")
            chunk = None
        known = b"" if chunk is None else b'"##":%d,' % chunk[1]
        question_id = self._peers.new_id()
        self._dup.remember(question_id, OwnQuestion(peer, hash(query)))
        self._peers.say(peer, b'{"#":"%b",%b"get":%b}' % (question_id.encode(), known, write_get(query)))

    # The end of an interest

    def unwanted(self, query: Query) -> None:
        """The last client that wanted something has gone, or a relay, and no client is left."""
        if self._peers.relays:
            self._idle.pop(query, None)
            self._idle[query] = None

    def _end_if_unwanted(self, query: Query, now: float) -> None:
        if self._subscriptions.is_wanted_by_client(query):
            return
        still_asked = False
        for peer in list(self._peers.relays.values()):
            if peer.is_gunnet and not peer.asked.isdisjoint(_hashes(query)):
                if self._subscriptions.is_wanted_without(query, peer):
                    still_asked = True
                else:
                    self._end(peer, query, now)
        if still_asked:
            self.wanted.begin(query, now)

    def _end_everywhere(self, query: Query, now: float) -> None:
        """No client wants C{query}: neither ask for it nor give it any more."""
        for peer in self._subscriptions.exactly(query):
            self._subscriptions.end(peer, query)
            self._counters.count("subscriptions_over")
            self._say(peer, b"over", query)
        self._idle.pop(query, None)
        for peer in list(self._peers.relays.values()):
            if peer.is_gunnet:
                self._end(peer, query, now)

    def hear_over(self, peer: Peer, query: Query, now: float) -> None:
        """
        C{peer} knows of no client that wants C{query}, and keeps us up to date about it no more. It is told
        C{off} or asked again in any case, for a question of ours may have been on its way. Of what it was not
        asked for it has nothing to say.
        """
        if peer.asked.isdisjoint(_hashes(query)):
            return
        if not self._subscriptions.is_wanted_by_client(query):
            self._end_everywhere(query, now)
        else:
            peer.asked -= _hashes(query)
            if peer in self.sources():
                self._ask_if_needed(peer, query, now)

    def _end(self, peer: Peer, query: Query, now: float) -> None:
        hashes = _hashes(query)
        if peer.asked.isdisjoint(hashes):
            return
        peer.asked -= hashes
        if query.is_whole_node and query.soul is not None:
            for part in self._subscriptions.queries_of(query.soul):
                if self._subscriptions.is_wanted_without(part, peer):
                    self._ask_if_needed(peer, part, now)
                    if not self._subscriptions.is_wanted_by_client(part):
                        self.unwanted(part)
        self._counters.count("interests_ended")
        self._say(peer, b"off", query)

    def _say(self, peer: Peer, verb: bytes, query: Query) -> None:
        self._peers.say(
            peer, b'{"#":"%b","dam":"%b","get":%b}' % (self._peers.new_id().encode(), verb, write_get(query))
        )

    # Time

    def run(self, now: float) -> None:
        """Ask again what was not answered, and end what nobody has wanted for a while."""
        for peer, resync in self._resyncs.items():
            if resync.at is None:
                resync.at = now + (0.0 if peer.is_gunnet else GREETING_MS)
            if resync.queries is None and resync.at <= now:
                resync.queries = self._subscriptions.queries()
        for peer in [peer for peer in self._unanswered if peer.up and not peer.paused]:
            self._ask_again(peer, self._unanswered[peer], now)
        self.wanted.run(now)
        unwanted, self._unwanted[:] = list(self._unwanted), []
        for query in unwanted:
            if not self._subscriptions.is_wanted_by_client(query):
                self._end_everywhere(query, now)
        self._run_idle(now)

    def _ask_again(self, peer: Peer, unanswered: Unanswered, now: float) -> None:
        again = []
        for query, tries in unanswered.pop_due(now):
            self._unanswered_count -= 1
            if not peer.is_gunnet or self.must_ask(peer, query):
                continue  # gun.js does not say that it knows no better; and an interest may have ended
            if tries < RETRIES:
                again.append((query, tries + 1))
                if len(again) >= SLICE:
                    break
            else:
                self._counters.count("interests_given_up")
                peer.asked -= {hash((query.soul, query.key)), _span_hash(query)}
        for query, tries in again:
            self._counters.count("interests_asked_again")
            self._mind(peer, query, tries, now)
            self._ask(peer, query)
        if not len(unanswered):
            self._unanswered.pop(peer, None)

    def _run_idle(self, now: float) -> None:
        idle = self._idle
        for query in reversed(idle):
            if idle[query] is not None:
                break
            idle[query] = now + self._limits.interest_idle_ms
        ended = 0
        while idle:
            too_many = len(idle) > self._limits.interests_idle
            query, at = next(iter(idle.items()))
            if not too_many and (ended >= SLICE or (at is not None and at > now) or not self.wanted.has_room):
                return
            if too_many:
                self._counters.count("interests_idle_evicted")
            del idle[query]
            ended += 1
            self._end_if_unwanted(query, now)

    @property
    def next_at(self) -> float | None:
        """When L{run} is to be called next, in milliseconds."""
        times = [resync.at for resync in self._resyncs.values() if resync.queries is None]
        times += [
            unanswered.next_at for peer, unanswered in self._unanswered.items() if peer.up and not peer.paused
        ]
        times.append(self.wanted.next_at)
        times += [next(iter(self._idle.values()))] if self._idle and self.wanted.has_room else []
        return min([at for at in times if at is not None], default=None)

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        self.wanted.forget(peer)
        self._members.pop(peer, None)
        self._resyncs.pop(peer, None)
        unanswered = self._unanswered.pop(peer, None)
        if unanswered is not None:
            self._unanswered_count -= len(unanswered)


def _is_plain(query: Query) -> bool:
    """Whether it asks for one property, or for a whole node."""
    return query.key is not None or query.is_whole_node


def _hashes(query: Query) -> set[int]:
    """What stands for C{query} in L{Peer.asked}, whatever its budget."""
    hashes = {_span_hash(query)}
    if _is_plain(query):
        hashes.add(hash((query.soul, query.key)))
    return hashes


def _span_hash(query: Query) -> int:
    """A hash of the spans in which C{query} selects, whatever its budget."""
    soul = query.souls if query.soul is None else query.soul
    return hash((soul, query.keys if query.key is None else query.key, "within"))
