"""
Interoperation tests: C{gunnet bench} says what real relays take, and understands what they say. Nothing is
measured here.
"""

from __future__ import annotations

from dataclasses import replace
from random import SystemRandom
from typing import ClassVar

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from gunnet.bench.plan import Plan
from gunnet.bench.result import Result, table
from gunnet.bench.run import Run
from tests.interop.relays import GunJsRelay, GunnetRelay, Relay

SECONDS = 0.5


class Workloads:
    """Each workload, against one relay."""

    kind: ClassVar[type[Relay]]
    timeout = 60

    async def setUp(self) -> None:
        """Start the relay."""
        self.relay = self.kind(self)  # type: ignore[arg-type]
        await self.relay.start()

    async def run_plan(self, plan: Plan) -> Result:
        """Put load on it. What goes wrong is a failure."""
        plan = replace(plan, url=self.relay.url, seconds=SECONDS, warmup_seconds=0.1)
        result = await Run(plan, reactor, SystemRandom(), progress=lambda line: None).run()
        lines = "\n".join(table([result]))
        self.assertEqual(result.errors, 0, lines)  # type: ignore[attr-defined]
        for row in result.rows:
            self.assertGreater(row.count, 0, lines)  # type: ignore[attr-defined]
        return result

    async def test_put(self) -> None:
        """Puts are acknowledged."""
        await self.run_plan(Plan("put", "", peers=3))

    async def test_get(self) -> None:
        """Nodes that were put are got, by one peer and by several."""
        await self.run_plan(Plan("get", "", peers=3, nodes=50, properties=5, name="own"))
        await self.run_plan(Plan("get", "", peers=3, nodes=50, properties=5, name="shared", shared=True))

    async def test_fan_out(self) -> None:
        """Every put is delivered to every subscriber, in saturation and at a rate."""
        await self.run_plan(Plan("fan-out", "", subscribers=5, name="saturated"))
        result = await self.run_plan(Plan("fan-out", "", subscribers=5, rate=100.0, name="paced"))
        row, acks = result.rows
        self.assertEqual(row.count, 5 * acks.count)  # type: ignore[attr-defined]

    async def test_connect(self) -> None:
        """Links are opened, and stay."""
        await self.run_plan(Plan("connect", "", peers=50, idle_seconds=0.2))

    async def test_mixed(self) -> None:
        """What applications do."""
        await self.run_plan(Plan("mixed", "", peers=20, nodes=100, rate=200.0))


class GunnetTests(Workloads, TestCase):
    """Ours."""

    kind = GunnetRelay


class GunJsTests(Workloads, TestCase):
    """gun.js's."""

    kind = GunJsRelay
