"""
Tests for L{gunnet.tls.renewals} and L{gunnet.tls.acme_folder}: when certificates are asked for.
"""

from __future__ import annotations

import os
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from gunnet.counters import Counters
from gunnet.settings import SettingsError
from gunnet.tls.acme_folder import AcmeFolder, new_key
from gunnet.tls.certificates import Certificates
from gunnet.tls.pairs import read_certificates
from gunnet.tls.renewals import RENEW_SECONDS, RETRY_SECONDS_MAX, RETRY_SECONDS_MIN, Renewals
from tests.tls.authority import DAY
from tests.tls.test_pairs import NOW, PairCase

DIRECTORY = "https://authority.example:14000/dir"


class FakeAuthority:
    """
    An authority that gives what a test says.

    @ivar calls: what was asked of it, and whether something was shown then.
    @ivar error: raised in place of a certificate.
    """

    def __init__(self, case: RenewalCase) -> None:
        self._case = case
        self.calls: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self.life: tuple[float, float] = (0.0, 90 * DAY)
        self.answer: bytes | None = None

    def begin(self, name: str, key: bytes) -> Any:
        self.calls.append(("begin", name))
        if self.error is not None:
            raise self.error
        order = SimpleNamespace(challenges=[SimpleNamespace(token=f"token of {name}", answer="answer")])
        order.name, order.key = name, key
        return order

    def finish(self, order: Any) -> bytes:
        self.calls.append(("finish", order.name))
        self._case.assertEqual({order.name: (f"token of {order.name}", "answer")}, self._case.put_up)
        if self.answer is not None:
            return self.answer
        begins, ends = self.life
        self._case.authority.now = self._case.clock.seconds()
        key = load_pem_private_key(order.key, None)
        return self._case.authority.gives(order.name, begins=begins, ends=ends, key=key)[1]


class RenewalCase(PairCase):
    """Renewals, against that."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.place = self.mktemp()
        self.folder = AcmeFolder(self.place, DIRECTORY)
        self.certificates = Certificates()
        self.counters = Counters()
        self.asked = FakeAuthority(self)
        self.put_up: dict[str, tuple[str, str]] = {}
        self.threads: list[Deferred[Any]] | None = None
        self.lines = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def renewals(self, *names: str) -> Renewals:
        return Renewals(
            names,
            self.folder,
            self.asked,
            self,
            self.certificates,
            self.clock,
            Random(1),
            self.counters,
            in_thread=self.in_thread,
        )

    def start(self, *names: str) -> Renewals:
        renewals = self.renewals(*names)
        renewals.open()
        renewals.startService()
        return renewals

    def in_thread(self, what: Any, *args: Any) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        if self.threads is not None:
            self.threads.append(waiting)
            return waiting
        try:
            waiting.callback(what(*args))
        except Exception as error:
            waiting.errback(error)
        return waiting

    def put(self, name: str, token: str, answer: str) -> None:
        self.put_up[name] = (token, answer)

    def drop(self, name: str, token: str) -> None:
        del self.put_up[name]

    def pass_time(self, seconds: float, step: float = 3600.0) -> None:
        for _ in range(int(seconds / step)):
            self.clock.advance(step)

    def errors(self) -> list[str]:
        return [formatEvent(event) for event in self.lines if event["log_level"] == LogLevel.error]


class RenewalTests(RenewalCase):
    """When."""

    def test_first(self) -> None:
        """What is missing is asked for at the start, each name by itself, shown, and kept."""
        self.start("a.example", "b.example")
        self.assertEqual(
            [(what, name) for name in ("a.example", "b.example") for what in ("begin", "finish")],
            self.asked.calls,
        )
        self.assertEqual(["a.example", "b.example"], list(self.certificates.shown()))
        self.assertEqual({}, self.put_up)
        self.assertEqual(2, self.counters["acme_certificates"])

    def test_kept(self) -> None:
        """At the next start nobody is asked."""
        self.start("a.example").stopService()
        self.certificates = Certificates()
        self.asked.calls.clear()
        renewals = self.start("a.example")
        self.assertEqual(([], ["a.example"]), (self.asked.calls, list(self.certificates.shown())))
        renewals.stopService()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_renewal(self) -> None:
        """A month before the end, give or take, and again then."""
        self.start("a.example")
        self.asked.calls.clear()
        self.pass_time(90 * DAY - RENEW_SECONDS * 1.05 - DAY)
        self.assertEqual([], self.asked.calls)
        self.pass_time(3 * DAY)
        self.assertEqual(2, len(self.asked.calls))
        self.assertGreater(self.certificates.shown()["a.example"].ends, NOW + 140 * DAY)
        self.pass_time(60 * DAY)
        self.assertEqual(4, len(self.asked.calls))

    def test_short(self) -> None:
        """One that holds for six days is renewed when a third of that is left."""
        self.asked.life = (0.0, 6 * DAY)
        self.start("a.example")
        self.asked.calls.clear()
        self.pass_time(3.8 * DAY)
        self.assertEqual([], self.asked.calls)
        self.pass_time(0.3 * DAY)
        self.assertEqual(2, len(self.asked.calls))

    def test_expired(self) -> None:
        """What is kept but of no use any more is not shown, and asked for anew."""
        self.start("a.example").stopService()
        self.clock.advance(100 * DAY)
        self.certificates = Certificates()
        self.asked.calls.clear()
        self.start("a.example")
        self.assertEqual(2, len(self.asked.calls))
        self.assertGreater(self.certificates.shown()["a.example"].ends, self.clock.seconds())

    def test_failure(self) -> None:
        """It is tried again after two minutes, then ever later, up to six hours; what is there stays."""
        self.start("a.example").stopService()
        shown = self.certificates.shown()
        self.clock.advance(65 * DAY)
        self.asked.error = ValueError("no\nway")
        self.asked.calls.clear()
        self.start("a.example")
        [error] = self.errors()
        self.assertIn("no certificate for a.example: no way; what was there before stays", error)
        times = [self.clock.seconds()]
        seen = 1
        for _ in range(3 * 24 * 60):
            self.clock.advance(60)
            if len(self.asked.calls) > seen:
                seen = len(self.asked.calls)
                times.append(self.clock.seconds())
        pauses = [after - before for before, after in pairwise(times)]
        wanted = RETRY_SECONDS_MIN
        for pause in pauses:
            self.assertTrue(wanted * 0.75 <= pause <= wanted + 60, (pause, wanted))
            wanted = min(wanted * 2, RETRY_SECONDS_MAX)
        self.assertEqual(RETRY_SECONDS_MAX, wanted)
        self.assertEqual(len(times), self.counters["acme_failures"])
        self.assertEqual(shown["a.example"].ends, self.certificates.shown()["a.example"].ends)
        self.asked.error = None
        self.pass_time(RETRY_SECONDS_MAX + 3600)
        self.assertGreater(self.certificates.shown()["a.example"].ends, NOW + 140 * DAY)

    def test_one_of_two(self) -> None:
        """A name that gets none does not keep the others."""
        real = self.asked.begin

        def begin(name: str, key: bytes) -> Any:
            if name == "a.example":
                raise ValueError("no")
            return real(name, key)

        self.asked.begin = begin  # type: ignore[method-assign]
        self.start("a.example", "b.example")
        self.assertEqual(["b.example"], list(self.certificates.shown()))

    def test_nonsense(self) -> None:
        """What the authority gives must be the certificate that was asked for."""
        self.start("a.example").stopService()
        kept = self.certificates.shown()["a.example"]
        self.clock.advance(65 * DAY)
        for answer in (b"nonsense", self.authority.gives("a.example")[1]):
            self.asked.answer = answer
            renewals = self.start("a.example")
            renewals.stopService()
        self.assertEqual(2, self.counters["acme_failures"])
        self.assertEqual(kept.chain, self.certificates.shown()["a.example"].chain)
        self.assertEqual(kept.chain, read_certificates(self.folder.path("a.example")))

    def test_withdrawn(self) -> None:
        """What was shown to the authority is taken down when it refuses, too."""
        self.asked.answer = b"nonsense"
        self.start("a.example")
        self.assertEqual({}, self.put_up)

    def test_stop(self) -> None:
        """What is under way is left to itself: what comes of it later counts for nothing."""
        self.threads = []
        renewals = self.start("a.example")
        [waiting] = self.threads
        renewals.stopService()
        self.assertTrue(waiting.called)
        self.assertEqual(([], {}), (self.clock.getDelayedCalls(), dict(self.counters)))
        self.assertEqual([], self.flushLoggedErrors())


class FolderTests(RenewalCase):
    """What is kept."""

    def test_private(self) -> None:
        """Only the owner can read it, whatever was there before."""
        self.folder.open()
        path = self.folder.path("a.example")
        with open(f"{path}.new", "wb"):
            pass
        os.chmod(f"{path}.new", 0o644)
        key, cert = self.authority.gives("a.example")
        self.folder.write("a.example", key, cert, NOW)
        folder = os.path.dirname(path)
        self.assertEqual("authority.example_14000", os.path.basename(folder))
        self.assertEqual(0o700, os.stat(folder).st_mode & 0o777)
        self.assertEqual(["a.example.pem", "account.key"], sorted(os.listdir(folder)))
        for name in os.listdir(folder):
            self.assertEqual(0o600, os.stat(os.path.join(folder, name)).st_mode & 0o777, name)

    def test_account(self) -> None:
        """The account's key is made once."""
        self.folder.open()
        again = AcmeFolder(self.place, DIRECTORY)
        self.assertEqual(self.folder.account_key().private_numbers(), again.account_key().private_numbers())

    def test_unusable(self) -> None:
        """A folder that can't be made, and an account's key that is none, end the start."""
        path = self.file(b"")
        error = self.assertRaises(SettingsError, AcmeFolder(path, DIRECTORY).open)
        self.assertTrue(str(error).startswith("ACME: "))
        self.folder.open()
        with open(os.path.join(self.place, "authority.example_14000", "account.key"), "wb") as file:
            file.write(b"nonsense")
        self.assertRaises(SettingsError, self.folder.open)

    def test_mismatch(self) -> None:
        """A new one that does not fit its key leaves the old one in its place."""
        self.folder.open()
        key, cert = self.authority.gives("a.example")
        kept = self.folder.write("a.example", key, cert, NOW)
        self.assertRaises(SettingsError, self.folder.write, "a.example", new_key(), cert, NOW)
        again = self.folder.read("a.example", NOW)
        assert again is not None
        self.assertEqual(kept.chain, again.chain)
