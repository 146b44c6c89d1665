"""
Examples as processes of their own.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.interop.children import Child, within

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
NO_KLEIN = None if find_spec("klein") else "Klein is not installed: pip install klein, or tox -e examples"
"""Why tests that need it are skipped."""
SAY_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 5.0


class Example:
    """
    One example that runs.

    @ivar lines: what it has printed.
    """

    def __init__(self, test: TestCase, name: str, *arguments: str) -> None:
        """
        @param name: of the file in L{EXAMPLES}, without C{.py}.
        """
        self.lines: list[str] = []
        self._waiting: list[tuple[re.Pattern[str], Deferred[re.Match[str]]]] = []
        self.child = Child(f"examples/{name}.py", self._hear)
        command: Sequence[str] = (sys.executable, str(EXAMPLES / f"{name}.py"), *arguments)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.child.start(test, command, environment)

    def _hear(self, line: bytes) -> None:
        text = line.decode("utf-8")
        self.lines.append(text)
        for item in list(self._waiting):
            pattern, fired = item
            found = pattern.search(text)
            if found:
                self._waiting.remove(item)
                fired.callback(found)

    async def says(self, pattern: str, seconds: float = SAY_SECONDS_MAX) -> re.Match[str]:
        """
        Wait for a line in which a pattern is, unless there is one already.

        @return: where.
        @raise Overdue: it does not come, or the example ends before.
        """
        compiled = re.compile(pattern)
        for line in self.lines:
            found = compiled.search(line)
            if found:
                return found
        waiting: Deferred[re.Match[str]] = Deferred()
        self._waiting.append((compiled, waiting))
        return await within(seconds, lambda: f"{pattern!r}: {self.report()}", waiting)

    def write(self, line: str) -> None:
        """Type a line."""
        self.child.write(line.encode())

    async def stop(self, signal: str = "INT") -> None:
        """
        End it as people do, and see that it ends well.

        @raise AssertionError: it does not.
        """
        status = await self.child.end(signal, STOP_SECONDS_MAX)
        if status != 0:
            raise AssertionError(f"it ended with {status}: {self.report()}")

    def report(self) -> str:
        """What it said, for failure messages."""
        return "\n".join([self.child.report(), *self.lines])
