"""
The little of Prometheus's query language that C{misc/grafana-dashboard.json} is written in, so that its
panels can be drawn without a Prometheus: selectors, C{rate}, C{sum}, C{min} and C{max} with C{by},
C{histogram_quantile}, C{time}, C{/}, C{-} and C{>}.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

Labels = frozenset[tuple[str, str]]
Scrape = Mapping[tuple[str, Labels], float]
"""(name, labels) to value."""
Vector = dict[Labels, float]
Value = Vector | float

_TOKENS = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"|(?P<labels>\{[^}]*\})|(?P<range>\[[^\]]*\])|(?P<sign>[(),/>-]))"
)
_MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')
_AGGREGATES: dict[str, Callable[[Iterable[float]], float]] = {"sum": math.fsum, "min": min, "max": max}
_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "-": lambda left, right: left - right,
    "/": lambda left, right: left / right if right else math.nan,
}


def names(expression: str) -> set[str]:
    """The metrics that an expression is about."""
    return set(re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{", expression))


class Query:
    """
    One expression at one time.

    @raise ValueError: it is not in the language above.
    """

    def __init__(
        self, expression: str, scrapes: Sequence[tuple[float, Scrape]], at: int, window: float
    ) -> None:
        """
        @param scrapes: what was seen when, seconds.
        @param at: which of them is now.
        @param window: how far back C{rate} looks, seconds.
        """
        self._tokens = _tokens(expression)
        self._scrapes = scrapes
        self._at = at
        self._window = window

    def value(self) -> Vector:
        """What comes of it: labels to value."""
        found = self._comparison()
        if self._tokens:
            raise ValueError(f"{self._tokens[0][1]!r} was not expected")
        return found if isinstance(found, dict) else {frozenset(): found}

    def _comparison(self) -> Value:
        left = self._difference()
        while self._takes(">"):
            right = self._difference()
            if not isinstance(left, dict) or isinstance(right, dict):
                raise ValueError("only series are compared with numbers")
            left = {labels: value for labels, value in left.items() if value > right}
        return left

    def _difference(self) -> Value:
        left = self._quotient()
        while self._takes("-"):
            left = _combined("-", left, self._quotient())
        return left

    def _quotient(self) -> Value:
        left = self._term()
        while self._takes("/"):
            left = _combined("/", left, self._term())
        return left

    def _term(self) -> Value:
        kind, text = self._next()
        if kind == "number":
            return float(text)
        if text == "(":
            value = self._comparison()
            self._expect(")")
            return value
        if kind != "name":
            raise ValueError(f"{text!r} was not expected")
        if text == "time":
            self._expect("(")
            self._expect(")")
            return self._scrapes[self._at][0]
        if text == "rate":
            return self._rate()
        if text == "histogram_quantile":
            return self._quantile()
        if text in _AGGREGATES:
            return self._aggregate(text)
        return _selected(text, self._labels(), self._scrapes[self._at][1])

    def _rate(self) -> Vector:
        self._expect("(")
        kind, name = self._next()
        matchers = self._labels()
        if kind != "name" or self._next()[0] != "range":
            raise ValueError("rate is of a range")
        self._expect(")")
        now, last = self._scrapes[self._at]
        since = min(bisect_left(self._scrapes, now - self._window, key=lambda scrape: scrape[0]), self._at)
        then, first = self._scrapes[since]
        before = _selected(name, matchers, first)
        return {
            labels: (value - before.get(labels, value)) / (now - then or 1.0)
            for labels, value in _selected(name, matchers, last).items()
        }

    def _aggregate(self, name: str) -> Vector:
        by: set[str] = set()
        if self._tokens[0][1] == "by":
            self._next()
            self._expect("(")
            while not self._takes(")"):
                kind, label = self._next()
                by |= {label} if kind == "name" else set()
        self._expect("(")
        value = self._comparison()
        self._expect(")")
        groups: dict[Labels, list[float]] = {}
        for labels, each in (value if isinstance(value, dict) else {frozenset(): value}).items():
            groups.setdefault(frozenset(pair for pair in labels if pair[0] in by), []).append(each)
        return {labels: _AGGREGATES[name](values) for labels, values in groups.items()}

    def _quantile(self) -> Vector:
        self._expect("(")
        part = float(self._next()[1])
        self._expect(",")
        value = self._comparison()
        self._expect(")")
        if not isinstance(value, dict):
            raise ValueError("histogram_quantile is of buckets")
        buckets = sorted((float(dict(labels)["le"]), count) for labels, count in value.items())
        return {frozenset(): quantile(part, buckets)} if buckets else {}

    def _labels(self) -> list[tuple[str, str, str]]:
        if self._tokens and self._tokens[0][0] == "labels":
            return _MATCHER.findall(self._next()[1])
        return []

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise ValueError("the expression ends too early")
        return self._tokens.pop(0)

    def _takes(self, sign: str) -> bool:
        if self._tokens and self._tokens[0][1] == sign:
            self._next()
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise ValueError(f"{sign!r} was expected")


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens = []
    at = 0
    expression = expression.strip()
    while at < len(expression):
        found = _TOKENS.match(expression, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"{expression[at : at + 20]!r} is not understood")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


def _selected(name: str, matchers: list[tuple[str, str, str]], scrape: Scrape) -> Vector:
    """A variable of the dashboard (C{$instance}) stands for all."""
    exact = {(label, value) for label, sign, value in matchers if sign == "=" and "$" not in value}
    return {labels: value for (series, labels), value in scrape.items() if series == name and exact <= labels}


def _combined(sign: str, left: Value, right: Value) -> Value:
    operation = _OPERATIONS[sign]
    if isinstance(left, dict) and isinstance(right, dict):
        return {labels: operation(value, right[labels]) for labels, value in left.items() if labels in right}
    if isinstance(left, dict):
        assert not isinstance(right, dict)
        return {labels: operation(value, right) for labels, value in left.items()}
    if isinstance(right, dict):
        return {labels: operation(left, value) for labels, value in right.items()}
    return operation(left, right)


def quantile(part: float, buckets: Sequence[tuple[float, float]]) -> float:
    """
    As C{histogram_quantile} has it: on a line through the bucket in which it is.

    @param buckets: (upper end, how many are not above it), in order.
    """
    total = buckets[-1][1]
    if total <= 0:
        return math.nan
    rank = part * total
    low, below = 0.0, 0.0
    for high, count in buckets:
        if count >= rank:
            if math.isinf(high):
                return low
            return low + (high - low) * (rank - below) / (count - below) if count > below else high
        low, below = high, count
    return low
