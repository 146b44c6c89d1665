"""
An asyncio loop in a thread of its own, beside whatever reactor the program has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger


class LoopThread:
    """
    The thread. All is called from the reactor's.

    @ivar running: whether it takes calls.
    """

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: whose C{callFromThread} brings what comes of it back.
        """
        self.running = False
        self._reactor = reactor
        self._loop: asyncio.AbstractEventLoop
        self._thread: Thread | None = None
        self._stopped: Deferred[None] = Deferred()

    def start(self) -> None:
        """Start it."""
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._complain)
        self._thread = Thread(target=self._run, name="gunnet-rtc", daemon=True)
        self._stopped = Deferred()
        self.running = True
        self._thread.start()

    def call(self, what: Callable[..., object], *args: Any) -> None:
        """Have C{what} called there; not any more when it was stopped."""
        if self.running:
            self._loop.call_soon_threadsafe(what, *args)

    def back(self, what: Callable[..., object], *args: Any) -> None:
        """From the thread: have C{what} called in the reactor's."""
        self._reactor.callFromThread(what, *args)

    def stop(self) -> Deferred[None]:
        """
        End it, with all that goes on there.

        @return: fires when the thread has ended.
        """
        if self.running:
            self.running = False
            self._loop.call_soon_threadsafe(self._loop.stop)
        return succeed(None) if self._thread is None else self._stopped

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(_end_tasks())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()
            self._reactor.callFromThread(self._ended)

    def _ended(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._stopped.callback(None)

    def _complain(self, _loop: object, context: dict[str, Any]) -> None:
        """Something in there went wrong unseen; aiortc has some of that when connections break."""
        error = context.get("exception")
        self._log.debug("in the loop: {message}: {error!r}", message=context.get("message"), error=error)


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
