"""
Tests of L{gunnet.store.writer}.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gunnet.graph.lex import ALL, Span
from gunnet.store.interface import Cell, StoreError
from gunnet.store.lmdb import LmdbStore
from gunnet.store.memory import MemoryStore
from gunnet.store.writer import Job, StoreWriter
from tests.store.contract import cell


@implementer(IReactorFromThreads)
class Turns:
    """A reactor whose turns the test takes."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def callFromThread(self, callable: Callable[..., object], *args: object, **kwargs: object) -> None:
        self.calls.append(lambda: callable(*args, **kwargs))

    def turn(self) -> None:
        """Do what was asked for since the last turn."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


@implementer(IReactorFromThreads)
class Inbox:
    """A reactor that other threads may really call, and whose turns the test takes."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, callable: Callable[..., object], *args: object, **kwargs: object) -> None:
        self._calls.put(lambda: callable(*args, **kwargs))

    def turn(self) -> None:
        """Wait for one call, and do it."""
        self._calls.get(timeout=30)()


class Recorder:
    """A blocking store that only takes notes, and fails if told so."""

    blocking = True
    place = "recorder"

    def __init__(self) -> None:
        self.commits: list[list[tuple[str, str, Cell]]] = []
        self.closed = 0
        self.error: BaseException | None = None

    def commit(self, cells: Sequence[tuple[str, str, Cell]]) -> None:
        if self.error is not None:
            raise self.error
        self.commits.append(list(cells))

    def close(self) -> None:
        if self.error is not None:
            raise self.error
        self.closed += 1

    def cell(self, soul: str, key: str) -> Cell | None:
        raise NotImplementedError

    def node(self, soul: str, span: Span, *, reverse: bool = False) -> Iterator[tuple[str, Cell]]:
        raise NotImplementedError

    def souls(self, span: Span, *, reverse: bool = False) -> Iterator[str]:
        raise NotImplementedError

    def refresh(self) -> None:
        raise NotImplementedError

    def stats(self) -> dict[str, int]:
        raise NotImplementedError


class WriterTests(SynchronousTestCase):
    """The writer, one step of its thread and of the reactor at a time."""

    def setUp(self) -> None:
        self.store = Recorder()
        self.reactor = Turns()
        self.jobs: list[Job | None] = []
        self.writer = StoreWriter(self.store, self.reactor, self.jobs.append)

    def work(self) -> None:
        """Do the thread's next job."""
        job = self.jobs.pop(0)
        assert job is not None
        job()

    def test_commit(self) -> None:
        """A commit is done by the thread and told by the reactor."""
        done = self.writer.commit([("soul", "key", cell())])
        self.assertEqual((self.store.commits, self.writer.waiting), ([], 1))
        self.work()
        self.assertEqual(self.store.commits, [[("soul", "key", cell())]])
        self.assertNoResult(done)
        self.reactor.turn()
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(self.writer.waiting, 0)

    def test_order(self) -> None:
        """Commits are done and told in the order in which they came."""
        told: list[int] = []

        def ended(_: None, number: int) -> None:
            told.append(number)

        for number in range(5):
            self.writer.commit([("soul", "key", cell(number))]).addCallback(ended, number)
        while self.jobs:
            self.work()
        self.reactor.turn()
        self.assertEqual(told, [0, 1, 2, 3, 4])
        self.assertEqual([cells[0][2] for cells in self.store.commits], [cell(n) for n in range(5)])

    def test_failure(self) -> None:
        """What the store says goes to who asked, and later commits are tried all the same."""
        self.store.error = StoreError("recorder is full")
        failed, good = self.writer.commit([]), self.writer.commit([("soul", "key", cell())])
        self.work()
        self.store.error = None
        self.work()
        self.reactor.turn()
        self.assertIs(self.failureResultOf(failed, StoreError).type, StoreError)
        self.successResultOf(good)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_surprise(self) -> None:
        """An error that no store should raise is logged with its traceback, and told as the store's."""
        for error in (ZeroDivisionError("surprise"), SystemExit(3)):
            self.store.error = error
            done = self.writer.commit([])
            self.work()
            self.reactor.turn()
            told = self.failureResultOf(done, StoreError)
            self.assertEqual(str(told.value), f"store recorder failed: {type(error).__name__}: {error}")
            self.assertIn("in commit", self.flushLoggedErrors(type(error))[0].getTraceback())

    def test_stop(self) -> None:
        """To stop is to end what was handed over, take no more, close the store and then the thread."""
        done, stopped = self.writer.commit([]), self.writer.stop()
        late = self.writer.commit([])
        self.assertEqual(str(self.failureResultOf(late, StoreError).value), "store recorder is closed")
        self.work()
        self.reactor.turn()
        self.successResultOf(done)
        self.assertNoResult(stopped)
        self.assertEqual(self.store.closed, 0)
        again = self.writer.stop()
        self.work()
        self.reactor.turn()
        self.successResultOf(stopped)
        self.successResultOf(again)
        self.assertEqual((self.store.closed, self.jobs), (1, [None]))
        self.successResultOf(self.writer.stop())
        self.assertEqual(self.store.closed, 1)

    def test_stop_leaves_open(self) -> None:
        """A store that somebody else opened is left open; all else is as with others."""
        writer = StoreWriter(self.store, self.reactor, self.jobs.append, closes=False)
        done, stopped = writer.commit([]), writer.stop()
        self.work()
        self.work()
        self.reactor.turn()
        self.successResultOf(done)
        self.successResultOf(stopped)
        self.assertEqual((self.store.closed, self.jobs), (0, [None]))

    def test_stop_fails(self) -> None:
        """A store that does not close well is told, and the thread ends all the same."""
        stopped = self.writer.stop()
        self.store.error = OSError("bad disk")
        self.work()
        self.reactor.turn()
        self.failureResultOf(stopped, StoreError)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(self.jobs, [None])

    def test_cancelled(self) -> None:
        """Who no longer waits is not told; the commit is done."""
        done = self.writer.commit([])
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.work()
        self.reactor.turn()
        self.assertEqual((self.store.commits, self.writer.waiting), ([[]], 0))

    def test_without_waiting(self) -> None:
        """A store that does not block is written at once, with no thread."""
        store = MemoryStore(10_000)
        writer = StoreWriter(store, self.reactor, self.jobs.append)
        self.successResultOf(writer.commit([("soul", "key", cell())]))
        self.assertEqual(store.cell("soul", "key"), cell())
        self.failureResultOf(writer.commit([("soul", "key", cell("1" * 10_000))]), StoreError)
        self.successResultOf(writer.stop())
        self.failureResultOf(writer.commit([]), StoreError)
        self.successResultOf(writer.stop())
        self.assertEqual((self.jobs, self.reactor.calls), ([], []))


class ThreadTests(SynchronousTestCase):
    """The writer with its thread and a disk."""

    def setUp(self) -> None:
        self.reactor = Inbox()
        self.path = self.mktemp()
        self.store = LmdbStore(self.path)
        self.writer = StoreWriter(self.store, self.reactor)

    def stop(self) -> None:
        """Stop the writer, take the turns that it needs, and see that it leaves no thread."""
        stopped = self.writer.stop()
        while not stopped.called:
            self.reactor.turn()
        self.successResultOf(stopped)
        for thread in threading.enumerate():
            if thread.name == "gunnet-store":
                thread.join(5)
                self.assertFalse(thread.is_alive())

    def test_all_in_order(self) -> None:
        """Commits are durable when told, in order; to stop is to have done them all."""
        told: list[int] = []

        def ended(_: None, number: int) -> None:
            self.store.refresh()
            found = self.store.cell("soul", "key")
            assert found is not None
            self.assertTrue(found[0] >= number)
            told.append(number)

        for number in range(50):
            self.writer.commit([("soul", "key", cell(1, number))]).addCallback(ended, number)
        self.stop()
        self.assertEqual(told, list(range(50)))
        again = LmdbStore(self.path)
        self.addCleanup(again.close)
        self.assertEqual(list(again.node("soul", ALL)), [("key", cell(1, 49.0))])

    def test_stop_at_once(self) -> None:
        """A writer that never wrote stops as well."""
        self.stop()
