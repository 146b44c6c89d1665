"""
What every store must do: one body of tests, run over each of them, against a slow obvious model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.lex import ALL, Span
from gunnet.store.interface import Cell, Store

if TYPE_CHECKING:
    _Base = SynchronousTestCase
else:
    _Base = object

ALIKE = "alike/" * 67
"""Longer than all that a store may keep of a name in its own keys."""

ODD = [
    *(
        "\0",
        "\0\0",
        "\0\x01",
        "\x01",
        "\x1b",
        "\x1b\0",
        "a",
        "a\0",
        "a\0\0",
        "a\0b",
        "a\x01",
        "a\x1b",
        "a\x1bb",
    ),
    *(
        "ab",
        "__proto__",
        "constructor",
        "~",
        "\x7f",
        "\x80",
        "é",
        "\ud7ff",
        "\ud800",
        "\ud83d",
        "\ud83dz",
        "😀",
    ),
    *("😀😀", "\udbff", "\udc00", "\udfff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"),
]
"""Short names where an order or an escape may go wrong."""

LONG = [
    *(filler * size for filler in ("p", "\0", "é") for size in (103, 104, 105, 119, 120, 121, 1000)),
    *("q" * size for size in (206, 207, 208, 209, 239, 240, 241, 242, 4096)),
    *("q" * size + "\0" for size in (205, 206, 207, 208, 239, 240)),
    *("q" * size + "\0" + "r" * 300 for size in (205, 206, 207, 208, 209)),
    *(ALIKE + tail for tail in ("", "\0", "a", "a" * 3000, "b", "\ue000", "😀", "\ud83d")),
    *(ALIKE[:208] + tail for tail in ("", "\0", "a", "l", "z", "\uffff", "a" * 32, "z" * 33)),
]
"""Names around the sizes from which a store may shorten them, many alike for long."""

NAMES = ODD + LONG


def units(text: str) -> bytes:
    """What JavaScript sorts C{text} by."""
    return text.encode("utf-16-be", "surrogatepass")


def within(span: Span, name: str) -> bool:
    """Whether C{name} is in C{span}, said as simply as can be."""
    return (
        units(name).startswith(units(span.prefix))
        and (span.first is None or units(name) >= units(span.first))
        and (span.last is None or units(name) <= units(span.last))
    )


class Model:
    """A store that sorts everything whenever it is asked."""

    def __init__(self) -> None:
        self.cells: dict[str, dict[str, Cell]] = {}

    def commit(self, cells: Iterable[tuple[str, str, Cell]]) -> None:
        for soul, key, cell in cells:
            self.cells.setdefault(soul, {})[key] = cell

    def node(self, soul: str, span: Span, reverse: bool) -> list[tuple[str, Cell]]:
        node = self.cells.get(soul, {})
        keys = sorted((key for key in node if within(span, key)), key=units, reverse=reverse)
        return [(key, node[key]) for key in keys]

    def souls(self, span: Span, reverse: bool) -> list[str]:
        return sorted((soul for soul in self.cells if within(span, soul)), key=units, reverse=reverse)


def cell(value: object = 1, state: float = 1700000000000.0) -> Cell:
    """Some cell; C{value} must look the same in Python and in JSON."""
    return state, str(value).encode("ascii")


_names = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from(LONG),
    st.text(st.sampled_from("\0ab\ud83d😀\uffff"), min_size=1, max_size=3),
)
_cells = st.tuples(_names, _names, st.builds(cell, st.integers(0, 99), st.floats(allow_nan=False)))
_maybe = st.none() | _names
_spans = st.just(ALL) | st.builds(
    Span, st.just("") | _names | st.sampled_from([ALIKE[:200], ALIKE[:300]]), _maybe, _maybe
)


class StoreContract(_Base):
    """Mix in with a test case that has C{new_store}."""

    def new_store(self) -> Store:
        """An empty store, closed when the test ends."""
        raise NotImplementedError

    def filled(self, cells: Iterable[tuple[str, str, Cell]]) -> Store:
        """A new store with C{cells}, each written by a commit of its own order."""
        store = self.new_store()
        store.commit(list(cells))
        store.refresh()
        return store

    def test_empty(self) -> None:
        """Where nothing is, nothing is found, and nothing fails."""
        store = self.new_store()
        self.assertIsNone(store.cell("soul", "key"))
        for reverse in (False, True):
            self.assertEqual(list(store.node("soul", ALL, reverse=reverse)), [])
            self.assertEqual(list(store.souls(ALL, reverse=reverse)), [])
        self.assertEqual(store.stats()["cells"], 0)

    def test_empty_commit(self) -> None:
        """A commit of nothing is one."""
        store = self.filled([])
        self.assertEqual(list(store.souls(ALL)), [])

    def test_written_and_read(self) -> None:
        """What was committed is read, state and value to the bit."""
        cells = [
            ("soul", "key", (1700000000000.123, b'"text"')),
            ("soul", "negative", (-1.5, b"null")),
            ("soul", "always", (float("-inf"), b"true")),
            ("soul", "large", (0.0, b'"' + b"x" * 1_000_000 + b'"')),
        ]
        store = self.filled(cells)
        for soul, key, found in cells:
            self.assertEqual(store.cell(soul, key), found)
        self.assertIsNone(store.cell("soul", "other"))
        self.assertIsNone(store.cell("other", "key"))

    def test_over_what_is_there(self) -> None:
        """A later commit, and a later place in one commit, is what counts."""
        store = self.filled([("soul", "a", cell(1)), ("soul", "b", cell(2)), ("soul", "a", cell(3))])
        self.assertEqual(list(store.node("soul", ALL)), [("a", cell(3)), ("b", cell(2))])
        store.commit([("soul", "b", cell(4))])
        store.refresh()
        self.assertEqual(list(store.node("soul", ALL)), [("a", cell(3)), ("b", cell(4))])
        self.assertEqual(store.stats()["cells"], 2)

    def test_spans(self) -> None:
        """A span is a prefix and a range together, ends included, of keys as of souls."""
        names = ["a", "ab", "abc", "b", "ba", "c"]
        expected = {
            Span(): names,
            Span("a"): ["a", "ab", "abc"],
            Span("a", "ab"): ["ab", "abc"],
            Span("a", None, "ab"): ["a", "ab"],
            Span("", "ab", "b"): ["ab", "abc", "b"],
            Span("b", "a", "c"): ["b", "ba"],
            Span("", "b", "b"): ["b"],
            Span("", "c", "a"): [],
            Span("a", "b"): [],
            Span("b", None, "a"): [],
            Span("x"): [],
        }
        store = self.filled([("soul", name, cell()) for name in names])
        souls = self.filled([(name, "key", cell()) for name in names])
        for span, found in expected.items():
            self.assertEqual([key for key, _ in store.node("soul", span)], found, span)
            self.assertEqual([key for key, _ in store.node("soul", span, reverse=True)], found[::-1], span)
            self.assertEqual(list(souls.souls(span)), found, span)
            self.assertEqual(list(souls.souls(span, reverse=True)), found[::-1], span)

    def test_any_name(self) -> None:
        """
        Names of any text and up to 4,096 bytes are kept apart, as souls and as keys, and come in the order
        of their UTF-16 units.
        """
        for soul in ("soul", ALIKE + "soul"):
            store = self.filled([(soul, name, cell(place)) for place, name in enumerate(NAMES)])
            for place, name in enumerate(NAMES):
                self.assertEqual(store.cell(soul, name), cell(place), ascii(name))
            found = [key for key, _ in store.node(soul, ALL)]
            self.assertEqual(found, sorted(set(NAMES), key=units))

    def test_souls_apart(self) -> None:
        """The cells of one soul are not seen under another, however alike their names are."""
        store = self.filled(
            [(name, key, cell(place)) for place, name in enumerate(NAMES) for key in ("k", ALIKE)]
        )
        for place, name in enumerate(NAMES):
            expected = [(ALIKE, cell(place)), ("k", cell(place))]
            self.assertEqual(list(store.node(name, ALL)), expected, ascii(name))
            self.assertEqual(list(store.node(name, ALL, reverse=True)), expected[::-1], ascii(name))
        self.assertEqual(list(store.souls(ALL)), sorted(set(NAMES), key=units))
        self.assertEqual(list(store.souls(ALL, reverse=True)), sorted(set(NAMES), key=units, reverse=True))
        for absent in (ALIKE + "none", ALIKE[:-1], "q" * 4095):
            self.assertEqual(list(store.node(absent, ALL)), [])
            self.assertIsNone(store.cell(absent, "k"))
            self.assertIsNone(store.cell("a", absent))

    def test_each_soul_once(self) -> None:
        """A soul with many cells is named once."""
        store = self.filled(
            [(soul, f"{key:04}", cell()) for soul in ("a", ALIKE, "b") for key in range(2_000)]
        )
        self.assertEqual(list(store.souls(ALL)), ["a", ALIKE, "b"])
        self.assertEqual(next(store.souls(ALL, reverse=True)), "b")
        self.assertEqual(
            [key for key, _ in store.node("a", Span("199"))], [f"{key:04}" for key in range(1990, 2000)]
        )

    def test_part_of_a_scan(self) -> None:
        """A scan that is left half way does no harm, and several go on side by side."""
        store = self.filled(
            [("soul", key, cell()) for key in "abcd"] + [(ALIKE, ALIKE + key, cell()) for key in "abcd"]
        )
        scans = [
            store.node("soul", ALL),
            store.node("soul", ALL, reverse=True),
            store.node(ALIKE, ALL),
            store.souls(ALL),
        ]
        for scan in scans:
            next(scan)
        self.assertEqual([key for key, _ in scans[0]], ["b", "c", "d"])
        self.assertEqual([key for key, _ in scans[1]], ["c", "b", "a"])
        self.assertEqual([key for key, _ in scans[2]], [ALIKE + "b", ALIKE + "c", ALIKE + "d"])
        self.assertEqual(list(scans[3]), ["soul"])

    def test_refused_whole(self) -> None:
        """A commit that can't be carried out to its end leaves no trace of its beginning."""
        store = self.filled([("soul", "a", cell(1))])
        broken = ("soul", "c", (1.0, None))
        with self.assertRaises(TypeError):
            store.commit([("soul", "a", cell(2)), ("soul", "b", cell(2)), broken])  # type: ignore[list-item]
        store.refresh()
        self.assertEqual(list(store.node("soul", ALL)), [("a", cell(1))])
        store.commit([("soul", "a", cell(3))])
        store.refresh()
        self.assertEqual(store.cell("soul", "a"), cell(3))

    def test_stats(self) -> None:
        """The figures that health and metrics count on are there and grow."""
        store = self.new_store()
        before = store.stats()
        store.commit([("soul", str(number), cell()) for number in range(1_000)])
        store.refresh()
        after = store.stats()
        self.assertEqual(after["cells"], 1_000)
        self.assertTrue(before["bytes"] < after["bytes"] <= after["bytes_max"], after)

    def test_close_twice(self) -> None:
        """Closing what is closed does nothing."""
        store = self.new_store()
        store.close()
        store.close()

    # One body under several cases is what we want; nothing is replayed from a database.
    @settings(
        deadline=None,
        max_examples=100,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(
        st.lists(st.lists(_cells, max_size=30), max_size=4), st.lists(st.tuples(_names, _spans), max_size=6)
    )
    def test_as_the_model(
        self, commits: list[list[tuple[str, str, Cell]]], reads: list[tuple[str, Span]]
    ) -> None:
        """After any commits, any read finds what an obvious store would."""
        store, model = self.new_store(), Model()
        for cells in commits:
            store.commit(cells)
            model.commit(cells)
            store.refresh()
        souls = model.souls(ALL, False)
        for name, span in reads:
            for reverse in (False, True):
                self.assertEqual(list(store.souls(span, reverse=reverse)), model.souls(span, reverse))
                for soul in {name, *souls}:
                    found = list(store.node(soul, span, reverse=reverse))
                    self.assertEqual(found, model.node(soul, span, reverse), (soul, span))
        for soul in souls:
            for key, found_cell in model.node(soul, ALL, False):
                self.assertEqual(store.cell(soul, key), found_cell)
        for name, _ in reads:
            self.assertEqual(store.cell(name, name), dict(model.node(name, ALL, False)).get(name))
        store.close()
