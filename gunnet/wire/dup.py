"""
The id memory: which message ids were heard or sent lately, and what is known of each (gun.js C{src/dup.js}).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from gunnet.counters import Counters
from gunnet.limits import Limits

Entry = TypeVar("Entry")

_ID_BYTES = 200


class Dup(Generic[Entry]):
    """
    Ids with an entry each, remembered for at least C{limits.dup_ms} after they were last seen and for twice
    that at most, as gun.js has it.

    Two generations of that time follow one another, as each costs every new id a look; to renew an id is to
    move it to the younger. When C{limits.dup_ids} are in memory, the older generation goes early. An id that
    is pinned is found for C{limits.rtc_ms} to twice that, so that WebRTC candidates that trickle in late
    still find their way.
    """

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._young: dict[str, Entry] = {}
        self._old: dict[str, Entry] = {}
        self._turns_at: float | None = None
        self._pinned: dict[str, Entry] = {}
        self._pinned_old: dict[str, Entry] = {}
        self._pins_turn_at: float | None = None

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def memory_bytes(self) -> int:
        """Roughly what the ids and their entries take."""
        return _ID_BYTES * len(self)

    def find(self, name: str) -> Entry | None:
        """The entry of an id, L{None} if it is not remembered. Does not renew."""
        entry = self._young.get(name)
        if entry is None:
            entry = self._old.get(name)
            if entry is None and (self._pinned or self._pinned_old):
                entry = self._pinned.get(name) or self._pinned_old.get(name)
        return entry

    def renew(self, name: str) -> Entry | None:
        """The entry of an id, which is now remembered anew; L{None} if it was not remembered."""
        entry = self.find(name)
        if entry is not None and name not in self._young:
            self._old.pop(name, None)
            self.remember(name, entry)
        return entry

    def remember(self, name: str, entry: Entry) -> None:
        """Remember an id, in place of what was known of it."""
        self._young[name] = entry
        if len(self._young) >= self._limits.dup_ids // 2:
            self._counters.count("dup_ids_evicted", len(self._old))
            self._shift()

    def pin(self, name: str, entry: Entry) -> None:
        """Remember an id for longer."""
        self._pinned[name] = entry
        if len(self._pinned) >= self._limits.rtc_ids // 2:
            self._counters.count("rtc_ids_evicted", len(self._pinned_old))
            self._pinned_old, self._pinned = self._pinned, {}

    def pass_time(self, now: float) -> None:
        """
        Forget what is old: to be called at L{next_at}, and after each turn that brought something. What was
        remembered since the last call counts as seen now, however long ago that call was.

        @param now: in milliseconds.
        """
        if self._pins_turn_at is None or now >= self._pins_turn_at:
            self._pinned_old, self._pinned = self._pinned, {}
            self._pins_turn_at = now + self._limits.rtc_ms
        if self._turns_at is None:
            self._turns_at = now + self._limits.dup_ms
        elif now >= self._turns_at:
            self._shift()
            self._turns_at = now + self._limits.dup_ms

    @property
    def next_at(self) -> float | None:
        """When L{pass_time} has something to forget, in milliseconds; L{None} while nothing is remembered."""
        if len(self):
            return self._turns_at
        return self._pins_turn_at if self._pinned or self._pinned_old else None

    def _shift(self) -> None:
        self._old = self._young
        self._young = {}
