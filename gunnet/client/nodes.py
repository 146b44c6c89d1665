"""
What the chain has heard of the graph, for as long as somebody watches it.

Each thing that is watched is a I{want}: it is asked of the local node once, which subscribes the chain, and
ended when nobody watches it any more. What is here is no more than that: the graph itself is the node's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gunnet.client.errors import Busy
from gunnet.client.values import Cell, matches
from gunnet.counters import Counters
from gunnet.graph.ham import Verdict, decide
from gunnet.graph.lex import Query, write_get
from gunnet.limits import Limits
from gunnet.sea.puts import owner_of, unpacked
from gunnet.wire import jstext

LACK_SECONDS = 9.0
"""So long unknown data is waited for, if not all peers say that they do not have it (gun.js C{lack})."""


class Watcher(Protocol):
    """Who is told of a want."""

    def changed(self, keys: set[str]) -> None:
        """
        These keys, of those that are wanted, have other values now; or they are heard of first. None: it is
        known now that there is no more.
        """

    def missing(self) -> None:
        """There is nothing of what is wanted, as far as can be known now."""


class Node:
    """
    What is known of one node.

    @ivar soul: its soul.
    @ivar cells: key to (state, value on the wire, value).
    @ivar wants: what is wanted of it.
    """

    __slots__ = ("_signed", "cells", "soul", "wants")

    def __init__(self, soul: str) -> None:
        self.soul = soul
        self.cells: dict[str, tuple[float, Any, Any]] = {}
        self.wants: dict[Query, Want] = {}
        self._signed = owner_of(soul) is not None

    def take(self, key: str, state: float, raw: Any) -> bool:
        """Let a write stand or fall, as HAM says. @return: whether it stands, and was not known."""
        known = self.cells.get(key)
        if known is not None and state <= known[0]:
            if state < known[0] or raw == known[1]:
                return False
            standing = (known[0], jstext.stringify(known[1]))
            if decide(state, jstext.stringify(raw), standing, state) is not Verdict.TAKE:
                return False
        self.cells[key] = (state, raw, unpacked(raw) if self._signed else raw)
        return True

    def keys(self, query: Query) -> set[str]:
        """The keys that are known of what C{query} selects."""
        if query.key is not None:
            return {query.key} & self.cells.keys()
        return {key for key in self.cells if matches(query, key)}

    def values(self, query: Query) -> dict[str, Any]:
        """Key to value of what C{query} selects."""
        return {key: cell[2] for key, cell in self.cells.items() if matches(query, key)}

    def wire(self, query: Query) -> dict[str, Any]:
        """The same, as it stands on the wire."""
        keys = sorted(self.keys(query))
        states = {key: self.cells[key][0] for key in keys}
        return {"_": {"#": self.soul, ">": states}, **{key: self.cells[key][1] for key in keys}}


class Want:
    """
    Something that is watched.

    @ivar node: of which node.
    @ivar query: what of it.
    @ivar watchers: who is told, and whether each was told what was known when it came.
    @ivar heard: whether the local node has answered.
    @ivar settled: whether something is known of it, or that there is nothing.
    @ivar since: since when it is as it is known, seconds; infinity while more of an answer is announced.
    """

    __slots__ = ("asked", "heard", "lack", "misses", "node", "query", "settled", "since", "watchers")

    def __init__(self, node: Node, query: Query) -> None:
        self.node = node
        self.query = query
        self.watchers: dict[Watcher, bool] = {}
        self.asked = ""
        self.misses = 0
        self.heard = self.settled = False
        self.since = 0.0
        self.lack: IDelayedCall | None = None

    @property
    def keys(self) -> set[str]:
        """What is known of it; of more than one property only if the local node has said what it has."""
        return self.node.keys(self.query) if self.heard or self.query.key is not None else set()


class Nodes:
    """
    All that is watched.

    @ivar counters: what was refused.
    @ivar lacking: whether a peer may still come to say something: (how many are linked, whether more may be
        soon). To be set.
    @ivar own: what was written here to a soul and is not confirmed yet. To be set.
    """

    def __init__(
        self,
        say: Callable[[bytes], None],
        new_id: Callable[[], str],
        reactor: IReactorTime,
        limits: Limits,
        counters: Counters,
    ) -> None:
        """
        @param say: says a message to the local node.
        """
        self._say = say
        self._new_id = new_id
        self._reactor = reactor
        self._limits = limits
        self.counters = counters
        self._nodes: dict[str, Node] = {}
        self._asked: dict[str, Want] = {}
        self._again: dict[str, tuple[str, str]] = {}
        self._wants = 0
        self.lacking: Callable[[], tuple[int, bool]] = lambda: (0, False)
        self.own: Callable[[str], Iterable[Cell]] = lambda _soul: ()

    def __len__(self) -> int:
        """How many wants there are."""
        return self._wants

    # Watching

    def watch(self, query: Query, watcher: Watcher) -> Want:
        """
        Tell C{watcher} of what C{query} selects, from now on; never at once.

        @param query: of one node.
        @raise Busy: too much is watched.
        """
        assert query.soul is not None
        node = self._nodes.get(query.soul)
        want = None if node is None else node.wants.get(query)
        if node is None or want is None:
            if self._wants >= self._limits.peer_subscriptions:
                self.counters.count("client_wants_refused")
                raise Busy(f"{self._wants} things are watched, more are not possible")
            if node is None:
                node = self._nodes[query.soul] = Node(query.soul)
                for _, key, state, raw in self.own(query.soul):
                    node.take(key, state, raw)
            want = node.wants[query] = Want(node, query)
            self._wants += 1
            self._ask(want)
        want.watchers[watcher] = False
        if want.settled or want.keys:
            self._reactor.callLater(0, self._tell_first, want, watcher)
        return want

    def unwatch(self, want: Want, watcher: Watcher) -> None:
        """Tell C{watcher} no more."""
        if want.watchers.pop(watcher, None) is None or want.watchers:
            return
        node = want.node
        self._wants -= 1
        del node.wants[want.query]
        if not node.wants:
            del self._nodes[node.soul]
        self._asked.pop(want.asked, None)
        self._stop_waiting(want)
        self._say(b'{"#":"%b","dam":"off","get":%b}' % (self._new_id().encode(), write_get(want.query)))

    def _tell_first(self, want: Want, watcher: Watcher) -> None:
        if want.watchers.get(watcher) is False:
            if want.keys:
                self._tell_one(want, watcher, set())
            elif want.settled:
                watcher.missing()

    def _tell_one(self, want: Want, watcher: Watcher, keys: set[str]) -> None:
        told = want.watchers.get(watcher)
        if told is not None:
            want.watchers[watcher] = True
            watcher.changed(keys if told else want.keys)

    # Asking

    def _ask(self, want: Want) -> None:
        self._asked.pop(want.asked, None)
        want.asked = self._new_id()
        want.misses = 0
        self._asked[want.asked] = want
        if want.lack is None and not want.settled:
            want.lack = self._reactor.callLater(LACK_SECONDS, self._lack, want)
        self._say(b'{"#":"%b","get":%b}' % (want.asked.encode(), write_get(want.query)))

    def ask_all(self) -> None:
        """The link to the local node is new: ask for everything."""
        for want in self._all():
            self._ask(want)

    def ask_unknown(self) -> None:
        """A peer has come: ask for what nobody knew."""
        for want in self._all():
            if not want.keys:
                want.settled = False
                self._ask(want)

    def look_again(self) -> None:
        """A peer has gone, or none is waited for any more."""
        for want in self._all():
            if want.heard:
                self._settle(want)

    def _all(self) -> list[Want]:
        return [want for node in self._nodes.values() for want in node.wants.values()]

    def _lack(self, want: Want) -> None:
        want.lack = None
        want.heard = True
        self._settle(want, lacks=True)

    def _settle(self, want: Want, *, lacks: bool = False) -> None:
        """See whether it is known by now what there is of a want."""
        if want.settled:
            return
        has_data = bool(want.keys)
        linked, may_come = self.lacking()
        if not has_data and not lacks and (may_come or want.misses <= linked):
            return
        want.settled = True
        self._stop_waiting(want)
        if not has_data:
            for watcher in list(want.watchers):
                if watcher in want.watchers:
                    watcher.missing()

    def _stop_waiting(self, want: Want) -> None:
        if want.lack is not None:
            want.lack.cancel()
            want.lack = None

    # Hearing

    def hear(self, message: dict[str, Any]) -> None:
        """Take a message of the local node that has C{put}, or answers a question."""
        answered = message.get("@")
        put = message.get("put")
        changed = self._take(put) if isinstance(put, dict) else {}
        again = self._again.pop(answered, None) if isinstance(answered, str) else None
        if again is not None and again[0] in self._nodes:
            changed.setdefault(self._nodes[again[0]], set()).add(again[1])
        want = self._asked.get(answered) if isinstance(answered, str) else None
        if want is not None:
            self._hear_answer(want, message, changed)
        else:
            self._tell(changed)

    def _hear_answer(self, want: Want, message: dict[str, Any], changed: dict[Node, set[str]]) -> None:
        first, want.heard = not want.heard, True
        had_more = has_more = want.since == inf
        if "put" not in message:
            want.misses += 1
        if "put" in message or "err" in message:  # that one peer has nothing ends no answer of another
            has_more = "%" in message
        if first or had_more or has_more:
            want.since = inf if has_more else self._reactor.seconds()
        self._tell(changed)
        self._settle(want)
        for watcher in list(want.watchers):
            if first:
                self._tell_first(want, watcher)
            elif had_more and not has_more and want.node not in changed:
                self._tell_one(want, watcher, set())

    def _take(self, put: dict[str, Any]) -> dict[Node, set[str]]:
        changed: dict[Node, set[str]] = {}
        for soul, fields in put.items():
            node = self._nodes.get(soul)
            if node is not None:
                states = fields["_"][">"]
                keys = {key for key in states if node.take(key, states[key], fields[key])}
                if keys:
                    changed[node] = keys
        return changed

    def wrote(self, cells: Iterable[Cell]) -> None:
        """Something was written here: it is seen at once, as in gun.js."""
        changed: dict[Node, set[str]] = {}
        for soul, key, state, raw in cells:
            node = self._nodes.get(soul)
            if node is not None and node.take(key, state, raw):
                changed.setdefault(node, set()).add(key)
        if changed:
            self._reactor.callLater(0, self._tell, changed)

    def refused(self, cells: Iterable[Cell]) -> None:
        """The local node did not take what was written here: see what stands in its place."""
        for soul, key, state, _ in cells:
            node = self._nodes.get(soul)
            if node is not None and key in node.cells and node.cells[key][0] == state:
                del node.cells[key]
                question = self._new_id()
                self._again[question] = (soul, key)
                get = write_get(Query(soul, key=key))
                self._say(b'{"#":"%b","get":%b}' % (question.encode(), get))

    def _tell(self, changed: dict[Node, set[str]]) -> None:
        for node, keys in changed.items():
            for want in list(node.wants.values()):
                if not want.heard and want.query.key is None:
                    continue
                wanted = {key for key in keys if matches(want.query, key)}
                if not wanted:
                    continue
                if want.since != inf:
                    want.since = self._reactor.seconds()
                self._settle(want)
                for watcher in list(want.watchers):
                    self._tell_one(want, watcher, wanted)
