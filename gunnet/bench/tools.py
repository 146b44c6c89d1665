"""
What all workloads need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from twisted.internet.task import deferLater

from gunnet.bench.links import Links
from gunnet.bench.load import Asker
from gunnet.bench.peer import BenchError, Peer
from gunnet.bench.plan import Plan
from gunnet.bench.sources import Ids, Source
from gunnet.bench.tally import Tally

_LOOK_SECONDS = 0.02
SILENCE_SECONDS_MAX = 30.0
_BEHIND_MS = 1_000
"""
States are so much behind the clock of this machine: the relay's may be behind it too, and gun.js never
acknowledges what is from the future.
"""


@dataclass
class Tools:
    """
    What is given to every workload.

    @ivar links: makes links to the relay.
    @ivar random: from the seed, for what is random about a workload.
    @ivar ids: of messages.
    @ivar clock: seconds that never go back.
    """

    plan: Plan
    reactor: Any
    links: Links
    random: Random
    ids: Ids
    clock: Callable[[], float]

    def state(self) -> int:
        """A state for what is put now."""
        return int(self.reactor.seconds() * 1000) - _BEHIND_MS

    def tally(self, name: str) -> Tally:
        """For one kind of operations."""
        return Tally(name, at_rate=self.plan.rate is not None)

    def asker(self, peer: Peer, source: Source, tally: Tally, *, with_put: bool = False) -> Asker:
        """For one peer, which then hears its answers."""
        asker = Asker(peer, source, tally, self.clock, with_put=with_put)
        peer.heard = asker.heard
        return asker

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await deferLater(self.reactor, seconds)

    async def all_answered(self, askers: list[Asker], what: str) -> None:
        """
        Wait until nothing of theirs is under way.

        @raise BenchError: nothing comes any more.
        """
        await self.until_nothing(lambda: sum(len(asker.sent) for asker in askers), what)

    async def until_nothing(self, left: Callable[[], int], what: str) -> None:
        """
        Wait until nothing is left.

        @param left: how much is.
        @raise BenchError: it becomes no less for long.
        """
        seen, since = -1, self.clock()
        while found := left():
            now = self.clock()
            if found != seen:
                seen, since = found, now
            elif now - since > SILENCE_SECONDS_MAX:
                raise BenchError(f"{what}: {found} messages were not answered in {SILENCE_SECONDS_MAX:.0f} s")
            await self.sleep(_LOOK_SECONDS)
