"""
Tests for L{gunnet.simulate.node}.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from gunnet.simulate.client import Client
from gunnet.simulate.clock import VirtualClock
from gunnet.simulate.links import Weather
from gunnet.simulate.network import Network
from gunnet.simulate.node import RelayNode


class NodeTests(SynchronousTestCase):
    """A relay whose commits take a second."""

    def setUp(self) -> None:
        self.clock = VirtualClock(1_800_000_000.0)
        self.network = Network(self.clock, Random(1), Weather(latency=0.001, jitter=0.0))
        self.node = self.new("one")
        self.node.start()
        self.client = Client("c", self.node.url, self.network, Random(2))
        self.clock.run_for(0.1)

    def new(self, name: str, **upstreams: bool) -> RelayNode:
        """A relay that dials some others."""
        urls = {f"ws://{other}/gun": lossy for other, lossy in upstreams.items()}
        return RelayNode(name, self.network, self.clock, "s", upstreams=urls, commit_seconds=(1.0, 1.0))

    def pid(self) -> object:
        """The process id of the relay that runs."""
        assert self.node.relay is not None
        return self.node.relay.pid

    def test_commit(self) -> None:
        """A put is acknowledged when it is on the disk, and not before."""
        self.client.put("room", {"a": 1})
        self.clock.run_for(0.9)
        self.assertEqual((list(self.node.cells()), self.client.acked), ([], []))
        self.clock.run_for(0.2)
        [(soul, key, (_, text))] = self.node.cells()
        self.assertEqual((soul, key, text), ("room", "a", b"1"))
        self.assertEqual(len(self.client.acked), 1)

    def test_crash(self) -> None:
        """What was not committed is gone, what was is there, and the process is another one."""
        self.client.put("room", {"a": 1})
        self.clock.run_for(2)
        self.client.put("room", {"b": 2})
        self.clock.run_for(0.5)
        pid = self.pid()
        self.node.crash()
        self.clock.run_for(10)
        self.assertIsNone(self.client.link)
        self.assertEqual([key for _, key, _ in self.node.cells()], ["a"])
        self.node.start()
        self.assertNotEqual(self.pid(), pid)
        self.clock.run_for(3)
        self.assertIsNotNone(self.client.link)
        self.assertEqual(len(self.client.acked), 1)
        self.assertGreater(self.node.counters["frames_heard"], len(self.node.deaths))

    def test_wipe(self) -> None:
        """With its disk, all is gone."""
        self.client.put("room", {"a": 1})
        self.clock.run_for(2)
        self.node.crash(wipe=True)
        self.assertEqual(list(self.node.cells()), [])
        self.assertEqual(self.node.wiped, [self.clock.tick])

    def test_dials_for_ever(self) -> None:
        """It is linked to its upstream again whenever that is there."""
        below = self.new("two", one=False)
        below.start()
        for _ in range(3):
            self.clock.run_for(1)
            self.assertTrue(self.linked("two"))
            self.node.crash()
            self.clock.run_for(200)
            self.assertFalse(self.linked("two"))
            self.node.start()
            self.clock.run_for(61)
            self.assertTrue(self.linked("two"))

    def test_leave(self) -> None:
        """A relay that leaves hangs up, and dials no more."""
        below = self.new("two", one=False)
        below.start()
        self.clock.run_for(1)
        below.leave()
        self.clock.run_for(200)
        self.assertFalse(self.linked("two"))

    def linked(self, name: str) -> bool:
        """Whether somebody has a link."""
        return bool(list(self.network.links(name)))
