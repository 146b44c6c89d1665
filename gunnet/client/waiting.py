"""
What is waited for: a Deferred that can be awaited in tasks of asyncio, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred

T = TypeVar("T")
_BY_TWISTED = object()


class Waiting(Deferred[T]):
    """
    A Deferred whose C{await} works in coroutines of Twisted and in tasks of asyncio.

    Twisted drives a coroutine by the Deferreds that it yields, and asyncio by what looks like a Future: has
    C{_asyncio_future_blocking}, C{get_loop} and C{add_done_callback}. This is both, so that it does not
    matter who drives; a coroutine of Twisted may well be begun in a task.
    """

    _asyncio_future_blocking: (
        bool  # of the object only: by that of a class, asyncio would know a whole Future
    )

    def __await__(self) -> Generator[Any, None, T]:
        while not self.called or self.paused:
            self._asyncio_future_blocking = True
            yield self
        return (yield from self.__iter__())

    def cancel(self, msg: object = _BY_TWISTED) -> None:
        """
        As that of Deferreds. Whoever waits is told so.

        @param msg: a task that is cancelled hands one on; it is cancelled itself in any case, so that there
            is nobody else for the error.
        """
        super().cancel()
        if msg is not _BY_TWISTED:
            self.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """A task asks for the loop of what it waits for."""
        return asyncio.get_running_loop()

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context | None = None) -> None:
        """A task waits."""
        loop = asyncio.get_running_loop()

        def fired(result: Any) -> Any:
            loop.call_soon(callback, _FIRED, context=context)
            return result

        self.addBoth(fired)


class _Fired:
    """What a task is told: nothing. It finds the result in what it awaits."""

    def result(self) -> None:
        pass


_FIRED = _Fired()


def waiting_for(coroutine: Coroutine[Deferred[Any], Any, T]) -> Waiting[T]:
    """Begin a coroutine of Twisted, and give what waits for its end."""
    done: Waiting[T] = Waiting()
    Deferred.fromCoroutine(coroutine).chainDeferred(done)
    return done
