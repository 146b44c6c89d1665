"""
Tests for L{gunnet.mesh.forward}, the mesh's own verbs, and what happens to peers that come and go.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.mesh.unacked import UNKNOWN_MS
from gunnet.testing import Client, Conversation, Message, put


class VerbTests(SynchronousTestCase):
    """C{dam}."""

    def setUp(self) -> None:
        """Two clients."""
        self.talk = Conversation(axe=False, pid="pidRelay0")
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        self.a.take(), self.b.take()

    def test_greeting(self) -> None:
        """Who asks who we are is answered, with a pid or without; who answers is not."""
        greetings: list[Message] = [{"pid": "pidA"}, {}, {"pid": 5}, {"pid": "other"}, {"pid": "x" * 500}]
        for number, fields in enumerate(greetings):
            self.a.say({"#": f"m{number}", "dam": "?", **fields})
            (answer,) = self.a.take()
            self.assertEqual(("?", "pidRelay0", f"m{number}"), (answer["dam"], answer["pid"], answer["@"]))
        assert self.a.peer is not None
        self.assertEqual("pidA", self.a.peer.pid)
        self.b.say({"#": "n", "dam": "?", "pid": "pidB", "@": "m0"})
        self.assertEqual([], self.b.take())

    def test_ignored(self) -> None:
        """Verbs that would steer us, and unknown ones, change nothing and go nowhere."""
        hostile: list[Message] = [
            {"dam": "service", "try": "update", "pass": "x"},
            {"dam": "tag", "src": "x", "email": "a@example.com"},
            {"dam": "rtc", "ok": {"rtc": {"offer": {}}}},
            {"dam": "bye"},
            {"dam": "unknown"},
            {"dam": 5},
            {"dam": ["?"]},
            {"dam": ""},
            {"dam": False},
        ]
        for number, message in enumerate(hostile):
            self.a.say({"#": f"v{number}", **message})
        self.talk.advance(5_000)
        self.assertEqual(([], []), (self.a.take(), self.b.take()))
        self.assertEqual(
            (len(hostile), 2), (self.talk.counters["verbs_ignored"], self.talk.relay.health()["peers"])
        )
        self.assertEqual(self.talk.relay.upstream("x").url, "x")

    def test_error(self) -> None:
        """An error of a peer is counted."""
        self.a.say({"#": "e", "dam": "!", "err": "DAM JSON parse error."})
        self.assertEqual(([], 1), (self.a.take(), self.talk.counters["errors_heard"]))

    def test_with_a_put(self) -> None:
        """What else is in a message of the mesh layer does not count."""
        self.a.say({**put("m", "s", {"x": 1}, self.talk.now), "dam": "hi"})
        self.assertEqual(([], [], []), (self.a.take(), self.b.take(), self.talk.writer.commits))

    def test_self(self) -> None:
        """A link to this relay itself is closed."""
        self.a.say({"#": "m", "dam": "?", "pid": "pidRelay0"})
        self.assertEqual("it is this relay itself", self.a.link.dropped)
        self.assertEqual((1, 1), (self.talk.counters["peers_self"], self.talk.relay.health()["peers"]))

    def test_claimed_pid(self) -> None:
        """Who claims the pid of another peer, or of an upstream, cuts no link and keeps nothing from it."""
        up = self.talk.connect("up", url="ws://up/gun")
        up.say({"#": "u", "dam": "?", "pid": "pidUp", "@": "x"})
        self.b.say({"#": "b", "dam": "?", "pid": "pidUp", "@": "x"})
        self.a.say({"#": "g", "get": {"#": "s"}})
        for client in (up, self.b):
            self.assertIsNone(client.link.dropped)
            self.assertEqual(["g"], [message["#"] for message in client.take() if "get" in message])
        self.a.say({"#": "g2", "get": {"#": "s"}, "><": "pidUp"})
        self.assertEqual(3, self.talk.relay.health()["peers"])


class FloodTests(SynchronousTestCase):
    """With AXE off a put goes to all who don't have it."""

    def setUp(self) -> None:
        """Three clients and an upstream."""
        self.talk = Conversation(axe=False)
        self.a, self.b, self.c = (self.talk.connect(name, pid=f"pid{name}") for name in "abc")
        self.up = self.talk.connect("up", url="ws://up/gun")
        for client in (self.a, self.b, self.c, self.up):
            client.take()

    def test_put(self) -> None:
        """It keeps its id and fields, one ack fewer is wanted, and the names of who has it are ours."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now, ok={"@": 9, "/": 1}, opt={"cert": "c"}, DBG=1))
        (told,) = self.b.take()
        self.assertEqual(("p", {"@": 8, "/": 4}, {"cert": "c"}), (told["#"], told["ok"], told["opt"]))
        self.assertNotIn("DBG", told)
        self.assertEqual("pidb,pidc,ws://up/gun", told["><"])
        self.assertEqual(([told], [told]), (self.c.take(), self.up.take()))

    def test_odd_ok(self) -> None:
        """An C{ok} that does not say how many acks are wanted goes on as it is."""
        odd = [True, 1, "x", [1], {}, {"/": 1}, {"@": "9"}, {"@": True}, {"@": None}]
        for number, ok in enumerate(odd):
            self.a.say(put(f"p{number}", "s", {f"k{number}": 1}, self.talk.now, ok=ok))
        self.assertEqual(odd, [message["ok"] for message in self.b.take()])

    def test_told(self) -> None:
        """Who is named in C{><} does not get it again; the sender never."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now, **{"><": "pidb,ws://up/gun"}))
        self.assertEqual(([], 1, []), (self.b.take(), len(self.c.take()), self.up.take()))
        self.assertNotIn("p", [message["#"] for message in self.a.take()])

    def test_no_news(self) -> None:
        """What is known or older, or was refused, goes to nobody; a repeat under another id neither."""
        now = self.talk.now
        self.a.say(put("p1", "s", {"x": 1}, now))
        self.b.take()
        self.a.say(put("p2", "s", {"x": 1}, now))
        self.a.say(put("p3", "s", {"x": 0}, now - 1))
        self.a.say({"#": "p4", "put": {"s": 5}})
        self.a.say(put("p5", "s", {"x": 5}, now, NTS=1))
        self.assertEqual([], self.b.take())

    def test_acks(self) -> None:
        """Acks come back to the writer as they are."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.a.take()
        self.b.say({"#": "ack", "@": "p", "ok": {"": 1}, "more": 1})
        self.assertEqual([{"#": "ack", "@": "p", "ok": {"": 1}, "more": 1}], self.a.take())
        self.assertEqual([], self.c.take()[1:])

    def test_unroutable(self) -> None:
        """An answer to what we do not know goes nowhere."""
        self.b.say({"#": "ack", "@": "never", "ok": 1})
        self.assertEqual(([], [], 1), (self.a.take(), self.c.take(), self.talk.counters["acks_unroutable"]))

    def test_away(self) -> None:
        """An upstream whose link is down is told what stands when it is back."""
        self.up.close()
        self.a.say(put("p1", "s", {"x": 1}, self.talk.now - 1))
        self.a.say(put("p2", "s", {"x": 2}, self.talk.now))
        up = self.talk.connect("up", url="ws://up/gun")
        self.talk.advance(UNKNOWN_MS)
        heard = [message["put"] for message in up.heard if "put" in message]
        self.assertEqual([{"x": 2}], [{"x": each["s"]["x"]} for each in heard])


class OtherTests(SynchronousTestCase):
    """Messages of kinds that only applications know."""

    def test_forwarded(self) -> None:
        """They go to everybody else in both modes, with all that is in them."""
        for axe in (True, False):
            talk = Conversation(axe=axe)
            a, b = talk.connect("a"), talk.connect("b", pid="pidB")
            b.take()
            a.say({"#": "x", "hello": {"world": [1, None]}, "ok": 1})
            self.assertEqual([{"#": "x", "hello": {"world": [1, None]}, "ok": 1, "><": "pidB"}], b.take())
            self.assertEqual([], a.take()[1:])

    def test_numbers_without_end(self) -> None:
        """A number that no double holds goes along in an unknown field, and is no fault of anybody."""
        talk = Conversation()
        a, b = talk.connect("a"), talk.connect("b")
        for number, digits in enumerate(("9" * 400, "9" * 5_000, "1e999")):
            field = f'"x":{{"y":{digits}}}'
            a.say(f'{{"#":"n{number}",{field}}}')
            self.assertEqual((None, 0), (a.link.dropped, talk.counters["faults"]))
            self.assertIn(field.encode(), b.link.frames[-1])

    def test_empty(self) -> None:
        """What says nothing goes nowhere."""
        talk = Conversation()
        a, b = talk.connect("a"), talk.connect("b")
        b.take()
        empty: list[Message] = [
            {},
            {"#": "x1"},
            {"#": "x2", "><": "y"},
            {"#": "x3", "_": 1, "$": 2, "DBG": 3},
        ]
        for number, message in enumerate(empty):
            a.say(message)
            self.assertEqual(number + 1, talk.counters["messages_empty"])
        a.say({"#": "x4", "NTS": 1, "hello": 1})
        a.say({"#": "x5", "nts": 1, "hello": 1})
        self.assertEqual([], b.take())

    def test_broadcasts(self) -> None:
        """At a bounded rate per peer, counted; other messages of it are served."""
        talk = Conversation(limits=Limits(broadcasts=3.0))
        a, b, c = talk.connect("a"), talk.connect("b"), talk.connect("c")
        b.take()
        for number in range(10):
            a.say({"#": f"x{number}", "hello": 1})
        self.assertEqual((3, 7), (len(b.take()), talk.counters["broadcasts_refused"]))
        c.say({"#": "y", "hello": 1})
        talk.advance(1_000)
        a.say({"#": "z", "hello": 1})
        self.assertEqual(["y", "z"], [message["#"] for message in b.take()])
        a.say({"#": "g", "get": {"#": "s"}})
        self.assertEqual(1, len(a.answers("g")))


class SignalTests(SynchronousTestCase):
    """What carries WebRTC signals is remembered for longer."""

    def begin(self, limits: Limits) -> None:
        """A writer whose put b will answer."""
        self.talk = Conversation(axe=False, limits=limits)
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")

    def signal(self, number: int, announce: str = "p0") -> bool:
        """Whether a signal that answers C{announce} arrives."""
        before = len(self.a.heard)
        self.b.say({"#": f"s{number}", "@": announce, "ok": {"rtc": {"candidate": number}}})
        return len(self.a.heard) > before

    def test_rtc_ms(self) -> None:
        """They find their way for the time that is set, and not for ever."""
        self.begin(Limits(rtc_ms=30_000.0))
        self.a.say(put("p0", "s", {"x": 1}, self.talk.now))
        self.assertTrue(self.signal(0))
        self.talk.advance(29_000)
        self.assertTrue(self.signal(1))
        self.talk.advance(29_000)
        self.assertTrue(self.signal(2))
        self.talk.advance(61_000)
        self.assertFalse(self.signal(3))

    def test_rtc_ids(self) -> None:
        """No more such ids are kept than the bound; what is forgotten early is counted."""
        self.begin(Limits(rtc_ids=10))
        for number in range(20):
            self.a.say(put(f"p{number}", "s", {f"k{number}": 1}, self.talk.now))
            self.signal(number, f"p{number}")
        self.assertGreaterEqual(self.talk.counters["rtc_ids_evicted"], 20)
        self.talk.advance(30_000)
        self.assertFalse(self.signal(100, "p0"))
        self.assertTrue(self.signal(101, "p19"))


class ComingAndGoingTests(SynchronousTestCase):
    """Peers leave in the middle of everything."""

    def test_at_any_point(self) -> None:
        """Whoever leaves or is dropped, whenever: no fault, nobody else notices, nothing is left."""
        for seed in range(20):
            dice = Random(seed)
            limits = Limits(
                answer_bytes=500, turn_messages=3, streams=2, outbox_bytes=60_000, inbox_messages=5
            )
            talk = Conversation(axe=dice.random() < 0.6, limits=limits, seed=seed)
            talk.writer.holding = True
            clients = [talk.connect(f"c{number}", pid=f"pid{number}") for number in range(4)]
            steady = talk.connect("steady")
            steady.say({"#": "sub", "get": {"#": "s0"}})
            for number in range(120):
                self.something(talk, clients, dice, number)
            steady.say(put("last", "s0", {"last": 1}, talk.now))
            talk.writer.holding, talk.writer.error = False, None
            while talk.writer.held:
                talk.writer.release()
                talk.settle()
            self.assertIs(True, steady.answers("last")[0]["ok"], f"seed {seed}")
            for client in [*clients, steady]:
                client.close()
            talk.advance(200_000)
            health = talk.relay.health()
            self.assertEqual(
                (0, 0, 0, 0, 0),
                tuple(health[n] for n in ("peers", "subscriptions", "ids", "pending_bytes", "deferred")),
            )
            self.assertEqual((0, []), (talk.counters["faults"], talk.clock.getDelayedCalls()), f"seed {seed}")

    def something(self, talk: Conversation, clients: list[Client], dice: Random, number: int) -> None:
        """One step."""
        index = dice.randrange(len(clients))
        client = clients[index]
        soul = f"s{dice.randrange(3)}"
        values: dict[str, Any] = {f"k{dice.randrange(50)}": "x" * dice.randrange(300) for _ in range(5)}
        steps = [
            lambda: client.say(put(f"p{number}", soul, values, talk.now + dice.randrange(-5, 20))),
            lambda: client.say([{"#": f"g{number}.{part}", "get": {"#": soul}} for part in range(7)]),
            lambda: client.say({"#": f"g{number}", "get": {"#": {"*": "s"}, "%": 10_000}}),
            lambda: client.say({"#": f"a{number}", "@": f"g{number - 1}", "ok": 1}),
            lambda: client.say(put(f"n{number}", soul, values, talk.now, **{"@": f"g{number - 2}"})),
            client.choke,
            client.drain,
            lambda: talk.advance(dice.randrange(200)),
            lambda: talk.relay.drop(client.peer, "dice") if client.peer else None,
        ]
        if dice.random() < 0.1:
            client.close()
            clients[index] = talk.connect(f"n{number}", url=dice.choice([None, None, f"ws://up{index}/gun"]))
        elif talk.writer.held and dice.random() < 0.3:
            talk.writer.error = dice.choice([None, None, "broken"])
            talk.writer.release()
            talk.settle()
        else:
            dice.choice(steps)()
