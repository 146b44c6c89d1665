"""
Who listens to a chain: C{on}, and C{once} (gun.js C{src/on.js}).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from gunnet.client.errors import Closed
from gunnet.client.nodes import LACK_SECONDS
from gunnet.client.paths import Followed, Item
from gunnet.client.waiting import Waiting
from gunnet.counters import Counters

Callback = Callable[[Any, str], Any]
"""Called with (value, key); what it gives is not looked at."""

ONCE_SECONDS = 0.099
"""So long a node must be unchanged before C{once} takes it for whole (gun.js: C{wait}, 99 ms)."""

LOCAL_SECONDS = 0.05
"""So long the local node has for its answer, however little is waited for others."""

RESTLESS = 20
"""A node that never is unchanged so long is taken as it is after so many times as long."""

_log = Logger()


def call(callback: Callback, value: Any, key: str, counters: Counters) -> None:
    """Call a program's callback. What it raises is its own affair: logged and counted."""
    try:
        callback(value, key)
    except Exception:
        counters.count("client_callbacks_failed")
        _log.failure("a callback failed on {key!r}", key=key)


class Listener:
    """
    One that listens until it is told not to.

    @ivar followed: what it listens to; to be set.
    """

    def __init__(self) -> None:
        self.followed: Followed | None = None
        self.on_stop: Callable[[Listener], None] = _nothing
        self.stopped = False

    def found(self, key: str, value: Any, keys: set[str] | None, since: float, item: Item) -> None:
        """See L{gunnet.client.paths.Hearer.found}."""

    def missing(self, key: str) -> None:
        """See L{gunnet.client.paths.Hearer.missing}. Most wait for what may come, like gun.js."""

    def stop(self) -> None:
        """Listen no more. May be called twice."""
        if not self.stopped:
            self.stopped = True
            if self.followed is not None:
                self.followed.stop()
            self.on_stop(self)

    def close(self) -> None:
        """The client is being closed."""
        self.stop()


class On(Listener):
    """Tells each value, as it stands and as it changes."""

    def __init__(self, callback: Callback, counters: Counters, *, change: bool) -> None:
        """
        @param change: whether of a node only what has changed is told.
        """
        super().__init__()
        self.callback = callback
        self._counters = counters
        self._change = change

    def found(self, key: str, value: Any, keys: set[str] | None, since: float, item: Item) -> None:
        """See L{gunnet.client.paths.Hearer.found}."""
        if self.stopped or keys == set():
            return
        if self._change and keys is not None:
            value = {each: value[each] for each in keys if each in value}
        call(self.callback, value, key, self._counters)


class EachOnce(Listener):
    """C{map().once(callback)}: tells each item once, also those that come later."""

    def __init__(self, callback: Callback, counters: Counters, reactor: IReactorTime, wait: float) -> None:
        super().__init__()
        self._callback = callback
        self._counters = counters
        self._reactor = reactor
        self._wait = wait
        self._waiting: dict[Item, IDelayedCall] = {}
        self._told: set[Item] = set()

    def found(self, key: str, value: Any, keys: set[str] | None, since: float, item: Item) -> None:
        """See L{gunnet.client.paths.Hearer.found}."""
        if item in self._told or self.stopped:
            return
        before = self._waiting.pop(item, None)
        if before is not None:
            before.cancel()
        if keys is None:
            self._tell(key, value, item)
        else:
            self._waiting[item] = self._reactor.callLater(self._wait, self._tell, key, value, item)

    def _tell(self, key: str, value: Any, item: Item) -> None:
        self._waiting.pop(item, None)
        self._told.add(item)
        call(self._callback, value, key, self._counters)

    def stop(self) -> None:
        """See L{Listener.stop}."""
        super().stop()
        for late in self._waiting.values():
            late.cancel()
        self._waiting.clear()


class Once(Listener):
    """
    Waits for a value.

    @ivar done: fires with it: L{None} if there is none; of a path with C{map()} in it, with a C{dict} of the
        items by key. Fails with L{Closed}.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        *,
        wait: float | None = None,
        plural: bool = False,
        callback: Callback | None = None,
        counters: Counters | None = None,
        linked: Callable[[], int] | None = None,
    ) -> None:
        """
        @param wait: as for L{gunnet.client.chain.Chain.once}.
        @param linked: how many peers may know better of a single property.
        """
        super().__init__()
        self.done: Waiting[Any] = Waiting(lambda _: self.stop())
        self._reactor = reactor
        self._callback = callback
        self._counters = counters or Counters()
        self._linked = linked or _none
        self._quiet = ONCE_SECONDS if wait is None else wait
        self._plural = plural
        self._items: dict[str | Item, Any] = {}
        self._until: float | None = None
        self._value: Any = None
        self._key = ""
        self._timer: IDelayedCall | None = None
        if wait is not None:
            self._timer = reactor.callLater(wait + LOCAL_SECONDS, self._finish)

    def found(self, key: str, value: Any, keys: set[str] | None, since: float, item: Item) -> None:
        """See L{gunnet.client.paths.Hearer.found}."""
        if self.stopped:
            return
        self._key = key
        self._value = value
        if self._plural:
            self._items[item[0] if len(item) == 1 else item] = value
        if since == inf:
            self._until = None
            self._finish_in(max(self._quiet, LACK_SECONDS))
        elif self._plural:
            self._finish_in(self._quiet)
        elif keys is None and not self._linked():
            self._finish()
        else:
            self._finish_in(self._quiet - (self._reactor.seconds() - since))

    def missing(self, key: str) -> None:
        """See L{gunnet.client.paths.Hearer.missing}."""
        if self.stopped:
            return
        self._key = key
        if self._plural:
            self._finish_in(self._quiet)
        else:
            self._value = None
            self._finish()

    def _finish_in(self, seconds: float) -> None:
        now = self._reactor.seconds()
        if self._until is None:
            self._until = now + max(seconds, RESTLESS * self._quiet)
        seconds = min(seconds, self._until - now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds <= 0:
            self._finish()
        else:
            self._timer = self._reactor.callLater(seconds, self._finish)

    def _finish(self) -> None:
        self.stop()
        value = self._items if self._plural else self._value
        if self._callback is not None:
            call(self._callback, value, self._key, self._counters)
        if not self.done.called:
            self.done.callback(value)

    def stop(self) -> None:
        """See L{Listener.stop}."""
        super().stop()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def close(self) -> None:
        """See L{Listener.close}. Who only gave a callback waits for no error, and is not called."""
        self.stop()
        is_awaited = self._callback is None or bool(self.done.callbacks)
        if is_awaited and not self.done.called:
            self.done.errback(Closed("the client was closed meanwhile"))


def _nothing(_listener: Listener) -> None:
    pass


def _none() -> int:
    return 0
