"""Tests for L{gunnet.transport.neighbours}: who is on the local network, and who is linked to."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.transport.neighbours import (
    GONE_SECONDS,
    HURRIED_LINKS,
    PATIENCE_SECONDS,
    REST_SECONDS,
    TRIAL_SECONDS,
    Beacon,
    Neighbours,
    read_beacon,
)

PORT = 8765


class BeaconTests(SynchronousTestCase):
    """What is said and read."""

    def test_round_trip(self) -> None:
        """What a relay says another one reads."""
        for beacon in (
            Beacon("abc", 8765, "/gun"),
            Beacon("abc"),
            Beacon("abc", 1, "/", secure=True),
            Beacon("abc", 65535, "/a/b", has_more=True),
        ):
            self.assertEqual(read_beacon(beacon.text("212345678"), 128), beacon)

    def test_begins_like_gun_js(self) -> None:
        """To gun.js, what begins with 2 is an id, and nothing that it would parse."""
        self.assertEqual(
            Beacon("abc", 8765).text("212345678"), b'212345678{"pid":"abc","port":8765,"path":"/gun"}'
        )

    def test_gun_js(self) -> None:
        """An id alone is that of gun.js; its digits are those of a fraction, and may be few."""
        for text in (b"212345678", b"2.1234567", b"25e-7", b"2"):
            self.assertEqual(read_beacon(text, 128), Beacon(), text)

    def test_garbage(self) -> None:
        """What is neither is nothing."""
        for text in (
            b"2hello",
            b"212345678garbage",
            b"212345678{}",
            b"212345678[]",
            b'212345678{"pid":7}',
            b'212345678{"pid":""}',
            b'212345678{"pid":"' + b"p" * 129 + b'"}',
            b"212345678" + b"[" * 900,
            b'212345678{"pid":"a","x":"' + b"x" * 1000 + b'"}',
            b"2\xff\xfe",
            b'212345678{"pid":"\xff"}',
        ):
            self.assertIsNone(read_beacon(text, 128), text)

    def test_no_place(self) -> None:
        """A relay whose port or path can't be is one that can't be linked to."""
        for fields in (
            b'"port":0,"path":"/gun"',
            b'"port":true,"path":"/gun"',
            b'"port":65536,"path":"/gun"',
            b'"port":"1","path":"/gun"',
            b'"port":1,"path":"gun"',
            b'"port":1,"path":"/gun?token=x"',
            b'"port":1,"path":"/ @evil"',
            b'"port":1',
        ):
            self.assertEqual(read_beacon(b'212345678{"pid":"a",' + fields + b"}", 128), Beacon("a"), fields)


class NeighboursCase(SynchronousTestCase):
    """Base: a relay called C{m}."""

    def setUp(self) -> None:
        self.counters = Counters()
        self.linked: set[str] = set()
        self.now = 1000.0
        self.begin()

    def begin(self, **limits: int) -> None:
        self.neighbours = Neighbours("m", Limits(**limits), self.counters)  # type: ignore[arg-type]

    def hear(self, pid: str | None, host: int = 1, port: int | None = PORT, **said: bool) -> bool:
        """Somebody says that he is there."""
        beacon = Beacon() if pid is None else Beacon(pid, port, **said)
        return self.neighbours.hear((f"10.0.0.{host}", 5000), "eth0", beacon, self.now)

    def settle(self, seconds: float = 0.0) -> list[str]:
        """Let time pass. @return: who is to be dialled."""
        self.now += seconds
        self.neighbours.settle(self.linked, self.now)
        return self.neighbours.urls


class LinkTests(NeighboursCase):
    """Who dials whom."""

    def test_lesser_dials(self) -> None:
        """Who has the lesser process id dials at once, at the address that was heard."""
        self.hear("z")
        self.assertEqual(self.settle(), ["ws://10.0.0.1:8765/gun"])

    def test_greater_waits(self) -> None:
        """The other one does so only if that comes to nothing."""
        self.hear("a")
        self.assertEqual(self.settle(), [])
        self.assertEqual(self.settle(PATIENCE_SECONDS - 1), [])
        self.assertEqual(self.settle(1), ["ws://10.0.0.1:8765/gun"])

    def test_linked_from_there(self) -> None:
        """Who has dialled us is not dialled."""
        self.hear("a")
        self.linked = {"a"}
        for _ in range(4):
            self.hear("a")
            self.assertEqual(self.settle(PATIENCE_SECONDS), [])

    def test_stays_linked(self) -> None:
        """Whom we have dialled stays so, however long."""
        self.hear("z")
        self.settle()
        self.linked = {"z"}
        for _ in range(20):
            self.hear("z")
            self.assertEqual(self.settle(10), ["ws://10.0.0.1:8765/gun"])

    def test_gone(self) -> None:
        """Who is silent is not there any more: a link to there leads nowhere."""
        self.hear("z")
        self.linked = {"z"}
        self.settle()
        self.assertEqual(self.settle(GONE_SECONDS + 1), [])
        self.assertEqual((len(self.neighbours), self.neighbours.others), (0, False))

    def test_itself(self) -> None:
        """Nobody dials himself."""
        self.hear("m")
        self.assertEqual(self.settle(PATIENCE_SECONDS), [])

    def test_no_port(self) -> None:
        """Nor who listens to nobody, nor gun.js, which does not say where it listens."""
        self.hear("z", port=None)
        self.hear(None, 2)
        self.assertEqual(self.settle(PATIENCE_SECONDS), [])

    def test_tls(self) -> None:
        """A relay that speaks TLS is dialled so."""
        self.hear("z", secure=True)
        self.assertEqual(self.settle(), ["wss://10.0.0.1:8765/gun"])

    def test_ipv6(self) -> None:
        """A link-local address means something on its interface only."""
        self.neighbours.hear(("fe80::1", 5000), "eth0", Beacon("z", PORT), self.now)
        self.assertEqual(self.settle(), ["ws://[fe80::1%eth0]:8765/gun"])

    def test_one_of_many_addresses(self) -> None:
        """A relay that is heard from several addresses is dialled at one of them, as long as that works."""
        self.hear("z", 1)
        self.hear("z", 2)
        self.assertEqual(self.settle(), ["ws://10.0.0.1:8765/gun"])
        for _ in range(4):
            self.hear("z", 1)
            self.hear("z", 2)
            self.settle(10)
        self.assertEqual(self.settle(), ["ws://10.0.0.2:8765/gun"])

    def test_trial(self) -> None:
        """What does not come about rests for a while."""
        self.hear("z")
        self.settle()
        for _ in range(4):
            self.hear("z")
            self.settle(10)
        self.assertEqual(self.settle(), [])
        self.assertEqual(self.counters["local_links_given_up"], 1)
        for _ in range(int(REST_SECONDS // 10) + 1):
            self.hear("z")
            self.settle(10)
        self.assertEqual(self.settle(), ["ws://10.0.0.1:8765/gun"])
        self.assertEqual(TRIAL_SECONDS, 30)

    def test_restarted(self) -> None:
        """Another process at the same address is somebody else."""
        self.hear("z")
        self.assertFalse(self.hear("z"))
        self.assertTrue(self.hear("a"))
        self.assertEqual(self.settle(), [])


class OthersTests(NeighboursCase):
    """Whether there is anybody whom nothing but datagrams reaches."""

    def test_nobody(self) -> None:
        """Where nobody is, nobody is to be told anything."""
        self.settle()
        self.assertFalse(self.neighbours.others)

    def test_at_once(self) -> None:
        """Who comes is there at once."""
        self.hear(None)
        self.assertTrue(self.neighbours.others)
        self.settle()
        self.assertTrue(self.neighbours.others)

    def test_linked(self) -> None:
        """Who is linked hears it by that way, and says it himself to those who are not."""
        self.hear("z")
        self.settle()
        self.assertTrue(self.neighbours.others)
        self.linked = {"z", "elsewhere"}
        self.settle()
        self.assertFalse(self.neighbours.others)
        self.assertEqual(self.neighbours.members, {"z"})
        self.assertTrue(self.neighbours.is_linked(("10.0.0.1", 5000)))
        self.assertFalse(self.neighbours.is_linked(("10.0.0.1", 5001)))

    def test_newcomer(self) -> None:
        """A newcomer who can't be linked to may be asked what he knows."""
        self.hear("z")
        self.assertFalse(self.neighbours.newcomer)
        self.hear(None, 2)
        self.assertTrue(self.neighbours.newcomer)


class BoundTests(NeighboursCase):
    """How much a network may claim."""

    def test_neighbours(self) -> None:
        """More addresses than C{neighbours}: those heard least lately are forgotten."""
        self.begin(neighbours=3)
        for host in range(1, 6):
            self.hear(f"z{host}", host)
        self.assertEqual(len(self.neighbours), 3)
        self.assertEqual(self.counters["neighbours_evicted"], 2)
        self.assertFalse(self.neighbours.knows(("10.0.0.2", 5000)))

    def test_local_links(self) -> None:
        """No more than C{local_links} are dialled at a time; a few more that have what is too large."""
        self.begin(local_links=2)
        for host in range(1, 6):
            self.hear(f"z{host}", host)
        self.assertEqual(self.settle(), ["ws://10.0.0.1:8765/gun", "ws://10.0.0.2:8765/gun"])
        self.assertEqual(self.counters["local_links_exceeded"], 3)
        self.hear("z5", 5, has_more=True)
        self.assertIn("ws://10.0.0.5:8765/gun", self.settle())
        self.assertGreater(HURRIED_LINKS, 0)

    def test_more(self) -> None:
        """Who has something that is too large is dialled at once, whose turn ever it is."""
        self.hear("a", has_more=True)
        self.assertEqual(self.settle(), ["ws://10.0.0.1:8765/gun"])
