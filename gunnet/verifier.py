"""
Signatures are verified beside the reactor, in threads that yield to it.
"""

from __future__ import annotations

import os
from threading import Thread, get_native_id
from typing import Any

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gunnet.sea.firewall import UNVERIFIED, Check, Outcome, verify

_log = Logger()

NICENESS = 10
"""So much nicer than the reactor's thread these are, where threads have a niceness of their own."""

SLICE = 16
"""A thread is given so many checks at least."""


class WorkThread(Thread):
    """A thread that a process which ends without stopping it does not wait for."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, daemon=True, **options)


def start_pool(threads: int, name: str) -> ThreadPool:
    """
    A pool of at most so many L{WorkThread}s.

    @param name: of the threads.
    """
    pool = ThreadPool(0, threads, name=name)
    pool.threadFactory = WorkThread
    pool.start()
    return pool


class ThreadVerifier:
    """
    L{gunnet.turns.Verifier} on a small pool of threads of its own, so that name look-ups do not wait behind
    it. It starts with the first check.
    """

    def __init__(self, reactor: IReactorFromThreads, threads: int) -> None:
        """
        @param threads: how many may work at once.
        """
        self._reactor = reactor
        self._threads = threads
        self._pool: ThreadPool | None = None

    def verify(self, checks: list[Check]) -> Deferred[list[Outcome]]:
        """See L{gunnet.turns.Verifier.verify}."""
        if self._pool is None:
            self._pool = start_pool(self._threads, "gunnet-verify")
        size = max(SLICE, -(-len(checks) // self._threads))
        parts = [checks[at : at + size] for at in range(0, len(checks), size)]
        done = gatherResults(
            [deferToThreadPool(self._reactor, self._pool, _verify_in_thread, part) for part in parts],
            consumeErrors=True,
        )
        return done.addCallbacks(_joined, self._failed, errbackArgs=(len(checks),))

    def _failed(self, failure: Failure, count: int) -> list[Outcome]:
        """What could not be verified is not taken."""
        if isinstance(failure.value, FirstError):
            failure = failure.value.subFailure
        _log.failure("signatures could not be verified", failure)
        return [UNVERIFIED] * count

    def stop(self) -> None:
        """Verify nothing more; what is under way is waited for."""
        if self._pool is not None:
            self._pool.stop()
            self._pool = None


def _joined(parts: list[list[Outcome]]) -> list[Outcome]:
    return [outcome for part in parts for outcome in part]


def _verify_in_thread(checks: list[Check]) -> list[Outcome]:
    _yield_to_others()
    return verify_all(checks)


def verify_all(checks: list[Check]) -> list[Outcome]:
    """
    L{gunnet.sea.firewall.verify} each, in order. Where that fails in a way it should not, that one value is
    not taken; it is logged, and costs the others, which may be of somebody else, nothing.
    """
    outcomes: list[Outcome] = []
    for check in checks:
        try:
            outcomes.append(verify(check))
        except Exception:
            _log.failure("a signature could not be verified")
            outcomes.append(UNVERIFIED)
    return outcomes


def _yield_to_others() -> None:
    thread = get_native_id()
    try:
        if os.getpriority(os.PRIO_PROCESS, thread) < NICENESS:
            os.setpriority(os.PRIO_PROCESS, thread, NICENESS)
    except (OSError, AttributeError):
        pass  # elsewhere the threads have equal rights
