"""Tests for L{gunnet.mesh.group}: the local network as one peer of the mesh."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.gossip import Gossip
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.sea.firewall import Rules
from gunnet.testing import Client, Conversation, MemoryLink, put
from gunnet.wire import jstext
from gunnet.wire.ids import id_source
from tests.mesh.test_gets import BrokenStore

GROUP = "233.255.255.255:8765"


class GroupCase(SynchronousTestCase):
    """Base: a relay, a client, and a group in which somebody is who is not linked."""

    def begin(self, **fields: Any) -> None:
        self.talk = Conversation(**fields)
        self.link = MemoryLink("multicast")
        self.link.reliable = False
        self.group = self.talk.relay.group.join(self.link, GROUP)
        self.talk.relay.group.others = True
        self.client = self.talk.connect("client", pid="client")

    def hear(self, said: dict[str, Any]) -> None:
        """Somebody says something to the group."""
        self.talk.mesh.hear(self.group, jstext.stringify(said))
        self.talk.settle()

    def said(self) -> list[dict[str, Any]]:
        """The messages to the group since the last call."""
        frames, self.link.frames = self.link.frames, []
        found: list[dict[str, Any]] = []
        for frame in frames:
            content: Any = jstext.parse(frame)
            found += content if isinstance(content, list) else [content]
        return found


class PlaceTests(GroupCase):
    """It is one of nobody."""

    def test_in_no_list(self) -> None:
        """It is not greeted, not counted, and named to nobody."""
        self.begin(axe=False)
        self.assertEqual(self.said(), [])
        self.assertEqual(self.talk.relay.health()["peers"], 1)
        other = self.talk.connect("other", pid="other")
        self.client.say(put("p", "room", {"a": 1}, self.talk.now, ok={"@": 3, "/": 1}))
        told = other.heard[-1]
        self.assertEqual((told["><"], told["ok"]["/"]), ("other", 2))

    def test_name(self) -> None:
        """It has the name that it has in gun.js, which may say that it knows something."""
        self.begin(axe=False)
        self.client.say(put("p", "room", {"a": 1}, self.talk.now, **{"><": f"x,{GROUP}"}))
        self.assertEqual(len(self.said()), 1)  # of another network, of which that says nothing

    def test_nobody_asks(self) -> None:
        """While all are linked it is told nothing."""
        self.begin()
        self.talk.relay.group.others = False
        self.client.say(put("p", "room", {"a": 1}, self.talk.now))
        self.client.say({"#": "g", "get": {"#": "room"}})
        self.assertEqual(self.said(), [])

    def test_lost(self) -> None:
        """When its link is gone there is no group, until there is a new one."""
        self.begin()
        self.talk.mesh.lose(self.group, "gone")
        self.client.say(put("p", "room", {"a": 1}, self.talk.now))
        self.assertIsNone(self.talk.relay.group.peer)
        self.assertEqual(self.said(), [])
        self.group = self.talk.relay.group.join(self.link, GROUP)
        self.client.say(put("q", "room", {"b": 1}, self.talk.now))
        self.assertEqual(len(self.said()), 1)

    def test_pressed(self) -> None:
        """While much waits for the disk, it is not read from either."""
        self.begin(limits=Limits(pending_bytes=4_000))
        self.talk.writer.holding = True
        self.client.say(put("p", "room", {"a": "x" * 1_500}, self.talk.now))
        self.client.say(put("q", "room", {"b": "x" * 1_500}, self.talk.now))
        self.assertFalse(self.link.reading)
        while self.talk.writer.held:
            self.talk.writer.release()
            self.talk.settle()
        self.assertTrue(self.link.reading)


class AnswerTests(GroupCase):
    """What it is answered."""

    def test_get(self) -> None:
        """A get is answered if there is something; it subscribes nobody."""
        self.begin()
        self.client.say(put("p", "room", {"a": 1}, self.talk.now))
        self.said()
        self.hear({"#": "g", "get": {"#": "room"}})
        [answer] = self.said()
        self.assertEqual((answer["@"], answer["put"]["room"]["a"]), ("g", 1))
        self.assertEqual(self.talk.relay.health()["subscriptions"], 0)

    def test_get_of_others(self) -> None:
        """What others know is asked for, and given; that they know nothing is not."""
        self.begin()
        self.hear({"#": "g1", "get": {"#": "room"}})
        self.assertEqual(self.client.take()[-1]["#"], "g1")
        self.client.say({"#": "m", "@": "g1"})
        self.assertEqual(self.said(), [])
        self.hear({"#": "g2", "get": {"#": "hall"}})
        self.client.say(put("a", "hall", {"x": 1}, self.talk.now, **{"@": "g2"}))
        self.assertEqual([message["@"] for message in self.said() if "put" in message], ["g2"])

    def test_refused(self) -> None:
        """That something may not stand is not said: whoever reads it can't know whom it concerns."""
        self.begin(rules=Rules(signed_only=True))
        self.hear(put("p", "room", {"a": 1}, self.talk.now))
        self.hear(put("q", "~pub/room", {"a": 1}, self.talk.now))
        self.assertEqual(self.said(), [])
        self.assertGreater(self.talk.counters["cells_refused"], 0)
        self.assertEqual(self.client.take()[-1]["dam"], "?")

    def test_can_not_read(self) -> None:
        """Nor that the store can't be read."""
        self.begin(store=BrokenStore(1 << 20))
        self.hear({"#": "g", "get": {"#": "broken"}})
        self.assertEqual((self.said(), self.talk.counters["store_reads_failed"]), ([], 1))

    def test_ack(self) -> None:
        """Who wrote something is told once that another has stored it; what the group says, it has heard."""
        self.begin()
        self.client.say(put("p", "room", {"a": 1}, self.talk.now, ok={"@": 3}))
        [told] = self.said()
        self.hear({"#": "k1", "@": told["#"], "ok": True})
        self.assertEqual([each["#"] for each in self.client.answers("p")][-1], "k1")
        self.hear(put("q", "room", {"b": 1}, self.talk.now, ok={"@": 3}))
        self.said()
        self.hear({"#": "k2", "@": "q", "ok": True})
        self.assertEqual(self.said(), [])
        self.assertEqual(self.talk.counters["acks_unwanted"], 1)

    def test_future(self) -> None:
        """What has a future state it is told when that has come; flooded, when it was said."""
        for axe, at_once in ((True, 0), (False, 1)):
            self.begin(axe=axe)
            self.client.say(put("p", "room", {"a": 1}, self.talk.now + 5_000))
            self.assertEqual(len(self.said()), at_once)
            self.talk.advance(6_000)
            self.assertEqual(len(self.said()), 1 - at_once)


class SignalTests(GroupCase):
    """WebRTC meets over a local network as well."""

    def test_rtc_ms(self) -> None:
        """Ids that were answered with C{rtc} stay routable for C{rtc_ms}, which way ever they came."""
        self.begin()
        self.hear({"#": "ask", "get": {"#": "room"}})
        self.client.say({"#": "offer", "@": "ask", "ok": {"rtc": {"offer": 1}}})
        self.assertEqual(self.said()[-1]["#"], "offer")
        self.talk.advance(self.talk.relay.limits.rtc_ms - 1_000)
        self.hear({"#": "candidate1", "@": "offer", "ok": {"rtc": {"candidate": 1}}})
        self.assertEqual(self.client.take()[-1]["#"], "candidate1")
        self.client.say({"#": "candidate2", "@": "ask", "ok": {"rtc": {"candidate": 2}}})
        self.assertEqual(self.said()[-1]["#"], "candidate2")

    def test_unpinned(self) -> None:
        """Others are forgotten by then."""
        self.begin()
        self.hear({"#": "ask", "get": {"#": "room"}})
        self.said()
        self.talk.advance(self.talk.relay.limits.rtc_ms - 1_000)
        self.client.say({"#": "late", "@": "ask", "ok": {"rtc": {"candidate": 2}}})
        self.assertEqual(self.said(), [])


class TrustTests(SynchronousTestCase):
    """Whom one believes that other relays are somewhere."""

    def setUp(self) -> None:
        random = Random(1)
        self.counters = Counters()
        self.peers = Peers(Limits(), self.counters, id_source(random))
        self.gossip = Gossip(self.peers, Limits(), self.counters, random, policy="peers")

    def upstream(self, url: str) -> Peer:
        peer = self.peers.upstream(url)
        self.peers.join(MemoryLink(url), peer)
        return peer

    def test_local(self) -> None:
        """A relay that was only heard on the local network is not believed; one that is configured is."""
        here, there = self.upstream("ws://10.0.0.9:8765/gun"), self.upstream("ws://there.example/gun")
        self.peers.group.dialled = frozenset({"ws://10.0.0.9:8765/gun"})
        for peer, dialled in ((here, []), (there, ["ws://public.example/gun"])):
            self.gossip.hear(["ws://public.example/gun"], peer)
            self.gossip.run(0.0)
            self.assertEqual(self.gossip.dial, dialled)
        self.assertFalse(self.gossip.hear_opt({"peers": ["ws://other.example/gun"]}, here, 0.0))

    def test_twin(self) -> None:
        """Nor when its own link stands for the one that was dialled."""
        here = self.upstream("ws://10.0.0.9:8765/gun")
        twin = Peer("twin")
        twin.above = True
        twin.twin = here
        self.peers.group.dialled = frozenset({"ws://10.0.0.9:8765/gun"})
        self.assertFalse(self.peers.group.trusts(twin))
        self.peers.group.dialled = frozenset()
        self.assertTrue(self.peers.group.trusts(twin))


class ClientTests(GroupCase):
    """Who asks the relay hears of the group as of others."""

    def ask(self, client: Client) -> None:
        client.say({"#": "g", "get": {"#": "room"}})

    def test_answer(self) -> None:
        """An answer from there goes to who asked, and what comes later to who is subscribed."""
        self.begin()
        self.ask(self.client)
        self.hear(put("a", "room", {"x": 1}, self.talk.now, **{"@": "g"}))
        self.assertEqual(self.client.answers("g")[-1]["put"]["room"]["x"], 1)
        self.hear(put("b", "room", {"x": 2}, self.talk.now + 0))
        self.assertEqual(self.client.heard[-1]["put"]["room"]["x"], 2)
