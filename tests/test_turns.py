"""
Tests for L{gunnet.turns}: the shell around the core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.lex import ALL, Span
from gunnet.limits import Limits
from gunnet.mesh.puts import NOT_STORED
from gunnet.store.interface import Cell
from gunnet.store.memory import MemoryStore
from gunnet.testing import Conversation, Message, put


class ExplosionError(RuntimeError):
    """A fault of ours."""


class FaultyStore(MemoryStore):
    """Has a bug that shows for the soul C{bomb}."""

    def cell(self, soul: str, key: str) -> Cell | None:
        """Fail as no store should."""
        if soul == "bomb":
            raise ExplosionError("a bug")
        return super().cell(soul, key)

    def node(self, soul: str, span: Span = ALL, *, reverse: bool = False) -> Iterator[tuple[str, Cell]]:
        """Fail as no store should."""
        if soul == "bomb":
            raise ExplosionError("a bug")
        return super().node(soul, span, reverse=reverse)


def get(message_id: str, soul: str) -> Message:
    """A get of a node."""
    return {"#": message_id, "get": {"#": soul}}


class CommitTests(SynchronousTestCase):
    """Commits that take their time."""

    def setUp(self) -> None:
        """A client of a relay whose commits wait to be released."""
        self.talk = Conversation()
        self.talk.writer.holding = True
        self.a = self.talk.connect("a")

    def release(self) -> None:
        """End a commit: the relay hears of it, and acts in a turn of its own."""
        self.talk.writer.release()
        self.talk.settle()

    def test_ack(self) -> None:
        """The ack goes out in the turn after the commit."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.assertEqual([], self.a.answers("p"))
        self.talk.writer.release()
        self.assertEqual([], self.a.answers("p"))
        self.talk.settle()
        self.assertEqual([True], [answer["ok"] for answer in self.a.answers("p")])

    def test_at_once(self) -> None:
        """A writer that is done at once is as good."""
        self.talk.writer.holding = False
        for number in range(3):
            self.a.say(put(f"p{number}", "s", {"x": number}, self.talk.now - 5 + number))
            self.assertEqual([True], [answer["ok"] for answer in self.a.answers(f"p{number}")])
        self.assertEqual(0, self.talk.counters["faults"])

    def test_failure(self) -> None:
        """A failure is logged with its reason by the writer's word, and answered."""
        self.talk.writer.error = "the disk is full"
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.release()
        self.assertEqual([NOT_STORED], [answer["err"] for answer in self.a.answers("p")])
        self.assertEqual(0, self.talk.counters["faults"])

    def test_unforeseen_failure(self) -> None:
        """A commit that fails in a way it should not counts as failed, and the next one is begun."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        _, done = self.talk.writer.held.pop()
        done.errback(ExplosionError("a bug"))
        self.talk.settle()
        self.assertEqual([NOT_STORED], [answer["err"] for answer in self.a.answers("p")])
        self.a.say(put("q", "s", {"x": 1}, self.talk.now))
        self.release()
        self.assertEqual([True], [answer["ok"] for answer in self.a.answers("q")])


class FaultTests(SynchronousTestCase):
    """A fault of ours costs the link it happened on, and nothing else."""

    def setUp(self) -> None:
        """Two clients of a relay with a bug."""
        self.talk = Conversation(store=FaultyStore(1 << 20))
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")

    def survives(self, *, closed: bool = False) -> None:
        """
        The fault was logged and counted; a is out, b is served.

        @param closed: have the link report its end first.
        """
        logged = self.flushLoggedErrors(ExplosionError)
        self.assertEqual((1, 1), (len(logged), self.talk.counters["faults"]))
        if closed:
            self.a.close()
        self.assertIn("a bug", logged[0].getTraceback())
        self.assertEqual(("internal error", None), (self.a.link.dropped, self.b.link.dropped))
        self.b.say([put("p", "s", {"x": 1}, self.talk.now), get("g", "s")])
        self.assertEqual((1, 1), (len(self.b.answers("p")), len(self.b.answers("g"))))
        self.assertEqual(1, self.talk.relay.health()["peers"])
        heard = len(self.a.heard)
        self.a.say(get("late", "s"))
        self.assertEqual(heard, len(self.a.heard))
        if not closed:
            self.a.close()

    def test_on_a_get(self) -> None:
        """The store fails on a read for an answer."""
        self.a.say(get("g0", "bomb"))
        self.survives()

    def test_on_a_put(self) -> None:
        """The store fails on a read for a merge."""
        self.a.say(put("p0", "bomb", {"x": 1}, self.talk.now))
        self.survives()

    def test_on_what_waited(self) -> None:
        """The store fails on a message that waited for its turn."""
        self.talk = Conversation(store=FaultyStore(1 << 20), limits=Limits(turn_messages=2))
        self.a, self.b = self.talk.connect("a"), self.talk.connect("b")
        self.a.say([get(f"g{number}", "t") for number in range(5)] + [get("g5", "bomb"), get("g6", "t")])
        self.survives()
        self.assertEqual([], self.a.answers("g6"))

    def test_in_the_same_turn(self) -> None:
        """What others said in the same turn is served."""
        with self.talk.one_turn():
            self.b.say(get("g1", "t"))
            self.a.say(get("g2", "bomb"))
            self.b.say(get("g3", "t"))
        self.assertEqual((1, 1), (len(self.b.answers("g1")), len(self.b.answers("g3"))))
        self.survives()

    def test_on_writing(self) -> None:
        """A link that fails when it is written to is dropped; frames for others and the commit go on."""
        with self.talk.one_turn():
            self.a.say(get("g1", "t"))
            self.patch(self.a.link, "send", _raise)
            self.b.say(put("p1", "t", {"x": 1}, self.talk.now))
        self.assertEqual([True], [answer["ok"] for answer in self.b.answers("p1")])
        self.survives(closed=True)

    def test_on_dropping(self) -> None:
        """A link that fails even when it is dropped keeps no other from being dropped in the same turn."""
        self.patch(self.a.link, "drop", _raise)
        assert self.a.peer is not None
        assert self.b.peer is not None
        with self.talk.one_turn():
            self.talk.relay.drop(self.a.peer, "first")
            self.talk.relay.drop(self.b.peer, "second")
            self.talk.connect("c")
        self.assertEqual("second", self.b.link.dropped)
        self.assertEqual((2, 1), (len(self.flushLoggedErrors(ExplosionError)), self.talk.counters["faults"]))

    def test_in_a_turn(self) -> None:
        """A fault of the turn itself is logged and counted, and the next turn comes, without haste."""
        turn = self.talk.relay.turn
        self.patch(self.talk.relay, "turn", _raise)
        self.a.say(get("g", "s"))
        self.assertEqual((1, 1), (len(self.flushLoggedErrors(ExplosionError)), self.talk.counters["faults"]))
        self.talk.advance(1_050)
        again = len(self.flushLoggedErrors(ExplosionError))
        self.assertIn(again, range(1, 21))
        self.patch(self.talk.relay, "turn", turn)
        self.talk.advance(150)
        self.assertEqual(1, len(self.a.answers("g")))

    def test_deferred(self) -> None:
        """A write whose time comes and can't be merged does not stop the turns, nor other writes."""
        self.b.say(put("p0", "s", {"x": 1}, self.talk.now + 500))
        self.a.say(put("p1", "t", {"x": 1}, self.talk.now + 400))
        self.patch(FaultyStore, "cell", _bomb_for_t)
        self.talk.advance(2_000)
        self.assertGreaterEqual(len(self.flushLoggedErrors(ExplosionError)), 1)
        self.assertLess(self.talk.counters["faults"], 30)
        self.assertEqual([True], [answer["ok"] for answer in self.b.answers("p0")])


def _raise(*args: Any) -> Any:
    raise ExplosionError("a bug")


def _bomb_for_t(self: FaultyStore, soul: str, key: str) -> Cell | None:
    if soul == "t":
        raise ExplosionError("a bug")
    return MemoryStore.cell(self, soul, key)


class ScheduleTests(SynchronousTestCase):
    """Turns come when there is something to do."""

    def setUp(self) -> None:
        """A relay whose turns are counted."""
        self.talk = Conversation()
        self.turns = 0
        turn = self.talk.relay.turn

        def count(now: float) -> Any:
            self.turns += 1
            return turn(now)

        self.patch(self.talk.relay, "turn", count)

    def pending(self) -> int:
        """How many calls are scheduled."""
        return len(self.talk.clock.getDelayedCalls())

    def test_idle(self) -> None:
        """A relay to which nobody speaks sleeps, also with peers."""
        self.assertEqual(0, self.pending())
        for number in range(5):
            self.talk.connect(f"c{number}")
        self.talk.advance(60_000)
        self.assertEqual(0, self.pending())
        before = self.turns
        self.talk.advance(3_600_000)
        self.assertEqual(before, self.turns)

    def test_heartbeats(self) -> None:
        """What says nothing leaves nothing to be done."""
        a = self.talk.connect("a")
        a.say("[]")
        self.assertEqual(0, self.pending())

    def test_ids_are_forgotten(self) -> None:
        """After the last message a few turns forget ids, then it sleeps."""
        a = self.talk.connect("a", hi=True)
        a.say(get("g", "s"))
        self.assertEqual(1, self.pending())
        before = self.turns
        self.talk.advance(60_000)
        self.assertEqual(0, self.pending())
        self.assertLess(self.turns - before, 6)

    def test_one_turn(self) -> None:
        """All that comes in one turn of the reactor is done in one of ours, and written once per link."""
        a, b = self.talk.connect("a"), self.talk.connect("b")
        before = self.turns
        frames = len(a.link.frames)
        with self.talk.one_turn():
            for number in range(50):
                a.say(get(f"g{number}", "s"))
                b.say(get(f"h{number}", "s"))
            self.assertEqual(1, self.pending())
        self.assertEqual(1, self.turns - before)
        self.assertEqual(50, sum("@" in message for message in a.heard))
        self.assertLessEqual(len(a.link.frames) - frames, 3)

    def test_wakes_for_what_is_due(self) -> None:
        """A turn comes when a deferred write is due, and not before."""
        a = self.talk.connect("a")
        self.talk.advance(60_000)
        a.say(put("p", "s", {"x": 1}, self.talk.now + 1_234))
        before = self.turns
        self.talk.advance(1_230)
        self.assertEqual(before, self.turns)
        self.talk.advance(5)
        self.assertEqual(1, len(a.answers("p")))
        self.assertLess(self.turns - before, 4)

    def test_choked(self) -> None:
        """While a peer does not read and another commit is under way nothing spins."""
        a = self.talk.connect("a")
        self.talk.store.commit([("s", f"k{n:04}", (1.0, b'"%b"' % (b"x" * 9_000))) for n in range(200)])
        self.talk.writer.holding = True
        a.choke()
        a.say([get("g1", "s"), get("g2", "s"), put("p", "t", {"x": 1}, self.talk.now)])
        before = self.turns
        for _ in range(100):
            self.talk.settle()
        self.assertEqual(before, self.turns)
        a.drain()
        self.assertGreater(self.turns, before)


class StopTests(SynchronousTestCase):
    """The end."""

    def setUp(self) -> None:
        """A client of a relay whose commits wait to be released."""
        self.talk = Conversation()
        self.talk.writer.holding = True
        self.a = self.talk.connect("a")

    def stopped(self) -> list[None]:
        """Stop. @return: filled when that is done."""
        results: list[None] = []
        self.talk.mesh.stopService().addCallback(results.append)
        return results

    def test_idle(self) -> None:
        """With nothing under way it is done at once, and nothing is scheduled any more."""
        self.successResultOf(self.talk.mesh.stopService())
        self.assertEqual([], self.talk.clock.getDelayedCalls())
        self.assertFalse(self.talk.mesh.running)

    def test_drains(self) -> None:
        """Commits under way, and what waits behind them, are done and acknowledged first."""
        self.a.say(put("p1", "s", {"x": 1}, self.talk.now))
        self.a.say(put("p2", "s", {"y": 1}, self.talk.now))
        results = self.stopped()
        self.assertEqual([], results)
        self.talk.writer.release()
        self.assertEqual([], results)
        self.talk.writer.release()
        self.assertEqual([None], results)
        self.assertEqual([True, True], [answer["ok"] for answer in self.a.heard if "ok" in answer])
        self.assertEqual([], self.talk.clock.getDelayedCalls())

    def test_drains_what_was_not_begun(self) -> None:
        """What was heard in the turn in which it stops is done too."""
        self.talk.writer.holding = False
        with self.talk.one_turn():
            self.a.say(put("p1", "s", {"x": 1}, self.talk.now))
            self.successResultOf(self.talk.mesh.stopService())
        self.assertEqual(1, len(self.a.answers("p1")))

    def test_failing_commit(self) -> None:
        """A commit that fails meanwhile does not keep it from ending."""
        self.a.say(put("p1", "s", {"x": 1}, self.talk.now))
        results = self.stopped()
        self.talk.writer.error = "broken"
        self.talk.writer.release()
        self.assertEqual([None], results)
        self.assertIn("err", self.a.answers("p1")[0])

    def test_faulty_turn(self) -> None:
        """A fault in the last turns is logged, and does not keep it from ending."""
        self.a.say(put("p1", "s", {"x": 1}, self.talk.now))
        results = self.stopped()
        self.patch(self.talk.relay, "turn", _raise)
        self.talk.writer.release()
        self.assertEqual([None], results)
        self.assertGreaterEqual(len(self.flushLoggedErrors(ExplosionError)), 1)

    def test_deferred_writes(self) -> None:
        """Writes from the future are not waited for."""
        self.a.say(put("p1", "s", {"x": 1}, self.talk.now + 60_000))
        self.assertEqual([None], self.stopped())

    def test_choked(self) -> None:
        """Nor are peers that do not read."""
        self.talk.store.commit([("s", f"k{n:04}", (1.0, b'"%b"' % (b"x" * 9_000))) for n in range(200)])
        self.a.choke()
        self.a.say(get("g", "s"))
        self.assertEqual([None], self.stopped())
