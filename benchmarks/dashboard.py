"""
What a relay shows under load::

    python -m benchmarks.dashboard [--seconds 60]

One relay, linked to another, has load of all kinds, and is asked for its metrics each second. Writes what
C{curl} gives in the middle of it into C{operating.md}, and draws C{misc/grafana-dashboard.json} from it.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from benchmarks import document, plots
from benchmarks.load import start
from benchmarks.machine import machine
from benchmarks.promql import Query, Scrape
from benchmarks.relays import GUNNET, running
from tests.interop import node
from tests.interop.relays import HOST, free_port

FILE = node.CHECKOUT / "misc" / "grafana-dashboard.json"
LOOK_SECONDS = 1.0
WINDOW_SECONDS = 5.0
LOADS: tuple[tuple[str, ...], ...] = (
    ("mixed", "--peers", "100", "--rate", "200"),
    ("put", "--peers", "5", "--rate", "500"),
    ("fan-out", "--subscribers", "50", "--rate", "20"),
    ("get", "--peers", "5", "--rate", "300"),
)
LEFT_OUT = r"^#|_bucket|_limit|(events|refused|rtc_connections|rule|sync_sessions)_total\{.* 0\.0$|^python_"


def look(text: str) -> Scrape:
    """Metrics as they were written."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def watch(seconds: float) -> tuple[list[tuple[float, Scrape]], str]:
    """Run relays and load. @return: what was seen when; and what C{curl} gave in the middle."""
    port = free_port()
    options = ("--metrics-listen", f"tcp:{port}:interface={HOST}")
    url = f"http://{HOST}:{port}/metrics"
    scrapes: list[tuple[float, Scrape]] = []
    shown = ""
    with running(GUNNET) as above, running(GUNNET, *options, "--peer", above.url) as relay:
        begun = time.time()
        end = begun + seconds
        loads: list[subprocess.Popen[str]] = []
        while time.time() < end:
            done = (time.time() - begun) / seconds
            if len(loads) < len(LOADS) and done >= len(loads) * 0.2:
                left = max(2.0, end - time.time() - 4.0)
                loads.append(start(relay, *LOADS[len(loads)], "--seconds", f"{left:.0f}", "--warmup", "0.5"))
            scrapes.append((time.time(), look(_read(url))))
            if not shown and done >= 0.75:
                shown = subprocess.run(["curl", "-s", url], capture_output=True, text=True, check=True).stdout
            time.sleep(LOOK_SECONDS)
        for load in loads:
            load.communicate()
    return scrapes, shown


def _read(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def drawn(
    scrapes: list[tuple[float, Scrape]], dashboard: dict[str, Any]
) -> list[tuple[str, str, dict[str, Any]]]:
    """Each panel with lines: (title, unit, name to points), without those that are always 0."""
    panels = []
    for panel in dashboard["panels"]:
        if panel["type"] != "timeseries":
            continue
        lines: dict[str, list[tuple[float, float]]] = {}
        for target in panel["targets"]:
            for at, (when, _) in enumerate(scrapes):
                for labels, value in Query(target["expr"], scrapes, at, WINDOW_SECONDS).value().items():
                    if not math.isnan(value):
                        name = target["legendFormat"]
                        for label, text in labels:
                            name = name.replace(f"{{{{{label}}}}}", text)
                        name = re.sub(r"\{\{.*?\}\}", "this relay", name)
                        lines.setdefault(name, []).append((when - scrapes[0][0], value))
        lines = {name: points for name, points in lines.items() if any(value for _, value in points)}
        panels.append((panel["title"], panel["fieldConfig"]["defaults"]["unit"], lines))
    return panels


def main() -> int:
    """Watch, write and draw."""
    parser = document.parser("dashboard", __doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    scrapes, shown = watch(chosen.seconds)
    dashboard = json.loads(Path(FILE).read_text("utf-8"))
    panels = drawn(scrapes, dashboard)
    quiet = [title for title, _, lines in panels if not lines]
    picture = plots.dashboard(
        chosen.output / "dashboard.svg", dashboard["title"], [panel for panel in panels if panel[2]]
    )
    kept = [line for line in shown.splitlines() if not re.search(LEFT_OUT, line)]
    lines = [f"Measured {machine()}.", "", "```"]
    picture += ["", f"Not drawn, because nothing happened in them: {'; '.join(quiet)}."] if quiet else []
    lines += [f"$ curl -s http://127.0.0.1:9090/metrics | grep -vE '{LEFT_OUT}'", *kept, "```", *picture]
    document.write(chosen.output, "operating.md", "metrics", "What a relay shows under load", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
