"""
Tests for L{gunnet.tls.files}: certificates that are read again.
"""

from __future__ import annotations

import os

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from gunnet.counters import Counters
from gunnet.settings import SettingsError
from gunnet.tls import files
from gunnet.tls.files import PairFiles
from tests.tls.authority import DAY
from tests.tls.test_certificates import CertificatesCase
from tests.tls.test_pairs import NOW


class FilesTests(CertificatesCase):
    """Two pairs of files."""

    def setUp(self) -> None:
        super().setUp()
        self.clock.advance(NOW)
        self.counters = Counters()
        self.pairs = [tuple(map(self.file, self.authority.gives(f"{name}.example"))) for name in "ab"]
        self.files = PairFiles(tuple(self.pairs), self.certificates, self.clock, self.counters)  # type: ignore[arg-type]
        self.lines = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def logged(self) -> list[tuple[LogLevel, str]]:
        """What was logged since the last time."""
        lines = [(event["log_level"], formatEvent(event)) for event in self.lines]
        self.lines._events.clear()  # type: ignore[attr-defined]
        return lines

    def replace(self, which: int, key: bytes | None, cert: bytes | None) -> None:
        """New files in place of the old ones, each in one moment."""
        for path, data in zip(self.pairs[which], (key, cert), strict=True):
            if data is not None:
                os.replace(self.file(data), path)

    def shown(self) -> list[str]:
        return [self.visit(name).shown for name in (b"a.example", b"b.example")]

    def test_open(self) -> None:
        """The first is for who asks for something else."""
        self.files.open()
        self.assertEqual(["a.example", "b.example"], self.shown())
        self.assertEqual("a.example", self.visit(b"c.example").shown)

    def test_open_fails(self) -> None:
        """One that can't be used ends the start."""
        self.replace(1, None, b"")
        self.assertIn(self.pairs[1][1], str(self.assertRaises(SettingsError, self.files.open)))

    def test_unchanged(self) -> None:
        """What has not changed is not read again."""
        self.files.open()
        for _ in range(3):
            self.files.look()
        self.assertEqual(([], {}), (self.logged(), dict(self.counters)))

    def test_changed(self) -> None:
        """A new one is shown from now on; open connections stay as they are."""
        self.files.open()
        early = self.visit(b"b.example")
        self.replace(1, *self.authority.gives("b.example", "c.example", ends=20 * DAY))
        self.assertEqual("a.example", self.visit(b"c.example").shown)
        self.files.look()
        self.assertEqual("b.example", self.visit(b"c.example").shown)
        [(level, line)] = self.logged()
        self.assertEqual(LogLevel.info, level)
        self.assertIn(self.pairs[1][1], line)
        self.assertIn("is shown from now on", line)
        self.assertEqual({"tls_reloads": 1}, dict(self.counters))
        early.say(b"still here")
        self.assertEqual(b"still here", early.protocol.wrappedProtocol.heard)

    def test_bad(self) -> None:
        """One that is of no use changes nothing, and is complained about once; the next good one counts."""
        self.files.open()
        good_key, good_cert = self.authority.gives("b.example")
        bad = (
            ("is not that of", self.authority.gives("b.example")[0], good_cert),
            ("no certificate", good_key, good_cert[:200]),
            ("has expired", *self.authority.gives("b.example", ends=-1.0)),
        )
        for count, (why, key, cert) in enumerate(bad, 1):
            self.replace(1, key, cert)
            self.files.look()
            self.files.look()
            [(level, line)] = self.logged()
            self.assertEqual(LogLevel.error, level)
            self.assertIn(why, line)
            self.assertIn("the certificate that was there before stays", line)
            self.assertEqual({"tls_reloads_failed": count}, dict(self.counters))
            self.assertEqual(["a.example", "b.example"], self.shown())
        os.remove(self.pairs[1][0])
        self.files.look()
        self.files.look()
        [(_, line)] = self.logged()
        self.assertIn("No such file", line)
        self.replace(1, good_key, good_cert)
        self.files.look()
        self.assertEqual((4, 1), (self.counters["tls_reloads_failed"], self.counters["tls_reloads"]))

    def test_fault(self) -> None:
        """Our own mistake is logged, and does not end the looking."""
        self.files.open()
        self.patch(files, "read_pair", lambda *_: 1 / 0)
        self.replace(1, *self.authority.gives("b.example"))
        self.files.look()
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual(["a.example", "b.example"], self.shown())

    def test_half_way(self) -> None:
        """Where the key is new and the certificate is not yet, the pair that was there stays until it is."""
        self.files.open()
        key, cert = self.authority.gives("b.example", "c.example")
        self.replace(1, key, None)
        self.files.look()
        self.assertEqual(["a.example", "b.example"], self.shown())
        self.replace(1, None, cert)
        self.files.look()
        self.assertEqual("b.example", self.visit(b"c.example").shown)
