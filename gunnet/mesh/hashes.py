"""
The hashes by which a client that is asked back (L{gunnet.mesh.askback}) knows what it has as we have it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gunnet.counters import Counters
from gunnet.graph.answer import CLIENT_NAMES, Selection, digest_without_yson, digests_from_memory
from gunnet.graph.expiry import lifetime
from gunnet.graph.ham import Cell
from gunnet.graph.lex import Query
from gunnet.graph.merge import Graph
from gunnet.graph.node import cells_of
from gunnet.limits import Limits
from gunnet.store.interface import StoreError

_NAMES = 2 * CLIENT_NAMES + 4
"""At least so many names are in a C{put} with a node of L{CLIENT_NAMES} cells."""


@dataclass(slots=True)
class Hashes:
    """
    Of what we would answer.

    @ivar digest: the hash of it; L{None} if there is none that a client could tell.
    @ivar parts: hashes of parts of it.
    @ivar least: of a whole node, the property with the shortest value, if it was asked for.
    @ivar size: how many bytes had to be read.
    """

    digest: int | None = None
    parts: tuple[int, ...] = ()
    least: str | None = None
    size: int = 0


def hashes_of(graph: Graph, query: Query, limits: Limits, counters: Counters, *, is_held: bool) -> Hashes:
    """
    The hashes of what C{query} selects now; none if that can't be read, which is counted.

    @param is_held: whether C{least} is asked for.
    """
    selection = Selection(graph, query)
    cells: list[tuple[str, Cell]] = []
    digests: list[int] = []
    try:
        chunk = selection.chunk(limits.answer_bytes)
        if chunk is None:
            return Hashes()
        if not selection.ended:
            return Hashes(size=len(chunk[0]))
        text = chunk[0]
        soul = query.soul
        if soul is not None and query.is_whole_node:
            if lifetime(soul) is not None:  # of which a client may have what we give to nobody
                cells = list(graph.cells(soul))
                digests = digests_from_memory(soul, cells)
            elif is_held or text.count(b'":') >= _NAMES:
                cells = list(cells_of(text).items())
                if len(cells) >= CLIENT_NAMES:  # else that of the whole is the only one
                    digests = digests_from_memory(soul, cells)
    except StoreError:
        counters.count("store_reads_failed")
        return Hashes()
    digest = digest_without_yson(*chunk)
    least = min(cells, key=lambda cell: len(cell[1][1]), default=None)
    parts = tuple([other for other in digests if other != digest])
    return Hashes(digest, parts, None if least is None else least[0], len(text))
