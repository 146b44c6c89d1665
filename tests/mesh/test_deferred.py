"""
Tests for L{gunnet.mesh.puts}: writes whose state is still to come.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.mesh.debt import RETRY_MS
from gunnet.mesh.puts import NOT_STORED, TOO_MANY_DEFERRED
from gunnet.store.interface import Cell, StoreError
from gunnet.store.memory import MemoryStore
from gunnet.testing import Conversation, put
from tests.mesh.test_puts import outcomes, value_of


def _unreadable(self: MemoryStore, soul: str, key: str) -> Cell | None:
    raise StoreError("a bad sector")


class FutureTests(SynchronousTestCase):
    """Writes whose state is still to come."""

    def setUp(self) -> None:
        """A writer and a subscriber."""
        self.talk = Conversation()
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b", hi=True)
        self.b.say({"#": "sub", "get": {"#": "s"}})
        self.b.take()
        self.now = self.talk.now

    def test_waits_for_its_time(self) -> None:
        """It is neither read, pushed nor acknowledged before its state, and all of that then."""
        self.a.say(put("p1", "s", {"x": 1}, self.now + 1_000))
        self.talk.advance(999)
        self.assertEqual(([], []), (outcomes(self.a, "p1"), self.b.take()))
        self.assertIsNone(value_of(self.talk, "s", "x"))
        self.talk.advance(2)
        self.assertEqual([True], outcomes(self.a, "p1"))
        self.assertEqual(1, self.b.take()[-1]["put"]["s"]["x"])

    def test_one_ack(self) -> None:
        """A put of several times is acknowledged once, when its last part is stored."""
        message = put("p1", "s", {"now": 1, "soon": 2, "later": 3}, self.now)
        message["put"]["s"]["_"][">"].update(soon=self.now + 500, later=self.now + 900)
        self.a.say(message)
        self.assertEqual(1, value_of(self.talk, "s", "now"))
        self.talk.advance(600)
        self.assertEqual(([], 2), (outcomes(self.a, "p1"), value_of(self.talk, "s", "soon")))
        self.talk.writer.holding = True
        self.talk.advance(301)
        self.assertEqual([], outcomes(self.a, "p1"))
        self.talk.writer.release()
        self.talk.settle()
        self.assertEqual([True], outcomes(self.a, "p1"))

    def test_unreadable_store(self) -> None:
        """If what stands can't be read when its time comes, the writer is told then."""
        talk = Conversation()
        a = talk.connect("a")
        now = talk.now
        a.say(put("p1", "s", {"x": 1}, now + 500))
        self.patch(MemoryStore, "cell", _unreadable)
        talk.advance(600)
        self.assertEqual(([NOT_STORED], 1), (outcomes(a, "p1"), talk.counters["store_reads_failed"]))
        self.assertEqual(0, talk.counters["faults"])

    def test_overtaken(self) -> None:
        """One that is older than what stands when its time comes is acknowledged, and changes nothing."""
        self.a.say(put("p1", "s", {"x": "early"}, self.now + 500))
        self.a.say(put("p2", "s", {"x": "late"}, self.now + 400))
        self.talk.advance(600)
        self.a.say(put("p3", "s", {"y": 1}, self.now + 700))
        self.a.say(put("p4", "s", {"y": 2}, self.now + 600))
        self.talk.advance(101)
        self.assertEqual([[True]] * 4, [outcomes(self.a, f"p{number}") for number in (1, 2, 3, 4)])
        self.assertEqual(("early", 1), (value_of(self.talk, "s", "x"), value_of(self.talk, "s", "y")))

    def test_err_once(self) -> None:
        """If several parts can't be stored there is one err, and no ok after it."""
        message = put("p1", "s", {"now": 1, "soon": 2, "later": 3}, self.now)
        message["put"]["s"]["_"][">"].update(soon=self.now + 500, later=self.now + 900)
        self.talk.writer.error = "broken"
        self.a.say(message)
        self.talk.advance(600)
        self.talk.writer.error = None
        self.talk.advance(600)
        self.assertEqual([NOT_STORED], outcomes(self.a, "p1"))

    def test_ahead_ms(self) -> None:
        """A state further ahead than the bound is refused, with all that came with it."""
        talk = Conversation(limits=Limits(ahead_ms=1_000.0))
        a = talk.connect("a")
        message = put("p1", "s", {"x": 1, "y": 1}, talk.now)
        message["put"]["s"]["_"][">"]["y"] = talk.now + 1_001
        a.say(message)
        a.say(put("p2", "s", {"z": 1}, talk.now + 1_000))
        self.assertIn("too far ahead", outcomes(a, "p1")[0])
        self.assertEqual((1, 1), (talk.counters["ahead_ms_refused"], talk.relay.health()["deferred"]))
        talk.advance(2_000)
        self.assertEqual(([True], None), (outcomes(a, "p2"), value_of(talk, "s", "x")))

    def refused(self, limits: Limits, values: dict[str, Any]) -> None:
        """Of two puts from the future one fits."""
        talk = Conversation(limits=limits)
        a = talk.connect("a")
        a.say(put("p1", "s", values, talk.now + 500))
        a.say(put("p2", "t", values, talk.now + 500))
        self.assertEqual([TOO_MANY_DEFERRED], outcomes(a, "p2"))
        self.assertEqual(1, talk.counters["deferred_refused"])
        talk.advance(500)
        self.assertEqual([True], outcomes(a, "p1"))
        a.say(put("p3", "t", values, talk.now + 500))
        talk.advance(500)
        self.assertEqual([True], outcomes(a, "p3"))

    def test_deferred_cells(self) -> None:
        """So many of them may wait."""
        self.refused(Limits(deferred_cells=3), {"x": 1, "y": 1})

    def test_deferred_bytes(self) -> None:
        """So much of them may wait."""
        self.refused(Limits(deferred_bytes=1_500), {"x": "x" * 1_000})

    def test_flood_passes_on_at_once(self) -> None:
        """With AXE off the others get it at once, and wait themselves."""
        talk = Conversation(axe=False)
        a, b = talk.connect("a"), talk.connect("b")
        a.say(put("p1", "s", {"x": 1}, talk.now + 500))
        self.assertEqual("p1", b.heard[-1]["#"])

    def test_flood_who_was_away(self) -> None:
        """Who was away when it came, and is subscribed when it is due, is told then; nobody is told twice."""
        talk = Conversation(axe=False)
        a, b, c = (talk.connect(name, pid=name) for name in "abc")
        for client in (b, c):
            client.say({"#": f"get {client.name}", "get": {"#": "s"}})
        b.close()
        a.say(put("p1", "s", {"x": 1}, talk.now + 500))
        b, d = talk.connect("b", pid="b"), talk.connect("d", pid="d")
        b.say({"#": "get again", "get": {"#": "s"}})
        talk.advance(500)
        heard = [[said["put"]["s"]["x"] for said in each.heard if "put" in said] for each in (b, c, d)]
        self.assertEqual([[1], [1], []], heard)

    def test_flood_of_datagrams(self) -> None:
        """A relay that was told by datagram acknowledges when it is due there; else it is told again."""
        for acks in (True, False):
            talk = Conversation(axe=False)
            a, up = talk.connect("a", pid="a"), talk.connect("up", url="ws://up/gun", pid="up")
            up.link.reliable = False
            up.say({"#": "r", "dam": "relay", "sync": 1})
            a.say(put("p1", "s", {"x": 1}, talk.now + 500))
            talk.advance(500)
            if acks:
                up.say({"#": "ack", "@": "p1", "ok": True})
            talk.advance(RETRY_MS)
            self.assertEqual([1] if acks else [1, 1], [m["put"]["s"]["x"] for m in up.heard if "put" in m])

    def test_flood_crossed(self) -> None:
        """A relay that said the same at the same time has it, though it acknowledges nothing."""
        talk = Conversation(axe=False)
        a, up = talk.connect("a", pid="a"), talk.connect("up", url="ws://up/gun", pid="up")
        up.link.reliable = False
        up.say({"#": "r", "dam": "relay", "sync": 1})
        message = put("p1", "s", {"x": 1}, talk.now + 500)
        a.say(message)
        up.say(message)
        talk.advance(500 + RETRY_MS)
        self.assertEqual([1], [m["put"]["s"]["x"] for m in up.heard if "put" in m])

    def test_flood_to_a_new_relay(self) -> None:
        """A relay that was linked after it came is told when it is due."""
        for pid in ("up", "plain"):
            talk = Conversation(axe=False)
            a = talk.connect("a", pid="a")
            a.say(put("p1", "s", {"x": 1}, talk.now + 500))
            up = talk.connect("up", url="ws://up/gun", pid=pid)
            if pid == "up":
                up.say({"#": "r", "dam": "relay", "sync": 1})
            talk.advance(499)
            self.assertEqual([], [m for m in up.heard if "put" in m])
            talk.advance(1)
            self.assertEqual([1], [m["put"]["s"]["x"] for m in up.heard if "put" in m])

    def test_flood_once(self) -> None:
        """What waits already is no news: it is acknowledged, and passed on only with what is."""
        talk = Conversation(axe=False)
        a, b, c = (talk.connect(name, pid=name) for name in "abc")
        state = talk.now + 500
        a.say(put("p1", "s", {"x": 1}, state))
        b.say(put("p2", "s", {"x": 1}, state))
        b.say(put("p3", "s", {"x": 1, "y": 1}, state))
        told = [{key for key in said["put"]["s"] if key != "_"} for said in c.heard if "put" in said]
        self.assertEqual([{"x"}, {"y"}], told)
        talk.advance(500)
        self.assertEqual(([True], [True], [True]), (outcomes(a, "p1"), outcomes(b, "p2"), outcomes(b, "p3")))
