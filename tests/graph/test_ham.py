"""Tests for L{gunnet.graph.ham}: which of two writes stands."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.ham import Cell, Verdict, decide
from gunnet.graph.node import read_put
from gunnet.wire import jstext
from tests.graph.nodes import LIMITS, SPELLINGS, put_text, values
from tests.wire.javascript import VECTORS, checked, json_text, units

NOW = 1_795_375_327_350.5
Write = tuple[float, str]
"""(state, the value's JSON text as somebody spelled it)."""


def merged(writes: list[Write], now: float = NOW) -> Cell | None:
    """What stands after C{writes} came in this order, each in a put of its own."""
    known: Cell | None = None
    for state, spelled in writes:
        ((_, _, state, value),) = read_put(put_text("soul", [("key", state, spelled)]), LIMITS)
        if decide(state, value, known, now) is Verdict.TAKE:
            known = (state, value)
    return known


def winner(writes: list[Write]) -> Cell:
    """The slow truth: the newest, and of those the greatest JSON text as JavaScript compares it."""

    def place(write: Write) -> tuple[float, bytes]:
        return write[0], units(json_text(json.loads(write[1])))

    state, spelled = max(writes, key=place)
    return state, json_text(json.loads(spelled)).encode("utf-8")


class RecordedTests(SynchronousTestCase):
    """What gun.js decided."""

    def test_states(self) -> None:
        """Older, newer, equal and future states, known and unknown, with fractions of milliseconds."""
        verdicts = {"accepted": Verdict.TAKE, "ignored": Verdict.KEEP, "deferred": Verdict.DEFER}
        cases = VECTORS["ham"]["states"]
        self.assertEqual(len(cases), 12)
        for case in cases:
            known = None if case["current"] is None else _cell(case["current"])
            state, value = _cell(case["incoming"])
            verdict = decide(state, value, known, NOW)
            self.assertIs(verdict, verdicts[case["outcome"]], case)
            standing = (state, value) if verdict is Verdict.TAKE else known
            self.assertEqual(standing is not None, case["present"], case)
            if standing is not None:
                self.assertEqual(json.loads(standing[1]), case["result_value"])

    def test_ties(self) -> None:
        """Equal states: all 400 pairs of values."""
        tie = VECTORS["ham"]["tie"]
        texts = [jstext.canonical(text.encode()) for text in tie["json"]]
        self.assertEqual([text.decode() for text in texts], tie["json"])
        pairs = 0
        for known, row in zip(texts, tie["wins"], strict=True):
            for value, wins in zip(texts, row, strict=True):
                verdict = decide(NOW, value, (NOW, known), NOW)
                self.assertIs(verdict, Verdict.TAKE if wins else Verdict.KEEP, (known, value))
                pairs += 1
        self.assertEqual(pairs, 400)


class DecideTests(SynchronousTestCase):
    """The rules one by one."""

    def test_future(self) -> None:
        """A state later than the clock waits, whatever is known; one that is just now does not."""
        for known in (None, (NOW, b"1"), (NOW + 5, b"1"), (NOW - 5, b"1")):
            self.assertIs(decide(NOW + 0.001, b"2", known, NOW), Verdict.DEFER)
        self.assertIs(decide(NOW, b"2", None, NOW), Verdict.TAKE)
        self.assertIs(decide(NOW, b"2", (NOW - 1, b"3"), NOW), Verdict.TAKE)

    def test_unknown(self) -> None:
        """Anything is news where nothing is known, even the oldest state."""
        for state in (-1.7976931348623157e308, -5.0, 0.0, 5e-324):
            self.assertIs(decide(state, b"null", None, NOW), Verdict.TAKE)

    def test_same(self) -> None:
        """The same again is no news, in any spelling."""
        for text in SPELLINGS:
            self.assertEqual(merged([(5, text), (5, text)]), merged([(5, text)]))
            ((_, _, _, value),) = read_put(put_text("s", [("k", 5, text)]), LIMITS)
            self.assertIs(decide(5.0, value, (5.0, value), NOW), Verdict.KEEP)
        for one, other in (("5.0", "5"), ("1e1", "10"), ('"\\u0061"', '"a"'), ("-0", "0"), ("1e-400", "0")):
            self.assertEqual(merged([(5, one)]), merged([(5, other)]))

    def test_order_of_kinds(self) -> None:
        """A link beats true beats null beats false beats numbers beats text; numbers compare as text."""
        order = ['""', '"~"', "-1", "-5", "0", "10", "5", "false", "null", "true", '{"#":"a"}', '{"#":"b"}']
        for lower, text in enumerate(order):
            for higher in order[lower + 1 :]:
                self.assertEqual(merged([(5, text), (5, higher)]), (5, higher.encode()))
                self.assertEqual(merged([(5, higher), (5, text)]), (5, higher.encode()))

    def test_above_the_basic_plane(self) -> None:
        """Text above U+FFFF is lower than U+E000, as its surrogates are."""
        for emoji, private in (('"\U0001f600"', '"\ue000"'), ('"a\U0010ffff"', '"a\uffff"')):
            for writes in permutations([(5, emoji), (5, private)]):
                self.assertEqual(merged(list(writes)), (5, private.encode()))
        self.assertGreater("\U0001f600", "\ue000")

    def test_lone_surrogates(self) -> None:
        """A lone surrogate counts as it is written: escaped, hence lower than any other text but quotes."""
        self.assertEqual(merged([(5, '"\\ud800"'), (5, '"a"')]), (5, b'"a"'))
        self.assertEqual(merged([(5, '"A"'), (5, '"\\udfff"')]), (5, b'"\\udfff"'))
        self.assertEqual(merged([(5, '"\\uD800"'), (5, '"\\ud800"')]), (5, b'"\\ud800"'))


class ConvergenceTests(SynchronousTestCase):
    """However often and in whatever order writes come, every relay ends with the same value."""

    @checked
    @given(
        st.lists(st.tuples(st.sampled_from([1, 2, 2.5]), st.sampled_from(SPELLINGS)), min_size=1, max_size=6),
        st.data(),
    )
    def test_spelled(self, writes: list[Write], data: st.DataObject) -> None:
        """With values of all kinds, spelled in many ways, at few states."""
        self._check(writes, data)

    @checked
    @given(
        st.lists(st.tuples(st.floats(-1e6, NOW) | st.just(7.0), values()), min_size=1, max_size=6), st.data()
    )
    def test_any(self, writes: list[tuple[float, Any]], data: st.DataObject) -> None:
        """With any values at any states."""
        self._check([(state, json_text(value)) for state, value in writes], data)

    def _check(self, writes: list[Write], data: st.DataObject) -> None:
        first = merged(writes)
        self.assertEqual(first, winner(writes))
        other = data.draw(st.permutations(writes)) + data.draw(st.lists(st.sampled_from(writes), max_size=4))
        self.assertEqual(merged(other), first)
        self.assertEqual(merged([*reversed(other)]), first)

    @checked
    @given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(SPELLINGS)), min_size=1, max_size=8))
    def test_with_a_clock(self, writes: list[Write]) -> None:
        """What lies in the future changes nothing yet; once its time has come, the outcome is the same."""
        due = [write for write in writes if write[0] <= 1]
        self.assertEqual(merged(writes, now=1.0), winner(due) if due else None)


def _cell(case: dict[str, Any]) -> Cell:
    state = case["state"]
    if isinstance(state, str):
        state = NOW + float(state.removeprefix("now") or 0)
    return float(state), jstext.stringify(case["value"])
