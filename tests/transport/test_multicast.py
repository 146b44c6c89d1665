"""Tests for L{gunnet.transport.multicast}: a relay on a local network that is a list of datagrams."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from ipaddress import ip_interface
from random import Random
from typing import Any

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.settings import Multicast
from gunnet.testing import Client, Conversation, put
from gunnet.transport.lan import Hear, Interface, Place, Sockets
from gunnet.transport.multicast import ALL_SOURCES, MulticastService
from gunnet.transport.neighbours import GONE_SECONDS, Beacon

WIRED = Interface("eth0", 2, (ip_interface("10.0.0.7/24"), ip_interface("fe80::7/64")))
RADIO = Interface("wlan0", 3, (ip_interface("10.1.0.7/24"),))
SOURCE = ("10.0.0.9", 8765)


class FakeSockets:
    """What is sent from one place."""

    def __init__(self, network: FakeNetwork, place: Place, group: str, hear: Hear) -> None:
        self.source = (str(place.own.ip), 5000)
        self.place = place
        self.group = group
        self.sent: list[bytes] = []
        self.hear = hear
        self.closed = False
        self._network = network

    def send(self, datagram: bytes) -> None:
        if self._network.broken is not None:
            raise self._network.broken
        self.sent.append(datagram)

    def close(self) -> None:
        self.closed = True


class FakeNetwork:
    """
    A system with interfaces that come and go.

    @ivar broken: why nothing can be sent.
    @ivar barred: why nothing can be joined.
    """

    def __init__(self) -> None:
        self.present: list[Interface] = [WIRED]
        self.way: str | None = "10.0.0.7"
        self.broken: OSError | None = None
        self.barred: OSError | None = None
        self.all: list[FakeSockets] = []
        self.asked: list[tuple[int, int]] = []

    def interfaces(self) -> Sequence[Interface]:
        return self.present

    def way_to(self, group: str, port: int) -> str | None:
        return self.way

    def join(self, place: Place, group: str, port: int, ttl: int, hear: Hear) -> Sockets:
        self.asked.append((port, ttl))
        if self.barred is not None:
            raise self.barred
        self.all.append(FakeSockets(self, place, group, hear))
        return self.all[-1]


class FakeLinks:
    """Who is to be dialled."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def set_local(self, urls: list[str]) -> set[str]:
        self.urls = urls
        return set(urls)


class MulticastCase(SynchronousTestCase):
    """Base: a relay, and somebody else on its network."""

    def setUp(self) -> None:
        self.lines = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.network = FakeNetwork()
        self.links = FakeLinks()

    def begin(self, settings: Multicast | None = None, *, axe: bool = True, **limits: Any) -> None:
        self.talk = Conversation(axe=axe, limits=Limits(**limits), pid="m")
        self.service = MulticastService(
            settings or Multicast(),
            self.talk.mesh,
            self.links,
            self.talk.clock,
            Random(1),
            where=lambda: Beacon(port=8765, path="/gun"),
            network=self.network,
        )
        self.service.startService()
        self.addCleanup(self.service.stopService)

    @property
    def wire(self) -> FakeSockets:
        """The first place that is joined still."""
        return next(sockets for sockets in self.network.all if not sockets.closed)

    def hear(self, said: bytes | dict[str, Any], source: tuple[str, int] = SOURCE) -> None:
        """A datagram comes."""
        datagram = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.wire.hear(self.wire.place, datagram, source)
        self.talk.settle()

    def meet_gunjs(self) -> None:
        """gun.js is there from now on."""
        self.hear(b"212345678")
        self.talk.advance(200)
        self.said()

    def said(self) -> list[dict[str, Any]]:
        """The messages that were sent since the last call; beacons are none."""
        datagrams, self.wire.sent = self.wire.sent, []
        messages: list[dict[str, Any]] = []
        for datagram in datagrams:
            if datagram[:1] != b"2":
                found = json.loads(datagram)
                messages += found if isinstance(found, list) else [found]
        return messages

    def errors(self) -> list[str]:
        """The error lines."""
        return [str(formatEvent(event)) for event in self.lines if event["log_level"] is LogLevel.error]

    def counted(self, name: str) -> int:
        """What was counted."""
        return self.talk.counters[name]


class PresenceTests(MulticastCase):
    """Being there."""

    def test_beacons(self) -> None:
        """Each second it says that it is there, and how it can be linked to; nothing else."""
        self.begin()
        self.talk.advance(2_500)
        self.assertEqual(len(self.wire.sent), 3)
        self.assertRegex(self.wire.sent[0], rb'^2[0-9]{8}\{"pid":"m","port":8765,"path":"/gun"\}$')
        self.assertEqual(len(set(self.wire.sent)), 1)

    def test_groups(self) -> None:
        """Both kinds of addresses have a group; port and TTL are as the operator said."""
        self.begin(Multicast("239.1.2.3", 7, ttl=9))
        self.assertEqual(
            [(each.group, str(each.place)) for each in self.network.all],
            [("239.1.2.3", "eth0 (10.0.0.7)"), ("ff12::ef01:203", "eth0 (fe80::7)")],
        )
        self.assertEqual(self.network.asked, [(7, 9), (7, 9)])

    def test_answers_newcomers(self) -> None:
        """Who comes need not wait a second to know who is there."""
        self.begin()
        self.talk.advance(500)
        self.wire.sent.clear()
        self.hear(b"212345678")
        self.talk.advance(10)
        self.assertEqual(len(self.wire.sent), 1)
        self.hear(b"212345678")
        self.talk.advance(300)
        self.assertEqual(len(self.wire.sent), 1)

    def test_links(self) -> None:
        """A relay that is heard is dialled; one that is silent is not any more."""
        self.begin()
        self.hear(Beacon("z", 8765).text("299999999"), ("10.0.0.9", 5001))
        self.talk.advance(200)
        self.assertEqual(self.links.urls, ["ws://10.0.0.9:8765/gun"])
        self.assertEqual(self.talk.relay.group.dialled, {"ws://10.0.0.9:8765/gun"})
        self.talk.advance(GONE_SECONDS * 1000 + 2_000)
        self.assertEqual(self.links.urls, [])

    def test_stop(self) -> None:
        """After the end nothing is open, and nothing is left to be done."""
        self.begin()
        self.talk.advance(100)
        self.service.stopService()
        self.assertTrue(all(sockets.closed for sockets in self.network.all))
        self.assertIsNone(self.talk.relay.group.peer)
        self.talk.advance(60_000)
        self.assertEqual(len(self.network.all), 2)


class InterfaceTests(MulticastCase):
    """Interfaces come and go."""

    def test_down(self) -> None:
        """One that is down is one error line, however long it is so, and no reason to end."""
        self.network.present = []
        self.begin()
        self.talk.advance(10_000)
        self.assertEqual(self.errors(), ["no multicast on any interface: no interface to find peers on"])
        self.assertEqual(self.counted("multicast_failed"), 1)
        self.network.present = [WIRED]
        self.talk.advance(1_000)
        self.assertEqual(len(self.wire.sent), 1)

    def test_can_not_join(self) -> None:
        """So is one on which the group can't be joined; it is tried again."""
        self.network.barred = OSError(19, "No such device")
        self.begin()
        self.talk.advance(5_000)
        self.assertEqual(len(self.errors()), 2)
        self.assertIn("No such device", self.errors()[0])
        self.network.barred = None
        self.talk.advance(1_000)
        self.assertEqual(len(self.wire.sent), 1)

    def test_breaks(self) -> None:
        """One on which nothing can be sent any more is left, and joined anew when it can be."""
        self.begin()
        before = list(self.network.all)
        self.network.broken = OSError(errno.ENETUNREACH, "Network is unreachable")
        self.talk.advance(10_000)
        self.assertTrue(all(sockets.closed for sockets in before))
        self.assertIn("Network is unreachable", self.errors()[0])
        self.assertEqual(len(self.errors()), 2)  # one for each kind of address, however long
        self.network.broken = None
        self.talk.advance(2_000)
        self.assertTrue(self.wire.sent)

    def test_full(self) -> None:
        """A send buffer that is full costs a datagram, and no more."""
        self.begin()
        self.network.broken = BlockingIOError(errno.EAGAIN, "full")
        self.talk.advance(1_000)
        self.assertEqual(self.counted("multicast_unsent"), 2)
        self.network.broken = None
        self.talk.advance(1_000)
        self.assertFalse(self.wire.closed)

    def test_changes(self) -> None:
        """When another interface leads to the group, or it has another address, that one is joined."""
        self.begin()
        first = self.wire
        self.network.present, self.network.way = [WIRED, RADIO], "10.1.0.7"
        self.talk.advance(1_000)
        self.assertTrue(first.closed)
        self.assertEqual(str(self.wire.place), "wlan0 (10.1.0.7)")

    def test_chosen(self) -> None:
        """The operator's choice counts, wherever the way leads."""
        self.network.present = [WIRED, RADIO]
        self.begin(Multicast(interfaces=("wlan0",)))
        self.assertEqual([str(each.place) for each in self.network.all], ["wlan0 (10.1.0.7)"])


class SayTests(MulticastCase):
    """What is said to the group."""

    def client(self) -> Client:
        return self.talk.connect("client", pid="client")

    def test_nobody_there(self) -> None:
        """Where nobody else is, nothing is said."""
        self.begin()
        client = self.client()
        client.say(put("p", "room", {"a": 1}, self.talk.now))
        client.say({"#": "g", "get": {"#": "room"}})
        self.talk.advance(1_000)
        self.assertEqual(self.said(), [])

    def test_change(self) -> None:
        """gun.js is told each change, whether it asked or not."""
        self.begin()
        self.meet_gunjs()
        self.client().say(put("p", "room", {"a": 1}, self.talk.now))
        [told] = self.said()
        self.assertEqual(told["put"]["room"]["a"], 1)
        self.assertNotIn("><", told)

    def test_question(self) -> None:
        """What a client asks for gun.js is asked for too, also if there is an answer: it may know more."""
        self.begin()
        self.meet_gunjs()
        client = self.client()
        client.say({"#": "g1", "get": {"#": "room"}})
        [asked] = self.said()
        self.assertEqual((asked["#"], asked["get"]), ("g1", {"#": "room"}))
        self.hear(put("x", "room", {"a": 1}, self.talk.now, **{"@": "g1"}))
        self.assertEqual(client.answers("g1")[-1]["put"]["room"]["a"], 1)
        client.say({"#": "g2", "get": {"#": "room"}})
        asked = self.said()[-1]
        self.assertEqual(asked["get"], {"#": "room"})
        self.assertIn("##", asked)

    def test_flood(self) -> None:
        """With AXE off a put goes on as it came."""
        self.begin(axe=False)
        self.meet_gunjs()
        self.client().say(put("p", "room", {"a": 1}, self.talk.now))
        [told] = self.said()
        self.assertEqual((told["#"], told["put"]["room"]["a"]), ("p", 1))

    def test_not_what_it_said(self) -> None:
        """What came from the group does not go back there, with AXE or without."""
        for axe in (True, False):
            self.begin(axe=axe)
            self.meet_gunjs()
            self.client()
            self.hear(put("p", "room", {"a": 1}, self.talk.now))
            self.talk.advance(100)
            self.assertEqual([message.get("@") for message in self.said()], ["p"], axe)
            self.service.stopService()
            self.network.all.clear()

    def test_linked(self) -> None:
        """Who is linked is told over the link, and nothing is said to the group; nor is it heard there."""
        self.begin()
        self.hear(Beacon("z", 8765).text("299999999"), SOURCE)
        other = self.talk.connect("z", "ws://10.0.0.9:8765/gun", pid="z")
        self.talk.advance(1_000)
        self.said()
        self.client().say(put("p", "room", {"a": 1}, self.talk.now))
        self.talk.advance(100)
        self.assertEqual(self.said(), [])
        self.assertEqual(other.heard[-1]["put"]["room"]["a"], 1)
        self.hear(put("q", "room", {"b": 1}, self.talk.now))
        self.assertEqual(self.counted("multicast_by_link_too"), 1)

    def test_linked_tells_it_itself(self) -> None:
        """What comes from a relay that is on this network too that one says there."""
        self.begin()
        self.hear(Beacon("z", 8765).text("299999999"), ("10.0.0.8", 5000))
        self.meet_gunjs()
        other = self.talk.connect("z", "ws://10.0.0.8:8765/gun", pid="z")
        self.talk.advance(1_000)
        self.said()
        other.say(put("p", "room", {"a": 1}, self.talk.now))
        other.say({"#": "g", "get": {"#": "room"}})
        self.assertEqual(self.said(), [])
        self.client().say(put("q", "room", {"b": 1}, self.talk.now))
        self.assertEqual(len(self.said()), 1)

    def test_datagram_bytes(self) -> None:
        """What is C{datagram_bytes} or more is not sent, but that there is something, at once and once."""
        self.begin()
        self.meet_gunjs()
        self.wire.sent.clear()
        client = self.client()
        with self.talk.one_turn():
            for name in ("p", "q"):
                client.say(put(name, "room", {name: "x" * 50_000}, self.talk.now))
        self.talk.advance(300)
        self.assertEqual(self.counted("datagram_bytes_exceeded"), 2)
        [beacon] = self.wire.sent
        self.assertIn(b'"more":true', beacon)
        self.wire.sent.clear()
        self.talk.advance(1_000)
        self.assertNotIn(b'"more":true', self.wire.sent[0])

    def test_large_turns(self) -> None:
        """What is much together is cut, as is a long answer."""
        self.begin()
        self.meet_gunjs()
        client = self.client()
        values = {f"key{number}": "ü" * 1000 for number in range(100)}
        client.say(put("p", "room", values, self.talk.now))
        self.talk.advance(100)
        self.assertLess(max(map(len, self.wire.sent)), 50_000)
        told = {key for message in self.said() for key in message["put"]["room"]}
        self.assertEqual(told, {"_", *values})
        self.hear({"#": "g", "get": {"#": "room"}})
        self.talk.advance(1_000)
        sent = [each for each in self.wire.sent if each[:1] != b"2"]
        self.assertLess(max(map(len, sent)), 50_000)
        told = {key for message in self.said() for key in message.get("put", {}).get("room", ())}
        self.assertEqual(told, {"_", *values})

    def test_multicast_bytes(self) -> None:
        """Over C{multicast_bytes} a second the rest waits, and goes out when there is room again."""
        self.begin(multicast_bytes=1_000)
        self.meet_gunjs()
        client = self.client()
        for number in range(8):
            client.say(put(f"p{number}", "room", {f"k{number}": "x" * 1_000}, self.talk.now))
        self.assertLess(len(self.said()), 8)
        self.assertGreater(self.counted("multicast_bytes_exceeded"), 0)
        self.talk.advance(10_000)
        self.assertIn("k7", self.said()[-1]["put"]["room"])

    def test_multicast_queue_bytes(self) -> None:
        """Beyond C{multicast_queue_bytes} the oldest of what waits is dropped; others lose nothing."""
        self.begin(multicast_bytes=1_000, multicast_queue_bytes=5_000)
        self.meet_gunjs()
        client = self.client()
        for number in range(30):
            client.say(put(f"p{number}", "room", {f"k{number}": "x" * 1_000}, self.talk.now))
        self.assertGreater(self.counted("multicast_queue_bytes_evicted"), 0)
        group = self.talk.relay.group.peer
        assert group is not None
        self.assertLessEqual(group.outbox.size, 5_000)
        self.assertEqual(len([each for each in client.heard if each.get("ok") is True]), 30)
        self.talk.advance(60_000)
        self.assertIn("k29", self.said()[-1]["put"]["room"])


class HearTests(MulticastCase):
    """What is heard, and what is not."""

    def value(self, soul: str = "room", key: str = "a") -> object:
        client = self.talk.connect("reader", pid="reader")
        client.say({"#": f"reading {key}", "get": {"#": soul, ".": key}})
        answers = client.answers(f"reading {key}")
        client.close()
        return answers[0].get("put", {}).get(soul, {}).get(key) if answers else None

    def test_put(self) -> None:
        """A put is stored, told who is subscribed, and acknowledged once."""
        self.begin()
        client = self.talk.connect("client", pid="client")
        client.say({"#": "g", "get": {"#": "room"}})
        self.hear(put("p", "room", {"a": 1}, self.talk.now))
        self.assertEqual(client.heard[-1]["put"]["room"]["a"], 1)
        [ack] = [message for message in self.said() if message.get("@") == "p"]
        self.assertEqual(ack["ok"], True)

    def test_own(self) -> None:
        """What it has sent itself comes back, and is nothing."""
        self.begin()
        self.hear(put("p", "room", {"a": 1}, self.talk.now), ("10.0.0.7", 5000))
        self.hear(b"212345678", ("10.0.0.7", 5000))
        self.assertIsNone(self.value())
        self.assertEqual(len(self.service.neighbours), 0)

    def test_foreign(self) -> None:
        """What is not from the local network is nothing but counted."""
        self.begin()
        self.hear(put("p", "room", {"a": 1}, self.talk.now), ("192.0.2.1", 8765))
        self.hear(Beacon("z", 8765).text("212345678"), ("192.0.2.1", 8765))
        self.assertEqual(self.counted("multicast_foreign"), 2)
        self.assertIsNone(self.value())
        self.assertEqual(len(self.service.neighbours), 0)

    def test_garbage(self) -> None:
        """Garbage changes nothing but a counter: nobody is answered, and nobody hears of it."""
        self.begin()
        client = self.talk.connect("client", pid="client")
        client.take()
        self.meet_gunjs()
        before = dict(self.talk.counters)
        for datagram in (
            b"",
            b"hello",
            b"\x00\xff",
            b'{"#":"x\xff"}',
            b"{",
            b"[",
            b'[{"#":"1fi7g8UWi","@":8EZluuwoi0,"ok":true}]',
            b'{"#":"a","@":put0000010,"ok":true}',
            b"[" * 60_000,
            b"212345678{garbage",
            b'{"#":"lonely","ok":true}',
            b'{"#":"app","chat":"hello"}',
            b'{"dam":"?","pid":"m","#":"a1"}',
            b'{"dam":"!","err":"x","#":"a2"}',
            b'{"dam":"opt","opt":{"peers":"ws://evil.example/gun"},"#":"a3"}',
            b'{"dam":"mob","peers":{"ws://evil.example/gun":{}},"#":"a4"}',
            b'{"dam":"relay","pid":"z","sync":1,"#":"a5"}',
            b'{"dam":"sync","#":"a6"}',
            b'{"dam":"off","get":{"#":"room"},"#":"a7"}',
            b'{"#":"bad","put":{"room":{"_":{"#":"other"},"a":1}}}',
            b'{"#":"bad2","put":7}',
            b'{"#":"miss","get":{"#":"nothing here"}}',
            b'{"#":"what","get":7}',
        ):
            self.hear(datagram)
        self.talk.advance(900)
        self.assertEqual(self.said(), [])
        self.assertEqual([each for each in client.take() if "get" not in each], [])
        self.assertGreater(sum(dict(self.talk.counters).values()), sum(before.values()))
        self.assertEqual(self.counted("faults"), 0)
        self.assertEqual(self.counted("complaints_sent"), 0)
        self.assertEqual(self.talk.relay.health()["relays"], 0)
        self.assertIsNotNone(self.talk.relay.group.peer)

    def test_source_datagrams(self) -> None:
        """Over C{source_datagrams} a second one address is heard no more, others are."""
        self.begin(source_datagrams=2)
        for number in range(20):
            self.hear(put(f"p{number}", "room", {f"k{number}": 1}, self.talk.now))
        self.assertGreater(self.counted("source_datagrams_exceeded"), 0)
        self.assertIsNone(self.value("room", "k19"))
        self.hear(put("q", "room", {"other": 1}, self.talk.now), ("10.0.0.10", 8765))
        self.assertEqual(self.value("room", "other"), 1)
        self.talk.advance(5_000)
        self.hear(put("r", "room", {"later": 1}, self.talk.now))
        self.assertEqual(self.value("room", "later"), 1)

    def test_all_sources(self) -> None:
        """All addresses together have a bound: it does not help to have many."""
        self.begin(source_datagrams=1)
        for number in range(60):
            self.hear(b"212345678", (f"10.0.0.{number + 10}", 8765))
        self.assertGreaterEqual(self.counted("source_datagrams_exceeded"), 60 - 5 * ALL_SOURCES - 1)

    def test_source_bytes(self) -> None:
        """Likewise C{source_bytes}; a bound for links holds as well, if it is the lesser one."""
        for limits in ({"source_bytes": 1_000}, {"address_bytes": 1_000}):
            self.begin(**limits)
            for number in range(10):
                self.hear(put(f"p{number}", "room", {f"k{number}": "x" * 1_000}, self.talk.now))
            self.assertGreater(self.counted("source_datagrams_exceeded"), 0)
            self.service.stopService()
            self.network.all.clear()

    def test_paused(self) -> None:
        """While the relay reads from nobody, datagrams are lost: nobody could be told to wait."""
        self.begin()
        group = self.talk.relay.group.peer
        assert group is not None
        assert group.link is not None
        group.link.pause_reading()
        self.hear(put("p", "room", {"a": 1}, self.talk.now))
        self.assertEqual(self.counted("multicast_unheard"), 1)
        group.link.resume_reading()
        self.hear(put("q", "room", {"a": 1}, self.talk.now))
        self.assertEqual(self.value(), 1)

    def test_fault(self) -> None:
        """A mistake of ours costs the link, and there is a new one a moment later."""
        self.begin()

        def broken(*_: object) -> None:
            raise RuntimeError("broken")

        with_fault = self.patch(self.talk.store, "cell", broken)
        self.hear(put("p", "room", {"a": 1}, self.talk.now))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        with_fault.restore()
        self.talk.advance(1_100)
        self.hear(put("q", "room", {"a": 1}, self.talk.now))
        self.assertEqual(self.value(), 1)

    def test_early_word(self) -> None:
        """Who says something before he says that he is there is there."""
        self.begin()
        client = self.talk.connect("client", pid="client")
        self.hear(put("p", "room", {"a": 1}, self.talk.now))
        self.said()
        client.say(put("q", "room", {"b": 1}, self.talk.now))
        self.assertEqual(len(self.said()), 1)

    def test_newcomer(self) -> None:
        """A gun.js that comes late is asked for what our clients want, with the hash of what we have."""
        self.begin()
        client = self.talk.connect("client", pid="client")
        client.say(put("p", "room", {"a": 1}, self.talk.now))
        client.say({"#": "g1", "get": {"#": "room"}})
        client.say({"#": "g2", "get": {"#": "unknown"}})
        self.assertEqual(self.said(), [])
        self.hear(b"212345678")
        self.talk.advance(5_000)
        asked = {message["get"]["#"]: "##" in message for message in self.said()}
        self.assertEqual(asked, {"room": True, "unknown": False})
