"""
Subprocesses for tests: started on the reactor, their output kept for failure messages, always cleaned up; and
the waiting that goes with them, for a condition and with a deadline, never for a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

T = TypeVar("T")

OUTPUT_LINES_KEPT = 200
LOOK_AGAIN_SECONDS = 0.01


class Overdue(AssertionError):  # a word of its own reads better in failures
    """A condition did not come true in time; the text says which, and what was seen instead."""


async def within(seconds: float, what: str | Callable[[], str], waiting: Deferred[T]) -> T:
    """
    Wait for a Deferred, but not for ever.

    @param what: what is awaited, for the failure message; called late if it tells what was seen so far.
    @raise Overdue: after C{seconds}.
    """
    try:
        return await waiting.addTimeout(seconds, reactor)
    except defer.TimeoutError:
        raise Overdue(f"not within {seconds} s: {what() if callable(what) else what}") from None


async def until(
    seconds: float, what: str | Callable[[], str], condition: Callable[[], Awaitable[bool]]
) -> None:
    """
    Look again and again until C{condition} is true, for things that send no event when they come true.

    @raise Overdue: after C{seconds}.
    """
    deadline = reactor.seconds() + seconds
    while not await condition():
        if reactor.seconds() > deadline:
            raise Overdue(f"not within {seconds} s: {what() if callable(what) else what}")
        await deferLater(reactor, LOOK_AGAIN_SECONDS)


class Child(ProcessProtocol):
    """
    One subprocess of a test, killed at the test's end if it still runs.

    @ivar output: its last lines of stdout and stderr.
    @ivar status: how it ended: 0, an exit code, or the negative number of a signal; L{None} while it runs.
    """

    transport: IProcessTransport

    def __init__(self, name: str, hear: Callable[[bytes], None] | None = None) -> None:
        """
        @param hear: called with each line of stdout; without it they go to C{output}, as stderr always does.
        """
        self.name = name
        self.output: deque[str] = deque(maxlen=OUTPUT_LINES_KEPT)
        self.status: int | None = None
        self._hear = hear or self._keep
        self._partial = {1: b"", 2: b""}
        self._ending: list[Deferred[int]] = []

    def start(
        self,
        test: TestCase,
        command: Sequence[str],
        env: Mapping[str, str],
        files: Mapping[int, int] = {},
    ) -> None:
        """
        @param env: the whole environment of the subprocess.
        @param files: descriptors that it gets beside the usual three: there, and here.
        """
        files = {0: "w", 1: "r", 2: "r", **files}  # type: ignore[dict-item]
        reactor.spawnProcess(self, command[0], command, env=dict(env), childFDs=files)
        test.addCleanup(self.destroy)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Cut the output into lines."""
        *lines, self._partial[childFD] = (self._partial[childFD] + data).split(b"\n")
        take = self._hear if childFD == 1 else self._keep
        for line in lines:
            take(line)

    def processEnded(self, reason: Failure) -> None:
        """Keep the status, and tell who waits for the end."""
        for rest in self._partial.values():
            if rest:
                self._keep(rest)
        ended = reason.value
        signal = ended.signal if isinstance(ended, ProcessTerminated) else None
        self.status = -signal if signal else getattr(ended, "exitCode", None) or 0
        for waiting in self._ending:
            waiting.callback(self.status)
        self._ending.clear()

    def write(self, line: bytes) -> None:
        """Send one line to its stdin."""
        self.transport.write(line + b"\n")

    def ended(self) -> Deferred[int]:
        """
        @return: fires with C{status} when the subprocess is gone.
        """
        waiting: Deferred[int] = Deferred()
        if self.status is None:
            self._ending.append(waiting)
            return waiting
        waiting.callback(self.status)
        return waiting

    async def end(self, signal: str, seconds: float) -> int:
        """
        Send a signal and wait for the end.

        @raise Overdue: it still runs after C{seconds}.
        """
        if self.status is None:
            with suppress(ProcessExitedAlready):  # it has gone a moment ago
                self.transport.signalProcess(signal)
        return await within(
            seconds, lambda: f"{self.name} ends on SIG{signal}\n{self.report()}", self.ended()
        )

    async def destroy(self) -> None:
        """Kill it if it still runs. For L{TestCase.addCleanup}."""
        await self.end("KILL", 10)

    def report(self) -> str:
        """
        @return: what it said last, for a failure message.
        """
        lines = "\n".join(f"    {line}" for line in self.output) or "    (no output)"
        return f"{self.name}, status {self.status}, said:\n{lines}"

    def _keep(self, line: bytes) -> None:
        self.output.append(line.decode("utf-8", "replace"))
