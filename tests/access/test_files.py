"""
Tests for L{gunnet.access.files}: lists of keys, and reading them again.
"""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.access import files
from gunnet.access.files import LOOK_AGAIN_SECONDS, WatchedFile, read_pubs
from gunnet.settings import SettingsError

ALICE, BOB = sea.pair().pub, sea.pair().pub


class FileCase(SynchronousTestCase):
    """Files with what a test says."""

    def file(self, text: str) -> str:
        path = self.mktemp()
        self.write(path, text)
        return path

    def write(self, path: str, text: str) -> None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def refused(self, text: str) -> str:
        return str(self.assertRaises(SettingsError, read_pubs, self.file(text)))


class PubsTests(FileCase):
    """Lists of public keys."""

    def test_read(self) -> None:
        """One key a line, as it is or as a soul; comments and blank lines count nothing."""
        text = f"\ufeff# writers\n\n{ALICE}  # Alice\n  ~{BOB}\r\n{ALICE}\n"
        self.assertEqual({ALICE, BOB}, read_pubs(self.file(text)))
        self.assertEqual(frozenset(), read_pubs(self.file("# nobody\n")))

    def test_mistakes(self) -> None:
        """A mistake is told by its line, in one line."""
        for line in ("nonsense", ALICE[:-1], f"{ALICE}.x", f"{ALICE} {BOB}", "x" * 5000):
            why = self.refused(f"# writers\n{line}\n")
            self.assertIn("line 2:", why)
            self.assertIn("is not a public key", why)
            self.assertLess(len(why), 300)

    def test_unreadable(self) -> None:
        """So is a file that can't be read."""
        self.assertIn("No such file", str(self.assertRaises(SettingsError, read_pubs, "nowhere")))
        self.assertRaises(SettingsError, read_pubs, "a\0b")
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"\xff\xfe")
        self.assertIn("not UTF-8", str(self.assertRaises(SettingsError, read_pubs, path)))
        self.patch(files, "FILE_BYTES_MAX", 10)
        self.assertIn("larger than 10 bytes", self.refused(ALICE))


class WatchedTests(FileCase):
    """Files that change."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = self.file(ALICE)
        self.changes: list[frozenset[str]] = []
        self.watched = WatchedFile(self.path, read_pubs, self.clock, self.changes.append)
        self.watched.startService()

    def test_changed(self) -> None:
        """It is read again when it has changed, and only then."""
        self.clock.advance(LOOK_AGAIN_SECONDS)
        self.assertEqual([], self.changes)
        self.write(self.path, f"{ALICE}\n{BOB}")
        self.clock.advance(LOOK_AGAIN_SECONDS)
        self.clock.advance(LOOK_AGAIN_SECONDS)
        self.assertEqual([{ALICE, BOB}], self.changes)
        self.assertEqual({ALICE, BOB}, self.watched.found)

    def test_mistake(self) -> None:
        """With a mistake in it, or gone, it leaves all as it was."""
        self.write(self.path, "nonsense")
        self.clock.advance(LOOK_AGAIN_SECONDS)
        os.remove(self.path)
        self.clock.advance(LOOK_AGAIN_SECONDS)
        self.assertEqual({ALICE}, self.watched.found)
        self.assertEqual([], self.changes)
        self.write(self.path, BOB)
        self.clock.advance(LOOK_AGAIN_SECONDS)
        self.assertEqual({BOB}, self.watched.found)

    def test_same_time(self) -> None:
        """A change is seen that leaves the size as it was, and the time, as far as one can set that."""
        before = os.stat(self.path)
        self.write(self.path, BOB)
        while os.stat(self.path).st_ctime_ns == before.st_ctime_ns:  # a system's clock ticks in milliseconds
            os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.clock.advance(LOOK_AGAIN_SECONDS)
        self.assertEqual({BOB}, self.watched.found)

    def test_fault(self) -> None:
        """What goes wrong that should not is logged, and does not end the looking."""

        def broken(path: str) -> frozenset[str]:
            raise KeyError(path)

        for name in ("_read", "_changed"):
            with self.subTest(name):
                was = getattr(self.watched, name)
                setattr(self.watched, name, broken)
                self.write(self.path, f"{ALICE} #{name}")
                self.clock.advance(LOOK_AGAIN_SECONDS)
                self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))
                setattr(self.watched, name, was)
                self.write(self.path, f"{BOB} #{name}")
                self.clock.advance(LOOK_AGAIN_SECONDS)
                self.assertEqual({BOB}, self.watched.found)

    def test_stop(self) -> None:
        """After a stop it is looked at no more."""
        self.watched.stopService()
        self.assertEqual([], self.clock.getDelayedCalls())
        self.watched.stopService()
