"""
What is waited for: a Deferred that can be awaited in tasks of asyncio, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")


class Waiting(Deferred[T]):
    """
    A Deferred whose C{await} works in coroutines of Twisted and in tasks of asyncio.

    Twisted drives a coroutine by the Deferreds that come out of it; a task of asyncio knows Futures only.
    """

    def __await__(self) -> Generator[Any, None, T]:
        if _in_task():
            return self.asFuture(asyncio.get_running_loop()).__await__()
        return self.__iter__()


def _in_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def waiting_for(coroutine: Coroutine[Deferred[Any], Any, T]) -> Waiting[T]:
    """Begin a coroutine of Twisted, and give what waits for its end."""
    done: Waiting[T] = Waiting()
    Deferred.fromCoroutine(coroutine).chainDeferred(done)
    return done
