"""
Whether one subscriber that reads nothing makes the others wait::

    python -m benchmarks.slow_reader [--rounds 5] [--seconds 10] [--output docs]

One writer tells 500 subscribers, at a fixed rate; with and without one more of them that takes nothing, in
turn. Before, that one has asked for 8 MB, more than the system keeps for it, so that the rest waits in the
relay.
"""

from __future__ import annotations

import argparse
import statistics

from benchmarks import document
from benchmarks.compare import say, shown
from benchmarks.load import Result, measure, milliseconds
from benchmarks.machine import load_average, machine
from benchmarks.relays import GUNNET, running
from gunnet.bench.files import raise_file_limit

SUBSCRIBERS = 500
MORE_MAX = 0.10


def once(slow: int, options: argparse.Namespace) -> Result:
    """Measure, with a new relay."""
    arguments = ["fan-out", "--subscribers", str(SUBSCRIBERS), "--slow-readers", str(slow)]
    arguments += ["--rate", f"{options.rate:g}", "--value-bytes", str(options.value_bytes)]
    with running(GUNNET) as relay:
        return measure(relay, *arguments, "--seconds", str(options.seconds), "--warmup", str(options.warmup))


def main() -> None:
    """Measure, print and write."""
    parser = document.parser("slow_reader", __doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warmup", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=30.0, help="puts per second")
    parser.add_argument("--value-bytes", type=int, default=200)
    options = parser.parse_args()
    raise_file_limit(2 * SUBSCRIBERS, say)
    found: dict[int, list[float]] = {0: [], 1: []}
    medians: dict[int, list[float]] = {0: [], 1: []}
    for at in range(options.rounds):
        for slow in (0, 1) if at % 2 == 0 else (1, 0):
            result = once(slow, options)
            found[slow].append(milliseconds(result, "p99"))
            medians[slow].append(milliseconds(result, "p50"))
            # the slow one may be hung up on, which is right
            say(f"round {at + 1}, {slow} slow: p99 {found[slow][-1]:.2f} ms, {result['errors']} errors")
    ratios = [with_one / without for without, with_one in zip(found[0], found[1], strict=True)]
    moved = statistics.median(ratios) - 1
    rows = [[f"{slow} slow", shown(medians[slow]), shown(found[slow])] for slow in (0, 1)]
    lines = [
        f"Measured {machine()}; load average in the end {load_average()}. {SUBSCRIBERS} "
        f"subscribers, {options.rate:g} puts/s of {options.value_bytes:,} bytes, {options.rounds} rounds of "
        f"{options.seconds:g} s: median (least–most).",
        "",
        *document.table(("readers", "p50 of a delivery, ms", "p99, ms"), rows),
        "",
        f"The p99 of the others moves by {100 * moved:+.1f} % (median of the rounds, which are "
        f"{', '.join(f'{100 * ratio - 100:+.0f} %' for ratio in ratios)}); "
        f"wanted: less than {100 * MORE_MAX:.0f} %.",
    ]
    print("\n".join(lines))
    document.write(options.output, "performance.md", "slow reader", "A slow reader", lines)


if __name__ == "__main__":
    main()
