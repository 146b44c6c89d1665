"""Graphs for the tests, and values to put into them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from gunnet.counters import Counters
from gunnet.graph.answer import Selection
from gunnet.graph.ham import Cell
from gunnet.graph.lex import Query, read_get
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.store.memory import MemoryStore
from gunnet.wire import jstext
from tests.wire.javascript import texts

Nodes = dict[str, dict[str, Any]]
"""Soul to key to value."""

LIMITS = Limits()

NAMES = texts(min_size=1)
KEYS = NAMES.filter(lambda key: key != "_")
LINKS = NAMES.map(lambda soul: {"#": soul})
STATES = st.integers(0, 2_000_000_000_000) | st.floats(-1e15, 1e15, allow_nan=False)

SPELLINGS = (
    "5",
    "5.0",
    "5e0",
    "50e-1",
    "0.5E1",
    "10",
    "1e1",
    "1E+1",
    "10.00",
    "0",
    "-0",
    "0.0",
    "-0.0",
    "0e9",
    "1e-400",
    "-1",
    "-1.0",
    "1e21",
    "1000000000000000000000",
    "9007199254740993",
    "9007199254740992",
    "0.000001",
    "1e-6",
    "1e-7",
    "true",
    "false",
    "null",
    '""',
    '"a"',
    '"\\u0061"',
    '"5"',
    '"null"',
    '"\\n"',
    '"\\u000A"',
    '"/"',
    '"\\/"',
    '"~"',
    '"é"',
    '"\\u00e9"',
    '"\U0001f600"',
    '"\\ud83d\\ude00"',
    '"\\ud83d"',
    '"\\uD83D"',
    '"\\udfff"',
    '"\ue000"',
    '"\\uE000"',
    '"\uffff"',
    '"\U00010000"',
    '"a\U0010ffff"',
    '"a\ue000"',
    '"a\\ud800"',
    '{"#":"a"}',
    '{ "#" : "\\u0061" }',
    '{"#":"\U0001f600"}',
    '{"#":"\ue000"}',
    '{"#":"\\ud800"}',
    '{"#":"A"}',
)
"""Values of every kind, each as the JSON text of one writer or another."""


def values() -> st.SearchStrategy[Any]:
    """Whatever may be the value of a property."""
    numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    return st.none() | st.booleans() | numbers | texts() | LINKS


def put_text(soul: str, cells: Iterable[tuple[str, float, str]]) -> bytes:
    """The text of a put into one soul. @param cells: (key, state, JSON text of the value)."""
    states, pairs = [], []
    for key, state, value in cells:
        name = jstext.string(key).decode()
        states.append(f"{name}:{jstext.number(state)}")
        pairs.append(f",{name}:{value}")
    quoted = jstext.string(soul).decode()
    meta = f'{{"#":{quoted},">":{{{",".join(states)}}}}}'
    return f'{{{quoted}:{{"_":{meta}{"".join(pairs)}}}}}'.encode()


def put_of(nodes: Nodes, state: float = 1.0) -> dict[str, Any]:
    """The put that says C{nodes}."""
    put = {}
    for soul, node in nodes.items():
        put[soul] = {"_": {"#": soul, ">": dict.fromkeys(node, state)}, **node}
    return put


def graph_of(nodes: Nodes, state: float = 1.0, *, limits: Limits = LIMITS, settled: bool = True) -> Graph:
    """
    A graph that knows C{nodes}.

    @param settled: whether they are in the store already, or still wait for it.
    """
    store = MemoryStore(limits.memory_bytes)
    graph = Graph(store, limits, Counters())
    for soul, node in nodes.items():
        for key, value in node.items():
            graph.take(soul, key, (state, jstext.stringify(value)))
    if settled:
        commit(graph, store)
    return graph


def commit(graph: Graph, store: MemoryStore) -> None:
    """Store what waits."""
    batch = graph.cut()
    if batch is not None:
        store.commit(batch.rows())
        graph.settle(batch, stored=True)


def question(get: str | dict[str, Any]) -> Query:
    """The query of a get, which must ask for something."""
    query = read_get(json.loads(get) if isinstance(get, str) else get, LIMITS)
    assert query is not None
    return query


def chunks(graph: Graph, query: Query, size: int = LIMITS.answer_bytes) -> list[tuple[bytes, int]]:
    """All chunks of an answer."""
    selection = Selection(graph, query)
    found = []
    while not selection.ended:
        chunk = selection.chunk(size)
        if chunk is not None:
            found.append(chunk)
    assert selection.chunk(size) is None
    return found


def cells_of(put: bytes) -> list[tuple[str, str, Cell]]:
    """The cells in the text of an answer, in its order."""
    found = []
    for soul, node in jstext.parse(put).items():
        meta = node.pop("_")
        assert meta["#"] == soul
        assert list(meta[">"]) == list(node)
        found.extend([(soul, key, (meta[">"][key], jstext.stringify(value))) for key, value in node.items()])
    return found
