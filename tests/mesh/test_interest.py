"""
Tests for L{gunnet.mesh.interest}: what is asked of the relays that keep this one up to date, again if need
be, and until nobody wants it.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.lex import Query, Span
from gunnet.limits import Limits
from gunnet.testing import Client, Conversation, MemoryLink, Message, messages, put
from gunnet.transport.memory import LinkEnd
from tests.mesh.test_questions import be_gunnet, get, questions
from tests.mesh.test_relays import dial, relays

URL = "ws://upstream/gun"


def asked(client: Client) -> list[tuple[Any, Any]]:
    """The gets that came since the last look: (the question, C{##})."""
    return [(message["get"], message.get("##")) for message in client.take() if "get" in message]


def ended(client: Client) -> list[Any]:
    """What was no longer wanted since the last look."""
    return [message["get"] for message in client.take() if message.get("dam") == "off"]


class RelayTests(SynchronousTestCase):
    """Base: a client, and a gunnet relay above."""

    def begin(self, limits: Limits | None = None, *, axe: bool = True) -> None:
        """Begin with other bounds, or in the other mode."""
        self.talk = Conversation(limits=limits, axe=axe)
        self.a = self.talk.connect("a")
        self.a.say({"#": "hi", "dam": "hi"})
        self.links = 0
        self.up = self.connect_up()

    def connect_up(self) -> Client:
        """Connect the relay above."""
        self.links += 1
        up = self.talk.connect(f"up{self.links}", url=URL, pid="pidUp")
        be_gunnet(up)
        return up

    def setUp(self) -> None:
        """Begin."""
        self.begin()

    def idle(self) -> int:
        """How much waits in the tables."""
        gets = self.talk.relay._gets
        return len(gets._interest) + len(gets._questions)


class RetryTests(RelayTests):
    """What is not answered at all is asked again."""

    def times(self, until_ms: float) -> list[float]:
        """When, after the start, a get came."""
        start, times = self.talk.now, []
        questions(self.up)
        while self.talk.now < start + until_ms:
            self.talk.advance(500)
            times += [self.talk.now - start] * len(questions(self.up))
        return times

    def test_silence(self) -> None:
        """Five times, after pauses that double; then it counts as not asked."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.a.say(get("g", "s"))
        self.assertEqual(["g"], questions(self.up))
        self.assertEqual([3_000, 9_000, 21_000, 45_000, 93_000], self.times(400_000))
        self.assertEqual((1, 0), (self.talk.counters["interests_given_up"], self.idle()))
        self.a.say(get("g2", "s"))
        self.assertEqual(["g2"], questions(self.up))

    def test_answered(self) -> None:
        """Not if there is any answer: data, the same data as somebody else has given, or nothing."""
        other = self.talk.connect("other", url="ws://other/gun", pid="pidOther")
        be_gunnet(other)
        for name in ("data", "same", "miss"):
            self.a.say(get(f"g{name}", name))
        for number, up in enumerate((self.up, other)):
            for name in ("data", "same"):
                digest = number if name == "data" else 7
                values = put(f"{name}{number}", name, {"x": 1}, self.talk.now)
                up.say({**values, "@": f"g{name}", "##": digest})
            up.say({"#": f"miss{number}", "@": "gmiss"})
        questions(other)
        self.assertEqual([], self.times(200_000))
        self.assertEqual([], questions(other))
        self.assertEqual(0, self.idle())

    def test_own_hash(self) -> None:
        """It is asked again under an id of its own, with the hash of what we have by then."""
        self.a.say(get("g", "s"))
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.up.take()
        self.talk.advance(3_001)
        (question,) = [message for message in self.up.take() if "get" in message]
        self.assertNotEqual("g", question["#"])
        self.assertEqual({"#": "s"}, question["get"])
        self.a.say(get("h", "s"))
        self.assertEqual(self.a.answers("h")[0]["##"], question["##"])
        self.up.say({"#": "miss", "@": question["#"]})
        self.assertEqual([], self.times(100_000))
        self.assertEqual([], [answer for answer in self.a.answers("h") if "put" not in answer])

    def test_gun_js(self) -> None:
        """gun.js says nothing if it has nothing that we have not, so it is not asked again."""
        self.talk = Conversation()
        self.a = self.talk.connect("a")
        self.up = self.talk.connect("up", url=URL, pid="pidUp")
        self.a.say(get("g", "s"))
        self.assertEqual([], self.times(100_000))
        self.assertEqual(0, self.idle())

    def test_lex(self) -> None:
        """The same for spans."""
        lex = {"#": {"*": "s"}, "%": 100}
        self.a.say({"#": "g", "get": lex})
        self.up.take()
        self.talk.advance(3_001)
        self.assertEqual([(lex, None)], asked(self.up))

    def test_not_read(self) -> None:
        """While it reads nothing it is asked nothing."""
        self.a.say(get("g", "s"))
        self.up.take()
        self.up.choke()
        self.talk.advance(50_000)
        self.assertEqual([], questions(self.up))
        self.up.drain()
        self.talk.advance(1)
        self.assertEqual(1, len(questions(self.up)))

    def test_link_ends(self) -> None:
        """What was asked over a link that is gone is asked anew over the next one, and not again besides."""
        self.a.say(get("g", "s"))
        self.up.close()
        self.talk.advance(5_000)
        self.up = self.connect_up()
        self.assertEqual([({"#": "s"}, None)], asked(self.up))
        self.assertEqual(3_000, self.times(4_000)[0])

    def test_interests_unanswered(self) -> None:
        """No more is minded than the bound; the rest is not asked again."""
        self.begin(Limits(interests_unanswered=3))
        self.a.say([get(f"g{number}", f"s{number}") for number in range(5)])
        self.assertEqual(2, self.talk.counters["interests_unanswered_exceeded"])
        self.up.take()
        self.talk.advance(3_001)
        self.assertEqual([{"#": f"s{number}"} for number in range(3)], [what for what, _ in asked(self.up)])


class ResyncTests(RelayTests):
    """A new source is asked for all that is wanted."""

    def test_everything(self) -> None:
        """Nodes, properties and spans, with the hash of what we have."""
        self.a.say(put("p", "s", {"x": 1, "y": 2}, self.talk.now))
        gets: list[dict[str, Any]] = [
            {"#": "s"},
            {"#": "t", ".": "k"},
            {"#": "u", ".": {"*": "a", ">": "aa", "<": "ab"}, "%": 5},
            {"#": {"*": "s"}, "%": 5},
        ]
        self.a.say([{"#": f"g{number}", "get": what} for number, what in enumerate(gets)])
        digest = self.a.answers("g0")[0]["##"]
        self.up.close()
        self.up = self.connect_up()
        found = {str(what): known for what, known in asked(self.up)}
        gets[2]["%"] = gets[3]["%"] = Limits().lex_characters
        expected = dict(zip(map(str, gets), (digest, None, None, digest), strict=True))
        self.assertEqual(expected, found)
        self.talk.advance(3_001)
        questions(self.up)
        self.a.say([{"#": f"h{number}", "get": what} for number, what in enumerate(gets)])
        self.assertEqual(["h1", "h2"], questions(self.up), "without an answer here it is asked")

    def test_own_wishes(self) -> None:
        """It is not asked for what only it wants itself."""
        self.up.say({"#": "knows", "dam": "relay", "sync": 1, "bridged": True})
        self.up.say(get("g1", "s"))
        self.up.say(get("g2", "t"))
        self.a.say(get("g3", "t"))
        self.up.take()
        self.up.say({"#": "b", "dam": "relay", "sync": 1, "bridge": True})
        self.talk.relay.interest.resync(self.up.peer)  # type: ignore[arg-type]
        self.talk.settle()
        self.assertEqual([], asked(self.up))
        bridge = self.talk.connect("bridge", pid="pidBridge")
        bridge.say(get("g4", "u"))
        self.up.take()
        bridge.take()
        be_gunnet(bridge, bridge=True)
        self.assertEqual({"s", "t"}, {what["#"] for what, _ in asked(bridge)})

    def test_member(self) -> None:
        """A member of a room that we are in is asked for everything too, and later for what is new."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.a.say(get("g", "s"))
        digest = self.a.answers("g")[0]["##"]
        link, mesh = MemoryLink("member"), self.talk.mesh
        peer = mesh.meet_member(link)
        assert peer is not None
        mesh.hear(peer, b'{"#":"greeting","@":"?","dam":"?","pid":"pidMember"}')
        mesh.hear(peer, b'{"#":"hi","dam":"hi"}')
        other = self.talk.connect("other", pid="pidOther", hi=True)
        self.talk.advance(501)
        self.a.say(put("q", "t", {"x": 1}, self.talk.now))
        self.a.say(get("h", "t"))
        heard = [message for frame in link.frames for message in messages(frame) if "get" in message]
        known = [("s", digest), ("t", self.a.answers("h")[0]["##"])]
        self.assertEqual(known, [(each["get"]["#"], each.get("##")) for each in heard])
        self.assertEqual([], asked(other))
        mesh.lose(peer, "it left")
        self.assertNotIn(peer, self.talk.relay.interest.sources())

    def test_bridge(self) -> None:
        """A peer that becomes a bridge is asked for everything, and from then on for what is new."""
        relay = self.talk.connect("relay", pid="pidRelay")
        be_gunnet(relay)
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.a.say(get("g", "s"))
        digest = self.a.answers("g")[0]["##"]
        self.assertEqual([], asked(relay))
        relay.say({"#": "b", "dam": "relay", "sync": 1, "bridge": True})
        self.assertEqual([({"#": "s"}, digest)], asked(relay))
        self.a.say(put("q", "t", {"x": 1}, self.talk.now))
        self.a.say(get("h", "t"))
        self.assertEqual(["t"], [what["#"] for what, _ in asked(relay)])

    def test_two_links(self) -> None:
        """Of two links to one relay, only the one that we dialled is asked."""
        same = self.talk.connect("same", pid="pidUp")
        be_gunnet(same, bridge=True)
        same.take()
        self.a.say(get("g", "s"))
        self.assertEqual((["g"], []), (questions(self.up), questions(same)))

    def test_slices(self) -> None:
        """Much is asked a part at a time; what came back before its turn goes on."""
        with self.talk.one_turn():
            self.a.say([get(f"g{number}", f"s{number}") for number in range(350)])
        self.up.close()
        self.up = self.talk.connect("up", url=URL)
        self.up.choke()
        self.up.say({"#": "hello", "@": "x", "dam": "?", "pid": "pidUp"})
        self.assertEqual([], questions(self.up))
        self.up.drain()
        self.assertEqual(350, len(questions(self.up)))

    def test_leaves_meanwhile(self) -> None:
        """If the link is gone before its turn nothing is left of it."""
        self.a.say(get("g", "s"))
        self.up.close()
        self.up = self.talk.connect("up", url=URL)
        self.up.close()
        self.a.close()
        self.talk.advance(600_000)
        self.assertEqual((0, []), (self.idle(), self.talk.clock.getDelayedCalls()))


class EndTests(RelayTests):
    """What nobody wants any more is told to be so."""

    def want(self, client: Client, *gets: dict[str, Any]) -> None:
        """Have a client ask, and the relay above answer that it has nothing."""
        for number, what in enumerate(gets):
            client.say({"#": f"{client.name}{number}{what}", "get": what})
        for name in questions(self.up):
            self.up.say({"#": f"miss {name}", "@": name})
        self.up.take()

    def test_interest_idle_ms(self) -> None:
        """After a while, once, as it was asked for; then it is asked for anew."""
        self.begin(Limits(interest_idle_ms=10_000.0))
        wanted: list[dict[str, Any]] = [
            {"#": "s"},
            {"#": "t", ".": "k"},
            {"#": "u", ".": {"*": "a"}, "%": 5},
            {"#": {"*": "s", ">": "sa"}, "%": 5},
        ]
        self.want(self.a, *wanted)
        self.a.close()
        self.talk.advance(9_990)
        self.assertEqual([], ended(self.up))
        self.talk.advance(20)
        for what in wanted:
            what.pop("%", None)
        self.assertEqual(wanted, ended(self.up))
        self.assertEqual((4, 0), (self.talk.counters["interests_ended"], self.idle()))
        again = self.talk.connect("again")
        again.say(put("p", "s", {"x": 1}, self.talk.now))
        again.say(get("g", "s"))
        self.assertEqual(["g"], questions(self.up))

    def test_wanted_again(self) -> None:
        """Not if somebody wants it again by then, nor if somebody else does."""
        b = self.talk.connect("b")
        self.want(self.a, {"#": "s"}, {"#": "t"})
        self.want(b, {"#": "t"})
        self.a.close()
        self.talk.advance(30_000)
        self.want(b, {"#": "s"})
        self.talk.advance(100_000)
        self.assertEqual(([], 0), (ended(self.up), self.idle()))

    def test_left_again(self) -> None:
        """It lingers as long after the last one who wanted it."""
        self.want(self.a, {"#": "s"}, {"#": "t"})
        self.a.close()
        self.talk.advance(30_000)
        b = self.talk.connect("b")
        self.want(b, {"#": "s"})
        self.talk.advance(10_000)
        b.close()
        self.talk.advance(59_990)
        self.assertEqual([{"#": "t"}], ended(self.up))
        self.talk.advance(20)
        self.assertEqual([{"#": "s"}], ended(self.up))

    def test_ended_unanswered(self) -> None:
        """What is no longer wanted is not asked again."""
        self.begin(Limits(interest_idle_ms=1_000.0))
        self.a.say({"#": "g", "get": {"#": "s", ".": {"*": "x"}, "%": 5}})
        self.a.say(get("h", "t"))
        self.a.close()
        self.talk.advance(1_500)
        self.up.take()
        self.talk.advance(100_000)
        self.assertEqual(([], 0), (questions(self.up), self.idle()))

    def test_asked_anew_unanswered(self) -> None:
        """What ended and is asked anew is minded once, from the last time on."""
        self.begin(Limits(interest_idle_ms=1_000.0))
        b = self.talk.connect("b")
        b.say(put("p", "s", {"x": 1}, self.talk.now))
        self.a.say(get("g", "s"))
        self.talk.advance(3_001)
        self.a.close()
        self.talk.advance(1_500)
        b.say(get("h", "s"))
        self.up.take()
        self.talk.advance(2_990)
        self.assertEqual([], questions(self.up))
        self.talk.advance(20)
        (question,) = questions(self.up)
        self.up.say({"#": "miss", "@": question})
        self.talk.advance(100_000)
        self.assertEqual(([], 0), (questions(self.up), self.idle()))

    def test_off(self) -> None:
        """A peer may say itself that it no longer wants something."""
        self.want(self.a, {"#": "s"})
        self.a.say({"#": "off", "dam": "off", "get": {"#": "s"}})
        self.talk.advance(60_010)
        self.assertEqual([{"#": "s"}], ended(self.up))

    def test_parts(self) -> None:
        """Of a node that nobody wants whole any more, the parts that somebody wants are asked for first."""
        b = self.talk.connect("b")
        b.say(put("p", "s", {"x": 1}, self.talk.now))
        self.want(self.a, {"#": "s"})
        self.want(b, {"#": "s", ".": "x"})
        self.a.close()
        self.talk.advance(60_010)
        said = [message for message in self.up.take() if "get" in message]
        self.assertEqual([None, "off"], [message.get("dam") for message in said])
        self.assertEqual({"#": "s", ".": "x"}, said[0]["get"])
        b.close()
        self.talk.advance(60_010)
        self.assertEqual([{"#": "s", ".": "x"}], ended(self.up))

    def test_gun_js(self) -> None:
        """gun.js goes on telling us, so for it there is no end, and it is not asked anew."""
        self.talk = Conversation()
        self.a = self.talk.connect("a")
        self.up = self.talk.connect("up", url=URL, pid="pidUp")
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.want(self.a, {"#": "s"})
        self.a.close()
        self.talk.advance(100_000)
        self.assertEqual(([], 0), (ended(self.up), self.idle()))
        self.want(self.talk.connect("b"), {"#": "s"})
        self.assertEqual([], questions(self.up))

    def test_only_the_source_wants_it(self) -> None:
        """Two relays that want something of each other, and nobody else does, let go of it."""
        bridge = self.talk.connect("bridge", pid="pidBridge")
        be_gunnet(bridge, bridge=True)
        self.want(bridge, {"#": "s"})
        self.want(self.a, {"#": "s"})
        self.assertEqual([{"#": "s"}], [what for what, _ in asked(bridge)])
        self.a.close()
        self.talk.advance(60_010)
        self.assertEqual([{"#": "s"}], ended(bridge))
        self.assertEqual([], ended(self.up), "the bridge still wants it")

    def test_never_asked(self) -> None:
        """What was not asked is not ended, such as a part of what was that could be answered here."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.want(self.a, {"#": "s"}, {"#": "s", ".": "x"})
        self.a.close()
        self.talk.advance(60_010)
        self.assertEqual([{"#": "s"}], ended(self.up))

    def test_asked_besides(self) -> None:
        """A part of what was asked for is asked for too if nothing is known of it, and then also ended."""
        self.want(self.a, {"#": "s"}, {"#": "s", ".": "x"})
        self.a.close()
        self.talk.advance(60_010)
        self.assertEqual([{"#": "s"}, {"#": "s", ".": "x"}], ended(self.up))

    def test_interests_idle(self) -> None:
        """When too much waits for its end, the oldest is ended at once."""
        self.begin(Limits(interests_idle=2))
        self.want(self.a, *[{"#": f"s{number}"} for number in range(5)])
        self.a.close()
        self.talk.advance(1)
        self.assertEqual(3, len(ended(self.up)))
        self.assertEqual(3, self.talk.counters["interests_idle_evicted"])
        self.talk.advance(60_010)
        self.assertEqual((2, 0), (len(ended(self.up)), self.idle()))

    def test_many(self) -> None:
        """A thousand ends come a part a turn, all of them."""
        self.want(self.a, *[{"#": f"s{number}"} for number in range(1_000)])
        self.a.close()
        self.talk.advance(60_100)
        self.assertEqual((1_000, 0), (len(ended(self.up)), self.idle()))


class MustAskTests(SynchronousTestCase):
    """What an interest covers."""

    def test_covers(self) -> None:
        """Queries that differ in a budget, a bound or in what is a name are not taken for one another."""
        queries = [
            Query("s"),
            Query("s", key="x"),
            Query("s", budget=5.0),
            Query("s", keys=Span("x")),
            Query("s", keys=Span("x"), budget=5.0),
            Query(None, souls=Span("s")),
            Query(None, souls=Span("s"), budget=5.0),
        ]
        talk = Conversation()
        up = be_gunnet_up(talk)
        interest = talk.relay.interest
        assert up.peer is not None
        for first in queries:
            interest.said(up.peer, first, 0.0, minded=False)
            must = [query for query in queries if interest.must_ask(up.peer, query)]
            covers = {query for query in queries if first.is_whole_node and query.soul is not None} | {first}
            self.assertEqual(set(queries) - covers, set(must), first)
            up.peer.asked.clear()


def be_gunnet_up(talk: Conversation) -> Client:
    """A gunnet relay above."""
    up = talk.connect("up", url=URL)
    be_gunnet(up)
    return up


class RingTests(SynchronousTestCase):
    """Questions in rings of gunnet relays."""

    def ring(self, count: int, *, both: bool = False) -> list[Conversation]:
        """Relays that dial each the next, or both ways, and know of each other what they are."""
        self.said: list[Message] = []
        ring = relays(count)
        for number, talk in enumerate(ring):
            for step in (1, -1) if both else (1,):
                for end in dial(talk, ring[(number + step) % count]):
                    self.watch(end)
        ring[0].advance(30_000)
        self.said.clear()
        return ring

    def watch(self, end: LinkEnd) -> None:
        """Keep what is sent over a link, but for what relays say of themselves and of their graphs."""
        send = end.send

        def kept(frame: bytes) -> None:
            self.said.extend(message for message in messages(frame) if "dam" not in message)
            send(frame)

        end.send = kept  # type: ignore[method-assign]

    def test_miss(self) -> None:
        """
        A question that nobody can answer crosses each link at most once each way, is answered once each time,
        and then there is silence: four messages a link. Further ones about the same cross no link while the
        first is open, and afterwards no more than it did.
        """
        for count in range(3, 9):
            for both in (False, True):
                ring = self.ring(count, both=both)
                links = count * (2 if both and count > 2 else 1)
                clients = [talk.connect("client") for talk in ring]
                for client in clients:
                    client.say({"#": "hi", "dam": "hi"})
                for number, client in enumerate(clients):
                    client.say(get(f"g{number}", "s"))
                    ring[0].advance(2_000)
                    self.assertIn(len(client.answers(f"g{number}")), (1, 2, 3))
                    self.assertLessEqual(len(self.said), 4 * links, f"{count} relays, both {both}")
                    self.said.clear()
                    ring[0].advance(300_000)
                    self.assertEqual([], self.said, f"{count} relays, both {both}")

    def test_all_at_once(self) -> None:
        """If all ask at the same time, each link carries one question each way, and one answer to it."""
        for count in range(3, 9):
            ring = self.ring(count)
            clients = [talk.connect("client") for talk in ring]
            for number, client in enumerate(clients):
                client.peer.said_hi = True  # type: ignore[union-attr]
                frame = b'{"#":"g%d","get":{"#":"s"}}' % number
                ring[number].mesh.hear(client.peer, frame)  # type: ignore[arg-type]
            ring[0].advance(2_000)
            self.assertLessEqual(len(self.said), 4 * count, f"{count} relays")
            self.said.clear()
            ring[0].advance(300_000)
            self.assertEqual([], self.said)

    def test_found(self) -> None:
        """Data at the far side comes to the asker once, over each link at most once each way."""
        for count in range(3, 9):
            ring = self.ring(count)
            far = ring[count // 2]
            far.store.commit([("s", "x", (far.now, b"1"))])
            client = ring[0].connect("client")
            client.say({"#": "hi", "dam": "hi"})
            client.say(get("g", "s"))
            ring[0].advance(2_000)
            found = [answer for answer in client.heard if "put" in answer]
            self.assertEqual([1], [answer["put"]["s"]["x"] for answer in found], f"{count} relays")
            data = [message for message in self.said if "put" in message]
            self.assertLessEqual(len(data), 2 * count, f"{count} relays")
            self.said.clear()
            ring[0].advance(300_000)
            self.assertEqual([], self.said)

    def test_lost(self) -> None:
        """Of two relays each of which loses half of what it says, the asker has the data in the end."""
        low, high = relays(2)
        ends = dial(low, high)
        low.advance(30_000)
        high.store.commit([(f"s{number}", "x", (high.now, b"1")) for number in range(20)])
        client = low.connect("client")
        for end in ends:
            lose_every_other(end)
        for number in range(20):
            client.say(get(f"g{number}", f"s{number}"))
        low.advance(300_000)
        self.assertEqual(20, len({soul for heard in client.heard for soul in heard.get("put", ())}))


def lose_every_other(end: LinkEnd) -> None:
    """Have a link lose every other frame."""
    send, sent = end.send, []

    def lossy(frame: bytes) -> None:
        sent.append(frame)
        if len(sent) % 2:
            send(frame)

    end.send = lossy  # type: ignore[method-assign]
