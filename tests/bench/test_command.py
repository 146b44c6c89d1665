"""
Tests for L{gunnet.bench.command}, and for what it prints.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from gunnet import cli
from gunnet.bench import command, files
from gunnet.bench.command import Options, Progress
from gunnet.bench.peer import BenchError
from gunnet.bench.plan import Plan
from gunnet.bench.process import Usage, usage_of
from gunnet.bench.result import Result, Row, table


def result(target: str = "relay") -> Result:
    """One that has everything."""
    milliseconds = {"p50": 1.0, "p90": 2.0, "p99": 3.5, "p99.9": 1234.5}
    row = Row("put", 12_345, 1_234.5, milliseconds, 3, 1, {"disk full": 2})
    empty = Row("other", 0, 0.0, {}, 0, 0, {})
    return Result(
        Plan("put", "ws://x/gun"),
        target=target,
        rows=[row, empty],
        seconds=10.0,
        bytes_in=5_000_000,
        load_cpu=0.25,
        lag_p99_ms=0.5,
        links_lost={"lost": 2},
        relay_cpu=0.99,
        memory_before=1 << 20,
        memory_after=1 << 27,
        link_bytes=2048.0,
        idle_cpu=0.01,
        samples=[(1.0, 100, 1 << 20, 1 << 19)],
    )


class OptionsTests(SynchronousTestCase):
    """The command line."""

    def parse(self, *arguments: str) -> Options:
        """Parse it."""
        options = Options()
        options.parseOptions(arguments)
        return options

    def test_plan(self) -> None:
        """Each workload has defaults of its own; the name may stand before or behind."""
        plan = self.parse("put").plan("put", "n")
        self.assertEqual((plan.peers, plan.outstanding, plan.properties, plan.rate), (10, 20, 1, None))
        plan = self.parse("--rate", "5.5", "--peers", "3", "get").plan("get", "n")
        self.assertEqual((plan.peers, plan.outstanding, plan.properties, plan.rate), (3, 10, 5, 5.5))

    def test_mistakes(self) -> None:
        """Are told."""
        for arguments in (
            [],
            ["bogus"],
            ["put", "get"],
            ["put", "--url", "ftp://x"],
            ["put", "--rate", "0"],
            ["put", "--peers", "x"],
            ["mixed", "--kinds", "chat,bogus"],
            ["get", "--stored"],
        ):
            self.assertRaises(UsageError, self.parse, *arguments)

    def test_through_the_command(self) -> None:
        """And in one line, with status 2."""
        err = io.StringIO()
        self.patch(sys, "stderr", err)
        self.assertEqual(cli.main(["bench", "bogus"]), 2)
        self.assertEqual(err.getvalue().count("\n"), 1)


class ShownTests(SynchronousTestCase):
    """What is printed."""

    def test_table(self) -> None:
        """A line for each kind, and notes."""
        lines = table([result("ceiling"), result()])
        self.assertEqual(len({len(line) for line in lines[:6]}), 1, "even columns")
        self.assertIn("| ceiling: put ", lines[2])
        for text in ("12,345", "1,234 |", "3.500", "99 %", "128 |", "25 %", "5.0"):
            self.assertIn(text, lines[4])
        notes = "\n".join(lines[6:])
        for text in ("2 × disk full", "1 × unanswered", "2.0 KiB", "1.00 %", "lost: lost", "ceiling: put: "):
            self.assertIn(text, notes)

    def test_json(self) -> None:
        """The same as JSON, to a file with the table, or without it to standard output."""
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        command._print([result()], "-")
        [found] = json.loads(out.getvalue())
        self.assertEqual(
            (found["rows"][0]["count"], found["errors"], found["plan"]["workload"]), (12_345, 5, "put")
        )
        path = self.mktemp()
        command._print([result()], path)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.load(file), [found])
        self.assertIn("| workload", out.getvalue())

    def test_progress(self) -> None:
        """Over one another on a terminal; line by line if wanted; otherwise not at all."""
        terminal = io.StringIO()
        terminal.isatty = lambda: True  # type: ignore[method-assign]
        progress = Progress(terminal, wanted=False)
        progress("long line")
        progress("short")
        progress.clear()
        self.assertEqual(terminal.getvalue(), "\rlong line\rshort    \r     \r")
        for wanted, expected in ((True, "a\nb\n"), (False, "")):
            file = io.StringIO()
            progress = Progress(file, wanted=wanted)
            progress("a")
            progress("b")
            progress.clear()
            self.assertEqual(file.getvalue(), expected)


class ProcessTests(SynchronousTestCase):
    """What a process uses, and may use."""

    def test_usage(self) -> None:
        """As C{/proc} tells it, whatever the program is called."""
        proc = self.mktemp()
        os.makedirs(os.path.join(proc, "7"))
        ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        fields = ["0"] * 50
        fields[11], fields[12] = str(2 * ticks), str(ticks)
        with open(os.path.join(proc, "7", "stat"), "w", encoding="utf-8") as file:
            file.write(f"7 (a ) b) {' '.join(fields)}\n")
        with open(os.path.join(proc, "7", "statm"), "w", encoding="utf-8") as file:
            file.write("100 25 5 0 0 0 0\n")
        self.assertEqual(usage_of(7, proc), Usage(3.0, 25 * page, 5 * page))
        self.assertIsNone(usage_of(8, proc))

    def test_files(self) -> None:
        """The limit is raised, and that is said; or it is told that it can't be."""
        limits = [(100, 1_000)]
        self.patch(resource, "getrlimit", lambda _: limits[-1])
        self.patch(resource, "setrlimit", lambda _, pair: limits.append(pair))
        said: list[str] = []
        files.raise_file_limit(50, said.append)
        self.assertEqual((len(limits), said), (1, []))
        files.raise_file_limit(500, said.append)
        self.assertEqual((limits[-1], len(said)), ((1_000, 1_000), 1))
        self.assertRaises(BenchError, files.raise_file_limit, 5_000, said.append)
