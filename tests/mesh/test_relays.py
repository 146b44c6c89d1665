"""
Several relays, joined by L{gunnet.transport.memory}: what is written on one is known on the others, and
nothing goes round for ever.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.lex import ALL
from gunnet.limits import Limits
from gunnet.mesh.sync import JITTER_MS
from gunnet.testing import START, Conversation, Message, put
from gunnet.transport.memory import LinkEnd, join


def relays(count: int, *, axe: bool = True, limits: Limits | None = None) -> list[Conversation]:
    """Relays that share a clock."""
    clock = Clock()
    clock.advance(START / 1000)
    return [
        Conversation(axe=axe, limits=limits, seed=number, pid=f"pidRelay{number}", clock=clock)
        for number in range(count)
    ]


def dial(talk: Conversation, other: Conversation, limit_bytes: int | None = None) -> tuple[LinkEnd, LinkEnd]:
    """Have one relay dial another, as with C{--peer}."""
    ends = join(talk.mesh, other.mesh, talk.clock, url=f"memory:{other.relay.pid}", limit_bytes=limit_bytes)
    talk.settle()
    return ends


def get(message_id: str, soul: str) -> Message:
    """A get of a node."""
    return {"#": message_id, "get": {"#": soul}}


def node(talk: Conversation, soul: str) -> dict[str, Any]:
    """What a relay has stored of a node: key to (state, text of the value)."""
    return dict(talk.store.node(soul, ALL))


class PairTests(SynchronousTestCase):
    """One relay dials another."""

    def setUp(self) -> None:
        """A relay, its upstream, and a client of each."""
        self.begin(axe=True)

    def begin(self, *, axe: bool) -> None:
        """Begin in one of the two modes."""
        self.low, self.high = relays(2, axe=axe)
        self.ends = dial(self.low, self.high)
        self.a, self.b = self.low.connect("a"), self.high.connect("b")

    def test_greeting(self) -> None:
        """Each knows the other by name: the dialler by the url, the other by the pid that it told."""
        low, high = self.ends
        assert low.peer is not None
        assert high.peer is not None
        self.assertEqual(("memory:pidRelay1", "pidRelay0"), (low.peer.name, high.peer.name))
        self.assertEqual((2, 2), (self.low.relay.health()["peers"], self.high.relay.health()["peers"]))

    def test_up(self) -> None:
        """What is written below is known above, though nobody asked; also to who is subscribed there."""
        for axe in (True, False):
            self.begin(axe=axe)
            self.b.say(get("g", "s"))
            self.a.say(put("p", "s", {"x": 1}, self.low.now))
            self.assertEqual({"x": (self.low.now, b"1")}, node(self.high, "s"))
            self.assertEqual(1, self.b.heard[-1]["put"]["s"]["x"])
            self.assertIs(True, self.a.answers("p")[0]["ok"])

    def test_down(self) -> None:
        """What is known above answers a question below; from then on its news comes by itself."""
        for axe in (True, False):
            self.begin(axe=axe)
            self.b.say(put("p1", "s", {"x": 1}, self.low.now - 1))
            self.a.say(get("g", "s"))
            self.assertEqual(1, self.a.heard[-1]["put"]["s"]["x"])
            self.assertEqual(1, len(node(self.low, "s")))
            self.b.say(put("p2", "s", {"x": 2}, self.low.now))
            self.assertEqual(2, self.a.heard[-1]["put"]["s"]["x"])
            self.assertEqual(node(self.high, "s"), node(self.low, "s"))

    def test_not_asked_for(self) -> None:
        """What nobody below asked for stays above."""
        self.b.say(put("p", "s", {"x": 1}, self.low.now))
        self.assertEqual({}, node(self.low, "s"))

    def test_converge(self) -> None:
        """Writes on both sides at once end in one graph on both."""
        for seed, axe in ((1, True), (2, True), (3, False)):
            self.begin(axe=axe)
            dice = Random(seed)
            for soul in ("s", "t"):
                self.a.say(get(f"g{soul}", soul))
            for number in range(200):
                client = dice.choice([self.a, self.b])
                state = self.low.now + dice.randrange(-3, 1)
                values = {f"k{dice.randrange(5)}": dice.choice([1, "x", None, True])}
                if dice.random() < 0.3:
                    self.low.advance(1)
                client.say(put(f"p{number}", dice.choice("st"), values, state))
            self.assertTrue(node(self.low, "s"))
            for soul in ("s", "t"):
                self.assertEqual(node(self.high, soul), node(self.low, soul), f"seed {seed}")

    def test_cut_and_joined(self) -> None:
        """What was written on both sides while the link was down is known on both when it is back."""
        self.a.say(get("g", "s"))
        self.a.say(put("p1", "s", {"x": 1}, self.low.now))
        self.ends[0].drop("cut")
        self.low.settle()
        self.assertEqual((1, 1), (self.low.relay.health()["peers"], self.high.relay.health()["peers"]))
        self.low.advance(5)
        self.a.say(put("p2", "s", {"y": 2}, self.low.now))
        self.b.say(put("p3", "s", {"z": 3}, self.low.now))
        self.assertNotEqual(node(self.high, "s"), node(self.low, "s"))
        dial(self.low, self.high)
        self.low.advance(JITTER_MS)
        self.assertEqual({"x", "y", "z"}, set(node(self.low, "s")))
        self.assertEqual(node(self.high, "s"), node(self.low, "s"))
        self.assertEqual(
            [3], [m["put"]["s"]["z"] for m in self.a.heard if "z" in m.get("put", {"s": {}})["s"]]
        )

    def test_acks(self) -> None:
        """The writer's ack is of the relay it speaks with; that of the one above comes after it."""
        self.low.writer.holding = True
        self.a.say(put("p", "s", {"x": 1}, self.low.now))
        self.assertEqual([], self.a.answers("p"))
        self.low.writer.release()
        self.low.settle()
        self.assertEqual([True, True], [answer["ok"] for answer in self.a.answers("p")])

    def test_other_questions(self) -> None:
        """A question from above finds its answer below."""
        self.low.store.commit([("s", "x", (1.0, b"1"))])
        self.b.say(get("g", "s"))
        self.assertEqual(1, self.b.heard[-1]["put"]["s"]["x"])


class LinkTests(SynchronousTestCase):
    """The link itself."""

    def test_back_pressure(self) -> None:
        """No more is on its way than a frame over the limit; the rest waits in the outbox, and arrives."""
        low, high = relays(2)
        ends = dial(low, high, limit_bytes=20_000)
        ends[1].pause_reading()
        writer = low.connect("writer")
        for number in range(50):
            writer.say(put(f"p{number}", "s", {f"k{number}": "x" * 5_000}, low.now))
        assert ends[0].peer is not None
        self.assertLess(ends[1].unread, 30_000)
        self.assertGreater(ends[0].peer.outbox.size, 200_000)
        ends[1].resume_reading()
        low.settle()
        self.assertEqual((0, 0), (ends[1].unread, ends[0].peer.outbox.size))
        self.assertEqual(50, len(node(high, "s")))

    def test_too_slow(self) -> None:
        """A reader for which too much waits is dropped, on both sides."""
        low, high = relays(2, limits=Limits(outbox_bytes=50_000))
        ends = dial(low, high, limit_bytes=20_000)
        ends[1].pause_reading()
        writer = low.connect("writer")
        for number in range(50):
            writer.say(put(f"p{number}", "s", {f"k{number}": "x" * 5_000}, low.now))
        self.assertEqual((None, None), (ends[0].peer, ends[1].peer))
        self.assertEqual((1, 0), (low.relay.health()["peers"], high.relay.health()["peers"]))

    def test_close(self) -> None:
        """What was sent before the close arrives, what is sent after it does not; closing twice is once."""
        for closing in (0, 1):
            low, high = relays(2)
            ends = dial(low, high)
            a = low.connect("a")
            with low.one_turn():
                ends[0].send(b'{"#":"p","put":{"s":{"_":{"#":"s",">":{"x":1}},"x":1}}}')
                if closing == 0:
                    ends[0].drop("enough")
                    ends[0].drop("again")
                    ends[0].send(b'{"#":"q","put":{"t":{"_":{"#":"t",">":{"x":1}},"x":1}}}')
            if closing == 1:
                ends[1].drop("enough")
                low.settle()
            self.assertEqual((1, 0), (len(node(high, "s")), len(node(high, "t"))))
            self.assertEqual((1, 0), (low.relay.health()["peers"], high.relay.health()["peers"]))
            a.say(get("g", "s"))
            self.assertEqual(1, len(a.answers("g")))

    def test_refused(self) -> None:
        """A listener that is full closes the link."""
        low, high = relays(2, limits=Limits(peers=1))
        high.connect("first")
        dial(low, high)
        self.assertEqual((0, 1), (low.relay.health()["peers"], high.relay.health()["peers"]))

    def test_self(self) -> None:
        """A relay that dials itself closes both ends."""
        (talk,) = relays(1)
        dial(talk, talk)
        self.assertEqual(0, talk.relay.health()["peers"])
        self.assertGreaterEqual(talk.counters["peers_self"], 1)


class RingTests(SynchronousTestCase):
    """Three relays in a ring, and more links than are needed."""

    def test_put(self) -> None:
        """A put reaches all of them and goes round no further."""
        for axe in (True, False):
            for both_ways in (False, True):
                ring = relays(3, axe=axe)
                for number in range(3):
                    dial(ring[number], ring[(number + 1) % 3])
                    if both_ways:
                        dial(ring[number], ring[(number + 2) % 3])
                client = ring[0].connect("client")
                before = sum(talk.counters["frames_heard"] for talk in ring)
                client.say(put("p", "s", {"x": 1}, ring[0].now))
                ring[0].advance(2_000)
                self.assertEqual([1, 1, 1], [len(node(talk, "s")) for talk in ring])
                self.assertIs(True, client.answers("p")[0]["ok"])
                self.assertLess(sum(talk.counters["frames_heard"] for talk in ring) - before, 40)
                self.assertEqual([0, 0, 0], [talk.counters["faults"] for talk in ring])

    def test_get(self) -> None:
        """A question that nobody can answer ends, too."""
        for axe in (True, False):
            ring = relays(3, axe=axe)
            for number in range(3):
                dial(ring[number], ring[(number + 1) % 3])
            client = ring[0].connect("client")
            before = sum(talk.counters["frames_heard"] for talk in ring)
            client.say(get("g", "s"))
            ring[0].advance(2_000)
            self.assertLess(sum(talk.counters["frames_heard"] for talk in ring) - before, 20)
            self.assertGreaterEqual(len(client.answers("g")), 1)

    def test_many_writers(self) -> None:
        """Writers on all three: one graph, after a number of frames in proportion."""
        ring = relays(3)
        for number in range(3):
            dial(ring[number], ring[(number + 1) % 3])
        clients = [talk.connect("client") for talk in ring]
        for number, client in enumerate(clients):
            client.say(get(f"g{number}", "s"))
        before = sum(talk.counters["frames_heard"] for talk in ring)
        dice = Random(4)
        for number in range(300):
            ring[0].advance(dice.choice([0, 1]))
            values = {f"k{dice.randrange(4)}": number}
            dice.choice(clients).say(put(f"p{number}", "s", values, ring[0].now - dice.randrange(3)))
        ring[0].advance(1_000)
        self.assertEqual(node(ring[0], "s"), node(ring[1], "s"))
        self.assertEqual(node(ring[0], "s"), node(ring[2], "s"))
        self.assertLess(sum(talk.counters["frames_heard"] for talk in ring) - before, 300 * 20)
