"""
Tests for L{gunnet.bench.run}: whole measurements, of a null relay in memory.
"""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gunnet.bench.frames import payloads
from gunnet.bench.null_relay import NullLink, NullRelay
from gunnet.bench.peer import BenchError
from gunnet.bench.plan import Plan
from gunnet.bench.result import Result, Row
from gunnet.bench.run import Run
from tests.bench.memory import MemoryEndpoint, TurnClock

STEP_SECONDS = 0.0005
SECONDS_MAX = 120.0


class RunCase(SynchronousTestCase):
    """Measures on a virtual clock."""

    def setUp(self) -> None:
        self.clock = TurnClock()
        self.progress: list[str] = []
        self.endpoint = MemoryEndpoint(self.clock, NullRelay(5).buildProtocol)

    def run_plan(self, workload: str, **sizes: Any) -> Result:
        """Measure."""
        plan = replace(Plan(workload, "ws://relay/gun", seconds=0.5, warmup_seconds=0.1), **sizes)
        run = Run(
            plan,
            self.clock,
            Random(1),
            progress=self.progress.append,
            endpoint=self.endpoint,
            clock=self.clock.seconds,
        )
        done = Deferred.fromCoroutine(run.run())
        while not done.called and self.clock.seconds() < SECONDS_MAX:
            self.clock.advance(STEP_SECONDS)
        return self.successResultOf(done)

    def assertNear(self, found: float, expected: float, tolerance: float) -> None:
        """They differ by no more."""
        self.assertLessEqual(abs(found - expected), tolerance, f"{found}, not {expected}")

    def assertLatency(self, row: Row, milliseconds: float) -> None:
        """The link takes a millisecond each way."""
        self.assertNear(row.milliseconds["p50"], milliseconds, 1.1)


class SaturationTests(RunCase):
    """As much as is answered."""

    def test_put(self) -> None:
        """Each peer has so many under way: that fixes the rate."""
        result = self.run_plan("put", peers=3, outstanding=4)
        [row] = result.rows
        self.assertLatency(row, 2)
        self.assertNear(row.rate, 3 * 4 / 0.002, 600)
        self.assertEqual((result.errors, row.count), (0, round(row.rate * result.seconds)))
        self.assertGreater(result.bytes_out, 100 * row.count)
        self.assertTrue(self.progress[-1].startswith("put: "))

    def test_get(self) -> None:
        """Nodes are put, and then got."""
        [row] = self.run_plan("get", peers=2, outstanding=2, nodes=50, properties=5).rows
        self.assertLatency(row, 2)
        self.assertNear(row.rate, 2 * 2 / 0.002, 200)

    def test_few_nodes(self) -> None:
        """With fewer nodes than peers, some have the same."""
        result = self.run_plan("get", peers=5, nodes=2)
        self.assertEqual(result.errors, 0)
        self.assertGreater(result.rows[0].count, 0)

    def test_get_stored(self) -> None:
        """Or only got, if they are there; in any order, with more than one peer at each."""
        [row] = self.run_plan("get", nodes=50, stored=True, shared=True, name="there").rows
        self.assertGreater(row.count, 0)

    def test_put_stored(self) -> None:
        """The same nodes are put again, with values that are greater each time."""
        nodes: dict[str, list[str]] = {}
        self.patch(NullLink, "_hear", _keeping(nodes, NullLink._hear))
        result = self.run_plan("put", nodes=3, stored=True, name="there", count=50)
        self.assertEqual(result.errors, 0)
        self.assertEqual(sorted(nodes), [f"there/{at:09d}" for at in range(3)])
        for values in nodes.values():
            self.assertEqual(values, sorted(set(values)))

    def test_fan_out(self) -> None:
        """Each put is delivered to each subscriber."""
        result = self.run_plan("fan-out", subscribers=7, outstanding=3)
        row, acks = result.rows
        self.assertLatency(row, 2)
        self.assertNear(row.count / acks.count, 7, 0.5)
        self.assertEqual(result.errors, 0)

    def test_fan_out_by_acks(self) -> None:
        """Acks may say when there is a next put."""
        result = self.run_plan("fan-out", subscribers=4, outstanding=3, by_acks=True)
        row, acks = result.rows
        self.assertNear(acks.rate, 3 / 0.002, 600)  # of which a turn of the clock takes its part
        self.assertNear(row.count / acks.count, 4, 0.5)
        self.assertEqual(result.errors, 0)

    def test_slow_readers(self) -> None:
        """Those who read nothing are not waited for."""
        result = self.run_plan("fan-out", subscribers=3, slow_readers=2)
        self.assertEqual((result.errors, len(self.endpoint.servers)), (0, 6))
        self.assertGreater(result.rows[0].count, 0)

    def test_count(self) -> None:
        """So many, and no more."""
        result = self.run_plan("put", count=1_234)
        self.assertEqual((result.rows[0].count, result.errors), (1_234, 0))
        self.assertEqual(result.samples[-1][1], 1_234)

    def test_mixed(self) -> None:
        """All kinds are done, and those in a room are told."""
        self.endpoint = MemoryEndpoint(self.clock, NullRelay(0).buildProtocol)
        result = self.run_plan("mixed", peers=13, outstanding=2, nodes=20)
        self.assertEqual(result.errors, 0, result.rows)
        counts = {row.name: row.count for row in result.rows}
        self.assertEqual(len(counts), 8)
        self.assertGreater(min(counts.values()), 0, counts)


class RateTests(RunCase):
    """A fixed rate."""

    def test_rate(self) -> None:
        """It is kept."""
        result = self.run_plan("put", rate=1_000.0)
        self.assertNear(result.rows[0].rate, 1_000, 30)
        self.assertLatency(result.rows[0], 2)
        self.assertIsNotNone(result.lag_p99_ms)

    def test_fan_out(self) -> None:
        """The rate is that of puts."""
        row, acks = self.run_plan("fan-out", rate=200.0, subscribers=5).rows
        self.assertNear(row.rate, 1_000, 30)
        self.assertNear(acks.rate, 200, 10)

    def test_a_halt_counts(self) -> None:
        """While the relay halts, others come due: their latency shows it."""

        def halt() -> None:
            for link in self.endpoint.servers:
                heard = link.dataReceived
                link.dataReceived = lambda data, heard=heard: self.clock.callLater(0.2, heard, data)  # type: ignore

        self.clock.callLater(0.3, halt)
        [row] = self.run_plan("put", rate=1_000.0, peers=1).rows
        self.assertGreater(row.milliseconds["p90"], 190)
        self.assertNear(row.count, 500, 1)


class ConnectTests(RunCase):
    """Links."""

    def test_connect(self) -> None:
        """Handshakes are counted."""
        result = self.run_plan("connect", peers=30, outstanding=3, idle_seconds=1.0)
        [row] = result.rows
        self.assertEqual((row.count, result.errors), (30, 0))
        self.assertLatency(row, 2)

    def test_refused(self) -> None:
        """A relay that isn't there is told in a line."""
        self.endpoint.error = error.ConnectionRefusedError("nobody")
        done = self.run_failing("put")
        self.assertIn("nobody", done)

    def run_failing(self, workload: str) -> str:
        """Measure, in vain."""
        plan = Plan(workload, "ws://relay/gun")
        run = Run(plan, self.clock, Random(1), progress=self.progress.append, endpoint=self.endpoint)
        done = Deferred.fromCoroutine(run.run())
        while not done.called and self.clock.seconds() < SECONDS_MAX:
            self.clock.advance(0.01)
        return str(self.failureResultOf(done, BenchError).value)


def _keeping(nodes: dict[str, list[str]], hear: Any) -> Any:
    """What a link hears, with the values of each node kept."""

    def keep(link: NullLink, chunk: bytes) -> None:
        for payload in payloads(chunk, masked=True):
            for soul, node in json.loads(payload).get("put", {}).items():
                nodes.setdefault(soul, []).append(node["key0"])
        hear(link, chunk)

    return keep


class FaultTests(RunCase):
    """What goes wrong is told."""

    def test_lost_links(self) -> None:
        """A link that is lost, with what was under way on it."""
        self.clock.callLater(0.4, lambda: self.endpoint.servers[0].transport.loseConnection())  # type: ignore
        result = self.run_plan("put", peers=2, outstanding=5, drain_seconds=0.2)
        self.assertEqual(result.links_lost, {"lost": 1})
        self.assertEqual(result.rows[0].unanswered, 5)
        self.assertEqual(result.errors, 6)

    def test_swallowed(self) -> None:
        """Messages without an answer."""
        real = NullLink._hear

        def deaf(link: NullLink, chunk: bytes) -> None:
            if b'00000020"' not in chunk:
                real(link, chunk)

        self.patch(NullLink, "_hear", deaf)
        result = self.run_plan("put", peers=1, outstanding=1, drain_seconds=0.2)
        self.assertEqual(result.rows[0].unanswered, 1)

    def test_never_delivered(self) -> None:
        """Changes that a subscriber is not told: it goes on with others, and they are missing in the end."""
        real = NullLink._tell

        def mute(link: NullLink, chunk: bytes, soul: bytes) -> None:
            if self.clock.seconds() < 1.0:
                real(link, chunk, soul)

        self.patch(NullLink, "_tell", mute)
        result = self.run_plan("fan-out", subscribers=2, outstanding=5, seconds=3.0, drain_seconds=0.2)
        self.assertGreaterEqual(result.rows[0].unanswered, 2 * 5 * 2)
