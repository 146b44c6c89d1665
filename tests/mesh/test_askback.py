"""
Tests for L{gunnet.mesh.askback}: clients that were cut off, and what they wrote meanwhile.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.answer import client_hash
from gunnet.limits import Limits
from gunnet.mesh.askback import ASK_BACK_MS, TURN_QUESTIONS
from gunnet.store.interface import StoreError
from gunnet.testing import START, Client, Conversation, Message, put
from gunnet.wire import jstext

URL = "ws://upstream/gun"
SOON_MS = 2_000.0
"""Within this time of both being back two clients are to know the same."""


class Page:
    """
    A client with the habits of gun.js, as they were seen of version 0.2020.1241: it keeps what it is told in
    memory, and answers from there, nine names at a time, what it has not heard the hash of.

    @ivar graph: soul to key to (state, value).
    @ivar said: what it said, but for its questions.
    @ivar told: the puts that it was told.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.graph: dict[str, dict[str, tuple[float, Any]]] = {}
        self.said: list[Message] = []
        self.told: list[Message] = []
        self._wanted: list[dict[str, str]] = []
        self._known: set[str] = set()
        self.client: Client | None = None
        self._talk: Conversation | None = None
        self._number = 0

    def boot(self, talk: Conversation, *wanted: dict[str, str]) -> None:
        """Link up for the first time, and ask for what is wanted."""
        self._wanted += wanted
        self._link(talk, hi=True)

    def ask_once(self, *wanted: dict[str, str]) -> None:
        """Ask for what a link led to: it will not be asked for again when the page is back."""
        self._say(*[{"#": self._id(), "get": get} for get in wanted])
        self.listen()

    def back(self, talk: Conversation) -> None:
        """Link up again, and ask for all that is wanted once more."""
        self._link(talk, hi=False)

    def _link(self, talk: Conversation, *, hi: bool) -> None:
        self._talk = talk
        self.client = talk.connect(self.name, hi=hi)
        self._say(*[{"#": self._id(), "get": get} for get in self._wanted])
        self.listen()

    def cut(self) -> None:
        """The link is gone."""
        assert self.client is not None
        self.client.close()
        self.client = None

    def write(self, soul: str, values: dict[str, Any], state: float) -> None:
        """Write, and say so if there is a link."""
        self._merge(put("", soul, values, state)["put"])
        if self.client is not None:
            self._say(put(self._id(), soul, values, state))

    def listen(self) -> None:
        """Hear all there is to hear, and answer it."""
        while self.client is not None and (messages := self.client.take()):
            for message in messages:
                self._hear(message)

    def value(self, soul: str, key: str) -> Any:
        """What it has in memory."""
        return self.graph.get(soul, {}).get(key, (0, None))[1]

    def _hear(self, message: Message) -> None:
        if "##" in message:
            self._known.add(f"{message.get('@', message['#'])}{message['##']}")
        if "put" in message:
            self.told.append(message)
            self._merge(message["put"])
            if "@" not in message:
                self._say({"#": self._id(), "@": message["#"], "ok": {"": 1}})
        elif "get" in message and isinstance(message["get"]["#"], str):
            self._answer(message)

    def _merge(self, graph: dict[str, dict[str, Any]]) -> None:
        for soul, node in graph.items():
            cells = self.graph.setdefault(soul, {})
            for key, state in node["_"][">"].items():
                if state > cells.get(key, (float("-inf"), None))[0]:
                    cells[key] = (state, node[key])

    def _answer(self, question: Message) -> None:
        soul, key = question["get"]["#"], question["get"].get(".")
        cells = self.graph.get(soul, {})
        if isinstance(key, dict) or not cells or (key is not None and key not in cells):
            return
        names = sorted(["_", *cells], key=jstext.order_key) if key is None else [key]
        for start in range(0, len(names), 9):
            some = [name for name in names[start : start + 9] if name != "_"]
            node = {"_": {"#": soul, ">": {name: cells[name][0] for name in some}}}
            graph = {soul: {**node, **{name: cells[name][1] for name in some}}}
            digest = client_hash(jstext.stringify(graph))
            if digest != question.get("##") and f"{question['#']}{digest}" not in self._known:
                self._say({"#": self._id(), "@": question["#"], "##": digest, "put": graph})

    def _say(self, *messages: Message) -> None:
        assert self.client is not None
        self.said += [message for message in messages if "get" not in message]
        self.client.say(list(messages))

    def _id(self) -> str:
        self._number += 1
        return f"{self.name}{self._number}"


def pass_time(talk: Conversation, milliseconds: float, *pages: Page) -> None:
    """Let time pass in steps, in which the pages listen."""
    end = talk.now + milliseconds
    while talk.now < end:
        for page in pages:
            page.listen()
        talk.advance(10)


def answers(page: Page) -> list[Message]:
    """The data that a page gave for questions."""
    return [message for message in page.said if "put" in message and "@" in message]


def own_questions(messages: list[Message]) -> list[Message]:
    """The questions that are passed on for nobody else."""
    return [message for message in messages if "get" in message and "><" not in message]


class MeetingTests(SynchronousTestCase):
    """Edits that were made without a link get to where they belong."""

    def setUp(self) -> None:
        """Nothing yet."""
        self.talk = Conversation()
        self.a, self.b = Page("a"), Page("b")

    def begin(self, axe: bool, values: dict[str, Any]) -> None:
        """Two pages that know the same."""
        self.talk = Conversation(axe=axe)
        self.a, self.b = Page("a"), Page("b")
        for page in (self.a, self.b):
            page.boot(self.talk, {"#": "list"}, {"#": "room", ".": "title"})
        self.a.write("list", values, self.talk.now)
        self.b.write("room", {"title": "one"}, self.talk.now)
        pass_time(self.talk, 1_000, self.a, self.b)
        self.assertEqual(self.a.graph, self.b.graph)

    def edit_apart(self) -> None:
        """Both lose their links and write."""
        self.a.cut(), self.b.cut()
        self.talk.advance(5_000)
        self.a.write("list", {"k03": "of a", "k20": "of a"}, self.talk.now - 200)
        self.b.write("list", {"k03": "of b", "k21": "of b"}, self.talk.now - 100)
        self.b.write("room", {"title": "two"}, self.talk.now - 100)
        self.a.said.clear(), self.b.said.clear()

    def check_edits(self) -> None:
        """Both pages and the relay know all of it."""
        self.assertEqual(self.a.graph, self.b.graph)
        values = [self.a.value("list", key) for key in ("k03", "k20", "k21")]
        self.assertEqual(["of b", "of a", "of b", "two"], [*values, self.a.value("room", "title")])
        stored = dict(self.talk.store.node("list"))
        self.assertEqual(
            self.a.graph["list"],
            {key: (state, jstext.parse(value)) for key, (state, value) in stored.items()},
        )
        self.assertEqual((b'"two"'), dict(self.talk.store.node("room"))["title"][1])

    def test_relay_stayed(self) -> None:
        """Two that were cut off and edited the same node are back."""
        for axe in (True, False):
            for size in (3, 40):
                self.begin(axe, {f"k{number:02}": number for number in range(size)})
                self.edit_apart()
                self.a.back(self.talk)
                pass_time(self.talk, 500, self.a)
                self.b.back(self.talk)
                pass_time(self.talk, SOON_MS, self.a, self.b)
                self.check_edits()

    def test_relay_lost_its_store(self) -> None:
        """A relay that is back with an empty disk learns again all that its clients have."""
        for axe in (True, False):
            for size in (3, 40):
                self.begin(axe, {f"k{number:02}": number for number in range(size)})
                self.edit_apart()
                self.talk = Conversation(axe=axe, start=self.talk.now, seed=7)
                for page in (self.a, self.b):
                    page.back(self.talk)
                pass_time(self.talk, SOON_MS, self.a, self.b)
                self.check_edits()
                other = Page("c")
                other.boot(self.talk, {"#": "list"})
                self.assertEqual(self.a.graph["list"], other.graph["list"])

    def test_nothing_new(self) -> None:
        """What both sides have does not cross again, however large the node and whatever its names."""
        names = [f"k{number}" for number in range(30)] + ["10", "9", "Z", "_a", "é", "\U0001f600", "\uff5e"]
        for size in (1, 7, 8, 9, 17, 37):
            for axe in (True, False):
                self.begin(axe, dict.fromkeys(names[-size:], "value"))
                self.a.cut()
                self.a.said.clear()
                self.a.back(self.talk)
                pass_time(self.talk, SOON_MS, self.a)
                self.assertEqual(2, self.talk.counters["ask_backs_sent"])
                self.assertEqual([], answers(self.a), f"{size} names, axe {axe}")

    def test_one_of_many(self) -> None:
        """Of a large node only the nine names cross among which is one that differs."""
        self.begin(True, {f"k{number:02}": number for number in range(40)})
        self.a.cut()
        self.a.write("list", {"k30": "new"}, self.talk.now)
        self.a.said.clear()
        self.a.back(self.talk)
        pass_time(self.talk, SOON_MS, self.a, self.b)
        (answer,) = answers(self.a)
        self.assertEqual(10, len(answer["put"]["list"]))
        self.assertEqual("new", self.b.value("list", "k30"))
        self.assertEqual({"_", "k30"}, set(self.b.told[-1]["put"]["list"]))


class QuestionTests(SynchronousTestCase):
    """Who is asked what, and when."""

    def setUp(self) -> None:
        """A relay that has something, and a client that may be back."""
        self.talk = Conversation()
        self.writer = self.talk.connect("writer", hi=True)
        self.writer.say(put("p", "s", {"x": 1, "10": "ten", "9": "nine"}, START))
        self.client = self.talk.connect("client")
        self.ids: list[str] = []

    def asked(self, client: Client | None = None) -> list[Message]:
        """The questions of the relay's own that came since the last look."""
        return own_questions((client or self.client).take())

    def ask(self, *selected: dict[str, Any], client: Client | None = None) -> None:
        """Ask for something."""
        client = client or self.client
        for number, get in enumerate(selected):
            self.ids.append(f"{client.name} {self.talk.now} {number}")
            client.say({"#": self.ids[-1], "get": get})

    def test_form(self) -> None:
        """The same question, with the hash of our answer as the client would reckon it."""
        self.ask({"#": "s"}, {".": "x", "#": "s"}, {"#": "nothing here", ".": "k"})
        self.talk.advance(ASK_BACK_MS)
        heard = [message for message in self.client.take() if message.get("@", "") not in self.ids]
        whole, part, nothing = own_questions(heard)
        self.assertEqual([], [message for message in heard if "##" in message and "get" not in message])
        meta = {"#": "s", ">": {"9": START, "10": START, "x": START}}
        text = jstext.stringify({"s": {"9": "nine", "10": "ten", "_": meta, "x": 1}})
        self.assertEqual({"#", "##", "get"}, set(whole))
        self.assertEqual(({"#": "s"}, jstext.string_hash(text)), (whole["get"], whole["##"]))
        one = jstext.stringify({"s": {"_": {"#": "s", ">": {"x": START}}, "x": 1}})
        self.assertEqual(({"#": "s", ".": "x"}, jstext.string_hash(one)), (part["get"], part["##"]))
        self.assertEqual({"#": nothing["#"], "get": {"#": "nothing here", ".": "k"}}, nothing)

    def test_in_time(self) -> None:
        """A moment later, once; and again only for what is new."""
        self.ask({"#": "s"})
        self.talk.advance(ASK_BACK_MS - 1)
        self.assertEqual([], self.asked())
        self.talk.advance(1)
        self.assertEqual(1, len(self.asked()))
        self.ask({"#": "s"}, {"#": "s", "%": 5}, {"#": "s", ".": "x"})
        self.talk.advance(10_000)
        self.assertEqual([{"#": "s", ".": "x"}], [message["get"] for message in self.asked()])
        self.assertIsNone(self.talk.relay._ask_back.next_at)

    def test_each_link(self) -> None:
        """Over a new link it is asked again, whatever was asked over the last one."""
        self.ask({"#": "s"})
        self.talk.advance(1_000)
        self.client.close()
        client = self.talk.connect("again")
        self.ask({"#": "s"}, client=client)
        self.talk.advance(1_000)
        self.assertEqual(1, len(self.asked(client)))

    def test_lex(self) -> None:
        """Properties selected by LEX are asked for as they were asked; souls by LEX are not."""
        selections: list[dict[str, Any]] = [
            {"#": "s", ".": {"*": "x"}},
            {"#": "s", ".": {">": "1", "<": "z"}, "%": 500, "-": 1},
        ]
        self.ask(*selections, {"#": {"*": "s"}, "%": 500})
        self.talk.advance(1_000)
        first, second = self.asked()
        self.assertEqual([*selections], [first["get"], second["get"]])
        self.assertTrue("##" in first and "##" in second)

    def test_not_asked(self) -> None:
        """A page that boots, whenever it says C{hi}, another gunnet relay, and one that we dialled."""
        booted = self.talk.connect("booted", hi=True)
        late = self.talk.connect("late")
        relay = self.talk.connect("relay")
        upstream = self.talk.connect("upstream", url=URL)
        for client in (booted, late, relay, upstream):
            self.ask({"#": "s"}, client=client)
            client.take()
        late.say({"#": "hi", "dam": "hi"})
        assert relay.peer is not None
        relay.peer.is_gunnet = True
        self.talk.advance(1_000)
        self.assertEqual([[]] * 4, [self.asked(client) for client in (booted, late, relay, upstream)])
        self.assertEqual(0, len(self.talk.relay._ask_back))

    def test_who_left(self) -> None:
        """Who is gone, or was dropped, is not asked, and forgotten."""
        dropped = self.talk.connect("dropped")
        self.ask({"#": "s"}, client=dropped)
        assert dropped.peer is not None
        self.ask({"#": "s"}, {"#": "t"})
        self.assertEqual(3, len(self.talk.relay._ask_back))
        self.client.close()
        self.talk.relay.drop(dropped.peer, "no reason")
        self.talk.advance(1_000)
        self.assertEqual(0, len(self.talk.relay._ask_back))
        self.assertEqual(0, self.talk.counters["ask_backs_sent"])

    def test_answer(self) -> None:
        """What it answers is stored, acknowledged and told; that it has nothing says nothing to anybody."""
        for axe in (True, False):
            self.talk = Conversation(axe=axe)
            other = self.talk.connect("other", hi=True)
            self.ask({"#": "t"}, client=other)
            client = self.talk.connect("client")
            self.ask({"#": "t"}, {"#": "u"}, client=client)
            other.take()
            self.talk.advance(1_000)
            asked = self.asked(client)
            ids = self.talk.relay.health()["ids"]
            for _ in range(2):
                client.say({"#": "miss", "@": asked[1]["#"]})
                self.assertEqual([], [m for m in other.take() if "get" not in m])
            self.assertEqual(ids, self.talk.relay.health()["ids"])  # it goes no further
            client.say(put("a", "t", {"k": 5}, self.talk.now, **{"@": asked[0]["#"], "##": 7}))
            self.assertTrue(client.answers("a")[0]["ok"])
            self.assertEqual([5], [m["put"]["t"]["k"] for m in other.take() if "put" in m])
            self.assertEqual(b"5", dict(self.talk.store.node("t"))["k"][1])

    def test_unreadable_store(self) -> None:
        """If the store can't be read it is asked without a hash."""

        def broken(*_args: Any, **_fields: Any) -> Any:
            raise StoreError("a bad sector")

        store = self.talk.store
        self.talk = Conversation(store=store, limits=Limits(cache_bytes=1))
        client = self.talk.connect("client")
        self.ask({"#": "s"}, {"#": "s", ".": "x"}, client=client)
        for name in ("node", "cell", "cells"):
            if hasattr(store, name):
                self.patch(store, name, broken)
        self.talk.advance(1_000)
        questions = self.asked(client)
        self.assertEqual([None, None], [question.get("##") for question in questions])
        self.assertEqual(2 * 2, self.talk.counters["store_reads_failed"], "for the hashes and for links")

    def test_large_node(self) -> None:
        """Of what takes several messages no hash is told: nobody would answer with the same."""
        self.talk = Conversation(limits=Limits(answer_bytes=1_000))
        client = self.talk.connect("client")
        client.say(put("p", "s", {f"k{number}": "x" * 90 for number in range(50)}, START))
        self.ask({"#": "s"}, client=client)
        self.talk.advance(1_000)
        (question,) = self.asked(client)
        self.assertNotIn("##", question)
        self.assertEqual([], client.answers(question["#"]))


class BoundTests(SynchronousTestCase):
    """How much is asked, and how fast."""

    def test_ask_backs(self) -> None:
        """So many per second and peer, in the order in which it asked, and all of them in the end."""
        for rate, first, later in ((200, 5, 205), (2, 1, 2)):
            talk = Conversation(limits=Limits(ask_backs=rate))
            client = talk.connect("client")
            client.say([{"#": f"g{number}", "get": {"#": f"s{number}"}} for number in range(250)])
            talk.advance(ASK_BACK_MS)
            self.assertEqual(first, talk.counters["ask_backs_sent"])
            talk.advance(999)
            self.assertEqual(later, talk.counters["ask_backs_sent"] + (5 if rate == 200 else 0))
            talk.advance(200_000)
            asked = [message["get"]["#"] for message in client.heard if "get" in message]
            self.assertEqual([f"s{number}" for number in range(250)], asked)
            talk.advance(1_000)
            self.assertIsNone(talk.relay._ask_back.next_at)

    def test_no_burst(self) -> None:
        """One that was asked just now waits for its turn, however long ago it came."""
        talk = Conversation(limits=Limits(ask_backs=1))
        client = talk.connect("client")
        sent = []
        for number in range(30):
            client.say({"#": f"g{number}", "get": {"#": f"s{number}"}})
            talk.advance(100)
            sent.append(talk.counters["ask_backs_sent"])
        self.assertEqual(3, sent[-1])

    def test_ask_back_names(self) -> None:
        """So many that wait, of all peers."""
        talk = Conversation(limits=Limits(ask_back_names=3))
        first, second = talk.connect("first"), talk.connect("second")
        for client in (first, second):
            client.say([{"#": f"{client.name}{n}", "get": {"#": f"s{n}"}} for n in range(2)])
        self.assertEqual(1, talk.counters["ask_backs_refused"])
        first.close()
        second.say({"#": "more", "get": {"#": "more"}})
        self.assertEqual((1, 2), (talk.counters["ask_backs_refused"], len(talk.relay._ask_back)))
        talk.advance(1_000)
        self.assertEqual(["s0", "more"], [m["get"]["#"] for m in own_questions(second.heard)])

    def test_turn(self) -> None:
        """In one turn so many of all peers; who came first is asked first, and nobody is left out."""
        talk = Conversation()
        clients = [talk.connect(f"c{number}") for number in range(30)]
        with talk.one_turn():
            for client in clients:
                client.say([{"#": f"{client.name}.{n}", "get": {"#": f"s{n}", ".": "k"}} for n in range(25)])
        counts = []
        ask_back = talk.relay._ask_back
        for client in clients:
            client.take()
        due = ask_back.next_at
        assert due is not None
        while len(ask_back):
            before = talk.counters["ask_backs_sent"]
            ask_back.run(due + 1_000)
            counts.append(talk.counters["ask_backs_sent"] - before)
        self.assertEqual([TURN_QUESTIONS] * 3 + [30 * 25 - 3 * TURN_QUESTIONS], counts)
        talk.advance(1_000)
        self.assertEqual([25] * 30, [len(own_questions(client.take())) for client in clients])
