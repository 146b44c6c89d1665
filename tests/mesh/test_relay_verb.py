"""
What gunnet relays tell each other about themselves (the verb C{relay}), and what follows: two relays that
dial each other keep one link, and relays that are linked to others above are asked too.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.mesh.debt import RETRY_MS
from gunnet.mesh.relays import HELLO_TRIES, NEWS_PAUSE_MS, NOT_GUNNET_MS
from gunnet.mesh.sync import JITTER_MS
from gunnet.mesh.unacked import HOLD_MS
from gunnet.testing import Client, Conversation, put
from tests.mesh.test_relays import dial, get, node, relays

URL = "ws://up/gun"


def told(client: Client) -> list[dict[str, Any]]:
    """The C{relay} messages that a client heard since the last time."""
    return [said for said in client.take() if said.get("dam") == "relay"]


def last(client: Client) -> object:
    """The last value of C{s.x} that a client was told."""
    return [said["put"]["s"]["x"] for said in client.heard if "put" in said][-1]


class HelloTests(SynchronousTestCase):
    """Who says C{relay} to whom, and when."""

    def test_upstream(self) -> None:
        """An upstream is told at once, and again while it does not answer, but not for ever."""
        talk = Conversation()
        up = talk.connect("up", url=URL)
        first = told(up)
        self.assertEqual(1, len(first))
        up.say({"#": "q", "dam": "?", "pid": "pidUp"})
        self.assertEqual([], told(up))
        self.assertEqual((1, False, False), (first[0]["sync"], first[0]["bridge"], first[0]["full"]))
        talk.advance(3_600_000)
        again = told(up)
        self.assertEqual(HELLO_TRIES - 1, len(again))
        self.assertEqual({first[0]["token"]}, {said["token"] for said in again})

    def test_answered(self) -> None:
        """Once it has answered, it is told only what is new."""
        talk = Conversation()
        up = talk.connect("up", url=URL)
        up.say({"#": "q", "dam": "?", "pid": "pidUp"})
        up.say({"#": "r", "dam": "relay", "sync": 1})
        up.take()
        talk.advance(3_600_000)
        self.assertEqual([], told(up))
        second = talk.connect("second", url="ws://second/gun")
        talk.advance(NEWS_PAUSE_MS)
        self.assertEqual([True], [said["bridge"] for said in told(up)])
        second.close()
        talk.advance(NEWS_PAUSE_MS)
        self.assertEqual([False], [said["bridge"] for said in told(up)])

    def test_strangers(self) -> None:
        """An upstream that has not answered in time is taken for something else, once per link."""
        talk = Conversation()
        strangers: list[Any] = []
        talk.relay.relay_links.relays.on_stranger = strangers.append
        up, relay = talk.connect("up", url=URL), talk.connect("relay", url="ws://relay/gun")
        for client in (up, relay):
            client.say({"#": f"q{client.name}", "dam": "?", "pid": client.name})
        relay.say({"#": "r", "dam": "relay", "sync": 1})
        talk.advance(NOT_GUNNET_MS - 1)
        self.assertEqual([], strangers)
        talk.advance(600_000)
        self.assertEqual([up.peer], strangers)
        up.close()
        talk.connect("up", url=URL)
        talk.advance(600_000)
        self.assertEqual([up.peer] * 2, strangers)

    def test_clients(self) -> None:
        """Clients are never told."""
        talk = Conversation()
        client = talk.connect("a", pid="pidA")
        client.say({"#": "hi", "dam": "hi"})
        client.say(put("p", "s", {"x": 1}, talk.now))
        talk.advance(600_000)
        self.assertEqual([], told(client))

    def test_below(self) -> None:
        """A relay that dials us is answered; again if it has not heard that."""
        talk = Conversation()
        below = talk.connect("below", pid="pidBelow")
        for number in range(2):
            below.say({"#": f"r{number}", "dam": "relay", "sync": 1, "token": "t"})
            self.assertEqual([False], [said["bridge"] for said in told(below)])

    def test_nonsense(self) -> None:
        """Whatever stands in it, it costs nothing."""
        talk = Conversation()
        odd = talk.connect("odd", pid="pidOdd")
        for number, value in enumerate([None, 1, "x" * 1_000, [], {}, [[]], True]):
            fields = dict.fromkeys(["sync", "bridge", "full", "peers", "token"], value)
            odd.say({"#": f"r{number}", "dam": "relay", **fields})
            odd.say({"#": f"p{number}", "dam": "relay", "proof": value})
        talk.advance(60_000)
        self.assertEqual((0, 1), (talk.counters["faults"], talk.relay.health()["peers"]))

    def test_full(self) -> None:
        """It says when it takes no more peers."""
        talk = Conversation(limits=Limits(peers=2))
        below = talk.connect("below", pid="pidBelow")
        below.say({"#": "r", "dam": "relay", "sync": 1})
        below.take()
        other = talk.connect("other")
        talk.advance(NEWS_PAUSE_MS)
        other.close()
        talk.advance(2 * NEWS_PAUSE_MS)
        self.assertEqual([True, False], [said["full"] for said in told(below)])

    def test_bridges(self) -> None:
        """Only so many may have all that our peers ask asked of them too."""
        talk = Conversation(limits=Limits(bridges=3))
        for number in range(5):
            talk.connect(f"b{number}", pid=f"pid{number}").say(
                {"#": f"r{number}", "dam": "relay", "bridge": True}
            )
        sources = talk.relay._peers.sources()
        self.assertEqual((3, 2), (len(sources), talk.counters["bridges_refused"]))


class TwinTests(SynchronousTestCase):
    """Two relays that dial each other."""

    def begin(self, *, axe: bool = True) -> None:
        """Have both dial, with a client at each."""
        self.small, self.great = relays(2, axe=axe)
        self.by_small = dial(self.small, self.great)
        self.by_great = dial(self.great, self.small)
        self.small.advance(2_000)
        self.a, self.b = self.small.connect("a"), self.great.connect("b")

    def peers(self) -> tuple[object, object]:
        """How many links each has."""
        return self.small.relay.health()["peers"], self.great.relay.health()["peers"]

    def test_one_link(self) -> None:
        """The link that the relay with the greater process id dialled goes, as with gun.js."""
        self.begin()
        self.assertEqual((2, 2), self.peers())
        self.assertIsNone(self.by_great[0].peer)
        self.assertIsNotNone(self.by_small[0].peer)
        self.assertEqual(1, self.great.counters["twins_dropped"])
        self.assertNotIn("twins_dropped", self.small.counters)

    def test_either_first(self) -> None:
        """Whichever link was first, and however long before."""
        for pause in (0, 10, 60_000):
            for turned in (False, True):
                small, great = relays(2)
                pairs = [(great, small), (small, great)] if turned else [(small, great), (great, small)]
                for one, other in pairs:
                    dial(one, other)
                    small.advance(pause)
                small.advance(2_000)
                links = [talk.relay.health()["peers"] for talk in (small, great)]
                self.assertEqual([1, 1], links, f"pause {pause}, turned {turned}")
                self.assertEqual(1, great.counters["twins_dropped"])

    def test_both_ways(self) -> None:
        """Over the link that is left each tells the other everything, once."""
        for axe in (True, False):
            self.begin(axe=axe)
            self.a.say(put("pa", "s", {"x": 1}, self.small.now))
            self.b.say(put("pb", "t", {"y": 1}, self.small.now))
            for talk in (self.small, self.great):
                self.assertEqual({"x": (self.small.now, b"1")}, node(talk, "s"))
                self.assertEqual({"y": (self.small.now, b"1")}, node(talk, "t"))

    def test_subscriptions(self) -> None:
        """What was asked over the link that goes is asked over the one that stays."""
        small, great = relays(2)
        by_great = dial(great, small)
        b = great.connect("b")
        b.say(get("g", "s"))
        dial(small, great)
        small.advance(2_000)
        self.assertIsNone(by_great[0].peer)
        # By subscription, not because all that is written goes up.
        assert small.relay._subscriptions.to_soul("s")
        small.connect("a").say(put("p", "s", {"x": 1}, small.now))
        self.assertEqual(1, last(b))

    def test_left_link_lost(self) -> None:
        """When it is lost, the other side dials again; what was written meanwhile gets across."""
        self.begin()
        dialled: list[tuple[str, str]] = []

        class Dialling:
            def dial(self, url: str, *, guarded: bool) -> None:
                dialled.append(("dial", url))

            def hang_up(self, url: str, *, guarded: bool) -> None:
                dialled.append(("hang up", url))

        self.great.mesh.dialling = Dialling()
        self.by_small[0].drop("cut")
        self.small.advance(1)
        self.assertEqual([("dial", "memory:pidRelay0")], dialled)
        self.b.say(put("p", "s", {"x": 1}, self.small.now))
        dial(self.great, self.small)
        self.small.advance(2_000)
        self.assertEqual({"x": (self.small.now - 2_000, b"1")}, node(self.small, "s"))

    def test_hang_up(self) -> None:
        """The one that drops its link does not dial again while the other stands."""
        small, great = relays(2)
        dialled: list[tuple[str, str]] = []

        class Dialling:
            def dial(self, url: str, *, guarded: bool) -> None:
                dialled.append(("dial", url))

            def hang_up(self, url: str, *, guarded: bool) -> None:
                dialled.append(("hang up", url))

        small.mesh.dialling = great.mesh.dialling = Dialling()
        dial(small, great)
        dial(great, small)
        small.advance(60_000)
        self.assertEqual([("hang up", "memory:pidRelay0")], dialled)

    def test_claimed(self) -> None:
        """Who merely claims to be the upstream does not cut the link to it, whatever it says."""
        for token in (None, "guess", "pidRelay0"):
            small, great = relays(2)
            dial(great, small)
            liar = great.connect("liar", pid="pidRelay0")
            if token is not None:
                liar.say({"#": "r", "dam": "relay", "sync": 1, "token": token})
                liar.say({"#": "p", "dam": "relay", "proof": token})
            liar.say(get("g", "s"))
            great.advance(60_000)
            self.assertEqual(2, great.relay.health()["peers"])
            great.connect("b").say(put("p", "s", {"x": 1}, great.now))
            self.assertEqual({"x": (great.now, b"1")}, node(small, "s"))

    def test_unproven(self) -> None:
        """A gun.js relay can prove nothing: both links stay, and each change goes over one of them."""
        talk = Conversation(pid="pidZ")
        up = talk.connect("up", url=URL, pid="pidA")
        into = talk.connect("into", pid="pidA")
        into.say(get("g", "s"))
        up.take(), into.take()
        talk.connect("a").say(put("p", "s", {"x": 1}, talk.now))
        self.assertEqual(([1], []), ([said["put"]["s"]["x"] for said in up.take()], into.take()))
        up.close()
        talk.advance(1)
        talk.connect("b").say(put("p2", "s", {"x": 2}, talk.now))
        self.assertEqual([2], [said["put"]["s"]["x"] for said in into.take() if "put" in said])

    def both_links(self, *, axe: bool = True) -> tuple[Conversation, Client, Client]:
        """A relay with both links to a lesser one, which has proven nothing yet, and a writer."""
        talk = Conversation(pid="pidZ", axe=axe)
        up = talk.connect("up", url=URL, pid="pidA")
        up.say({"#": "r1", "dam": "relay", "sync": 1})
        into = talk.connect("into", pid="pidA")
        into.say({"#": "r2", "dam": "relay", "sync": 1, "token": "t"})
        self.writer = talk.connect("a", pid="pidWriter")
        return talk, up, into

    def prove(self, up: Client, into: Client) -> None:
        """Have the lesser relay show on its link the token that it was told on the other one."""
        [token] = {said["token"] for said in up.heard if "token" in said}
        into.say({"#": "proof", "dam": "relay", "proof": token})

    def test_acked_before(self) -> None:
        """What was acknowledged on the link that goes is not put on the one that stays."""
        talk, up, into = self.both_links()
        self.writer.say(put("p", "s", {"x": 1}, talk.now))
        [update] = [said for said in up.take() if "put" in said]
        up.say({"#": "ack", "@": update["#"], "ok": True})
        self.prove(up, into)
        up.close()
        into.take()
        into.say({"#": "q", "dam": "sync", "sync": 1, "ranges": [[None, 0, "A" * 22]]})
        self.assertEqual([], [said for said in into.take() if "put" in said])

    def test_named_before(self) -> None:
        """Both links are known for one in whatever order process ids and C{relay} come, if some are lost."""
        pid, relay = {"dam": "?", "pid": "pidA", "@": "x"}, {"dam": "relay", "sync": 1, "token": "t"}
        for order in permutations([("up", pid), ("up", relay), ("into", pid), ("into", relay)]):
            for lost in (None, ("up", pid), ("into", pid)):
                talk = Conversation(pid="pidZ")
                links = {"up": talk.connect("up", url=URL), "into": talk.connect("into")}
                for number, (name, said) in enumerate(order):
                    if (name, said) != lost:
                        more = {"pid": "pidA"} if said is relay else {}
                        links[name].say({"#": f"m{number}", **said, **more})
                links["into"].say(get("g", "s"))
                for link in links.values():
                    link.take()
                talk.connect("a", pid="pidWriter").say(put("p", "s", {"x": 1}, talk.now))
                heard = [sum("put" in said for said in link.take()) for link in links.values()]
                self.assertEqual([1, 0], heard, f"{order} without {lost}")

    def test_proof_before_name(self) -> None:
        """Who shows the token is whom it was told, also when the greeting there was lost."""
        talk = Conversation(pid="pidZ")
        up, into = talk.connect("up", url=URL), talk.connect("into", pid="pidA")
        into.say({"#": "r", "dam": "relay", "sync": 1, "token": "t"})
        self.prove(up, into)
        self.assertEqual(1, talk.counters["twins_dropped"])

    def test_acked_on_both(self) -> None:
        """What one relay says over both of its links is acknowledged on both; what two say, to the first."""
        for other, acks in (("pidA", [1, 1]), ("pidB", [1, 0])):
            talk = Conversation(pid="pidZ")
            up, into = talk.connect("up", url=URL, pid="pidA"), talk.connect("into", pid=other)
            for link in (up, into):
                link.say({"#": f"r {link.name}", "dam": "relay", "sync": 1})
            for link in (up, into):
                link.say(put("p", "s", {"x": 1}, talk.now))
            self.assertEqual(acks, [len(link.answers("p")) for link in (up, into)])

    def test_said_on_both(self) -> None:
        """What was said on both links, before they were known for one, is said again on one at most."""
        talk = Conversation(pid="pidZ", axe=False)
        writer, up = talk.connect("a", pid="pidWriter"), talk.connect("up", url=URL)
        into = talk.connect("into")
        up.link.reliable = into.link.reliable = False
        into.say({"#": "r2", "dam": "relay", "sync": 1, "pid": "pidA", "token": "t"})
        writer.say(put("p", "s", {"x": 1}, talk.now))
        up.say({"#": "r1", "dam": "relay", "sync": 1, "pid": "pidA"})
        self.assertEqual([1, 1], [sum("put" in said for said in each.take()) for each in (up, into)])
        talk.advance(RETRY_MS)
        self.assertEqual([1, 0], [sum("put" in said for said in each.take()) for each in (up, into)])

    def test_missed_before(self) -> None:
        """What was missed on one link and got there by the other is not said when both are one relay."""
        talk, up, into = self.both_links()
        up.close()
        self.writer.say(put("p", "s", {"x": 1}, talk.now))
        into.say({"#": "q", "dam": "sync", "sync": 1, "ranges": [[None, 0, "A" * 22]]})
        [told] = [said for said in into.take() if "put" in said]
        into.say({"#": "ack", "@": told["#"], "ok": True})
        talk.advance(60_000)
        up = talk.connect("up", url=URL, pid="pidA")
        up.say({"#": "r3", "dam": "relay", "sync": 1})
        self.prove(up, into)
        talk.advance(JITTER_MS)
        [opening] = [said for said in into.take() if "ranges" in said]
        into.say({"#": "equal", "@": opening["#"], "dam": "sync", "sync": 1, "equal": 1})
        talk.advance(60_000)
        self.assertEqual([], [said for said in (*up.heard, *into.take()) if "put" in said])

    def test_missed_after_told(self) -> None:
        """What was told on one link and missed later on the other is not taken for told."""
        talk, up, into = self.both_links()
        up.close()
        into.say({"#": "q1", "dam": "sync", "sync": 1, "ranges": [[None, 0, "A" * 22]]})
        self.writer.say(put("p", "s", {"x": 1}, talk.now))
        into.say({"#": "q2", "dam": "sync", "sync": 1, "ranges": [[None, 0, "A" * 22]]})
        [told] = [said for said in into.take() if "put" in said]
        into.say({"#": "ack", "@": told["#"], "ok": True})
        talk.advance(1)
        self.writer.say(put("p2", "s", {"x": 2}, talk.now))
        up = talk.connect("up", url=URL, pid="pidA")
        up.say({"#": "r3", "dam": "relay", "sync": 1})
        self.prove(up, into)
        into.say({"#": "q3", "dam": "sync", "sync": 1, "ranges": [[None, 0, "A" * 22]]})
        self.assertEqual([2], [said["put"]["s"]["x"] for said in into.take() if "put" in said])

    def test_missed_still(self) -> None:
        """What was missed on one link is told on the other, if that is what stays."""
        for syncs in (True, False):
            talk, up, into = self.both_links()
            up.close()
            self.writer.say(put("p", "s", {"x": 1}, talk.now))
            talk.relay.relay_links._syncs = syncs
            up = talk.connect("up", url=URL, pid="pidA")
            up.say({"#": "r3", "dam": "relay", "sync": 1})
            self.prove(up, into)
            talk.advance(HOLD_MS + JITTER_MS)
            heard = [[said["put"]["s"]["x"] for said in each.take() if "put" in said] for each in (up, into)]
            self.assertIn(heard, ([[], [1]], [[1], []]))

    def test_silent(self) -> None:
        """With AXE off, a link that has said nothing yet may be the upstream's own: it is told nothing."""
        talk = Conversation(pid="pidZ", axe=False)
        up = talk.connect("up", url=URL, pid="pidA")
        into, writer = talk.connect("into"), talk.connect("a", pid="pidWriter")
        writer.say(put("p", "s", {"x": 1}, talk.now))
        into.say({"#": "r", "dam": "relay", "sync": 1, "pid": "pidA", "token": "t"})
        writer.say(put("q", "s", {"x": 2}, talk.now))
        heard = [[said["put"]["s"]["x"] for said in each.heard if "put" in said] for each in (up, into)]
        self.assertEqual([[1, 2], []], heard)

    def test_itself(self) -> None:
        """A relay that has dialled itself drops the link and does not dial again."""
        (only,) = relays(1)
        hung_up: list[str] = []

        class Dialling:
            def dial(self, url: str, *, guarded: bool) -> None:
                raise AssertionError(url)

            def hang_up(self, url: str, *, guarded: bool) -> None:
                hung_up.append(url)

        only.mesh.dialling = Dialling()
        dial(only, only)
        only.advance(60_000)
        self.assertEqual((0, ["memory:pidRelay0"]), (only.relay.health()["peers"], hung_up))


class BridgeTests(SynchronousTestCase):
    """A relay that dials two others, which are linked in no other way."""

    def test_between(self) -> None:
        """What is written at one is heard at the other, also when it knew an older value."""
        for axe in (True, False):
            left, middle, right = relays(3, axe=axe)
            a, b = left.connect("a"), right.connect("b")
            a.say(put("old1", "s", {"x": 0}, left.now - 5))
            b.say(put("old2", "s", {"x": 0}, left.now - 5))
            dial(middle, left)
            dial(middle, right)
            left.advance(5_000)
            a.say(get("ga", "s"))
            b.say(get("gb", "s"))
            left.advance(100)
            b.say(put("pb", "s", {"x": 1}, left.now))
            self.assertEqual(1, last(a), f"axe {axe}")
            left.advance(100)
            a.say(put("pa", "s", {"x": 2}, left.now))
            self.assertEqual(2, last(b), f"axe {axe}")

    def test_long(self) -> None:
        """Across several of them: l0 <- m0 -> l1 <- m1 -> l2."""
        l0, m0, l1, m1, l2 = relays(5)
        for middle, low, high in ((m0, l0, l1), (m1, l1, l2)):
            dial(middle, low)
            dial(middle, high)
        l0.advance(10_000)
        a, b = l0.connect("a"), l2.connect("b")
        a.say(get("ga", "s"))
        l0.advance(1_000)
        b.say(put("pb", "s", {"x": 1}, l0.now))
        self.assertEqual(1, last(a))

    def test_tree(self) -> None:
        """In a tree nobody is asked from above: no relay is a bridge."""
        root, *leaves = relays(4)
        for leaf in leaves:
            dial(leaf, root)
        root.advance(10_000)
        self.assertEqual([0, 1, 1, 1], [len(talk.relay._peers.sources()) for talk in (root, *leaves)])
