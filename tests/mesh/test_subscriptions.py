"""
Tests for L{gunnet.mesh.subscriptions}: who is subscribed to what.
"""

from __future__ import annotations

from collections import deque
from inspect import isgetsetdescriptor, ismemberdescriptor
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.graph.lex import ALL, ONE, Query, Span
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.testing import Client, Conversation, MemoryLink, Message, put
from gunnet.wire.jstext import stringify

NAMES = ["a", "ab", "abc", "b", "ba", "é", "\U0001f600", "\U0001f601b", "\uff5e", "_", "0"]


def updates(client: Client) -> list[Message]:
    """The updates that came since the last look."""
    return [message for message in client.take() if "put" in message and "@" not in message]


def get(message_id: str, soul: Any, key: Any = None, **fields: Any) -> Message:
    """A get of nodes, or of properties."""
    selected = {"#": soul} if key is None else {"#": soul, ".": key}
    return {"#": message_id, "get": {**selected, **fields}}


def some_span(dice: Random) -> Span:
    """Any span, but not of all names."""
    while True:
        prefix = dice.choice(["", "", "a", "ab", "é", "\ud83d", "\U0001f600"])
        span = Span(prefix, dice.choice([None, *NAMES]), dice.choice([None, *NAMES]))
        if span != ALL:
            return span


def some_query(dice: Random) -> Query:
    """Any query, with or without a budget."""
    budget = dice.choice([None, ONE, 500.0])
    kind = dice.randrange(5)
    if kind == 0:
        return Query(dice.choice(NAMES), key=dice.choice(NAMES))
    if kind == 1:
        return Query(dice.choice(NAMES), budget=budget)
    if kind == 2:
        return Query(dice.choice(NAMES), keys=some_span(dice), budget=budget, reverse=dice.random() < 0.5)
    souls = dice.choice([ALL, some_span(dice)])
    return Query(None, souls, keys=ALL if kind == 3 else some_span(dice), budget=budget)


def selects(query: Query, soul: str, key: str) -> bool:
    """Whether a query selects a cell, but for its budget."""
    if query.soul is not None and query.soul != soul:
        return False
    if query.soul is None and not query.souls.holds(soul):
        return False
    return query.key == key if query.key is not None else query.keys.holds(key)


def interest(query: Query) -> Query:
    """What counts of a query."""
    return Query(query.soul, query.souls, query.key, query.keys)


class ModelTests(SynchronousTestCase):
    """The table does the same as one that looks at everything."""

    def test_any_order(self) -> None:
        """Whatever is asked for and ended in whatever order."""
        for seed in range(20):
            self.play(Random(seed), f"seed {seed}")

    def play(self, dice: Random, told: str) -> None:
        """One round of coming and going."""
        unwanted: list[Query] = []
        table = Subscriptions(Limits(), Counters())
        table.on_unwanted = unwanted.append
        peers = [Peer(f"p{number}") for number in range(6)]
        model: dict[Peer, set[Query]] = {peer: set() for peer in peers}
        for _ in range(150):
            peer, query = dice.choice(peers), some_query(dice)
            before = {asked for known in model.values() for asked in known}
            if dice.random() < 0.1:
                table.forget(peer)
                model[peer].clear()
            elif dice.random() < 0.3:
                query = dice.choice([query, *model[peer]])
                self.assertEqual(interest(query) in model[peer], table.end(peer, query), told)
                model[peer].discard(interest(query))
            else:
                self.assertEqual(interest(query) not in model[peer], table.add(peer, query), told)
                model[peer].add(interest(query))
            after = {asked for known in model.values() for asked in known}
            self.assertEqual(before - after, set(unwanted), told)
            self.assertEqual(len(before - after), len(unwanted), told)
            unwanted.clear()
            self.check(table, model, dice, told)
        for peer in peers:
            table.forget(peer)
        self.assert_empty(table)

    def check(self, table: Subscriptions, model: dict[Peer, set[Query]], dice: Random, told: str) -> None:
        """Compare the two."""
        every = {query for known in model.values() for query in known}
        self.assertEqual(sum(map(len, model.values())), len(table), told)
        self.assertEqual(sorted(map(repr, every)), sorted(map(repr, table.queries())), told)
        query = some_query(dice)
        self.assertEqual(interest(query) in every, table.wants(query), told)
        soul, key = dice.choice(NAMES), dice.choice(NAMES)
        self.assertEqual(
            {peer for peer, known in model.items() if any(selects(query, soul, key) for query in known)},
            set(table.to(soul, key)),
            f"{told}: {soul!r} {key!r}",
        )
        heard = list(table.to(soul, key))
        for peer in heard:
            causes = [query for query in model[peer] if selects(query, soul, key)]
            self.assertLessEqual(heard.count(peer), len(causes), told)
        of_soul = {
            peer
            for peer, known in model.items()
            if any(query.soul == soul or (query.soul is None and query.souls.holds(soul)) for query in known)
        }
        self.assertEqual(of_soul, set(table.to_soul(soul)), f"{told}: {soul!r}")

    def assert_empty(self, table: Subscriptions) -> None:
        """Nothing is left behind."""
        self.assertEqual((0, 0, []), (len(table), table.size, table.queries()))
        tables = (table._whole, table._parts, table._keys, table._alone)
        self.assertEqual(({}, {}, {}, {}), tables)
        souls = table._souls
        self.assertEqual((0, {}, {}, 0), (len(souls), souls._prefixes, souls._lengths, souls._with_bounds))

    def test_twice(self) -> None:
        """A subscription that is there already counts once, whatever its budget."""
        table = Subscriptions(Limits(), Counters())
        peer = Peer("p")
        self.assertEqual([True, False], [table.add(peer, Query("soul", key="key")) for _ in "12"])
        self.assertEqual((1, 7, [peer]), (len(table), table.size, list(table.to("soul", "key"))))
        span = Span("ab", "c", "d")
        self.assertEqual(
            [True, False], [table.add(peer, Query("soul", keys=span, budget=size)) for size in (1.0, 2.0)]
        )
        self.assertEqual((2, 15), (len(table), table.size))
        self.assertTrue(table.end(peer, Query("soul", keys=span)))
        self.assertEqual((1, 7), (len(table), table.size))


class SpanTests(SynchronousTestCase):
    """A get with LEX subscribes to what it selects, and to nothing else."""

    def setUp(self) -> None:
        """A writer and a reader."""
        self.talk = Conversation()
        self.writer, self.reader = self.talk.connect("writer"), self.talk.connect("reader")

    def heard(self, *cells: tuple[str, str]) -> list[tuple[str, str]]:
        """Which of these new cells the reader is told."""
        for number, (soul, key) in enumerate(cells):
            self.writer.say(put(f"{self.talk.now} {number}", soul, {key: number}, self.talk.now))
        self.talk.advance(1)
        told = [update["put"] for update in updates(self.reader)]
        return [(soul, key) for graph in told for soul, node in graph.items() for key in node if key != "_"]

    def test_keys(self) -> None:
        """Of a node what begins with a prefix, or lies between two keys."""
        self.reader.say(get("g1", "s", {"*": "ab"}, **{"%": 9}))
        self.reader.say(get("g2", "s", {">": "m", "<": "n"}))
        self.reader.take()
        wanted = [("s", "ab"), ("s", "abc"), ("s", "m"), ("s", "n")]
        self.assertEqual(wanted, self.heard(*wanted, ("s", "a"), ("s", "l"), ("s", "na"), ("t", "ab")))

    def test_souls(self) -> None:
        """All of the nodes whose souls begin with a prefix, or lie between two."""
        self.reader.say(get("g1", {"*": "chat/"}))
        self.reader.say(get("g2", {">": "m", "<": "n"}, **{"%": 9}))
        self.reader.take()
        wanted = [("chat/", "x"), ("chat/1", "y"), ("m", "x"), ("n", "y")]
        self.assertEqual(wanted, self.heard(*wanted, ("chat", "x"), ("l", "x"), ("na", "x")))

    def test_off(self) -> None:
        """Who says C{off} is told no more of what it names, and goes on being told the rest."""
        self.reader.say([get("g1", {"*": "chat/"}), get("g2", "s", {"*": "ab"}), get("g3", "s", "k")])
        self.reader.say([get("g4", "s"), get("g5", "t")])
        for selected in ({"#": {"*": "chat/"}, "%": 7}, {"#": "s", ".": {"*": "ab"}}, {"#": "s"}, {"#": "u"}):
            self.reader.say({"dam": "off", "get": selected})
        self.reader.take()
        self.assertEqual(
            [("s", "k"), ("t", "x")], self.heard(("chat/1", "x"), ("s", "ab"), ("s", "k"), ("t", "x"))
        )
        self.assertEqual(2, self.talk.relay.health()["subscriptions"])
        for nonsense in (None, 5, {}, {"#": {}}, [], "s"):
            self.reader.say({"dam": "off", "get": nonsense})
        self.assertEqual(2, self.talk.relay.health()["subscriptions"])

    def test_overlapping(self) -> None:
        """What is selected more than once is told once."""
        self.reader.say(
            [get("g1", {"*": "s"}), get("g2", "s", {"*": "a"}), get("g3", "s"), get("g4", "s", "ab")]
        )
        self.reader.take()
        self.assertEqual([("s", "ab")], self.heard(("s", "ab")))

    def test_subscribers_are_asked_first(self) -> None:
        """Who is subscribed to a span of souls counts as likely to have one of them."""
        others = [self.talk.connect(f"p{number}") for number in range(5)]
        others[4].say(get("g", {"*": "chat/"}))
        self.talk.advance(1_000)
        for other in others:
            other.take()
        self.reader.say(get("q", "chat/1"))
        self.assertTrue([message for message in others[4].take() if message.get("#") == "q"])


class BoundTests(SynchronousTestCase):
    """The bounds of the table: who is over one is answered, but not told news."""

    def refused(self, limits: Limits, counter: str, souls: tuple[str, str, str]) -> None:
        """Of three subscriptions two fit."""
        talk = Conversation(limits=limits)
        asker, writer = talk.connect("asker"), talk.connect("writer")
        for soul in souls:
            asker.say(get(f"g {soul}", soul))
        self.assertEqual(1, talk.counters[counter])
        for soul in souls:
            writer.say(put(f"put {soul}", soul, {"x": 1}, talk.now))
        self.assertEqual([souls[0], souls[1]], [next(iter(update["put"])) for update in updates(asker)])
        asker.say(get("again", souls[2]))
        self.assertEqual(1, asker.answers("again")[0]["put"][souls[2]]["x"])
        asker.close()
        other = talk.connect("other")
        other.say(get("other", souls[2]))
        self.assertEqual(1, talk.relay.health()["subscriptions"])

    def test_peer_subscriptions(self) -> None:
        """So many per peer."""
        self.refused(Limits(peer_subscriptions=2), "peer_subscriptions_refused", ("a", "b", "c"))

    def test_subscriptions(self) -> None:
        """So many in all."""
        self.refused(Limits(subscriptions=2), "subscriptions_refused", ("a", "b", "c"))

    def test_subscription_bytes(self) -> None:
        """So much text in their names."""
        self.refused(Limits(subscription_bytes=9), "subscriptions_refused", ("a" * 4, "b" * 4, "c" * 4))

    def test_subscription_bytes_of_spans(self) -> None:
        """The text in spans counts too."""
        counters = Counters()
        table = Subscriptions(Limits(subscription_bytes=9), counters)
        self.assertTrue(table.add(Peer("p"), Query("so", keys=Span("ab", "abc", None))))
        self.assertFalse(table.add(Peer("q"), Query(None, Span("", "abc", None))))
        self.assertEqual((7, 1), (table.size, counters["subscriptions_refused"]))

    def fill(self, limits: Limits, spans: list[Span], one_more: Span) -> None:
        """C{spans} fit, and one more does not until one of them has gone; as keys and as souls."""
        for by_soul in (False, True):
            counters = Counters()
            table = Subscriptions(limits, counters)
            peer, other = Peer("p"), Peer("q")

            def query(span: Span, by_soul: bool = by_soul) -> Query:
                return Query(None, span) if by_soul else Query("s", keys=span)

            self.assertTrue(all(table.add(peer, query(span)) for span in spans))
            self.assertFalse(table.add(peer, query(one_more)))
            self.assertEqual(1, counters["spans_refused"])
            self.assertEqual(len(spans), len(table))
            self.assertTrue(table.add(other, query(spans[0])), "it is there already")
            self.assertTrue(table.end(peer, query(spans[0])))
            self.assertFalse(table.add(peer, query(one_more)))
            table.forget(other)
            self.assertTrue(table.add(peer, query(one_more)))

    def test_spans(self) -> None:
        """So many spans with bounds, which have to be tested one by one; prefixes are not among them."""
        limits = Limits(spans=2)
        self.fill(limits, [Span(first="a"), Span("c", last="x"), Span("d"), Span("e")], Span(first="b"))
        table = Subscriptions(limits, Counters())
        self.assertTrue(
            all(table.add(Peer("p"), Query(f"s{n}", keys=Span(first=f"{n}"))) for n in range(9)),
            "each node has its own",
        )

    def test_span_lengths(self) -> None:
        """So many lengths of prefixes, each of which takes a look-up."""
        self.fill(Limits(span_lengths=2), [Span("ab"), Span("a")], Span("abc"))
        self.fill(Limits(span_lengths=2), [Span("abc"), Span("a"), Span("b"), Span("c")], Span("ab", "x"))


SELECTIONS: list[dict[str, Any]] = [
    {"#": "soul"},
    {"#": "soul", ".": "key"},
    {"#": "soul", ".": {"*": "k"}, "%": 500},
    {"#": "soul", ".": {">": "a", "<": "z"}},
    {"#": {"*": "so"}},
    {"#": {">": "a"}, "%": 50},
]
"""All of them select one cell that is written, each in its own way."""


class NothingLeftTests(SynchronousTestCase):
    """Peers that come, ask and go leave nothing behind."""

    def test_ten_thousand_rounds(self) -> None:
        """With subscriptions of all kinds, ended by C{off} or by the end of the link."""
        for axe in (True, False):
            talk = Conversation(axe=axe, limits=Limits(dup_ms=500.0))
            for number in range(5_000):
                self.come_and_go(talk, number, Random(number))
            ModelTests().assert_empty(talk.relay._subscriptions)
            talk.advance(120_000)
            self.assertEqual([], occupied(talk.relay))
            health = talk.relay.health()
            self.assertEqual([0] * 3, [health[name] for name in ("subscriptions", "peers", "ids")])

    def come_and_go(self, talk: Conversation, number: int, dice: Random) -> None:
        """One peer, without the turns of the reactor in between, but for each hundredth peer."""
        relay, now = talk.relay, talk.now
        link = MemoryLink(f"p{number}")
        peer = relay.meet(link)
        assert peer is not None
        for place, get in enumerate(dice.sample(SELECTIONS, 3)):
            relay.hear(peer, stringify({"#": f"{number}g{place}", "get": get}), now)
        self.assertEqual(3, len(relay._subscriptions))
        if number % 100 == 0:
            writer = talk.connect("writer", hi=True)
            writer.say(put(f"p{number}", "soul", {"key": number}, now))
            talk.advance(150)
            self.assertIn(b'"key":%d' % number, b"".join(link.frames))
            writer.close()
        if dice.random() < 0.3:
            for place, get in enumerate(SELECTIONS):
                relay.hear(peer, stringify({"#": f"{number}o{place}", "dam": "off", "get": get}), now)
            self.assertEqual(0, len(relay._subscriptions))
        elif dice.random() < 0.3:
            relay.drop(peer, "no reason")
        relay.lose(peer)


def occupied(part: object, name: str = "relay") -> list[str]:
    """The tables of a part of the relay, and of its parts, that are not empty."""
    found = []
    for own, table in attributes(part).items():
        path = f"{name}.{own}"
        if type(table).__module__.startswith("gunnet.mesh") and not hasattr(type(table), "__slots__"):
            found += occupied(table, path)
        elif isinstance(table, Counters) or own == "verbs":
            continue
        elif isinstance(table, (dict, list, set, deque)) and len(table):
            found.append(f"{path}: {len(table)}")
    return found


def attributes(part: object) -> dict[str, object]:
    """What a part has; one that is compiled has no C{__dict__}."""
    if hasattr(part, "__dict__"):
        return vars(part)
    names = [
        name for name, it in vars(type(part)).items() if isgetsetdescriptor(it) or ismemberdescriptor(it)
    ]
    return {name: getattr(part, name) for name in names if not name.startswith("__")}
