"""Tests for L{gunnet.graph.deferred}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.deferred import Deferred
from gunnet.graph.node import PutCell
from gunnet.limits import Limits
from tests.wire.javascript import checked


def cell(state: float, value: bytes = b"1", key: str = "key") -> PutCell:
    """A cell with this state."""
    return "soul", key, state, value


class DeferredTests(SynchronousTestCase):
    """Writes wait for their state."""

    def test_empty(self) -> None:
        """Where nothing waits, nothing is due."""
        deferred: Deferred[str] = Deferred(Limits())
        self.assertEqual((len(deferred), deferred.size, deferred.next_at), (0, 0, None))
        self.assertIsNone(deferred.pop_due(1e300))
        self.assertTrue(deferred.has_room([]))

    def test_due(self) -> None:
        """A write is due when its state has come, not before, each with its token."""
        deferred: Deferred[str] = Deferred(Limits())
        deferred.add(cell(20.5), "late")
        deferred.add(cell(10), "soon")
        self.assertEqual(deferred.next_at, 10)
        self.assertIsNone(deferred.pop_due(9.999))
        self.assertEqual(deferred.pop_due(10), (cell(10), "soon"))
        self.assertIsNone(deferred.pop_due(20.4))
        self.assertEqual(deferred.next_at, 20.5)
        self.assertEqual(deferred.pop_due(30), (cell(20.5), "late"))
        self.assertIsNone(deferred.next_at)

    def test_equal_states(self) -> None:
        """Of equal states the first comes first; tokens need no order."""
        deferred: Deferred[object] = Deferred(Limits())
        tokens = [object() for _ in range(50)]
        for token in tokens:
            deferred.add(cell(5), token)
        found = []
        while (due := deferred.pop_due(5)) is not None:
            found.append(due[1])
        self.assertEqual(found, tokens)

    def test_cells_bound(self) -> None:
        """Not more than L{Limits.deferred_cells} wait; room comes back as they become due."""
        deferred: Deferred[str] = Deferred(Limits(deferred_cells=3))
        deferred.add(cell(1), "a")
        self.assertTrue(deferred.has_room([cell(2), cell(3)]))
        self.assertFalse(deferred.has_room([cell(2), cell(3), cell(4)]))
        deferred.add(cell(2), "b")
        deferred.add(cell(3), "c")
        self.assertFalse(deferred.has_room([cell(4)]))
        deferred.pop_due(1)
        self.assertTrue(deferred.has_room([cell(4)]))

    def test_bytes_bound(self) -> None:
        """Not more than L{Limits.deferred_bytes} wait, names and values counted."""
        deferred: Deferred[str] = Deferred(Limits(deferred_bytes=10_000))
        self.assertFalse(deferred.has_room([cell(1, b"x" * 10_000)]))
        self.assertFalse(deferred.has_room([cell(1, key="x" * 10_000)]))
        self.assertFalse(deferred.has_room([cell(1, b"x" * 5_000), cell(1, b"x" * 5_000)]))
        big = cell(1, b"x" * 5_000)
        self.assertTrue(deferred.has_room([big]))
        deferred.add(big, "a")
        self.assertGreaterEqual(deferred.size, 5_000)
        self.assertFalse(deferred.has_room([big]))
        deferred.pop_due(1)
        self.assertEqual(deferred.size, 0)
        self.assertTrue(deferred.has_room([big]))

    @checked
    @given(st.lists(st.tuples(st.floats(0, 100), st.binary(max_size=20)), max_size=30), st.floats(0, 100))
    def test_any(self, waiting: list[tuple[float, bytes]], now: float) -> None:
        """What is due comes in order of states, the rest stays, and the size goes back to nothing."""
        deferred: Deferred[int] = Deferred(Limits())
        for token, (state, value) in enumerate(waiting):
            deferred.add(cell(state, value), token)
        found = []
        while (due := deferred.pop_due(now)) is not None:
            found.append(due[1])
        order = sorted(range(len(waiting)), key=lambda token: waiting[token][0])
        self.assertEqual(found, [token for token in order if waiting[token][0] <= now])
        self.assertEqual(len(deferred), len(waiting) - len(found))
        while deferred.pop_due(100):
            pass
        self.assertEqual((len(deferred), deferred.size), (0, 0))
