"""
Finding out whether a client still wants what only gunnet relays are subscribed to.

In a ring each relay may want something for the next one, and so for nobody. So one to which only relays are
subscribed asks them, once its last other peer has gone, and each that does not know asks further::

    -> {"#":id,"dam":"wanted","get":{…},"by":name of the search}
    <- {"#":id,"dam":"wanted","@":id asked,"wanted":bool}

Who is asked a second time in one search says no: whoever is behind it is told of by the first answer. Who
does not answer in time is taken to say yes; whose link is lost, to say no, for its subscription is gone too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from gunnet.counters import Counters
from gunnet.graph.lex import Query, read_get, write_get
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.wire.jstext import string

ANSWER_MS = 10_000.0
"""So long an answer is waited for, and a search is known again."""


class _Search:
    """
    One search, as seen from here.

    @ivar asker: who asked, and C{asked} the id of its question; L{None} if the search was begun here.
    @ivar waiting: the questions that are not answered, by id.
    @ivar wanted: what came of it; L{None} while that is not known.
    @ivar until: when it is over at the latest, in milliseconds.
    """

    __slots__ = ("asked", "asker", "query", "until", "waiting", "wanted")

    def __init__(self, query: Query, asker: Peer | None, asked: str, until: float) -> None:
        self.query = query
        self.asker = asker
        self.asked = asked
        self.until = until
        self.waiting: dict[str, Peer] = {}
        self.wanted: bool | None = None


class Wanted:
    """
    Searches for clients that want something.

    @ivar on_unwanted: called with what no client wants, if the search for it was begun here.
    """

    def __init__(
        self, peers: Peers, subscriptions: Subscriptions, limits: Limits, counters: Counters
    ) -> None:
        self._peers = peers
        self._subscriptions = subscriptions
        self._limits = limits
        self._counters = counters
        self._searches: OrderedDict[str, _Search] = OrderedDict()
        self._questions: dict[str, str] = {}
        self.on_unwanted: Callable[[Query], None] = lambda query: None

    def __len__(self) -> int:
        """How many searches are remembered."""
        return len(self._searches)

    @property
    def has_room(self) -> bool:
        """Whether one more search may be begun."""
        return len(self._searches) < self._limits.searches

    def begin(self, query: Query, now: float) -> None:
        """Find out whether a client of another relay wants C{query}; none here does."""
        if self.has_room:
            self._counters.count("searches_begun")
            self._search(self._peers.new_id(), query, None, "", now)
        else:
            self._counters.count("searches_refused")

    def hear(self, peer: Peer, fields: dict[str, Any], now: float) -> None:
        """
        Take a message with the verb C{wanted}.

        @param fields: of the message, parsed.
        @param now: in milliseconds.
        """
        asked, re, name = fields.get("#"), fields.get("@"), fields.get("by")
        if not peer.is_gunnet or not isinstance(asked, str):
            self._counters.count("wanted_ignored")
        elif re is not None:
            self._hear_answer(peer, re, wanted=fields.get("wanted") is not False)
        elif isinstance(name, str) and 0 < len(name) <= self._limits.id_units:
            query = read_get(fields.get("get"), self._limits)
            if query is not None:
                self._hear_question(peer, asked, name, query, now)

    def _hear_question(self, peer: Peer, asked: str, name: str, query: Query, now: float) -> None:
        search = self._searches.get(name)
        if search is not None:
            self._answer(peer, asked, wanted=search.wanted is True)
        elif self._subscriptions.is_wanted_by_client(query):
            self._answer(peer, asked, wanted=True)
        elif not self.has_room:
            self._counters.count("searches_refused")
            self._answer(peer, asked, wanted=True)
        else:
            self._search(name, query, peer, asked, now)

    def _search(self, name: str, query: Query, asker: Peer | None, asked: str, now: float) -> None:
        search = self._searches[name] = _Search(query, asker, asked, now + ANSWER_MS)
        for peer in self._subscriptions.exactly(query):
            if peer is not asker and peer.up:
                question = self._peers.new_id()
                search.waiting[question] = peer
                self._questions[question] = name
                self._peers.say(
                    peer,
                    b'{"#":"%b","dam":"wanted","get":%b,"by":%b}'
                    % (question.encode(), write_get(query), string(name)),
                )
        self._conclude(search)

    def _hear_answer(self, peer: Peer, re: Any, *, wanted: bool) -> None:
        search = self._searches.get(self._questions.get(re, "")) if isinstance(re, str) else None
        if search is None or search.waiting.get(re) is not peer:
            self._counters.count("wanted_ignored")
            return
        del search.waiting[re], self._questions[re]
        if wanted:
            self._end(search, wanted=True)
        else:
            self._conclude(search)

    def _conclude(self, search: _Search) -> None:
        if not search.waiting and search.wanted is None:
            self._end(search, wanted=False)

    def _end(self, search: _Search, *, wanted: bool) -> None:
        self._close(search, wanted=wanted)
        if search.asker is not None:
            self._answer(search.asker, search.asked, wanted=wanted)
        elif not wanted:
            self.on_unwanted(search.query)

    def _close(self, search: _Search, *, wanted: bool) -> None:
        search.wanted = wanted
        for question in search.waiting:
            del self._questions[question]
        search.waiting.clear()

    def _answer(self, peer: Peer, asked: str, *, wanted: bool) -> None:
        self._peers.say(
            peer,
            b'{"#":"%b","dam":"wanted","@":%b,"wanted":%b}'
            % (self._peers.new_id().encode(), string(asked), b"true" if wanted else b"false"),
        )

    def run(self, now: float) -> None:
        """End the searches that got no answer, and forget those that are old."""
        while self._searches:
            name, search = next(iter(self._searches.items()))
            if search.until > now:
                break
            if search.wanted is None:
                self._counters.count("searches_timed_out")
                self._end(search, wanted=True)
            del self._searches[name]

    @property
    def next_at(self) -> float | None:
        """When L{run} is to be called, in milliseconds; L{None} for not until something happens."""
        return next(iter(self._searches.values())).until if self._searches else None

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        if not peer.is_gunnet:
            return
        for search in list(self._searches.values()):
            if search.asker is peer:
                self._close(search, wanted=True)
            elif peer in search.waiting.values():
                for question in [at for at, asked in search.waiting.items() if asked is peer]:
                    del search.waiting[question], self._questions[question]
                self._conclude(search)
