"""
What an operation costs the relay when it has much: stored cells, subscribers, connections::

    python -m benchmarks.growth [--cells 7] [--subscribers 4] [--connections 4] [--output docs]

The numbers are exponents of ten, up to which it goes; 0 leaves a part out. Ten million cells take minutes
to put. Cost is the relay's processor time per operation, at a rate that it can bear, or, for gets and puts of
stored cells, in saturation. The limit of open files is raised as far as this user may, for this process and
the relay.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks import document, plots
from benchmarks.compare import say
from benchmarks.load import Result, measure, milliseconds, rate, start
from benchmarks.machine import machine
from benchmarks.relays import GUNNET, Running, running
from gunnet.bench.files import raise_file_limit
from gunnet.bench.process import MIB, usage_of

PROPERTIES = 5
FIRST_CELLS = 4
GET_PEERS = ("--peers", "100", "--outstanding", "1")
"""
To get what one never got is to subscribe, which costs more than to get it again: with many peers nearly all
gets are of that kind, however few nodes there are.
"""
DELIVERIES_PER_SECOND = 20_000
PUTS_PER_SECOND_MAX, PUTS_PER_SECOND_MIN = 500, 4
LINKS_SECONDS_MAX = 300.0


def cost(result: Result) -> float:
    """Processor time of the relay for one operation, in microseconds."""
    return 1e6 * float(result["relay_cpu"]) / rate(result)


def checked(result: Result) -> Result:
    """Tell of what went wrong."""
    if result["errors"]:
        say(f"{result['errors']} errors: {[row['error_texts'] for row in result['rows']]}")
    return result


def memory_of(relay: Running) -> int:
    """What it takes, in bytes."""
    usage = usage_of(relay.pid)
    return 0 if usage is None else usage.memory_bytes


class Growth:
    """Measures, and keeps what it found."""

    def __init__(self, seconds: float, folder: Path) -> None:
        self._seconds = seconds
        self._folder = folder
        self.lines: list[str] = []

    def cells(self, power_max: int) -> None:
        """Put and get any of the nodes that there are, as they become more."""
        rows, puts, gets = [], [], []
        with running(GUNNET) as relay:
            stored = 0
            for power in range(FIRST_CELLS, power_max + 1):
                nodes = (10**power - stored) // PROPERTIES
                name = ["--name", f"cells{power}", "--properties", str(PROPERTIES)]
                filling = ["put", *name, "--peers", "10", "--outstanding", "100", "--count", str(nodes)]
                checked(measure(relay, *filling))
                stored = 10**power
                again = [*name, "--nodes", str(nodes), "--stored", "--seconds", str(self._seconds)]
                got = checked(measure(relay, "get", "--shared", *again, *GET_PEERS))
                put = checked(measure(relay, "put", *again))
                memory = memory_of(relay) / MIB
                gets.append((float(stored), cost(got)))
                puts.append((float(stored), cost(put)))
                figures = [rate(got), milliseconds(got, "p50"), cost(got)]
                figures += [rate(put), milliseconds(put, "p50"), cost(put), memory]
                rows.append([f"{stored:,}", *map(document.short, figures)])
                say(f"{stored:,} cells: {cost(got):.1f} µs a get, {cost(put):.1f} µs a put, {memory:.0f} MiB")
        heads = [
            "stored cells",
            "gets/s",
            "p50, ms",
            "µs a get",
            "puts/s",
            "p50, ms",
            "µs a put",
            "relay MiB",
        ]
        about = (
            f"Nodes of {PROPERTIES} cells, any of those that came last: nine tenths of all. Puts change them."
        )
        curves = {"a get": gets, "a put": puts}
        self._add("Stored cells", about, document.table(heads, rows), "growth-cells", "stored cells", curves)

    def subscribers(self, power_max: int) -> None:
        """One writer, more and more subscribers."""
        rows, curve = [], []
        for power in range(power_max + 1):
            count = 10**power
            puts = min(PUTS_PER_SECOND_MAX, max(PUTS_PER_SECOND_MIN, DELIVERIES_PER_SECOND / count))
            with running(GUNNET) as relay:
                arguments = ["fan-out", "--subscribers", str(count), "--rate", f"{puts:g}"]
                result = checked(measure(relay, *arguments, "--seconds", str(self._seconds)))
                memory = memory_of(relay) / MIB
            curve.append((float(count), cost(result)))
            figures = [puts, rate(result), milliseconds(result, "p50"), milliseconds(result, "p99")]
            rows.append([f"{count:,}", *map(document.short, [*figures, cost(result), memory])])
            say(f"{count:,} subscribers: {cost(result):.2f} µs a delivery")
        heads = ["subscribers", "puts/s", "deliveries/s", "p50, ms", "p99, ms", "µs a delivery", "relay MiB"]
        about = "One writer at a fixed rate; the cost of a put is shared by its deliveries."
        curves = {"a delivery": curve}
        self._add(
            "Subscribers", about, document.table(heads, rows), "growth-subscribers", "subscribers", curves
        )

    def connections(self, power_max: int) -> None:
        """Ten peers put, while more and more others are connected and say nothing."""
        rows, curve = [], []
        for power in range(power_max + 1):
            count = 10**power
            with running(GUNNET) as relay:
                before = memory_of(relay)
                idle = start(relay, "connect", "--peers", str(count), "--idle", "3600")
                try:
                    _wait_for_files(relay.pid, count)
                    time.sleep(1)
                    each = (memory_of(relay) - before) / count / 1024
                    arguments = ["put", "--rate", "1000", "--seconds", str(self._seconds)]
                    result = checked(measure(relay, *arguments))
                finally:
                    _end(idle)
            curve.append((float(count), cost(result)))
            figures = [each, milliseconds(result, "p50"), milliseconds(result, "p99"), cost(result)]
            rows.append([f"{count:,}", *map(document.short, figures)])
            say(f"{count:,} connections: {each:.1f} KiB each, {cost(result):.1f} µs a put")
        heads = ["idle connections", "KiB of each", "p50 of a put, ms", "p99, ms", "µs a put"]
        about = "1,000 puts/s by ten peers beside them. What few connections take is what a first one loads."
        curves = {"a put": curve}
        self._add(
            "Connections", about, document.table(heads, rows), "growth-connections", "connections", curves
        )

    def _add(
        self, title: str, about: str, table: list[str], name: str, across: str, curves: dict[str, plots.Line]
    ) -> None:
        path = self._folder / f"{name}.svg"
        up = "processor time, µs"
        plot = plots.lines(path, f"Cost against {across}", across, up, curves, logarithmic="x")
        self.lines += ["", f"### {title}", "", about, "", *table, *plot]


def _wait_for_files(pid: int, count: int) -> None:
    late = time.monotonic() + LINKS_SECONDS_MAX
    while len(os.listdir(f"/proc/{pid}/fd")) < count:
        if time.monotonic() > late:
            raise RuntimeError("the connections were not made")
        time.sleep(0.1)


def _end(bench: subprocess.Popen[str]) -> None:
    bench.kill()
    bench.communicate()


def main() -> None:
    """Measure, print and write."""
    parser = document.parser("growth", __doc__)
    parser.add_argument("--cells", type=int, default=7)
    parser.add_argument("--subscribers", type=int, default=4)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    links = 10 ** max(options.subscribers, options.connections)
    raise_file_limit(links + 200, say)
    growth = Growth(options.seconds, options.output)
    if options.cells:
        growth.cells(options.cells)
    if options.subscribers:
        growth.subscribers(options.subscribers)
    if options.connections:
        growth.connections(options.connections)
    lines = [f"Measured {machine()}. Open files allowed: {links + 200:,} or more.", *growth.lines]
    print("\n".join(lines))
    document.write(options.output, "performance.md", "growth", "Growth", lines)


if __name__ == "__main__":
    main()
