"""
Tests for L{gunnet.mesh.peers}.
"""

from __future__ import annotations

from itertools import count

from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, read_told, told
from gunnet.testing import MemoryLink

URL = "ws://upstream/gun"


def peers_with(limits: Limits) -> tuple[Peers, Counters]:
    """An empty table, and what it counts."""
    numbers = count()
    counters = Counters()
    return Peers(limits, counters, lambda: f"id{next(numbers)}"), counters


def joined(peers: Peers, upstream: Peer | None = None) -> Peer:
    """A peer whose link is up."""
    peer = peers.join(MemoryLink("link"), upstream)
    assert peer is not None
    return peer


class TableTests(SynchronousTestCase):
    """Coming and going."""

    def test_near(self) -> None:
        """Those are near whose link is up."""
        peers, _ = peers_with(Limits())
        peer = joined(peers)
        peers.upstream(URL)
        self.assertEqual(1, peers.near)
        peers.leave(peer)
        self.assertEqual(0, peers.near)

    def test_peers_bound(self) -> None:
        """A link beyond the bound is refused and counted; when one has left there is room again."""
        peers, counters = peers_with(Limits(peers=2))
        first = joined(peers)
        joined(peers)
        self.assertIsNone(peers.join(MemoryLink("third"), None))
        self.assertEqual(1, counters["peers_refused"])
        peers.leave(first)
        joined(peers)

    def test_upstream_is_one(self) -> None:
        """One url is one peer, before, during and after its links."""
        peers, _ = peers_with(Limits())
        upstream = peers.upstream(URL)
        self.assertIs(upstream, joined(peers, upstream))
        peers.leave(upstream)
        self.assertIs(upstream, peers.upstream(URL))

    def test_drop(self) -> None:
        """A peer that is dropped is gone from the table at once, and its link is to be closed once."""
        peers, counters = peers_with(Limits())
        peer = joined(peers)
        link = peer.link
        peers.say(peer, b"{}")
        peers.drop(peer, "enough")
        peers.drop(peer, "again")
        self.assertEqual([(link, "enough")], [(drop.link, drop.reason) for drop in peers.drops])
        self.assertEqual(([], 0, 1), (peers.frames(0.0), peers.near, counters["peers_dropped"]))
        peers.say(peer, b"{}")
        self.assertEqual([], peers.frames(0.0))


class SayTests(SynchronousTestCase):
    """What is said, and when it is written."""

    def test_frames(self) -> None:
        """All that was said in a turn is written once, per link, in order."""
        peers, _ = peers_with(Limits())
        one, two = joined(peers), joined(peers)
        peers.say(one, b'{"a":1}')
        peers.say(two, b'{"c":1}')
        peers.say(one, b'{"b":1}')
        self.assertEqual([(one.link, [b'[{"a":1},{"b":1}]']), (two.link, [b'{"c":1}'])], peers.frames(0.0))
        self.assertEqual([], peers.frames(0.0))

    def test_paused(self) -> None:
        """To a peer whose transport is full nothing is written until it has drained."""
        peers, _ = peers_with(Limits())
        peer = joined(peers)
        peers.pause(peer)
        peers.say(peer, b'{"a":1}')
        self.assertEqual([], peers.frames(0.0))
        peers.say(peer, b'{"b":1}')
        peers.resume(peer)
        self.assertEqual([(peer.link, [b'[{"a":1},{"b":1}]'])], peers.frames(0.0))

    def test_outbox_bytes(self) -> None:
        """A peer for which more waits than the bound is dropped, and what waited is freed."""
        peers, counters = peers_with(Limits(outbox_bytes=20))
        peer = joined(peers)
        peers.pause(peer)
        peers.say(peer, b"{%b}" % (b" " * 18))
        self.assertTrue(peer.up)
        peers.say(peer, b"{}")
        self.assertFalse(peer.up)
        self.assertEqual((1, 1, 0), (counters["outbox_bytes_exceeded"], len(peers.drops), peer.outbox.size))
        self.assertIn("does not read", peers.drops[0].reason)

    def test_outboxes_bytes(self) -> None:
        """When more waits for all peers than the bound, the one for which most waits is dropped."""
        peers, counters = peers_with(Limits(outboxes_bytes=30))
        few, most, other = joined(peers), joined(peers), joined(peers)
        for peer, size in ((few, 8), (most, 18), (other, 4)):
            peers.pause(peer)
            peers.say(peer, b"{%b}" % (b" " * (size - 2)))
        self.assertEqual([], peers.drops)
        peers.say(other, b"{}")
        self.assertEqual((True, False, True), (few.up, most.up, other.up))
        self.assertEqual((1, 1), (counters["outboxes_bytes_exceeded"], len(peers.drops)))
        peers.resume(few)
        peers.frames(0.0)
        peers.leave(other)
        peers.say(few, b"{%b}" % (b" " * 28))
        self.assertEqual((True, 1), (few.up, len(peers.drops)))

    def test_offline_bytes(self) -> None:
        """For an upstream that is away the latest messages wait, up to the bound; the oldest go, counted."""
        peers, counters = peers_with(Limits(offline_bytes=33))
        upstream = peers.upstream(URL)
        for number in range(9):
            peers.say(upstream, b'{"n": %4d}' % number)
        self.assertEqual(
            (3, 33, 6), (len(upstream.outbox), upstream.outbox.size, counters["offline_bytes_evicted"])
        )
        joined(peers, upstream)
        self.assertEqual([(upstream.link, [b'[{"n":    6},{"n":    7},{"n":    8}]'])], peers.frames(0.0))

    def test_offline_too_large(self) -> None:
        """A message larger than the bound does not wait for an upstream that is away."""
        peers, counters = peers_with(Limits(offline_bytes=30))
        upstream = peers.upstream(URL)
        peers.say(upstream, b"{}")
        peers.say(upstream, b" " * 31)
        self.assertEqual(
            (0, 0, 2), (len(upstream.outbox), upstream.outbox.size, counters["offline_bytes_evicted"])
        )

    def test_away(self) -> None:
        """What is said to a peer that came to us and left is forgotten."""
        peers, _ = peers_with(Limits())
        peer = joined(peers)
        peers.leave(peer)
        peers.say(peer, b"{}")
        self.assertEqual(([], 0), (peers.frames(0.0), len(peer.outbox)))


class ToldTests(SynchronousTestCase):
    """C{><}."""

    def test_told(self) -> None:
        """Names are joined by commas, as JSON text."""
        self.assertEqual(b'"p0,p1"', told([Peer("p0"), Peer("p1")]))
        self.assertEqual(b'""', told([]))

    def test_ninety_nine_characters(self) -> None:
        """No more than gun.js reads, and no name cut in two."""
        self.assertEqual(99, len(told([Peer("x" * 49), Peer("y" * 49), Peer("z")])) - 2)
        self.assertEqual(b'"%b"' % (b"x" * 49), told([Peer("x" * 49), Peer("y" * 50), Peer("z")]))
        self.assertEqual(b'""', told([Peer("x" * 100)]))

    def test_commas(self) -> None:
        """A name with a comma would read as two, which may be those of others: it is left out."""
        self.assertEqual(b'"a,b"', told([Peer("a"), Peer("x,b"), Peer("b")]))

    def test_quotes(self) -> None:
        """A name can't end the text it stands in."""
        self.assertEqual(b'"a\\"b"', told([Peer('a"b')]))

    def test_read(self) -> None:
        """Only the first 99 characters count, and only text."""
        self.assertEqual({"a", "b"}, read_told("a,b"))
        self.assertEqual({"x" * 97, "a"}, read_told("x" * 97 + ",abc"))
        values: list[object] = [None, 5, [], {"a": 1}, "", True]
        for value in values:
            self.assertEqual(frozenset(), read_told(value))
