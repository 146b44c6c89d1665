"""
Tests for L{gunnet.mesh.askback} and L{gunnet.mesh.behind}: what lies behind links, which clients that were
cut off do not ask for again.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.store.interface import Store, StoreError
from gunnet.testing import START, Client, Conversation, Message, put
from gunnet.wire import jstext
from tests.mesh.test_askback import SOON_MS, Page, answers, own_questions, pass_time

LINKS: dict[str, dict[str, Any]] = {
    "deep": {"a": {"#": "deep/a"}},
    "deep/a": {"b": 1, "c": {"#": "deep/a/c"}},
    "deep/a/c": {"d": 1},
}
PATHS = ({"#": "deep/a", ".": "b"}, {"#": "deep/a", ".": "c"}, {"#": "deep/a/c", ".": "d"})


def asked_for(messages: list[Message]) -> list[str]:
    """The souls of the relay's own questions for whole nodes, in order."""
    return [question["get"]["#"] for question in own_questions(messages) if "." not in question["get"]]


class MeetingTests(SynchronousTestCase):
    """Edits behind links get to where they belong, and so does what is written afterwards."""

    def begin(self, *, axe: bool = True) -> None:
        """Two pages that have followed links to the same nodes."""
        self.talk = Conversation(axe=axe)
        self.a, self.b = Page("a"), Page("b")
        self.writer = self.talk.connect("writer", hi=True)
        for soul, values in LINKS.items():
            self.writer.say(put(f"put {soul}", soul, values, START))
        for page in (self.a, self.b):
            page.boot(self.talk, {"#": "deep", ".": "a"})
            page.ask_once(*PATHS)
        self.assertEqual(self.a.graph, self.b.graph)
        self.assertEqual(LINKS.keys(), self.a.graph.keys())

    def restart(self, *, store: Store | None = None, axe: bool = True) -> None:
        """The relay is gone for a while, and comes back."""
        self.a.cut(), self.b.cut()
        self.talk = Conversation(axe=axe, store=store, start=self.talk.now + 5_000, seed=7)
        for page in (self.a, self.b):
            page.said.clear()
            page.told.clear()

    def check_met(self) -> None:
        """Both pages and the relay have the edits of both, and hear of later ones."""
        for talk_value in ("of a", "again"):
            self.assertEqual(self.a.graph, self.b.graph)
            self.assertEqual(talk_value, self.b.value("deep/a", "b"))
            self.assertEqual(b'"%b"' % talk_value.encode(), dict(self.talk.store.node("deep/a"))["b"][1])
            if talk_value == "of a":
                self.assertEqual("of b", self.a.value("deep/a/c", "d"))
                self.a.write("deep/a", {"b": "again"}, self.talk.now)
                self.b.write("deep/a/c", {"d": "again"}, self.talk.now)
                pass_time(self.talk, 50, self.a, self.b)
        self.assertEqual("again", self.a.value("deep/a/c", "d"))

    def test_edits(self) -> None:
        """Whether the relay still has its data or not, and whoever is back first."""
        for axe in (True, False):
            for keeps in (True, False):
                for pause in (0, 60, 130, 1_000):
                    self.begin(axe=axe)
                    self.restart(store=self.talk.store if keeps else None, axe=axe)
                    self.a.write("deep/a", {"b": "of a"}, self.talk.now - 20)
                    self.b.write("deep/a/c", {"d": "of b"}, self.talk.now - 10)
                    self.a.back(self.talk)
                    pass_time(self.talk, pause, self.a)
                    self.b.back(self.talk)
                    pass_time(self.talk, SOON_MS, self.a, self.b)
                    self.check_met()

    def test_nothing_new(self) -> None:
        """Of what both sides have, one property of each node crosses; the page hears of later writes."""
        self.begin()
        self.restart(store=self.talk.store)
        self.b.back(self.talk)
        pass_time(self.talk, SOON_MS, self.b)
        crossed = [answer["put"] for answer in answers(self.b)]
        self.assertEqual(["deep/a", "deep/a/c"], [soul for put in crossed for soul in put])
        self.assertEqual([2, 2], [len(node) for put in crossed for node in put.values()])
        self.assertEqual([{"deep"}], [message["put"].keys() for message in self.b.told])
        self.talk.connect("other", hi=True).say(put("p", "deep/a/c", {"d": "late"}, self.talk.now))
        self.b.listen()
        self.assertEqual("late", self.b.value("deep/a/c", "d"))

    def test_missed(self) -> None:
        """It is told what others wrote while it was away, also in properties that were not there before."""
        self.begin()
        self.restart(store=self.talk.store)
        other = self.talk.connect("other", hi=True)
        other.say(put("p1", "deep/a", {"b": 2, "new": 1}, self.talk.now))
        other.say(put("p2", "deep/a/c", {"d": 2}, self.talk.now))
        self.b.back(self.talk)
        pass_time(self.talk, SOON_MS, self.b)
        values = [self.b.value("deep/a", "b"), self.b.value("deep/a", "new"), self.b.value("deep/a/c", "d")]
        self.assertEqual([2, 1, 2], values)

    def test_changed_meanwhile(self) -> None:
        """Also if they write between the question and the answer that shows that it has the node."""
        for soul, key in (("deep/a", "b"), ("deep/a/c", "d")):
            self.begin()
            self.restart(store=self.talk.store)
            other = self.talk.connect("other", hi=True)
            self.b.back(self.talk)
            for _ in range(500):
                self.b.listen()
                self.talk.advance(1)
                if soul in self.souls_asked():
                    break
            other.say(put("p", soul, {key: "just now"}, self.talk.now))
            pass_time(self.talk, SOON_MS, self.b)
            self.assertEqual("just now", self.b.value(soul, key))

    def souls_asked(self) -> list[str]:
        """What page b was asked for, whether it has listened or not."""
        assert self.b.client is not None
        return asked_for(self.b.client.heard)

    def test_upstream(self) -> None:
        """The relays above are asked to keep us up to date about it, too."""
        self.begin()
        self.restart(store=self.talk.store)
        upstream = self.talk.connect("upstream", url="ws://upstream/gun")
        self.b.back(self.talk)
        pass_time(self.talk, SOON_MS, self.b)
        asked = asked_for(upstream.take())
        self.assertEqual(["deep/a", "deep/a/c"], asked)

    def test_no_other_page(self) -> None:
        """A page that boots is neither asked nor subscribed to more, nor is what a link ended on asked."""
        self.begin()
        self.restart(store=self.talk.store)
        booted, deaf = self.talk.connect("booted", hi=True), self.talk.connect("deaf")
        for client in (booted, deaf):
            client.say({"#": f"g {client.name}", "get": {"#": "deep"}})
        self.talk.advance(SOON_MS)
        self.assertEqual([], own_questions(booted.take()))
        self.assertEqual(["deep", "deep/a"], asked_for(deaf.take()))
        other = self.talk.connect("other", hi=True)
        other.say([put(f"p {soul}", soul, {"x": 1}, self.talk.now) for soul in LINKS])
        for client in (booted, deaf):
            told = [message["put"].keys() for message in client.take() if "put" in message]
            self.assertEqual([{"deep"}], told, "and it was told no more than it asked for")

    def test_tables_empty(self) -> None:
        """When it is gone, nothing of it is left."""
        self.begin()
        self.restart(store=self.talk.store)
        self.b.back(self.talk)
        pass_time(self.talk, SOON_MS, self.b)
        self.assertEqual(2, self.talk.relay.health()["asked_back"])
        self.b.cut()
        self.assertEqual(0, self.talk.relay.health()["asked_back"])
        self.assertEqual(0, self.talk.relay.health()["subscriptions"])


class FollowTests(SynchronousTestCase):
    """Which links are followed."""

    def setUp(self) -> None:
        """A relay, a client that may be back, and what it was asked."""
        self.talk = Conversation()
        self.writer = self.talk.connect("writer", hi=True)
        self.client = self.talk.connect("client")

    def link(self, soul: str, *souls: str) -> None:
        """Link from one node to others."""
        self.writer.say(put(f"put {soul}", soul, {to: {"#": to} for to in souls}, START))

    def answer(self, question: Message, values: dict[str, Any], **fields: Any) -> None:
        """Have the client answer a question with data."""
        answer = put(f"a {question['#']}", question["get"]["#"], values, START, **{"@": question["#"]})
        self.client.say({**answer, **fields})

    def questions(self) -> list[Message]:
        """What the client was asked since the last look."""
        self.talk.advance(1_000)
        return own_questions(self.client.take())

    def test_form(self) -> None:
        """The whole node with our hash, and its shortest value without."""
        self.link("s", "t")
        self.writer.say(put("p", "t", {"long": "a long value", "short": 1}, START))
        self.client.say({"#": "g", "get": {"#": "s", ".": "t"}})
        direct, whole, part = self.questions()
        self.assertEqual({"#": "s", ".": "t"}, direct["get"])
        self.assertEqual(({"#": "t"}, True), (whole["get"], "##" in whole))
        self.assertEqual(({"#": "t", ".": "short"}, False), (part["get"], "##" in part))

    def test_cycle(self) -> None:
        """Each node is asked for once, whatever leads to it: a circle that a client holds comes to an end."""
        circle = ["n0", "n1", "n2", "n3"]
        for at, soul in enumerate(circle):
            self.link(soul, circle[(at + 1) % 4], circle[(at + 2) % 4], soul)
        self.client.say({"#": "g", "get": {"#": "n0"}})
        asked: list[str] = []
        while questions := self.questions():
            asked += asked_for(questions)
            for question in questions:
                if "." in question["get"]:
                    self.answer(question, {question["get"]["."]: {"#": question["get"]["."]}})
        self.assertEqual(circle, asked)
        self.assertEqual(4, self.talk.relay.health()["asked_back"])

    def test_answered_links(self) -> None:
        """A relay that has nothing follows what it is told, from the values too that it knows better."""
        self.client.say({"#": "g", "get": {"#": "s", ".": "k"}})
        (question,) = self.questions()
        self.writer.say(put("p", "s", {"k": {"#": "newer"}}, START + 1))
        self.answer(question, {"k": {"#": "older"}})
        (linked,) = self.questions()
        self.assertEqual({"#": linked["#"], "get": {"#": "older"}}, linked)
        self.answer(linked, {"x": {"#": "further"}, "self": {"#": "older"}, "y": "{no link"})
        self.assertEqual(["further"], asked_for(self.questions()))

    def test_asked_itself(self) -> None:
        """What the client asks for itself is not asked again for a link, in whatever order that comes."""
        self.link("s", "before", "after")
        self.link("after", "behind")
        self.client.say([{"#": "g1", "get": {"#": "before"}}, {"#": "g2", "get": {"#": "s"}}])
        self.assertEqual(["before", "s", "after"], asked_for(self.questions()))
        self.client.say({"#": "g3", "get": {"#": "after"}})
        self.assertEqual(["behind"], asked_for(self.questions()))

    def test_stranger(self) -> None:
        """An answer of one client shows nothing of another one."""
        self.link("s", "t")
        self.link("t", "u")
        self.client.say({"#": "g", "get": {"#": "s"}})
        linked = self.questions()[1]
        stranger = self.talk.connect("stranger")
        stranger.say(put("a", "t", {"k": {"#": "v"}}, START, **{"@": linked["#"]}))
        self.assertEqual([], self.questions())
        self.assertEqual([], own_questions(stranger.take()))

    def test_lex(self) -> None:
        """Links among what was selected by LEX are not followed; it is not asked for again either."""
        self.link("s", "t")
        self.client.say({"#": "g", "get": {"#": "s", ".": {"*": "t"}}})
        self.assertEqual(1, len(self.questions()))

    def test_long_names(self) -> None:
        """No node can have a soul that is longer than names may be."""
        self.talk = Conversation(limits=Limits(name_bytes=100))
        self.writer, self.client = self.talk.connect("writer", hi=True), self.talk.connect("client")
        souls = ["x" * 100, "x" * 101, "\u20ac" * 33, "\u20ac" * 34]
        keys = {f"k{at}": {"#": soul} for at, soul in enumerate(souls)}
        self.writer.say(put("p", "s", keys, START))
        self.client.say({"#": "g", "get": {"#": "s"}})
        self.assertEqual(["s", souls[0], souls[2]], asked_for(self.questions()))

    def test_long_node(self) -> None:
        """Who has a part of a node that takes several messages is told what stands in that part."""
        self.talk = Conversation(limits=Limits(answer_bytes=1_000))
        self.writer, self.client = self.talk.connect("writer", hi=True), self.talk.connect("client")
        self.link("s", "t")
        self.writer.say(put("p", "t", {f"k{number:02}": "x" * 90 for number in range(50)}, START + 1))
        self.client.say({"#": "g", "get": {"#": "s"}})
        _, whole = self.questions()
        self.assertNotIn("##", whole)
        self.answer(whole, {"k09": "old", "k03": "old", "new": 1})
        (told,) = [message["put"] for message in self.client.take() if "put" in message]
        self.assertEqual({"_", "k03", "k09", "new"}, told["t"].keys())
        self.assertEqual("x" * 90, told["t"]["k03"])

    def test_told_once(self) -> None:
        """Who answers in several parts is told our node once, and not at all if it has said all of it."""
        self.link("s", "t", "u")
        self.writer.say(put("p", "t", {"k": 1, "l": 1}, START))
        self.client.say({"#": "g", "get": {"#": "s"}})
        of_t, _, of_u = self.questions()[1:]
        self.answer(of_t, {"k": 2})
        self.answer(of_t, {"l": 2}, **{"#": "second"})
        digest = jstext.string_hash(jstext.stringify(put("", "u", {"x": 1}, START)["put"], sort=True))
        self.answer(of_u, {"x": 1}, **{"##": digest})
        told = [message["put"] for message in self.client.take() if "put" in message]
        self.assertEqual([{"t"}], [graph.keys() for graph in told])

    def test_unreadable_store(self) -> None:
        """What can't be read is not told."""

        def broken(*_args: Any, **_fields: Any) -> Any:
            raise StoreError("a bad sector")

        self.talk = Conversation(limits=Limits(cache_bytes=1))
        self.writer, self.client = self.talk.connect("writer", hi=True), self.talk.connect("client")
        self.link("s", "t")
        self.link("t", "u")
        self.client.say({"#": "g", "get": {"#": "s"}})
        whole = self.questions()[1]
        self.patch(self.talk.store, "node", broken)
        self.answer(whole, {"x": 1})
        self.assertEqual([], [message for message in self.client.take() if "put" in message])
        self.assertEqual(1, self.talk.counters["store_reads_failed"])
        self.assertEqual([], self.questions())
        self.assertEqual(2, self.talk.counters["store_reads_failed"])


class BoundTests(SynchronousTestCase):
    """How much is followed, how fast, and what is kept for it."""

    def linked(self, count: int, limits: Limits, *, soul: str = "s") -> tuple[Conversation, Client]:
        """A relay with a node of many links, and a client that asks for it."""
        talk = Conversation(limits=limits)
        links = {f"k{number:05}": {"#": f"item{number:05}"} for number in range(count)}
        talk.connect("writer", hi=True).say(put("p", soul, links, START))
        return talk, self.ask(talk, "client", soul)

    def ask(self, talk: Conversation, name: str, soul: str) -> Client:
        """A client that may be back asks for a node."""
        client = talk.connect(name)
        client.say({"#": f"g {name}", "get": {"#": soul}})
        return client

    def test_large_set(self) -> None:
        """Thousands of links are followed at the pace of all questions, and read a piece at a time."""
        talk, client = self.linked(3_000, Limits(answer_bytes=10_000))
        for second in range(4):
            before = talk.counters["ask_backs_sent"]
            talk.advance(1_000)
            self.assertLessEqual(talk.counters["ask_backs_sent"] - before, 1_025, f"second {second}")
        self.assertEqual(["s", *[f"item{number:05}" for number in range(3_000)]], asked_for(client.take()))
        self.assertEqual(3_001, talk.relay.health()["asked_back"])
        self.assertIsNone(talk.relay._ask_back.next_at)

    def test_peer_ask_back_souls(self) -> None:
        """So many nodes of one peer; it is still asked for what it asks for."""
        talk, client = self.linked(10, Limits(peer_ask_back_souls=4))
        talk.advance(1_000)
        self.assertEqual(["s", "item00000", "item00001", "item00002"], asked_for(client.take()))
        self.assertEqual(7, talk.counters["peer_ask_back_souls_refused"])
        client.say({"#": "g2", "get": {"#": "item00009"}})
        talk.advance(1_000)
        self.assertEqual(["item00009"], asked_for(client.take()))
        other = self.ask(talk, "other", "s")
        talk.advance(1_000)
        self.assertEqual(4, len(asked_for(other.take())))

    def test_ask_back_souls(self) -> None:
        """So many nodes of all peers, until one of them is gone."""
        talk, client = self.linked(10, Limits(ask_back_souls=14))
        other = self.ask(talk, "other", "s")
        talk.advance(1_000)
        self.assertEqual([11, 3], [len(asked_for(each.take())) for each in (client, other)])
        self.assertEqual(8, talk.counters["ask_back_souls_refused"])
        client.close()
        third = self.ask(talk, "third", "s")
        talk.advance(1_000)
        self.assertEqual(11, len(asked_for(third.take())))

    def test_ask_back_bytes(self) -> None:
        """So many characters of names wait; what did not fit in is not remembered as asked for."""
        talk, client = self.linked(10, Limits(ask_back_bytes=30))
        talk.advance(1_000)
        self.assertEqual(["s", "item00000", "item00001", "item00002"], asked_for(client.take()))
        self.assertEqual(7, talk.counters["ask_backs_refused"])
        self.assertEqual(4, talk.relay.health()["asked_back"])
        client.say({"#": "g2", "get": {"#": "x" * 31}})
        self.assertEqual(8, talk.counters["ask_backs_refused"])
        self.assertEqual(0, len(talk.relay._ask_back))

    def test_gone_while_waiting(self) -> None:
        """What waits for one that is gone takes no room."""
        talk, client = self.linked(100, Limits(ask_back_bytes=1_000, ask_backs=40))
        for name in ("client", "a", "b"):
            if name != "client":
                client = self.ask(talk, name, "s")
            talk.advance(200)
            self.assertGreater(len(talk.relay._ask_back), 90)
            client.close()
            self.assertEqual(0, len(talk.relay._ask_back))
        self.assertNotIn("ask_backs_refused", talk.counters)
