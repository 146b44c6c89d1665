"""
Changes that other relays have not acknowledged are told again, and nothing more than that.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.mesh.debt import RETRY_MS
from gunnet.mesh.relays import NOT_GUNNET_MS
from gunnet.mesh.sync import BUSY, CROSSED, JITTER_MS
from gunnet.mesh.unacked import FORGET_MS, HOLD_MS, RECENT_MS, RETRY_MS_MAX
from gunnet.testing import Client, Conversation, Message, put

URL = "ws://up/gun"
RELAY = {"dam": "relay", "sync": 1, "bridge": False, "full": False}


def puts(client: Client) -> list[dict[str, Any]]:
    """What a client was told since the last time: per put, soul to key to value."""
    return [
        {
            soul: {key: value for key, value in node.items() if key != "_"}
            for soul, node in said["put"].items()
        }
        for said in client.take()
        if "put" in said
    ]


class UnackedTests(SynchronousTestCase):
    """A relay with an upstream and a writer."""

    def begin(
        self, *, axe: bool = True, gunnet: bool = True, reliable: bool = True, limits: Limits | None = None
    ) -> None:
        """Begin, with an upstream that is a gunnet relay or is not."""
        self.reliable = reliable
        self.talk = Conversation(axe=axe, limits=limits)
        self.gunnet = gunnet
        self.a = self.talk.connect("a", pid="pidA")
        self.a.say({"#": "hi", "dam": "hi"})
        self.link()
        self.count = 0

    def link(self) -> None:
        """Link the upstream."""
        self.up = self.talk.connect("up", url=URL, pid="pidUp")
        self.up.link.reliable = self.reliable
        if self.gunnet:
            self.up.say({"#": f"relay{self.talk.clock.seconds()}", **RELAY})

    def write(self, **values: Any) -> None:
        """Have the writer put something, a millisecond later."""
        self.talk.advance(1)
        self.count += 1
        self.a.say(put(f"p{self.count}", "s", values, self.talk.now))

    def updates(self) -> list[Message]:
        """The puts that the upstream heard since the last time."""
        return [said for said in self.up.take() if "put" in said]

    def ack(self, said: list[Message]) -> None:
        """Have the upstream acknowledge puts."""
        for message in said:
            self.up.say({"#": f"ack {message['#']}", "@": message["#"], "ok": True})

    def test_acked(self) -> None:
        """What is acknowledged is not told again, on this link or the next."""
        for axe in (True, False):
            for gunnet in (True, False):
                self.begin(axe=axe, gunnet=gunnet)
                self.write(x=1)
                self.ack(self.updates())
                self.talk.advance(2 * FORGET_MS)
                self.up.close()
                self.link()
                self.talk.advance(2 * FORGET_MS)
                self.assertEqual([], puts(self.up))

    def test_refused(self) -> None:
        """An err is an answer too: the same again would be refused again."""
        self.begin()
        self.write(x=1)
        for message in self.updates():
            self.up.say({"#": "no", "@": message["#"], "err": "no"})
        self.talk.advance(2 * FORGET_MS)
        self.assertEqual([], puts(self.up))

    def test_link_lost(self) -> None:
        """What was on the wire when the link broke is told on the next one, as it stands by then."""
        for axe in (True, False):
            for gunnet in (True, False):
                self.begin(axe=axe, gunnet=gunnet)
                self.write(x=1)
                self.write(y=1)
                self.assertEqual(2, len(self.updates()))
                self.up.close()
                self.write(x=2)
                self.link()
                self.talk.advance(HOLD_MS)
                self.assertEqual([{"s": {"x": 2, "y": 1}}], puts(self.up))

    def test_gunjs_at_once(self) -> None:
        """Who was gun.js the last time is told at once what it may have missed."""
        self.begin(gunnet=False)
        self.talk.advance(NOT_GUNNET_MS)
        self.up.close()
        self.write(x=1)
        self.link()
        self.assertEqual([{"s": {"x": 1}}], puts(self.up))

    def test_compared_first(self) -> None:
        """
        A gunnet relay that is back is told of what it missed only what it lacks, as the comparison of graphs
        shows; all of it, if that fails.
        """
        for fails in (False, True):
            self.begin()
            self.talk.advance(HOLD_MS)
            self.up.close()
            self.write(x=1)
            self.write(y=1)
            self.link()
            self.talk.advance(JITTER_MS)
            said = self.up.take()
            self.assertEqual([], [message for message in said if "put" in message])
            [opening] = [message for message in said if message.get("dam") == "sync"]
            answer = {"err": BUSY} if fails else {"equal": 1}
            self.up.say({"#": "answer", "@": opening["#"], "dam": "sync", "sync": 1, **answer})
            self.assertEqual([{"s": {"x": 1, "y": 1}}] * fails, puts(self.up))
            self.talk.advance(2 * HOLD_MS)
            self.assertEqual([], puts(self.up))
            self.ack(self.updates())

    def test_compared_again(self) -> None:
        """If the other side's comparison went before ours, ours follows."""
        self.begin()
        self.up.close()
        self.write(x=1)
        self.link()
        self.talk.advance(JITTER_MS)
        for crossed in (
            {"#": "\0", "dam": "sync", "sync": 1, "ranges": [[None, 1, "A" * 22]]},
            {"#": "no", "dam": "sync", "sync": 1, "err": CROSSED},
        ):
            [opening] = [said for said in self.up.take() if said.get("dam") == "sync" and "@" not in said]
            if "err" in crossed:
                crossed["@"] = opening["#"]
            self.up.say(crossed)
            self.ack(self.updates())
            self.talk.advance(JITTER_MS)
        said = self.up.take()
        self.assertEqual([1], [len(message["ranges"]) for message in said if message.get("dam") == "sync"])
        self.assertEqual([], [message for message in said if "put" in message])

    def test_away(self) -> None:
        """Many changes of a cell while the upstream is away are one message."""
        self.begin()
        self.up.close()
        for number in range(50):
            self.write(x=number, y=-number)
        self.link()
        self.talk.advance(HOLD_MS)
        self.assertEqual([{"s": {"x": 49, "y": -49}}], puts(self.up))

    def test_silence(self) -> None:
        """A gunnet relay that does not acknowledge datagrams is told again, less and less often."""
        self.begin(reliable=False)
        self.write(x=1)
        first = self.updates()
        times = []
        for _ in range(200):
            self.talk.advance(1_000)
            if said := self.updates():
                times.append(self.talk.clock.seconds())
                self.assertNotEqual(first[0]["#"], said[0]["#"])
                self.assertEqual(first[0]["put"], said[0]["put"])
                last = said
        pauses = [later - earlier for earlier, later in pairwise(times)]
        for expected, pause in zip([6, 12, 24, 48, 60], pauses, strict=False):
            self.assertLessEqual(abs(expected - pause), 1, pauses)
        self.assertLessEqual(max(pauses), RETRY_MS_MAX / 1000 + 1)
        self.ack(last)
        self.talk.advance(2 * RETRY_MS_MAX)
        self.assertEqual([], self.updates())

    def test_slow(self) -> None:
        """On a reliable link nothing is lost: what is not acknowledged is only late."""
        self.begin()
        self.write(x=1)
        self.updates()
        self.talk.advance(100 * RETRY_MS_MAX)
        self.assertEqual([], self.updates())

    def test_silence_of_gunjs(self) -> None:
        """A gun.js relay acknowledges only news, so it is not told again on a link that stands."""
        self.begin(gunnet=False)
        self.write(x=1)
        self.updates()
        self.talk.advance(FORGET_MS + 1)
        self.assertEqual([], self.updates())
        self.up.close()
        self.link()
        self.talk.advance(1)
        self.assertEqual([], puts(self.up))

    def test_not_reading(self) -> None:
        """One that does not read is not told again meanwhile: what waits for it is not lost."""
        self.begin(reliable=False)
        self.up.choke()
        self.write(x=1)
        self.talk.advance(5 * RETRY_MS)
        self.up.drain()
        self.assertEqual(2, len(puts(self.up)))

    def test_own_news(self) -> None:
        """What the upstream told us is not told to it."""
        self.begin()
        self.up.close()
        self.link()
        self.up.say(put("theirs", "s", {"x": 1}, self.talk.now))
        self.talk.advance(2 * RETRY_MS_MAX)
        self.assertEqual([], puts(self.up))

    def test_subscribed_relay(self) -> None:
        """A gunnet relay below that is subscribed is told again too; after its link it asks by itself."""
        self.begin()
        below = self.talk.connect("below", pid="pidBelow")
        below.link.reliable = False
        below.say({"#": "hello", **RELAY, "token": "t"})
        below.say({"#": "g", "get": {"#": "s"}})
        below.take()
        self.write(x=1)
        self.assertEqual([{"s": {"x": 1}}], puts(below))
        self.talk.advance(RETRY_MS)
        self.assertEqual([{"s": {"x": 1}}], puts(below))
        below.close()
        self.ack(self.updates())
        self.talk.advance(RETRY_MS_MAX)
        self.assertEqual(0, len(self.talk.relay._unacked))

    def test_many(self) -> None:
        """A long absence is made up for in pieces that fit into a turn."""
        self.begin(limits=Limits(answer_bytes=2_000))
        self.up.close()
        for number in range(300):
            self.write(**{f"k{number}": "x" * 50})
        self.link()
        self.talk.advance(HOLD_MS - 1)
        heard: dict[str, Any] = {}
        for _ in range(200):
            self.talk.advance(1)
            said = self.updates()
            self.ack(said)
            for message in said:
                self.assertLess(len(str(message)), 6_000)
                heard.update(message["put"]["s"])
        self.assertEqual({f"k{number}" for number in range(300)}, heard.keys() - {"_"})
        self.talk.advance(2 * RECENT_MS)
        self.assertEqual((0, 0), (self.talk.relay._unacked.size, len(self.talk.relay._unacked)))

    def test_changed_twice(self) -> None:
        """What changed twice before the link broke is one thing that is owed."""
        for gunnet in (True, False):
            self.begin(gunnet=gunnet)
            for value in range(3):
                self.write(x=value)
                self.talk.advance(1)
            self.up.close()
            self.talk.relay.retire(URL)
            self.assertEqual(0, self.talk.relay._unacked.size)

    def test_one_id_twice(self) -> None:
        """An id that is used again, with the same in it, is acknowledged once, and counted once."""
        for gunnet in (True, False):
            self.begin(axe=False, gunnet=gunnet)
            for value in range(2):
                self.a.say(put("again", "s", {"x": value}, self.talk.now))
                self.talk.advance(20_000)
            self.up.say({"#": "ack", "@": "again", "ok": True})
            self.up.close()
            self.talk.relay.retire(URL)
            self.assertEqual(0, self.talk.relay._unacked.size)

    def test_unacked_bytes(self) -> None:
        """Beyond the bound a relay is compared with as a whole instead."""
        self.begin(limits=Limits(unacked_bytes=10_000))
        for number in range(60):
            self.write(**{f"k{number}": 1})
        unacked = self.talk.relay._unacked
        self.assertLessEqual(unacked.size, 10_000)
        assert self.up.peer is not None
        self.assertEqual((True, 1), (self.up.peer.behind, self.talk.counters["unacked_bytes_evicted"]))
        self.up.close()
        self.assertGreater(unacked.size, 0)
        self.link()
        self.talk.advance(HOLD_MS)
        self.ack(self.updates())
        self.talk.advance(2 * RECENT_MS)
        self.assertEqual(0, unacked.size)
