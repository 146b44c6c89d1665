"""
Tests for L{gunnet.mesh.peer}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from gunnet.mesh.peer import Life, Peer
from gunnet.testing import MemoryLink

INPUTS: dict[str, Callable[[Life], None]] = {
    "opened": lambda life: life.opened(MemoryLink("another")),
    "named": lambda life: life.named("pid of another"),
    "dropped": lambda life: life.dropped(),
    "lost": lambda life: life.lost(),
}

WAYS: dict[str, list[Callable[[Life], None]]] = {
    "away": [],
    "open": [lambda life: life.opened(MemoryLink("first"))],
    "named": [lambda life: life.opened(MemoryLink("first")), lambda life: life.named("pid")],
    "closing": [lambda life: life.opened(MemoryLink("first")), lambda life: life.dropped()],
}


def peer_in(state: str, url: str | None = None) -> Peer:
    """A peer that was led into C{state}."""
    peer = Peer("some-id", url)
    for step in WAYS[state]:
        step(peer.life)
    return peer


class LifeTests(SynchronousTestCase):
    """The machine of a peer's life."""

    def test_total(self) -> None:
        """Every input is answered in every state, and after any of them a link can still come and go."""
        for state in WAYS:
            for name, happen in INPUTS.items():
                for url in (None, "ws://upstream/gun"):
                    peer = peer_in(state, url)
                    happen(peer.life)
                    peer.life.lost()
                    link = MemoryLink("later")
                    peer.life.opened(link)
                    self.assertIs(peer.link, link, f"{name} in {state}")
                    self.assertTrue(peer.up)

    def test_inputs_are_all_there(self) -> None:
        """The table above names every input of the protocol."""
        inputs = {name for name in vars(Life) if not name.startswith("_")}
        self.assertEqual(inputs, set(INPUTS))

    def test_up(self) -> None:
        """Messages go to a peer from the opening of its link until we close it or it is lost."""
        self.assertEqual(
            {"away": False, "open": True, "named": True, "closing": False}, {s: peer_in(s).up for s in WAYS}
        )

    def test_first_name_counts(self) -> None:
        """A peer that tells a second process id keeps the first."""
        peer = peer_in("named")
        peer.life.named("other")
        self.assertEqual("pid", peer.pid)

    def test_name(self) -> None:
        """A peer's name is its url, else its pid, else its id."""
        self.assertEqual("some-id", peer_in("open").name)
        self.assertEqual("pid", peer_in("named").name)
        self.assertEqual("ws://up/gun", peer_in("named", "ws://up/gun").name)

    def test_second_link_is_refused(self) -> None:
        """A second link for a peer that has one is closed, and changes nothing."""
        for state in ("open", "named", "closing"):
            peer = peer_in(state)
            first, second = peer.link, MemoryLink("second")
            peer.life.opened(second)
            self.assertIs(peer.link, first)
            self.assertIsNotNone(second.dropped, state)

    def test_dropped_forgets_what_waits(self) -> None:
        """Of a peer that we close nothing is kept: no message to it, and none of it."""
        peer = peer_in("open")
        peer.outbox.add(b"{}")
        peer.inbox.append(b"{}")
        peer.streams.append(cast(Any, object()))
        peer.life.dropped()
        self.assertEqual((0, 0, 0), (len(peer.outbox), len(peer.inbox), len(peer.streams)))

    def test_lost_accepted(self) -> None:
        """With the link of a peer that came to us goes all that it was."""
        peer = peer_in("named")
        peer.outbox.add(b"{}")
        peer.paused = peer.held = True
        peer.life.lost()
        self.assertEqual((None, None, 0), (peer.pid, peer.link, len(peer.outbox)))
        self.assertEqual((False, False, False), (peer.up, peer.paused, peer.held))

    def test_lost_upstream(self) -> None:
        """What waits for an upstream outlives its link; what it was asked over that link does not."""
        peer = peer_in("named", "ws://up/gun")
        peer.outbox.add(b"{}")
        peer.asked = {5}
        peer.life.lost()
        self.assertEqual(1, len(peer.outbox))
        self.assertEqual(set(), peer.asked)


class BroadcastTests(SynchronousTestCase):
    """The rate at which messages of unknown kind are forwarded."""

    def test_rate(self) -> None:
        """So many at once as one second's worth, then so many a second, however long it was quiet."""
        peer = peer_in("open")
        now = 1_800_000_000_000.0
        self.assertEqual([True] * 3 + [False], [peer.may_broadcast(now, 3.0) for _ in range(4)])
        self.assertEqual([True, False], [peer.may_broadcast(now + 400, 3.0) for _ in range(2)])
        self.assertEqual([True] * 3 + [False], [peer.may_broadcast(now + 1e9, 3.0) for _ in range(4)])

    def test_clock_that_goes_back(self) -> None:
        """A clock that is set back gives nothing away and takes nothing."""
        peer = peer_in("open")
        self.assertTrue(peer.may_broadcast(2_000_000.0, 1.0))
        self.assertFalse(peer.may_broadcast(1_000_000.0, 1.0))
        self.assertTrue(peer.may_broadcast(1_001_001.0, 1.0))


class NameTests(SynchronousTestCase):
    """How a peer is called."""

    def test_no_query(self) -> None:
        """Neither logs nor other peers see the query of a url, in which there may be a token."""
        peer = Peer("id", "wss://relay.example/gun?token=secret")
        self.assertEqual("wss://relay.example/gun", peer.name)
        self.assertEqual("wss://relay.example/gun", peer.told_name)
        self.assertTrue(peer.is_named_in(frozenset(["wss://relay.example/gun"])))
        self.assertFalse(Peer("id").is_named_in(frozenset(["other"])))
