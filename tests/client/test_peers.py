"""
Clients with a peer: what they hear of each other, what waits while there is no link, and what outlasts a
restart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from gunnet.client import NotAcknowledged, PutRefused
from gunnet.client import node as local_node
from gunnet.client.unsent import PAGE, Name
from gunnet.graph.lex import ALL
from gunnet.limits import Limits
from gunnet.store.interface import Cell, Store
from gunnet.store.memory import MemoryStore
from gunnet.testing import Conversation, put
from gunnet.transport.memory import LinkEnd, join
from gunnet.wire import jstext
from tests.client.bench import BenchTestCase


class MemoryClientStore(MemoryStore):
    """
    L{gunnet.client.unsent.UnsentStore} that outlasts a client, and not the test.

    @ivar recorded: what the record says.
    """

    def __init__(self) -> None:
        super().__init__(1 << 30)
        self.recorded: dict[Name, None] = {}
        self.unsent: dict[Name, None] = {}
        self.sent: deque[Name] = deque()

    def commit(self, cells: Sequence[tuple[str, str, Cell]]) -> None:
        super().commit(cells)
        while self.sent:
            name = self.sent.popleft()
            if name not in self.unsent:
                self.recorded.pop(name, None)
        self.recorded.update({cell[:2]: None for cell in cells if cell[:2] in self.unsent})

    def close(self) -> None:
        """Keep everything, as a disk would."""

    def restart(self) -> None:
        """Forget what only a process knows."""
        self.unsent = dict(self.recorded)
        self.sent.clear()


class LinkedTests(BenchTestCase):
    """While there is a link."""

    def test_put_and_on(self) -> None:
        """What one client puts, the other sees."""
        alice, bob = self.linked(), self.linked()
        seen = self.heard(bob.get("room").get("title"))
        self.talk.advance(100)
        self.result(alice.get("room").put({"title": "one", "inner": {"deep": True}}))
        self.assertEqual(seen, [("one", "title")])
        self.assertEqual(self.result(bob.get("room").get("inner").get("deep")), True)
        self.result(bob.get("room").get("title").put("two"))
        once, at_once = alice.get("room").get("title").once(), alice.get("room").get("title").once(wait=0)
        self.assertEqual((self.result(at_once, 0), self.result(once)), ("one", "two"))
        self.heard(alice.get("room").get("title"))
        self.talk.advance(200)
        self.assertEqual(self.result(alice.get("room").get("title"), 0), "two")

    def test_changed_meanwhile(self) -> None:
        """What is put is what it was at the call, whatever becomes of it until all souls in it are known."""
        alice, bob = self.linked(), self.linked()
        inner = {"_": {"#": "own"}, "x": 1}
        node: dict[str, Any] = {"inner": {"x": 1}, "same": inner, "again": inner, "link": {"#": "a"}}
        done = alice.get("room").put(node)
        for each in (node["inner"], inner):
            each["x"] = 2
        inner["_"]["#"] = node["link"]["#"] = "other"
        node["more"] = print
        self.result(done)
        for path in (("room", "inner"), ("own",), ("room", "same"), ("room", "again")):
            chain: Any = bob
            for name in path:
                chain = chain.get(name)
            self.assertEqual(self.result(chain.get("x")), 1, path)
        self.assertEqual(self.result(bob.get("room"))["link"], {"#": "a"})

    def test_linked(self) -> None:
        """A client says how many peers are linked."""
        gun = self.gun()
        self.assertEqual(gun.linked, 0)
        end = self.link(gun)
        self.assertEqual(gun.linked, 1)
        end.drop("gone")
        self.talk.advance(1)
        self.assertEqual(gun.linked, 0)

    def test_missing(self) -> None:
        """What the peer has not is not there, as soon as it says so."""
        gun = self.linked()
        self.assertIsNone(self.result(gun.get("nobody").get("x"), 10))

    def test_missing_of_one(self) -> None:
        """One peer has nothing, and the other one is slow: it is waited for."""
        gun = self.linked()
        node = gun._node
        assert node is not None
        slow = self.talk.connect("slow")
        slow.close()
        peer = node.mesh.meet(slow.link, node.mesh.dial("ws://slow.example/"))
        assert peer is not None
        self.talk.advance(1_000)
        once = gun.get("a").get("b").once()
        self.talk.advance(2_000)
        self.assertNoResult(once)
        asked = [message for message in slow.heard if "get" in message and message["get"].get("#") == "a"]
        put = {"a": {"_": {"#": "a", ">": {"b": 1}}, "b": "slow"}}
        node.mesh.hear(peer, jstext.stringify({"#": "late", "@": asked[-1]["#"], "put": put}))
        self.assertEqual(self.result(once, 100), "slow")

    def test_still_connecting(self) -> None:
        """Just after the start, a peer is waited for; then it counts that there is no link."""
        self.result(self.linked().get("a").get("b").put(1))
        for links, expected in ((True, 1), (False, None)):
            gun = self.gun()
            node = gun._node
            assert node is not None
            node.mesh.dial("memory:")
            once = gun.get("a").get("b").once()
            self.talk.advance(1_000)
            self.assertNoResult(once)
            if links:
                self.link(gun)
            self.assertEqual(self.result(once, 1_100), expected)

    def test_only_what_it_wants(self) -> None:
        """A client gets no more of the graph than it asked for, though its peer compares graphs."""
        alice, bob = self.linked(), self.linked()
        self.result(bob.get("mine").get("x").put(1))
        for number in range(20):
            self.result(alice.get(f"other{number}").get("x").put(1))
        self.result(bob.get("other3").get("x"))
        self.talk.advance(120_000)
        self.assertEqual(self.talk.counters["sync_messages_served"], 0)
        node = bob._node
        assert node is not None
        self.assertEqual({soul for soul, _, _ in node.mesh.relay._graph.stored()}, {"mine", "other3"})

    def test_peer_acks(self) -> None:
        """With C{peer}, a put waits until a peer has it."""
        gun = self.gun()
        node = gun._node
        assert node is not None
        node.mesh.dial("memory:")
        put = gun.get("a").get("b").put(1, peer=True)
        late = gun.get("a").get("c").put(1, peer=True, timeout=5)
        self.talk.advance(4_999)
        self.assertNoResult(put)
        self.failure(late, NotAcknowledged, milliseconds=2)
        self.link(gun)
        self.result(put)
        self.result(gun.get("a").get("b").put(2, peer=True, timeout=1), 100)

    def test_peer_refuses(self) -> None:
        """With C{peer}, a put fails with what the peer has against it."""
        gun = self.linked()
        self.talk.writer.error = "no room"
        self.assertIn("could not store", self.failure(gun.get("a").get("b").put(1, peer=True), PutRefused))
        self.flushLoggedErrors()


class OfflineTests(BenchTestCase):
    """While there is none."""

    def test_write(self) -> None:
        """What was written before and between links gets to the peer, as it stands by then."""
        gun = self.gun()
        node = gun._node
        assert node is not None
        node.mesh.dial("memory:")
        self.result(gun.get("a").get("b").put(1))
        self.result(gun.get("a").get("b").put(2))
        end = self.link(gun)
        self.assertEqual(self.talk.relay.relay_links.known("a", "b")[1], b"2")
        end.drop("gone")
        self.talk.advance(10)
        self.result(gun.get("a").get("b").put(3))
        self.result(gun.get("c").put({"d": {"e": 4}}))
        self.link(gun)
        self.assertEqual(self.talk.relay.relay_links.known("a", "b")[1], b"3")
        self.assertEqual(self.talk.relay.relay_links.known("c/d", "e")[1], b"4")

    def test_missed(self) -> None:
        """What others wrote meanwhile is seen when the link is back, of what is watched."""
        alice, bob = self.linked(), self.gun()
        end = self.link(bob)
        seen = self.heard(bob.get("a").get("b"))
        self.result(alice.get("a").get("b").put(1))
        end.drop("gone")
        self.talk.advance(10)
        self.result(alice.get("a").get("b").put(2))
        self.assertEqual([value for value, _ in seen], [1])
        self.link(bob)
        self.assertEqual([value for value, _ in seen], [1, 2])

    def test_later_wins(self) -> None:
        """Who wrote last, wins, whenever the links came."""
        alice, bob = self.linked(), self.gun()
        self.result(bob.get("a").get("b").put("early"))
        self.result(alice.get("a").get("b").put("late"))
        seen = self.heard(bob.get("a").get("b"))
        self.link(bob)
        self.assertEqual([value for value, _ in seen], ["early", "late"])
        self.assertEqual(self.talk.relay.relay_links.known("a", "b")[1], b'"late"')


class TwoRelaysTests(BenchTestCase):
    """A client with two peers."""

    def setUp(self) -> None:
        super().setUp()
        self.second = Conversation(clock=self.clock, seed=2)

    def link_second(self, gun: Any) -> LinkEnd:
        """Link a client to the second relay, too."""
        end, _ = join(gun._node.mesh, self.second.mesh, self.clock, url="memory:2")
        self.talk.advance(1_000)
        return end

    def test_both(self) -> None:
        """Both are told what is written, also the one that was away, and each what the other one had."""
        gun = self.linked()
        end = self.link_second(gun)
        self.result(gun.get("a").get("b").put(1))
        end.drop("gone")
        self.talk.advance(10)
        self.result(gun.get("a").get("b").put(2, peer=True))
        self.link_second(gun)
        for talk in (self.talk, self.second):
            self.assertEqual(talk.relay.relay_links.known("a", "b")[1], b"2")

    def test_no_bridge(self) -> None:
        """Of what only its peers want nothing goes over it."""
        gun = self.linked()
        self.link_second(gun)
        writer = self.second.connect("writer", pid="w", hi=True)
        writer.say(put("p", "s", {"x": 1}, self.talk.now))
        reader = self.talk.connect("reader", pid="r", hi=True)
        reader.say({"#": "q", "get": {"#": "s"}})
        self.talk.advance(60_000)
        node = gun._node
        assert node is not None
        self.assertIsNone(node.mesh.relay.relay_links.known("s", "x"))


class RestartTests(BenchTestCase):
    """The program ends, and is started again."""

    def setUp(self) -> None:
        super().setUp()
        self.store = MemoryClientStore()
        self.patch(local_node, "open_store", self._open)

    def _open(self, _data: str | None, _limits: Limits) -> Store:
        self.store.restart()
        return self.store

    def _offline(self, **options: Any) -> Any:
        gun = self.gun(data="here", **options)
        node = gun._node
        assert node is not None
        node.mesh.dial("memory:")
        return gun

    def test_unsent(self) -> None:
        """What no peer has is told to one after the restart, once."""
        first = self._offline()
        self.result(first.get("a").put({"b": 1, "c": {"d": 2}}), 3_000)
        self.assertEqual(len(self.store.recorded), 3)
        # Nothing is closed: the process is gone.
        second = self._offline()
        self.assertEqual(self.result(second.get("a").get("c").get("d")), 2)
        end = self.link(second)
        self.assertEqual(self.talk.relay.relay_links.known("a/c", "d")[1], b"2")
        self.talk.advance(2_000)
        self.assertEqual((self.store.recorded, len(second._node.unsent)), ({}, 0))
        end.drop("gone")
        said = self.talk.counters["puts_served"]
        third = self._offline()
        self.link(third)
        self.assertEqual(self.talk.counters["puts_served"], said)

    def test_closed(self) -> None:
        """An ack just before the end is on the record as well."""
        gun = self._offline()
        self.link(gun)
        self.result(gun.get("a").get("b").put(1, peer=True), 100)
        self.assertEqual(len(self.store.recorded), 1)
        closed = gun.close()
        self.talk.advance(1_000)
        self.successResultOf(closed)
        self.assertEqual(self.store.recorded, {})

    def test_late_ack(self) -> None:
        """An ack that comes while leave is taken is on no record, nor in the log; it is only said again."""
        gun = self._offline()
        self.link(gun)
        self.result(gun.get("a").get("b").put(1), 0)
        node = gun._node
        closed = gun.close()
        self.talk.advance(1_000)
        self.successResultOf(closed)
        (upstream,) = node.mesh.relay.relay_links.upstreams
        node.unsent._names[("a", "c")] = None
        for call in node.mesh.relay.relay_links.unacked.on_acked:
            call(upstream, [("a", "c")], False)
        self.talk.advance(5_000)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_many(self) -> None:
        """However many there are, they are told page by page."""
        count = 3 * PAGE + 7
        first = self._offline()
        self.result(first.get("many").put({f"k{number}": number for number in range(count)}))
        second = self._offline()
        self.link(second)
        self.talk.advance(5_000)
        self.assertEqual(self.store.recorded, {})
        self.assertEqual(len([*self.talk.store.node("many", ALL)]), count)
        self.assertGreater(self.talk.counters["puts_served"], 3)

    def test_refused_by_peer(self) -> None:
        """What a peer refuses stays on the record, and does not keep the rest from being told."""
        first = self._offline()
        self.result(first.get("a").get("b").put(1))
        self.talk.writer.error = "no room"
        second = self._offline()
        end = self.link(second)
        self.talk.advance(2_000)
        self.assertEqual([*self.store.recorded], [("a", "b")])
        self.talk.writer.error = None
        end.drop("gone")
        self.talk.advance(10)
        self.link(second)
        self.talk.advance(2_000)
        self.assertEqual(self.store.recorded, {})
        self.flushLoggedErrors()

    def test_refused_here(self) -> None:
        """What the own node refused is not on the record."""
        gun = self._offline()
        self.failure(gun.get("a").put({"b": 2, "k" * 5_000: 3}), PutRefused)
        self.assertEqual(len(gun._node.unsent), 0)

    def test_without_peers(self) -> None:
        """Where there are no peers at all, nothing is on the record."""
        gun = self.gun(data="here")
        self.result(gun.get("a").get("b").put(1))
        self.assertEqual(self.store.recorded, {})
