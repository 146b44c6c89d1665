"""
Tests for L{gunnet.mesh.axe}: what those who are subscribed are told.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.mesh.unacked import UNKNOWN_MS
from gunnet.testing import Client, Conversation, Message, put

URL = "ws://upstream/gun"


def ask(client: Client, soul: str, key: str | None = None) -> None:
    """Subscribe by a get."""
    get: dict[str, Any] = {"#": soul} if key is None else {"#": soul, ".": key}
    client.say({"#": f"{client.name} asks {soul} {key}", "get": get})
    client.take()


def updates(client: Client) -> list[Message]:
    """The updates that came since the last look."""
    return [message for message in client.take() if "put" in message and "@" not in message]


def told_values(client: Client, soul: str) -> list[dict[str, Any]]:
    """What the updates since the last look said of C{soul}, without its meta data."""
    nodes = [message["put"].get(soul, {}) for message in updates(client)]
    return [{key: value for key, value in node.items() if key != "_"} for node in nodes]


class PushTests(SynchronousTestCase):
    """What subscribers are told."""

    def setUp(self) -> None:
        """A relay with three clients."""
        self.talk = Conversation()
        self.a = self.talk.connect("a", pid="pidA")
        self.b = self.talk.connect("b", pid="pidB")
        self.c = self.talk.connect("c", pid="pidC")

    def test_form(self) -> None:
        """An update has a fresh id, what acks are wanted, and the values with their states."""
        ask(self.b, "room")
        now = self.talk.now
        self.a.say(put("p1", "room", {"x": 1}, now))
        (update,) = updates(self.b)
        self.assertNotEqual("p1", update.pop("#"))
        meta = {"#": "room", ">": {"x": now}}
        self.assertEqual({"ok": {"@": 2, "/": 3}, "put": {"room": {"_": meta, "x": 1}}}, update)
        self.assertEqual([], updates(self.c))

    def test_one_frame_for_many(self) -> None:
        """Subscribers that are told the same get one and the same frame, which names them."""
        ask(self.b, "room")
        ask(self.c, "room")
        self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
        self.assertIs(self.b.link.frames[-1], self.c.link.frames[-1])
        self.assertEqual("pidB,pidC", updates(self.b)[0]["><"])

    def test_properties(self) -> None:
        """Who asked for a property hears of that one only; who asked for the node too hears once."""
        ask(self.b, "room", "x")
        ask(self.c, "room", "x")
        ask(self.c, "room")
        self.a.say(put("p1", "room", {"x": 1, "y": 2}, self.talk.now))
        self.a.say(put("p2", "room", {"y": 3}, self.talk.now))
        self.assertEqual([{"x": 1}], told_values(self.b, "room"))
        self.assertEqual([{"x": 1, "y": 2}, {"y": 3}], told_values(self.c, "room"))

    def test_lex(self) -> None:
        """A LEX on the properties subscribes to those that it selects."""
        self.b.say({"#": "g", "get": {"#": "room", ".": {"*": "x"}, "%": 100}})
        self.a.say(put("p1", "room", {"y": 1, "x2": 2}, self.talk.now))
        self.assertEqual([{"x2": 2}], told_values(self.b, "room"))

    def test_no_echo(self) -> None:
        """A writer that is subscribed is not told what it wrote."""
        ask(self.a, "room")
        self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
        self.assertEqual([], updates(self.a))

    def test_newer_value_of_the_same_turn(self) -> None:
        """A writer whose value was overtaken in the same turn is told the newer one."""
        ask(self.a, "room")
        ask(self.b, "room")
        ask(self.c, "room")
        with self.talk.one_turn():
            self.a.say(put("p1", "room", {"x": 1, "mine": 1}, self.talk.now - 2))
            self.b.say(put("p2", "room", {"x": 2}, self.talk.now - 1))
        self.assertEqual([{"x": 2}], told_values(self.a, "room"))
        self.assertEqual([{"mine": 1}], told_values(self.b, "room"))
        self.assertEqual([{"x": 2, "mine": 1}], told_values(self.c, "room"))

    def test_writer_has_the_last_word(self) -> None:
        """If a value goes to and fro in a turn, the last writer is told nothing, the other the last."""
        ask(self.a, "room")
        ask(self.b, "room")
        with self.talk.one_turn():
            for number, writer in enumerate((self.a, self.b, self.a)):
                writer.say(put(f"p{number}", "room", {"x": number}, self.talk.now - 9 + number))
        self.assertEqual([], updates(self.a))
        self.assertEqual([{"x": 2}], told_values(self.b, "room"))

    def test_nothing_new(self) -> None:
        """What is known or older is told to nobody."""
        ask(self.b, "room")
        now = self.talk.now
        self.a.say(put("p1", "room", {"x": 1}, now))
        self.a.say(put("p2", "room", {"x": 1}, now))
        self.a.say(put("p3", "room", {"x": 9}, now - 1))
        self.assertEqual([{"x": 1}], told_values(self.b, "room"))

    def test_several_souls(self) -> None:
        """All that a turn brought goes in one message."""
        ask(self.b, "room")
        ask(self.b, "hall")
        with self.talk.one_turn():
            self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
            self.c.say(put("p2", "hall", {"x": 2}, self.talk.now))
        (update,) = updates(self.b)
        self.assertEqual({"room", "hall"}, set(update["put"]))

    def test_different_souls(self) -> None:
        """Who is subscribed to some of what a turn brought hears of that, and each in one message."""
        for client, souls in ((self.a, ("room", "hall")), (self.b, ("room", "yard")), (self.c, ("hall",))):
            for soul in souls:
                ask(client, soul)
        writer = self.talk.connect("writer")
        with self.talk.one_turn():
            for soul in ("room", "hall", "yard"):
                writer.say(put(f"p {soul}", soul, {"x": soul}, self.talk.now))
            self.a.say(put("p", "room", {"y": 1}, self.talk.now))
        told = []
        for client in (self.a, self.b, self.c):
            (update,) = updates(client)
            told.append({(soul, key) for soul, node in update["put"].items() for key in node if key != "_"})
        hall, room, yard = ("hall", "x"), ("room", "x"), ("yard", "x")
        self.assertEqual([{hall, room}, {room, ("room", "y"), yard}, {hall}], told)

    def test_asks_after_the_put(self) -> None:
        """Who asks in the same turn in which something was put hears of it once: in the answer."""
        with self.talk.one_turn():
            self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
            self.b.say({"#": "g", "get": {"#": "room"}})
        (said,) = [message for message in self.b.take() if "put" in message]
        self.assertEqual("g", said["@"])
        self.a.say(put("p2", "room", {"x": 2}, self.talk.now))
        self.assertEqual([{"x": 2}], told_values(self.b, "room"))

    def test_cut(self) -> None:
        """A large update is cut into several, each cell in one of them."""
        talk = Conversation(limits=Limits(answer_bytes=300))
        asker, writer = talk.connect("asker"), talk.connect("writer")
        ask(asker, "room")
        values = {f"k{number}": "x" * 90 for number in range(12)}
        writer.say(put("p1", "room", values, talk.now))
        told = told_values(asker, "room")
        self.assertEqual(4, len(told))
        self.assertEqual(12, sum(map(len, told)))
        self.assertEqual(values, {key: value for node in told for key, value in node.items()})

    def test_gone(self) -> None:
        """A subscriber that was dropped or left is told nothing more."""
        ask(self.b, "room")
        ask(self.c, "room")
        self.b.close()
        assert self.c.peer is not None
        with self.talk.one_turn():
            self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
            self.talk.relay.drop(self.c.peer, "enough")
        self.assertEqual(([], []), (updates(self.b), updates(self.c)))

    def test_answers_are_news(self) -> None:
        """What came as an answer goes to other subscribers too; to the asker once, to the answerer not."""
        ask(self.b, "room")
        self.c.say({"#": "g1", "get": {"#": "room", ".": "x"}})
        self.a.take()
        self.a.say(put("a1", "room", {"x": 1}, self.talk.now, **{"@": "g1"}))
        self.assertEqual([{"x": 1}], told_values(self.b, "room"))
        self.assertEqual(["a1"], [message["#"] for message in self.c.heard if "put" in message])
        self.assertEqual([], updates(self.a))

    def test_answerer_is_subscribed(self) -> None:
        """Who answers a get with data hears of its news from then on."""
        self.c.say({"#": "g1", "get": {"#": "room", ".": "x"}})
        self.a.say(put("a1", "room", {"x": 1}, self.talk.now, **{"@": "g1"}))
        self.a.take()
        self.b.say(put("p1", "room", {"x": 2, "y": 2}, self.talk.now + 0.0))
        self.assertEqual([{"x": 2}], told_values(self.a, "room"))


class AckTests(SynchronousTestCase):
    """Acks of an update find their way to the puts it came from."""

    def setUp(self) -> None:
        """A subscriber and two writers."""
        self.talk = Conversation()
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        self.sub = self.talk.connect("sub")
        ask(self.sub, "room")

    def push(self) -> str:
        """Two puts of a and one of b in one turn. @return: the id of the update."""
        with self.talk.one_turn():
            self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
            self.a.say(put("p2", "room", {"y": 1}, self.talk.now))
            self.b.say(put("p3", "room", {"z": 1}, self.talk.now))
        (update,) = updates(self.sub)
        return str(update["#"])

    def test_every_origin(self) -> None:
        """Each put in an update hears of its ack, and no peer gets one id twice."""
        update = self.push()
        self.sub.say({"#": "ack1", "@": update, "ok": {"": 1}})
        acks = [self.a.answers("p1")[1], self.a.answers("p2")[1], self.b.answers("p3")[1]]
        self.assertEqual([{"": 1}] * 3, [ack["ok"] for ack in acks])
        self.assertEqual("ack1", acks[0]["#"])
        self.assertNotEqual("ack1", acks[1]["#"])
        self.assertEqual("ack1", acks[2]["#"])

    def test_err(self) -> None:
        """An err of a subscriber is led back as an ok is."""
        update = self.push()
        self.sub.say({"#": "ack1", "@": update, "err": "full"})
        self.assertEqual("full", self.b.answers("p3")[1]["err"])
        self.assertNotIn("ok", self.b.answers("p3")[1])

    def test_signals(self) -> None:
        """WebRTC signals pass unchanged, as often as they are sent, and answers to them find the way back."""
        update = self.push()
        self.sub.say({"#": "offer", "@": update, "ok": {"rtc": {"offer": {"sdp": "v=0\r\n"}, "id": "sub"}}})
        self.assertEqual({"offer": {"sdp": "v=0\r\n"}, "id": "sub"}, self.b.answers("p3")[1]["ok"]["rtc"])
        self.b.say({"#": "answer", "@": "offer", "ok": {"rtc": {"answer": {}, "id": "b"}}})
        self.assertEqual(
            {"#": "answer", "@": "offer", "ok": {"rtc": {"answer": {}, "id": "b"}}}, self.sub.take()[-1]
        )
        self.talk.advance(30_000)
        self.sub.say({"#": "late", "@": update, "ok": {"rtc": {"candidate": 1}}})
        self.b.say({"#": "later", "@": "offer", "ok": {"rtc": {"candidate": 2}}})
        self.assertEqual({"candidate": 1}, self.b.heard[-1]["ok"]["rtc"])
        self.assertEqual({"candidate": 2}, self.sub.heard[-1]["ok"]["rtc"])


class UpstreamTests(SynchronousTestCase):
    """Upstreams are told everything but their own."""

    def setUp(self) -> None:
        """A client and two upstreams."""
        self.talk = Conversation()
        self.a = self.talk.connect("a")
        self.up1 = self.talk.connect("up1", url=URL + "1")
        self.up2 = self.talk.connect("up2", url=URL + "2")

    def test_told_everything(self) -> None:
        """They hear of what they never asked for."""
        self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
        self.assertEqual([{"x": 1}], told_values(self.up1, "room"))
        self.assertEqual([{"x": 1}], told_values(self.up2, "room"))

    def test_not_their_own(self) -> None:
        """What came from one goes to the other and to subscribers, not back."""
        ask(self.a, "room")
        self.up1.take(), self.up2.take()
        self.up1.say(put("p1", "room", {"x": 1}, self.talk.now))
        self.assertEqual([], updates(self.up1))
        self.assertEqual([{"x": 1}], told_values(self.up2, "room"))
        self.assertEqual([{"x": 1}], told_values(self.a, "room"))

    def test_away(self) -> None:
        """What is said while an upstream is away reaches it when it is back."""
        self.up1.close()
        self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
        back = self.talk.connect("up1 again", url=URL + "1")
        self.talk.advance(UNKNOWN_MS)
        self.assertEqual([{"x": 1}], told_values(back, "room"))

    def test_ack(self) -> None:
        """An upstream's ack is led back to the writer."""
        self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
        (update,) = updates(self.up1)
        self.up1.say({"#": "ack1", "@": update["#"], "ok": True})
        self.assertEqual(["ack1"], [ack["#"] for ack in self.a.answers("p1")[1:]])
