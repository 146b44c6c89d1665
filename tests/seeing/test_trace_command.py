"""
Tests for L{gunnet.seeing.trace_command}.
"""

from __future__ import annotations

import io
import json
from email.message import Message
from typing import Any
from urllib.error import HTTPError, URLError

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from gunnet import cli
from gunnet.seeing import trace_command

FOUND = {
    "id": "p1",
    "steps": [
        {"at": 1_800_000_000_000.0, "step": "hear", "what": "put of 90 bytes from ws 127.0.0.1:5"},
        {"at": 1_800_000_000_001.25, "step": "store", "what": "durable"},
    ],
    "left_out": 0,
}


class CommandTests(SynchronousTestCase):
    """C{gunnet trace} with answers that are made up."""

    def answer(self, what: object, code: int = 200) -> None:
        self.asked: list[str] = []

        def open(url: str, timeout: float) -> Any:
            self.asked.append(url)
            if isinstance(what, Exception):
                raise what
            body = io.BytesIO(what if isinstance(what, bytes) else json.dumps(what).encode())
            if code != 200:
                raise HTTPError(url, code, "Not Found", Message(), body)
            return body

        self.patch(trace_command, "urlopen", open)

    def run_command(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        self.patch(cli.sys, "stdout", out)
        self.patch(cli.sys, "stderr", err)
        status = cli.main(["trace", *arguments])
        return status, out.getvalue(), err.getvalue()

    def test_table(self) -> None:
        """Each step is a line, with milliseconds since the message was heard."""
        self.answer(FOUND)
        status, out, _ = self.run_command("p1")
        self.assertEqual(0, status)
        self.assertEqual(
            [
                "p1, heard 2027-01-15T08:00:00.000+00:00",
                "     0.000 ms  hear   put of 90 bytes from ws 127.0.0.1:5",
                "     1.250 ms  store  durable",
            ],
            out.splitlines(),
        )
        self.assertEqual(["http://127.0.0.1:9090/trace?id=p1"], self.asked)
        self.answer({**FOUND, "left_out": 3})
        self.assertIn("and 3 more steps", self.run_command("p1")[1])

    def test_json(self) -> None:
        """JSON is as the relay gives it; ids and URLs may be anything."""
        self.answer(FOUND)
        status, out, _ = self.run_command("--json", "--url", "http://relay:1/", "a/ü&id=b")
        self.assertEqual((0, FOUND), (status, json.loads(out)))
        self.assertEqual(["http://relay:1/trace?id=a%2F%C3%BC%26id%3Db"], self.asked)

    def test_ids(self) -> None:
        """Without an id those that are known are listed."""
        self.answer({"ids": ["a", "b"]})
        self.assertEqual((0, "a\nb\n", ""), self.run_command())

    def test_errors(self) -> None:
        """What goes wrong is one line, and a status that isn't 0."""
        for what, code, words in (
            ({"error": "no message 'x' was followed lately"}, 404, "no message 'x' was followed lately"),
            (b"<html>", 404, "404 Not Found"),
            (b"<html>", 200, "http://127.0.0.1:9090"),
            ([], 200, "no trace"),
            (URLError("connection refused"), 0, "connection refused"),
        ):
            self.answer(what, code)
            status, out, err = self.run_command("x")
            self.assertEqual((1, ""), (status, out))
            self.assertTrue(err.startswith("gunnet: ") and words in err, err)
            self.assertEqual(1, err.count("\n"))
        self.assertRaises(UsageError, trace_command.Options().parseOptions, ["a", "b"])
        self.assertEqual(2, self.run_command("a", "b")[0])
