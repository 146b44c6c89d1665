"""
Plots, with matplotlib, which only this needs. Without it there are tables only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Line = Sequence[tuple[float, float]]

UNITS = {"short": "", "ops": "per second", "s": "seconds", "Bps": "bytes/s", "percentunit": "parts of 1"}
"""Grafana's units, for people."""


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        print("no plots: they need matplotlib (pip install matplotlib)", file=sys.stderr)
        return None
    matplotlib.use("svg")
    import matplotlib.pyplot as pyplot

    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "gunnet", "font.family": "sans-serif"})
    return pyplot


def lines(
    path: Path,
    title: str,
    across: str,
    up: str,
    series: Mapping[str, Line],
    *,
    logarithmic: str = "",
) -> list[str]:
    """
    Draw lines through points.

    @param logarithmic: axes that are: C{x}, C{xy}.
    @return: the lines that show it in a document in the same folder, none if it could not be drawn.
    """
    pyplot = _pyplot()
    if pyplot is None:
        return []
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, points in series.items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=3, label=name)
    if "x" in logarithmic:
        axes.set_xscale("log")
    if "y" in logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set(title=title, xlabel=across, ylabel=up)
    return _save(pyplot, figure, axes, path, title)


def bars(
    path: Path, title: str, up: str, groups: Mapping[str, Mapping[str, tuple[float, float, float]]]
) -> list[str]:
    """
    Draw bars on a logarithmic scale: for each group, and in it for each name, median, least and most.

    @return: as L{lines}.
    """
    pyplot = _pyplot()
    if pyplot is None:
        return []
    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    names = list(next(iter(groups.values())))
    for at, name in enumerate(names):
        places, found = [], []
        for column, group in enumerate(groups.values()):
            if name in group:
                places.append(column + (at - (len(names) - 1) / 2) * 0.8 / len(names))
                found.append(group[name])
        spread = [[each[0] - each[1] for each in found], [each[2] - each[0] for each in found]]
        axes.bar(places, [each[0] for each in found], 0.8 / len(names), yerr=spread, capsize=3, label=name)
    axes.set_yscale("log")
    axes.set_xticks(range(len(groups)), list(groups), fontsize=8)
    axes.set(title=title, ylabel=up)
    return _save(pyplot, figure, axes, path, title)


def dashboard(
    path: Path, title: str, panels: Sequence[tuple[str, str, Mapping[str, Line]]], columns: int = 4
) -> list[str]:
    """
    Draw small panels side by side.

    @param panels: (title, unit, lines) each.
    @return: as L{lines}.
    """
    pyplot = _pyplot()
    if pyplot is None:
        return []
    from matplotlib.ticker import EngFormatter

    rows = -(-len(panels) // columns)
    figure, places = pyplot.subplots(rows, columns, figsize=(4 * columns, 2.3 * rows), squeeze=False)
    for axes in places.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (name, unit, found) in zip(places.flat, panels, strict=False):
        for line, points in found.items():
            axes.plot([x for x, _ in points], [y for _, y in points], linewidth=1, label=line)
        axes.set_title(f"{name} ({UNITS.get(unit, unit)})" if UNITS.get(unit, unit) else name, fontsize=8)
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=6)
        axes.locator_params(nbins=3)
        axes.yaxis.set_major_formatter(EngFormatter())
        if found:
            axes.legend(fontsize=5, loc="upper left", ncols=1 + len(found) // 6, frameon=False)
    return _write(pyplot, figure, path, title, decimals=1)


def _save(pyplot: Any, figure: Any, axes: Any, path: Path, title: str) -> list[str]:
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return _write(pyplot, figure, path, title)


def _write(pyplot: Any, figure: Any, path: Path, title: str, decimals: int | None = None) -> list[str]:
    """@param decimals: so many are enough for coordinates."""
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    if decimals is not None:
        text = path.read_text("utf-8")
        text = re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.{decimals}f}", text)
        text = re.sub(r"font-family: [^;\"]*", "font-family: sans-serif", text)
        path.write_text(re.sub(r' transform="rotate\(-0 [^"]*"', "", text), "utf-8")
    pyplot.close(figure)
    return ["", f"![{title}]({path.name})"]
