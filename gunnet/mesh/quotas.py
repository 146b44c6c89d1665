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

Account = tuple[str, bool]
"""What has a quota: (user, True) or (prefix, False)."""


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
        self._most = dict(limits.prefix_bytes)
        self._prefixes = dict.fromkeys(self._most, 0)
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

    def _add(self, account: Account, size: int) -> None:
        name, is_user = account
        if is_user:
            self.usage.add(name, size)
        else:
            self._prefixes[name] += size

    def _accounts(self, soul: str) -> Iterator[Account]:
        """What a soul comes under."""
        user = user_of(soul) if self._limits.user_bytes > 0 else None
        if user is not None:
            yield user, True
        yield from ((prefix, False) for prefix in self._prefixes if soul.startswith(prefix))

    def judge(self, cells: list[PutCell], verdicts: list[Verdict]) -> list[Verdict]:
        """
        Refuse what there is no room for, of what else may stand. What makes nothing larger always has room.

        @param verdicts: of each cell.
        """
        more: dict[Account, int] = {}
        full: set[Account] = set()
        judged = [
            self._judge(cell, more, full) if verdict is Judgement.ALLOWED else verdict
            for cell, verdict in zip(cells, verdicts, strict=True)
        ]
        for _, is_user in full:
            self._counters.count("user_bytes_refused" if is_user else "prefix_bytes_refused")
        return judged

    def _judge(self, cell: PutCell, more: dict[Account, int], full: set[Account]) -> Verdict:
        """
        @param more: what the cells before it take, of those that may stand.
        @param full: is added to.
        """
        soul, key, state, value = cell
        accounts = list(self._accounts(soul))
        size = self._growth(soul, key, (state, value)) if accounts else 0
        for account in accounts:
            if size > 0 and self._room(account) < more.get(account, 0) + size:
                full.add(account)
                return NO_ROOM_USER if account[1] else NO_ROOM_PREFIX
        for account in accounts:
            more[account] = more.get(account, 0) + size
        return Judgement.ALLOWED

    def _growth(self, soul: str, key: str, cell: Cell) -> int:
        try:
            known = self._graph.known(soul, key)
        except StoreError:
            known = None
        if known is not None and known[0] > cell[0]:
            return 0
        return weight(soul, key, cell) - (0 if known is None else weight(soul, key, known))

    def _room(self, account: Account) -> int:
        """How much more may be kept."""
        name, is_user = account
        if is_user:
            return self._limits.user_bytes - self.usage.of(name)
        return self._most[name] - self._prefixes[name]


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
