"""Tests for L{gunnet.graph.cache}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.graph.answer import render
from gunnet.graph.cache import BOTH_BYTES, HotNode, HotNodes
from gunnet.graph.ham import Cell
from gunnet.limits import Limits
from tests.wire.javascript import checked

ONE = (1.0, b"1")


def text(size: int) -> Cell:
    """A long value."""
    return 1.0, b'"%b"' % (b"1" * size)


def answer(cells: dict[str, Cell], soul: str = "s") -> bytes:
    """The JSON text of the whole node."""
    return render([(soul, sorted(cells.items()))])


def node_of(cells: dict[str, Cell]) -> HotNode:
    """A node that was asked for."""
    return HotNode("s", cells, answer(cells), 7)


def size_apart(cells: dict[str, Cell]) -> int:
    """What a node takes that has changed since it was asked for."""
    node = node_of(dict(cells))
    for key, cell in cells.items():
        node.put(key, cell)
    return node.size


NODE_SIZE = node_of({"k": ONE}).size
"""What a node with one small cell takes."""


class HotNodeTests(SynchronousTestCase):
    """One node, in one form or in both."""

    def test_small(self) -> None:
        """It is its answer until somebody looks at a cell, and again when it was asked for again."""
        cells = {"k": ONE, "l": (2.5, b'"text"'), "m": (3.0, b'{"#":"other"}'), "\ud83d": (4.0, b"null")}
        node = node_of(cells)
        whole = node.size
        self.assertEqual((node.cells, node.digest), (None, 7))
        self.assertEqual(node.take_apart(), cells)
        self.assertGreater(node.size, whole + 800)
        node.put("k", (5.0, b"2"))
        self.assertIsNone(node.text)
        changed = {**cells, "k": (5.0, b"2")}
        self.assertEqual(node.cells, changed)
        node.keep_answer(answer(changed), 8)
        self.assertEqual((node.cells, node.text, node.digest), (None, answer(changed), 8))
        self.assertEqual(node.size, whole)
        self.assertEqual(node.take_apart(), changed)

    def test_large(self) -> None:
        """It keeps both."""
        cells = {f"k{number:03}": (1.0, b'"value"') for number in range(100)}
        node = node_of(cells)
        self.assertEqual((node.cells, node.text), (cells, answer(cells)))
        self.assertGreater(node.size, BOTH_BYTES)
        before = node.size
        node.put("k000", (2.0, b'"other"'))
        self.assertEqual(node.size, before - len(answer(cells)))
        node.keep_answer(b"{}", 8)
        self.assertIsNotNone(node.cells)

    def test_first_answer(self) -> None:
        """The answer stays while it is true."""
        node = node_of({"k": ONE})
        node.keep_answer(b"{}", 8)
        self.assertEqual((node.text, node.digest, node.size), (answer({"k": ONE}), 7, NODE_SIZE))

    def test_size(self) -> None:
        """The size covers names and values."""
        one = size_apart({"k": ONE})
        self.assertGreater(one, NODE_SIZE)
        self.assertGreater(size_apart({"k" * 1_000: ONE}), one + 900)
        self.assertGreater(size_apart({"k": text(1_000)}), one + 900)
        self.assertGreater(size_apart({f"k{number}": ONE for number in range(100)}), one + 10_000)
        self.assertGreater(node_of({"k": text(1_000)}).size, NODE_SIZE + 900)


class HotNodesTests(SynchronousTestCase):
    """Whole nodes are kept in memory, within bounds."""

    def begin(self, limits: Limits | None = None) -> None:
        """An empty table."""
        self.counters = Counters()
        self.hot = HotNodes(limits or Limits(), self.counters)

    def add(self, soul: str, cells: dict[str, Cell]) -> None:
        """A node was asked for, and read from the store."""
        self.hot.add(soul, dict(cells), answer(cells, soul), 7)

    def there(self, souls: str) -> str:
        """Which of these are in memory."""
        return "".join([soul for soul in souls if self.hot.find(soul) is not None])

    def test_find(self) -> None:
        """What was added is found, until it is dropped."""
        self.begin()
        self.assertIsNone(self.hot.find("s"))
        self.assertEqual((False, None), self.hot.known("s", "k"))
        cells = {"k": ONE, "l": (2.0, b'"text"')}
        self.add("s", cells)
        node = self.hot.find("s")
        assert node is not None
        self.assertEqual(node.text, answer(cells))
        self.assertEqual((len(self.hot), self.hot.size), (1, node.size))
        self.assertEqual((True, ONE), self.hot.known("s", "k"))
        self.assertEqual((True, None), self.hot.known("s", "n"))
        self.assertEqual(self.hot.size, node.size)
        self.assertIsNone(self.hot.find("S"))
        self.hot.drop("s")
        self.hot.drop("s")
        self.assertIsNone(self.hot.find("s"))
        self.assertEqual((len(self.hot), self.hot.size), (0, 0))
        self.assertEqual(dict(self.counters), {})

    def test_same_name(self) -> None:
        """A soul is kept once, however many texts of it come."""
        self.begin()
        first, second = (b"s" * 20).decode(), (b"s" * 20).decode()
        self.assertIs(self.hot.same_name(first), first)
        self.add(first, {"k": ONE})
        self.assertIs(self.hot.same_name(second), first)
        self.assertIs(self.hot.same_name(first), first)

    def test_update(self) -> None:
        """A cell goes into a node that is there, over what is there; its answer is no longer true."""
        self.begin()
        self.hot.update("s", "k", ONE)
        self.assertIsNone(self.hot.find("s"))
        self.add("s", {"k": ONE})
        self.hot.update("s", "k", (2.0, b"22222"))
        self.hot.update("s", "l", (2.0, b"3"))
        node = self.hot.find("s")
        assert node is not None
        cells = {"k": (2.0, b"22222"), "l": (2.0, b"3")}
        self.assertEqual((node.cells, node.text), (cells, None))
        self.assertEqual(self.hot.size, size_apart(cells))

    def test_answer(self) -> None:
        """An answer is kept with a node that is there, and counts."""
        self.begin()
        self.hot.remember_answer("s", b"{}", 7)
        self.assertIsNone(self.hot.find("s"))
        self.add("s", {"k": ONE})
        self.hot.update("s", "k", ONE)
        self.hot.remember_answer("s", answer({"k": ONE}), 8)
        node = self.hot.find("s")
        assert node is not None
        self.assertEqual((node.text, node.digest), (answer({"k": ONE}), 8))
        self.assertEqual(self.hot.size, NODE_SIZE)

    def test_replaced(self) -> None:
        """A node that is added again replaces what was there."""
        self.begin()
        self.add("s", {"k": text(1_000)})
        self.add("s", {"l": ONE})
        self.assertEqual([(True, None), (True, ONE)], [self.hot.known("s", key) for key in "kl"])
        self.hot.update("s", "l", ONE)
        self.assertEqual((len(self.hot), self.hot.size), (1, size_apart({"l": ONE})))

    def test_bound(self) -> None:
        """When L{Limits.cache_bytes} is passed, the node used longest ago leaves and is counted."""
        self.begin(Limits(cache_bytes=7 * NODE_SIZE // 2))
        for soul in "abc":
            self.add(soul, {"k": ONE})
        self.assertEqual(self.counters["cache_nodes_evicted"], 0)
        self.assertIsNotNone(self.hot.find("a"))
        self.add("d", {"k": ONE})
        self.assertEqual(self.counters["cache_nodes_evicted"], 1)
        self.assertEqual(self.there("abcd"), "acd")
        self.hot.remember_answer("a", b"{}", 8)
        self.add("e", {"k": ONE})
        self.assertEqual(self.there("abcde"), "cde")
        self.assertEqual(self.counters["cache_nodes_evicted"], 2)
        self.assertEqual(self.counters["cache_nodes_too_large"], 0)

    def test_some_more(self) -> None:
        """If nodes have to go, a few more go than must, so that not each new one has to find its victim."""
        one = HotNode("000", {}, answer({"k": ONE}, "000"), 7).size
        self.begin(Limits(cache_bytes=200 * one))
        for number in range(200):
            self.add(f"{number:03}", {"k": ONE})
        self.assertEqual((200, 0), (len(self.hot), self.counters["cache_nodes_evicted"]))
        self.add("200", {"k": ONE})
        self.assertEqual((196, 5), (len(self.hot), self.counters["cache_nodes_evicted"]))
        self.assertIsNone(self.hot.find("004"))
        self.assertIsNotNone(self.hot.find("005"))

    def test_bound_by_growth(self) -> None:
        """Cells that are looked at, and that grow, push others out as new nodes do."""
        apart = size_apart({"k": ONE}) + len(answer({"k": ONE}))
        self.begin(Limits(cache_bytes=2 * NODE_SIZE + apart - 1))
        for soul in "abc":
            self.add(soul, {"k": ONE})
        self.assertEqual((True, ONE), self.hot.known("c", "k"))
        self.assertEqual(self.there("abc"), "bc")
        self.hot.update("c", "k", text(2 * NODE_SIZE))
        self.assertEqual(self.there("abc"), "c")
        self.assertEqual(self.counters["cache_nodes_evicted"], 2)

    def test_room(self) -> None:
        """What else needs memory pushes nodes out, but leaves them a third of L{Limits.cache_bytes}."""
        self.begin(Limits(cache_bytes=19 * NODE_SIZE // 2))
        for soul in "abcdefghi":
            self.add(soul, {"k": ONE})
        self.hot.leave_room(0)
        self.assertEqual(9, len(self.hot))
        self.hot.leave_room(NODE_SIZE)
        self.assertEqual(8, len(self.hot))
        self.add("a", {"k": ONE})
        self.assertEqual(8, len(self.hot))
        self.hot.leave_room(1_000 * NODE_SIZE)
        self.assertEqual(self.there("abcdefghi"), "ahi")
        self.assertEqual(7, self.counters["cache_nodes_evicted"])
        self.hot.leave_room(0)
        for soul in "bcdefg":
            self.add(soul, {"k": ONE})
        self.assertEqual(9, len(self.hot))

    def test_node_bound(self) -> None:
        """A node of more than L{Limits.cache_node_bytes} is not kept and is counted."""
        self.begin(Limits(cache_node_bytes=size_apart({"k": ONE}) + 100))
        fits = text(99)
        for big in ({"k": text(1_500)}, {f"k{number}": ONE for number in range(20)}):
            self.add("s", big)
            self.assertIsNone(self.hot.find("s"))
        self.add("s", {"k": ONE})
        self.hot.update("s", "k", fits)
        self.assertIsNotNone(self.hot.find("s"))
        self.hot.update("s", "k", text(100))
        self.assertIsNone(self.hot.find("s"))
        self.add("s", {"k": ONE})
        self.hot.update("s", "l", ONE)
        self.assertIsNone(self.hot.find("s"))
        self.add("s", {"k": fits})
        self.assertEqual((True, fits), self.hot.known("s", "k"))
        self.assertIsNone(self.hot.find("s"))
        self.assertEqual(self.counters["cache_nodes_too_large"], 5)
        self.assertEqual(self.counters["cache_nodes_evicted"], 0)
        self.assertEqual((len(self.hot), self.hot.size), (0, 0))

    @checked
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["find", "known", "add", "update", "answer", "drop", "room"]),
                st.sampled_from("abcd"),
                st.sampled_from("klm"),
                st.integers(0, 2_500),
            ),
            max_size=60,
        ),
        st.sampled_from([2_000, 8_000, 1_000_000]),
        st.sampled_from([1_500, 1_000_000]),
    )
    def test_any(self, course: list[tuple[str, str, str, int]], cache_bytes: int, node_bytes: int) -> None:
        """After whatever happens, sizes are what counting anew gives, bounds hold, and cells are right."""
        self.begin(Limits(cache_bytes=cache_bytes, cache_node_bytes=node_bytes))
        truth: dict[str, dict[str, Cell]] = {}
        room = cache_bytes
        for verb, soul, key, size in course:
            cell = (float(size), text(size)[1])
            cells = truth.setdefault(soul, {})
            if verb == "find":
                self.hot.find(soul)
            elif verb == "known":
                is_hot, known = self.hot.known(soul, key)
                self.assertEqual(known, cells.get(key) if is_hot else None)
            elif verb == "add":
                cells[key] = cell
                self.add(soul, cells)
            elif verb == "update":
                cells[key] = cell
                self.hot.update(soul, key, cell)
            elif verb == "answer" and cells:
                self.hot.remember_answer(soul, answer(cells, soul), size)
            elif verb == "drop":
                self.hot.drop(soul)
            elif verb == "room":
                self.hot.leave_room(size)
                room = max(cache_bytes - size, cache_bytes // 3)
            self.assert_right(truth, node_bytes)
            self.assertLessEqual(self.hot.size, room)

    def assert_right(self, truth: dict[str, dict[str, Cell]], node_bytes: int) -> None:
        """What is in memory is true, and counted."""
        there = {soul: node for soul in "abcd" if (node := self.hot._nodes.get(soul)) is not None}
        self.assertEqual(len(self.hot), len(there))
        self.assertEqual(self.hot.size, sum(node.size for node in there.values()))
        for soul, node in there.items():
            cells = truth[soul]
            whole = answer(cells, soul)
            self.assertIn(node.cells, (None, cells))
            self.assertIn(node.text, (None, whole))
            self.assertLessEqual(node.size, node_bytes)
            if node.cells is None:
                self.assertEqual(node.size, HotNode(soul, {}, whole, 7).size)
            else:
                both = 0 if node.text is None else len(whole)
                self.assertEqual(node.size, size_apart(cells) + both)
