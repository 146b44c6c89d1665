"""
Answers: the JSON text of C{put} for what a get asks, assembled from stored values, in chunks.

Names stand in UTF-16 order at every depth, as in a relay with YSON (gun.js C{lib/yson.js}), because the
hash (C{##}) is taken over exactly this text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gunnet.graph.expiry import is_expired, lifetime
from gunnet.graph.ham import Cell
from gunnet.graph.lex import Query, Span, cost
from gunnet.graph.merge import Graph
from gunnet.graph.node import PutCell
from gunnet.wire import jstext

NodeCells = list[tuple[str, list[tuple[str, Cell]]]]
"""[(soul, [(key, cell), …]), …], both in order."""

_CELL_OVERHEAD = 20
CLIENT_NAMES = 9
"""So many names, C{_} among them, a gun.js client says at a time that answers from its memory."""
_INDEX_NAME = re.compile(rb'"[0-9]+":')


def in_order(nodes: dict[str, list[tuple[str, Cell]]]) -> NodeCells:
    """C{nodes} with souls and keys in order."""
    for cells in nodes.values():
        cells.sort(key=lambda item: jstext.order_key(item[0]))
    return sorted(nodes.items(), key=lambda item: jstext.order_key(item[0]))


def render(nodes: NodeCells) -> bytes:
    """The JSON text of a C{put}. Names must be in order."""
    texts = []
    for soul, cells in nodes:
        name = jstext.string(soul)
        states = []
        before: list[bytes] = []
        after: list[bytes] = []
        for key, (state, value) in cells:
            quoted = jstext.string(key)
            states.append(b"%b:%b" % (quoted, jstext.number(state).encode("ascii")))
            (before if key < "_" else after).append(b"%b:%b" % (quoted, value))
        meta = b'"_":{"#":%b,">":{%b}}' % (name, b",".join(states))
        texts.append(b"%b:{%b}" % (name, b",".join([*before, meta, *after])))
    return b"{%b}" % b",".join(texts)


def render_cells(cells: Iterable[PutCell]) -> bytes:
    """The JSON text of a C{put} of these cells, in whatever order they come."""
    nodes: dict[str, list[tuple[str, Cell]]] = {}
    for soul, key, state, value in cells:
        nodes.setdefault(soul, []).append((key, (state, value)))
    return render(in_order(nodes))


def is_hash_of(known: str, text: bytes, digest: int) -> bool:
    """
    Whether C{known}, the text of somebody's hash, is that of a C{put} of which ours is C{digest}.

    @param text: the C{put}, of L{render}.
    """
    return known == str(digest) or known == str(digest_without_yson(text, digest))


def client_hash(text: bytes) -> int:
    """
    The hash of a C{put} as a client without YSON would take it: names that look like array indexes first,
    in order of numbers (gun.js C{src/mesh.js}, C{mesh.hash}).
    """
    return jstext.string_hash(jstext.stringify(_as_in_javascript(jstext.parse(text))))


def digest_without_yson(text: bytes, digest: int) -> int:
    """L{client_hash} of a C{put}, of which ours is C{digest}, without the work where the two are equal."""
    return digest if _INDEX_NAME.search(text) is None else client_hash(text)


def digests_from_memory(soul: str, cells: list[tuple[str, Cell]]) -> list[int]:
    """
    The hashes of all that a gun.js client answers which has C{cells} in memory and is asked for their node:
    it says L{CLIENT_NAMES} at a time (gun.js C{src/root.js}, C{ack}).

    @param cells: in order.
    """
    names: list[tuple[str, Cell] | None] = list(cells)
    names.insert(sum([key < "_" for key, _ in cells]), None)
    digests = []
    for start in range(0, len(names), CLIENT_NAMES):
        said = [item for item in names[start : start + CLIENT_NAMES] if item is not None]
        text = render([(soul, said)])
        digests.append(digest_without_yson(text, jstext.string_hash(text)))
    return digests


def _as_in_javascript(value: object) -> object:
    if not isinstance(value, dict):
        return value
    indexes = sorted([name for name in value if jstext.is_index(name)], key=int)
    others = sorted([name for name in value if not jstext.is_index(name)], key=jstext.order_key)
    return {name: _as_in_javascript(value[name]) for name in indexes + others}


class Selection:
    """
    What a query selects, a chunk at a time. Between two chunks the graph may change: each chunk is what
    stands at its time. Values that are older than their soul allows are left out.
    """

    def __init__(self, graph: Graph, query: Query) -> None:
        self._graph = graph
        self._query = query
        self._left = query.budget
        self._after: tuple[str, str] | None = None
        self.ended = False

    def chunk(self, size: int) -> tuple[bytes, int] | None:
        """
        The next chunk, of roughly C{size} bytes at most (but one value at least).

        @return: (the JSON text of C{put}, its hash); L{None} if nothing more is selected.
        @raise gunnet.store.interface.StoreError: if the store can't be read.
        """
        if self.ended:
            return None
        query = self._query
        if query.soul is not None:
            if query.key is not None:
                return self._one_cell(query.soul, query.key)
            if query.is_whole_node and self._after is None:
                return self._whole_node(query.soul, size)
        return _with_hash(self._gather(size))

    def _one_cell(self, soul: str, key: str) -> tuple[bytes, int] | None:
        self.ended = True
        cell = self._graph.known(soul, key)
        if cell is None or is_expired(soul, cell[0], self._graph.now):
            return None
        return _with_hash([(soul, [(key, cell)])])

    def _whole_node(self, soul: str, size: int) -> tuple[bytes, int] | None:
        if lifetime(soul) is not None:
            return _with_hash(self._gather(size))
        node = self._graph.node(soul)
        if node is not None:
            if node.text is not None:
                self.ended = True
                return node.text, node.digest
            if node.size <= size:
                self.ended = True
                answer = _with_hash(in_order({soul: list(node.take_apart().items())}))
                if answer is not None:
                    self._graph.hot.remember_answer(soul, *answer)
                return answer
        gathered = self._gather(size)
        answer = _with_hash(gathered)
        if self.ended and answer is not None:
            self._graph.hot.add(soul, dict(gathered[0][1]), *answer)
        return answer

    def _gather(self, size: int) -> NodeCells:
        nodes: NodeCells = []
        taken = 0
        for soul, key, cell in self._stream():
            if taken >= size:
                break
            if not nodes or nodes[-1][0] != soul:
                nodes.append((soul, []))
            nodes[-1][1].append((key, cell))
            taken += len(key) * 2 + len(cell[1]) + _CELL_OVERHEAD
            self._after = (soul, key)
            if self._left is not None:
                self._left -= cost(cell[1]) or 1
                if self._left <= 0:
                    self.ended = True
                    break
        else:
            self.ended = True
        if self._query.reverse:
            return [(soul, cells[::-1]) for soul, cells in reversed(nodes)]
        return nodes

    def _stream(self) -> Iterator[tuple[str, str, Cell]]:
        """The selected cells that are still to come, in order, without regard to the budget."""
        query = self._query
        reverse = query.reverse
        if query.soul is not None:
            yield from self._cells(query.soul, query.keys, reverse)
            return
        souls = query.souls if self._after is None else _from(query.souls, self._after[0], reverse)
        for soul in self._graph.souls(souls, reverse=reverse):
            yield from self._cells(soul, query.keys, reverse)

    def _cells(self, soul: str, keys: Span, reverse: bool) -> Iterator[tuple[str, str, Cell]]:
        after = self._after
        last = after[1] if after is not None and after[0] == soul else None
        rest = keys if last is None else _from(keys, last, reverse)
        for key, cell in self._graph.cells(soul, rest, reverse=reverse):
            if key != last and not is_expired(soul, cell[0], self._graph.now):
                yield soul, key, cell


def _from(span: Span, name: str, reverse: bool) -> Span:
    """The part of C{span} that is still to come, with C{name}, which was the last."""
    return Span(span.prefix, span.first, name) if reverse else Span(span.prefix, name, span.last)


def _with_hash(nodes: NodeCells) -> tuple[bytes, int] | None:
    if not nodes:
        return None
    text = render(nodes)
    return text, jstext.string_hash(text)
