"""Tests for L{gunnet.graph.cache}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.graph.cache import HotNode, HotNodes
from gunnet.graph.ham import Cell
from gunnet.limits import Limits
from tests.wire.javascript import checked

ONE = (1.0, b"1")
NODE_SIZE = HotNode({"k": ONE}).size
"""What a node with one small cell takes."""


def size_of(node: HotNode) -> int:
    """What a node should say it takes, counted anew."""
    answer = 0 if node.answer is None else len(node.answer[0])
    return HotNode(node.cells).size + answer


def hot_nodes(limits: Limits | None = None) -> tuple[HotNodes, Counters]:
    """An empty table."""
    counters = Counters()
    return HotNodes(limits or Limits(), counters), counters


class HotNodesTests(SynchronousTestCase):
    """Whole nodes are kept in memory, within bounds."""

    def test_find(self) -> None:
        """What was added is found, until it is dropped."""
        hot, counters = hot_nodes()
        self.assertIsNone(hot.find("s"))
        cells = {"k": ONE, "l": (2.0, b'"text"')}
        hot.add("s", cells)
        node = hot.find("s")
        assert node is not None
        self.assertEqual(node.cells, cells)
        self.assertIsNone(node.answer)
        self.assertEqual((len(hot), hot.size), (1, node.size))
        self.assertIsNone(hot.find("S"))
        hot.drop("s")
        hot.drop("s")
        self.assertIsNone(hot.find("s"))
        self.assertEqual((len(hot), hot.size), (0, 0))
        self.assertEqual(dict(counters), {})

    def test_size(self) -> None:
        """The size covers names and values."""
        self.assertGreater(HotNode({"k" * 1_000: ONE}).size, NODE_SIZE + 900)
        self.assertGreater(HotNode({"k": (1.0, b"1" * 1_000)}).size, NODE_SIZE + 900)
        self.assertGreater(HotNode({f"k{number}": ONE for number in range(100)}).size, NODE_SIZE + 10_000)

    def test_update(self) -> None:
        """A cell goes into a node that is there, over what is there; its answer is no longer true."""
        hot, _ = hot_nodes()
        hot.update("s", "k", ONE)
        self.assertIsNone(hot.find("s"))
        hot.add("s", {"k": ONE})
        hot.remember_answer("s", b"{}", 7)
        hot.update("s", "k", (2.0, b"22222"))
        hot.update("s", "l", (2.0, b"3"))
        node = hot.find("s")
        assert node is not None
        self.assertEqual(node.cells, {"k": (2.0, b"22222"), "l": (2.0, b"3")})
        self.assertIsNone(node.answer)
        self.assertEqual(hot.size, size_of(node))

    def test_answer(self) -> None:
        """An answer is kept with a node that is there, and counts; the first one stays while it is true."""
        hot, _ = hot_nodes()
        hot.remember_answer("s", b"{}", 7)
        self.assertIsNone(hot.find("s"))
        hot.add("s", {"k": ONE})
        before = hot.size
        hot.remember_answer("s", b"x" * 500, 7)
        hot.remember_answer("s", b"y" * 900, 8)
        node = hot.find("s")
        assert node is not None
        self.assertEqual(node.answer, (b"x" * 500, 7))
        self.assertEqual(hot.size, before + 500)

    def test_replaced(self) -> None:
        """A node that is added again replaces what was there."""
        hot, _ = hot_nodes()
        hot.add("s", {"k": (1.0, b"1" * 1_000)})
        hot.remember_answer("s", b"x" * 500, 7)
        hot.add("s", {"l": ONE})
        node = hot.find("s")
        assert node is not None
        self.assertEqual((node.cells, node.answer), ({"l": ONE}, None))
        self.assertEqual((len(hot), hot.size), (1, NODE_SIZE))

    def test_bound(self) -> None:
        """When L{Limits.cache_bytes} is passed, the node used longest ago leaves and is counted."""
        hot, counters = hot_nodes(Limits(cache_bytes=3 * NODE_SIZE))
        for soul in "abc":
            hot.add(soul, {"k": ONE})
        self.assertEqual(counters["cache_nodes_evicted"], 0)
        self.assertIsNotNone(hot.find("a"))
        hot.add("d", {"k": ONE})
        self.assertEqual(counters["cache_nodes_evicted"], 1)
        self.assertEqual([soul for soul in "abcd" if hot.find(soul)], ["a", "c", "d"])
        hot.update("a", "k", ONE)
        hot.add("e", {"k": ONE})
        self.assertEqual([soul for soul in "abcde" if hot.find(soul)], ["c", "d", "e"])
        self.assertEqual(counters["cache_nodes_evicted"], 2)
        self.assertEqual(counters["cache_nodes_too_large"], 0)

    def test_bound_by_growth(self) -> None:
        """Growing cells and answers push others out as new nodes do."""
        hot, counters = hot_nodes(Limits(cache_bytes=3 * NODE_SIZE))
        for soul in "abc":
            hot.add(soul, {"k": ONE})
        hot.update("c", "k", (1.0, b"1" * 10))
        self.assertEqual([soul for soul in "abc" if hot.find(soul)], ["b", "c"])
        hot.remember_answer("c", b"x" * NODE_SIZE, 1)
        self.assertEqual([soul for soul in "abc" if hot.find(soul)], ["c"])
        self.assertEqual(counters["cache_nodes_evicted"], 2)

    def test_node_bound(self) -> None:
        """A node of more than L{Limits.cache_node_bytes} is not kept and is counted."""
        limits = Limits(cache_node_bytes=NODE_SIZE + 100)
        big = (1.0, b"1" * 102)
        hot, counters = hot_nodes(limits)
        hot.add("s", {"k": (1.0, b"1" * 101)})
        self.assertIsNotNone(hot.find("s"))
        hot.add("s", {"k": big})
        self.assertIsNone(hot.find("s"))
        hot.add("s", {"k": ONE})
        hot.update("s", "k", big)
        self.assertIsNone(hot.find("s"))
        hot.add("s", {"k": ONE})
        hot.update("s", "l", ONE)
        self.assertIsNone(hot.find("s"))
        hot.add("s", {"k": ONE})
        hot.remember_answer("s", b"x" * 101, 1)
        self.assertIsNone(hot.find("s"))
        self.assertEqual(counters["cache_nodes_too_large"], 4)
        self.assertEqual(counters["cache_nodes_evicted"], 0)
        self.assertEqual((len(hot), hot.size), (0, 0))

    @checked
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["find", "add", "update", "answer", "drop"]),
                st.sampled_from("abcd"),
                st.sampled_from("klm"),
                st.integers(0, 1_200),
            ),
            max_size=60,
        ),
        st.sampled_from([2_000, 4_000, 1_000_000]),
        st.sampled_from([1_500, 1_000_000]),
    )
    def test_any(self, course: list[tuple[str, str, str, int]], cache_bytes: int, node_bytes: int) -> None:
        """After whatever happens, sizes are what counting anew gives, bounds hold, and cells are right."""
        hot, _ = hot_nodes(Limits(cache_bytes=cache_bytes, cache_node_bytes=node_bytes))
        truth: dict[str, dict[str, Cell]] = {}
        for verb, soul, key, size in course:
            cell = (float(size), b"1" * size)
            if verb == "find":
                hot.find(soul)
            elif verb == "add":
                truth.setdefault(soul, {})[key] = cell
                hot.add(soul, dict(truth[soul]))
            elif verb == "update":
                truth.setdefault(soul, {})[key] = cell
                hot.update(soul, key, cell)
            elif verb == "answer":
                hot.remember_answer(soul, b"x" * size, size)
            else:
                hot.drop(soul)
            there = {name: node for name in "abcd" if (node := hot._nodes.get(name)) is not None}
            self.assertEqual(len(hot), len(there))
            for name, node in there.items():
                self.assertEqual(node.size, size_of(node))
                self.assertEqual(node.cells, truth[name])
                self.assertLessEqual(node.size, node_bytes)
            self.assertEqual(hot.size, sum(node.size for node in there.values()))
            self.assertLessEqual(hot.size, cache_bytes)
