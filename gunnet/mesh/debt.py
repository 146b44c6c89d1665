"""
What one relay may not have, by name (L{gunnet.mesh.unacked}).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

RETRY_MS = 3_000.0
"""
A gunnet relay acknowledges every update, so one that did not by then has not got it, unless the link is
reliable. The pause is twice as long as acks took lately if that is more, and doubles while none come.
"""

_CELL_BYTES = 200

Name = tuple[str, str]
"""(soul, key)."""


class Debt:
    """
    What one relay may not have.

    @ivar said: by id, the updates that it has not acknowledged: (when they were said, the names in them).
    @ivar under_way: names to how many of these they are in.
    @ivar recent: names that were acknowledged lately; C{earlier}, before that.
    @ivar owed: names that are to be said, in order.
    @ivar missed: names of what may not have got there while the link was down, or when it broke.
    @ivar compared: those of them that the comparison under way covers.
    @ivar held_at: since when what was missed waits, milliseconds; L{None} before the link is new.
    @ivar pause_ms: how long an ack is waited for.
    """

    __slots__ = (
        *("compared", "earlier", "held_at", "missed", "owed", "pause_ms", "recent", "said", "shift_at"),
        "under_way",
    )

    def __init__(self) -> None:
        self.said: dict[str, tuple[float, list[Name]]] = {}
        self.under_way: dict[Name, int] = {}
        self.recent: dict[Name, None] = {}
        self.earlier: dict[Name, None] = {}
        self.shift_at = 0.0
        self.owed: dict[Name, None] = {}
        self.missed: dict[Name, None] = {}
        self.compared: dict[Name, None] = {}
        self.held_at: float | None = None
        self.pause_ms = RETRY_MS

    def __iter__(self) -> Iterator[Name]:
        for _, names in self.said.values():
            yield from names
        yield from self.owed
        yield from self.missed
        yield from self.compared

    def is_told(self, name: Name) -> bool:
        """Whether a cell was said over this link a moment ago, or will be soon."""
        return name in self.under_way or name in self.owed or name in self.recent or name in self.earlier

    def add(self, update: str, names: list[Name], now: float) -> None:
        """An update was said; of one that was before, more is waited for."""
        _, before = self.said.get(update, (now, []))
        self.said[update] = (now, [*before, *names])
        under_way = self.under_way
        for name in names:
            under_way[name] = under_way.get(name, 0) + 1

    def take(self, update: str) -> list[Name]:
        """An update is not waited for any more. @return: the names in it, none if it was not waited for."""
        entry = self.said.pop(update, None)
        if entry is None:
            return []
        for name in entry[1]:
            if self.under_way[name] == 1:
                del self.under_way[name]
            else:
                self.under_way[name] -= 1
        return entry[1]

    def forget_missed(self, names: Iterable[Name]) -> int:
        """
        Cells are said as they stand now, so that they are not missed any more.

        @return: what their names took in memory.
        """
        size = 0
        for missed in (self.missed, self.compared):
            for name in [name for name in names if name in missed] if missed else ():
                del missed[name]
                size += size_of([name])
        return size


def size_of(names: Iterable[Name]) -> int:
    """Roughly what names take in memory, bytes."""
    return sum([_CELL_BYTES + len(soul) + len(key) for soul, key in names])
