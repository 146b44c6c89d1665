"""
C{gunnet simulate}: runs seeds and tells which fail.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from typing import TextIO

from twisted.python.usage import UsageError

from gunnet.simulate.experiment import SHAPES
from gunnet.simulate.experiment import main as experiment
from gunnet.simulate.invariants import RATIO_MAX
from gunnet.simulate.scenario import FAULTS, TOPOLOGIES
from gunnet.simulate.simulation import Outcome, run
from gunnet.usage import Options


class SimulateOptions(Options):
    """What it understands."""

    synopsis = "Usage: gunnet simulate [options]"
    longdesc = (
        "Runs meshes of relays and clients on a virtual clock, with a network and faults that are drawn from "
        "seeds, and checks what must be true at the end of each. Ends with status 1 if anything is not."
    )
    optParameters = [
        ["seeds", "s", "0:500", "Which: one seed, or the first and the one after the last (0:500)."],
        ["jobs", "j", 1, "How many processes share the work.", int],
        ["topology", "t", None, f"Take this shape for all: {', '.join(TOPOLOGIES)}."],
        ["faults", "f", None, f"Have this go wrong in all, comma separated: {', '.join(FAULTS)}; or none."],
        ["large", None, None, "Instead: RELAYS:CLIENTS:PUTS in a large mesh, counted (docs/simulation.md)."],
        ["shapes", None, ",".join(SHAPES), "With --large: which shapes, comma separated."],
        ["output", "o", None, "With --large: the folder for the table and the plot."],
    ]
    optFlags = [["trace", None, "Print every frame of each run, and what happens."]]

    def postOptions(self) -> None:
        """Read what was given."""
        try:
            first, colon, end = str(self["seeds"]).partition(":")
            self["seeds"] = range(int(first), int(end) if colon else int(first) + 1)
        except ValueError:
            raise UsageError(f"--seeds {self['seeds']!r} is no range of numbers") from None
        if self["jobs"] < 1:
            raise UsageError("--jobs must be 1 or more")
        if self["topology"] is not None and self["topology"] not in TOPOLOGIES:
            raise UsageError(f"--topology {self['topology']!r} is not known")
        if self["faults"] is not None:
            self["faults"] = [] if self["faults"] == "none" else self["faults"].split(",")
            for fault in self["faults"]:
                if fault not in FAULTS:
                    raise UsageError(f"--faults {fault!r} is not known")
        self["shapes"] = self["shapes"].split(",")
        for shape in self["shapes"]:
            if shape not in SHAPES:
                raise UsageError(f"--shapes {shape!r} is not known")
        if self["large"] is not None:
            try:
                self["large"] = tuple(map(int, self["large"].split(":")))
            except ValueError:
                raise UsageError(f"--large {self['large']!r} is not RELAYS:CLIENTS:PUTS") from None
            if len(self["large"]) != 3 or min(self["large"]) < 1:
                raise UsageError(f"--large {self['large']!r} is not RELAYS:CLIENTS:PUTS")


class Summary:
    """Figures of many runs."""

    def __init__(self) -> None:
        self._runs: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._invariants: Counter[str] = Counter()
        self._frames = 0
        self._all = 0
        self._first = 0

    @property
    def failed(self) -> bool:
        """Whether anything was not as it must be."""
        return bool(self._invariants) or self._all > RATIO_MAX * self._first

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        topology = outcome.scenario.topology
        self._runs[topology] += 1
        self._frames += outcome.frames
        if outcome.scenario.faults:
            self._all += outcome.crossings[0]
            self._first += outcome.crossings[1]
        if outcome.breaches:
            self._failed[topology] += 1
        for breach in outcome.breaches:
            self._invariants[breach.invariant] += 1

    def lines(self) -> Iterator[str]:
        """A Markdown table, and a few lines."""
        yield "| topology | seeds | failed |"
        yield "|---|---|---|"
        for topology, times in sorted(self._runs.items()):
            yield f"| {topology} | {times} | {self._failed[topology]} |"
        yield f"| all | {sum(self._runs.values())} | {sum(self._failed.values())} |"
        yield ""
        if self._first:
            ratio = self._all / self._first
            yield f"{self._frames} frames; with faults, each value crossed a link {ratio:.3f} times."
        for invariant, times in self._invariants.most_common():
            yield f"broken: {invariant}, in {times} runs"


def main(arguments: Sequence[str]) -> int:
    """
    Run the command.

    @return: the exit status.
    """
    options = SimulateOptions()
    options.parseOptions(list(arguments))
    if options["large"] is not None:
        relays, clients, puts = options["large"]
        jobs, folder = options["jobs"], options["output"]
        return experiment(
            relays, clients, puts, shapes=options["shapes"], jobs=jobs, folder=folder, out=sys.stdout
        )
    summary = Summary()
    for outcome in _outcomes(options):
        summary.add(outcome)
        if outcome.breaches:
            print(outcome, flush=True)
    for line in summary.lines():
        print(line)
    return 1 if summary.failed else 0


def _outcomes(options: SimulateOptions) -> Iterator[Outcome]:
    trace: TextIO | None = sys.stdout if options["trace"] else None
    one = partial(run, topology=options["topology"], faults=options["faults"])
    if options["jobs"] == 1 or trace is not None:
        for seed in options["seeds"]:
            yield one(seed, trace=trace)
        return
    with get_context("spawn").Pool(options["jobs"]) as pool:
        yield from pool.imap(one, options["seeds"], chunksize=10)
