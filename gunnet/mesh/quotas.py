"""
How much each user, and all that begins alike, may keep in the graph.

A value weighs what its soul, key and text are long. A user's are those in souls with the user's key, whoever
signed them. The graph is read once, at the start; from then on each change is added up.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from heapq import nlargest

from gunnet.counters import Counters
from gunnet.graph.merge import Graph
from gunnet.graph.node import PutCell
from gunnet.limits import Limits
from gunnet.sea.firewall import Judgement, Verdict
from gunnet.sea.puts import owner_of
from gunnet.store.interface import Cell, StoreError

NO_ROOM_USER = "Error: This user has no room left."
NO_ROOM_PREFIX = "Error: No room left for what begins so."

_SHARED = 1 << 16


class Usage:
    """
    How much each user keeps. Beyond C{limits.users} of them, users share counters, so that one may seem to
    have more than that user has, but never less.
    """

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._users: dict[str, int] = {}
        self._shared = array("q", bytes(8 * _SHARED))

    def __len__(self) -> int:
        """How many users have a counter of their own."""
        return len(self._users)

    def of(self, user: str) -> int:
        """What C{user} keeps, in bytes."""
        return self._users[user] if user in self._users else self._shared[hash(user) % _SHARED]

    def add(self, user: str, size: int) -> None:
        """C{user} keeps so much more, or less."""
        if user in self._users:
            self._users[user] += size
        elif len(self._users) < self._limits.users and not self._shared[hash(user) % _SHARED]:
            self._users[user] = size
        else:
            self._counters.count("users_exceeded")
            self._shared[hash(user) % _SHARED] += size

    def top(self, count: int) -> list[tuple[str, int]]:
        """The users that keep most, and how much, the first one first."""
        return nlargest(count, self._users.items(), key=lambda item: item[1])


class Quotas:
    """
    What there is still room for.

    @ivar limited: whether there is any bound.
    """

    def __init__(self, graph: Graph, limits: Limits, counters: Counters) -> None:
        """
        @raise StoreError: the graph can't be read.
        """
        self._graph = graph
        self._limits = limits
        self._counters = counters
        self._prefixes = {prefix: 0 for prefix, _ in limits.prefix_bytes}
        self.usage = Usage(limits, counters)
        self.limited = limits.user_bytes > 0 or bool(self._prefixes)
        if self.limited:
            for soul, key, cell in graph.stored():
                self.taken(soul, key, None, cell)

    def taken(self, soul: str, key: str, before: Cell | None, after: Cell) -> None:
        """A value has changed."""
        size = weight(soul, key, after) - (0 if before is None else weight(soul, key, before))
        for account in self._accounts(soul):
            self._add(account, size)

    def _add(self, account: tuple[str, bool], size: int) -> None:
        name, is_user = account
        if is_user:
            self.usage.add(name, size)
        else:
            self._prefixes[name] += size

    def _accounts(self, soul: str) -> Iterator[tuple[str, bool]]:
        """Whose a soul is: (user, True) and (prefix, False)."""
        user = user_of(soul) if self._limits.user_bytes > 0 else None
        if user is not None:
            yield user, True
        yield from ((prefix, False) for prefix in self._prefixes if soul.startswith(prefix))

    def judge(self, cells: list[PutCell], verdicts: list[Verdict]) -> list[Verdict]:
        """
        Refuse what there is no room for, of what else may stand. What makes nothing larger always has room.

        @param verdicts: of each cell.
        """
        more: dict[tuple[str, bool], int] = {}
        for (soul, key, state, value), verdict in zip(cells, verdicts, strict=True):
            if verdict is Judgement.ALLOWED:
                for account in self._accounts(soul):
                    more[account] = more.get(account, 0) + self._growth(soul, key, (state, value))
        full = {account for account, size in more.items() if size > 0 and not self._has_room(account, size)}
        if not full:
            return verdicts
        return [
            self._refused(cell[0], full) or verdict if verdict is Judgement.ALLOWED else verdict
            for cell, verdict in zip(cells, verdicts, strict=True)
        ]

    def _refused(self, soul: str, full: set[tuple[str, bool]]) -> str | None:
        for account in self._accounts(soul):
            if account in full:
                return NO_ROOM_USER if account[1] else NO_ROOM_PREFIX
        return None

    def _growth(self, soul: str, key: str, cell: Cell) -> int:
        try:
            known = self._graph.known(soul, key)
        except StoreError:
            known = None
        if known is not None and known[0] > cell[0]:
            return 0
        return weight(soul, key, cell) - (0 if known is None else weight(soul, key, known))

    def _has_room(self, account: tuple[str, bool], size: int) -> bool:
        name, is_user = account
        if is_user:
            if self.usage.of(name) + size > self._limits.user_bytes:
                self._counters.count("user_bytes_refused")
                return False
        elif self._prefixes[name] + size > dict(self._limits.prefix_bytes)[name]:
            self._counters.count("prefix_bytes_refused")
            return False
        return True


def user_of(soul: str) -> str | None:
    """The key of the user whose soul it is; L{None} for an alias, and for what is nobody's."""
    return None if soul.startswith("~@") else owner_of(soul)


def weight(soul: str, key: str, cell: Cell) -> int:
    """How much a value counts: characters of its names, and bytes of its JSON text."""
    return len(soul) + len(key) + len(cell[1])


def usage_of(cells: Iterable[tuple[str, str, Cell]], limits: Limits, counters: Counters) -> Usage:
    """How much each user keeps, of all C{cells} of a graph."""
    usage = Usage(limits, counters)
    for soul, key, cell in cells:
        user = user_of(soul)
        if user is not None:
            usage.add(user, weight(soul, key, cell))
    return usage
