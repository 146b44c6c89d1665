"""
Whether memory stays where it is::

    python -m benchmarks.soak [--minutes 30] [--settled 5]

One relay has clients that come and go: rooms with chat and presence, signed puts, gets and puts of any of
many nodes, links that say nothing. What it takes in memory is looked at every few seconds. From when it has
settled, after five minutes, until the end it should drift by no more than a twentieth.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import time

from benchmarks import document, plots
from benchmarks.compare import say
from benchmarks.load import measure, result_of, start
from benchmarks.machine import machine
from benchmarks.relays import GUNNET, Running, running
from gunnet.bench.files import raise_file_limit
from gunnet.bench.process import MIB, usage_of

DRIFT_MAX = 0.05
LOOK_SECONDS = 2.0
NODES = 20_000
Sample = tuple[float, float, float]
"""Minutes, MiB in memory, MiB without pages of files."""


class Soak:
    """
    Load that goes on, and what it does to the relay.

    @ivar samples: what was seen.
    @ivar errors: how many.
    """

    def __init__(self, relay: Running, dice: random.Random) -> None:
        self.samples: list[Sample] = []
        self.operations = self.errors = self.runs = 0
        self._relay = relay
        self._dice = dice
        self._begun = time.monotonic()
        self._running: list[subprocess.Popen[str]] = []

    def minutes(self) -> float:
        """Since it began."""
        return (time.monotonic() - self._begun) / 60

    def run(self, minutes: float, at_once: int = 2) -> None:
        """Go on for so long."""
        while self.minutes() < minutes:
            ended = [bench for bench in self._running if bench.poll() is not None]
            for bench in ended:
                self._running.remove(bench)
                self._count(bench)
            while len(self._running) < at_once:
                self._running.append(start(self._relay, *self._next()))
            self._look()
            time.sleep(LOOK_SECONDS)
        for bench in self._running:
            self._count(bench)

    def _next(self) -> list[str]:
        stored = ["--name", "soak", "--nodes", str(NODES), "--properties", "5", "--stored"]
        seconds = str(self._dice.choice((5, 10, 20)))
        seed = str(self._dice.randrange(10**6))
        choices = [
            ["mixed", "--peers", "50", "--rate", "300", "--nodes", "200"],
            ["get", "--shared", *stored, "--peers", "20", "--rate", "1000"],
            ["put", *stored, "--peers", "20", "--rate", "500"],
            ["put", "--peers", "20", "--rate", "300"],
            ["fan-out", "--subscribers", "100", "--rate", "50"],
            ["connect", "--peers", "300", "--idle", seconds],
        ]
        return [*self._dice.choice(choices), "--seconds", seconds, "--warmup", "0", "--seed", seed]

    def _count(self, bench: subprocess.Popen[str]) -> None:
        self.runs += 1
        try:
            result = result_of(bench)
        except RuntimeError as e:
            self.errors += 1
            say(str(e))
            return
        self.operations += sum(row["count"] for row in result["rows"])
        if result["errors"]:
            self.errors += result["errors"]
            say(f"{result['plan']['workload']}: {result['errors']} errors")

    def _look(self) -> None:
        usage = usage_of(self._relay.pid)
        if usage is None:
            raise RuntimeError("the relay has ended")
        minutes = self.minutes()
        if not self.samples or int(minutes) > int(self.samples[-1][0]):
            say(f"minute {minutes:.0f}: {usage.memory_bytes / MIB:.1f} MiB, {self.operations:,} operations")
        anonymous = usage.memory_bytes - usage.file_bytes
        self.samples.append((minutes, usage.memory_bytes / MIB, anonymous / MIB))


def around(samples: list[Sample], begin: float, end: float, which: int) -> float:
    """The median between two minutes."""
    return statistics.median([sample[which] for sample in samples if begin <= sample[0] <= end])


def report(soak: Soak, minutes: float, settled: float, window: float) -> list[str]:
    """The part of the document, without the plot."""
    rows = []
    for which, name in ((1, "resident memory"), (2, "without pages of files")):
        before = around(soak.samples, settled, settled + window, which)
        after = around(soak.samples, minutes - window, minutes, which)
        drift = after / before - 1
        verdict = "reached" if abs(drift) <= DRIFT_MAX or drift < 0 else "not reached"
        rows.append([name, f"{before:.1f}", f"{after:.1f}", f"{100 * drift:+.1f} %", verdict])
    heads = ("MiB", f"minute {settled:g}", f"minute {minutes:g}", "drift", f"≤ {100 * DRIFT_MAX:.0f} %")
    return [
        f"Measured {machine()}. {minutes:g} minutes, {soak.runs} runs of clients that came and went, "
        f"{soak.operations:,} operations, {soak.errors} errors. Medians over {window:.2g} minutes.",
        "",
        *document.table(heads, rows),
    ]


def main() -> None:
    """Measure, print and write."""
    parser = document.parser("soak", __doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--settled", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    raise_file_limit(2_000, say)
    window = min(2.0, (options.minutes - options.settled) / 3)
    with running(GUNNET) as relay:
        filling = [
            "put",
            "--name",
            "soak",
            "--properties",
            "5",
            "--count",
            str(NODES),
            "--outstanding",
            "100",
        ]
        measure(relay, *filling)
        soak = Soak(relay, random.Random(options.seed))
        soak.run(options.minutes)
    lines = report(soak, options.minutes, options.settled, window)
    print("\n".join(lines))
    curves = {
        "resident": [(sample[0], sample[1]) for sample in soak.samples],
        "without pages of files": [(sample[0], sample[2]) for sample in soak.samples],
    }
    path = options.output / "soak.svg"
    lines += plots.lines(path, "Memory while clients come and go", "minutes", "MiB", curves)
    document.write(options.output, "performance.md", "soak", "Soak", lines)


if __name__ == "__main__":
    main()
