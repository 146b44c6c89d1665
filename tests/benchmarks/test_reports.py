"""
Tests for what is made of what benchmarks find. Nothing is measured here.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import document, soak
from benchmarks.compare import rows, shown
from benchmarks.goals import WORKLOADS, Figure
from gunnet.bench.command import Options


class DocumentTests(SynchronousTestCase):
    """Parts of a document."""

    def test_write(self) -> None:
        """A part is written anew, and what is around it stays."""
        folder = Path(self.mktemp())
        document.write(folder, "x.md", "a", "First", ["one \\1"])
        document.write(folder, "x.md", "b", "Second", ["two"])
        path = folder / "x.md"
        path.write_text(path.read_text().replace("## Second", "By hand.\n\n## Second"))
        before = path.read_text()
        document.write(folder, "x.md", "a", "First", ["three"])
        self.assertEqual(path.read_text(), before.replace("one \\1", "three"))
        for text in ("# Performance", "## First", "## Second", "By hand.", "two"):
            self.assertIn(text, before)

    def test_parts_are_there(self) -> None:
        """What is in the checkout has the marks of each, in places chosen by hand."""
        text = (document.DOCS / "performance.md").read_text("utf-8")
        for part in ("comparison", "memory", "growth", "soak", "slow reader"):
            self.assertIn(f"<!-- {part}: written by the benchmark -->", text)
            self.assertIn(f"<!-- {part}: end -->", text)

    def test_short(self) -> None:
        """Three figures that count."""
        found = [document.short(value) for value in (0.01234, 1.234, 12.34, 1234.5, 0)]
        self.assertEqual(found, ["0.0123", "1.23", "12.3", "1,234", "0"])


class CompareTests(SynchronousTestCase):
    """The table."""

    def result(self, rate: float, p50: float) -> dict[str, Any]:
        """What C{gunnet bench} says."""
        return {"rows": [{"rate": rate, "milliseconds": {"p50": p50}}], "load_cpu": 0.5, "errors": 0}

    def test_rows(self) -> None:
        """Ratios are round by round, and reach their goal or not."""
        found = {
            "gun.js": [self.result(100, 300), self.result(200, 100)],
            "gunnet": [self.result(4_000, 3), self.result(5_000, 9)],
            "ceiling": [self.result(90_000, 1)],
        }
        first, second = rows(WORKLOADS[0], found)
        self.assertEqual(first[2:5], ["150 (100–200)", "4,500 (4,000–5,000)", "**32.5 (25.0–40.0)**"])
        self.assertEqual(first[5:], ["≥ 30: reached", "90,000", "50 %"])
        self.assertIn("not reached", second[5])

    def test_nothing(self) -> None:
        """Two that can't be told from nothing are equal."""
        figure = Figure("CPU", lambda result: 0.0, 0.5, more=False, least=0.05)
        self.assertEqual(figure.ratio(0.0, 0.01), 1.0)
        self.assertEqual(figure.reached(0.4), True)
        self.assertEqual(shown([1.0]), "1")

    def test_arguments(self) -> None:
        """Each workload is one that the command understands."""
        for workload in WORKLOADS:
            options = Options()
            options.parseOptions(list(workload.arguments))
            self.assertEqual(options.plan(options["workload"], "n").workload, workload.arguments[0])


class SoakTests(SynchronousTestCase):
    """Drift."""

    def test_report(self) -> None:
        """Medians of two windows are compared; less memory is no fault."""
        self.patch(soak, "machine", lambda: "here")
        found: Any = SimpleNamespace(runs=3, operations=1_000, errors=0)
        found.samples = [(minute / 10, 100 + minute / 50, 80 - minute / 50) for minute in range(301)]
        lines = soak.report(found, 30, 5, 2)
        self.assertIn("| resident memory | 101.2 | 105.8 | +4.5 % | reached |", lines)
        self.assertTrue(any("without pages of files" in line and "reached" in line for line in lines))
        found.samples = [(minute / 10, 100 + minute, 80.0) for minute in range(301)]
        self.assertIn("not reached", "".join(soak.report(found, 30, 5, 2)))
