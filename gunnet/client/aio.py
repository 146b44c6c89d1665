"""
Reactors of Twisted on event loops of asyncio, for programs that run no Twisted.

There is one for each loop, made when it is first needed and taken down when nobody uses it any more. It is
never installed, so that nothing else in the process sees it, and never run: the loop does that.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from weakref import WeakKeyDictionary

from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from gunnet.verifier import WorkThread

_reactors: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopReactor] = WeakKeyDictionary()


class LoopReactor(AsyncioSelectorReactor):
    """A reactor on a loop that is somebody else's."""

    # Twisted's idea of which thread has the reactor is global to the process.
    _registerAsIOThread = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._loop = loop
        self._users = 0

    def _initThreadPool(self) -> None:
        """Of a program that ends without closing its clients, no thread is waited for."""
        super()._initThreadPool()
        assert self.threadpool is not None
        self.threadpool.threadFactory = WorkThread

    def take(self) -> None:
        """Somebody uses it, until L{release}."""
        self._users += 1
        if self._users == 1:
            self.startRunning(installSignalHandlers=False)

    def release(self) -> None:
        """Somebody uses it no more; after the last one it is taken down."""
        self._users -= 1
        if not self._users:
            if _reactors.get(self._loop) is self:
                del _reactors[self._loop]
            self._loop.call_soon(self._take_down)

    def _take_down(self) -> None:
        self.disconnectAll()
        self.fireSystemEvent("shutdown")
        for call in self.getDelayedCalls():
            call.cancel()
        timer: asyncio.TimerHandle | None = self._timerHandle
        if timer is not None:
            timer.cancel()
        self.removeAll()
        for waker in list(self._internalReaders):
            self.removeReader(waker)
            waker.connectionLost(None)
        self._internalReaders.clear()
        self.waker = None


def reactor_here() -> tuple[Any, LoopReactor | None]:
    """
    The reactor for who calls this.

    @return: (the reactor, the same if it is to be released at the end): that of Twisted, unless that does not
        run and an event loop does.
    """
    installed = sys.modules.get("twisted.internet.reactor")
    if installed is None or not installed.running:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            found = _reactors.get(loop)
            if found is None:
                found = _reactors[loop] = LoopReactor(loop)
            found.take()
            return found, found
    from twisted.internet import reactor

    return reactor, None
