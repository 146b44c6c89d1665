"""
Tests for L{gunnet.mesh.wanted}: whether any client wants what only relays are subscribed to.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.testing import Client, Conversation, Message
from tests.mesh.test_questions import be_gunnet, get, questions

IDLE_MS = 1_000.0
SOUL = {"#": "s"}


def said(client: Client, verb: str) -> list[Message]:
    """The messages with C{verb} that came since the last look."""
    return [message for message in client.take() if message.get("dam") == verb]


class WantedTests(SynchronousTestCase):
    """A relay of which a client, a relay above and two relays that link it to others ask something."""

    def setUp(self) -> None:
        """Have both and the client ask for one node, and the client leave."""
        self.begin(Limits(interest_idle_ms=IDLE_MS))

    def begin(self, limits: Limits) -> None:
        """Begin with other bounds."""
        self.talk = Conversation(limits=limits)
        self.up = self.talk.connect("up", url="ws://up/gun", pid="pidUp")
        be_gunnet(self.up)
        self.left, self.right = self.bridge("left"), self.bridge("right")
        self.a = self.talk.connect("a")
        self.a.say(get("a wants", "s"))
        for relay in (self.left, self.right):
            relay.say(get(f"{relay.name} wants", "s"))
        self.answer_all()

    def bridge(self, name: str) -> Client:
        """Connect a relay that links this one to others."""
        relay = self.talk.connect(name, pid=name)
        be_gunnet(relay, bridge=True)
        return relay

    def answer_all(self) -> None:
        """Have all relays say that they have nothing."""
        for relay in (self.up, self.left, self.right):
            for name in questions(relay):
                relay.say({"#": f"{relay.name} {name}", "@": name})
        self.take()

    def take(self) -> None:
        """Look at what came so far."""
        for client in (self.up, self.left, self.right):
            client.take()

    @property
    def tables(self) -> tuple[int, int]:
        """How many subscriptions there are, and what else waits."""
        relay = self.talk.relay
        return len(relay._subscriptions), len(relay.interest)

    def leave(self) -> None:
        """Have the client leave, and the time after which its interest ends pass."""
        self.a.close()
        self.talk.advance(IDLE_MS + 1)

    def asked(self) -> tuple[Message, Message]:
        """What the two are asked."""
        (left,), (right,) = said(self.left, "wanted"), said(self.right, "wanted")
        return left, right

    def answer(self, relay: Client, question: Message, wanted: Any) -> None:
        """Have a relay answer whether it is wanted."""
        relay.say({"#": f"{question['#']} is", "dam": "wanted", "@": question["#"], "wanted": wanted})

    def test_nobody(self) -> None:
        """If no client is behind either, it is over for both, and all are told that we want nothing."""
        self.leave()
        left, right = self.asked()
        self.assertEqual((SOUL, SOUL), (left["get"], right["get"]))
        self.assertEqual(left["by"], right["by"])
        self.answer(self.left, left, False)
        self.assertEqual([], said(self.up, "off"))
        self.answer(self.right, right, False)
        self.assertEqual([SOUL], [message["get"] for message in said(self.up, "off")])
        for relay in (self.left, self.right):
            verbs = [message["dam"] for message in relay.take() if message.get("get") == SOUL]
            self.assertEqual({"over", "off"}, set(verbs))
        self.talk.advance(60_000)
        self.assertEqual((0, 0), self.tables)
        self.assertEqual(2, self.talk.counters["subscriptions_over"])

    def test_somebody(self) -> None:
        """If one says that a client is behind it, all stays as it is."""
        self.leave()
        left, right = self.asked()
        self.answer(self.left, left, True)
        self.answer(self.right, right, False)
        self.talk.advance(60_000)
        self.assertEqual([], said(self.up, "off"))
        self.assertEqual((2, 0), self.tables)

    def test_come_meanwhile(self) -> None:
        """Nor does anything end if a client has come meanwhile."""
        self.leave()
        left, right = self.asked()
        self.talk.connect("b").say(get("b wants", "s"))
        self.answer(self.left, left, False)
        self.answer(self.right, right, False)
        self.assertEqual([], said(self.left, "over"))
        self.assertEqual(3, self.tables[0])

    def test_no_answer(self) -> None:
        """Who does not answer may have one."""
        self.leave()
        left, _ = self.asked()
        self.answer(self.left, left, False)
        self.talk.advance(20_000)
        self.assertEqual((1, (2, 0)), (self.talk.counters["searches_timed_out"], self.tables))

    def test_link_lost(self) -> None:
        """Who is gone has none: what it asked for is forgotten."""
        self.leave()
        left, _ = self.asked()
        self.right.close()
        self.answer(self.left, left, False)
        self.assertEqual([SOUL], [message["get"] for message in said(self.up, "off")])

    def ask(self, relay: Client, name: str = "q", search: str = "far away") -> None:
        """Have a relay ask us."""
        relay.say({"#": name, "dam": "wanted", "get": SOUL, "by": search})

    def test_asked(self) -> None:
        """With a client here the answer is yes at once; else what comes of asking further."""
        self.ask(self.left)
        self.assertEqual([("q", True)], [(it["@"], it["wanted"]) for it in said(self.left, "wanted")])
        for wanted in (True, False):
            self.begin(Limits(interest_idle_ms=1e9))
            self.a.close()
            self.ask(self.left)
            (question,) = said(self.right, "wanted")
            self.assertEqual((SOUL, "far away"), (question["get"], question["by"]))
            self.assertEqual([], said(self.left, "wanted"))
            self.answer(self.right, question, wanted)
            self.assertEqual([("q", wanted)], [(it["@"], it["wanted"]) for it in said(self.left, "wanted")])
            self.assertEqual(2, self.tables[0], "it is not ours to end it")

    def test_asked_twice(self) -> None:
        """A search that comes round is known, and answered with no."""
        self.a.close()
        self.ask(self.left)
        (question,) = said(self.right, "wanted")
        self.ask(self.right, "again")
        self.assertEqual([("again", False)], [(it["@"], it["wanted"]) for it in said(self.right, "wanted")])
        self.answer(self.right, question, False)
        self.assertEqual([False], [it["wanted"] for it in said(self.left, "wanted")])

    def test_asker_lost(self) -> None:
        """Nothing is left of a search whose asker is gone."""
        self.a.close()
        self.ask(self.left)
        (question,) = said(self.right, "wanted")
        self.left.close()
        self.answer(self.right, question, True)
        self.assertEqual(1, self.talk.counters["wanted_ignored"])

    def test_over(self) -> None:
        """Told that it is over, it ends what only relays want, and asks again for what a client wants."""
        self.left.say({"#": "o1", "dam": "over", "get": SOUL})
        (again,) = [message for message in self.left.take() if "get" in message]
        self.assertEqual(SOUL, again["get"])
        self.left.say({"#": "miss", "@": again["#"]})
        self.a.close()
        self.take()
        self.left.say({"#": "o2", "dam": "over", "get": SOUL})
        self.assertEqual((0, 0), self.tables)
        self.assertEqual([SOUL], [message["get"] for message in said(self.left, "off")])
        self.assertEqual({"over", "off"}, {it["dam"] for it in self.right.take() if it.get("get") == SOUL})

    def test_over_not_asked(self) -> None:
        """One that was not asked, as anybody may claim to be a relay, ends nothing between others."""
        self.a.close()
        stranger = self.talk.connect("stranger")
        be_gunnet(stranger)
        self.take()
        stranger.say({"#": "o1", "dam": "over", "get": SOUL})
        self.assertEqual([], said(self.left, "over") + said(self.right, "over") + said(self.up, "off"))
        self.assertEqual(2, self.tables[0])

    def test_nonsense(self) -> None:
        """What makes no sense, or does not come from a relay, does nothing."""
        b = self.talk.connect("b")
        for client in (b, self.left):
            client.say({"#": "n1", "dam": "wanted", "@": 5})
            client.say({"#": "n2", "dam": "wanted", "@": "unknown", "wanted": False})
            client.say({"#": "n3", "dam": "wanted", "get": SOUL, "by": 7})
            client.say({"#": "n4", "dam": "wanted", "get": 7, "by": "x"})
            client.say({"#": "n5", "dam": "over", "get": 7})
        b.say({"#": "n6", "dam": "over", "get": SOUL})
        self.assertEqual((3, 0), self.tables)
        self.assertEqual([], said(b, "wanted"))

    def test_searches(self) -> None:
        """No more searches than the bound: who asks then is told yes, and what is ours waits."""
        self.begin(Limits(interest_idle_ms=IDLE_MS, searches=1))
        self.leave()
        self.asked()
        self.ask(self.left)
        self.assertEqual([True], [it["wanted"] for it in said(self.left, "wanted")])
        self.assertEqual(1, self.talk.counters["searches_refused"])
        b = self.talk.connect("b")
        b.say(get("b wants", "t"))
        self.left.say(get("left wants t", "t"))
        b.close()
        self.talk.advance(IDLE_MS + 1)
        self.assertEqual([], said(self.left, "wanted"))
        self.talk.advance(10_000)
        self.assertEqual([{"#": "t"}], [it["get"] for it in said(self.left, "wanted")])


class SubscribeTests(SynchronousTestCase):
    """Relays above get every change anyway."""

    def setUp(self) -> None:
        """Have a relay above, and a client."""
        self.talk = Conversation()
        self.up = self.talk.connect("up", url="ws://up/gun", pid="pidUp")
        be_gunnet(self.up)
        self.a = self.talk.connect("a")

    def test_above(self) -> None:
        """What it asks for subscribes it only once it knows that we link it to others."""
        self.up.say(get("g", "s"))
        self.assertEqual(0, len(self.talk.relay._subscriptions))
        other = self.talk.connect("other", url="ws://other/gun", pid="pidOther")
        be_gunnet(other)
        self.talk.advance(2_000)
        self.assertEqual([True], [it["bridge"] for it in said(self.up, "relay")][-1:])
        self.up.say(get("not yet", "s"))
        self.assertEqual(0, len(self.talk.relay._subscriptions))
        self.up.say({"#": "knows", "dam": "relay", "sync": 1, "bridged": True})
        self.up.say(get("h", "s"))
        self.assertEqual(1, len(self.talk.relay._subscriptions))

    def test_told_first(self) -> None:
        """One below that has become a bridge is told so before it is asked for anything."""
        below = self.talk.connect("below", pid="pidBelow")
        be_gunnet(below)
        self.a.say(get("g", "s"))
        below.take()
        below.say({"#": "news", "dam": "relay", "sync": 1, "bridge": True})
        news, question = [it for it in below.take() if it.get("dam") == "relay" or "get" in it]
        self.assertEqual((True, SOUL), (news["bridged"], question["get"]))

    def test_lossy(self) -> None:
        """Where messages may be lost it is subscribed in any case."""
        self.up.link.reliable = False
        self.up.say(get("g", "s"))
        self.assertEqual(1, len(self.talk.relay._subscriptions))

    def test_asked_for_nobody(self) -> None:
        """What others were asked for on behalf of one that is not subscribed ends after a while."""
        other = self.talk.connect("other", url="ws://other/gun", pid="pidOther")
        be_gunnet(other)
        self.up.say(get("g", "s"))
        self.assertEqual(["g"], questions(other))
        other.say({"#": "miss", "@": "g"})
        self.talk.advance(61_000)
        self.assertEqual([SOUL], [message["get"] for message in said(other, "off")])
