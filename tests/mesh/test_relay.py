"""
Tests for L{gunnet.mesh.relay}: the front door.
"""

from __future__ import annotations

import gc
from random import Random
from typing import Any
from weakref import ref

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.mesh.relay import NOT_JSON, TOO_BIG
from gunnet.testing import Client, Conversation, Message, messages, put


def errors(client: Client) -> list[str]:
    """The errors of the mesh layer (C{!}) that came since the last look."""
    return [message["err"] for message in client.take() if message.get("dam") == "!"]


def get(message_id: Any, soul: str) -> Message:
    """A get of a node."""
    return {"#": message_id, "get": {"#": soul}}


def _words(text: str) -> list[str]:
    return text.split()


class IdTests(SynchronousTestCase):
    """Message ids."""

    def setUp(self) -> None:
        """Two clients."""
        self.talk = Conversation(axe=False)
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")

    def test_duplicate(self) -> None:
        """A message is served once, whoever says it again and whatever it says then."""
        for axe in (True, False):
            self.talk = Conversation(axe=axe)
            self.setUp_clients()
            self.a.say(put("same", "s", {"x": 1}, self.talk.now))
            heard = len(self.b.heard)
            self.b.say(put("same", "s", {"x": 2}, self.talk.now))
            self.a.say(get("same", "s"))
            self.a.say({"#": "same", "dam": "?"})
            self.assertEqual((1, heard), (len(self.a.answers("same")), len(self.b.heard)))
            self.assertEqual(3, self.talk.counters["messages_duplicate"])

    def setUp_clients(self) -> None:
        """Two clients of the relay that is there."""
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")

    def test_remembered(self) -> None:
        """An id is remembered for nine seconds after it was last heard, and forgotten some time later."""
        self.a.say(get("g", "s"))
        for _ in range(4):
            self.talk.advance(8_900)
            self.a.say(get("g", "s"))
        self.assertEqual(1, len(self.a.answers("g")))
        self.talk.advance(18_100)
        self.a.say(get("g", "s"))
        self.assertEqual(2, len(self.a.answers("g")))

    def test_dup_ids(self) -> None:
        """No more ids are remembered than the bound; what is forgotten early is counted."""
        self.talk = Conversation(limits=Limits(dup_ids=30))
        self.setUp_clients()
        for number in range(100):
            self.a.say(get(f"g{number}", "s"))
        self.assertIn(self.talk.relay.health()["ids"], range(1, 31))
        self.assertGreater(self.talk.counters["dup_ids_evicted"], 50)
        self.a.say(get("g99", "s"))
        self.assertEqual(1, len(self.a.answers("g99")))

    def test_dup_ms(self) -> None:
        """The time may be set."""
        self.talk = Conversation(limits=Limits(dup_ms=1_000.0))
        self.setUp_clients()
        self.a.say(get("g", "s"))
        self.talk.advance(990)
        self.a.say(get("g", "s"))
        self.assertEqual(1, len(self.a.answers("g")))
        self.talk.advance(2_100)
        self.a.say(get("g", "s"))
        self.assertEqual(2, len(self.a.answers("g")))

    def test_invented(self) -> None:
        """A message whose id is missing, no text or too long gets one of ours, under which it travels on."""
        ids: list[Any] = [None, 5, "", True, [], {"a": 1}, "x" * 129]
        for message_id in ids:
            message = get(message_id, "s")
            if message_id is None:
                del message["#"]
            self.a.take(), self.b.take()
            self.a.say(message)
            (question,), (answer,) = self.b.take(), self.a.take()
            self.assertEqual(question["#"], answer["@"])
            self.assertIsInstance(question["#"], str)
            self.assertNotEqual(message_id, question["#"])
            self.b.say({"#": f"n{message_id}"[:50], "@": question["#"]})
            self.assertEqual(question["#"], self.a.take()[0]["@"])

    def test_id_units(self) -> None:
        """An id of just the length that is allowed is kept."""
        self.a.say(get("x" * 128, "s"))
        self.assertEqual(1, len(self.a.answers("x" * 128)))
        self.talk = Conversation(limits=Limits(id_units=5))
        self.setUp_clients()
        self.a.say(get("12345", "s"))
        self.a.say(get("123456", "s"))
        self.assertEqual((1, 0), (len(self.a.answers("12345")), len(self.a.answers("123456"))))
        self.assertEqual(1, self.talk.counters["ids_replaced"])

    def test_long_reference(self) -> None:
        """What an answer answers is an id too: one that is too long, or no text, answers nothing."""
        for number, reference in enumerate(("x" * 129, 5, [1])):
            answer = put(f"a{number}", f"s{number}", {"x": 1}, self.talk.now, **{"@": reference, "##": 7})
            self.b.say(answer)
            self.assertEqual([True], [ack["ok"] for ack in self.b.answers(f"a{number}")])
        self.assertEqual([], [heard for heard in self.a.heard if "put" in heard])

    def test_answer_heard_twice(self) -> None:
        """The same answer from two peers, by what it answers and its hash, is passed on once."""
        self.a.say(get("g", "s"))
        c = self.talk.connect("c")
        for client, answer_id in ((self.b, "a1"), (c, "a2")):
            client.say(put(answer_id, "s", {"x": 1}, self.talk.now, **{"@": "g", "##": 7}))
        self.assertEqual(["a1"], [answer["#"] for answer in self.a.answers("g") if "put" in answer])
        self.assertEqual(1, self.talk.counters["answers_duplicate"])


class FrameTests(SynchronousTestCase):
    """What a frame may be."""

    def setUp(self) -> None:
        """Two clients."""
        self.talk = Conversation()
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        self.a.take(), self.b.take()

    def test_greeting(self) -> None:
        """An accepted peer is told first who we are, and one that we dialled what."""
        client = self.talk.connect("c")
        (hello,) = client.heard
        self.assertEqual(
            {"dam": "?", "pid": self.talk.relay.pid}, {name: hello[name] for name in ("dam", "pid")}
        )
        (hello,) = self.talk.connect("up", url="ws://up/gun").heard
        self.assertEqual(("relay", self.talk.relay.pid), (hello["dam"], hello["pid"]))

    def test_array(self) -> None:
        """Messages of an array, as objects or as text, are served in order; all else in it is skipped."""
        self.a.say(
            [get("g1", "s"), '{"#":"g2","get":{"#":"s"}}', None, 5, "text", [get("no", "s")], get("g3", "s")]
        )
        self.assertEqual(["g1", "g2", "g3"], [answer["@"] for answer in self.a.heard if "@" in answer])

    def test_gap_ms(self) -> None:
        """After a frame comes a gap, and what it held back comes in one frame behind it."""
        self.talk = Conversation(limits=Limits(gap_ms=20))
        self.a = self.talk.connect("a")
        self.talk.advance(20)
        self.a.take()
        for number in range(4):
            self.a.say(get(f"g{number}", "s"))
        self.assertEqual(["g0"], [answer["@"] for answer in self.a.take()])
        self.talk.advance(19)
        self.assertEqual([], self.a.take())
        self.talk.advance(1)
        self.assertEqual(["g1", "g2", "g3"], [answer["@"] for answer in messages(self.a.link.frames[-1])])

    def test_depth(self) -> None:
        """A message may be nested 100 deep and no deeper, whatever its strings and its length are."""
        for depth, refused in ((100, 0), (101, 1), (5_000, 2)):
            nested = "[" * (depth - 1) + "]" * (depth - 1)
            self.a.say(f'{{"#":"n{depth}","x":{nested},"y":"[[","z":"\\""}}')
            self.assertEqual(refused, self.talk.counters["depth_refused"])
        self.assertEqual(["n100"], [heard["#"] for heard in self.b.take()])
        self.assertEqual(["DAM JSON parse error."] * 2, [heard["err"] for heard in self.a.take()])
        wide = {f"s{number}": {"_": {"#": f"s{number}", ">": {"k": 1}}, "k": 1} for number in range(500)}
        self.a.say({"#": "wide", "put": wide})
        self.assertEqual([True], [ack["ok"] for ack in self.a.answers("wide")])

    def test_no_message(self) -> None:
        """The heartbeat, and text that is no message, are passed over in silence."""
        for text in ["", " ", ' {"#":"g","get":{"#":"s"}}', *_words('[] hello 123 null "str" ] [[]] [1,2]')]:
            self.a.say(text)
        self.assertEqual(([], []), (self.a.take(), self.b.take()))
        self.assertEqual(0, self.talk.counters["faults"])

    def test_not_json(self) -> None:
        """Broken text is answered with an error, and the link stays."""
        broken = _words(
            """{ {bad} {"a":} {"a":1,} {"a":1}} [ [{"#":"g"} [} {"a":NaN} [1,2, {] {"a":Infinity}"""
        )
        broken += ['{"a":"\x01"}', "{'a':1}", '{"#":"g" "get":1}', "{" * 10_000, "[" * 10_000]
        for text in broken:
            self.a.say(text)
            self.assertEqual([NOT_JSON], errors(self.a), text[:20])
        self.a.say([*["{"] * 3, get("g", "s")])
        self.assertEqual(1, len(self.a.answers("g")))
        self.assertTrue(self.a.link.dropped is None)

    def test_message_bytes(self) -> None:
        """A frame over the bound is answered with an error, and the link stays."""
        self.talk = Conversation(limits=Limits(message_bytes=100))
        self.a = self.talk.connect("a")
        self.a.take()
        frame = '{"#":"g","get":{"#":"s"},"x":"%s"}'
        self.a.say(frame % ("x" * (101 - len(frame % ""))))
        self.assertEqual([TOO_BIG], errors(self.a))
        self.assertEqual(1, self.talk.counters["message_bytes_refused"])
        self.a.say(frame % ("x" * (100 - len(frame % ""))))
        self.assertEqual(1, len(self.a.answers("g")))

    def test_oversized_in_the_transport(self) -> None:
        """The same error if the transport has skipped it already."""
        assert self.a.peer is not None
        self.talk.mesh.hear_oversized(self.a.peer)
        self.talk.settle()
        self.assertEqual([TOO_BIG], errors(self.a))

    def test_batch_messages(self) -> None:
        """Of an array no more messages are taken than the bound, counted; the sender is told."""
        self.talk = Conversation(limits=Limits(batch_messages=5))
        self.a = self.talk.connect("a")
        self.a.say([get(f"g{number}", "s") for number in range(8)])
        self.assertEqual([f"g{number}" for number in range(5)], [m["@"] for m in self.a.heard if "@" in m])
        self.assertEqual([TOO_BIG], errors(self.a))
        self.assertEqual(3, self.talk.counters["batch_messages_refused"])

    def written_order(self, *clients: Client) -> list[str]:
        """From now on, whom a frame is written to, in order. What they ask for is there."""
        self.talk.store.commit([("s", "x", (1.0, b"1"))])
        order: list[str] = []

        def record(client: Client) -> None:
            def send(frame: bytes) -> None:
                order.append(client.name)
                client.link.frames.append(frame)

            self.patch(client.link, "send", send)

        for client in clients:
            record(client)
        return order

    def test_turn_messages(self) -> None:
        """A long array is served a slice at once and one a turn, and others are served between them."""
        self.talk = Conversation(limits=Limits(turn_messages=10))
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        order = self.written_order(self.a, self.b)
        with self.talk.one_turn():
            self.a.say([get(f"a{number}", "s") for number in range(95)])
            self.b.say(get("b", "s"))
        self.assertEqual(["a", "b"] + ["a"] * 8, order)
        self.assertEqual(95, sum("@" in message for message in self.a.heard))

    def test_two_long_arrays(self) -> None:
        """Of two that send long arrays neither waits for the other."""
        self.talk = Conversation(limits=Limits(turn_messages=10))
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        order = self.written_order(self.a, self.b)
        with self.talk.one_turn():
            for client in (self.a, self.b):
                client.say([get(f"{client.name}{number}", "s") for number in range(50)])
        self.assertEqual(["a", "b"] * 4, order)

    def test_order_behind_an_array(self) -> None:
        """What a peer says after a long array is served after it."""
        self.talk = Conversation(limits=Limits(turn_messages=2))
        self.a = self.talk.connect("a")
        with self.talk.one_turn():
            self.a.say(
                [put(f"p{number}", "s", {"x": number}, self.talk.now - 9 + number) for number in range(5)]
            )
            self.a.say({"#": "g", "get": {"#": "s", ".": "x"}})
        self.assertEqual(4, self.a.answers("g")[0]["put"]["s"]["x"])

    def test_inbox_messages(self) -> None:
        """A peer of which more waits than the bound is not read until all of that is served."""
        self.talk = Conversation(limits=Limits(turn_messages=10, inbox_messages=20))
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        served: list[tuple[str, str, int]] = []
        for client in (self.a, self.b):
            for name in ("pause_reading", "resume_reading"):
                self.patch(
                    client.link,
                    name,
                    lambda who=client.name, what=name: served.append(
                        (who, what, self.talk.counters["messages_heard"])
                    ),
                )
        self.a.say([get(f"g{number}", "s") for number in range(30)])
        self.assertEqual([], served)
        self.a.say([get(f"h{number}", "s") for number in range(31)])
        self.assertEqual([("a", "pause_reading", 50), ("a", "resume_reading", 61)], served)
        self.assertEqual(1, self.talk.counters["inbox_messages_exceeded"])

    def test_inbox_bytes(self) -> None:
        """When too much of all peers waits, the one whose frame made it so is dropped."""
        self.talk = Conversation(
            limits=Limits(streams=1, answer_bytes=500, inbox_messages=2, inbox_bytes=5_000)
        )
        self.talk.store.commit([("s", f"k{number}", (1.0, b'"%b"' % (b"x" * 400))) for number in range(9)])
        clients = [self.talk.connect(name) for name in "abc"]
        for client in clients:
            client.choke()
            client.say(get(f"{client.name}g", "s"))
            client.say([{**get(f"{client.name}{number}", "s"), "padding": "x" * 500} for number in range(4)])
        self.assertEqual([None, None], [client.link.dropped for client in clients[:2]])
        self.assertIn("wait for their turn", clients[2].link.dropped or "")
        self.assertEqual(1, self.talk.counters["inbox_bytes_exceeded"])

    def test_inbox_of_large_messages(self) -> None:
        """Nor is a peer of which more bytes wait than one message may have."""
        self.talk = Conversation(limits=Limits(answer_bytes=500, streams=1, message_bytes=10_000))
        self.talk.store.commit([("s", f"k{number}", (1.0, b'"%b"' % (b"x" * 400))) for number in range(9)])
        self.a = self.talk.connect("a")
        self.a.choke()
        self.a.say(get("g", "s"))
        for number in range(3):
            self.assertTrue(self.a.link.reading)
            self.a.say(put(f"p{number}", "t", {f"k{number}": "x" * 4_000}, self.talk.now))
        self.assertFalse(self.a.link.reading)
        self.assertEqual(1, self.talk.counters["inbox_messages_exceeded"])
        self.a.drain()
        self.assertTrue(self.a.link.reading)
        self.assertEqual([1, 1, 1], [len(self.a.answers(f"p{number}")) for number in range(3)])

    def test_put_and_get(self) -> None:
        """A message that has both is a put."""
        message = put("m", "s", {"x": 1}, self.talk.now)
        message["get"] = {"#": "t"}
        self.a.say(message)
        self.assertEqual([True], [answer.get("ok") for answer in self.a.answers("m")])
        self.assertEqual([], self.b.take())


class HostileTests(SynchronousTestCase):
    """Whatever is said, the relay goes on, and says only JSON."""

    def test_any_fields(self) -> None:
        """Every field with every kind of value, in both modes."""
        values: list[Any] = [None, True, 0, -1, 1.5, 1e300, "", "x", "é\ud800", [], [1], {}]
        values += [{"#": "x"}, {"a": {"b": []}}]
        fields = _words("# @ ## >< put get ok err dam pid % opt mob peers _ nts")
        dice = Random(5)
        for axe in (True, False):
            talk = Conversation(axe=axe)
            a, b = talk.connect("a"), talk.connect("b")
            b.say(get("sub", "x"))
            ids = ["x", "sub", "m1", "m2", "m3"]
            for number in range(2_000):
                message = {name: dice.choice(values) for name in dice.sample(fields, dice.randrange(1, 6))}
                if dice.random() < 0.8:
                    message["#"] = f"m{number}"
                if dice.random() < 0.3:
                    message["@"] = dice.choice(ids)
                if dice.random() < 0.2:
                    message |= put(f"m{number}", "x", {"x": dice.choice(values)}, dice.choice([1, talk.now]))
                dice.choice([a, b]).say(message)
            talk.advance(1_000)
            self.assertEqual(0, talk.counters["faults"])
            self.assertEqual((None, None), (a.link.dropped, b.link.dropped))
            self.assertTrue(a.heard and b.heard)
            a.say(get("alive", "zz"))
            self.assertEqual(1, len(a.answers("alive")))

    def test_long_names(self) -> None:
        """What is very long, or odd, in names is carried or refused, never a fault."""
        talk = Conversation()
        a = talk.connect("a")
        names = ["\x00", "\x1b", "a" * 4096, "a" * 4097, "__proto__", "é\ud800", "😀" * 1024, "/"]
        for number, name in enumerate(names):
            a.say(put(f"p{number}", name, {name: 1}, talk.now))
            a.say({"#": f"g{number}", "get": {"#": name, ".": name}})
            ok = a.answers(f"p{number}")[0].get("ok")
            self.assertEqual(bool(ok), "put" in a.answers(f"g{number}")[0])
        self.assertEqual(0, talk.counters["faults"])


class GoneTests(SynchronousTestCase):
    """What is left of peers that are gone."""

    def test_no_garbage(self) -> None:
        """Nothing is, once their messages are forgotten, whether or not garbage is collected."""
        self.addCleanup(gc.enable)
        gc.disable()
        for axe in (True, False):
            talk = Conversation(axe=axe)
            stays, goes = talk.connect("stays"), talk.connect("goes", pid="goes")
            goes.say(get("g", "s"))
            goes.say(put("p", "s", {"x": 1}, talk.now))
            stays.say(get("h", "s"))
            stays.say(put("q", "s", {"x": 2}, talk.now))
            assert goes.peer is not None
            gone = ref(goes.peer)
            goes.close()
            goes.peer = None
            for number in range(4):
                talk.advance(9_000)
                stays.say(get(f"later {number}", "s"))
            self.assertIsNone(gone())
