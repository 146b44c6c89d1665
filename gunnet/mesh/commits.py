"""
Which batch is committed next: one at a time, and what is signed by itself (L{gunnet.mesh.pace} says when).
"""

from __future__ import annotations

from gunnet.graph.merge import Graph
from gunnet.mesh.pace import Pace
from gunnet.mesh.puts import Commit, Puts


class Commits:
    """Hands out commits, and takes them back when they have ended."""

    def __init__(self, graph: Graph, puts: Puts, pace: Pace) -> None:
        self._graph = graph
        self._puts = puts
        self._pace = pace
        self._is_under_way = False

    def cut(self, now: float) -> Commit | None:
        """
        What is to be committed now; nothing while the last one has not come back.

        @param now: milliseconds since 1970.
        """
        if self._is_under_way:
            return None
        commit = None
        if not self._pace.is_commit_overdue(now):
            commit = self._puts.cut()
        if commit is None and now >= self._pace.commit_at(now, self._puts.full):
            commit = self._puts.cut(signed=True)
            if commit is not None:
                self._pace.note_commit(now)
        commit = commit or self._puts.cut()
        self._is_under_way = commit is not None
        return commit

    def settled(self, commit: Commit, error: str | None) -> None:
        """
        A commit has ended.

        @param error: why nothing of it was stored; L{None} if it is durable.
        """
        self._is_under_way = False
        self._puts.settle(commit, error)

    def next_at(self, now: float) -> float | None:
        """When L{cut} has something that it keeps back now, in milliseconds."""
        if self._is_under_way or not (self._puts.full or self._graph.open_cells(signed=True)):
            return None
        return self._pace.commit_at(now, self._puts.full)
