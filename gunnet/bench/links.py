"""
The links of all clients to one relay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import connectProtocol
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure

from gunnet.bench.peer import BenchError, Peer
from gunnet.bench.tally import Tally

OPEN_SECONDS_MAX = 30.0
UNDER_WAY = 50


class Links:
    """
    Opens links, and knows those that are open.

    @ivar peers: all that were opened.
    @ivar lost: why links were lost, and how many.
    """

    def __init__(
        self,
        url: str,
        endpoint: IStreamClientEndpoint,
        reactor: Any,
        random: Random,
        clock: Callable[[], float],
    ) -> None:
        self.peers: list[Peer] = []
        self.lost: Counter[str] = Counter()
        self._url = url
        self._endpoint = endpoint
        self._reactor = reactor
        self._random = random
        self._clock = clock

    @property
    def bytes_in(self) -> int:
        """All that came."""
        return sum(peer.bytes_in for peer in self.peers)

    @property
    def bytes_out(self) -> int:
        """All that went."""
        return sum(peer.bytes_out for peer in self.peers)

    async def open(self, count: int, under_way: int = UNDER_WAY, tally: Tally | None = None) -> list[Peer]:
        """
        Open some, several at a time.

        @param tally: counts handshakes.
        @return: their peers, in no order.
        @raise BenchError: one can't be opened.
        """
        found: list[Peer] = []
        wanted = iter(range(count))

        async def one_by_one() -> None:
            for _ in wanted:
                begun = self._clock()
                found.append(await self._open_one())
                if tally is not None:
                    tally.done([begun], self._clock())

        several = [Deferred.fromCoroutine(one_by_one()) for _ in range(min(count, under_way))]
        try:
            await gatherResults(several, consumeErrors=True)
        except Exception as e:
            raise BenchError(_reason(e)) from e
        return found

    def close(self) -> None:
        """Close all."""
        for peer in self.peers:
            peer.close()

    async def _open_one(self) -> Peer:
        peer = Peer(self._url, self._random)
        await connectProtocol(self._endpoint, peer)
        opened: Deferred[Peer] = peer.opened.addTimeout(OPEN_SECONDS_MAX, self._reactor)
        await opened
        peer.lost = self._was_lost
        self.peers.append(peer)
        return peer

    def _was_lost(self, why: str) -> None:
        self.lost[why] += 1


def _reason(error: BaseException) -> str:
    """What went wrong, without the wrapping."""
    inner = getattr(error, "subFailure", None)
    if isinstance(inner, Failure) and inner.value is not None:
        error = inner.value
    if isinstance(error, defer.TimeoutError):
        return f"no link within {OPEN_SECONDS_MAX:.0f} s"
    return str(error) or type(error).__name__
