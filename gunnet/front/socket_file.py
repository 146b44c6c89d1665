"""
UNIX sockets in the file system, and sockets that systemd has opened.

A process that is killed leaves its socket's file behind, where nobody can listen again. Twisted's lock files
know of that by process id, which in a container is the same after each start; so here the socket itself is
asked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from twisted.internet.error import CannotListenError

from gunnet.settings_error import SettingsError

MODE = "660"
"""
Who may connect, unless it is said: the relay's user and group. (Twisted's own default is everybody.)
"""

_UNIX = re.compile(r"unix:(?:address=)?(?P<path>(?:[^:\\]|\\.)+)(?P<rest>.*)", re.DOTALL)


class Place:
    """
    Where a relay listens; it has no file.

    @ivar endpoint: the Twisted server endpoint string that opens it.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def cleared(self) -> AbstractContextManager[None]:
        """
        Keep the way free, to open it.

        @raise SettingsError: somebody listens there, or the socket can't be opened; in one clear line.
        """
        return nullcontext()

    def opened(self, port: Any) -> None:
        """
        We listen there now.

        @param port: what Twisted does it with.
        """

    def closing(self) -> None:
        """We are about to listen no more."""


class SystemdSocket(Place):
    """A socket that we take over; systemd listens on it before us, and after us."""

    def opened(self, port: Any) -> None:
        """We listen there now."""
        _keep_file(port)
        port._shouldShutdown = False  # it would be shut down for systemd too, and for who waits there


class SocketFile(Place):
    """A socket that we open, with a file."""

    def __init__(self, path: str, endpoint: str) -> None:
        super().__init__(endpoint)
        self._path = path
        self._made: tuple[int, int] | None = None

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Delete what a process that was killed has left there, and let nobody else do that meanwhile."""
        folder = os.path.dirname(os.path.abspath(self._path))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as e:
            raise self._refusal(e.strerror) from e
        try:
            # Of two that start at once, the second would delete the socket of the first.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._delete_stale()
            yield
        except BlockingIOError as e:
            raise self._refusal("another relay is just starting there") from e
        except CannotListenError as e:
            raise self._refusal(getattr(e.socketError, "strerror", None) or e.socketError) from e
        except OSError as e:
            raise self._refusal(e.strerror or e) from e
        finally:
            os.close(lock)

    def _delete_stale(self) -> None:
        try:
            if not stat.S_ISSOCK(os.lstat(self._path).st_mode):
                raise self._refusal("there is a file that is no socket")
        except FileNotFoundError:
            return
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            failed = probe.connect_ex(self._path)
        if failed != errno.ECONNREFUSED:  # a full queue is EAGAIN
            why = "somebody listens there already"
            raise self._refusal(os.strerror(failed) if failed == errno.EACCES else why)
        os.unlink(self._path)

    def _refusal(self, why: object) -> SettingsError:
        return SettingsError(f"can't listen on unix:{self._path}: {why}")

    def opened(self, port: Any) -> None:
        """We listen there now."""
        _keep_file(port)
        found = os.lstat(self._path)
        self._made = found.st_dev, found.st_ino

    def closing(self) -> None:
        """Delete the file, if it is still the one that was made."""
        made, self._made = self._made, None
        with suppress(OSError):  # it is gone, or it stays and is replaced at the next start
            found = os.lstat(self._path)
            if made == (found.st_dev, found.st_ino):
                os.unlink(self._path)


def place_of(endpoint: str) -> Place:
    """
    What there is to a place beside listening there.

    @param endpoint: a Twisted server endpoint string.
    """
    if endpoint.startswith("systemd:"):
        return SystemdSocket(endpoint)
    found = _UNIX.fullmatch(endpoint)
    if found is None:
        return Place(endpoint)
    if not re.search(r":mode=|^:[0-7]+(:|$)", found["rest"]):
        endpoint += f":mode={MODE}"
    if ":lockfile=" not in endpoint:
        endpoint += ":lockfile=0"
    return SocketFile(re.sub(r"\\(.)", r"\1", found["path"]), endpoint)


def _keep_file(port: Any) -> None:
    """
    Have Twisted not delete the file of a socket when C{port} listens no more: it does so whoever made it, and
    never gets to the end of listening if it is gone.
    """
    port._bindPath = b"\0"  # the name of one without a file
