"""
C{gunnet bench}: how much a relay does, how fast, and what of it is due to the load itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from random import Random, SystemRandom
from typing import Any, TextIO

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.python.usage import UsageError

from gunnet.bench.files import raise_file_limit
from gunnet.bench.peer import BenchError
from gunnet.bench.plan import KINDS, Plan
from gunnet.bench.result import Result, table
from gunnet.bench.run import Run
from gunnet.settings import SettingsError, websocket_url
from gunnet.usage import OptionsOfOne
from gunnet.wire.ids import id_source

WORKLOADS = ("put", "get", "fan-out", "connect", "mixed", "ceiling")
_URL = "ws://127.0.0.1:8765/gun"


def _real(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise ValueError("it must be 0 or more")
    return value


def _whole(text: str) -> int:
    value = int(text)
    if not 1 <= value < 10**9:
        raise ValueError("it must be 1 or more")
    return value


def _any_whole(text: str) -> int:
    value = int(text)
    if not 0 <= value < 10**9:
        raise ValueError("it must be 0 or more")
    return value


class Options(OptionsOfOne):
    """What C{gunnet bench} understands."""

    synopsis = "Usage: gunnet bench WORKLOAD [options]"
    longdesc = (
        "Puts load on any GUN relay and tells what it did. Workloads: put, get (nodes of --properties), "
        "fan-out (one writer, --subscribers), connect (--peers links), mixed (--kinds), and ceiling: the "
        "first four against a relay that does nothing, for what the load itself can do. Without --rate as "
        "much is asked as the relay answers; with it, so many messages per second are sent whatever becomes "
        "of them, and latency counts from when each was due. The exit status is 1 if anything went wrong."
    )
    optParameters = [
        ["url", "u", _URL, "URL of the relay"],
        [
            "peers",
            "p",
            None,
            "Clients that ask; of connect, links [default: 10; connect 1000; mixed 20]",
            _whole,
        ],
        [
            "outstanding",
            "o",
            None,
            "Per client, messages not answered [default: 20; get 10; fan-out 100]",
            _whole,
        ],
        ["rate", "r", None, "Messages per second of all together [default: as many as possible]", _real],
        ["seconds", "s", 5.0, "How long is measured", _real],
        ["warmup", "w", 1.0, "Seconds before that", _real],
        ["count", "c", None, "Put or get so many instead, however long it takes", _whole],
        ["subscribers", None, 50, "Of fan-out", _whole],
        ["slow-readers", None, 0, "Of fan-out: further subscribers, which read nothing", _any_whole],
        ["idle", None, 5.0, "Of connect: seconds for which the links are left alone", _real],
        ["nodes", None, 1000, "Of get: how many nodes there are; of mixed, members of a set", _whole],
        ["properties", None, None, "Of each node [default: 1; get 5]", _whole],
        ["value-bytes", None, 32, "Of each value", _whole],
        ["name", None, None, "What souls begin with [default: another each time]"],
        ["kinds", None, ",".join(KINDS), "Of mixed"],
        ["seed", None, 0, "For what is random about a workload", _any_whole],
        ["pid", None, None, "Process of the relay on this machine, to tell what it uses", _whole],
        ["json", None, None, "File for the figures as JSON; - is standard output, without the table"],
    ]
    optFlags = [
        ["stored", None, "Get, or put again, any of --nodes that were put before with this --name"],
        [
            "by-acks",
            None,
            "Of fan-out: --outstanding are puts that are not acknowledged, not undelivered ones",
        ],
        ["shared", None, "Of get: each client gets any of the nodes, not only its own"],
        ["ceiling", None, "Measure the same against a relay that does nothing, too"],
        ["only-ceiling", None, "Measure it against that only"],
        ["progress", None, "Tell each second how far it is, although standard error is no terminal"],
    ]

    def parseArgs(self, *names: str) -> None:
        """Take the workload."""
        if len(names) != 1 or names[0] not in WORKLOADS:
            raise UsageError(f"one workload is wanted: {', '.join(WORKLOADS)}")
        self["workload"] = names[0]

    def postOptions(self) -> None:
        """Check the rest."""
        try:
            websocket_url(self["url"])
        except SettingsError as e:
            raise UsageError(str(e)) from e
        self["kinds"] = tuple(self["kinds"].split(","))
        if unknown := set(self["kinds"]) - set(KINDS):
            raise UsageError(f"--kinds: {', '.join(sorted(unknown))} is not known")
        if self["rate"] is not None and self["rate"] <= 0:
            raise UsageError("--rate must be above 0")
        if self["stored"] and self["name"] is None:
            raise UsageError("--stored needs the --name with which they were put")

    def plan(self, workload: str, name: str) -> Plan:
        """
        What is asked for.

        @param name: what souls begin with, unless that was said.
        """
        defaults = {"put": (10, 20, 1), "get": (10, 10, 5), "fan-out": (1, 100, 1), "connect": (1000, 50, 1)}
        peers, outstanding, properties = defaults.get(workload, (20, 5, 1))
        return Plan(
            workload,
            self["url"],
            peers=self["peers"] or peers,
            outstanding=self["outstanding"] or outstanding,
            rate=self["rate"],
            seconds=self["seconds"],
            warmup_seconds=self["warmup"],
            count=self["count"],
            subscribers=self["subscribers"],
            by_acks=bool(self["by-acks"]),
            slow_readers=self["slow-readers"],
            idle_seconds=self["idle"],
            name=self["name"] or name,
            nodes=self["nodes"],
            stored=bool(self["stored"]),
            shared=bool(self["shared"]),
            properties=self["properties"] or properties,
            value_bytes=max(9, self["value-bytes"]),
            kinds=self["kinds"],
            seed=self["seed"],
            pid=self["pid"],
        )


class Progress:
    """Lines on how far it is, over one another on a terminal."""

    def __init__(self, out: TextIO, *, wanted: bool) -> None:
        self._out = out
        self._over = out.isatty()
        self._wanted = wanted or self._over
        self._width = 0

    def __call__(self, line: str) -> None:
        """Show a line."""
        if self._over:
            self._out.write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif self._wanted:
            self._out.write(line + "\n")
        self._out.flush()

    def clear(self) -> None:
        """Take it away."""
        if self._over and self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._width = 0


@contextmanager
def null_relay(properties: int) -> Iterator[tuple[str, int]]:
    """Run a null relay. @return: its URL, and its process."""
    command = [sys.executable, "-m", "gunnet.bench.null_relay", str(properties)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        _give_cores(child.pid)
        line = child.stdout.readline()
        if not line.strip():
            raise BenchError("the null relay did not start")
        yield f"ws://127.0.0.1:{int(line)}/gun", child.pid
    finally:
        child.stdin.close()
        child.stdout.close()
        child.wait(10)


def _give_cores(pid: int) -> None:
    """Where this process is kept to some processors, another one gets the rest."""
    if hasattr(os, "sched_setaffinity"):
        rest = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
        if rest:
            with suppress(OSError):
                os.sched_setaffinity(pid, rest)


async def measure(
    plans: Sequence[Plan], ceiling: str, reactor: Any, random: Random, progress: Callable[[str], None]
) -> list[Result]:
    """
    Measure one after the other.

    @param ceiling: C{no}, against the relay only; C{too}, or C{only} against the null relay.
    """
    results = []
    for plan in plans:
        if ceiling != "no":
            with null_relay(0 if plan.workload == "mixed" else plan.properties) as (url, pid):
                result = await Run(
                    replace(plan, url=url, pid=pid, stored=True), reactor, random, progress=progress
                ).run()
            result.target = "ceiling"
            results.append(result)
        if ceiling != "only":
            results.append(await Run(plan, reactor, random, progress=progress).run())
    return results


def main(arguments: Sequence[str]) -> int:
    """
    Run the command.

    @return: the exit status.
    @raise UsageError: there is a mistake in the arguments.
    """
    options = Options()
    options.parseOptions(arguments)
    random = SystemRandom()
    name = "bench-" + id_source(random)()
    only = options["workload"] == "ceiling"
    names = ("put", "get", "fan-out", "connect") if only else (options["workload"],)
    ceiling = "only" if only or options["only-ceiling"] else "too" if options["ceiling"] else "no"
    progress = Progress(sys.stderr, wanted=bool(options["progress"]))
    plans = [options.plan(workload, name) for workload in names]
    try:
        raise_file_limit(max(_links_of(plan) for plan in plans) + 100, progress)
    except BenchError as e:
        raise UsageError(str(e)) from e
    results: list[Result] = []
    errors: list[str] = ["interrupted"]

    def begin(reactor: Any) -> Deferred[None]:
        measuring = Deferred.fromCoroutine(measure(plans, ceiling, reactor, random, progress))
        return measuring.addCallbacks(succeeded, failed)

    def succeeded(found: list[Result]) -> None:
        results.extend(found)
        errors.clear()

    def failed(failure: Any) -> None:
        if failure.check(BenchError) is None:
            failure.printTraceback()
        errors[:] = [failure.getErrorMessage()]

    with suppress(SystemExit):
        react(begin, ())
    progress.clear()
    if errors:
        print(f"gunnet: {' '.join(errors[0].split())}", file=sys.stderr)
        return 1
    _print(results, options["json"])
    return 1 if any(result.errors for result in results) else 0


def _links_of(plan: Plan) -> int:
    return 1 + plan.subscribers + plan.slow_readers if plan.workload == "fan-out" else plan.peers


def _print(results: Sequence[Result], file: str | None) -> None:
    text = json.dumps([result.json() for result in results], indent=1)
    if file == "-":
        print(text)
        return
    if file is not None:
        with open(file, "w", encoding="utf-8") as out:
            out.write(text + "\n")
    print("\n".join(table(results)))
