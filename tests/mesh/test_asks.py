"""
Tests for L{gunnet.mesh.asks}, and for what L{gunnet.mesh.checks} does with what an operator's rule says.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.limits import Limits
from gunnet.mesh.asks import ACCEPT, DROP, REJECTED, Answer, Ask, read_answer
from gunnet.testing import Conversation, put

ALICE = sea.pair()


class AskTests(SynchronousTestCase):
    """What is asked, and answered."""

    def test_json(self) -> None:
        """All of it as one line, with what is signed attributed to its signer, whatever is in the names."""
        soul = f"~{ALICE.pub}"
        value = sea.sign_value(soul, "name", "x\n", 5.0, ALICE)
        cells = ((soul, "name", 5.0, json.dumps(value).encode()), ('r"\n\ud800', "k", 1e21, b"null"))
        line = Ask(7, "id\u2028", "ws [::1]:5", cells).as_json()
        self.assertNotIn(b"\n", line)
        said = json.loads(line)
        self.assertEqual(("7", "id\u2028", "ws [::1]:5"), (said["id"], said["message"], said["peer"]))
        self.assertEqual([ALICE.pub], said["writers"])
        self.assertEqual([ALICE.pub, None], [cell["writer"] for cell in said["put"]])
        self.assertEqual([value, None], [cell["value"] for cell in said["put"]])
        self.assertEqual([soul, 'r"\n\ud800'], [cell["soul"] for cell in said["put"]])

    def test_answers(self) -> None:
        """The ways to say something, and what is no answer."""
        for said, answer in (
            (True, ACCEPT),
            ("accept", ACCEPT),
            ({"id": "1", "action": "accept"}, ACCEPT),
            (False, Answer("reject", REJECTED)),
            ("drop", DROP),
            ({"action": "reject"}, Answer("reject", REJECTED)),
            ({"action": "reject", "err": "no"}, Answer("reject", "no")),
            ({"action": "reject", "err": 5}, Answer("reject", REJECTED)),
            ({"action": "reject", "err": "x" * 5000}, Answer("reject", "x" * 1000)),
            (DROP, DROP),
        ):
            self.assertEqual(answer, read_answer(said))
        for said in (None, 1, "yes", {}, {"action": "perhaps"}, [], {"action": True}):
            self.assertRaises(ValueError, read_answer, said)


class Rule:
    """A rule that answers when the test says so."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self.waiting: dict[int, Deferred[Answer]] = {}

    def ask(self, ask: Ask) -> Deferred[Answer]:
        self.asks.append(ask)
        self.waiting[ask.number] = asked = Deferred()
        return asked

    def answer(self, at: int, answer: Answer) -> None:
        self.waiting.pop(self.asks[at].number).callback(answer)


class RuleTests(SynchronousTestCase):
    """A relay with a rule."""

    def begin(self, **limits: Any) -> None:
        self.talk = Conversation(limits=replace(Limits(), **limits))
        self.rule = self.talk.mesh.rule = Rule()
        self.talk.relay.checks.asking = True
        self.client, self.reader = self.talk.connect("client"), self.talk.connect("reader")
        self.reader.say({"#": "get", "get": {"#": "room"}})
        self.client.take()
        self.reader.take()

    def put(self, message_id: str, key: str = "k", soul: str = "room", **fields: Any) -> None:
        self.client.say(put(message_id, soul, {key: message_id}, self.talk.now, **fields))

    def answer(self, at: int, answer: Answer) -> None:
        self.rule.answer(at, answer)
        self.talk.settle()

    def answers(self) -> list[tuple[str, Any]]:
        """What the client was told since: (id, C{True} or C{err})."""
        return [(each["@"], each.get("err", each.get("ok"))) for each in self.client.take() if "@" in each]

    def test_before_all_else(self) -> None:
        """Before the answer nothing is stored, told or acknowledged; then all of it is."""
        self.begin()
        self.put("p1")
        self.assertEqual(([], []), (self.answers(), self.reader.take()))
        self.assertIsNone(self.talk.store.cell("room", "k"))
        (ask,) = self.rule.asks
        self.assertEqual((("room", "k", self.talk.now, b'"p1"'),), ask.cells)
        self.assertEqual(("p1", "client"), (ask.message, ask.peer))
        self.answer(0, ACCEPT)
        self.assertEqual([("p1", True)], self.answers())
        self.assertEqual(1, len(self.reader.take()))

    def test_reject(self) -> None:
        """What is rejected is neither stored nor told, and its sender hears why."""
        self.begin()
        self.put("p1")
        self.answer(0, Answer("reject", "not today"))
        self.assertEqual([("p1", "not today")], self.answers())
        self.assertEqual([], self.reader.take())
        self.assertIsNone(self.talk.store.cell("room", "k"))

    def test_drop(self) -> None:
        """What is dropped is not, and its sender hears nothing."""
        self.begin()
        self.put("p1")
        self.answer(0, DROP)
        self.assertEqual(([], []), (self.client.take(), self.reader.take()))
        self.assertIsNone(self.talk.store.cell("room", "k"))
        self.assertEqual(1, self.talk.counters["puts_dropped"])

    def test_order(self) -> None:
        """Answers in any order: puts go on in the order in which they came."""
        self.begin()
        for number in range(3):
            self.put(f"p{number}")
            self.talk.advance(1.0)
        self.answer(2, ACCEPT)
        self.answer(1, Answer("reject", "no"))
        self.assertEqual([], self.answers())
        self.answer(0, ACCEPT)
        self.assertEqual({("p0", True), ("p1", "no"), ("p2", True)}, set(self.answers()))
        self.assertEqual(b'"p2"', self.talk.store.cell("room", "k")[1])

    def test_after_the_firewall(self) -> None:
        """Only what is verified is asked about; what is refused anyway is not."""
        self.begin()
        soul = f"~{ALICE.pub}"
        graph = sea.sign_node(soul, {"good": 1}, self.talk.now, ALICE)
        graph[soul]["bad"] = "not signed"
        graph[soul]["_"][">"]["bad"] = self.talk.now
        self.client.say({"#": "mixed", "put": graph})
        (ask,) = self.rule.asks
        self.assertEqual(["good"], [cell[1] for cell in ask.cells])
        self.assertEqual([ALICE.pub], ask.writers())
        self.answer(0, ACCEPT)
        self.assertEqual([("mixed", "Unverified data.")], self.answers())
        self.assertIsNotNone(self.talk.store.cell(soul, "good"))
        self.put("bad", soul=soul)
        self.assertEqual(1, len(self.rule.asks))
        self.assertEqual([("bad", "Unverified data.")], self.answers())

    def test_asks(self) -> None:
        """No more than so many are asked at once; the others wait."""
        self.begin(asks=2)
        for number in range(5):
            self.put(f"p{number}", f"k{number}")
        self.assertEqual(2, len(self.rule.asks))
        for number in range(5):
            self.answer(number, ACCEPT)
        self.assertEqual(5, len(self.answers()))
        self.assertEqual(0, len(self.talk.relay.checks))

    def test_refusals_counted(self) -> None:
        """What the rule refuses counts once for each put; what it accepts does not."""
        self.begin()
        for at, answer in enumerate((Answer("reject"), ACCEPT, DROP, Answer("reject"))):
            self.put(f"p{at}", f"k{at}")
            self.answer(at, answer)
        self.assertEqual(2, self.talk.counters["puts_refused_by_rule"])
        self.assertEqual(1, self.talk.counters["puts_dropped"])

    def test_asks_counted(self) -> None:
        """That others wait is counted."""
        self.begin(asks=2)
        self.client.say([put(f"p{n}", "room", {f"k{n}": n}, self.talk.now) for n in range(5)])
        self.assertEqual(2, len(self.rule.asks))
        self.assertEqual(1, self.talk.counters["asks_exceeded"])

    def test_too_much_waits(self) -> None:
        """Puts that wait are bounded: beyond, they are refused, and the peer is read no more."""
        self.begin(unchecked_bytes=100, unchecked_cells=3)
        for number in range(6):
            self.put(f"p{number}", f"k{number}")
        self.assertLessEqual(len(self.rule.asks), 4)

    def test_peer_gone(self) -> None:
        """A put whose sender has left is stored if it may be."""
        self.begin()
        self.put("p1")
        self.client.close()
        self.answer(0, ACCEPT)
        self.assertIsNotNone(self.talk.store.cell("room", "k"))
