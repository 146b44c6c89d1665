"""
One measurement from its first link to its last.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from time import perf_counter, process_time
from typing import Any

from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater

from gunnet.bench.kinds import kinds
from gunnet.bench.links import Links
from gunnet.bench.load import Pace
from gunnet.bench.mixed import Mixed
from gunnet.bench.plan import Plan
from gunnet.bench.process import Usage, usage_of
from gunnet.bench.result import Result, row_of
from gunnet.bench.sources import Ids
from gunnet.bench.tally import Tally
from gunnet.bench.tools import SILENCE_SECONDS_MAX, Tools
from gunnet.bench.workloads import Asking, FanningOut, Workload
from gunnet.transport.dialer import endpoint_of

WORKLOADS: dict[str, Callable[[Tools], Workload]] = {
    "put": Asking,
    "get": Asking,
    "fan-out": FanningOut,
    "mixed": lambda tools: Mixed(tools, kinds(tools.plan.kinds, tools)),
}
"""What can be driven, by its name; C{connect} is apart."""

TICK_SECONDS = 0.05
SAMPLE_SECONDS = 1.0

Progress = Callable[[str], None]


class Run:
    """
    Measures.
    """

    def __init__(
        self,
        plan: Plan,
        reactor: Any,
        random: Random,
        *,
        progress: Progress,
        endpoint: IStreamClientEndpoint | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """
        @param random: for ids and names, which must not be those of an earlier run.
        @param progress: called with a line, once a second.
        @param endpoint: where the relay is, if not at the URL of the plan.
        @param clock: seconds that never go back.
        """
        self.plan = plan
        self.result = Result(plan)
        self._reactor = reactor
        self._progress = progress
        self._clock = clock
        self._links = Links(plan.url, endpoint or endpoint_of(plan.url, reactor), reactor, random, clock)
        self._tools = Tools(plan, reactor, self._links, Random(plan.seed), Ids(random), clock)

    async def run(self) -> Result:
        """
        Do it.

        @raise BenchError: it can't be measured.
        """
        before = self._usage()
        self.result.memory_before = _memory(before)
        try:
            if self.plan.workload == "connect":
                await self._connect()
            else:
                await self._drive(WORKLOADS[self.plan.workload](self._tools))
        finally:
            after = self._usage()
            self.result.memory_after = _memory(after)
            self.result.links_lost = dict(self._links.lost)
            self._links.close()
        return self.result

    async def _connect(self) -> None:
        plan, tally = self.plan, Tally("connect", at_rate=False)
        with self._measured([tally]):
            await self._links.open(plan.peers, plan.outstanding, tally)
        if plan.idle_seconds <= 0:
            return
        await deferLater(self._reactor, min(1.0, plan.idle_seconds))  # what it had to do because of them
        begun, before = self._clock(), self._usage()
        await deferLater(self._reactor, plan.idle_seconds)
        after, took = self._usage(), self._clock() - begun
        if before is not None and after is not None and self.result.memory_before is not None:
            self.result.idle_cpu = (after.cpu_seconds - before.cpu_seconds) / took
            self.result.link_bytes = (after.memory_bytes - self.result.memory_before) / plan.peers

    async def _drive(self, workload: Workload) -> None:
        plan = self.plan
        load = await workload.prepare()
        pace = None if plan.rate is None else Pace(load, plan.rate, self._reactor, self._clock)
        if plan.count is not None:  # all of them count
            with self._measured(workload.tallies):
                self._begin(load.begin, pace)
                await self._until_all(workload)
        else:
            self._begin(load.begin, pace)
            await deferLater(self._reactor, plan.warmup_seconds)
            with self._measured(workload.tallies):
                await self._until_time(workload)
        load.stop()
        if pace is not None:
            pace.stop()
            lag = pace.lag.percentile(0.99)
            self.result.lag_p99_ms = lag and lag * 1000
        late = self._clock() + plan.drain_seconds
        while workload.under_way() and self._clock() < late:
            await deferLater(self._reactor, TICK_SECONDS)
        workload.give_up()
        self.result.rows = [row_of(tally, self.result.seconds) for tally in workload.tallies]

    def _begin(self, begin: Callable[[int], None], pace: Pace | None) -> None:
        if pace is None:
            begin(self.plan.outstanding)
        else:
            pace.start()

    async def _until_time(self, workload: Workload) -> None:
        begun = sampled = self._clock()
        end = begun + self.plan.seconds
        while (now := self._clock()) < end:
            if now - sampled >= SAMPLE_SECONDS:
                sampled = now
                self._sample(workload, now - begun)
            await deferLater(self._reactor, min(TICK_SECONDS, end - now))
        self._sample(workload, self._clock() - begun)

    async def _until_all(self, workload: Workload) -> None:
        begun = sampled = heard = self._clock()
        ended = 0
        while ended < (self.plan.count or 0):
            await deferLater(self._reactor, TICK_SECONDS)
            now = self._clock()
            if now - sampled >= SAMPLE_SECONDS:
                sampled = now
                self._sample(workload, now - begun)
            tally = workload.tallies[0]
            if tally.ended + tally.errors > ended:
                ended, heard = tally.ended + tally.errors, now
            elif now - heard > SILENCE_SECONDS_MAX:
                break
        self._sample(workload, self._clock() - begun)

    def _sample(self, workload: Workload, seconds: float) -> None:
        workload.look()
        usage, tally = self._usage(), workload.tallies[0]
        samples = self.result.samples
        at, ended = samples[-1][:2] if samples else (0.0, 0)
        samples.append(
            (round(seconds, 3), tally.ended, _memory(usage), None if usage is None else usage.file_bytes)
        )
        rate = (tally.ended - ended) / (seconds - at) if len(samples) > 1 and seconds > at else 0.0
        errors = sum(each.errors for each in workload.tallies) + sum(self._links.lost.values())
        figures = f"{rate:,.0f}/s" if rate else f"{tally.ended:,}"
        median = tally.latencies.percentile(0.5)
        wait = "" if median is None else f", p50 {median * 1000:,.2f} ms"
        memory = "" if usage is None else f", relay {usage.memory_bytes >> 20:,} MiB"
        self._progress(f"{tally.name}: {seconds:.0f} s, {figures}{wait}{memory}, {errors} errors")

    @contextmanager
    def _measured(self, tallies: list[Tally]) -> Iterator[None]:
        """What is inside is measured."""
        gc.collect()
        gc.freeze()  # what is there is not looked at again and again; what is measured makes no cycles
        result, links = self.result, self._links
        begun, cpu, relay = self._clock(), process_time(), self._usage()
        bytes_in, bytes_out = links.bytes_in, links.bytes_out
        for tally in tallies:
            tally.begin(begun)
        try:
            yield
        finally:
            ended = self._clock()
            for tally in tallies:
                tally.end(ended)
            gc.unfreeze()
        after = self._usage()
        result.seconds = ended - begun
        result.load_cpu = (process_time() - cpu) / result.seconds
        result.bytes_in, result.bytes_out = links.bytes_in - bytes_in, links.bytes_out - bytes_out
        if relay is not None and after is not None:
            result.relay_cpu = (after.cpu_seconds - relay.cpu_seconds) / result.seconds
        result.rows = [row_of(tally, result.seconds) for tally in tallies]

    def _usage(self) -> Usage | None:
        return None if self.plan.pid is None else usage_of(self.plan.pid)


def _memory(usage: Usage | None) -> int | None:
    return None if usage is None else usage.memory_bytes
