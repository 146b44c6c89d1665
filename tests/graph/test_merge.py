"""Tests for L{gunnet.graph.merge}: one view of what is stored, what waits for the store, and what is hot."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.graph.answer import Selection
from gunnet.graph.ham import Cell
from gunnet.graph.lex import ALL, Query, Span
from gunnet.graph.merge import Batch, Graph, is_signed
from gunnet.limits import Limits
from gunnet.store.memory import MemoryStore
from tests.graph.nodes import cells_of, chunks, commit
from tests.wire.javascript import units

OLD = (1.0, b'"old"')
NEW = (2.0, b'"new"')


class GraphTests(SynchronousTestCase):
    """Reads see what was accepted; commits make it last."""

    def setUp(self) -> None:
        self.store = MemoryStore(1 << 20)
        self.graph = Graph(self.store, Limits(), Counters())

    def cut(self) -> Batch:
        """The next batch, which there must be."""
        batch = self.graph.cut()
        assert batch is not None
        return batch

    def test_empty(self) -> None:
        """Nothing is known of nothing."""
        self.assertIsNone(self.graph.known("s", "k"))
        self.assertIsNone(self.graph.node("s"))
        self.assertEqual(list(self.graph.cells("s")), [])
        self.assertEqual(list(self.graph.souls(ALL)), [])
        self.assertIsNone(self.graph.cut())
        self.assertFalse(self.graph.confirm("s", "k"))
        self.assertEqual(self.graph.pending_bytes, 0)

    def test_seen_at_once(self) -> None:
        """What is accepted is read at once, before and while it is committed, and after."""
        self.graph.take("s", "k", OLD)
        for step in ("open", "cut", "stored"):
            self.assertEqual(self.graph.known("s", "k"), OLD, step)
            self.assertEqual(list(self.graph.cells("s")), [("k", OLD)], step)
            self.assertEqual(list(self.graph.souls(ALL)), ["s"], step)
            self.assertIsNone(self.graph.known("s", "l"))
            if step == "open":
                batch = self.cut()
            elif step == "cut":
                self.store.commit(batch.rows())
                self.graph.settle(batch, stored=True)
        self.assertEqual(self.store.cell("s", "k"), OLD)

    def test_cut(self) -> None:
        """Each batch has what was accepted since the last; of two writes to one property the later."""
        self.graph.take("s", "k", OLD)
        self.graph.take("s", "k", NEW)
        self.graph.take("t", "k", OLD)
        self.assertEqual(self.cut().rows(), [("s", "k", NEW), ("t", "k", OLD)])
        self.assertIsNone(self.graph.cut())
        self.graph.take("s", "l", OLD)
        self.assertEqual(self.cut().rows(), [("s", "l", OLD)])

    def test_failed(self) -> None:
        """What could not be stored is not known any more; what was stored before is known again."""
        self.graph.take("s", "k", OLD)
        commit(self.graph, self.store)
        self.assertEqual(len(chunks(self.graph, Query("s"))), 1)
        self.assertIsNotNone(self.graph.node("s"))
        self.graph.take("s", "k", NEW)
        self.graph.take("s", "l", NEW)
        self.graph.take("t", "k", NEW)
        self.graph.settle(self.cut(), stored=False)
        self.assertEqual(self.graph.known("s", "k"), OLD)
        self.assertIsNone(self.graph.known("s", "l"))
        self.assertIsNone(self.graph.known("t", "k"))
        self.assertEqual(list(self.graph.cells("s")), [("k", OLD)])
        self.assertEqual(list(self.graph.souls(ALL)), ["s"])
        self.assertEqual(self.graph.pending_bytes, 0)

    def test_failed_with_later(self) -> None:
        """If a batch fails, what was accepted after it still stands."""
        self.graph.take("s", "k", OLD)
        self.graph.take("s", "l", OLD)
        first = self.cut()
        self.graph.take("s", "k", NEW)
        self.graph.settle(first, stored=False)
        self.assertEqual(self.graph.known("s", "k"), NEW)
        self.assertIsNone(self.graph.known("s", "l"))
        commit(self.graph, self.store)
        self.assertEqual(list(self.graph.cells("s")), [("k", NEW)])

    def test_confirm(self) -> None:
        """
        A write that tells what is known already waits with the commit that makes it last: it needs no batch
        when it is stored, it is in the open one when it waits there, and it goes there when it is in another.
        """
        self.graph.take("s", "k", OLD)
        size = self.graph.pending_bytes
        self.assertTrue(self.graph.confirm("s", "k"))
        self.assertEqual(self.graph.pending_bytes, size)
        first = self.cut()
        self.assertTrue(self.graph.confirm("s", "k"))
        self.assertEqual(self.graph.pending_bytes, 2 * size)
        second = self.cut()
        self.assertEqual(second.rows(), first.rows())
        self.store.commit(first.rows())
        self.graph.settle(first, stored=True)
        self.assertTrue(self.graph.confirm("s", "k"))
        self.store.commit(second.rows())
        self.graph.settle(second, stored=True)
        commit(self.graph, self.store)
        self.assertFalse(self.graph.confirm("s", "k"))
        self.assertFalse(self.graph.confirm("s", "l"))
        self.assertIsNone(self.graph.cut())
        self.assertEqual(self.graph.pending_bytes, 0)

    def test_confirm_after_a_failure(self) -> None:
        """A write that was confirmed while its batch was under way lasts, though that batch failed."""
        self.graph.take("s", "k", OLD)
        self.graph.take("s", "l", OLD)
        first = self.cut()
        self.assertTrue(self.graph.confirm("s", "k"))
        self.graph.settle(first, stored=False)
        self.assertEqual(self.graph.known("s", "k"), OLD)
        self.assertIsNone(self.graph.known("s", "l"))
        self.assertFalse(self.graph.confirm("s", "l"))
        commit(self.graph, self.store)
        self.assertEqual(self.store.cell("s", "k"), OLD)
        self.assertIsNone(self.store.cell("s", "l"))

    def test_pending_bytes(self) -> None:
        """What waits is counted with its names, once for each batch, and is nothing when all is settled."""
        self.graph.take("s", "k", (1.0, b'"%b"' % (b"x" * 5_000)))
        self.assertGreater(self.graph.pending_bytes, 5_000)
        self.graph.take("s", "k", OLD)
        self.assertLess(self.graph.pending_bytes, 1_000)
        before = self.graph.pending_bytes
        self.graph.take("s" * 1_000, "k" * 1_000, OLD)
        self.assertGreater(self.graph.pending_bytes, before + 2_000)
        first = self.cut()
        self.graph.take("s", "k", NEW)
        self.graph.settle(first, stored=True)
        self.assertEqual(self.graph.pending_bytes, before)
        self.graph.settle(self.cut(), stored=False)
        self.assertEqual(self.graph.pending_bytes, 0)

    def test_order(self) -> None:
        """Stored and waiting names come as one run, in UTF-16 order, in both directions, each once."""
        names = ["10", "9", "A", "_", "a", "\ud7ff", "\U0001f600", "\ue000", "\uffff"]
        for stored in range(2 ** len(names)):
            if stored % 7:
                continue
            store = MemoryStore(1 << 20)
            graph = Graph(store, Limits(), Counters())
            for at, name in enumerate(names):
                if stored >> at & 1:
                    graph.take("s", name, OLD)
                    graph.take(name, "k", OLD)
            commit(graph, store)
            for at, name in enumerate(names):
                if not stored >> at & 1 or at % 3 == 0:
                    graph.take("s", name, NEW)
                    graph.take(name, "k", NEW)
            wanted = [
                (name, NEW if not stored >> at & 1 or at % 3 == 0 else OLD) for at, name in enumerate(names)
            ]
            self.assertEqual(list(graph.cells("s")), wanted)
            self.assertEqual(list(graph.cells("s", reverse=True)), wanted[::-1])
            souls = sorted([*names, "s"], key=units)
            self.assertEqual(list(graph.souls(ALL)), souls)
            self.assertEqual(list(graph.souls(ALL, reverse=True)), souls[::-1])
            self.assertEqual(list(graph.cells("s", Span("", "A", "a"))), wanted[2:5])
            self.assertEqual(list(graph.souls(Span("", "\U0001f600"))), ["\U0001f600", "\ue000", "\uffff"])

    def test_lazy(self) -> None:
        """A run can be left in the middle."""
        for key in "abc":
            self.graph.take("s", key, OLD)
        commit(self.graph, self.store)
        self.graph.take("s", "bb", NEW)
        run = self.graph.cells("s")
        self.assertEqual([next(run)[0] for _ in range(3)], ["a", "b", "bb"])

    def test_any_course(self) -> None:
        """Whatever is accepted, committed, failed and read in any order, the graph is what tables say."""
        run_state_machine_as_test(
            GraphMachine,
            settings=settings(deadline=None, derandomize=True, max_examples=60, stateful_step_count=30),
        )


SOULS = ["s", "sa", "~s", "\U0001f600", "\ue000"]
KEYS = ["a", "b", "10", "9", "\uffff", "\U00010000"]
SPANS = [ALL, Span("s"), Span("", "9"), Span("", None, "b"), Span("\ud83d"), Span("", "a", "\U00010000")]


class GraphMachine(RuleBasedStateMachine):
    """A L{Graph} beside plain tables: what is stored, and one for each batch that is not settled."""

    @initialize(cache_bytes=st.sampled_from([1_000, 3_000, 1_000_000]))
    def begin(self, cache_bytes: int) -> None:
        """Begin with nothing, and more or less room for hot nodes."""
        self.store = MemoryStore(1 << 20)
        self.graph = Graph(self.store, Limits(cache_bytes=cache_bytes), Counters())
        self.stored: dict[tuple[str, str], Cell] = {}
        self.under_way: list[tuple[Batch, dict[tuple[str, str], Cell]]] = []
        self.open: dict[tuple[str, str], Cell] = {}
        self.count = 0

    @rule(soul=st.sampled_from(SOULS), key=st.sampled_from(KEYS), size=st.integers(0, 300))
    def take(self, soul: str, key: str, size: int) -> None:
        """Accept a new value."""
        self.count += 1
        cell = (float(self.count), b'"%b"' % (b"x" * size))
        self.graph.take(soul, key, cell)
        self.open[soul, key] = cell

    @rule(soul=st.sampled_from(SOULS), key=st.sampled_from(KEYS))
    def confirm(self, soul: str, key: str) -> None:
        """What is known is written again."""
        tables = [self.open, *[table for _, table in reversed(self.under_way)]]
        waiting = [table[soul, key] for table in tables if (soul, key) in table]
        assert self.graph.confirm(soul, key) == bool(waiting)
        if waiting:
            self.open[soul, key] = waiting[0]

    @precondition(lambda self: len(self.under_way) < 3)
    @rule(signed=st.booleans())
    def cut(self, signed: bool) -> None:
        """A commit begins, of what is signed or of the rest."""
        batch = self.graph.cut(signed=signed)
        table = {name: cell for name, cell in self.open.items() if is_signed(name[0]) is signed}
        assert (batch is not None) == bool(table)
        if batch is not None:
            assert {(soul, key): cell for soul, key, cell in batch.rows()} == table
            assert batch.count == len(table)
            self.under_way.append((batch, table))
            self.open = {name: cell for name, cell in self.open.items() if name not in table}

    @precondition(lambda self: self.under_way)
    @rule(stored=st.booleans())
    def settle(self, stored: bool) -> None:
        """The oldest commit ends."""
        batch, table = self.under_way.pop(0)
        if stored:
            self.store.commit(batch.rows())
            self.stored.update(table)
        self.graph.settle(batch, stored=stored)

    @rule(soul=st.sampled_from(SOULS), size=st.sampled_from([1, 400, 100_000]))
    def ask(self, soul: str, size: int) -> None:
        """A whole node is asked for, which may keep it hot."""
        answer = [chunk for put, _ in chunks(self.graph, Query(soul), size) for chunk in cells_of(put)]
        assert answer == [(soul, key, cell) for key, cell in self.node(soul)]

    @rule(soul=st.sampled_from(SOULS))
    def ask_in_part(self, soul: str) -> None:
        """A whole node is asked for, and nobody waits for the end."""
        Selection(self.graph, Query(soul)).chunk(1)

    def known(self) -> dict[tuple[str, str], Cell]:
        """All that should be known."""
        known = dict(self.stored)
        for _, table in self.under_way:
            known.update(table)
        return {**known, **self.open}

    def node(self, soul: str) -> list[tuple[str, Cell]]:
        """What should be known of a soul, in order."""
        found = [(key, cell) for (other, key), cell in self.known().items() if other == soul]
        return sorted(found, key=lambda item: units(item[0]))

    @invariant()
    def agrees(self) -> None:
        """The graph knows what the tables say, in whatever way it is asked."""
        known = self.known()
        for soul in SOULS:
            node = self.node(soul)
            for key in KEYS:
                assert self.graph.known(soul, key) == known.get((soul, key))
            for span in SPANS:
                run = [
                    item
                    for item in node
                    if units(item[0]).startswith(units(span.prefix)) and span.holds(item[0])
                ]
                assert list(self.graph.cells(soul, span)) == run
                assert list(self.graph.cells(soul, span, reverse=True)) == run[::-1]
        for span in SPANS:
            souls = sorted({soul for soul, _ in known if span.holds(soul)}, key=units)
            assert list(self.graph.souls(span)) == souls
            assert list(self.graph.souls(span, reverse=True)) == souls[::-1]
        waits = bool(self.open or self.under_way)
        assert (self.graph.pending_bytes > 0) == waits
        assert waits or self.graph.pending_bytes == 0
