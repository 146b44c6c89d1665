"""
What a store is to the relay: cells in order, and commits that last.

The graph is kept as I{cells}: one value with its state for each (soul, key). Souls and keys sort as
JavaScript sorts text, by UTF-16 code unit (L{gunnet.wire.jstext.order_key}). Souls and keys are any
non-empty text, lone surrogates and U+0000 included, of at most L{gunnet.limits.Limits.name_bytes}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from gunnet.graph.ham import Cell
from gunnet.graph.lex import Span

__all__ = ["Cell", "Store", "StoreError", "StoreInUse"]


class StoreError(Exception):
    """The store can't do what was asked. C{str()} of it is one line that names the path and the cause."""


class StoreInUse(StoreError):
    """Another relay has it."""


class Store(Protocol):
    """
    The narrow waist between the graph and where it is kept. Reads come from the reactor thread and
    see every commit that had ended at the last L{refresh}; they raise L{StoreError} when the disk fails.
    L{commit} is called from one other thread at a time when L{blocking} is true, else from the reactor
    thread.

    @ivar blocking: whether L{commit} waits for a disk.
    @ivar place: where the data is, for people (a path, or C{"memory"}).
    """

    blocking: bool
    place: str

    def cell(self, soul: str, key: str) -> Cell | None:
        """Read one cell, L{None} if there is none."""

    def node(self, soul: str, span: Span, *, reverse: bool = False) -> Iterator[tuple[str, Cell]]:
        """
        The (key, cell) pairs of one soul whose key is in C{span}, in order of keys (from the end if
        C{reverse}). Lazy: what is not iterated is not read. Must not be held across a turn.
        """

    def souls(self, span: Span, *, reverse: bool = False) -> Iterator[str]:
        """The souls in C{span} that have at least one cell, in order, each once. Lazy, as L{node}."""

    def commit(self, cells: Sequence[tuple[str, str, Cell]]) -> None:
        """
        Write all of (soul, key, cell), over what is there, or nothing. When this returns, they are
        durable.

        @raise StoreError: nothing was written.
        """

    def refresh(self) -> None:
        """From now on, reads see every commit that has ended."""

    def stats(self) -> dict[str, int]:
        """Figures for health and metrics: at least C{bytes} (in use), C{cells} and C{bytes_max}."""

    def close(self) -> None:
        """Free what is held. May be called twice. Nothing else may be called after."""
