"""
A sensor that goes on measuring when its relay, or the network, is away: asyncio, and a data folder of its
own. What it has measured reaches the relay when there is one again, also after the sensor was switched off.

Run a relay, now or later, and the sensor::

    pip install gunnet
    gunnet relay --port 8765 --data gundata
    python sensor.py http://127.0.0.1:8765/gun --name roof --data sensordata --every 60

It reads a file with thousandths of a degree, as Linux has them.
"""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from gunnet import Gun

SOURCE = "/sys/class/thermal/thermal_zone0/temp"


async def measure(gun: Gun, options: Namespace) -> None:
    """
    Measure again and again. Each reading is a property of one node, under its time, so that others can ask
    for those of a day: C{gun.get("sensor/roof").get({".": {"*": "2026-11-26"}}).map()}.
    """
    readings = gun.get(f"sensor/{options.name}")
    while True:
        try:
            celsius = int(Path(options.source).read_text(encoding="ascii")) / 1000
        except (OSError, ValueError) as e:
            print(f"no reading: {e}", flush=True)
        else:
            when = datetime.now(UTC).isoformat(timespec="milliseconds")
            await readings.get(when).put(celsius)  # on our own disk; the relay gets it when it can
            print(f"{when} {celsius}", flush=True)
        await asyncio.sleep(options.every)


async def main() -> None:
    """Measure until the process is told to end."""
    parser = ArgumentParser(description="A sensor that needs no network.")
    parser.add_argument("url")
    parser.add_argument("--name", required=True)
    parser.add_argument("--data", required=True, help="folder for what was measured")
    parser.add_argument("--every", type=float, default=60.0, help="seconds")
    parser.add_argument("--source", default=SOURCE)
    options = parser.parse_args()

    async with Gun([options.url], data=options.data) as gun:
        measuring = asyncio.ensure_future(measure(gun, options))
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, measuring.cancel)
        try:
            await measuring
        except asyncio.CancelledError:
            print("switched off", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
