"""
What a measurement found, as data, JSON and a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gunnet.bench.plan import Plan
from gunnet.bench.process import MIB
from gunnet.bench.tally import Tally

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True)
class Row:
    """
    One kind of operations.

    @ivar rate: how many ended per second.
    @ivar milliseconds: latencies: L{PERCENTILES}, the mean and the maximum; empty if nothing counts.
    @ivar errors: refused, or unanswered.
    """

    name: str
    count: int
    rate: float
    milliseconds: dict[str, float]
    errors: int
    unanswered: int
    error_texts: dict[str, int]


@dataclass
class Result:
    """
    All that one measurement found.

    @ivar target: what was measured, C{relay} or C{ceiling}: the null relay.
    @ivar seconds: how long.
    @ivar bytes_in: what all clients received in that time, C{bytes_out} what they sent.
    @ivar load_cpu: processor time of this process per second.
    @ivar lag_p99_ms: by how much messages were sent later than they were due.
    @ivar links_lost: why links were lost.
    @ivar relay_cpu: processor time of the relay per second, if its process is known.
    @ivar memory_before: of the relay, before the first link, in bytes; C{memory_after}, at the end.
    @ivar link_bytes: its memory per link that was opened.
    @ivar idle_cpu: its processor time per second while all links were idle.
    @ivar samples: once a second: time, operations ended, memory of the relay, and what of that are files.
    """

    plan: Plan
    target: str = "relay"
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    load_cpu: float = 0.0
    lag_p99_ms: float | None = None
    links_lost: dict[str, int] = field(default_factory=dict)
    relay_cpu: float | None = None
    memory_before: int | None = None
    memory_after: int | None = None
    link_bytes: float | None = None
    idle_cpu: float | None = None
    samples: list[tuple[float, int, int | None, int | None]] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """All that went wrong."""
        return sum(row.errors for row in self.rows) + sum(self.links_lost.values())

    def json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "errors": self.errors}


def row_of(tally: Tally, seconds: float) -> Row:
    """What came of operations that were counted for so long."""
    milliseconds: dict[str, float] = {}
    for name, part in PERCENTILES.items():
        found = tally.latencies.percentile(part)
        if found is not None:
            milliseconds[name] = round(found * 1000, 4)
    mean = tally.latencies.mean()
    if mean is not None:
        milliseconds |= {"mean": round(mean * 1000, 4), "max": round(tally.latencies.most * 1000, 4)}
    rate = tally.ended_within / seconds if seconds else 0.0
    errors = tally.errors + tally.unanswered
    return Row(tally.name, tally.count, rate, milliseconds, errors, tally.unanswered, tally.error_texts)


_HEADS = ["workload", "count", "per second", *(f"{name} ms" for name in PERCENTILES), "errors"]
_MORE_HEADS = ["MB in", "MB out", "load CPU", "relay CPU", "relay MiB"]


def table(results: Iterable[Result]) -> list[str]:
    """The lines of a Markdown table, with columns of even width."""
    rows = [[*_HEADS, *_MORE_HEADS]]
    notes = []
    for result in results:
        label = "" if result.target == "relay" else f"{result.target}: "
        for at, row in enumerate(result.rows):
            figures = [f"{row.milliseconds[name]:,.3f}" if row.milliseconds else "–" for name in PERCENTILES]
            more = _more(result) if at == 0 else [""] * len(_MORE_HEADS)
            rows.append(
                [label + row.name, f"{row.count:,}", f"{row.rate:,.0f}", *figures, f"{row.errors:,}", *more]
            )
        notes += list(_notes(label, result))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(
        1,
        "|" + "|".join("-" * (width + 1) + ("-" if not at else ":") for at, width in enumerate(widths)) + "|",
    )
    return [*lines, *notes]


def _line(cells: list[str], widths: list[int]) -> str:
    first, *rest = [(cell, width) for cell, width in zip(cells, widths, strict=True)]
    return f"| {first[0].ljust(first[1])} | " + " | ".join(cell.rjust(width) for cell, width in rest) + " |"


def _more(result: Result) -> list[str]:
    memory = "–" if result.memory_after is None else f"{result.memory_after / MIB:,.0f}"
    relay_cpu = "–" if result.relay_cpu is None else f"{100 * result.relay_cpu:.0f} %"
    load_cpu = f"{100 * result.load_cpu:.0f} %"
    return [f"{result.bytes_in / 1e6:,.1f}", f"{result.bytes_out / 1e6:,.1f}", load_cpu, relay_cpu, memory]


def _notes(label: str, result: Result) -> Iterable[str]:
    if result.lag_p99_ms is not None:
        yield f"{label}sent late by at most {result.lag_p99_ms:.3f} ms in 99 of 100 cases"
    if result.link_bytes is not None:
        yield f"{label}{result.link_bytes / 1024:.1f} KiB of the relay's memory per link"
    if result.idle_cpu is not None:
        yield f"{label}{100 * result.idle_cpu:.2f} % of a processor for {result.plan.peers:,} idle links"
    yield from _errors(label, {f"lost: {why}": count for why, count in result.links_lost.items()})
    for row in result.rows:
        unanswered = {"unanswered": row.unanswered} if row.unanswered else {}
        yield from _errors(f"{label}{row.name}: ", {**row.error_texts, **unanswered})


def _errors(label: str, counts: Mapping[str, int]) -> Iterable[str]:
    for text, count in counts.items():
        yield f"{label}{count:,} × {text}"
