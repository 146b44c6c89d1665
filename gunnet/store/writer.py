"""
Commits beside the reactor: a store that waits for its disk does so in a thread of its own.

It is one thread and not the reactor's shared pool, because commits must keep their order and must not wait
behind someone else's name lookup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Thread

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from twisted.python.failure import Failure

from gunnet.store.interface import Cell, Store, StoreError

Job = Callable[[], None]


class StoreWriter:
    """
    All writes to one store, in order. All calls come from the reactor thread, and all Deferreds fire there.

    How much may wait is for the caller to bound (L{gunnet.limits.Limits.pending_bytes}).

    @ivar waiting: commits handed over that have not ended.
    """

    _log = Logger()

    def __init__(
        self,
        store: Store,
        reactor: IReactorFromThreads,
        run: Callable[[Job | None], object] | None = None,
        *,
        closes: bool = True,
    ) -> None:
        """
        @param run: carries out jobs one at a time, in order and later; L{None} instead of a job says that
            there will be no more. The default is a thread. Not called if the store does not block.
        @param closes: whether L{stop} closes the store; otherwise it is left to whoever opened it.
        """
        self.waiting = 0
        self._store = store
        self._reactor = reactor
        self._run = run or _WriterThread().run
        self._closes = closes
        self._stopping = False
        self._stopped: list[Deferred[None]] | None = []

    def commit(self, cells: Sequence[tuple[str, str, Cell]]) -> Deferred[None]:
        """
        Write all of C{cells} or nothing; see L{Store.commit}. They must not be changed afterwards.

        @return: fires when they are durable. To read them, L{Store.refresh} comes first. Fails with
            L{StoreError}, and with nothing else.
        """
        if self._stopping:
            return fail(StoreError(f"store {self._store.place} is closed"))
        done: Deferred[None] = Deferred()
        self.waiting += 1
        if self._store.blocking:
            self._run(partial(self._commit_in_thread, cells, done))
        else:
            self._report(done, _attempt(partial(self._store.commit, cells)))
        return done

    def stop(self) -> Deferred[None]:
        """
        Take no more commits, wait for those under way, then close the store, if that is ours to do. May be
        called twice.

        @return: fires when all that is done; fails with L{StoreError} if it did not close well.
        """
        if self._stopped is None:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._stopped.append(stopped)
        if not self._stopping:
            self._stopping = True
            if self._store.blocking:
                self._run(partial(self._reactor.callFromThread, self._close))
                self._run(None)
            else:
                self._close()
        return stopped

    def _commit_in_thread(self, cells: Sequence[tuple[str, str, Cell]], done: Deferred[None]) -> None:
        error = _attempt(partial(self._store.commit, cells))
        self._reactor.callFromThread(self._report, done, error)

    def _report(self, done: Deferred[None], error: BaseException | None) -> None:
        self.waiting -= 1
        self._settle([done], error)

    def _close(self) -> None:
        stopped, self._stopped = self._stopped or [], None
        self._settle(stopped, _attempt(self._store.close) if self._closes else None)

    def _settle(self, waiting: Sequence[Deferred[None]], error: BaseException | None) -> None:
        if error is not None and not isinstance(error, StoreError):
            place = self._store.place
            self._log.failure("store {place} failed in a way it should not", Failure(error), place=place)
            wrapped = StoreError(f"store {place} failed: {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            error = wrapped
        for deferred in waiting:
            if error is None:
                deferred.callback(None)
            else:
                deferred.errback(error)


def _attempt(job: Job) -> BaseException | None:
    """Whoever waits for C{job} must hear of its end, whatever it is: so all that it raises is returned."""
    try:
        job()
    except BaseException as error:
        return error
    return None


class _WriterThread:
    """A thread that starts at the first job and ends at L{None}."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        # A relay that fails at its start must not hang on an idle thread; what is cut off then was never
        # acknowledged, and LMDB takes back half a commit.
        self._thread = Thread(target=self._work, name="gunnet-store", daemon=True)

    def run(self, job: Job | None) -> None:
        """Have C{job} done after all before it."""
        if self._thread.ident is None:
            self._thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
