"""Tests for L{gunnet.mesh.plain}: comparing with a relay that only knows puts and gets."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.graph.answer import in_order, render
from gunnet.graph.ham import Verdict, decide
from gunnet.graph.lex import ALL
from gunnet.graph.merge import Graph
from gunnet.graph.node import PutCell, PutRefused, read_put
from gunnet.limits import Limits
from gunnet.mesh.debt import RETRY_MS
from gunnet.mesh.peers import Peers
from gunnet.mesh.plain import CHECKS, LATE_MS, PART_MS, SILENCE_MS, PlainSync
from gunnet.mesh.plain_course import PlainOutcome
from gunnet.mesh.routes import Route
from gunnet.mesh.unacked import RECENT_MS, Unacked
from gunnet.store.interface import StoreError
from gunnet.store.memory import MemoryStore
from gunnet.testing import START, Conversation, MemoryLink, put
from gunnet.wire import jstext
from gunnet.wire.dup import Dup
from gunnet.wire.ids import id_source
from gunnet.wire.message import split
from tests.mesh.sides import Known, merged
from tests.mesh.test_sync import LONG_AGO, changed, some

NAMES_A_MESSAGE = 8
BIG = b'"%s"' % (b"x" * 200)


class GunJs:
    """
    A relay like gun.js: it says nothing to a question with a hash if the hash is right or it has nothing, and
    answers in parts, the last one first, and what is short before what is long.

    @ivar disk: souls of which it has nothing in memory.
    @ivar late: souls of which it answers the whole node when it is told to (L{say_late}).
    @ivar slow: of each node in it, properties that are on its disk only, which it reads while other answers
        are on their way.
    @ivar broken: names of cells that have lost their state on its disk.
    @ivar loses: so many puts have no effect.
    @ivar deaf: souls of which it never answers anything; C{ghosts}: of which it says an empty node first.
    """

    def __init__(self, cells: Known) -> None:
        self.cells = dict(cells)
        self.gets: list[dict[str, Any]] = []
        self.puts = 0
        self.disk: set[str] = set()
        self.late: set[str] = set()
        self.slow: dict[str, set[str]] = {}
        self.broken: set[tuple[str, str]] = set()
        self.deaf: set[str] = set()
        self.ghosts: set[str] = set()
        self.said_late: list[bytes] = []
        self.loses = 0

    def hear(self, messages: list[dict[str, Any]]) -> list[bytes]:
        """@return: what it says to some messages that came together."""
        said = [text for message in messages for text in self._hear(message)]
        return sorted(said, key=len)

    def _hear(self, message: dict[str, Any]) -> list[bytes]:
        if "put" in message:
            self.puts += 1
            if self.loses:
                self.loses -= 1
                return []
            for soul, key, state, value in read_put(jstext.stringify(message["put"]), Limits()):
                is_known = key not in self.slow.get(soul, ()) and (soul, key) not in self.broken
                in_memory = self.cells.get((soul, key)) if is_known else None
                self.broken.discard((soul, key))
                if decide(state, value, in_memory, START) is Verdict.TAKE:
                    self.cells[soul, key] = (state, value)
            return []
        self.gets.append(message)
        soul, only = message["get"]["#"], message["get"].get(".")
        if soul in self.deaf:
            return []
        node = [
            (key, cell) for (other, key), cell in self.cells.items() if other == soul and only in (None, key)
        ]
        slow = [(key, cell) for key, cell in node if key in self.slow.get(soul, ())]
        size = 1_000_000 if soul in self.disk else NAMES_A_MESSAGE
        first = [item for item in node if item not in slow]
        parts = [first[at : at + size] for at in range(0, len(first), size)][::-1]
        if soul in self.ghosts:
            parts.insert(0, [])
        said = [] if node or parts or "##" in message else [self._message(message, b"")]
        said += self._answers(message, soul, parts)
        if slow:
            self.said_late += self._answers(message, soul, [node])
        if only is not None and (slow or not node):  # it is read from disk after what was to be read before
            said, self.said_late = said + self.said_late, []
        if soul in self.late and only is None:
            self.said_late, said = said, []
        return said

    def say_late(self) -> list[bytes]:
        """@return: what took it longer."""
        said, self.said_late = self.said_late, []
        return said

    def _answers(self, message: dict[str, Any], soul: str, parts: list[Any]) -> list[bytes]:
        said = []
        for part in parts:
            text = render(in_order({soul: part}))
            for key in [key for key, _ in part if (soul, key) in self.broken]:
                graph = jstext.parse(text)
                del graph[soul]["_"][">"][key]
                text = jstext.stringify(graph)
            digest = jstext.string_hash(text)
            if digest != message.get("##"):
                said.append(self._message(message, b',"##":%d,"put":%b' % (digest, text)))
        return said

    def _message(self, message: dict[str, Any], rest: bytes) -> bytes:
        return b'{"#":"a%d","@":%b%b}' % (len(self.gets), jstext.string(message["#"]), rest)


def cells_of(put_text: bytes) -> list[PutCell]:
    """What a relay takes of a C{put}: all, or nothing if there is a fault in it."""
    try:
        return read_put(put_text, Limits())
    except PutRefused:
        return []


class PlainCase(SynchronousTestCase):
    """Our graph and a gun.js relay."""

    def setUp(self) -> None:
        self.now = START
        self.outcomes: list[PlainOutcome] = []
        self.most = 0

    def between(self, ours: Known, theirs: Known, *, limits: Limits | None = None) -> None:
        """Put both up."""
        limits = limits or Limits()
        self.counters = Counters()
        self.store = MemoryStore(1 << 30)
        self.graph = Graph(self.store, limits, self.counters)
        self.take(ours)
        self.peers = Peers(limits, self.counters, id_source(Random(1)))
        dup: Dup[Route] = Dup(limits, self.counters)
        self.unacked = Unacked(self.graph, self.peers, dup, limits, self.counters)
        self.plain = PlainSync(self.graph, self.peers, dup, self.unacked, limits, self.counters)
        peer = self.peers.join(MemoryLink("up"), self.peers.upstream("http://up/gun"))
        assert peer is not None
        self.peer = peer
        self.other = GunJs(theirs)
        self.arriving: deque[bytes] = deque()

    def take(self, cells: Known) -> None:
        """Know some cells, and store them."""
        for (soul, key), cell in cells.items():
            self.graph.take(soul, key, cell)
        batch = self.graph.cut()
        if batch is not None:
            self.store.commit(batch.rows())
            self.graph.settle(batch, stored=True)

    @property
    def waited_for(self) -> set[str]:
        """The ids of questions that are waited for."""
        return {key for course in self.plain._courses.values() for key in course.asked}

    @property
    def known(self) -> Known:
        """All that we know."""
        return {(s, key): cell for s in self.graph.souls(ALL) for key, cell in self.graph.cells(s)}

    def hear(self, text: bytes) -> None:
        """Take an answer, as a relay does."""
        message = jstext.parse(text)
        put_text = jstext.stringify(message["put"]) if "put" in message else None
        self.plain.hear(self.peer, message["@"], put_text, self.now)
        if put_text is not None:
            fresh: Known = {}
            for soul, key, state, value in cells_of(put_text):
                if decide(state, value, self.graph.known(soul, key), self.now) is Verdict.TAKE:
                    fresh[soul, key] = (state, value)
            self.take(fresh)

    def run_to_end(self) -> PlainOutcome:
        """Compare. @return: what was done."""
        self.outcomes.clear()
        self.plain.begin(self.peer, self.outcomes.append)
        for _ in range(100_000):
            for peer in self.plain.waiting():
                self.plain.continue_with(peer, self.now)
            self.plain.run(self.now)
            for _, frames in self.peers.frames(self.now):
                texts = [text for frame in frames for text in split(frame)]
                if texts:
                    self.most = max(self.most, len(self.waited_for))
                self.arriving.extend(self.other.hear([jstext.parse(text) for text in texts]))
            while self.arriving:
                self.hear(self.arriving.popleft())
            if self.outcomes:
                return self.outcomes[0]
            if not self.plain.waiting():
                at = self.plain.next_at
                assert at is not None, "nothing is waited for"
                self.arriving.extend(self.other.say_late())
                if not self.arriving:
                    self.now = max(self.now, at)
        raise AssertionError("it comes to no end")


class CompareTests(PlainCase):
    """What comes of it."""

    def test_both_ways(self) -> None:
        """Of the nodes that we know, small and large, both have the newest afterwards, whatever differed."""
        for seed in range(12):
            random = Random(seed)
            cells = some(random.choice([50, 400]), random.choice([1, 5, 30]))
            ours, theirs = changed(cells, random, 20), changed(cells, random, 20)
            ours.update(some(7, 3, "ours"))
            self.between(ours, theirs)
            souls = sorted({soul for soul, _ in ours})
            self.other.disk = set(random.sample(souls, len(souls) // 2))
            self.other.ghosts = set(random.sample(souls, len(souls) // 5))
            for soul in random.sample(souls, len(souls) // 3):
                keys = [key for other, key in theirs if other == soul]
                self.other.slow[soul] = set(random.sample(keys, len(keys) // 2))
            outcome = self.run_to_end()
            self.assertIsNone(outcome.error)
            truth = {name: cell for name, cell in merged(ours, theirs).items() if name[0] in souls}
            self.assertEqual(self.known, truth)
            self.assertLessEqual(truth.items(), self.other.cells.items())
            again = self.run_to_end()
            self.assertEqual((again.newer, again.sent, again.received), (0, 0, 0))

    def test_equal(self) -> None:
        """Of nodes that are the same one property is said, and nobody waits for what is never said."""
        cells = some(5_000, 50)
        self.between(cells, cells)
        self.other.disk = {soul for soul, _ in cells}
        outcome = self.run_to_end()
        self.assertEqual((outcome.souls, outcome.sent, outcome.received), (100, 0, 0))
        self.assertEqual(self.now - START, LATE_MS)
        asked = [get["get"].get(".") for get in self.other.gets]
        self.assertEqual((len(asked), asked.count(None)), (200, 100))

    def test_equal_and_small(self) -> None:
        """A small node is said, which costs no more; so there is one question, and nothing to wait for."""
        cells = some(500)
        self.between(cells, cells)
        outcome = self.run_to_end()
        self.assertEqual((outcome.souls, outcome.sent, outcome.received), (100, 0, 0))
        self.assertEqual((self.now, len(self.other.gets)), (START, 100))

    def test_parts(self) -> None:
        """A node that comes in parts is put to rights when what we have has been answered."""
        ours = some(100, 100)
        theirs = dict(ours)
        newer = ("soul/000000", "key000050")
        theirs[newer] = (LONG_AGO - 1, b"1")
        self.between(ours, theirs)
        self.assertEqual(self.run_to_end().sent, 1)
        self.assertEqual(self.other.cells, ours)
        self.assertEqual(self.now - START, LATE_MS)

    def test_missing(self) -> None:
        """When something is missing in an answer, it is asked for by itself before it is put."""
        ours = some(30, 30)
        theirs = dict(ours)
        for key in ("key000007", "key000008"):
            del theirs["soul/000000", key]
        self.between(ours, theirs)
        self.assertEqual(self.run_to_end().sent, 2)
        self.assertEqual(self.other.cells, ours)
        self.assertLess(2 * PART_MS, LATE_MS)
        self.assertEqual(self.now - START, LATE_MS)
        self.assertEqual(self.other.gets[-1]["get"], {"#": "soul/000000", ".": "key000007"})

    def test_newer_on_disk(self) -> None:
        """What gun.js has newer on its disk is not written over, though it would let that happen."""
        ours = some(30, 30)
        name = ("soul/000000", "key000029")
        theirs = {**ours, name: (LONG_AGO + 1e6, b'"newer"')}
        self.between(ours, theirs)
        self.other.slow = {"soul/000000": {"key000029"}}
        self.assertEqual(self.run_to_end().sent, 0)
        self.assertEqual((self.known[name], self.other.cells[name]), (theirs[name], theirs[name]))

    def test_same_on_disk(self) -> None:
        """What gun.js has in memory is not held for all if what is on its disk was left out for its hash."""
        ours = some(30, 30)
        self.between(ours, ours)
        self.other.slow = {"soul/000000": {f"key{number:06}" for number in range(4, 30)}}
        outcome = self.run_to_end()
        self.assertEqual((outcome.newer, outcome.sent, outcome.received), (0, 0, 0))
        self.assertEqual(len(self.other.gets), 4)

    def test_broken_on_disk(self) -> None:
        """A cell that has lost its state is put, and only that one; then what is newer can be had, too."""
        for count in (5, 30):
            ours = some(count, count)
            theirs = {**ours, ("soul/000000", "key000002"): (LONG_AGO + 1e6, b'"newer"')}
            self.between(ours, theirs)
            self.other.broken = {("soul/000000", "key000003")}
            self.other.disk = {"soul/000000"}
            self.assertEqual(self.run_to_end().sent, 1)
            self.assertEqual(self.run_to_end().received, 1)
            self.assertEqual((self.known, self.other.cells), (theirs, theirs))

    def test_overtaken(self) -> None:
        """A node that was taken for the same is put to rights when the answer comes after all."""
        ours = some(30, 30)
        name = ("soul/000000", "key000029")
        theirs = {**ours, name: (LONG_AGO, b'"older"')}
        self.between(ours, theirs)
        self.other.late = {"soul/000000"}
        self.assertEqual(self.run_to_end().sent, 1)
        self.assertEqual(self.other.cells, ours)
        self.assertEqual(self.counters["plain_answers_late"], 1)

    def test_plain_silences(self) -> None:
        """Of no more nodes than C{plain_silences} a late answer is heard."""
        ours = some(90, 30)
        self.between(ours, ours, limits=Limits(plain_silences=2))
        self.other.disk = {soul for soul, _ in ours}
        self.run_to_end()
        self.assertEqual(self.counters["plain_silences_evicted"], 1)

    def test_plain_cells(self) -> None:
        """Of answers no more than C{plain_cells} cells are remembered, and ours are put for the rest."""
        ours = some(30, 30)
        self.between(ours, ours, limits=Limits(plain_cells=20))
        self.assertEqual(self.run_to_end().sent, 10)
        self.assertGreaterEqual(self.counters["plain_cells_exceeded"], 10)
        self.assertEqual(len(self.other.gets), 3 + CHECKS)
        self.between(ours, ours, limits=Limits(plain_cells=30))
        self.assertEqual(self.run_to_end().sent, 0)

    def test_other_property(self) -> None:
        """If the property that was asked for differs, an answer to the other question must come."""
        ours = some(30, 30)
        theirs = {name: (state - 1, b"1") for name, (state, _) in ours.items()}
        self.between(ours, theirs)
        self.other.late = {"soul/000000"}
        self.assertEqual(self.run_to_end().sent, 30)
        self.assertEqual(self.counters["plain_answers_late"], 0)

    def test_told_meanwhile(self) -> None:
        """What is told as an update meanwhile is not put once more, whether it is acknowledged or not."""
        self.between(some(5), {})
        for number in (0, 1):
            self.unacked.said(self.peer, f"u{number}", [("soul/000000", f"key00000{number}")], self.now)
        self.unacked.acked(self.peer, "u1", self.now)
        outcome = self.run_to_end()
        self.assertEqual((outcome.newer, outcome.sent), (5, 3))

    def test_lost_there(self) -> None:
        """What it has lost is put again, but not while it may be on its way yet."""
        self.between(some(15, 5), {})
        self.other.loses = 1
        self.assertEqual(self.run_to_end().sent, 15)
        self.assertEqual(self.run_to_end().sent, 0)
        self.now += RETRY_MS
        self.assertEqual(self.run_to_end().sent, 15)
        self.assertEqual(self.run_to_end().newer, 0)

    def test_lost_after_its_ack(self) -> None:
        """The same, when it has acknowledged that."""
        self.between(some(15, 5), {})
        self.other.loses = 1
        self.assertEqual(self.run_to_end().sent, 15)
        self.unacked.run(self.now)
        [update] = self.unacked._debts[self.peer].said
        self.unacked.acked(self.peer, update, self.now)
        self.assertEqual(self.run_to_end().sent, 0)
        self.now += RECENT_MS
        self.unacked.run(self.now)
        self.assertEqual(self.run_to_end().sent, 15)
        self.assertEqual(self.run_to_end().newer, 0)

    def test_unknown_there(self) -> None:
        """What the other does not know is put, in few messages, and at once."""
        for keys in (5, 30):
            cells = some(3_000, keys)
            self.between(cells, {})
            outcome = self.run_to_end()
            self.assertEqual(outcome.sent, 3_000)
            self.assertEqual(self.other.cells, cells)
            self.assertLess(self.other.puts, 200)
        self.assertEqual(self.now, START)

    def test_no_answer(self) -> None:
        """Who does not answer at all is put nothing: what it has may be newer."""
        self.between({**some(10), **some(30, 30, "large")}, {})
        self.other.deaf = {"soul/000000", "large/000000"}
        outcome = self.run_to_end()
        self.assertEqual((outcome.sent, outcome.unanswered), (5, 2))
        self.assertEqual(self.counters["plain_questions_unanswered"], 2)
        self.assertEqual(self.now - START, 2 * SILENCE_MS)

    def test_no_answer_to_check(self) -> None:
        """Nor is what is missing in an answer, if a question for it is not; what is older is."""
        ours = some(5)
        name = ("soul/000000", "key000001")
        self.between(ours, {name: (LONG_AGO, b'"older"')})
        self.plain.begin(self.peer, self.outcomes.append)
        self.plain.continue_with(self.peer, self.now)
        [(_, frames)] = self.peers.frames(self.now)
        for answer in self.other.hear([jstext.parse(text) for frame in frames for text in split(frame)]):
            self.hear(answer)
        self.other.deaf = {"soul/000000"}
        outcome = self.run_to_end_of_begun()
        self.assertEqual((outcome.sent, outcome.unanswered), (1, 1))

    def test_empty_answer(self) -> None:
        """An empty node tells of a missing property what a miss does, if nothing follows."""
        ours = some(5)
        theirs = dict(ours)
        del theirs["soul/000000", "key000002"]
        self.between(ours, theirs)
        self.other.ghosts = {"soul/000000"}
        outcome = self.run_to_end()
        self.assertEqual((outcome.sent, outcome.unanswered), (1, 0))
        self.assertEqual(self.now - START, PART_MS + SILENCE_MS)

    def test_link_lost(self) -> None:
        """With the link it ends."""
        self.between(some(10), {})
        self.plain.begin(self.peer, self.outcomes.append)
        self.plain.continue_with(self.peer, self.now)
        self.plain.forget(self.peer)
        self.assertEqual([outcome.error for outcome in self.outcomes], ["the link was lost"])
        self.assertEqual(self.plain.waiting(), [])
        self.assertIsNone(self.plain.next_at)
        self.plain.continue_with(self.peer, self.now)
        self.plain.hear(self.peer, "x", None, self.now)

    def test_unreadable(self) -> None:
        """A store that can't be read ends it."""

        def fail(*args: Any, **named: Any) -> Any:
            raise StoreError("broken disk")

        self.between(some(10), {})
        self.patch(self.store, "souls", fail)
        self.assertEqual(self.run_to_end().error, "broken disk")

    def test_plain_questions(self) -> None:
        """No more than C{plain_questions} wait for an answer at once."""
        ours = {**some(900, 30), **some(50, 5, "tiny")}
        theirs = changed(ours, Random(1), 200)
        self.between(ours, theirs, limits=Limits(plain_questions=7))
        self.plain.begin(self.peer)
        for _ in range(10):
            for peer in self.plain.waiting():
                self.plain.continue_with(peer, self.now)
        self.assertEqual(len(self.waited_for), 6)
        self.assertIsNone(self.run_to_end().error)
        self.assertLessEqual(self.most, 7)
        self.assertLessEqual(merged(ours, {}).items() & self.other.cells.items(), self.known.items())

    def test_refused_answers(self) -> None:
        """An answer that is no graph is none."""
        self.between(some(5), {})
        self.plain.begin(self.peer, self.outcomes.append)
        self.plain.continue_with(self.peer, self.now)
        [(_, [frame])] = self.peers.frames(self.now)
        self.plain.hear(self.peer, jstext.parse(frame)["#"], b'{"soul/000000":1}', self.now)
        self.assertEqual(self.counters["plain_answers_refused"], 1)
        outcome = self.run_to_end_of_begun()
        self.assertEqual((outcome.sent, outcome.unanswered), (0, 1))

    def run_to_end_of_begun(self) -> PlainOutcome:
        """Go on with one that was begun."""
        for _ in range(5):
            self.now += SILENCE_MS
            self.plain.run(self.now)
            self.plain.continue_with(self.peer, self.now)
        return self.outcomes[0]


class RelayTests(SynchronousTestCase):
    """In a whole relay."""

    def test_upstream(self) -> None:
        """An upstream that turns out to be no gunnet relay is asked for what we know, once a link."""
        talk = Conversation()
        alice = talk.connect("alice")
        alice.say(put("p1", "room", {"title": "ours"}, state=talk.now))
        up = talk.connect("up", url="http://up/gun")
        talk.advance(5_500)
        gets = [message for message in up.heard if "get" in message]
        self.assertEqual([message["get"] for message in gets], [{"#": "room"}])
        up.take()
        up.say({"#": "miss", "@": gets[0]["#"]})
        [told] = [message for message in up.take() if "put" in message]
        self.assertEqual(told["put"]["room"]["title"], "ours")
        talk.advance(60_000)
        self.assertEqual([message for message in up.take() if "get" in message], [])

    def test_news_of_the_same_turn(self) -> None:
        """
        When one upstream answers with news in the turn in which another one shows that it lacks that, the
        other is told once.
        """
        talk = Conversation()
        alice = talk.connect("alice")
        alice.say(put("p1", "room", {"title": "ours"}, state=talk.now))
        west, east = talk.connect("west", url="http://west/gun"), talk.connect("east", url="http://east/gun")
        talk.advance(5_500)
        [from_west], [from_east] = [[said for said in up.take() if "get" in said] for up in (west, east)]
        with talk.one_turn():
            west.say({**put("a1", "room", {"more": "news"}, state=talk.now), "@": from_west["#"]})
            east.say({"#": "a2", "@": from_east["#"]})
        talk.advance(1_000)
        told = [set(said["put"]["room"]) - {"_"} for said in east.take() if "put" in said]
        self.assertEqual(sorted(map(sorted, told)), [["more"], ["title"]])

    def test_gunnet_after_all(self) -> None:
        """If it says late that it is one, it is asked no more, and told that what was asked is not wanted."""
        talk = Conversation()
        talk.connect("alice").say(put("p1", "room", {"title": "ours"}, state=talk.now))
        up = talk.connect("up", url="http://up/gun", pid="pidUp")
        talk.advance(5_500)
        gets = [message["get"] for message in up.take() if "get" in message]
        up.say({"#": "late", "dam": "relay", "sync": 1})
        talk.advance(120_000)
        after = up.take()
        self.assertEqual([], [message for message in after if "get" in message and "dam" not in message])
        ended = [message["get"] for message in after if message.get("dam") == "off"]
        self.assertEqual([{"#": "room"}], gets)
        self.assertEqual(gets, ended)
