"""
A relay that is a leaf of the mesh, and who is told what other relays have (for L{gunnet.client}).
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.mesh.relays import NEWS_PAUSE_MS
from gunnet.mesh.sync import JITTER_MS, NO_ROOM
from gunnet.mesh.unacked import FORGET_MS
from gunnet.testing import Client, Conversation, put

URL = "ws://up/gun"


def relay_verbs(client: Client) -> list[dict[str, Any]]:
    """The C{relay} messages that a client heard since the last time."""
    return [said for said in client.take() if said.get("dam") == "relay"]


class LeafTests(SynchronousTestCase):
    """C{be_leaf}."""

    def setUp(self) -> None:
        self.talk = Conversation()

    def test_says_so(self) -> None:
        """A leaf tells relays that it wants nothing compared, and is no bridge, however many it links to."""
        self.talk.relay.relay_links.be_leaf()
        ups = [self.talk.connect(name, url=f"ws://{name}/gun", pid=name) for name in ("one", "two")]
        for up in ups:
            up.say({"#": f"r {up.name}", "dam": "relay", "sync": 1})
        self.talk.advance(NEWS_PAUSE_MS)
        said = [message for up in ups for message in relay_verbs(up)]
        self.assertEqual({(message["sync"], message["bridge"]) for message in said}, {(0, False)})

    def test_refuses(self) -> None:
        """It begins no session, and refuses those of others."""
        self.talk.relay.relay_links.be_leaf()
        up = self.talk.connect("up", url=URL, pid="pidUp")
        up.say({"#": "r", "dam": "relay", "sync": 1})
        self.talk.advance(JITTER_MS)
        up.say({"#": "q", "dam": "sync", "sync": 1, "ranges": [[None, 0, "A" * 22]]})
        said = [message for message in up.heard if message.get("dam") == "sync"]
        self.assertEqual([(message["@"], message["err"]) for message in said], [("q", NO_ROOM)])

    def test_passes_no_questions_on(self) -> None:
        """What relays above ask, it answers from what it has; it asks others for its own peers only."""
        self.talk.relay.relay_links.be_leaf()
        one, two = [self.talk.connect(name, url=f"ws://{name}/gun", pid=name) for name in ("one", "two")]
        self.talk.connect("a", pid="pidA", hi=True).say({"#": "q1", "get": {"#": "wanted"}})
        self.talk.advance(1_000)
        one.say({"#": "q2", "get": {"#": "other"}})
        self.talk.advance(1_000)
        self.assertEqual([said["get"]["#"] for said in two.heard if "get" in said], ["wanted"])
        self.assertEqual([said for said in one.answers("q2") if "put" in said], [])
        self.assertEqual(len(one.answers("q2")), 1)

    def test_is_believed(self) -> None:
        """With who is a leaf no session begins, though it is not told everything; with others one does."""
        for sync, sessions in ((0, 0), (1, 1)):
            talk = Conversation()
            below, writer = talk.connect("below", pid="pidBelow"), talk.connect("a", pid="pidA", hi=True)
            below.say({"#": "r", "dam": "relay", "sync": sync})
            writer.say(put("p", "s", {"x": 1}, talk.now))
            talk.advance(talk.relay.limits.sync_ms + JITTER_MS)
            openings = [message for message in below.heard if message.get("dam") == "sync"]
            self.assertEqual(len(openings), sessions)


class ListenTests(SynchronousTestCase):
    """Who asks is told of links, and of what relays have."""

    def setUp(self) -> None:
        self.talk = Conversation()
        self.links = self.talk.relay.relay_links
        self.acked: list[tuple[str, list[tuple[str, str]], bool]] = []
        self.links.unacked.on_acked.append(
            lambda peer, names, refused: self.acked.append((peer.name, names, refused))
        )
        self.writer = self.talk.connect("a", pid="pidA", hi=True)
        self.up = self.talk.connect("up", url=URL, pid="pidUp")

    def write(self, put_id: str, key: str) -> str:
        """Have the writer put something. @return: the id of the update."""
        self.talk.advance(1)
        self.up.take()
        self.writer.say(put(put_id, "s", {key: 1}, self.talk.now))
        [update] = [said["#"] for said in self.up.take() if "put" in said]
        return str(update)

    def test_links(self) -> None:
        """When a link that we dial comes and goes; not of others."""
        seen: list[tuple[str, str]] = []
        self.links.on_up.append(lambda peer: seen.append(("up", peer.name)))
        self.links.on_down.append(lambda peer: seen.append(("down", peer.name)))
        self.up.close()
        self.talk.connect("up", url=URL)
        self.talk.connect("b").close()
        self.assertEqual(seen, [("down", URL), ("up", URL)])
        self.assertEqual([peer.url for peer in self.links.upstreams], [URL])

    def test_acked(self) -> None:
        """What was acknowledged or refused, but not while the same cell is still under way."""
        first, second = self.write("p1", "x"), self.write("p2", "x")
        self.up.say({"#": "ok1", "@": first, "ok": True})
        self.assertEqual(self.acked, [(URL, [], False)])
        self.up.say({"#": "ok2", "@": second, "ok": True})
        self.assertEqual(self.acked[1:], [(URL, [("s", "x")], False)])
        self.up.say({"#": "no", "@": self.write("p3", "y"), "err": "no"})
        self.assertEqual(self.acked[2:], [(URL, [("s", "y")], True)])

    def test_gunjs(self) -> None:
        """A gun.js relay says nothing to what is no news for it: after a while it has it."""
        self.write("p", "x")
        self.talk.advance(FORGET_MS - 10)
        self.assertEqual(self.acked, [])
        self.talk.advance(20)
        self.assertEqual(self.acked, [(URL, [("s", "x")], False)])
