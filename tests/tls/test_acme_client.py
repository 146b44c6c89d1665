"""
Tests for L{gunnet.tls.acme_client} and what calls it: C{tests.interop.test_acme} has it talk to an authority.
"""

from __future__ import annotations

from threading import Event, current_thread, main_thread
from types import SimpleNamespace
from typing import Any

from acme import challenges, errors, messages
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gunnet.tls.acme_client import AcmeClient, AcmeError, why
from gunnet.tls.acme_folder import AcmeFolder, new_key
from gunnet.tls.renewals import in_daemon
from gunnet.tls.wanted import Acme

KEY = new_key()


class WhyTests(SynchronousTestCase):
    """What is said when there is no certificate."""

    def test_lines(self) -> None:
        """One line each, of the authority's own words where there are any."""
        problem = messages.Error(typ="urn:ietf:params:acme:error:unauthorized", detail="no such file")
        unseen = SimpleNamespace(
            body=SimpleNamespace(
                challenges=[
                    SimpleNamespace(chall=SimpleNamespace(typ="http-01"), error=problem),
                    SimpleNamespace(chall=SimpleNamespace(typ="dns-01"), error=None),
                ]
            )
        )
        for error, line in (
            (errors.ValidationError([unseen]), "the name is ours: http-01: no such file"),
            (problem, "the authority says no such file"),
            (messages.Error(typ="urn:x"), "the authority says urn:x"),
            (errors.TimeoutError(), "did not come to an end in 120 seconds"),
            (OSError("no\nroute"), "OSError: no route"),
        ):
            said = why(error)
            self.assertIn(line, said)
            self.assertNotIn("\n", said)

    def test_no_authority(self) -> None:
        """One that is not there is an L{AcmeError}, whatever the packages below raise."""
        folder = AcmeFolder(self.mktemp(), "https://127.0.0.1:1/dir")
        client = AcmeClient(Acme(directory="https://127.0.0.1:1/dir"), folder, ["/nonexistent.pem"])
        self.assertIn("No such file", str(self.assertRaises(AcmeError, client.begin, "a.example", KEY)))
        folder.open()
        self.assertIn("No such file", str(self.assertRaises(AcmeError, client.begin, "a.example", KEY)))

    def test_alpn(self) -> None:
        """C{tls-alpn-01} is known, which C{acme} has not any more."""
        found = challenges.Challenge.from_json({"type": "tls-alpn-01", "token": "A" * 43})
        self.assertEqual("tls-alpn-01", found.typ)


class Here:
    """Calls at once what a thread hands over; the test waits for the thread."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.called = Event()

    def callFromThread(self, what: Any, *args: Any) -> None:
        self.calls.append((what, args, current_thread()))
        self.called.set()


class ThreadTests(SynchronousTestCase):
    """Calls in threads."""

    def call(self, what: Any, *args: Any, cancel: bool = False) -> Deferred[Any]:
        reactor = Here()
        result = in_daemon(reactor)(what, *args)
        if cancel:
            result.cancel()
        self.assertTrue(reactor.called.wait(60))
        [(fire, found, thread)] = reactor.calls
        self.assertIsNot(main_thread(), thread)
        self.assertTrue(thread.daemon)
        fire(*found)
        return result

    def test_result(self) -> None:
        """What it gives, and what it raises."""
        self.assertEqual(3, self.successResultOf(self.call(lambda a, b: a + b, 1, 2)))
        self.failureResultOf(self.call(int, "x"), ValueError)

    def test_cancelled(self) -> None:
        """What nobody waits for any more is dropped."""
        self.failureResultOf(self.call(int, "1", cancel=True))
