"""
Recorded conversations of gun.js relays that cannot be replayed, since what they show happens inside a relay
or needs its settings: their frames are said to ours by hand. C{docs/interop.md} lists them.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.testing import Client, Conversation, put
from gunnet.transport.memory import join
from tests.mesh.replay import Replay, load

UPSTREAM = "https://up.example/gun"


def told(client: Client) -> list[object]:
    """The titles in the updates that a client heard."""
    puts = [said["put"] for said in client.heard if "put" in said and "@" not in said]
    return [graph["room"]["title"] for graph in puts if "room" in graph]


class SelfTests(SynchronousTestCase):
    """Trace 66: a relay that has its own url among its peers."""

    def test_both_ends_dropped(self) -> None:
        """It drops both ends, once, and serves others as before."""
        talk = Conversation()
        alice = talk.connect("alice")
        out, into = join(talk.mesh, talk.mesh, talk.clock, url=UPSTREAM)
        talk.advance(60_000)
        self.assertEqual((None, None), (out.peer, into.peer))
        self.assertEqual(1, talk.relay.health()["peers"])
        self.assertGreaterEqual(talk.counters["peers_self"], 1)
        alice.say(put("put1", "room", {"title": "one"}, talk.now))
        self.assertEqual([True], [said["ok"] for said in alice.answers("put1")])


class ClaimTests(SynchronousTestCase):
    """Trace 62: somebody comes who claims the process id of an upstream."""

    def check(self, pid: str) -> None:
        """
        Neither link is closed, whichever process id is greater, and the upstream is served as before. The
        claimer may be that relay, so it is not told the same twice, but when the upstream is away it is told.
        """
        talk = Conversation(pid="mmmmmmmmm")
        up = talk.connect("up", UPSTREAM)
        up.say({"#": "WJqFjrxeH", "dam": "?", "pid": pid})
        claimer = talk.connect("claimer")
        claimer.say({"dam": "?", "pid": pid, "@": claimer.heard[0]["#"], "#": "8rKJCwDi8"})
        claimer.say({"#": "claim", "dam": "relay", "sync": 1, "proof": "a guess", "token": "theirs"})
        claimer.say({"#": "get1", "get": {"#": "room"}})
        talk.advance(60_000)
        self.assertEqual((None, None), (up.link.dropped, claimer.link.dropped))
        self.assertEqual(1, len(claimer.answers("get1")))
        alice = talk.connect("alice")
        alice.say(put("put1", "room", {"title": "one"}, talk.now))
        self.assertEqual(["one"], told(up))
        up.close()
        alice.say(put("put2", "room", {"title": "two"}, talk.now))
        self.assertEqual("two", told(claimer)[-1])

    def test_lesser(self) -> None:
        """As recorded in C{62-up-duplicate-A}."""
        self.check("AAAAAAAAA")

    def test_greater(self) -> None:
        """As recorded in C{62-up-duplicate-z}."""
        self.check("zzzzzzzzz")


class FullTests(SynchronousTestCase):
    """Trace 63: a relay that has as many peers as it may have."""

    def test_names_others(self) -> None:
        """Who comes too late is told where else to go, in the form that gun.js understands, and let go."""
        talk = Conversation(limits=Limits(peers=2))
        up = talk.connect("up", UPSTREAM, pid="upstreamPID")
        talk.connect("alice", pid="pidA")
        late = talk.connect("late")
        talk.advance(1_000)
        mobs = [said for said in late.heard if said.get("dam") == "mob"]
        self.assertEqual([{"wss://up.example/gun": {}}], [said["peers"] for said in mobs])
        self.assertTrue(all(isinstance(said["mob"], int) and said["mob"] >= 2 for said in mobs))
        self.assertTrue(late.peer is None or late.link.dropped is not None)
        self.assertIs(None, up.link.dropped)


class HelloTests(SynchronousTestCase):
    """What gun.js relays hear of ours that they do not know."""

    def test_only_upstreams(self) -> None:
        """In no recorded conversation does a client hear it, and an upstream does once it has greeted."""
        for name in ("61-relay-connects-out.axe", "61-relay-connects-out.noaxe", "62-up-duplicate-A"):
            replay = Replay(load(name))
            self.assertEqual({"UP1"}, {who for who, _ in replay.hellos}, name)
        self.assertEqual([], Replay(load("67-service-tag.axe")).hellos)
