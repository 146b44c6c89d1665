"""
Tests of L{gunnet.store.memory}.
"""

from __future__ import annotations

import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.lex import ALL, Span
from gunnet.store import memory
from gunnet.store.interface import Store, StoreError
from gunnet.store.memory import CELL_BYTES, SOUL_BYTES, MemoryStore
from tests.store.contract import StoreContract, cell


class MemoryContractTests(StoreContract, SynchronousTestCase):
    """The memory store is a store."""

    def new_store(self) -> Store:
        return MemoryStore(64 * 1024 * 1024)


class SmallBlocksTests(MemoryContractTests):
    """It also is one where names fill many blocks."""

    def setUp(self) -> None:
        self.patch(memory, "_BLOCK_NAMES", 2)


class BoundTests(SynchronousTestCase):
    """The memory store keeps within its bound."""

    def test_longest_unused_goes_first(self) -> None:
        """Over the bound, whole nodes go; to be read or written is to be used, to be listed is not."""
        three = 3 * (SOUL_BYTES + 1) + 6 * (CELL_BYTES + 2)
        store = MemoryStore(three)
        store.commit([(soul, key, cell()) for soul in "abc" for key in "kl"])
        self.assertEqual(store.stats()["bytes"], three)
        store.cell("a", "k")
        list(store.node("b", ALL))
        list(store.souls(ALL))
        store.commit([("d", "k", cell())])
        self.assertEqual(list(store.souls(ALL)), ["a", "b", "d"])
        self.assertIsNone(store.cell("c", "k"))
        self.assertEqual(store.stats()["evicted_cells"], 2)
        store.commit([("a", "k", cell(2)), ("e", "k", cell()), ("f", "k", cell())])
        self.assertEqual(list(store.souls(ALL)), ["a", "e", "f"])
        self.assertEqual(store.evicted_cells, 5)

    def test_never_over(self) -> None:
        """After any commit, the bytes and cells in stats are those of what is there, within the bound."""
        store = MemoryStore(50_000)
        for number in range(500):
            size = number * 37 % 900
            store.commit([(f"soul {number % 41}", f"{key}", cell("1" * size)) for key in range(number % 7)])
            figures = store.stats()
            self.assertTrue(figures["bytes"] <= 50_000)
            nodes = {soul: list(store.node(soul, ALL)) for soul in list(store.souls(ALL))}
            self.assertEqual(figures["souls"], len(nodes))
            self.assertEqual(figures["cells"], sum(map(len, nodes.values())))
            counted = sum(len(soul) + SOUL_BYTES for soul in nodes) + sum(
                len(key) + len(found[1]) + CELL_BYTES for node in nodes.values() for key, found in node
            )
            self.assertEqual(figures["bytes"], counted)
        self.assertTrue(store.evicted_cells > 0)

    def test_too_large_a_commit(self) -> None:
        """What could never fit is refused, and nothing is forgotten for it."""
        store = MemoryStore(10_000)
        store.commit([("soul", "key", cell())])
        with self.assertRaises(StoreError) as caught:
            store.commit([("other", "key", cell("1" * 10_000))])
        self.assertIn("memory is full", str(caught.exception))
        self.assertEqual(list(store.souls(ALL)), ["soul"])

    def test_a_node_that_outgrows_it(self) -> None:
        """A single node that reaches the bound goes as well."""
        store = MemoryStore(10_000)
        for number in range(100):
            store.commit([("soul", str(number), cell())])
            self.assertTrue(store.stats()["bytes"] <= 10_000)
        self.assertTrue(store.evicted_cells > 0)
        self.assertTrue(store.stats()["cells"] > 0)

    def test_the_estimate(self) -> None:
        """What it takes for its size is near what Python spends."""
        for souls, keys in ((10_000, 1), (4_000, 5), (1, 20_000)):
            tracemalloc.start()
            self.addCleanup(tracemalloc.stop)
            store = MemoryStore(1 << 30)
            for soul in range(souls):
                for key in range(keys):
                    store.commit(
                        [(f"soul {soul}", f"key {key}", (1700000000000.0 + key, b'"%d"' % (key + soul)))]
                    )
            spent = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            told = store.stats()["bytes"]
            self.assertTrue(
                0.7 * told < spent < 1.15 * told, f"{souls} souls, {keys} keys: {spent}, told {told}"
            )

    def test_scan_while_written(self) -> None:
        """Cells that come during a scan do not upset it."""
        self.patch(memory, "_BLOCK_NAMES", 2)
        store = MemoryStore(1 << 20)
        store.commit([("soul", f"{key:03}", cell()) for key in range(0, 100, 2)])
        found = []
        for key, _ in store.node("soul", Span("0")):
            found.append(key)
            store.commit([("soul", f"{int(key) - 1:03}", cell())])
        self.assertEqual(found, sorted(set(found)))
        self.assertTrue(set(found) >= {f"{key:03}" for key in range(0, 100, 2)})
