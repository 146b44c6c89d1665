"""
What is compared: workloads, what is taken from each, and what is wanted of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.load import Result, milliseconds, rate


@dataclass(frozen=True)
class Figure:
    """
    One number that a workload gives.

    @ivar goal: gunnet's, as a multiple of gun.js's; L{None} if there is none.
    @ivar more: whether more is better.
    @ivar least: less than this can't be told from nothing.
    """

    name: str
    take: Callable[[Result], float]
    goal: float | None = None
    more: bool = True
    least: float = 0.0

    def ratio(self, ours: float, theirs: float) -> float:
        """Ours as a multiple of theirs."""
        return max(ours, self.least) / max(theirs, self.least, 1e-9)

    def reached(self, ratio: float) -> bool | None:
        """Whether that is what is wanted; L{None} if nothing is."""
        if self.goal is None:
            return None
        return ratio >= self.goal if self.more else ratio <= self.goal


@dataclass(frozen=True)
class Workload:
    """
    @ivar arguments: of C{gunnet bench}.
    @ivar seconds: how long is measured, as a multiple of what is usual, and C{warmup} likewise.
    @ivar has_ceiling: whether it says anything to run it against a relay that does nothing.
    """

    name: str
    title: str
    arguments: tuple[str, ...]
    figures: tuple[Figure, ...]
    seconds: float = 1.0
    warmup: float = 1.0
    has_ceiling: bool = True


def _cpu(result: Result) -> float:
    return 100 * float(result["relay_cpu"])


def _idle_cpu(result: Result) -> float:
    return 100 * float(result["idle_cpu"])


def _per_link(result: Result) -> float:
    return float(result["link_bytes"]) / 1024


p50, p99 = partial(milliseconds, name="p50"), partial(milliseconds, name="p99")

WORKLOADS = (
    Workload(
        "puts-200",
        "puts, 10 peers × 20 outstanding",
        ("put", "--peers", "10", "--outstanding", "20"),
        (Figure("acks/s", rate, 30), Figure("p50 of an ack, ms", p50, 1 / 30, more=False)),
    ),
    Workload(
        "puts-10000",
        "puts, 10 peers × 1,000 outstanding",
        ("put", "--peers", "10", "--outstanding", "1000"),
        (Figure("acks/s", rate, 10), Figure("p50 of an ack, ms", p50, more=False)),
        seconds=4.0,  # gun.js acknowledges all 10,000 at once, about once a second
        warmup=3.0,
    ),
    Workload(
        "gets",
        "gets of 5 properties, 10 peers × 10 outstanding, each its own nodes",
        ("get", "--peers", "10", "--outstanding", "10", "--properties", "5"),
        (Figure("gets/s", rate, 10), Figure("p50, ms", p50, more=False)),
    ),
    Workload(
        "gets-shared",
        "the same, all peers the same nodes",
        ("get", "--peers", "10", "--outstanding", "10", "--properties", "5", "--shared"),
        (Figure("gets/s", rate, 10), Figure("p50, ms", p50, more=False)),
    ),
    Workload(
        "fan-out-50",
        "1 writer → 50 subscribers, 200 puts not acknowledged",
        ("fan-out", "--subscribers", "50", "--outstanding", "200", "--by-acks"),
        (Figure("deliveries/s", rate, 10),),
    ),
    Workload(
        "fan-out-500",
        "1 writer → 500 subscribers, 200 puts not acknowledged",
        ("fan-out", "--subscribers", "500", "--outstanding", "200", "--by-acks"),
        (Figure("deliveries/s", rate, 10),),
    ),
    Workload(
        "fan-out-50-full",
        "1 writer → 50, 100 puts not delivered",
        ("fan-out", "--subscribers", "50"),
        (Figure("deliveries/s", rate, 10),),
    ),
    Workload(
        "fan-out-500-full",
        "1 writer → 500, 100 puts not delivered",
        ("fan-out", "--subscribers", "500"),
        (Figure("deliveries/s", rate, 10),),
    ),
    Workload(
        "fan-out-50-equal",
        "1 writer → 50, 300 puts/s",
        ("fan-out", "--subscribers", "50", "--rate", "300"),
        (Figure("p99 of a delivery, ms", p99, 1 / 3, more=False), Figure("p50, ms", p50, more=False)),
    ),
    Workload(
        "fan-out-500-equal",
        "1 writer → 500, 30 puts/s",
        ("fan-out", "--subscribers", "500", "--rate", "30"),
        (Figure("p99 of a delivery, ms", p99, 1 / 3, more=False), Figure("p50, ms", p50, more=False)),
    ),
    Workload(
        "idle",
        "1,000 idle connections",
        ("connect", "--peers", "1000", "--idle", "20"),  # relays say something every 20 s
        (Figure("CPU, %", _idle_cpu, 0.5, more=False, least=0.05),),
        has_ceiling=False,
    ),
    Workload(
        "links",
        "5,000 idle connections",  # fewer may fit into what Node has in reserve
        ("connect", "--peers", "5000", "--idle", "3"),
        (Figure("KiB per connection", _per_link, 0.5, more=False, least=0.1),),
        has_ceiling=False,
    ),
    Workload(
        "puts-at-100",
        "100 puts/s, 10 peers",
        ("put", "--peers", "10", "--rate", "100"),
        (Figure("CPU, %", _cpu, 0.5, more=False, least=0.05), Figure("p50 of an ack, ms", p50, more=False)),
        seconds=2.0,
        has_ceiling=False,
    ),
)
"""In the order of the table; gun.js gets a load at equal load that it can bear."""
