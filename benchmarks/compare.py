"""
This relay beside gun.js's, each on one processor, the load on another::

    python -m benchmarks.compare [--rounds 3] [--seconds 3] [--only puts-200,gets] [--output docs]
    python -m benchmarks.compare --memory [--puts 1000000] [--puts-gunjs 70000]

In each round each workload is done by both, one right after the other and each with a new relay and no data,
so that whatever else the machine does meets both. Ratios of one round are what counts. Load that takes all of
its own processor would be the limit in place of the relay: the table has what the load can do, too.

All of it takes about a quarter of an hour. What is printed is put into C{performance.md} in C{--output}; that
is C{docs}, if all workloads are measured. C{--memory} is apart, for it takes long.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import document, plots
from benchmarks.goals import WORKLOADS, Figure, Workload
from benchmarks.load import Result, measure
from benchmarks.machine import load_average, machine
from benchmarks.relays import GUN_JS, GUNNET, running
from gunnet.bench.files import raise_file_limit

MIB = 1 << 20
Found = dict[str, list[Result]]
"""What each relay came to, round by round."""


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


def once(workload: Workload, kind: str | None, seconds: float) -> Result:
    """Measure a workload, with a new relay; L{None} for the load by itself."""
    arguments = [*workload.arguments, "--seconds", str(seconds * workload.seconds)]
    arguments += ["--warmup", str(workload.warmup)]
    if kind is None:
        return measure(None, *arguments)
    with running(kind) as relay:
        return measure(relay, *arguments)


def compare(workloads: Sequence[Workload], rounds: int, seconds: float) -> dict[str, Found]:
    """
    Measure all, in turn.

    @return: for each workload what was found, of C{gunnet}, C{gun.js} and, once, C{ceiling}.
    """
    found: dict[str, Found] = {workload.name: {GUN_JS: [], GUNNET: []} for workload in workloads}
    for at in range(rounds):
        for workload in workloads:
            if at == 0 and workload.has_ceiling and "--rate" not in workload.arguments:
                found[workload.name]["ceiling"] = [once(workload, None, seconds)]
            for kind in (GUN_JS, GUNNET) if at % 2 == 0 else (GUNNET, GUN_JS):
                result = once(workload, kind, seconds)
                found[workload.name][kind].append(result)
                figures = [f"{document.short(f.take(result))} {f.name}" for f in workload.figures]
                errors = f"; {result['errors']} errors" if result["errors"] else ""
                say(f"round {at + 1}, {workload.name}, {kind}: {', '.join(figures)}{errors}")
    return found


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and most."""
    return statistics.median(values), min(values), max(values)


def shown(values: Sequence[float]) -> str:
    """The same, as text."""
    median, least, most = map(document.short, spread(values))
    return median if len(values) == 1 else f"{median} ({least}–{most})"


def rows(workload: Workload, found: Found) -> list[list[str]]:
    """The lines of the table on one workload."""
    lines = []
    for at, figure in enumerate(workload.figures):
        theirs, ours = ([figure.take(result) for result in found[kind]] for kind in (GUN_JS, GUNNET))
        ratios = [figure.ratio(mine, other) for mine, other in zip(ours, theirs, strict=True)]
        ceiling = [figure.take(result) for result in found.get("ceiling", ())]
        busy = max(100 * float(result["load_cpu"]) for result in found[GUNNET])
        lines.append(
            [
                workload.title if at == 0 else "",
                figure.name,
                shown(theirs),
                shown(ours),
                f"**{shown(ratios)}**",
                goal(figure, statistics.median(ratios)),
                shown(ceiling) if ceiling else "–",
                f"{busy:.0f} %" if at == 0 and workload.has_ceiling else "",
            ]
        )
    return lines


def goal(figure: Figure, ratio: float) -> str:
    """What is wanted, and whether it is reached."""
    reached = figure.reached(ratio)
    if figure.goal is None or reached is None:
        return "–"
    wanted = f"≥ {figure.goal:g}" if figure.more else f"≤ {figure.goal:.2g}"
    return f"{wanted}: {'reached' if reached else 'not reached'}"


HEADS = ("workload", "figure", "gun.js", "gunnet", "ratio", "goal", "load alone", "load CPU")


def report(workloads: Sequence[Workload], found: dict[str, Found], rounds: int, seconds: float) -> list[str]:
    """The part of the document, without plots."""
    lines = [
        f"Measured {machine()}. Rounds: {rounds}, of {seconds:g} s or more; median (least–most). Relay on "
        f"one processor, load on the other; load average of the machine in the end {load_average()}. "
        "A ratio is gunnet's figure as a multiple of gun.js's in the same round. *Load alone*: what `gunnet "
        "bench` reaches against a relay that does nothing (one that packs more can go beyond it); "
        "*load CPU*: the most that it took beside gunnet.",
        "",
        *document.table(HEADS, [row for each in workloads for row in rows(each, found[each.name])]),
    ]
    for workload in workloads:
        for kind in (GUN_JS, GUNNET):
            errors = [result["errors"] for result in found[workload.name][kind]]
            if any(errors):
                lines += [
                    "",
                    f"Errors of {kind} in {workload.name}, by round: {', '.join(map(str, errors))}.",
                ]
    return lines


def plot(workloads: Sequence[Workload], found: dict[str, Found], folder: Path) -> list[str]:
    """Rates side by side."""
    groups = {}
    for workload in workloads:
        figure = workload.figures[0]
        if figure.name.endswith("/s"):
            groups[workload.name] = {
                "load alone" if kind == "ceiling" else kind: spread([figure.take(each) for each in results])
                for kind, results in found[workload.name].items()
            }
    if not groups:
        return []
    return plots.bars(folder / "performance.svg", "Operations per second", "per second", groups)


def memory(puts: dict[str, int]) -> tuple[list[str], dict[str, plots.Line]]:
    """What relays take in memory while they are put new nodes. @return: the lines, and the curves."""
    table, curves = [], {}
    for kind, count in puts.items():
        with running(kind) as relay:
            arguments = ["put", "--peers", "10", "--outstanding", "100", "--count", str(count)]
            result = measure(relay, *arguments)
        samples = [sample for sample in result["samples"] if sample[2] is not None]
        points = [(float(ended), memory / MIB) for _, ended, memory, _ in samples]
        curves[kind] = points
        curves[f"{kind}, without pages of files"] = [
            (float(ended), (memory - files) / MIB) for _, ended, memory, files in samples
        ]
        say(f"{kind}: {points[-1][1]:.0f} MiB after {count:,} puts, {result['errors']} errors")
        marks = [result["memory_before"] / MIB, *(_at(points, part * count) for part in (0.1, 0.25, 0.5, 1))]
        figures = [*marks, samples[-1][3] / MIB, result["rows"][0]["rate"], result["errors"]]
        table.append([kind, f"{count:,}", *(f"{figure:,.0f}" for figure in figures)])
    heads = (
        "relay",
        "distinct puts",
        "MiB before",
        "at a tenth",
        "a quarter",
        "half",
        "all",
        "of it files",
        "puts/s",
        "errors",
    )
    lines = [f"Measured {machine()}.", "", *document.table(heads, table)]
    return lines, curves


def _at(points: plots.Line, count: float) -> float:
    """The memory when so many were done."""
    return next((mib for ended, mib in points if ended >= count), points[-1][1])


def main() -> None:
    """Measure, print and write."""
    parser = document.parser("compare", __doc__, None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", help="workloads: " + ", ".join(workload.name for workload in WORKLOADS))
    parser.add_argument("--json", type=Path, help="file for all that was found")
    parser.add_argument("--memory", action="store_true", help="instead: memory after many distinct puts")
    parser.add_argument("--puts", type=int, default=1_000_000, help="with --memory: for gunnet")
    parser.add_argument(
        "--puts-gunjs", type=int, default=70_000, help="with --memory: for gun.js; 0 for none"
    )
    options = parser.parse_args()
    raise_file_limit(6_000, say)
    if options.memory:
        _memory(options)
        return
    names = options.only.split(",") if options.only else [workload.name for workload in WORKLOADS]
    if unknown := set(names) - {workload.name for workload in WORKLOADS}:
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    workloads = [workload for workload in WORKLOADS if workload.name in names]
    found = compare(workloads, options.rounds, options.seconds)
    lines = report(workloads, found, options.rounds, options.seconds)
    print("\n".join(lines))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1), "utf-8")
    folder = options.output or (None if options.only else document.DOCS)
    if folder is not None:
        lines += plot(workloads, found, folder)
        document.write(folder, "performance.md", "comparison", "Beside gun.js", lines)


def _memory(options: argparse.Namespace) -> None:
    puts = {GUNNET: options.puts, GUN_JS: options.puts_gunjs}
    lines, curves = memory({kind: count for kind, count in puts.items() if count})
    print("\n".join(lines))
    folder = options.output or document.DOCS
    lines += plots.lines(
        folder / "performance-memory.svg",
        "Resident memory while new nodes are put",
        "puts",
        "MiB",
        curves,
        logarithmic="x",
    )
    document.write(folder, "performance.md", "memory", "Memory", lines)


if __name__ == "__main__":
    main()
