"""
Tests for L{gunnet.mesh.trace}: the way of one message.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.limits import Limits
from gunnet.mesh.trace import NAMED, Trace
from gunnet.testing import Conversation, put

PAIR = sea.pair()


class TraceCase(SynchronousTestCase):
    """A relay that follows messages, on a clock that moves a millisecond each time it is asked."""

    def follow(self, *, everything: bool = False, limits: Limits | None = None) -> Conversation:
        self.talk = Conversation(limits=limits)
        self.ticks = 0.0
        self.trace = Trace(self.tick, self.talk.relay.limits, self.talk.relay.counters, everything=everything)
        self.talk.relay.follow(self.trace)
        return self.talk

    def tick(self) -> float:
        self.ticks += 1
        return self.ticks

    def steps(self, message_id: str) -> list[tuple[str, str]]:
        found = self.trace.steps(message_id)
        assert found is not None
        steps: Any = found["steps"]
        self.assertEqual(sorted(steps, key=lambda step: step["at"]), steps)
        return [(step["step"], step["what"]) for step in steps]


class PutTests(TraceCase):
    """The way of a put."""

    def test_whole_way(self) -> None:
        """Hear, check, merge, store, route and say are there, with times, and to whom it went."""
        talk = self.follow()
        a, b = talk.connect("a"), talk.connect("b")
        b.say({"#": "g", "get": {"#": "s"}})
        a.say(put("p", "s", {"x": 1, "y": 2}, talk.now, DBG={"c": 1}))
        update = b.heard[-1]["#"]
        steps = self.steps("p")
        self.assertRegex(steps[0][1], r"^put of \d+ bytes from a$")
        self.assertEqual(
            [
                ("check", "nothing to judge"),
                ("merge", "2 of 2 properties are news"),
                ("route", f"update {update} to b"),
                ("store", "handed over with 2 properties"),
                ("store", "durable"),
                ("route", "ack to a"),
                ("say", f"update {update} to b"),
                ("say", "ack to a"),
            ],
            steps[1:],
        )
        self.assertNotIn("DBG", b.heard[-1])

    def test_others_are_left_alone(self) -> None:
        """Without C{DBG} nothing is followed, unless all is to be."""
        for everything in (False, True):
            talk = self.follow(everything=everything)
            talk.connect("a").say(put("p", "s", {"x": 1}, talk.now))
            self.assertEqual(everything, self.trace.steps("p") is not None)
            self.assertEqual(["p"] if everything else [], self.trace.ids())

    def test_off(self) -> None:
        """A relay that follows nothing has no trace, and drops C{DBG} as ever."""
        talk = Conversation()
        talk.connect("a").say(put("p", "s", {"x": 1}, talk.now, DBG={"c": 1}))
        self.assertIsNone(talk.relay.trace)

    def test_again(self) -> None:
        """A duplicate, and an ack of an update, are steps of the put."""
        talk = self.follow()
        a, b = talk.connect("a"), talk.connect("b")
        b.say({"#": "g", "get": {"#": "s"}})
        message = put("p", "s", {"x": 1}, talk.now, DBG=1)
        a.say(message)
        b.say(message)
        b.say({"#": "k", "@": b.heard[-1]["#"], "ok": 1})
        self.assertIn(("hear", "again, from b"), self.steps("p"))
        self.assertIn(("hear", "ack k that answers it, from b"), self.steps("p"))

    def test_refused(self) -> None:
        """What is refused says why, and that its sender was told."""
        talk = self.follow()
        talk.connect("a").say({"#": "p", "DBG": 1, "put": {"s": 1}})
        steps = self.steps("p")
        self.assertTrue(any(step == "check" and what.startswith("refused: ") for step, what in steps))
        self.assertTrue(any(step == "say" and what.startswith("err ") for step, what in steps))

    def test_not_stored(self) -> None:
        """A commit that fails is told."""
        talk = self.follow()
        talk.writer.error = "the disk is full"
        talk.connect("a").say(put("p", "s", {"x": 1}, talk.now, DBG=1))
        self.assertIn(("store", "the disk is full"), self.steps("p"))

    def test_judged(self) -> None:
        """Of what is signed it is told how much may stand."""
        talk = self.follow()
        soul = f"~{PAIR.pub}"
        talk.connect("a").say(put("p", soul, {"x": "not signed"}, talk.now, DBG=1))
        steps = self.steps("p")
        self.assertIn(("check", "1 properties to be judged"), steps)
        self.assertIn(("check", "0 of 1 properties may stand"), steps)

    def test_many(self) -> None:
        """One thing that is said to many is one step, with a few of their names."""
        talk = self.follow()
        clients = [talk.connect(f"c{number}") for number in range(10)]
        for number, client in enumerate(clients):
            client.say({"#": f"g{number}", "get": {"#": "s"}})
        talk.connect("a").say(put("p", "s", {"x": 1}, talk.now, DBG=1))
        said = [what for step, what in self.steps("p") if step == "say" and what.startswith("update")]
        self.assertEqual(1, len(said))
        self.assertTrue(said[0].endswith(f"c0, c1, c2 and {10 - NAMED} more"))

    def test_future(self) -> None:
        """What was written for later is news when its time has come."""
        talk = self.follow()
        talk.connect("a").say(put("p", "s", {"x": 1}, talk.now + 1_000, DBG=1))
        self.assertIn(("merge", "0 of 1 properties are news, 1 wait for their time"), self.steps("p"))
        talk.advance(2_000)
        self.assertIn(("merge", "its time has come: 1 of 1 properties are news"), self.steps("p"))

    def test_slow_reader(self) -> None:
        """That something is said is a step when it is handed to the link, not before."""
        talk = self.follow()
        a, b = talk.connect("a"), talk.connect("b")
        b.say({"#": "g", "get": {"#": "s"}})
        b.choke()
        a.say(put("p", "s", {"x": 1}, talk.now, DBG=1))
        self.assertFalse([what for step, what in self.steps("p") if step == "say" and what.endswith("to b")])
        b.drain()
        self.assertTrue([what for step, what in self.steps("p") if step == "say" and what.endswith("to b")])


class GetTests(TraceCase):
    """The way of a get."""

    def test_get(self) -> None:
        """Its answer is a step."""
        talk = self.follow()
        a = talk.connect("a")
        a.say(put("p", "s", {"x": 1}, talk.now))
        a.say({"#": "g", "get": {"#": "s"}, "DBG": 1})
        self.assertEqual(["hear", "route", "say"], [step for step, _ in self.steps("g")])
        self.assertIn(("say", "answer with data to a"), self.steps("g"))

    def test_passed_on(self) -> None:
        """That others are asked is a step, and so is what they answer."""
        talk = self.follow()
        above = talk.connect("above", "ws://above/gun")
        talk.connect("a").say({"#": "g", "get": {"#": "s"}, "DBG": 1})
        talk.advance(1_000)
        asked = [message for message in above.heard if "get" in message]
        self.assertEqual(1, len(asked))
        above.say({"#": "k", "@": asked[0]["#"], "put": None})
        self.assertTrue([what for step, what in self.steps("g") if step == "say" and what.endswith("above")])


class BoundTests(TraceCase):
    """Nothing grows without a bound."""

    def test_traces(self) -> None:
        """Beyond so many messages the oldest is forgotten, and what was kept for it."""
        talk = self.follow(everything=True, limits=Limits(traces=3))
        a, b = talk.connect("a"), talk.connect("b")
        b.say({"#": "g", "get": {"#": "s"}})
        for number in range(5):
            a.say(put(f"p{number}", "s", {"x": number}, talk.now - 9 + number))
        self.assertEqual(["p2", "p3", "p4"], self.trace.ids())
        self.assertEqual(3, len(self.trace))
        self.assertEqual(3, talk.counters["traces_evicted"])
        self.assertIsNone(self.trace.steps("p1"))
        self.assertEqual(3, len(self.trace._updates))
        self.assertEqual({}, self.trace._talking)

    def test_trace_steps(self) -> None:
        """Beyond so many steps of one message the others are only counted."""
        talk = self.follow(limits=Limits(trace_steps=4))
        a = talk.connect("a")
        message = put("p", "s", {"x": 1}, talk.now, DBG=1)
        for _ in range(20):
            a.say(message)
        found = self.trace.steps("p")
        assert found is not None
        self.assertEqual(4, len(self.steps("p")))
        self.assertEqual(talk.counters["trace_steps_left_out"], found["left_out"])
        self.assertGreater(talk.counters["trace_steps_left_out"], 15)
