"""
What is written about what a relay shows: C{docs/seeing.md} and C{misc/grafana-dashboard.json}.
"""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

import gunnet
from benchmarks.promql import Query, names, quantile
from tests.seeing.relays import SeeingCase

ROOT = Path(__file__).resolve().parent.parent.parent


class PageTests(SynchronousTestCase):
    """C{docs/seeing.md}."""

    def setUp(self) -> None:
        self.text = (ROOT / "docs" / "seeing.md").read_text("utf-8")

    def test_metrics(self) -> None:
        """The table has each metric; C{python docs/metrics_table.py} writes it anew."""
        made = runpy.run_path(str(ROOT / "docs" / "metrics_table.py"))
        self.assertEqual(made["page"](self.text), self.text)
        self.assertGreater(len(re.findall(r"^\| `gunnet_", self.text, re.MULTILINE)), 40)

    def test_events(self) -> None:
        """Each event in the table is logged somewhere, with that level."""
        log = self.text.partition("## The log")[2]
        rows = re.findall(r"^\| `(.+?)` \| (debug|info|warn|error|critical) \|", log, re.MULTILINE)
        self.assertGreater(len(rows), 8)
        source = "".join(path.read_text("utf-8") for path in Path(gunnet.__file__).parent.rglob("*.py"))
        for event, level in rows:
            call = "failure" if level == "critical" else level
            found = re.search(rf'log\.{call}\(\s*"{re.escape(event)}"', source)
            self.assertTrue(found, f"{level}: {event}")


class DashboardTests(SeeingCase):
    """The dashboard for Grafana."""

    def setUp(self) -> None:
        self.dashboard: dict[str, Any] = json.loads(
            (ROOT / "misc" / "grafana-dashboard.json").read_text("utf-8")
        )
        self.panels = [panel for panel in self.dashboard["panels"] if panel["type"] != "row"]

    def begin_with_all(self) -> None:
        """A relay that has something for each series."""
        relay = self.begin(peers=("ws://192.0.2.1:8765/gun",))
        relay.tls.expiries = lambda: {"relay.example": 2e9}
        stats = {"bytes": 1, "bytes_max": 2, "cells": 1, "file_bytes": 1}
        relay.store.stats = lambda: stats  # type: ignore[method-assign]

    def expressions(self) -> list[str]:
        return [target["expr"] for panel in self.panels for target in panel["targets"]]

    def test_series_exist(self) -> None:
        """Each expression is understood, and is about series that a relay has."""
        self.begin_with_all()
        scrape = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.ask("/metrics").body.decode())
            for sample in family.samples
        }
        known = {name for name, _ in scrape}
        for expression in self.expressions():
            self.assertTrue(names(expression))
            self.assertEqual(set(), names(expression) - known, expression)
            Query(expression, [(0.0, scrape), (5.0, scrape)], 1, 5.0).value()

    def test_labels_exist(self) -> None:
        """Labels that are asked for, or stand in legends, are those of the series."""
        self.begin_with_all()
        labels: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(self.ask("/metrics").body.decode()):
            for sample in family.samples:
                labels.setdefault(sample.name, {"instance"}).update(sample.labels)
        for panel in self.panels:
            for target in panel["targets"]:
                used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                for found in re.findall(r"by \(([^)]*)\)", target["expr"]):
                    used |= {label.strip() for label in found.split(",")}
                known = set().union(*(labels[name] for name in names(target["expr"])))
                self.assertLessEqual(used, known, target)
                for name, selector in re.findall(r"(\w+)\{([^}]*)\}", target["expr"]):
                    self.assertLessEqual(set(re.findall(r"(\w+)=", selector)), labels[name], target)

    def test_all_is_shown(self) -> None:
        """Each metric of ours is in a panel."""
        self.begin_with_all()
        shown = set().union(*map(names, self.expressions()))
        shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
        for name in re.findall(r"^# TYPE (gunnet\w+) ", self.ask("/metrics").body.decode(), re.MULTILINE):
            if name not in ("gunnet_info", "gunnet_frames_heard_total", "gunnet_relays"):
                self.assertIn(name, shown)

    def test_form(self) -> None:
        """It is as Grafana wants it: a data source to be chosen, panels with ids and places of their own."""
        self.assertGreaterEqual(self.dashboard["schemaVersion"], 39)
        variables = {each["name"]: each for each in self.dashboard["templating"]["list"]}
        self.assertEqual("datasource", variables["datasource"]["type"])
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        taken: set[tuple[int, int]] = set()
        for panel in self.dashboard["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            self.assertLessEqual(place["x"] + place["w"], 24)
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
        for panel in self.panels:
            self.assertEqual("${datasource}", panel["datasource"]["uid"])


class QueryTests(SynchronousTestCase):
    """The queries that the drawing of the dashboard understands."""

    def setUp(self) -> None:
        def scrape(value: float) -> dict[Any, float]:
            return {
                ("a_total", frozenset({("kind", "x")})): value,
                ("a_total", frozenset({("kind", "y")})): 2 * value,
                ("b", frozenset()): 4.0,
            }

        self.scrapes = [(float(second), scrape(10.0 * second)) for second in range(10)]

    def ask(self, expression: str) -> dict[str, float]:
        found = Query(expression, self.scrapes, 9, 5.0).value()
        return {",".join(f"{name}={value}" for name, value in labels): each for labels, each in found.items()}

    def test_expressions(self) -> None:
        """Values are those that Prometheus would give."""
        for expression, expected in (
            ("b{}", {"": 4.0}),
            ('a_total{kind="x"}', {"kind=x": 90.0}),
            ('a_total{kind=~"$kind"}', {"kind=x": 90.0, "kind=y": 180.0}),
            ("sum(rate(a_total{}[1m]))", {"": 30.0}),
            ("sum by (kind) (rate(a_total{}[1m])) > 15", {"kind=y": 20.0}),
            ("max(a_total{}) / b{}", {"": 45.0}),
            ("min(a_total{}) - time()", {"": 81.0}),
            ("b{} / (b{} > 5)", {}),
        ):
            self.assertEqual(expected, self.ask(expression), expression)

    def test_quantile(self) -> None:
        """Quantiles lie on a line through their bucket."""
        buckets = [(1.0, 10.0), (2.0, 30.0), (float("inf"), 40.0)]
        self.assertEqual([0.5, 1.5, 2.0], [quantile(part, buckets) for part in (0.125, 0.5, 0.99)])

    def test_mistakes(self) -> None:
        """What is not understood is no silent nothing."""
        for expression in ("avg(b{})", "b{} >", "rate(b{})", "b{} ! 2", "sum(b{}", "b{} b{}"):
            self.assertRaises(ValueError, self.ask, expression)
