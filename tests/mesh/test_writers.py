"""
Tests for L{gunnet.mesh.writers}: how fast one key may write.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.limits import Limits
from gunnet.mesh.buckets import BURST_SECONDS
from gunnet.mesh.writers import TOO_FAST
from gunnet.testing import Conversation

ALICE, BOB = sea.pair(), sea.pair()
PER_SECOND = 2


class WriterTests(SynchronousTestCase):
    """Keys that write."""

    def begin(self, **limits: int) -> None:
        self.talk = Conversation(limits=replace(Limits(), **limits))
        self.counters = self.talk.relay.counters
        self.client = self.talk.connect("client")
        self.client.take()
        self.number = 0

    def put(self, pair: sea.Pair, value: str = "x", certificate: str | None = None, of: Any = None) -> Any:
        """What comes of a signed put: C{True}, or C{err}."""
        self.number += 1
        soul = f"~{(of or pair).pub}/n{self.number}"
        graph = sea.sign_node(soul, {"name": value}, self.talk.now, pair, certificate=certificate)
        return self.say({"#": f"put{self.number}", "put": graph})

    def say(self, message: dict[str, Any]) -> Any:
        self.client.say(message)
        answers = [each for each in self.client.take() if each.get("@") == message["#"]]
        return answers[0].get("err", answers[0].get("ok"))

    def test_off(self) -> None:
        """By default a key may write as fast as it can."""
        self.begin()
        self.assertEqual([True] * 50, [self.put(ALICE) for _ in range(50)])

    def test_writer_puts(self) -> None:
        """Beyond the burst puts of one key are refused, until time has passed; others go on."""
        self.begin(writer_puts=PER_SECOND)
        answers = [self.put(ALICE) for _ in range(20)]
        self.assertEqual({True, TOO_FAST}, set(answers))
        self.assertLessEqual(answers.count(True), PER_SECOND * BURST_SECONDS + 2)
        self.assertEqual(answers.count(TOO_FAST), self.counters["writer_puts_refused"])
        self.assertIs(True, self.put(BOB))
        self.talk.advance(1000.0)
        self.assertIs(True, self.put(ALICE))

    def test_writer_bytes(self) -> None:
        """So are bytes."""
        self.begin(writer_bytes=1000)
        answers = [self.put(ALICE, "x" * 2000) for _ in range(5)]
        self.assertEqual(TOO_FAST, answers[-1])
        self.assertLess(0, self.counters["writer_bytes_refused"])

    def test_due(self) -> None:
        """Who has a clock that is fast is not slower for it: a put counts when it comes, and once."""
        self.begin(writer_puts=PER_SECOND)
        soul = f"~{ALICE.pub}/in"
        graph = sea.sign_node(soul, {f"k{at}": at for at in range(30)}, self.talk.now + 200, ALICE)
        self.client.say({"#": "early", "put": graph})
        self.talk.advance(201)
        self.assertEqual([True], [each.get("ok") for each in self.client.take() if each.get("@") == "early"])
        self.assertEqual(0, self.counters["writer_puts_refused"])

    def test_writers(self) -> None:
        """Of no more keys than there is room for is that remembered."""
        self.begin(writer_puts=1, writers=1)
        for pair in (ALICE, BOB, ALICE):
            self.put(pair)
        self.assertEqual(1, len(self.talk.relay.checks.writers))
        self.assertEqual(2, self.counters["writers_evicted"])

    def test_who_counts(self) -> None:
        """Who signs counts, not whose graph it is; and who only claims to be somebody uses nothing up."""
        self.begin(writer_puts=PER_SECOND)
        certificate = sea.certify(BOB, {"*": "n"}, ALICE)
        for _ in range(20):
            self.put(BOB, certificate=certificate, of=ALICE)
        self.assertLess(0, self.counters["writer_puts_refused"])
        before = self.counters["writer_puts_refused"]
        value = sea.sign_value(f"~{ALICE.pub}", "name", "x", self.talk.now, ALICE)
        for number in range(20):
            meta = {"#": f"~{ALICE.pub}/x", ">": {"name": self.talk.now}}
            self.say({"#": f"lie{number}", "put": {f"~{ALICE.pub}/x": {"_": meta, "name": value}}})
        self.assertIs(True, self.put(ALICE))
        self.assertEqual(before, self.counters["writer_puts_refused"])

    def test_public(self) -> None:
        """What nobody signed is not counted."""
        self.begin(writer_puts=1)
        for number in range(20):
            meta = {"#": "room", ">": {"x": self.talk.now}}
            self.assertIs(True, self.say({"#": f"p{number}", "put": {"room": {"_": meta, "x": number}}}))
