"""Tests for L{gunnet.mesh.sync}: two graphs become one, at the price of what they differ in."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.ham import BEGINNING
from gunnet.graph.lex import ALL
from gunnet.graph.summary import END, LOWEST, Entry, item_hash, place_of
from gunnet.limits import Limits
from gunnet.mesh.ranges import Draft, Malformed, Tie, read
from gunnet.mesh.sessions import STUCK_ROUNDS, SYNC_TIMEOUT_MS, WAIT_MS, Outcome
from gunnet.mesh.sync import BUSY, CROSSED, LOOKS, NO_ROOM
from gunnet.store.interface import StoreError
from gunnet.testing import START, Conversation, put
from gunnet.transport.memory import join
from gunnet.wire import jstext
from tests.graph.nodes import NAMES
from tests.mesh.sides import Known, Pair, Side, merged

LONG_AGO = START - 1e9


def some(count: int, keys: int = 5, prefix: str = "soul") -> Known:
    """C{count} cells, C{keys} in each soul."""
    return {
        (f"{prefix}/{i // keys:06d}", f"key{i % keys:06d}"): (LONG_AGO + i, b'"value %d"' % i)
        for i in range(count)
    }


def changed(cells: Known, random: Random, count: int) -> Known:
    """C{cells} with C{count} of them gone, newer, older or other at the same state, by chance."""
    result = dict(cells)
    for name in random.sample(sorted(cells), count):
        change = random.randrange(4)
        if change == 0:
            del result[name]
        else:
            state = cells[name][0] + (change - 2)
            result[name] = (state, random.choice([b'"changed"', b"null", b'{"#":"x"}', '"é"'.encode()]))
    return result


def _plainly(cells: Known) -> Known:
    """C{cells} with all states that are zero the same."""
    return {name: (state + 0.0, value) for name, (state, value) in cells.items()}


CELLS = st.dictionaries(
    st.tuples(NAMES, NAMES.filter(lambda key: key != "_")),
    st.tuples(
        st.sampled_from([-1.0, -0.0, 0.0, 1.0, 0.1, LONG_AGO, 1e-7, -1e21]),
        st.sampled_from([b"1", b"2", b'"a"', b'"\\ud83d"', '"\U0001f600"'.encode(), b"null", b"true"]),
    ),
    max_size=60,
)


class ConvergeTests(SynchronousTestCase):
    """After one session both know the same: what HAM makes of both."""

    def converge(self, one: Known, other: Known, *, limits: Limits | None = None, by: int = 0) -> Outcome:
        """Let two relays sync, and check what comes of it."""
        self.pair = Pair(Side(one, seed=1, limits=limits), Side(other, seed=2, limits=limits))
        outcome = self.pair.run(by)
        self.assertIsNone(outcome.error)
        self.assertEqual(outcome.equal, _plainly(one) == _plainly(other))
        truth = merged(one, other)
        for side in self.pair.sides:
            self.assertEqual(side.known, truth)
        again = self.pair.run(by)
        self.assertTrue(again.equal)
        self.assertEqual((again.moved, again.rounds), (False, 1))
        return outcome

    def test_random(self) -> None:
        """Graphs that differ in anything from nothing to everything."""
        for seed in range(12):
            random = Random(seed)
            cells = some(random.choice([10, 40, 300, 3_000]), random.choice([1, 5, 500]))
            other = changed(cells, random, random.choice([1, 5, len(cells) // 3]))
            if seed % 3 == 0:
                other.update(some(random.randrange(300), 5, random.choice(["soul/000001", "a", "z"])))
            self.converge(cells, other, by=seed % 2)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(CELLS, CELLS)
    def test_any_names(self, one: Known, other: Known) -> None:
        """Names with U+0000, with lone surrogates, with astral characters; states of any size; ties."""
        self.converge(one, other)

    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(CELLS, CELLS)
    def test_small_messages(self, one: Known, other: Known) -> None:
        """With messages that hold next to nothing it takes more rounds, no more."""
        self.converge(one, other, limits=Limits(sync_message_bytes=200))

    def test_ties(self) -> None:
        """At the same state the greater value wins on both sides."""
        one = {("s", f"k{i}"): (1.0, b"1" if i % 2 else b"true") for i in range(100)}
        other = {("s", f"k{i}"): (1.0, b"2") for i in range(100)}
        self.converge(one, other)

    def test_ties_cross_once(self) -> None:
        """
        At the same state only the value that stands is put, whoever has it; both where that can't be told
        from their beginnings.
        """
        alike = "é" * (BEGINNING - 1)
        for mine, yours, crossings in (
            (b"1", b"2", 1),
            (b'"a"', b'"aa"', 1),
            ("\uffff", "\U0001f600", 1),
            (alike[:-1] + "a", alike[:-1] + "b", 1),
            (alike + "a", alike + "b", 2),
            (alike[:-1] + "a", alike[:-1], 1),
        ):
            texts = [text if isinstance(text, bytes) else f'"{text}"'.encode() for text in (mine, yours)]
            for one, other in (texts, reversed(texts)):
                for by in (0, 1):
                    self.converge({("s", "k"): (1.0, one)}, {("s", "k"): (1.0, other)}, by=by)
                    said = [message for side in self.pair.sides for message in side.said]
                    self.assertEqual(crossings, sum("put" in message for message in said), texts)

    def test_tie_ends_meanwhile(self) -> None:
        """What has changed since a tie was told of is put or asked for by its state, or left alone."""
        for ours, puts, needs in (
            ((2.0, b"0"), 1, 0),
            ((0.5, b"9"), 0, 1),
            ((1.0, b"3"), 0, 0),
            ((1.0, b"4"), 1, 0),
            (None, 0, 1),
        ):
            pair = Pair(Side(None if ours is None else {("s", "k"): ours}, seed=1), Side(seed=2))
            side = pair.sides[0]
            asked = {"#": "x", "dam": "sync", "sync": 1, "ties": ["s", ["k", 1, "3"]]}
            side.hear(jstext.stringify(asked), START)
            side.turn(START)
            self.assertEqual(puts, sum("put" in said for said in side.said), ours)
            self.assertEqual([["s", ["k"]]] * needs, [said["need"] for said in side.syncs if "need" in said])

    def test_empty(self) -> None:
        """One side empty, the other side empty, both empty."""
        cells = some(2_000)
        outcome = self.converge({}, cells)
        self.assertEqual((outcome.sent, outcome.received), (0, 2_000))
        outcome = self.converge(cells, {})
        self.assertEqual((outcome.sent, outcome.received), (2_000, 0))
        outcome = self.converge({}, {})
        self.assertFalse(outcome.moved)

    def test_huge_node(self) -> None:
        """One soul of very many keys is cut as well."""
        random = Random(3)
        cells = some(20_000, 20_000)
        outcome = self.converge(cells, changed(cells, random, 3))
        self.assertLess(sum(side.bytes for side in self.pair.sides), 30_000)
        self.assertLess(outcome.rounds, 8)

    def test_huge_values(self) -> None:
        """Values that are large go over a few at a time, and nobody is drowned."""
        value = b'"' + b"x" * 300_000 + b'"'
        cells = {("s", f"k{i:03d}"): (1.0, value) for i in range(40)}
        outcome = self.converge({}, cells)
        self.assertGreater(outcome.rounds, 8)
        self.converge(some(10_000), {**some(10_000), **cells})

    def test_long_names(self) -> None:
        """Names as long as may be, which differ in their last characters only."""
        stem = "\0" * 4_000
        cells = {(stem + f"{i % 7}", stem + f"{i:03d}"): (1.0, b"%d" % i) for i in range(100)}
        outcome = self.converge(cells, changed(cells, Random(4), 30))
        for side in self.pair.sides:
            for message in side.syncs:
                self.assertLess(len(jstext.stringify(message)), 5 * side.limits.sync_message_bytes)
        self.assertLess(outcome.rounds, 100)

    def test_changes_during_the_session(self) -> None:
        """What changes meanwhile does no harm; the next session has it."""
        random = Random(5)
        cells = some(5_000)
        one, other = changed(cells, random, 200), changed(cells, random, 200)
        pair = Pair(Side(one, seed=1), Side(other, seed=2))
        truth = merged(one, other)

        def write(turn: int) -> None:
            if turn < 200:
                side = pair.sides[turn % 2]
                fresh = {
                    (f"soul/{random.randrange(1000):06d}", f"n{turn}"): (START - 1, b"%d" % turn)
                    for _ in range(5)
                }
                side.take(fresh.items())
                truth.update(fresh)

        pair.each_turn = write
        self.assertIsNone(pair.run().error)
        pair.each_turn = lambda turn: None
        self.assertIsNone(pair.run().error)
        for side in pair.sides:
            self.assertEqual(side.known, truth)


class CostTests(SynchronousTestCase):
    """Bytes are in proportion to the difference."""

    def test_cost(self) -> None:
        """Of 100,000 cells, 0, 1, 10 and 100 differ."""
        cells = some(100_000)
        most = {0: (200, 1), 1: (10_000, 4), 10: (60_000, 6), 100: (400_000, 12)}
        one, other = Side(cells, seed=1), Side(cells, seed=2)
        pair = Pair(one, other)
        for count, (size, rounds) in most.items():
            random = Random(count)
            for name in random.sample(sorted(cells), count):
                side = random.choice(pair.sides)
                side.take([(name, (START - 1e6 + count, b'"changed"'))])
            before = one.bytes + other.bytes
            outcome = pair.run()
            spent = one.bytes + other.bytes - before
            self.assertEqual(one.known, other.known)
            self.assertLess(spent, size, count)
            self.assertLessEqual(outcome.rounds, rounds, count)
            self.assertEqual(outcome.sent + outcome.received, count)

    def test_equal(self) -> None:
        """Relays that know the same say one small message each."""
        pair = Pair(Side(some(1_000), seed=1), Side(some(1_000), seed=2))
        pair.run()
        for side in pair.sides:
            self.assertEqual(len(side.said), 1)
            self.assertLess(side.bytes, 150)


class ScheduleTests(SynchronousTestCase):
    """When sessions begin."""

    def pair(self, one: Known, other: Known, **limits: Any) -> Pair:
        """Two relays, of which the first has dialled the second."""
        return Pair(
            Side(one, seed=1, url="http://other/gun", limits=Limits(**limits)),
            Side(other, seed=2, limits=Limits(**limits)),
        )

    def opened(self, side: Side) -> int:
        """How many sessions a side has begun."""
        return sum("@" not in message and message["ranges"][0][0] is None for message in side.syncs)

    def test_greet(self) -> None:
        """The dialler begins within a second of the hello; as nothing differs, that was it."""
        pair = self.pair(some(10), some(10))
        one, other = pair.sides
        one.sync.greet(one.peer)
        pair.advance(1_000)
        self.assertEqual((self.opened(one), self.opened(other)), (1, 0))
        pair.advance(3_600_000)
        self.assertEqual(len(one.said) + len(other.said), 2)
        self.assertIsNone(one.sync.next_at)
        self.assertIsNone(other.sync.next_at)

    def test_looks_again(self) -> None:
        """After a session in which cells went over there is another, C{sync_ms} later; then silence."""
        pair = self.pair({}, some(10))
        one, _ = pair.sides
        one.sync.greet(one.peer)
        pair.advance(1_000)
        self.assertEqual(self.opened(one), 1)
        pair.advance(one.limits.sync_ms - 1_000)
        self.assertEqual(self.opened(one), 1)
        pair.advance(2_000)
        self.assertEqual(self.opened(one), 2)
        pair.advance(3_600_000)
        self.assertEqual(self.opened(one), 2)

    def test_behind(self) -> None:
        """Whoever has changes that the other was not told begins, C{sync_ms} after the last session."""
        pair = self.pair(some(10), some(10))
        one, other = pair.sides
        one.sync.greet(one.peer)
        pair.advance(5_000)
        other.take(some(3, 1, "new").items())
        other.peer.behind = True
        pair.settle()
        pair.advance(20_000)
        self.assertEqual(self.opened(other), 0)
        pair.advance(12_000)
        self.assertEqual(self.opened(other), 1)
        self.assertEqual(one.known, other.known)
        self.assertFalse(other.peer.behind)

    def test_both_behind(self) -> None:
        """If both begin at the same time, one of them goes on."""
        for seed in range(10):
            cells = some(500)
            pair = Pair(
                Side(changed(cells, Random(seed), 20), seed=seed),
                Side(changed(cells, Random(-1 - seed), 20), seed=100 + seed),
            )
            truth = merged(pair.sides[0].known, pair.sides[1].known)
            outcomes: list[Outcome] = []
            for side in pair.sides:
                side.sync.begin(side.peer, pair.now, outcomes.append)
            pair.settle()
            self.assertEqual(sorted(str(outcome.error) for outcome in outcomes), ["None", CROSSED])
            for side in pair.sides:
                self.assertEqual(side.known, truth)

    def test_two_sessions(self) -> None:
        """A session that begins while another one is under way the other way round does no harm."""
        cells = some(3_000)
        pair = Pair(Side({}, seed=1), Side(cells, seed=2))
        one, other = pair.sides
        outcomes: list[Outcome] = []
        one.sync.begin(one.peer, pair.now, outcomes.append)

        def begin(turn: int) -> None:
            if turn == 10 and not outcomes:
                other.sync.begin(other.peer, pair.now, outcomes.append)

        pair.each_turn = begin
        pair.settle()
        self.assertEqual(len(outcomes), 2)
        self.assertEqual(one.known, cells)

    def test_lost_message(self) -> None:
        """A message that is lost ends the session; it is begun again after pauses that grow."""
        pair = self.pair({}, some(10))
        one, _ = pair.sides
        pair.loses = lambda message: message.get("dam") == "sync" and "@" in message
        outcomes: list[Outcome] = []
        one.sync.begin(one.peer, pair.now, outcomes.append)
        pair.settle()
        begun = [pair.now]
        pair.advance(SYNC_TIMEOUT_MS)
        self.assertEqual([outcome.error for outcome in outcomes], ["no answer"])
        self.assertEqual(one.counters["sync_timeouts"], 1)
        while len(begun) < 5:
            before = self.opened(one)
            assert one.sync.next_at is not None
            pair.advance(one.sync.next_at - pair.now)
            if self.opened(one) > before:
                begun.append(pair.now)
        pauses = [later - earlier for earlier, later in pairwise(begun)]
        self.assertEqual(pauses, sorted(pauses))
        self.assertGreater(pauses[-1], 4 * pauses[0])
        pair.loses = lambda message: False
        pair.advance(3_600_000)
        self.assertEqual(one.known, some(10))
        self.assertIsNone(one.sync.next_at)

    def test_lost_puts(self) -> None:
        """Puts that are lost are made good by the session that looks again."""
        cells = some(200)
        pair = self.pair({}, cells)
        one, _ = pair.sides
        lost: list[dict[str, Any]] = []

        def lose(message: dict[str, Any]) -> bool:
            if "put" in message and not lost:
                lost.append(message)
                return True
            return False

        pair.loses = lose
        one.sync.greet(one.peer)
        pair.advance(3_600_000)
        self.assertEqual(len(lost), 1)
        self.assertEqual(one.known, cells)

    def test_refused(self) -> None:
        """Cells that the other side refuses are offered a few times, and then no more."""
        pair = self.pair(some(100), {})
        one, other = pair.sides
        other.refuses = lambda soul, key: key == "key000001"
        one.sync.greet(one.peer)
        pair.advance(24 * 3_600_000)
        self.assertEqual(len(other.known), 80)
        self.assertLessEqual(self.opened(one), 1 + LOOKS)
        self.assertEqual(one.counters["sync_sessions_failed"], 0)

    def test_link_lost(self) -> None:
        """With the link goes the session, whichever side began it."""
        pair = self.pair({}, some(5_000))
        one, _ = pair.sides
        outcomes: list[Outcome] = []
        one.sync.begin(one.peer, pair.now, outcomes.append)
        for turn in range(20):
            for text in pair.sides[turn % 2].turn(pair.now):
                pair.sides[1 - turn % 2].hear(text, pair.now)
        for side in pair.sides:
            side.sync.forget(side.peer)
            self.assertEqual(len(side.sync), 0)
            self.assertIsNone(side.sync.next_at)
            self.assertEqual(side.sync.waiting(), [])
        self.assertEqual([outcome.error for outcome in outcomes], ["the link was lost"])

    def test_wait(self) -> None:
        """Who needs long for an answer says so, and is waited for."""
        pair = self.pair({}, some(10))
        one, other = pair.sides
        other.peer.paused = True  # nothing is put to who does not read
        outcomes: list[Outcome] = []
        one.sync.begin(one.peer, pair.now, outcomes.append)
        pair.settle()
        for _ in range(20):
            pair.now += WAIT_MS
            other.sync.run(pair.now)
            other.peer.paused = False
            for text in [text for _, frames in other.peers.frames(pair.now) for text in frames]:
                one.hear(text, pair.now)
            other.peer.paused = True
            one.sync.run(pair.now)
        self.assertEqual(outcomes, [])
        other.peer.paused = False
        pair.settle()
        self.assertEqual([outcome.error for outcome in outcomes], [None])

    def test_unreadable(self) -> None:
        """A store that can't be read ends the session; nobody is dropped."""
        pair = self.pair({}, some(10))
        one, other = pair.sides

        def fail(*args: Any, **named: Any) -> Any:
            raise StoreError("broken disk")

        self.patch(one.store, "souls", fail)
        outcome = pair.run()
        self.assertEqual(outcome.error, "broken disk")
        self.patch(one.store, "souls", lambda span, reverse=False: iter(()))
        self.patch(other.store, "souls", fail)
        outcomes: list[Outcome] = []
        one.sync.begin(one.peer, pair.now, outcomes.append)
        pair.settle()
        pair.advance(SYNC_TIMEOUT_MS)
        self.assertEqual([outcome.error for outcome in outcomes], ["no answer"])
        self.assertEqual(other.counters["store_reads_failed"], 1)
        self.assertTrue(one.peer.up and other.peer.up)


class BoundTests(SynchronousTestCase):
    """Limits, and messages that are none."""

    def test_sync_message_bytes(self) -> None:
        """No message is much longer than C{sync_message_bytes}."""
        cells = some(1_000)
        for size in (300, 3_000, 10_000):
            limits = Limits(sync_message_bytes=size)
            one, other = changed(cells, Random(1), 300), changed(cells, Random(2), 300)
            pair = Pair(Side(one, seed=1, limits=limits), Side(other, seed=2, limits=limits))
            self.assertIsNone(pair.run().error)
            for side in pair.sides:
                self.assertEqual(side.known, merged(one, other))
                for message in side.syncs:
                    self.assertLess(len(jstext.stringify(message)), size + 1_000)

    def test_sync_ms(self) -> None:
        """However often something changes, C{sync_ms} lie between two sessions."""
        pair = Pair(Side(seed=1, limits=Limits(sync_ms=10_000.0)), Side(seed=2))
        one, _ = pair.sides
        for _ in range(100):
            one.peer.behind = True
            pair.settle()
            pair.advance(1_000)
        openings = [message for message in one.syncs if "@" not in message]
        self.assertIn(len(openings), range(8, 12))

    def test_sync_sessions(self) -> None:
        """Beyond C{sync_sessions} further ones are refused, here and there."""
        pair = Pair(Side(seed=1), Side(some(10), seed=2, limits=Limits(sync_sessions=0)))
        self.assertEqual(pair.run(0).error, BUSY)
        self.assertEqual(pair.sides[1].counters["sync_sessions_refused"], 1)
        self.assertEqual(pair.run(1).error, BUSY)
        self.assertEqual(pair.sides[1].counters["sync_sessions_refused"], 2)

    def test_one_answer_at_a_time(self) -> None:
        """A peer that asks again before it was answered has one answer in the making, not two."""
        side = Side(some(5_000))
        for number in range(50):
            side.hear(
                b'{"#":"q%d","dam":"sync","sync":1,"ranges":[[null,1,"%b"]]}' % (number, b"A" * 22), START
            )
        self.assertEqual(len(side.sync), 1)
        Pair(side, Side(seed=2)).settle()
        self.assertEqual([message["@"] for message in side.syncs], ["q49"])

    def test_no_room(self) -> None:
        """A full store has no sessions."""
        pair = Pair(Side({}, seed=1), Side(some(10), seed=2))
        pair.sides[0].room = False
        self.assertEqual(pair.run(0).error, NO_ROOM)
        self.assertEqual(pair.run(1).error, NO_ROOM)
        self.assertIsNone(pair.sides[0].graph.watch)
        self.assertEqual(pair.sides[0].counters["sync_no_room"], 2)
        pair.sides[0].room = True
        self.assertIsNone(pair.run(0).error)
        self.assertEqual(pair.sides[0].known, some(10))

    def test_busy_disk(self) -> None:
        """While much waits for the disk, nothing is compared."""
        pair = Pair(Side({}, seed=1), Side(some(10), seed=2))
        one, _ = pair.sides
        one.sync.begin(one.peer, pair.now)
        one.graph.pending_bytes += 1 << 30
        self.assertEqual(one.sync.waiting(), [])
        one.graph.pending_bytes -= 1 << 30
        self.assertEqual(one.sync.waiting(), [one.peer])

    def test_strangers(self) -> None:
        """Who did not say that it is a gunnet relay is not heard; nor is another version."""
        side = Side(some(10))
        opening = {"#": "q", "dam": "sync", "sync": 1, "ranges": [[None, 0, "A" * 22]]}
        side.peer.is_gunnet = False
        side.sync.hear(side.peer, opening, START)
        side.peer.is_gunnet = True
        side.sync.hear(side.peer, {**opening, "sync": 2}, START)
        side.sync.hear(side.peer, {**opening, "@": "x"}, START)
        self.assertEqual(side.counters["sync_ignored"], 3)
        self.assertEqual(len(side.sync), 0)

    def test_endless(self) -> None:
        """A peer with which it comes to no end is given up."""
        side = Side(some(1_000))
        outcomes: list[Outcome] = []
        side.sync.begin(side.peer, START, outcomes.append)
        for number in range(10 * STUCK_ROUNDS):
            for text in side.turn(START):
                asked = jstext.parse(text)["#"]
                side.hear(
                    b'{"#":"a%d","@":"%b","dam":"sync","sync":1,"ranges":[[null,%d,"%b"]]}'
                    % (number, asked.encode(), number + 5_000, b"A" * 22),
                    START,
                )
        self.assertEqual([outcome.error for outcome in outcomes], ["it comes to no end"])

    def test_dear_ranges(self) -> None:
        """Very many ranges that all differ are worked off in slices, and the rest is left for later."""
        side = Side(some(100_000))
        ends = [f"soul/{number:06d}" for number in range(0, 20_000, 5)]
        ranges = [[end, 1, "A" * 22] for end in ends]
        message = {"#": "q", "dam": "sync", "sync": 1, "ranges": ranges}
        side.hear(jstext.stringify(message), START)
        summary = side.sync._summary
        assert summary is not None
        while not summary.advance(10_000):
            pass
        before = summary.scanned
        turns = 0
        while side.sync.waiting():
            at = summary.scanned
            side.turn(START)
            self.assertLess(summary.scanned - at, 3_000)
            turns += 1
        self.assertGreater(turns, 3)
        self.assertLess(summary.scanned - before, 60_000)
        [answer] = side.syncs
        self.assertLess(len(jstext.stringify(answer)), side.limits.sync_message_bytes + 1_000)
        self.assertEqual(answer["ranges"][-1][0], ends[-1])


class RelayTests(SynchronousTestCase):
    """In whole relays."""

    def setUp(self) -> None:
        self.low = Conversation(seed=1, pid="low")
        self.up = Conversation(seed=2, pid="up", clock=self.low.clock)

    def known(self, talk: Conversation) -> Known:
        """What a relay has stored."""
        return {
            (soul, key): cell for soul in talk.store.souls(ALL) for key, cell in talk.store.node(soul, ALL)
        }

    def test_link_up(self) -> None:
        """What both knew before they were linked, both know soon after; then there is silence."""
        self.low.store.commit([(*name, cell) for name, cell in some(500).items()])
        self.up.store.commit([(*name, cell) for name, cell in some(300, 5, "other").items()])
        out, into = join(self.low.mesh, self.up.mesh, self.low.clock)
        self.low.advance(5_000)
        truth = {**some(500), **some(300, 5, "other")}
        self.assertEqual(self.known(self.low), truth)
        self.assertEqual(self.known(self.up), truth)
        self.low.advance(300_000)
        before = self.low.counters["frames_heard"], self.up.counters["frames_heard"]
        self.low.advance(3_600_000)
        self.assertEqual((self.low.counters["frames_heard"], self.up.counters["frames_heard"]), before)
        self.assertTrue(out.peer and out.peer.is_gunnet and into.peer and into.peer.is_gunnet)

    def test_not_told(self) -> None:
        """What nobody below asked for gets there all the same, within a minute or so."""
        join(self.low.mesh, self.up.mesh, self.low.clock)
        self.low.advance(5_000)
        client = self.up.connect("client")
        client.say(put("p1", "room", {"title": "hello"}, state=self.up.now))
        self.low.advance(40_000)
        self.assertEqual(self.known(self.low), self.known(self.up))
        self.assertEqual(len(self.known(self.low)), 1)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 1 << 70)
    | st.floats()
    | st.sampled_from(["", "a", "b", "A" * 22, "é" * 22, "\ud800", "soul/000001"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["#", "@", ".", "a"]), inner, max_size=2)
    ),
    max_leaves=20,
)


FIELDS = ["ranges", "need", "ties", "sent", "wait", "err", "sync", "@"]


class FormTests(SynchronousTestCase):
    """The JSON of messages."""

    def test_there_and_back(self) -> None:
        """What a draft says is read as it was meant."""
        random = Random(1)
        names = ["a", "a\0", "é", "\ud83d", "😀", "b", '"', "\uffff"]
        cells = {(soul, key): (random.uniform(-1e15, 1e15), b"1") for soul in names for key in names}
        entries = [
            Entry(place_of(*name), cell[0], item_hash(place_of(*name), cell)) for name, cell in cells.items()
        ]
        entries.sort()
        draft = Draft()
        middle = entries[20].place
        draft.fingerprint(LOWEST, middle, 20, 1 << 127)
        draft.items(entries[30].place, entries[50].place, entries[30:50])
        draft.fingerprint(entries[50].place, END, 0, 0)
        for entry in entries:
            draft.need(entry.place)
        for entry in entries[:9]:
            draft.tie(entry, "é" * BEGINNING)
        text = b'{"#":"x"' + draft.fields() + b"}"
        heard = read(jstext.parse(text), Limits())
        first, second, third = heard.ranges
        self.assertEqual((first.low, first.high, first.count, first.total), (LOWEST, middle, 20, 1 << 127))
        self.assertEqual((second.low, second.high), (entries[30].place, entries[50].place))
        assert second.items is not None
        self.assertEqual(list(second.items), entries[30:50])
        self.assertEqual((third.low, third.high, third.count, third.total), (entries[50].place, END, 0, 0))
        self.assertEqual([place_of(*cell) for cell in heard.need], [entry.place for entry in entries])
        ties = [Tie(entry.soul, entry.key, entry.state, "é" * BEGINNING) for entry in entries[:9]]
        self.assertEqual(list(heard.ties), ties)
        self.assertFalse(heard.is_opening)

    def test_malformed(self) -> None:
        """What is not in order, not text or no number is refused."""
        sum_ = "A" * 22
        for fields in (
            {"ranges": {}},
            {"ranges": [[]]},
            {"ranges": [["b"], ["a"]]},
            {"ranges": [[None], ["a"]]},
            {"ranges": [["a", 1, "A" * 21]]},
            {"ranges": [["a", 1, "*" * 22]]},
            {"ranges": [["a", -1, sum_]]},
            {"ranges": [["a", 1.5, sum_]]},
            {"ranges": [["a", 1, sum_, 1]]},
            {"ranges": [["", 1, sum_]]},
            {"ranges": [[["a"], 1, sum_]]},
            {"ranges": [["x" * 5_000, 1, sum_]]},
            {"ranges": [["b", ["a"]]]},
            {"ranges": [["b", ["a", ["k", 1]]]]},
            {"ranges": [["b", ["c", ["k", 1, sum_]]]]},
            {"ranges": [["b", ["a", ["k", "1", sum_]]]]},
            {"ranges": [["b", ["a", ["k", True, sum_]]]]},
            {"ranges": [["b", ["a", ["k", 10**400, sum_]]]]},
            {"ranges": [["b", ["a", ["k", 1, sum_, "k", 1, sum_]]]]},
            {"ranges": [["a"], ["b", ["a", ["", 1, sum_]]]]},
            {"need": ["a"]},
            {"need": ["a", ["b", "b"]]},
            {"need": ["b", ["a"], "a", ["a"]]},
            {"need": [1, ["b"]]},
            {"ties": ["a", ["k", 1]]},
            {"ties": ["a", ["k", "1", "text"]]},
            {"ties": ["a", ["k", 1, 1]]},
            {"ties": ["a", ["k", 1, "text", "k", 1, "text"]]},
            {"ties": ["a", ["k"] * 30_000]},
            {"sent": [1]},
            {"sent": "1"},
            {"ranges": [[None, ["a", ["k"] * 30_000]]]},
            {"need": ["a", ["k"] * 30_000]},
            {"ranges": [[f"{number:09d}"] for number in range(20_000)]},
        ):
            with self.assertRaises(Malformed, msg=str(fields)):
                read(fields, Limits())

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
    def test_anything(self, fields: dict[str, Any]) -> None:
        """Whatever strangers say, nothing is raised, as a request or as an answer."""
        side = Side(some(20))
        text = jstext.stringify(_sayable({"#": "q", "dam": "sync", "sync": 1, **fields}))
        side.hear(text, START)
        side.sync.begin(side.peer, START)
        for said in side.turn(START) + side.turn(START):
            asked = jstext.parse(said)["#"]
            side.hear(
                jstext.stringify(_sayable({"sync": 1, **fields, "#": "r", "dam": "sync", "@": asked})), START
            )
        side.sync.forget(side.peer)
        other = Side(seed=2)
        self.assertIsNone(Pair(side, other).run().error)
        self.assertEqual(other.known, side.known)


def _sayable(value: Any) -> Any:
    """C{value} without numbers that JSON can't say."""
    if isinstance(value, dict):
        return {name: _sayable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_sayable(item) for item in value]
    try:
        jstext.stringify(value)
    except ValueError:
        return 0
    return value
