"""
An operator's rule that is a program: it is given one line of JSON for each put, and answers with one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from gunnet.access.rules import Rule
from gunnet.limits import Limits
from gunnet.mesh.asks import Ask
from gunnet.wire import jstext

LINE_BYTES = 65_536
"""A program that says more at once is taken for confused."""
AGAIN_SECONDS = 0.1
AGAIN_SECONDS_MAX = 30.0
"""How long to wait before it is started again; twice as long each time, until it has answered."""
PIPES_SECONDS = 1.0
"""Its last words are waited for so long when it has ended: what it has started may keep its pipes."""
STOP_SECONDS = 5.0
"""How long it may take to end by itself when the relay stops."""


class RuleFailed(Exception):
    """It can't be asked, or gave no answer."""


class _Program(ProcessProtocol):
    """One process. C{rule} is told what it says, and when it has ended."""

    def __init__(self, rule: ProgramRule) -> None:
        self._rule = rule
        self._partial = b""

    def outReceived(self, data: bytes) -> None:
        """It says something."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if line.strip():
                self._rule.heard(self, line)
        if len(self._partial) > LINE_BYTES:
            self._partial = b""
            self._rule.give_up(self, "it says too long a line")

    def errReceived(self, data: bytes) -> None:
        """What it says to people is for the log."""
        for line in data[:LINE_BYTES].decode("utf-8", "replace").splitlines():
            self._rule.told(line)

    def processExited(self, reason: Failure) -> None:
        """It is gone, but not all may have been read that it has said."""
        self._rule.exited(self, reason.getErrorMessage())

    def processEnded(self, reason: Failure) -> None:
        """It is gone, and so are its pipes."""
        self._rule.ended(self, reason.getErrorMessage())


class ProgramRule(Rule, Service):
    """
    Asks a program, and starts it again when it ends.

    @ivar unanswered: what it was asked and has not answered: number to (bytes, who waits; L{None} for nobody
        any more).
    """

    _log = Logger()

    def __init__(
        self,
        command: Sequence[str],
        reactor: Any,
        deadline: float,
        limits: Limits,
        *,
        fails_open: bool,
    ) -> None:
        super().__init__(reactor, deadline, fails_open=fails_open)
        self.setName("rule")
        self._command = list(command)
        self._limits = limits
        self._program: _Program | None = None
        self._leaving: _Program | None = None  # of no use, and not gone yet
        self._again: IDelayedCall | None = None
        self._late: IDelayedCall | None = None  # does without the rest of one that is leaving
        self._stopped: Deferred[None] | None = None  # who stops this waits
        self._again_seconds = AGAIN_SECONDS
        self._size = 0
        self.unanswered: dict[int, tuple[int, Deferred[Any] | None]] = {}

    def startService(self) -> None:
        """Start the program."""
        Service.startService(self)
        self._start()

    def stopService(self) -> Deferred[None] | None:
        """
        End it. Who waits for an answer gets none.

        @return: fires when it is gone, or has been given up.
        """
        Service.stopService(self)
        if self._again is not None and self._again.active():
            self._again.cancel()
        self._again = None
        if self._program is not None:
            program, self._program = self._program, None
            self._leaving = program
            self._kill(program, "TERM")
            self._fail_all("the relay stops")
        if self._leaving is None or self._stopped is not None:
            return None
        self._stopped = Deferred()
        self._abandon_after(STOP_SECONDS, self._leaving, "the relay stops")
        return self._stopped

    def _start(self) -> None:
        self._again = None
        program = _Program(self)
        try:
            self._reactor.spawnProcess(program, self._command[0], self._command, env=os.environ)  # type: ignore[attr-defined]
        except Exception as e:  # whatever a system has against it
            self._retry(str(e))
            return
        self._program = program

    def _retry(self, why: str) -> None:
        self.counters.count("rule_program_ends")
        seconds = self._again_seconds
        self._log.error("the rule's program: {why}; started again in {seconds:g} s", why=why, seconds=seconds)
        self._again_seconds = min(2 * seconds, AGAIN_SECONDS_MAX)
        self._again = self._reactor.callLater(seconds, self._start)

    def _ask(self, ask: Ask) -> Deferred[Any]:
        program = self._program
        if program is None or program.transport is None:
            raise RuleFailed("its program does not run")
        line = ask.as_json() + b"\n"
        asked: Deferred[Any] = Deferred(lambda _: self._forget(ask.number))
        self.unanswered[ask.number] = (len(line), asked)
        self._size += len(line)
        program.transport.write(line)
        if self._size > self._limits.rule_bytes:
            self.counters.count("rule_bytes_exceeded")
            self.give_up(program, "it does not answer")
        return asked

    def _forget(self, number: int) -> None:
        """Nobody waits any more. The program may not even have read it, so its bytes still count."""
        if number in self.unanswered:
            self.unanswered[number] = (self.unanswered[number][0], None)

    def heard(self, program: _Program, line: bytes) -> None:
        """A line of the program's."""
        if program is not self._program:
            return
        try:
            said = jstext.parse(line)
            number = int(said["id"]) if isinstance(said, dict) else None
        except (jstext.NotJSON, KeyError, TypeError, ValueError, OverflowError):
            number = None
        size, asked = self.unanswered.pop(number, (0, None)) if number is not None else (0, None)
        if not size:
            self.counters.count("rule_answers_ignored")
            return
        self._size -= size
        self._again_seconds = AGAIN_SECONDS
        if asked is not None:
            asked.callback(said)

    def told(self, line: str) -> None:
        """A line of it for people."""
        self._log.info("the rule's program says: {line}", line=line)

    def give_up(self, program: _Program, why: str) -> None:
        """End a program that is of no use; it is started again when it is gone."""
        if program is self._program:
            self._program, self._leaving = None, program
            self._log.error("ending the rule's program: {why}", why=why)
            self._kill(program, "KILL")
            self._fail_all(why)

    def _kill(self, program: _Program, signal: str) -> None:
        try:
            if program.transport is not None:
                program.transport.signalProcess(signal)
        except Exception:  # it has ended by itself just now
            self._log.debug("the rule's program had ended already")

    def exited(self, program: _Program, why: str) -> None:
        """The program is gone; its pipes may not be."""
        if program in (self._program, self._leaving):
            self._abandon_after(PIPES_SECONDS, program, why)

    def _abandon_after(self, seconds: float, program: _Program, why: str) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = self._reactor.callLater(seconds, self._abandon, program, why)

    def _abandon(self, program: _Program, why: str) -> None:
        self._late = None
        self._kill(program, "KILL")
        if program.transport is not None:
            program.transport.loseConnection()
        self.ended(program, why)

    def ended(self, program: _Program, why: str) -> None:
        """The program is gone, or as good as gone."""
        if program not in (self._program, self._leaving):
            return
        self._program = self._leaving = None
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if self.running:
            self._fail_all("its program has ended")
            self._retry(why)
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.callback(None)

    def _fail_all(self, why: str) -> None:
        unanswered, self.unanswered, self._size = self.unanswered, {}, 0
        for _, asked in unanswered.values():
            if asked is not None:
                asked.errback(RuleFailed(why))
