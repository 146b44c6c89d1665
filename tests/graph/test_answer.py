"""Tests for L{gunnet.graph.answer}: the text of answers, their hashes, and how long ones are cut."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.graph.answer import Selection, digests_from_memory, render
from gunnet.graph.ham import Cell
from gunnet.graph.lex import Query, Span
from gunnet.graph.merge import Graph
from gunnet.graph.node import read_put
from gunnet.limits import Limits
from gunnet.store.memory import MemoryStore
from gunnet.wire import jstext
from tests.graph.nodes import (
    KEYS,
    LIMITS,
    NAMES,
    STATES,
    Nodes,
    cells_of,
    chunks,
    commit,
    graph_of,
    put_of,
    values,
)
from tests.wire.javascript import VECTORS, checked, hash_of, json_text, units

CHUNK_SLACK = 100
"""What a chunk may be larger than it was cut for, beside its last value: names are counted roughly."""


def in_order(nodes: Nodes, state: float = 1.0) -> list[tuple[str, list[tuple[str, Cell]]]]:
    """Nodes as L{render} takes them."""
    return [
        (soul, [(key, (state, jstext.stringify(nodes[soul][key]))) for key in sorted(nodes[soul], key=units)])
        for soul in sorted(nodes, key=units)
    ]


class RenderTests(SynchronousTestCase):
    """The text of an answer is what a relay with YSON would write."""

    def test_recorded(self) -> None:
        """Each put that gun.js was asked to hash has the same text and hash."""
        rendered = 0
        for case in VECTORS["put_hash"]["cases"]:
            if case["put"].get("b"):
                self.assertEqual(list(case["put"]), ["b", "a"])
            cells: dict[str, list[tuple[str, Cell]]] = {}
            for soul, key, state, value in read_put(jstext.stringify(case["put"]), LIMITS):
                cells.setdefault(soul, []).append((key, (state, value)))
            nodes = [
                (soul, sorted(cells[soul], key=lambda item: units(item[0])))
                for soul in sorted(cells, key=units)
            ]
            text = render(nodes)
            self.assertEqual(text, case["relay_json"].encode())
            self.assertEqual(jstext.string_hash(text), case["relay_hash"])
            rendered += 1
        self.assertEqual(rendered, 6)

    def test_place_of_meta(self) -> None:
        """C{_} stands among the keys where it belongs: after capitals, before small letters."""
        for key, before in (
            ("Z", True),
            ("^", True),
            ("`", False),
            ("a", False),
            ("__", False),
            ("é", False),
            ("0", True),
        ):
            text = render([("s", [(key, (1.0, b"1"))])])
            self.assertEqual(text, jstext.stringify(put_of({"s": {key: 1}}), sort=True))
            self.assertEqual(text.index(b'"_":') > text.index(b"%b:1" % jstext.string(key)), before, key)

    def test_states(self) -> None:
        """States are written as JavaScript writes numbers."""
        for state, text in (
            (1795374119540.0, "1795374119540"),
            (1795374119540.001, "1795374119540.001"),
            (-0.0, "0"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
        ):
            self.assertIn(f'"k":{text}}}'.encode(), render([("s", [("k", (state, b"1"))])]))

    @checked
    @given(
        st.dictionaries(NAMES, st.dictionaries(KEYS, values(), min_size=1, max_size=4), max_size=3), STATES
    )
    def test_any(self, nodes: Nodes, state: float) -> None:
        """Any graph is written as C{JSON.stringify} writes it with all names in order."""
        text = render(in_order(nodes, state))
        self.assertEqual(text, jstext.stringify(put_of(nodes, state), sort=True))
        self.assertEqual(text, json_text(put_of(nodes, state), sort=True).encode())
        self.assertEqual(
            cells_of(text),
            [(soul, key, cell) for soul, cells in in_order(nodes, state) for key, cell in cells],
        )


class MemoryTests(SynchronousTestCase):
    """The hashes of what a client answers from memory, as gun.js 0.2020.1241 was seen to say them."""

    def digests(self, soul: str, node: dict[str, Any], state: float) -> list[int]:
        """Of a node all of one state."""
        return digests_from_memory(*in_order({soul: node}, state)[0])

    def test_seen(self) -> None:
        """A node with all kinds of names and values, of which C{_} is one in the first nine."""
        node: dict[str, Any] = {f"k{number}": number for number in range(30)}
        node |= {
            "Upper": "x",
            "10": "ten",
            "9": "nine",
            "z z": None,
            "é": '"q"',
            "\U0001f600": 1.5,
            "lnk": True,
        }
        self.assertEqual(
            [-1931910442, 1108609307, -251565987, -398494031, -1824996409],
            self.digests("big", node, 1795390279792),
        )

    def test_nine_before(self) -> None:
        """Nine names that come before C{_} leave it alone in the second answer."""
        self.assertEqual(
            [-547568719, -771929058], self.digests("edge", {key: key for key in "ABCDEFGHI"}, 1795390280293)
        )

    def test_counts(self) -> None:
        """Up to eight properties make one answer, up to seventeen two."""
        for size, answers in ((1, 1), (8, 1), (9, 2), (17, 2), (18, 3)):
            self.assertEqual(answers, len(self.digests("s", {f"k{n}": n for n in range(size)}, 1.0)))


class SelectionTests(SynchronousTestCase):
    """Whole nodes and single properties."""

    def test_hit(self) -> None:
        """A node, and one property of it, with the hashes of trace 05."""
        nodes: Nodes = {"alice": {"name": "Alice", "age": 42, "gone": None}, "zed": {"x": 1}}
        for settled in (True, False):
            graph = graph_of(nodes, 1795375183494.0, settled=settled)
            for query, keys, digest in (
                (Query("alice"), ["age", "gone", "name"], 664300223),
                (Query("alice", key="name"), ["name"], 1533293108),
                (Query("alice", key="gone"), ["gone"], -813523017),
            ):
                for _ in range(3):
                    ((text, found),) = chunks(graph, query)
                    self.assertEqual([key for _, key, _ in cells_of(text)], keys)
                    self.assertEqual(found, digest)

    def test_miss(self) -> None:
        """What is not there gives no chunk, and that is the end."""
        graph = graph_of({"s": {"k": 1}})
        for query in (
            Query("S"),
            Query("s", key="K"),
            Query("S", key="k"),
            Query("s", keys=Span("x"), budget=9),
        ):
            selection = Selection(graph, query)
            self.assertIsNone(selection.chunk(1_000))
            self.assertTrue(selection.ended)
            self.assertIsNone(selection.chunk(1_000))

    def test_after_the_end(self) -> None:
        """When all was said, nothing more is."""
        graph = graph_of({"s": {"k": 1}})
        for query in (
            Query("s"),
            Query("s"),
            Query("s", key="k"),
            Query("s", budget=9),
            Query(None, budget=9),
        ):
            selection = Selection(graph, query)
            self.assertIsNotNone(selection.chunk(1_000))
            self.assertTrue(selection.ended)
            self.assertIsNone(selection.chunk(1_000))

    def test_hot(self) -> None:
        """A node that was answered is kept, and so is its answer, until it changes."""
        graph = graph_of({"s": {"k": 1}})
        self.assertIsNone(graph.node("s"))
        first = chunks(graph, Query("s"))
        node = graph.node("s")
        assert node is not None
        self.assertEqual((node.text, node.digest), first[0])
        self.assertEqual(chunks(graph, Query("s")), first)
        graph.take("s", "l", (2.0, b"2"))
        self.assertIsNone(node.text)
        ((text, digest),) = chunks(graph, Query("s"))
        self.assertEqual(cells_of(text), [("s", "k", (1, b"1")), ("s", "l", (2, b"2"))])
        self.assertEqual(digest, hash_of(text.decode()))
        self.assertEqual((node.text, node.digest), (text, digest))

    def test_hot_order(self) -> None:
        """A hot node that has changed is answered in UTF-16 order, whatever order its properties came in."""
        names = ["10", "9", "_a", "\U0001f600", "\ue000"]
        graph = graph_of({"s": dict.fromkeys(reversed(names), 1)})
        chunks(graph, Query("s"))
        graph.take("s", "9", (2.0, b"2"))
        self.assertIsNotNone(graph.node("s"))
        ((text, digest),) = chunks(graph, Query("s"))
        self.assertEqual([key for _, key, _ in cells_of(text)], names)
        self.assertEqual(digest, hash_of(text.decode()))

    def test_parts_are_not_hot(self) -> None:
        """Only a whole node is kept: no part of one, no chunk of one."""
        graph = graph_of({"s": {f"k{number}": "x" * 100 for number in range(20)}})
        for query in (
            Query("s", key="k1"),
            Query("s", budget=50),
            Query("s", keys=Span("k1"), budget=1e5),
            Query(None, budget=1e5),
        ):
            chunks(graph, query)
            self.assertIsNone(graph.node("s"))
        self.assertGreater(len(chunks(graph, Query("s"), 500)), 1)
        self.assertIsNone(graph.node("s"))

    def test_hot_and_large(self) -> None:
        """A hot node that has grown too large for one chunk is cut as others are."""
        graph = graph_of({"s": {"k00": 1}})
        chunks(graph, Query("s"))
        for number in range(1, 50):
            graph.take("s", f"k{number:02}", (1.0, b'"%b"' % (b"x" * 50)))
        self.assertIsNotNone(graph.node("s"))
        found = chunks(graph, Query("s"), 500)
        self.assertGreater(len(found), 4)
        keys = [key for text, _ in found for _, key, _ in cells_of(text)]
        self.assertEqual(keys, [f"k{number:02}" for number in range(50)])


class ChunkTests(SynchronousTestCase):
    """Long answers come in chunks that together are the whole."""

    def test_sizes(self) -> None:
        """Each chunk but the last is about as large as it was asked to be, and none is larger."""
        node = {f"key{number:04}": "x" * (number % 300) for number in range(2_000)}
        graph = graph_of({"soul": node})
        for size in (2_000, 20_000):
            found = chunks(graph, Query("soul"), size)
            for text, digest in found:
                self.assertLessEqual(len(text), size + 300 + 2 * CHUNK_SLACK)
                self.assertEqual(digest, jstext.string_hash(text))
            for text, _ in found[:-1]:
                self.assertGreater(len(text), size / 2)

    def test_one_large_value(self) -> None:
        """A value that is larger than a chunk comes alone."""
        graph = graph_of({"s": {"a": "x" * 5_000, "b": 1, "c": "y" * 5_000}})
        found = [[key for _, key, _ in cells_of(text)] for text, _ in chunks(graph, Query("s"), 1_000)]
        self.assertEqual(found, [["a"], ["b", "c"]])

    @checked
    @given(
        st.dictionaries(
            NAMES, st.dictionaries(KEYS, values(), min_size=1, max_size=12), min_size=1, max_size=3
        ),
        st.integers(1, 600),
        st.data(),
    )
    def test_any(self, nodes: Nodes, size: int, data: st.DataObject) -> None:
        """Of any graph, stored or not, all chunks together are what was asked for, in order, once."""
        settled = data.draw(st.booleans())
        wanted = [(soul, key, cell) for soul, cells in in_order(nodes) for key, cell in cells]
        soul = data.draw(st.sampled_from(list(nodes)))
        for query, cells in (
            (Query(soul), [cell for cell in wanted if cell[0] == soul]),
            (Query(None, budget=1e5), wanted),
        ):
            graph = graph_of(nodes, settled=settled)
            for _ in range(2):
                found = chunks(graph, query, size)
                self.assertEqual([cell for text, _ in found for cell in cells_of(text)], cells)
                for text, digest in found:
                    self.assertEqual(digest, hash_of(text.decode()))
                    self.assertEqual(text, jstext.stringify(jstext.parse(text), sort=True))

    def test_budget_over_chunks(self) -> None:
        """A budget is one for all chunks."""
        graph = graph_of({"s": {f"k{number:02}": "x" * 10 for number in range(50)}})
        for budget in (1, 10, 11, 95, 100, 101, 499, 500, 501):
            found = [
                key
                for text, _ in chunks(graph, Query("s", budget=budget), 100)
                for _, key, _ in cells_of(text)
            ]
            self.assertEqual(found, [f"k{number:02}" for number in range(min(50, -(-budget // 10)))])


class ChangeTests(SynchronousTestCase):
    """A node may change between two chunks: each chunk is what stands at its time."""

    def setUp(self) -> None:
        self.store = MemoryStore(1 << 20)
        self.graph = Graph(self.store, Limits(), Counters())
        for number in range(0, 30, 2):
            self.graph.take("s", f"k{number:02}", (1.0, b'"%b"' % (b"x" * 100)))
        commit(self.graph, self.store)
        self.selection = Selection(self.graph, Query("s"))
        self.keys: list[str] = []

    def hear(self) -> list[tuple[str, str, Cell]]:
        """Take the next chunk."""
        chunk = self.selection.chunk(500)
        cells = [] if chunk is None else cells_of(chunk[0])
        self.keys += [key for _, key, _ in cells]
        return cells

    def finish(self) -> dict[str, Any]:
        """Take all further chunks."""
        found = {}
        while not self.selection.ended:
            found.update({key: cell for _, key, cell in self.hear()})
        self.assertEqual(self.keys, sorted(set(self.keys)))
        return found

    def test_ahead(self) -> None:
        """What comes or changes ahead is told, whether it is stored meanwhile or not."""
        self.hear()
        self.graph.take("s", "k21", (2.0, b"21"))
        self.graph.take("s", "k22", (2.0, b"22"))
        self.graph.take("s", "k99", (2.0, b"99"))
        self.hear()
        commit(self.graph, self.store)
        found = self.finish()
        self.assertEqual((found["k21"], found["k22"], found["k99"]), ((2, b"21"), (2, b"22"), (2, b"99")))
        self.assertEqual(len(self.keys), 17)

    def test_behind(self) -> None:
        """What comes or changes where the answer has been is not told; nothing is told twice or left out."""
        last = self.hear()[-1][1]
        self.graph.take("s", "k00", (2.0, b"0"))
        self.graph.take("s", last, (2.0, b"0"))
        self.graph.take("s", "a", (2.0, b"0"))
        found = self.finish()
        self.assertNotIn("a", found)
        self.assertNotIn(last, found)
        self.assertEqual(self.keys, [f"k{number:02}" for number in range(0, 30, 2)])
        self.assertIsNone(self.graph.node("s"))
        self.assertEqual(len(chunks(self.graph, Query("s"))), 1)
        self.assertEqual(self.graph.known("s", "a"), (2.0, b"0"))

    def test_gone(self) -> None:
        """If the rest is gone when its turn comes, that is the end."""
        self.hear()
        self.store.close()
        self.assertIsNone(self.selection.chunk(500))
        self.assertTrue(self.selection.ended)

    def test_failed_commit(self) -> None:
        """A chunk never tells what turned out not to be stored, once that is known."""
        self.graph.take("s", "k20", (2.0, b"20"))
        self.graph.take("s", "k21", (2.0, b"21"))
        self.hear()
        batch = self.graph.cut()
        assert batch is not None
        self.graph.settle(batch, stored=False)
        found = self.finish()
        self.assertNotIn("k21", found)
        self.assertEqual(found["k20"][0], 1)

    def test_souls(self) -> None:
        """So it is with an answer over many souls."""
        for number in range(0, 20, 2):
            self.graph.take(f"t{number:02}", "k", (1.0, b'"%b"' % (b"x" * 100)))
        selection = Selection(self.graph, Query(None, souls=Span("t"), budget=1e5))
        chunk = selection.chunk(500)
        assert chunk is not None
        souls = [soul for soul, _, _ in cells_of(chunk[0])]
        self.graph.take(souls[-1], "l", (1.0, b"1"))
        self.graph.take(souls[0], "l", (1.0, b"1"))
        self.graph.take("t17", "k", (1.0, b"1"))
        rest = []
        while not selection.ended:
            chunk = selection.chunk(500)
            if chunk is not None:
                rest += [(soul, key) for soul, key, _ in cells_of(chunk[0])]
        self.assertEqual(rest[0], (souls[-1], "l"))
        self.assertNotIn((souls[0], "l"), rest)
        self.assertIn(("t17", "k"), rest)
        self.assertEqual(len(rest), len(set(rest)))
        self.assertEqual(
            {soul for soul, _ in rest} | set(souls), {f"t{number:02}" for number in [*range(0, 20, 2), 17]}
        )
