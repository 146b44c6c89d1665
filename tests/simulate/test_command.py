"""
Tests for L{gunnet.simulate.command} and L{gunnet.simulate.experiment}.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from xml.etree import ElementTree

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from gunnet.mesh.axe import Updates
from gunnet.simulate.command import SimulateOptions, main
from gunnet.simulate.experiment import SHAPES, Experiment, chart, table
from gunnet.simulate.plot import bars


class OptionsTests(SynchronousTestCase):
    """What can be given."""

    def given(self, *arguments: str) -> SimulateOptions:
        """Parse them."""
        options = SimulateOptions()
        options.parseOptions(list(arguments))
        return options

    def test_good(self) -> None:
        """Seeds, faults and sizes are read."""
        self.assertEqual(self.given()["seeds"], range(500))
        self.assertEqual(self.given("--seeds", "7")["seeds"], range(7, 8))
        self.assertEqual(self.given("--faults", "none")["faults"], [])
        self.assertEqual(self.given("--faults", "crash,wipe")["faults"], ["crash", "wipe"])
        self.assertEqual(self.given("--large", "3:4:5")["large"], (3, 4, 5))

    def test_bad(self) -> None:
        """What is wrong is named."""
        for option, value in (
            *(("--seeds", "x"), ("--jobs", "0"), ("--topology", "knot"), ("--faults", "fire")),
            *(("--large", "1:2"), ("--large", "0:1:1"), ("--shapes", "knot")),
        ):
            error = self.assertRaises(UsageError, self.given, option, value)
            self.assertIn(option, str(error))


class RunTests(SynchronousTestCase):
    """What is printed."""

    def printed(self, *arguments: str) -> tuple[int, str]:
        """(exit status, output)."""
        out = io.StringIO()
        with redirect_stdout(out):
            status = main(arguments)
        return status, out.getvalue()

    def test_good_seeds(self) -> None:
        """A table, and status 0."""
        status, text = self.printed("--seeds", "0:4", "--topology", "pair", "--faults", "none")
        self.assertEqual(status, 0, text)
        self.assertIn("| pair | 4 | 0 |", text)
        self.assertIn("| all | 4 | 0 |", text)

    def test_bad_seed(self) -> None:
        """A line for each seed that fails, what failed in all, and status 1."""
        self.patch(Updates, "note", lambda *_: None)
        status, text = self.printed("--seeds", "0:4", "--topology", "pair", "--faults", "none")
        self.assertEqual(status, 1)
        self.assertIn("Again: gunnet simulate --seeds 1 --topology pair --faults none --trace", text)
        self.assertIn("broken: subscribers know, in ", text)

    def test_trace(self) -> None:
        """Each frame has a line, and so has what the scenario does."""
        _, text = self.printed("--seeds", "1", "--topology", "pair", "--trace")
        self.assertIn("relay0>relay1 {", text)
        self.assertIn(" ** put ", text)


class ExperimentTests(SynchronousTestCase):
    """The large run, small."""

    def test_counts(self) -> None:
        """In each shape, ours lies between flooding and the least, and nobody misses anything."""
        figures = [Experiment(shape, 12, 60).run(10) for shape in SHAPES]
        for each in figures:
            self.assertEqual(each.missed, 0, each.shape)
            self.assertLess(each.client, each.client_flood / 2)
            self.assertLessEqual(each.client, each.client_least)
            self.assertGreater(each.client, 0.5 * each.client_least)
            self.assertLessEqual(each.relay, each.relay_flood)
            self.assertGreaterEqual(each.relay_flood, each.relay_least)
        [tree, *_] = figures
        self.assertEqual((tree.links, tree.relay_flood), (11, 11))
        self.assertIn("| relay to client: flooding | 59 | 59 | 59 |", list(table(figures)))
        root = ElementTree.fromstring(chart(figures))
        bars = root.findall("{http://www.w3.org/2000/svg}rect")
        self.assertEqual(len(bars), 1 + 3 + 2 * 3 * len(figures))

    def test_bars(self) -> None:
        """A bar ten times as high is one decade taller, and names are escaped."""
        text = bars("a < b", {"g": {"x": 1.0, "y": 10.0, "z": 100.0}})
        root = ElementTree.fromstring(text)
        drawn = root.findall("{http://www.w3.org/2000/svg}rect")[-3:]
        one, ten, hundred = (float(bar.get("height", "")) for bar in drawn)
        self.assertAlmostEqual(hundred - ten, ten - one, places=0)
        self.assertIn("a &lt; b", text)
