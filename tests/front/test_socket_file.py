"""
Tests for L{gunnet.front.socket_file}: files of UNIX sockets, and who may delete them. Sockets are real here,
and the reactor is not.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
from types import SimpleNamespace

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from gunnet.front.socket_file import Place, SocketFile, SystemdSocket, place_of
from gunnet.settings import SettingsError


class EndpointTests(SynchronousTestCase):
    """Endpoint strings."""

    def test_defaults(self) -> None:
        """A mode for user and group, and no lock file, unless something else is said."""
        for endpoint, expected in (
            ("unix:/run/a", "unix:/run/a:mode=660:lockfile=0"),
            ("unix:address=/run/a", "unix:address=/run/a:mode=660:lockfile=0"),
            ("unix:/run/a:mode=600", "unix:/run/a:mode=600:lockfile=0"),
            ("unix:/run/a:600", "unix:/run/a:600:lockfile=0"),
            ("unix:/run/a:backlog=5", "unix:/run/a:backlog=5:mode=660:lockfile=0"),
            ("unix:/run/a:lockfile=1", "unix:/run/a:lockfile=1:mode=660"),
        ):
            place = place_of(endpoint)
            self.assertIsInstance(place, SocketFile)
            self.assertEqual(expected, place.endpoint)

    def test_others(self) -> None:
        """Sockets of systemd are its own; all else has no file."""
        for endpoint in ("systemd:domain=UNIX:index=0", "systemd:name=gun:domain=INET"):
            self.assertIsInstance(place_of(endpoint), SystemdSocket)
        for endpoint in ("tcp:8765", "unixoid:/x"):
            self.assertIs(Place, type(place_of(endpoint)))
            self.assertEqual(endpoint, place_of(endpoint).endpoint)
            with place_of(endpoint).cleared():
                place_of(endpoint).opened(None)
            place_of(endpoint).closing()


class FileTests(SynchronousTestCase):
    """What is done to the file."""

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()  # trial's own folders have names too long for sockets
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "a:b")
        self.place = place_of("unix:" + self.path.replace(":", r"\:"))

    def socket(self, *, listens: bool) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX)
        self.addCleanup(opened.close)
        opened.bind(self.path)
        if listens:
            opened.listen(0)
        return opened

    def refused(self) -> str:
        def clear() -> None:
            with self.place.cleared():
                self.fail("it is not clear")

        line = str(self.assertRaises(SettingsError, clear))
        self.assertIn(f"can't listen on unix:{self.path}: ", line)
        return line

    def test_stale(self) -> None:
        """A socket on which nobody listens any more is deleted; where there is none nothing is."""
        with self.place.cleared():
            self.socket(listens=False)
        with self.place.cleared():
            self.assertFalse(os.path.lexists(self.path))

    def test_living(self) -> None:
        """One on which somebody listens stays, also when that one accepts nobody just now."""
        self.socket(listens=True)
        for _ in range(3):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.setblocking(False)
            client.connect_ex(self.path)
            self.assertIn("somebody listens there already", self.refused())
        self.assertTrue(os.path.exists(self.path))

    def test_something_else(self) -> None:
        """A file that is no socket stays, and so does what a link leads to."""
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("precious")
        self.assertIn("there is a file that is no socket", self.refused())
        target = os.path.join(self.folder, "target")
        os.rename(self.path, target)
        os.symlink(target, self.path)
        self.assertIn("there is a file that is no socket", self.refused())
        self.assertTrue(os.path.lexists(self.path))

    def test_no_folder(self) -> None:
        """A folder that is missing is said to be so."""
        self.place = place_of(f"unix:{self.folder}/missing/x")
        self.path = f"{self.folder}/missing/x"
        self.assertIn("No such file or directory", self.refused())

    def test_two_at_once(self) -> None:
        """Of two that start at once, one is refused before it deletes anything."""
        lock = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.socket(listens=False)
        self.assertIn("another relay is just starting there", self.refused())
        self.assertTrue(os.path.exists(self.path))

    def test_can_not_listen(self) -> None:
        """What Twisted can't do becomes one line too."""

        def open_it() -> None:
            with self.place.cleared():
                raise CannotListenError(None, self.path.encode(), OSError(13, "Permission denied"))

        line = str(self.assertRaises(SettingsError, open_it))
        self.assertEqual(f"can't listen on unix:{self.path}: Permission denied", line)

    def test_own_file(self) -> None:
        """At the end the file is deleted, but only the one that was made, and not by Twisted."""
        port = SimpleNamespace(_bindPath=self.path.encode())
        self.socket(listens=True)
        self.place.opened(port)
        self.assertNotEqual(self.path.encode(), port._bindPath)
        self.place.closing()
        self.assertFalse(os.path.lexists(self.path))
        self.place.closing()

    def test_file_of_another(self) -> None:
        """The file of another one that took our place stays."""
        self.socket(listens=True)
        self.place.opened(SimpleNamespace())
        os.rename(self.path, f"{self.path}-old")
        self.socket(listens=True)
        self.place.closing()
        self.assertTrue(os.path.exists(self.path))

    def test_systemd(self) -> None:
        """Twisted is kept from deleting what systemd made, and from shutting it down."""
        port = SimpleNamespace(_bindPath=self.path.encode(), _shouldShutdown=True)
        place_of("systemd:domain=UNIX:index=0").opened(port)
        self.assertNotEqual(self.path.encode(), port._bindPath)
        self.assertFalse(port._shouldShutdown)
