"""
What a relay shows, as a process with real clients: metrics under load, and gun.js's own figures beside ours.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.relays import HOST, GunnetRelay, free_port


class SeenRelay(GunnetRelay):
    """A relay with a listener for metrics. @ivar seen: its URL."""

    def __init__(self, test: TestCase, **fields: Any) -> None:
        super().__init__(test, **fields)
        port = free_port()
        self.seen = f"http://{HOST}:{port}"
        self.options = ("--metrics-listen", f"tcp:{port}:interface={HOST}")


async def page(url: str) -> str:
    """What is at a URL."""

    def read() -> str:
        with urlopen(url, timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    return await deferToThread(read)


async def gunnet(*arguments: str) -> tuple[str, str, int]:
    """Run a command of ours: (standard output, standard error, status)."""
    environment = {**os.environ, "PYTHONPATH": str(node.CHECKOUT)}
    if os.environ.get("GUNNET_TEST_COMPILED"):
        environment = dict(os.environ)
    out, err, status = await getProcessOutputAndValue(
        sys.executable, ["-m", "gunnet", *arguments], env=environment
    )
    return out.decode(), err.decode(), status


class MetricsTests(TestCase):
    """A relay under load."""

    timeout = 120

    async def test_under_load(self) -> None:
        """What C{gunnet bench} did is what the metrics say."""
        relay = SeenRelay(self)
        await relay.start()
        out, err, status = await gunnet(
            *("bench", "fan-out", "--url", relay.url.replace("http", "ws"), "--subscribers", "20"),
            *("--seconds", "1", "--warmup", "0.2", "--json", "-"),
        )
        self.assertEqual(0, status, err)
        self.assertGreater(json.loads(out)[0]["rows"][0]["count"], 0)
        found = {}
        for family in text_string_to_metric_families(await page(f"{relay.seen}/metrics")):
            for sample in family.samples:
                found[(sample.name, *sorted(sample.labels.items()))] = sample.value
        updates = found[("gunnet_updates_sent_total",)]
        self.assertGreater(updates, 0)
        self.assertEqual(updates, found[("gunnet_propagation_latency_seconds_count",)])
        puts = found[("gunnet_messages_total", ("kind", "put"))]
        self.assertGreater(puts, 0)
        self.assertEqual(puts, found[("gunnet_ack_latency_seconds_count",)])
        self.assertLess(found[("gunnet_ack_latency_seconds_sum",)] / puts, 5.0)
        self.assertEqual(
            found[("gunnet_commits_total", ("result", "done"))],
            found[("gunnet_commit_duration_seconds_count",)],
        )
        self.assertEqual(0, found[("gunnet_faults_total", ("where", "relay"))])
        await relay.stop()

    async def test_json_log(self) -> None:
        """Each line of the log is an object."""
        relay = SeenRelay(self)
        relay.options += ("--log-format", "json")
        await relay.start()
        await relay.stop()
        lines = [json.loads(line[line.index("{") :]) for line in relay.report().splitlines() if "{" in line]
        self.assertIn("gunnet {version}, {how}, NVX {nvx}", [line["event"] for line in lines])
        for line in lines:
            self.assertLessEqual({"time", "level", "logger", "event", "message"}, line.keys())


class GunStatsTests(TestCase):
    """Our figures beside those of gun's C{lib/stats.js}."""

    timeout = 120

    async def test_names(self) -> None:
        """Each figure that gun.js writes is there under the same name, and of the same type."""
        kit = node.kit()
        folder = self.mktemp()
        script = str(node.HERE / "stats.js")
        out, err, status = await getProcessOutputAndValue(
            kit.node, [script, kit.gun(node.GUN_VERSIONS[0]), folder], env=os.environ
        )
        self.assertEqual(0, status, err)
        theirs = json.loads(out[out.index(b"{") :])
        relay = SeenRelay(self)
        assert relay.data is not None
        relay.options += ("--metrics",)
        await relay.start()
        ours = json.loads(await page(relay.url.replace("/gun", "/gun/stats.radata")))
        self.assertEqual([], list(missing(theirs, ours)))
        self.assertEqual(
            ours.keys(), json.loads(await page(f"{relay.seen}/gun/stats.{relay.data.name}")).keys()
        )
        await relay.stop()


def missing(theirs: dict[str, Any], ours: dict[str, Any], place: str = "") -> list[str]:
    """The names in C{theirs} that C{ours} has not, or as something else."""
    found = []
    for name, value in theirs.items():
        if name not in ours or kind(value) is not kind(ours[name]):
            found.append(f"{place}{name}")
        elif isinstance(value, dict) and name not in ("all", "time"):
            found += missing(value, ours[name], f"{place}{name}.")
    return found


def kind(value: object) -> type:
    """Its type in JSON, where there is one of numbers."""
    return float if type(value) is int else type(value)
