"""
Interoperation tests: C{gunnet bench} says what real relays take, and understands what they say. Nothing is
measured here.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from random import SystemRandom
from typing import ClassVar

from twisted.internet import reactor
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from gunnet.bench.plan import Plan
from gunnet.bench.result import Result, table
from gunnet.bench.run import Run
from tests.interop import node
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


class CommandTests(TestCase):
    """The command, as a process that starts another one."""

    async def test_ceiling(self) -> None:
        """The relay that does nothing is started, measured and ended."""
        arguments = ["-m", "gunnet", "bench", "put", "--only-ceiling", "--seconds", "0.3", "--warmup", "0.1"]
        environment = {**os.environ, "PYTHONPATH": str(node.CHECKOUT)}
        out, err, status = await getProcessOutputAndValue(
            sys.executable, [*arguments, "--json", "-", "--progress"], environment
        )
        self.assertEqual(status, 0, err)
        [result] = json.loads(out)
        self.assertEqual((result["target"], result["errors"]), ("ceiling", 0))
        self.assertGreater(result["rows"][0]["count"], 0)
        self.assertIn(b"put: ", err)


class GunnetTests(Workloads, TestCase):
    """Ours."""

    kind = GunnetRelay


class GunJsTests(Workloads, TestCase):
    """gun.js's."""

    kind = GunJsRelay
