"""
Tests for L{gunnet.mesh.hashes}: by what a client that is asked back knows that it has what we have.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.graph.answer import Selection, digest_without_yson, digests_from_memory
from gunnet.graph.lex import Query
from gunnet.graph.merge import Graph
from gunnet.graph.node import has_links
from gunnet.limits import Limits
from gunnet.mesh.hashes import Hashes, hashes_of
from gunnet.store.memory import MemoryStore
from tests.wire.javascript import checked, texts

VALUES = st.sampled_from([b"1", b"null", b'"\\":\\"{\\"#\\":"', b'{"#":"other"}', b"true"])
NODES = st.dictionaries(texts(min_size=1).filter(lambda key: key != "_"), VALUES, min_size=1, max_size=12)


class HashesTests(SynchronousTestCase):
    """Of a node in memory, and of one that has to be read."""

    def begin(self, node: dict[str, bytes]) -> None:
        """A graph with one node."""
        self.counters = Counters()
        self.graph = Graph(MemoryStore(1 << 20), Limits(), self.counters)
        for key, value in node.items():
            self.graph.take("s", key, (1.0, value))

    def hashes(self, query: Query, *, is_held: bool = False, limits: Limits | None = None) -> Hashes:
        """What is reckoned."""
        return hashes_of(self.graph, query, limits or Limits(), self.counters, is_held=is_held)

    @checked
    @given(NODES, st.booleans())
    def test_any(self, node: dict[str, bytes], is_held: bool) -> None:
        """It is as if all cells were read, and their hashes reckoned, each time."""
        self.begin(node)
        chunk = Selection(self.graph, Query("s")).chunk(100_000)
        assert chunk is not None
        cells = list(self.graph.cells("s"))
        whole = digest_without_yson(*chunk)
        parts = [digest for digest in digests_from_memory("s", cells) if digest != whole]
        found = self.hashes(Query("s"), is_held=is_held)
        self.assertEqual((whole, len(chunk[0])), (found.digest, found.size))
        self.assertEqual(tuple(parts) if len(cells) >= 9 else (), found.parts)
        if is_held:
            self.assertEqual(min(map(len, node.values())), len(node[found.least or ""]))

    @checked
    @given(NODES)
    def test_has_links(self, node: dict[str, bytes]) -> None:
        """No link is overlooked."""
        self.begin(node)
        chunk = Selection(self.graph, Query("s")).chunk(100_000)
        assert chunk is not None
        links = [value for value in node.values() if value.startswith(b"{")]
        self.assertTrue(has_links(chunk[0]) or not links)
        if "#" not in node and "" not in node:
            self.assertEqual(has_links(chunk[0]), bool(links))

    def test_nothing(self) -> None:
        """There are none of what is not there, of a part, or of what is too long to be said at once."""
        self.begin({f"k{number}": b'"value"' for number in range(20)})
        self.assertEqual(Hashes(), self.hashes(Query("t")))
        part = self.hashes(Query("s", key="k1"), is_held=True)
        self.assertEqual(((), None), (part.parts, part.least))
        long = self.hashes(Query("s"), limits=Limits(answer_bytes=100))
        self.assertEqual((None, ()), (long.digest, long.parts))
        self.assertGreater(long.size, 50)
