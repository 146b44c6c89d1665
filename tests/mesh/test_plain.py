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
from gunnet.graph.node import read_put
from gunnet.limits import Limits
from gunnet.mesh.peers import Peers
from gunnet.mesh.plain import REST_MS, SILENCE_MS, PlainOutcome, PlainSync
from gunnet.mesh.routes import Route
from gunnet.mesh.unacked import Unacked
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


class GunJs:
    """
    A relay like gun.js: it says nothing to a question with a hash if the hash is right or it has nothing, and
    answers in parts, the last one first.
    """

    def __init__(self, cells: Known) -> None:
        self.cells = dict(cells)
        self.gets = 0
        self.puts = 0
        self.deaf: set[str] = set()

    def hear(self, message: dict[str, Any]) -> list[bytes]:
        """@return: what it says to a message."""
        if "put" in message:
            self.puts += 1
            for soul, key, state, value in read_put(jstext.stringify(message["put"]), Limits()):
                if decide(state, value, self.cells.get((soul, key)), START) is Verdict.TAKE:
                    self.cells[soul, key] = (state, value)
            return []
        self.gets += 1
        soul, asked = message["get"]["#"], jstext.string(message["#"])
        if soul in self.deaf:
            return []
        only = message["get"].get(".")
        node = [
            (key, cell) for (other, key), cell in self.cells.items() if other == soul and only in (None, key)
        ]
        if not node:
            return [] if "##" in message else [b'{"#":"m%d","@":%b}' % (self.gets, asked)]
        parts = [node[at : at + NAMES_A_MESSAGE] for at in range(0, len(node), NAMES_A_MESSAGE)]
        said = []
        for number, part in enumerate(reversed(parts)):
            text = render(in_order({soul: part}))
            digest = jstext.string_hash(text)
            if digest != message.get("##"):
                said.append(
                    b'{"#":"a%d.%d","@":%b,"##":%d,"put":%b}' % (self.gets, number, asked, digest, text)
                )
        return said


class PlainCase(SynchronousTestCase):
    """Our graph and a gun.js relay."""

    def setUp(self) -> None:
        self.now = START
        self.outcomes: list[PlainOutcome] = []

    def between(
        self, ours: Known, theirs: Known, *, hashes: bool = True, limits: Limits | None = None
    ) -> None:
        """Put both up."""
        limits = limits or Limits()
        self.counters = Counters()
        self.store = MemoryStore(1 << 30)
        self.graph = Graph(self.store, limits, self.counters)
        self.take(ours)
        self.peers = Peers(limits, self.counters, id_source(Random(1)))
        dup: Dup[Route] = Dup(limits, self.counters)
        unacked = Unacked(self.graph, self.peers, dup, limits, self.counters)
        self.plain = PlainSync(self.graph, self.peers, dup, unacked, limits, self.counters)
        self.plain.hashes = hashes
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
            self.store.commit([(soul, key, cell) for (soul, key), cell in batch.cells.items()])
            self.graph.settle(batch, stored=True)

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
            for soul, key, state, value in read_put(put_text, Limits()):
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
                for frame in frames:
                    for text in split(frame):
                        self.arriving.extend(self.other.hear(jstext.parse(text)))
            while self.arriving:
                self.hear(self.arriving.popleft())
            if self.outcomes:
                return self.outcomes[0]
            if not self.plain.waiting():
                at = self.plain.next_at
                assert at is not None, "nothing is waited for"
                self.now = max(self.now, at)
        raise AssertionError("it comes to no end")


class CompareTests(PlainCase):
    """What comes of it."""

    def test_both_ways(self) -> None:
        """Of the nodes that we know, small and large, both have the newest afterwards, whatever differed."""
        for seed in range(6):
            random = Random(seed)
            cells = some(random.choice([50, 400]), random.choice([1, 5, 30]))
            ours, theirs = changed(cells, random, 20), changed(cells, random, 20)
            ours.update(some(7, 3, "ours"))
            for hashes in (True, False):
                self.between(ours, theirs, hashes=hashes)
                outcome = self.run_to_end()
                self.assertIsNone(outcome.error)
                souls = {soul for soul, _ in ours}
                truth = {name: cell for name, cell in merged(ours, theirs).items() if name[0] in souls}
                self.assertEqual(self.known, truth)
                self.assertLessEqual(truth.items(), self.other.cells.items())
                again = self.run_to_end()
                self.assertEqual((again.sent, again.received), (0, 0))

    def test_equal_with_hashes(self) -> None:
        """What is equal is not said at all, and it takes 2 s for each 50 nodes."""
        cells = some(500)
        self.between(cells, cells)
        outcome = self.run_to_end()
        self.assertEqual((outcome.souls, outcome.sent, outcome.received), (100, 0, 0))
        self.assertEqual(self.now - START, 2 * SILENCE_MS)

    def test_equal_without(self) -> None:
        """Without hashes, answers come, and nothing is waited for."""
        cells = some(500)
        self.between(cells, cells, hashes=False)
        outcome = self.run_to_end()
        self.assertEqual((outcome.souls, outcome.sent, outcome.received), (100, 0, 0))
        self.assertEqual(self.now, START)

    def test_parts(self) -> None:
        """A node that comes in parts is put to rights only when they are all there."""
        ours = some(100, 100)
        theirs = dict(ours)
        newer = ("soul/000000", "key000050")
        theirs[newer] = (LONG_AGO - 1, b"1")
        self.between(ours, theirs)
        self.assertEqual(self.run_to_end().sent, 1)
        self.assertEqual(self.other.cells, ours)
        self.assertEqual(self.now - START, REST_MS)

    def test_unknown_there(self) -> None:
        """What the other does not know is put, in few messages."""
        cells = some(3_000)
        self.between(cells, {})
        outcome = self.run_to_end()
        self.assertEqual(outcome.sent, 3_000)
        self.assertEqual(self.other.cells, cells)
        self.assertLess(self.other.puts, 200)

    def test_no_answer(self) -> None:
        """No answer to a question with a hash is a yes; to one without, no."""
        self.between(some(10), {})
        self.other.deaf = {"soul/000000"}
        self.assertEqual(self.run_to_end().sent, 5)
        self.between(some(10), {}, hashes=False)
        self.other.deaf = {"soul/000000"}
        self.assertEqual(self.run_to_end().sent, 10)

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
        self.between(some(500), {}, limits=Limits(plain_questions=7))
        self.plain.begin(self.peer)
        for _ in range(10):
            for peer in self.plain.waiting():
                self.plain.continue_with(peer, self.now)
        [(_, frames)] = self.peers.frames(self.now)
        self.assertEqual(sum(len(split(frame)) for frame in frames), 7)
        self.run_to_end()

    def test_refused_answers(self) -> None:
        """An answer that is no graph is as good as none."""
        self.between(some(5), {})
        self.plain.begin(self.peer, self.outcomes.append)
        self.plain.continue_with(self.peer, self.now)
        [(_, [frame])] = self.peers.frames(self.now)
        self.plain.hear(self.peer, jstext.parse(frame)["#"], b'{"soul/000000":1}', self.now)
        self.assertEqual(self.counters["plain_answers_refused"], 1)
        self.assertEqual(self.run_to_end_of_begun().sent, 5)

    def run_to_end_of_begun(self) -> PlainOutcome:
        """Go on with one that was begun."""
        self.plain.run(self.now + SILENCE_MS)
        self.plain.continue_with(self.peer, self.now)
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
