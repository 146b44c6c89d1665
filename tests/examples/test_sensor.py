"""
C{examples/sensor.py}: a relay that is away, a sensor that is switched off, and all that it has measured.
"""

from __future__ import annotations

import os
import re

from twisted.trial.unittest import TestCase

from gunnet import Gun
from tests.examples.running import Example
from tests.interop import node
from tests.interop.children import until
from tests.interop.clients import Page
from tests.interop.relays import GunnetRelay


class SensorTests(TestCase):
    """A sensor whose thermometer is a file."""

    timeout = 90

    def source(self, text: str) -> None:
        with open(self.thermometer, "w", encoding="ascii") as file:
            file.write(text)

    def sensor(self, url: str) -> Example:
        options = ("--name", "roof", "--data", self.data, "--every", "0.2", "--source", self.thermometer)
        return Example(self, "sensor", url, *options)

    def setUp(self) -> None:
        self.thermometer = os.path.abspath(self.mktemp())
        self.data = os.path.abspath(self.mktemp())
        self.source("21500\n")

    async def test_offline_first(self) -> None:
        """
        It measures without a relay, is killed, goes on, is switched off, and goes on; when there is a relay,
        that has every reading that was printed.
        """
        relay = GunnetRelay(self)
        measured: dict[str, float] = {}
        for celsius, signal in (("21.5", "KILL"), ("22.25", "TERM")):
            self.source(f"{float(celsius) * 1000:.0f}\n")
            sensor = self.sensor(relay.url)
            await sensor.says(rf" {re.escape(celsius)}$")
            await sensor.child.end(signal, 10)
            measured |= self.printed(sensor)
        self.assertEqual(set(measured.values()), {21.5, 22.25})
        self.source("nonsense")
        sensor = self.sensor(relay.url)
        await sensor.says("no reading")
        await relay.start()
        page = Page(self, node.GUN_VERSIONS[0])
        page.spawn()
        await page.ready()
        reader = await page.client(relay.url)
        seen = await reader.get("sensor/roof").on()

        async def complete() -> bool:
            return bool(seen.events) and measured.items() <= seen.events[-1].value.items()

        await until(20, lambda: f"{measured}: {seen.events[-1:]}", complete)
        self.source("23000\n")
        await sensor.says(" 23.0$")
        measured |= self.printed(sensor)
        await until(20, lambda: f"{measured}: {seen.events[-1:]}", complete)
        await sensor.stop()
        async with Gun(relay.url) as gun:  # by the LEX that the example tells of
            century = await gun.get("sensor/roof").get({".": {"*": "20"}}).map()
            self.assertLessEqual(measured.items(), century.items())
        await relay.stop()

    def printed(self, sensor: Example) -> dict[str, float]:
        found = [re.fullmatch(r"(\S+T\S+) ([\d.]+)", line) for line in sensor.lines]
        return {match[1]: float(match[2]) for match in found if match}
