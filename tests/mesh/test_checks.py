"""
Tests for L{gunnet.mesh.checks} and L{gunnet.mesh.put_messages}: puts that wait for the firewall.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.limits import Limits
from gunnet.mesh.pace import COMMIT_MS
from gunnet.mesh.puts import BUSY
from gunnet.sea.firewall import UNVERIFIED, Rules
from gunnet.testing import Client, Conversation, Message, put
from gunnet.wire import jstext
from tests.mesh.test_questions import get, questions

ALICE, EVE = sea.pair(), sea.pair()
SOUL = f"~{ALICE.pub}"


def outcomes(client: Client, message_id: str) -> list[Any]:
    """What a put was answered with."""
    return [answer.get("ok", answer.get("err")) for answer in client.answers(message_id)]


class CheckCase(SynchronousTestCase):
    """Base: a writer, and one who is subscribed to all of the writer's account and to a room."""

    def begin(self, *, axe: bool = True, limits: Limits | None = None, rules: Rules | None = None) -> None:
        """Begin in another way."""
        self.talk = Conversation(axe=axe, limits=limits, rules=rules)
        self.a, self.b = (self.talk.connect(name, hi=True) for name in ("a", "b"))
        self.b.say(get("g1", SOUL))
        self.b.say(get("g2", "room"))
        self.b.take()
        self.a.take()

    def setUp(self) -> None:
        """Begin."""
        self.begin()

    def signed(self, key: str, value: Any, *, by: sea.Pair = ALICE, state: float | None = None) -> str:
        """A signed value in Alice's account."""
        return sea.sign_value(SOUL, key, value, self.talk.now if state is None else state, by)

    def put(self, message_id: str, **values: Any) -> Message:
        """A put of signed values."""
        signed = {key: self.signed(key, value) for key, value in values.items()}
        return put(message_id, SOUL, signed, self.talk.now)

    def stored(self, soul: str = SOUL) -> dict[str, Any]:
        """What the relay has of a node, signed values unpacked."""
        cells = self.talk.relay._graph.cells(soul)
        return {key: sea.unpacked(jstext.parse(value)) for key, (_, value) in cells}

    def told(self) -> list[Any]:
        """The puts that the subscriber got since the last look."""
        return [message["put"] for message in self.b.take() if "put" in message]


class OrderTests(CheckCase):
    """Verifying takes its time."""

    def setUp(self) -> None:
        """Let it take all the time."""
        super().setUp()
        self.talk.verifier.holding = True

    def test_waits(self) -> None:
        """Nothing is known, told or acknowledged before the signature is verified."""
        self.a.say(self.put("p1", name="alice"))
        self.assertEqual(([], {}, []), (outcomes(self.a, "p1"), self.stored(), self.told()))
        self.assertEqual(1, self.talk.relay.health()["unchecked_puts"])
        self.talk.verifier.release()
        self.talk.settle()
        self.assertEqual(([True], {"name": "alice"}), (outcomes(self.a, "p1"), self.stored()))
        self.assertEqual([SOUL], [soul for update in self.told() for soul in update])
        self.assertEqual(0, self.talk.relay.health()["unchecked_puts"])

    def test_others_go_on(self) -> None:
        """What needs no check does not wait for it."""
        self.a.say(self.put("p1", name="alice"))
        self.a.say(put("p2", "room", {"x": 1}, self.talk.now))
        self.assertEqual([True], outcomes(self.a, "p2"))
        self.assertEqual({"x": 1}, self.stored("room"))

    def test_order_in_a_soul(self) -> None:
        """Nothing overtakes what waits in its soul: not what is known, nor what is not signed there."""
        first, second = self.put("p1", n=1), self.put("p2", m=2)
        mixed = {**second["put"], **put("", "room", {"x": 1}, self.talk.now)["put"]}
        self.a.say(first)
        self.a.say({"#": "p2", "put": mixed})
        self.a.say(put("p3", SOUL, {"pub": ALICE.pub}, self.talk.now))
        self.a.say(put("p4", "room", {"x": 2}, self.talk.now + 0.5))
        self.assertEqual([], self.told())
        self.talk.advance(1)
        self.talk.verifier.release()
        self.talk.settle()
        self.assertEqual([[True], [], [], []], [outcomes(self.a, f"p{at}") for at in range(1, 5)])
        self.talk.verifier.release()
        self.talk.settle()
        self.talk.advance(COMMIT_MS)
        self.assertEqual([[True]] * 4, [outcomes(self.a, f"p{at}") for at in range(1, 5)])
        self.assertEqual({"x": 2}, self.stored("room"))

    def test_check_batch(self) -> None:
        """No more than the bound is handed out at once; nothing is lost."""
        self.begin(limits=Limits(check_batch=3))
        self.talk.verifier.holding = True
        self.a.say(self.put("p1", **{f"k{at}": at for at in range(7)}))
        sizes = []
        while self.talk.verifier.held:
            sizes.append(len(self.talk.verifier.held[0][0]))
            self.talk.verifier.release()
            self.talk.settle()
        self.assertEqual(([3, 3, 1], [True]), (sizes, outcomes(self.a, "p1")))

    def test_unchecked_cells(self) -> None:
        """Who signs faster than is verified is read from no more, until it is."""
        self.begin(limits=Limits(unchecked_cells=2, inbox_messages=1))
        self.talk.verifier.holding = True
        for number in range(5):
            self.a.say(self.put(f"p{number}", **{f"k{number}": number}))
        self.assertFalse(self.a.link.reading)
        self.assertEqual(3, self.talk.counters["unchecked_cells_exceeded"])
        while self.talk.verifier.held:
            self.talk.verifier.release()
            self.talk.settle()
        self.assertTrue(self.a.link.reading)
        self.talk.advance(COMMIT_MS)
        self.assertEqual([[True]] * 5, [outcomes(self.a, f"p{number}") for number in range(5)])
        self.assertEqual(0, self.a.peer.unchecked if self.a.peer else None)

    def test_unchecked_bytes(self) -> None:
        """When too much waits, a put is refused."""
        self.begin(limits=Limits(unchecked_bytes=100))
        self.talk.verifier.holding = True
        self.a.say(self.put("p1", n=1))
        self.a.say(self.put("p2", n=2))
        self.assertEqual([[], [BUSY]], [outcomes(self.a, name) for name in ("p1", "p2")])
        self.assertEqual(1, self.talk.counters["unchecked_bytes_refused"])

    def test_writer_leaves(self) -> None:
        """What was heard is taken in, also when its sender is gone."""
        self.a.say(self.put("p1", n=1))
        self.a.close()
        self.talk.verifier.release()
        self.talk.settle()
        self.assertEqual({"n": 1}, self.stored())

    def test_fault(self) -> None:
        """What goes wrong with one put costs its sender the link, and the next one nothing."""
        cell = self.talk.store.cell

        def broken(soul: str, key: str) -> Any:
            if key == "n":
                raise RuntimeError("on purpose")
            return cell(soul, key)

        self.patch(self.talk.store, "cell", broken)
        self.a.say(self.put("p1", n=1))
        self.b.say(self.put("p2", m=2))
        for _ in range(2):
            self.talk.verifier.release()
            self.talk.settle()
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        self.assertEqual(("internal error", None), (self.a.link.dropped, self.b.link.dropped))
        self.assertEqual([True], outcomes(self.b, "p2"))


class RefusalTests(CheckCase):
    """What may not stand is not taken in, and its sender hears of it; the rest is."""

    def mixed(self) -> Message:
        """A put with good parts, and one that somebody else signed."""
        graph = self.put("", good="good")["put"]
        graph[SOUL]["bad"] = self.signed("bad", "bad", by=EVE)
        graph[SOUL]["_"][">"]["bad"] = self.talk.now
        return {"#": "p1", "put": {**graph, **put("", "room", {"x": 1}, self.talk.now)["put"]}}

    def test_parts(self) -> None:
        """The good parts of a put go on; there is an err, and no ok."""
        for axe in (True, False):
            self.begin(axe=axe)
            self.a.say(self.mixed())
            self.assertEqual([UNVERIFIED], outcomes(self.a, "p1"))
            self.assertEqual(({"good": "good"}, {"x": 1}), (self.stored(), self.stored("room")))
            told = self.told()
            self.assertEqual({SOUL, "room"}, {soul for update in told for soul in update})
            self.assertNotIn("bad", str(told))
            self.assertEqual(1, self.talk.counters["cells_refused"])

    def test_all(self) -> None:
        """If nothing is left nothing happens."""
        for axe in (True, False):
            self.begin(axe=axe)
            self.a.say(put("p1", SOUL, {"x": "not signed", "y": 1}, self.talk.now))
            self.assertEqual([UNVERIFIED], outcomes(self.a, "p1"))
            self.assertEqual(({}, []), (self.stored(), self.told()))

    def test_reasons(self) -> None:
        """Each reason is told once."""
        values = {"x": 1, "y": 2, "pub": EVE.pub}
        self.a.say(put("p1", SOUL, values, self.talk.now))
        self.assertEqual({UNVERIFIED, "Account not same!"}, set(outcomes(self.a, "p1")))
        self.assertEqual(2, len(outcomes(self.a, "p1")))

    def test_expired(self) -> None:
        """What is too old for its soul is left out, and acknowledged like anything that is old."""
        graph = put("", "chat<?9", {"new": 1, "old": 1}, self.talk.now)["put"]
        graph["chat<?9"]["_"][">"]["old"] -= 10_000
        self.a.say({"#": "p1", "put": graph})
        self.assertEqual(([True], {"new": 1}), (outcomes(self.a, "p1"), self.stored("chat<?9")))
        self.assertEqual(1, self.talk.counters["cells_expired"])

    def test_expires(self) -> None:
        """Later it is not given to anybody any more, in whatever way it is asked for."""
        self.a.say(put("p1", "chat<?9", {"x": 1}, self.talk.now))
        asked = ({"#": "chat<?9"}, {"#": "chat<?9", ".": "x"}, {"#": {"*": "chat"}, "%": 99})
        for at, question in enumerate(asked):
            self.b.say({"#": f"soon{at}", "get": question})
            self.assertIn("put", self.b.answers(f"soon{at}")[0])
        self.talk.advance(9_001)
        for at, question in enumerate(asked):
            self.b.say({"#": f"late{at}", "get": question})
            self.assertNotIn("put", self.b.answers(f"late{at}")[0])

    def test_answers(self) -> None:
        """An answer is judged too: who asked gets only what may stand, under a hash of that."""
        self.begin()
        self.b.say(get("q", f"{SOUL}/x"))
        holder = self.talk.connect("holder", url="http://holder/gun")
        self.b.say(get("q2", f"{SOUL}/y"))
        self.assertEqual(["q2"], questions(holder)[-1:])
        soul = f"{SOUL}/y"
        good = sea.sign_value(soul, "good", 1, self.talk.now, ALICE)
        bad = sea.sign_value(soul, "bad", 1, self.talk.now, EVE)
        holder.say({**put("ans", soul, {"good": good, "bad": bad}, self.talk.now), "@": "q2", "##": 7})
        (answer,) = [message for message in self.b.answers("q2") if "put" in message]
        self.assertEqual({"_", "good"}, set(answer["put"][soul]))
        self.assertNotIn("##", answer)
        holder.say({**put("ans2", soul, {"bad": bad}, self.talk.now + 1), "@": "q2"})
        self.assertEqual(1, len([message for message in self.b.answers("q2") if "put" in message]))

    def test_signed_only(self) -> None:
        """With a rule against it nothing unsigned is taken."""
        self.begin(rules=Rules(signed_only=True))
        self.a.say(put("p1", "room", {"x": 1}, self.talk.now))
        self.a.say(self.put("p2", n=1))
        self.assertEqual(["Soul missing public key at 'x'."], outcomes(self.a, "p1"))
        self.assertEqual(([True], {}), (outcomes(self.a, "p2"), self.stored("room")))

    def test_acks_of_others(self) -> None:
        """No ack of somebody else reads as if all of it were stored."""
        self.a.say(self.mixed())
        update = next(message for message in self.b.heard if "put" in message)
        self.b.say({"#": "ack", "@": update["#"], "ok": 1})
        self.assertEqual([UNVERIFIED], outcomes(self.a, "p1"))
