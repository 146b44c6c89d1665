"""
Changes, to be iterated.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gunnet.client.listeners import Listener
from gunnet.client.paths import Item
from gunnet.client.waiting import Waiting
from gunnet.counters import Counters

STREAM_ITEMS = 1_000
"""So many items may wait to be taken out of one stream."""


class Stream:
    """
    An asynchronous iterator of (value, key), made by L{gunnet.client.chain.Chain.stream}. It ends when it is
    closed, when C{off()} is called on its chain, and when the client is closed.

    @ivar dropped: how many items were dropped because they were not taken in time.
    """

    def __init__(self, limit: int, counters: Counters, later: Callable[[Callable[[], None]], object]) -> None:
        """
        Not for programs.

        @param limit: how many items may wait.
        @param later: has something done in a turn of its own; may be called in any thread.
        """
        self.dropped = 0
        self._limit = max(1, limit)
        self._counters = counters
        self._later = later
        self._waiting: OrderedDict[Item, tuple[Any, str]] = OrderedDict()
        self._taker: Waiting[None] | None = None
        self._ended = False
        self.listener = _Into(self)

    def __aiter__(self) -> Stream:
        """Itself."""
        return self

    async def __anext__(self) -> tuple[Any, str]:
        """
        The next change.

        @raise RuntimeError: somebody else is waiting for it.
        """
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            if self._taker is not None:
                raise RuntimeError("a stream is for one reader")
            self._taker = Waiting()
            try:
                await self._taker
            finally:
                self._taker = None
        return self._waiting.popitem(last=False)[1]

    async def __aenter__(self) -> Stream:
        """Itself: it has begun already."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    async def aclose(self) -> None:
        """L{close}, for C{contextlib.aclosing}."""
        self.close()

    def close(self) -> None:
        """End the stream; what waits in it can still be taken."""
        self.listener.stop()

    def __del__(self) -> None:
        if not self.listener.stopped:
            with suppress(RuntimeError):  # the loop of asyncio is closed
                # Garbage is collected at any time, also while the local node is at work, and by any thread.
                self._later(self.listener.stop)

    def _add(self, key: str, value: Any, item: Item) -> None:
        self._waiting.pop(item, None)
        self._waiting[item] = (value, key)
        if len(self._waiting) > self._limit:
            self._counters.count("client_stream_items_evicted")
            self.dropped += 1
            self._waiting.popitem(last=False)
        self._wake()

    def _end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._taker is not None and not self._taker.called:
            self._taker.callback(None)


class _Into(Listener):
    """Puts what is found into a stream, for as long as somebody has that."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = weakref.ref(stream)

    def found(self, key: str, value: Any, keys: set[str] | None, since: float, item: Item) -> None:
        stream = self._stream()
        if stream is not None and not self.stopped and keys != set():
            stream._add(key, value, item)

    def stop(self) -> None:
        super().stop()
        stream = self._stream()
        if stream is not None:
            stream._end()
