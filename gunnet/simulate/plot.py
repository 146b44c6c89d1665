"""
Bar charts as SVG text, without a library: a few rectangles on a logarithmic scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor, log10
from xml.sax.saxutils import escape

_COLOURS = ("#c0504d", "#4f81bd", "#9bbb59", "#8064a2")
_LEFT, _TOP, _HEIGHT, _BOTTOM, _BAR = 70, 60, 260, 50, 46


def bars(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """
    A chart.

    @param groups: for each group of bars by its name, the bars by theirs; all have the same ones, and each
        value is above 0.
    @return: the SVG.
    """
    series = list(next(iter(groups.values())))
    values = [value for group in groups.values() for value in group.values()]
    low, high = floor(log10(min(values))), ceil(log10(max(values)) + 0.05)
    pitch = (len(series) + 1) * _BAR
    width = _LEFT + len(groups) * pitch + 20
    height = _TOP + _HEIGHT + _BOTTOM

    def place(value: float) -> float:
        return _TOP + _HEIGHT * (high - log10(value)) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        _text(width / 2, 18, title, anchor="middle", size=14),
    ]
    for power in range(low, high + 1):
        at = place(10.0**power)
        parts.append(f'<path d="M{_LEFT} {at:.1f}H{width - 10}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 6, at + 4, f"{10.0**power:g}", anchor="end"))
    for number, name in enumerate(series):
        at = _LEFT + number * (width - _LEFT) / len(series)
        parts.append(f'<rect x="{at:.1f}" y="30" width="12" height="12" fill="{_COLOURS[number]}"/>')
        parts.append(_text(at + 17, 41, name))
    for column, (group, heights) in enumerate(groups.items()):
        left = _LEFT + column * pitch + _BAR / 2
        for number, name in enumerate(series):
            at, top = left + number * _BAR, place(heights[name])
            parts.append(
                f'<rect x="{at:.1f}" y="{top:.1f}" width="{_BAR - 6}" height="{_TOP + _HEIGHT - top:.1f}" '
                f'fill="{_COLOURS[number]}"/>'
            )
            parts.append(_text(at + _BAR / 2 - 3, top - 4, _short(heights[name]), anchor="middle", size=11))
        parts.append(
            _text(left + len(series) * _BAR / 2, _TOP + _HEIGHT + 20, group, anchor="middle", size=13)
        )
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
