"""
Tests for L{gunnet.mesh.gets}: answers, short and long.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.answer import client_hash
from gunnet.limits import Limits
from gunnet.mesh.gets import NOT_READ
from gunnet.store.interface import Cell, StoreError
from gunnet.store.memory import MemoryStore
from gunnet.testing import Conversation, Message, put
from gunnet.wire.jstext import stringify


def get(message_id: str, soul: str, key: Any = None, **fields: Any) -> Message:
    """A get of a node, or of a property of it."""
    return {"#": message_id, "get": {"#": soul} if key is None else {"#": soul, ".": key}, **fields}


class AnswerTests(SynchronousTestCase):
    """What is answered at once."""

    def setUp(self) -> None:
        """A relay that knows a node."""
        self.talk = Conversation()
        self.a = self.talk.connect("a")
        self.state = self.talk.now
        self.a.say(put("p1", "s", {"10": 1, "9": 2, "x": None}, self.state))

    def answer(self, message: Message) -> list[Message]:
        """What it says to C{message}."""
        self.a.say(message)
        return self.a.answers(message["#"])

    def test_whole(self) -> None:
        """All of a node, with its hash."""
        (answer,) = self.answer(get("g", "s"))
        meta = {"#": "s", ">": {"10": self.state, "9": self.state, "x": self.state}}
        self.assertEqual({"s": {"_": meta, "10": 1, "9": 2, "x": None}}, answer["put"])
        self.assertNotIn("%", answer)
        self.assertIsInstance(answer["##"], int)

    def test_busy(self) -> None:
        """While a relay remembers much of what it heard, it keeps fewer nodes in memory, but some."""
        talk = Conversation(limits=Limits(cache_bytes=200_000))
        client = talk.connect("a")
        for number in range(30):
            client.say(put(f"p{number}", f"s{number}", {"x": "long" * 700}, talk.now))
        talk.advance(2 * talk.relay.limits.dup_ms)
        kept = []
        for name in ("quiet", "busy", "quiet again"):
            for number in range(1_000 if name == "busy" else 0):
                client.say({"#": f"{name} {number}", "@": "whatever"})
            for number in range(30):
                client.say(get(f"{name} get {number}", f"s{number}"))
            kept.append(talk.relay.health()["hot_nodes"])
            talk.advance(2 * talk.relay.limits.dup_ms)
        quiet, busy, again = kept
        self.assertEqual(quiet, again)
        self.assertEqual(200_000 // 3 // 6_500, busy)
        assert isinstance(quiet, int)
        self.assertGreater(quiet, 24)

    def test_property(self) -> None:
        """One property, which may be null."""
        (answer,) = self.answer(get("g", "s", "x"))
        self.assertEqual({"s": {"_": {"#": "s", ">": {"x": self.state}}, "x": None}}, answer["put"])

    def test_miss(self) -> None:
        """What is not there, or can't be, is answered at once with nothing but whose answer it is."""
        asked: list[Any] = [{"#": "t"}, {"#": "s", ".": "y"}, {"#": "t", ".": "x"}, {}, 5, [], "s", {"#": 5}]
        asked += [{"#": None}, {".": "x"}, {"#": ""}, {"#": {}}, {"#": {"*": "t"}, "%": 9}, None, True]
        for number, question in enumerate(asked):
            (answer,) = self.answer({"#": f"g{number}", "get": question})
            self.assertEqual({"#", "@"}, set(answer), question)

    def test_same_turn(self) -> None:
        """A value is read in the turn that brought it, before it is stored."""
        with self.talk.one_turn():
            self.a.say(put("p2", "s", {"y": 5}, self.state))
            self.a.say(get("g", "s", "y"))
        self.assertEqual(5, self.a.answers("g")[0]["put"]["s"]["y"])

    def test_known_hash(self) -> None:
        """Who has the answer gets none, whether it hashed as a relay or as a client does."""
        (answer,) = self.answer(get("g1", "s"))
        as_client = client_hash(stringify(answer["put"], sort=True))
        self.assertNotEqual(as_client, answer["##"])
        self.assertEqual([], self.answer(get("g2", "s", **{"##": answer["##"]})))
        self.assertEqual([], self.answer(get("g3", "s", **{"##": as_client})))
        self.assertEqual([], self.answer(get("g4", "s", **{"##": str(as_client)})))
        self.assertEqual(3, self.talk.counters["answers_known_already"])
        for number, other in enumerate([as_client + 1, "", True, [], {"a": 1}, "x" * 40, 1.5]):
            self.assertEqual(1, len(self.answer(get(f"h{number}", "s", **{"##": other}))), other)

    def test_lex_characters(self) -> None:
        """A budget over the bound counts as the bound."""
        talk = Conversation(limits=Limits(lex_characters=25))
        a = talk.connect("a")
        a.say(put("p1", "s", {f"k{number}": "x" * 10 for number in range(9)}, talk.now))
        a.say({"#": "g", "get": {"#": "s", ".": {"*": "k"}, "%": 1e9}})
        self.assertEqual({"_", "k0", "k1", "k2"}, set(a.answers("g")[0]["put"]["s"]))

    def test_unreadable(self) -> None:
        """If the store can't be read, the asker is told, and nobody else is asked."""
        talk = Conversation(store=BrokenStore(1 << 20))
        a, b = talk.connect("a"), talk.connect("b")
        b.take()
        a.say(get("g", "broken"))
        self.assertEqual(NOT_READ, a.answers("g")[0]["err"])
        self.assertEqual(([], 1), (b.take(), talk.counters["store_reads_failed"]))


class BrokenStore(MemoryStore):
    """Can't be read."""

    def node(self, soul: str, *args: Any, **fields: Any) -> Any:
        """Fail."""
        raise StoreError("a bad sector")

    def cell(self, soul: str, key: str) -> Cell | None:
        """Fail."""
        raise StoreError("a bad sector")


class StreamTests(SynchronousTestCase):
    """Answers that are too long for one message."""

    def fill(self, talk: Conversation, cells: int, size: int) -> dict[str, str]:
        """Store a large node. @return: its values."""
        values = {f"k{number:04d}": f"{number}" + "x" * size for number in range(cells)}
        talk.store.commit([("big", key, (talk.now, stringify(value))) for key, value in values.items()])
        return values

    def whole(self, answers: list[Message]) -> dict[str, str]:
        """The values in the chunks of an answer, which must be in order, announced, and not overlap."""
        found: dict[str, str] = {}
        for number, answer in enumerate(answers):
            last = number == len(answers) - 1
            self.assertEqual(None if last else answers[number + 1]["#"], answer.get("%"))
            node = dict(answer["put"]["big"])
            self.assertEqual(set(node) - {"_"}, set(node.pop("_")[">"]))
            self.assertEqual(set(), set(node) & set(found))
            found.update(node)
        return found

    def test_chunks(self) -> None:
        """Chunks of roughly the size asked for, each but the last naming the id of the next."""
        talk = Conversation(limits=Limits(answer_bytes=2_000))
        a = talk.connect("a")
        values = self.fill(talk, 50, 200)
        a.say(get("g", "big"))
        self.assertEqual(values, self.whole(a.answers("g")))
        self.assertLess(max(map(len, a.link.frames)), 4_000)
        self.assertIn(len(a.answers("g")), range(4, 9))

    def test_slow_reader(self) -> None:
        """Of five megabytes no more than two chunks wait for somebody who reads slowly."""
        talk = Conversation()
        a = talk.connect("a")
        values = self.fill(talk, 100, 50_000)
        a.choke()
        a.say(get("g", "big"))
        assert a.peer is not None
        seen = most = rounds = 0
        while rounds < 100:
            most = max(most, a.peer.outbox.size)
            a.drain()
            a.choke()
            rounds += 1
            if len(a.link.frames) == seen and not a.peer.outbox.size:
                break
            seen = len(a.link.frames)
        self.assertEqual(values, self.whole(a.answers("g")))
        self.assertLess(most, 400_000)
        self.assertTrue(a.peer.up)

    def test_nothing_waits_when_choked(self) -> None:
        """While nobody reads, no turn is asked for."""
        talk = Conversation(limits=Limits(answer_bytes=2_000))
        a = talk.connect("a")
        self.fill(talk, 50, 200)
        a.choke()
        a.say(get("g", "big"))
        self.assertEqual([], talk.relay.waiting())
        a.drain()
        self.assertEqual(50, len(self.whole(a.answers("g"))))

    def test_others_in_between(self) -> None:
        """A long answer does not keep a short question of the same or another peer waiting."""
        talk = Conversation(limits=Limits(answer_bytes=2_000))
        a, b = talk.connect("a"), talk.connect("b")
        self.fill(talk, 100, 200)
        with talk.one_turn():
            a.say(get("g1", "big"))
            b.say(get("g2", "big", "k0000"))
            a.say(get("g3", "big", "k0000"))
        order = [message["@"] for message in a.heard if "@" in message]
        self.assertLess(order.index("g3"), 3)
        self.assertEqual(1, len(b.answers("g2")))

    def test_streams(self) -> None:
        """So many at once per peer; what else it says waits, and is served then. Others are not affected."""
        talk = Conversation(limits=Limits(answer_bytes=2_000, streams=2))
        a, b = talk.connect("a"), talk.connect("b")
        values = self.fill(talk, 50, 200)
        a.choke()
        for number in range(5):
            a.say(get(f"g{number}", "big"))
        assert a.peer is not None
        self.assertEqual((2, 3), (len(a.peer.streams), len(a.peer.inbox)))
        self.assertEqual(3, talk.counters["streams_exceeded"])
        b.say(get("other", "big"))
        self.assertEqual(values, self.whole(b.answers("other")))
        a.drain()
        for number in range(5):
            self.assertEqual(values, self.whole(a.answers(f"g{number}")))

    def test_many_answers(self) -> None:
        """Who asks for more in one batch than its outbox may hold gets all of it, a part at a time."""
        talk = Conversation(limits=Limits(outbox_bytes=50_000))
        a, b = talk.connect("a"), talk.connect("b")
        talk.store.commit(
            [(f"s{number}", "x", (talk.now, b'"%b"' % (b"x" * 2_000))) for number in range(100)]
        )
        a.say([get(f"g{number}", f"s{number}") for number in range(100)])
        self.assertEqual((None, 100), (a.link.dropped, sum("put" in message for message in a.heard)))
        b.choke()
        with talk.one_turn():
            for number in range(100):
                b.say(get(f"h{number}", f"s{number}"))
        self.assertIsNone(b.link.dropped)
        b.drain()
        self.assertEqual(100, sum("put" in message for message in b.heard))

    def test_unreadable(self) -> None:
        """If the store can't be read on the way, the asker is told in place of the rest."""
        talk = Conversation(limits=Limits(answer_bytes=2_000))
        a = talk.connect("a")
        self.fill(talk, 50, 200)
        a.choke()
        a.say(get("g", "big"))
        self.patch(talk.store, "node", BrokenStore(1).node)
        a.drain()
        self.assertEqual([None, NOT_READ], [answer.get("err") for answer in a.answers("g")])
        self.assertEqual([], talk.relay.waiting())

    def test_leaves(self) -> None:
        """The rest of a long answer is forgotten with the link."""
        talk = Conversation(limits=Limits(answer_bytes=2_000))
        a = talk.connect("a")
        self.fill(talk, 50, 200)
        a.choke()
        a.say(get("g", "big"))
        a.close()
        talk.advance(60_000)
        self.assertEqual(([], []), (talk.relay.waiting(), talk.clock.getDelayedCalls()))

    def test_changes_meanwhile(self) -> None:
        """What is written while an answer is under way is in its later chunks, and in an update."""
        talk = Conversation(limits=Limits(answer_bytes=2_000))
        a, b = talk.connect("a"), talk.connect("b")
        self.fill(talk, 50, 200)
        a.choke()
        a.say(get("g", "big"))
        b.say(put("p", "big", {"k0049": "new"}, talk.now + 0.0))
        b.say(put("q", "big", {"k0049": "newer"}, talk.now))
        a.drain()
        self.assertEqual("newer", self.whole(a.answers("g"))["k0049"])
