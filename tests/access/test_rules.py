"""
Tests for L{gunnet.access.rules} and L{gunnet.access.program}: rules that answer, fail, or do neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gunnet.access.program import (
    AGAIN_SECONDS,
    AGAIN_SECONDS_MAX,
    LINE_BYTES,
    PIPES_SECONDS,
    STOP_SECONDS,
    ProgramRule,
)
from gunnet.access.rules import NOT_ASKED, TELL_SECONDS, CallableRule, Rule, load_rule
from gunnet.access.wanted import Access
from gunnet.limits import Limits
from gunnet.mesh.asks import ACCEPT, DROP, Answer, Ask
from gunnet.settings import SettingsError

DEADLINE = 0.5


def an_ask(number: int = 1, size: int = 1) -> Ask:
    return Ask(number, "m", "ws 192.0.2.7:1", (("room", "k", 1.0, b'"%s"' % (b"x" * size)),))


def no_rule(ask: Ask) -> bool:
    """A rule that tests find by its name."""
    return False


class CallableTests(SynchronousTestCase):
    """Rules in Python."""

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()

    def rule(self, rule: Callable[[Ask], Any], *, fails_open: bool = False) -> CallableRule:
        self.made = CallableRule(rule, self.clock, DEADLINE, fails_open=fails_open)
        return self.made

    def test_answers(self) -> None:
        """At once, by a Deferred, or by a coroutine."""

        async def coroutine(ask: Ask) -> str:
            await succeed(None)
            return "drop"

        self.assertEqual(ACCEPT, self.successResultOf(self.rule(lambda ask: True).ask(an_ask())))
        self.assertEqual(DROP, self.successResultOf(self.rule(lambda ask: succeed("drop")).ask(an_ask())))
        self.assertEqual(DROP, self.successResultOf(self.rule(coroutine).ask(an_ask())))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_failures(self) -> None:
        """What raises, or says nonsense, is no answer: then what holds is the operator's choice."""

        def broken(ask: Ask) -> None:
            raise KeyError("oops")

        for rule in (broken, lambda ask: None, lambda ask: "perhaps"):
            self.assertEqual(NOT_ASKED, self.successResultOf(self.rule(rule).ask(an_ask())))
            self.assertEqual(1, self.made.counters["rule_failures"])
            self.assertEqual(ACCEPT, self.successResultOf(self.rule(rule, fails_open=True).ask(an_ask())))

    def test_deadline(self) -> None:
        """So is what comes too late, whatever it does about being cancelled."""

        async def stubborn(ask: Ask) -> bool:
            try:
                await Deferred()
            except CancelledError:
                await Deferred()
            return True

        for rule in (lambda ask: Deferred(), stubborn, lambda ask: Deferred(lambda d: d.callback(True))):
            answered = self.rule(rule).ask(an_ask())
            self.clock.advance(DEADLINE * 0.9)
            self.assertNoResult(answered)
            self.clock.advance(DEADLINE * 0.2)
            self.assertEqual(NOT_ASKED, self.successResultOf(answered))
            self.assertEqual(1, self.made.counters["rule_deadlines_exceeded"])
            self.assertEqual(0, self.made.counters["rule_failures"])

    def test_told(self) -> None:
        """What fails is told with where it did, what is late as well, but seldom: there may be many puts."""
        logged: list[str] = []
        self.patch(Rule, "_log", SimpleNamespace(warn=lambda _, **fields: logged.append(str(fields))))

        def broken(ask: Ask) -> None:
            raise KeyError("oops")

        rule = self.rule(broken)
        for _ in range(100):
            rule.ask(an_ask())
        self.assertEqual(1, len(logged))
        self.assertIn("KeyError", logged[0])
        self.assertIn("test_rules.py", logged[0])
        self.assertEqual(100, rule.counters["rule_failures"])
        self.clock.advance(TELL_SECONDS)
        rule.ask(an_ask())
        self.assertEqual(2, len(logged))
        self.rule(lambda ask: Deferred()).ask(an_ask())
        self.clock.advance(DEADLINE)
        self.assertEqual(3, len(logged))
        self.assertIn("no answer in 0.5 s", logged[2])

    def test_load(self) -> None:
        """A rule is found by its name, and if it is not, one line says why."""
        self.assertIs(no_rule, load_rule("tests.access.test_rules:no_rule"))
        for name, why in (
            ("nothing", "module:callable"),
            ("no.such.module:x", "No module"),
            ("tests.access.test_rules:nothing", "nothing"),
            ("tests.access.test_rules:DEADLINE", "can't be called"),
        ):
            self.assertIn(why, str(self.assertRaises(SettingsError, load_rule, name)))

    def test_wanted(self) -> None:
        """What can't be is refused before anything is started."""
        for fields in (
            {"rule": "a:b", "rule_program": "c"},
            {"rule_program": " "},
            {"rule_program": "'"},
            {"rule_deadline": 0.0},
            {"rule_fail": "ajar"},
        ):
            self.assertRaises(SettingsError, Access, **fields)


class Process:
    """A process in memory."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.lines: list[dict[str, Any]] = []
        self.signals: list[str] = []
        self.gone = False
        self.closed = False

    def write(self, data: bytes) -> None:
        self.lines += [json.loads(line) for line in data.splitlines()]

    def signalProcess(self, signal: str) -> None:
        if self.gone:
            raise ProcessExitedAlready
        self.signals.append(signal)

    def say(self, *answers: Any) -> None:
        self.protocol.outReceived(b"".join(json.dumps(answer).encode() + b"\n" for answer in answers))

    def loseConnection(self) -> None:
        self.closed = True

    def exit(self) -> None:
        """It is gone, but something that it started still has its pipes."""
        self.gone = True
        self.protocol.processExited(Failure(ProcessTerminated(1)))

    def end(self) -> None:
        self.exit()
        self.protocol.processEnded(Failure(ProcessTerminated(1)))


class ProgramTests(SynchronousTestCase):
    """Rules that are programs."""

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.processes: list[Process] = []
        self.clock.spawnProcess = self.spawn  # type: ignore[assignment]
        self.broken = False
        self.begin()

    def begin(self, *, fails_open: bool = False, **limits: int) -> None:
        limit = replace(Limits(), **limits)
        self.rule = ProgramRule(["a", "b c"], self.clock, DEADLINE, limit, fails_open=fails_open)
        self.rule.startService()
        self.counters = self.rule.counters

    def spawn(self, protocol: Any, executable: str, args: list[str], env: Any) -> Process:
        if self.broken:
            raise OSError(2, "No such file")
        self.assertEqual(("a", ["a", "b c"]), (executable, args))
        process = Process(protocol)
        self.processes.append(process)
        protocol.makeConnection(process)
        return process

    def test_answers(self) -> None:
        """Lines go in and come out, in any order and in any pieces."""
        first, second = self.rule.ask(an_ask(1)), self.rule.ask(an_ask(2))
        process = self.processes[-1]
        self.assertEqual(["1", "2"], [line["id"] for line in process.lines])
        process.protocol.outReceived(b'{"id":"2","act')
        self.assertNoResult(second)
        process.protocol.outReceived(b'ion":"drop"}\n\n')
        process.say({"id": "1", "action": "reject", "err": "no"})
        self.assertEqual(Answer("reject", "no"), self.successResultOf(first))
        self.assertEqual(DROP, self.successResultOf(second))
        self.assertEqual({}, self.rule.unanswered)

    def test_nonsense(self) -> None:
        """Lines that are no answers are counted; an answer that makes no sense is none."""
        asked = self.rule.ask(an_ask(1))
        self.processes[-1].protocol.outReceived(b"\xff\n[]\n{}\nhello\n")
        self.processes[-1].say({"id": "9", "action": "accept"}, {"id": []}, {"id": 1e999})
        self.assertEqual(7, self.counters["rule_answers_ignored"])
        self.assertNoResult(asked)
        self.processes[-1].say({"id": "1", "action": "perhaps"})
        self.assertEqual(NOT_ASKED, self.successResultOf(asked))

    def test_late(self) -> None:
        """An answer that comes too late is for nobody."""
        asked = self.rule.ask(an_ask(1))
        self.clock.advance(DEADLINE * 1.1)
        self.assertEqual(NOT_ASKED, self.successResultOf(asked))
        self.assertEqual([1], list(self.rule.unanswered))
        self.processes[-1].say({"id": "1", "action": "accept"})
        self.assertEqual({}, self.rule.unanswered)
        self.assertEqual(1, self.counters["rule_deadlines_exceeded"])

    def test_death(self) -> None:
        """When it dies, who waits is told at once; it is started again, each time later, until it answers."""
        asked = self.rule.ask(an_ask(1))
        self.processes[-1].end()
        self.assertEqual(NOT_ASKED, self.successResultOf(asked))
        self.assertEqual(NOT_ASKED, self.successResultOf(self.rule.ask(an_ask(2))))
        seconds = AGAIN_SECONDS
        for count in range(1, 12):
            self.assertEqual(count, len(self.processes))
            self.clock.advance(seconds * 0.9)
            self.assertEqual(count, len(self.processes))
            self.clock.advance(seconds * 0.2)
            self.assertEqual(count + 1, len(self.processes))
            self.processes[-1].end()
            seconds = min(2 * seconds, AGAIN_SECONDS_MAX)
        self.clock.advance(AGAIN_SECONDS_MAX)
        asked = self.rule.ask(an_ask(3))
        self.processes[-1].say({"id": "3", "action": "accept"})
        self.assertEqual(ACCEPT, self.successResultOf(asked))
        self.processes[-1].end()
        count = len(self.processes)
        self.clock.advance(AGAIN_SECONDS * 1.1)
        self.assertEqual(count + 1, len(self.processes))

    def test_old_words(self) -> None:
        """What a program says that has been replaced counts no more."""
        old = self.processes[-1]
        old.end()
        self.clock.advance(AGAIN_SECONDS * 1.1)
        asked = self.rule.ask(an_ask(1))
        old.say({"id": "1", "action": "accept"})
        old.protocol.outReceived(b"x" * (LINE_BYTES + 1))
        self.assertNoResult(asked)
        self.assertEqual([], self.processes[-1].signals)

    def test_can_not_start(self) -> None:
        """A program that can't be started is tried again as well."""
        self.broken = True
        self.processes[-1].end()
        self.clock.advance(AGAIN_SECONDS * 1.1)
        self.broken = False
        self.clock.advance(AGAIN_SECONDS * 2.2)
        self.assertEqual(2, len(self.processes))

    def test_rule_bytes(self) -> None:
        """A program that does not read is ended, though nobody waits for it any more."""
        self.begin(rule_bytes=3000)
        for number in range(4):
            self.rule.ask(an_ask(number + 1, 900))
            self.clock.advance(DEADLINE * 1.1)
        self.assertEqual(["KILL"], self.processes[-1].signals)
        self.assertEqual(1, self.counters["rule_bytes_exceeded"])
        self.assertEqual({}, self.rule.unanswered)
        self.processes[-1].end()
        self.clock.advance(AGAIN_SECONDS * 1.1)
        self.rule.ask(an_ask(9))
        self.assertEqual(["9"], [line["id"] for line in self.processes[-1].lines])

    def test_long_line(self) -> None:
        """So is one that says too much at once."""
        self.processes[-1].protocol.outReceived(b"x" * (LINE_BYTES + 1))
        self.assertEqual(["KILL"], self.processes[-1].signals)

    def test_stop(self) -> None:
        """When the relay stops, it is ended, and not started again."""
        asked = self.rule.ask(an_ask(1))
        self.processes[-1].protocol.errReceived(b"a word\n")
        stopped = self.rule.stopService()
        self.assertEqual(["TERM"], self.processes[-1].signals)
        self.assertEqual(NOT_ASKED, self.successResultOf(asked))
        self.assertNoResult(stopped)
        self.processes[-1].end()
        self.successResultOf(stopped)
        self.assertIsNone(self.rule.stopService())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_stop_stubborn(self) -> None:
        """One that does not go by itself is made to, and not waited for any longer."""
        stopped = self.rule.stopService()
        self.clock.advance(STOP_SECONDS)
        self.assertEqual(["TERM", "KILL"], self.processes[-1].signals)
        self.successResultOf(stopped)
        self.assertTrue(self.processes[-1].closed)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_stop_leaving(self) -> None:
        """One that was ended for another reason just now is waited for as well."""
        self.processes[-1].protocol.outReceived(b"x" * (LINE_BYTES + 1))
        stopped = self.rule.stopService()
        self.assertNoResult(stopped)
        self.processes[-1].end()
        self.successResultOf(stopped)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_left_behind(self) -> None:
        """Something that it started and that has its pipes does not keep it from being started again."""
        asked = self.rule.ask(an_ask(1))
        self.processes[-1].exit()
        self.processes[-1].say({"id": "1", "action": "accept"})
        self.assertEqual(ACCEPT, self.successResultOf(asked))
        self.clock.advance(PIPES_SECONDS)
        self.assertTrue(self.processes[-1].closed)
        self.clock.advance(AGAIN_SECONDS)
        self.assertEqual(2, len(self.processes))
        self.processes[0].protocol.processEnded(Failure(ProcessTerminated(1)))
        self.assertIs(self.processes[-1].protocol, self.rule._program)

    def test_stop_while_away(self) -> None:
        """Also while it waits to be started."""
        self.processes[-1].end()
        self.rule.stopService()
        self.assertEqual([], self.clock.getDelayedCalls())
