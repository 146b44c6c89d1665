"""Tests for L{gunnet.graph.summary}: fingerprints, against sums made of everything."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.graph.ham import Cell
from gunnet.graph.merge import Graph
from gunnet.graph.summary import (
    BLOCK_CELLS,
    END,
    LOWEST,
    PARTS,
    Place,
    Summary,
    between,
    item_hash,
    place_of,
)
from gunnet.limits import Limits
from gunnet.store.interface import StoreError
from gunnet.store.memory import MemoryStore
from gunnet.wire.jstext import from_order_key, order_key, parse, string
from tests.graph.nodes import NAMES, commit

Known = dict[tuple[str, str], Cell]


def some(count: int, keys: int = 5, prefix: str = "soul") -> Known:
    """C{count} cells, C{keys} in each soul."""
    return {(f"{prefix}{i // keys:06d}", f"k{i % keys:06d}"): (float(i), b"%d" % i) for i in range(count)}


def fingerprint(cells: Known, low: Place = LOWEST, high: Place = END) -> tuple[int, int]:
    """The slow truth."""
    hashes = []
    for name, cell in cells.items():
        place, digest = _hashed(name, cell)
        if low <= place < high:
            hashes.append(digest)
    return len(hashes), sum(hashes) % (1 << 128)


@lru_cache(20_000)
def _hashed(name: tuple[str, str], cell: Cell) -> tuple[Place, int]:
    return place_of(*name), item_hash(place_of(*name), cell)


class SummaryCase(SynchronousTestCase):
    """A summary of a graph."""

    def graph_of(self, cells: Known) -> Graph:
        """A graph that has stored some cells."""
        self.cells = dict(cells)
        self.store = MemoryStore(1 << 30)
        self.graph = Graph(self.store, Limits(), Counters())
        self.take(cells)
        commit(self.graph, self.store)
        return self.graph

    def take(self, cells: Known) -> None:
        """Learn some cells."""
        for (soul, key), cell in cells.items():
            self.graph.take(soul, key, cell)
        self.cells.update(cells)

    def summary_of(self, cells: Known, *, limits: Limits | None = None) -> Summary:
        """Its summary, ready."""
        self.counters = Counters()
        summary = Summary(self.graph_of(cells), limits or Limits(), self.counters)
        while not summary.advance(1000):
            pass
        return summary


class FingerprintTests(SummaryCase):
    """Ranges and their sums."""

    def check(self, summary: Summary, seed: int = 1) -> None:
        """Some ranges have the right fingerprint, and their parts too."""
        self.assertTrue(summary.advance(1 << 30))
        places = [*sorted(place_of(*name) for name in self.cells), END]
        random = Random(seed)
        for _ in range(8):
            low, high = sorted([random.choice([LOWEST, *places]), random.choice(places)])
            truth = fingerprint(self.cells, low, high)
            self.assertEqual(summary.fingerprint(low, high), truth)
            if truth[0] > 1:
                parts = summary.split(low, high)
                self.assertTrue(1 < len(parts) <= 2 * PARTS, len(parts))
                self.assertEqual(parts[0].low, low)
                bounds = [*[part.low for part in parts], high]
                self.assertEqual(bounds, sorted(set(bounds)))
                for part, end in zip(parts, bounds[1:], strict=True):
                    self.assertEqual((part.cells, part.total), fingerprint(self.cells, part.low, end))
                    self.assertGreater(part.cells, 0)

    def test_empty(self) -> None:
        """Nothing has the fingerprint of nothing."""
        summary = self.summary_of({})
        self.assertEqual(summary.fingerprint(LOWEST, END), (0, 0))
        self.assertEqual(summary.small(LOWEST, END), [])
        self.assertEqual(summary.entries(LOWEST, END, 10), ([], None))

    def test_ranges(self) -> None:
        """Many souls, few of them, and one soul that is many blocks long."""
        for keys in (1, 5, 3_000):
            for count in (1, 2, 100, 2_000):
                summary = self.summary_of(some(count, keys))
                self.check(summary)
                if count == 2_000:
                    self.assertGreater(len(summary), count // BLOCK_CELLS // 2)

    def test_changes(self) -> None:
        """It follows new cells and changed ones, wherever they are, stored or not."""
        random = Random(2)
        cells = some(1_500, 40)
        summary = self.summary_of(cells)
        for step in range(20):
            fresh = some(random.randrange(100), 40, random.choice(["soul", "soul000001", "z", "a"]))
            self.take({name: (cell[0] + step, b'"%d"' % step) for name, cell in fresh.items()})
            self.check(summary, step)
            if step % 3 == 0:
                commit(self.graph, self.store)

    def test_change_costs_no_scan(self) -> None:
        """A changed cell among many is reckoned with, without reading any other."""
        summary = self.summary_of(some(3_000))
        before = summary.scanned
        self.take({("soul000007", "k000001"): (1e9, b"1"), ("soul000007", "new"): (1e9, b"1")})
        self.assertTrue(summary.advance(1))
        self.assertEqual(summary.fingerprint(LOWEST, END), fingerprint(self.cells))
        self.assertEqual(summary.scanned, before)

    def test_change_while_reading(self) -> None:
        """What changes during the first scan, before it or behind, is reckoned with once."""
        summary = Summary(self.graph_of(some(1_000)), Limits(), Counters())
        step = 0
        while not summary.advance(100):
            self.take({(f"soul{at:06d}", f"n{step}"): (1e9, b"1") for at in (0, 50, 100, 150, 199)})
            step += 1
        self.assertGreater(step, 5)
        self.check(summary)

    def test_slices(self) -> None:
        """No slice reads much more than it was told."""
        summary = Summary(self.graph_of(some(5_000)), Limits(), Counters())
        ready, slices = False, 0
        while not ready:
            before = summary.scanned
            ready = summary.advance(300)
            self.assertLessEqual(summary.scanned - before, 300 + BLOCK_CELLS + 1)
            slices += 1
        self.assertGreater(slices, 10)

    def test_failed_commit(self) -> None:
        """Cells that were not stored are reckoned with no longer."""
        cells = some(1_000)
        summary = self.summary_of(cells)
        self.take({("soul000007", "k000001"): (1e9, b"1"), ("soul000007", "new"): (1e9, b"1")})
        batch = self.graph.cut()
        assert batch is not None
        self.graph.settle(batch, stored=False)
        self.cells = cells
        self.check(summary)

    def test_unreadable(self) -> None:
        """Where a changed cell can't be read, its block is read again later."""
        summary = self.summary_of(some(1_000))
        cell = self.store.cell
        self.patch(self.store, "cell", self.fail_to_read)
        self.take({("soul000007", "k000001"): (1e9, b"1")})
        self.store.cell = cell  # type: ignore[method-assign]
        self.check(summary)

    def fail_to_read(self, soul: str, key: str) -> None:
        """For L{MemoryStore.cell}."""
        raise StoreError("broken disk")

    def test_states(self) -> None:
        """Zero is zero, with a minus too: HAM knows no difference."""
        place = place_of("a", "b")
        self.assertEqual(item_hash(place, (0.0, b"1")), item_hash(place, (-0.0, b"1")))
        hashes = [
            item_hash(*pair)
            for pair in (
                (place_of("a", "b"), (0.0, b"1")),
                (place_of("a", "b1"), (0.0, b"")),
                (place_of("ab", "1"), (0.0, b"")),
                (place_of("a", "b"), (1.0, b"1")),
                (place_of("a", "b"), (0.0, b"2")),
            )
        ]
        self.assertEqual(len(set(hashes)), 5)

    @settings(max_examples=50, deadline=None, derandomize=True)
    @given(st.dictionaries(st.tuples(NAMES, NAMES), st.integers(0, 9), max_size=40))
    def test_any_names(self, values: dict[tuple[str, str], int]) -> None:
        """Names are any text."""
        self.check(self.summary_of({name: (1.0, b"%d" % value) for name, value in values.items()}))


class BetweenTests(SynchronousTestCase):
    """The bounds between cells."""

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(st.tuples(NAMES, NAMES), st.tuples(NAMES, NAMES))
    def test_between(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        """A bound is above the one and not above the other, text, and the same after it was JSON."""
        before, after = sorted([place_of(*one), place_of(*other)])
        if before == after:
            return
        bound = between(before, after)
        self.assertTrue(before < bound <= after)
        self.assertLessEqual(len(bound[0]), len(after[0]))
        for units in bound:
            text = from_order_key(units)
            self.assertEqual(order_key(parse(string(text))), units)

    def test_short(self) -> None:
        """It is as short as can be."""
        self.assertEqual(between(place_of("abc1", "x"), place_of("abd2", "y")), place_of("abd", ""))
        self.assertEqual(between(place_of("abc", "x"), place_of("abcdef", "y")), place_of("abcd", ""))
        self.assertEqual(between(place_of("s", "key1"), place_of("s", "key2")), place_of("s", "key2"))
        self.assertEqual(between(place_of("a", "x"), place_of("é1", "y")), place_of("é", ""))


class BoundTests(SummaryCase):
    """The limit."""

    def test_summary_bytes(self) -> None:
        """With C{summary_bytes} reached, blocks become larger, and remain right."""
        limits = Limits(summary_bytes=5_000)
        summary = self.summary_of(some(5_000), limits=limits)
        self.assertLessEqual(summary.size, limits.summary_bytes)
        self.assertGreater(self.counters["summary_blocks_joined"], 0)
        self.assertGreater(len(summary), 2)
        for step in range(5):
            self.take({(f"new{step}{at:04d}", "k"): (1.0, b"1") for at in range(500)})
            while not summary.advance(1000):
                pass
            self.assertLessEqual(summary.size, limits.summary_bytes)
            self.assertEqual(summary.fingerprint(LOWEST, END), fingerprint(self.cells))
        parts = summary.split(LOWEST, END)
        for part, end in zip(parts, [*[part.low for part in parts[1:]], END], strict=True):
            self.assertEqual((part.cells, part.total), fingerprint(self.cells, part.low, end))

    def test_nothing_before(self) -> None:
        """A graph that was never compared watches nothing."""
        self.assertIsNone(self.graph_of(some(10)).watch)
