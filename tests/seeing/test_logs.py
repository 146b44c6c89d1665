"""
Tests for L{gunnet.seeing.logs} and L{gunnet.seeing.options}.
"""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.logger import Logger, LogPublisher
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from gunnet import tap
from gunnet.seeing.logs import observer
from gunnet.seeing.wanted import Seeing


class LogTests(SynchronousTestCase):
    """Events as lines."""

    def logger(self, **wanted: Any) -> Logger:
        self.file = io.StringIO()
        publisher = LogPublisher(observer(Seeing(**wanted), self.file))
        return Logger("gunnet.test", observer=publisher)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.getvalue().splitlines()]

    def test_json(self) -> None:
        """An event is one object on one line, with its fields, its level, and what it is called."""
        log = self.logger(log_format="json")
        log.info("dropping {peer}: {reason}", peer="ws 1", reason="two\nlines", other={"a": 1})
        (line,) = self.lines()
        self.assertRegex(line.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")
        self.assertEqual(
            {
                "level": "info",
                "logger": "gunnet.test",
                "event": "dropping {peer}: {reason}",
                "message": "dropping ws 1: two\nlines",
                "peer": "ws 1",
                "reason": "two\nlines",
                "other": {"a": 1},
            },
            line,
        )

    def test_no_json(self) -> None:
        """An event of some library with fields that can't be written at all is written without these."""

        class Broken:
            def __repr__(self) -> str:
                raise ValueError("broken")

        log, round_and_round = self.logger(log_format="json"), {}
        round_and_round["again"] = round_and_round
        for thing in ({(1, 2): 3}, round_and_round, Broken()):
            log.info("it happened", thing=thing)
        self.assertEqual(["it happened"] * 3, [line["message"] for line in self.lines()])
        log.info("a number", number=float("nan"))
        self.assertNotIn("NaN", self.file.getvalue())

    def test_failure(self) -> None:
        """A failure has its traceback; what JSON does not have is written as text."""
        log = self.logger(log_format="json")
        try:
            raise ValueError("bad")
        except ValueError:
            log.failure("it failed", thing=ValueError, message="mine")
        (line,) = self.lines()
        self.assertEqual(("critical", "it failed"), (line["level"], line["message"]))
        self.assertIn("ValueError: bad", line["traceback"])
        self.assertEqual("<class 'ValueError'>", line["thing"])

    def test_text(self) -> None:
        """Text is as Twisted has it."""
        self.logger().info("hello {name}", name="you")
        self.assertRegex(self.file.getvalue(), r"^\S+ \[gunnet.test#info\] hello you\n$")

    def test_level(self) -> None:
        """What is below the level is not logged."""
        for level, shown in (("debug", 3), ("info", 2), ("warn", 1), ("critical", 0)):
            log = self.logger(log_format="json", log_level=level)
            log.debug("a")
            log.info("b")
            log.warn("c")
            self.assertEqual(shown, len(self.lines()), level)


class OptionTests(SynchronousTestCase):
    """The options."""

    def test_all(self) -> None:
        """Each sets its field."""
        options = tap.Options()
        options.parseOptions(
            [
                "--metrics",
                "--metrics-listen",
                "tcp:9090",
                "--trace",
                "dbg",
                "--log-format",
                "json",
                "--log-level",
                "warn",
            ]
        )
        expected = Seeing(
            metrics=True, metrics_listen="tcp:9090", trace="dbg", log_format="json", log_level="warn"
        )
        self.assertEqual(expected, options.settings.seeing)

    def test_mistakes(self) -> None:
        """A mistake is one line."""
        for arguments in (["--trace", "all"], ["--log-format", "xml"]):
            self.assertRaises(UsageError, tap.Options().parseOptions, arguments)

    def test_under_twist(self) -> None:
        """C{twist} has its own options for the log, and that is said."""
        options = tap.Options()
        options.parent = object()
        self.patch(tap.sys, "stderr", io.StringIO())
        self.assertRaises(SystemExit, options.parseOptions, ["--log-format", "json"])
        self.assertIn("twist --log-format=json gun", tap.sys.stderr.getvalue())
        options = tap.Options()
        options.parent = object()
        self.patch(tap.os, "environ", {"GUNNET_LOG_LEVEL": "warn"})
        self.assertRaises(SystemExit, options.parseOptions, [])
        self.assertIn("twist --log-level=warn gun", tap.sys.stderr.getvalue())
        self.patch(tap.os, "environ", {})
        options = tap.Options()
        options.parent = object()
        options.parseOptions(["--metrics"])
        self.assertTrue(options.settings.seeing.metrics)
