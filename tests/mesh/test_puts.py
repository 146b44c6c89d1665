"""
Tests for L{gunnet.mesh.puts}: when a put is acknowledged, and when not.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.mesh.puts import BUSY, NOT_STORED
from gunnet.store.interface import Cell, StoreError
from gunnet.store.memory import MemoryStore
from gunnet.testing import Client, Conversation, Message, put


def outcomes(client: Client, message_id: str) -> list[Any]:
    """What our own acks said: C{ok} or C{err}, in order."""
    return [answer.get("ok", answer.get("err")) for answer in client.answers(message_id)]


_READS = count()


def value_of(talk: Conversation, soul: str, key: str) -> Any:
    """What a new client is told of one property; L{None} on a miss."""
    client = talk.connect("reader")
    client.say({"#": f"read {next(_READS)}", "get": {"#": soul, ".": key}})
    answer = client.heard[-1]
    client.close()
    return answer["put"][soul][key] if "put" in answer else None


class AckTests(SynchronousTestCase):
    """An ack is a promise."""

    def setUp(self) -> None:
        """Two clients of a relay whose commits wait to be released."""
        self.talk = Conversation()
        self.talk.writer.holding = True
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        self.now = self.talk.now

    def release(self, error: str | None = None) -> None:
        """End the oldest commit."""
        self.talk.writer.error = error
        self.talk.writer.release()
        self.talk.settle()

    def test_after_commit(self) -> None:
        """The value is read at once, and acknowledged once, when it is durable."""
        self.a.say(put("p1", "s", {"x": 1, "y": 2}, self.now))
        self.talk.advance(5_000)
        self.assertEqual([], outcomes(self.a, "p1"))
        self.assertEqual(1, value_of(self.talk, "s", "x"))
        self.release()
        self.assertEqual([True], outcomes(self.a, "p1"))

    def test_one_commit_at_a_time(self) -> None:
        """What comes during a commit is gathered for the next one."""
        for number in range(5):
            self.a.say(put(f"p{number}", "s", {f"k{number}": 1}, self.now))
        self.assertEqual([1], [len(cells) for cells, _ in self.talk.writer.held])
        self.release()
        self.assertEqual([4], [len(cells) for cells, _ in self.talk.writer.held])
        self.release()
        self.assertEqual([[True]] * 5, [outcomes(self.a, f"p{number}") for number in range(5)])

    def test_failed_commit(self) -> None:
        """What could not be stored is answered with err, is known no more, and may be written again."""
        self.a.say(put("p1", "s", {"x": 1}, self.now))
        self.release("the disk is full")
        self.assertEqual([NOT_STORED], outcomes(self.a, "p1"))
        self.assertIsNone(value_of(self.talk, "s", "x"))
        health = self.talk.relay.health()
        self.assertEqual((False, "the disk is full"), (health["ok"], health["error"]))
        self.assertEqual(1, self.talk.counters["commits_failed"])
        self.a.say(put("p2", "s", {"x": 1}, self.now))
        self.release()
        self.assertEqual([True], outcomes(self.a, "p2"))
        self.assertTrue(self.talk.relay.health()["ok"])

    def test_failed_commit_restores_what_was(self) -> None:
        """After a failure the value that is stored is the one that stands, for reading and for merging."""
        self.a.say(put("p1", "s", {"x": "old"}, self.now - 10))
        self.release()
        self.assertEqual("old", value_of(self.talk, "s", "x"))
        self.a.say(put("p2", "s", {"x": "new"}, self.now))
        self.release("broken")
        self.assertEqual("old", value_of(self.talk, "s", "x"))
        self.a.say(put("p3", "s", {"x": "between"}, self.now - 5))
        self.release()
        self.assertEqual(([True], "between"), (outcomes(self.a, "p3"), value_of(self.talk, "s", "x")))

    def test_failure_is_of_one_commit(self) -> None:
        """What was written in the next commit stands although the one before failed."""
        self.a.say(put("p1", "s", {"x": 1}, self.now))
        self.b.say(put("p2", "s", {"x": 2}, self.now + 0.0))
        self.release("broken")
        self.assertEqual(([NOT_STORED], 2), (outcomes(self.a, "p1"), value_of(self.talk, "s", "x")))
        self.release()
        self.assertEqual([True], outcomes(self.b, "p2"))

    def test_known(self) -> None:
        """What is stored already, or older, is acknowledged at once."""
        self.a.say(put("p1", "s", {"x": 1}, self.now))
        self.release()
        self.b.say(put("p2", "s", {"x": 1}, self.now))
        self.b.say(put("p3", "s", {"x": 0}, self.now - 1))
        self.assertEqual(([True], [True]), (outcomes(self.b, "p2"), outcomes(self.b, "p3")))
        self.assertEqual([], self.talk.writer.held)

    def test_known_but_not_stored(self) -> None:
        """What is known but not durable yet is acknowledged when it is."""
        self.a.say(put("p1", "s", {"x": 1}, self.now))
        self.b.say(put("p2", "s", {"x": 1}, self.now))
        self.assertEqual([], outcomes(self.b, "p2"))
        self.release()
        self.assertEqual(([True], []), (outcomes(self.a, "p1"), outcomes(self.b, "p2")))
        self.release()
        self.assertEqual([True], outcomes(self.b, "p2"))

    def test_known_but_its_commit_fails(self) -> None:
        """An ack that was waited for with another's commit is true even if that one failed."""
        self.a.say(put("p1", "s", {"x": 1}, self.now))
        self.b.say(put("p2", "s", {"x": 1}, self.now))
        self.release("broken")
        self.assertEqual([NOT_STORED], outcomes(self.a, "p1"))
        self.release()
        self.assertEqual(([True], 1), (outcomes(self.b, "p2"), value_of(self.talk, "s", "x")))
        self.assertEqual((self.now, b"1"), self.talk.store.cell("s", "x"))

    def test_same_turn(self) -> None:
        """The same value twice in a turn is stored once and acknowledged to both."""
        with self.talk.one_turn():
            self.a.say(put("p1", "s", {"x": 1}, self.now))
            self.b.say(put("p2", "s", {"x": 1}, self.now))
        self.assertEqual([1], [len(cells) for cells, _ in self.talk.writer.held])
        self.release()
        self.assertEqual(([True], [True]), (outcomes(self.a, "p1"), outcomes(self.b, "p2")))

    def test_acks_of_others(self) -> None:
        """An ack of a subscriber is held back until our own is out, then passed on."""
        self.b.say({"#": "g", "get": {"#": "s"}})
        self.a.say(put("p1", "s", {"x": 1}, self.now))
        update = self.b.heard[-1]["#"]
        self.b.say({"#": "ack1", "@": update, "ok": 1})
        self.assertEqual([], self.a.answers("p1"))
        self.release()
        self.assertEqual([True, 1], outcomes(self.a, "p1"))
        self.b.say({"#": "ack2", "@": update, "ok": 2})
        self.assertEqual([True, 1, 2], outcomes(self.a, "p1"))

    def test_acks_of_others_after_failure(self) -> None:
        """If our own commit fails, there is err, and those held back are forgotten: they would read as ok."""
        self.b.say({"#": "g", "get": {"#": "s"}})
        self.a.say(put("p1", "s", {"x": 1}, self.now))
        self.b.say({"#": "ack1", "@": self.b.heard[-1]["#"], "ok": 1})
        self.release("broken")
        self.assertEqual([NOT_STORED], outcomes(self.a, "p1"))

    def test_late_acks(self) -> None:
        """No more of them are held than the bound, counted."""
        self.talk = Conversation(limits=Limits(late_acks=3))
        self.talk.writer.holding = True
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        self.b.say({"#": "g", "get": {"#": "s"}})
        self.a.say(put("p1", "s", {"x": 1}, self.now))
        update = self.b.heard[-1]["#"]
        for number in range(5):
            self.b.say({"#": f"ack{number}", "@": update, "ok": number + 10})
        self.assertEqual(2, self.talk.counters["late_acks_evicted"])
        self.release()
        self.assertEqual([True, 10, 11, 12], outcomes(self.a, "p1"))

    def test_acks_wanted(self) -> None:
        """No more of them go to the writer than it wants, which is nine if it does not say."""
        for ok, most in (({"@": 2, "/": 9}, 2), ({"@": 0}, 0), ({"@": "x"}, 9), ("odd", 9), (None, 9)):
            talk = Conversation()
            a, b = talk.connect("a"), talk.connect("b")
            b.say({"#": "g", "get": {"#": "s"}})
            fields = {} if ok is None else {"ok": ok}
            a.say(put("p1", "s", {"x": 1}, talk.now, **fields))
            update = b.heard[-1]["#"]
            for number in range(12):
                b.say({"#": f"ack{number}", "@": update, "ok": number + 10})
            self.assertEqual([True, *range(10, 10 + most)], outcomes(a, "p1"), ok)
            self.assertEqual(12 - most, talk.counters["acks_unwanted"])

    def test_writer_leaves(self) -> None:
        """A commit goes on when its writer is gone."""
        self.a.say(put("p1", "s", {"x": 1}, self.now))
        self.a.close()
        self.release()
        self.assertEqual(1, value_of(self.talk, "s", "x"))

    def test_pending_bytes(self) -> None:
        """From half of the bound nobody is read; at the whole of it puts are refused; then it goes on."""
        self.talk = Conversation(limits=Limits(pending_bytes=2_000))
        self.talk.writer.holding = True
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        self.a.say(put("p1", "s", {"x": "x" * 500}, self.now))
        self.assertTrue(self.a.link.reading)
        self.a.say(put("p2", "s", {"y": "y" * 500}, self.now))
        self.assertEqual((False, False), (self.a.link.reading, self.b.link.reading))
        self.assertEqual(1, self.talk.counters["pending_bytes_pressed"])
        late = self.talk.connect("late")
        self.assertFalse(late.link.reading)
        self.b.say(put("p3", "s", {"z": "z" * 500}, self.now))
        self.assertEqual([BUSY], outcomes(self.b, "p3"))
        self.assertEqual(1, self.talk.counters["pending_bytes_refused"])
        self.release()
        self.release()
        self.assertEqual([True] * 3, [client.link.reading for client in (self.a, self.b, late)])
        self.assertEqual(0, self.talk.relay.health()["pending_bytes"])
        self.assertEqual(([True], [True]), (outcomes(self.a, "p1"), outcomes(self.a, "p2")))
        self.b.say(put("p4", "s", {"z": "z" * 500}, self.now))
        self.release()
        self.assertEqual([True], outcomes(self.b, "p4"))


class RefusalTests(SynchronousTestCase):
    """A put with a fault is refused as a whole."""

    FAULTS: list[Any] = [
        {"s": {"_": {"#": "s", ">": {"x": 1}}, "x": 1}, "t": None},
        {"s": {"_": {"#": "s", ">": {"x": 1}}, "x": 1}, "t": {"x": 1}},
        {"s": {"_": {"#": "s", ">": {"x": 1}}, "x": 1}, "t": {"_": {"#": "u", ">": {"x": 1}}, "x": 1}},
        {"s": {"_": {"#": "s", ">": {"x": 1, "y": 1}}, "x": 1, "y": [1]}},
        {"s": {"_": {"#": "s", ">": {"x": 1, "y": 1}}, "x": 1, "y": {"#": "t", "more": 1}}},
        {"s": {"_": {"#": "s", ">": {"x": 1}}, "x": 1, "y": 2}},
        {"s": {"_": {"#": "s", ">": {"x": 1, "y": "2"}}, "x": 1, "y": 2}},
        {"s": {"_": {"#": "s", ">": {"x": 1, "": 2}}, "x": 1, "": 2}},
        {"s": {"_": {"#": "s", ">": {"x": 1}}, "x": 1}, "": {"_": {"#": "", ">": {"x": 1}}, "x": 1}},
        "text",
        5,
        [1],
    ]

    def test_nothing_is_left(self) -> None:
        """The writer gets one err; nothing is stored, pushed or passed on."""
        for axe in (True, False):
            talk = Conversation(axe=axe)
            a, b = talk.connect("a"), talk.connect("b")
            b.say({"#": "sub", "get": {"#": "s"}})
            b.take()
            for number, fault in enumerate(self.FAULTS):
                message: Message = {"#": f"p{number}", "put": fault}
                a.say(message)
                (error,) = outcomes(a, f"p{number}")
                self.assertTrue(str(error).startswith("Error: Invalid graph! "), (fault, error))
            self.assertEqual(([], []), (b.take(), talk.writer.commits))
            self.assertIsNone(value_of(talk, "s", "x"))
            self.assertEqual(len(self.FAULTS), talk.counters["puts_refused"])

    def test_put_cells(self) -> None:
        """A put of more properties than the bound is refused."""
        talk = Conversation(limits=Limits(put_cells=3))
        a = talk.connect("a")
        a.say(put("p1", "s", dict.fromkeys("abc", 1), talk.now))
        a.say(put("p2", "t", dict.fromkeys("abcd", 1), talk.now))
        self.assertEqual([True], outcomes(a, "p1"))
        self.assertIn("limit 3", outcomes(a, "p2")[0])
        self.assertIsNone(value_of(talk, "t", "a"))
        self.assertEqual(1, talk.counters["put_cells_refused"])

    def test_name_bytes(self) -> None:
        """A soul or a key longer than the bound, in bytes, is refused."""
        talk = Conversation(limits=Limits(name_bytes=30))
        a = talk.connect("a")
        names = [
            ("s" * 30, "k" * 30, True),
            ("é" * 15, "k", True),
            ("s" * 31, "k", False),
            ("s", "é" * 16, False),
        ]
        for number, (soul, key, fine) in enumerate(names):
            a.say(put(f"p{number}", soul, {key: 1}, talk.now))
            (outcome,) = outcomes(a, f"p{number}")
            self.assertEqual(fine, outcome is True, outcome)
        self.assertEqual(2, talk.counters["name_bytes_refused"])

    def test_unreadable_store(self) -> None:
        """If what stands can't be read, nothing is taken, and the writer is told."""
        store = BrokenStore(1 << 20)
        talk = Conversation(store=store)
        a = talk.connect("a")
        message = put("p1", "fine", {"x": 1}, talk.now)
        message["put"].update(put("", "broken", {"x": 1}, talk.now)["put"])
        a.say(message)
        self.assertEqual([NOT_STORED], outcomes(a, "p1"))
        self.assertIsNone(value_of(talk, "fine", "x"))
        self.assertEqual(1, talk.counters["store_reads_failed"])

    def test_store_that_lost_its_commit(self) -> None:
        """If what was written can't be seen afterwards, it counts as not stored."""
        self.patch(BrokenStore, "blind", True)
        talk = Conversation(store=BrokenStore(1 << 20))
        a = talk.connect("a")
        a.say(put("p1", "s", {"x": 1}, talk.now))
        self.assertEqual([NOT_STORED], outcomes(a, "p1"))
        self.assertEqual((0, 0), (talk.relay.health()["pending_bytes"], talk.counters["faults"]))
        self.assertEqual("a bad sector", talk.relay.health()["error"])


class BrokenStore(MemoryStore):
    """Can't read the soul C{broken}; nor see its commits, while C{blind}."""

    blind = False

    def refresh(self) -> None:
        """Fail while C{blind}."""
        if self.blind:
            raise StoreError("a bad sector")

    def cell(self, soul: str, key: str) -> Cell | None:
        """Fail for one soul."""
        if soul == "broken":
            raise StoreError("a bad sector")
        return super().cell(soul, key)
