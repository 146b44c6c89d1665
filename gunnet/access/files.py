"""
Files that say who may do what: one public key, or one secret, to a line.

They are read at the start, where a mistake ends the relay, and again when they have changed, where it is
logged and what was read before still holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from gunnet.sea.errors import BadKey
from gunnet.sea.keys import public_key
from gunnet.settings_error import SettingsError

LOOK_AGAIN_SECONDS = 5.0
"""How often files are looked at. A signal would be missed by whoever edits them on another machine."""
FILE_BYTES_MAX = 16 * 1024 * 1024

T = TypeVar("T")


def read_pubs(path: str) -> frozenset[str]:
    """
    Public keys.

    @raise SettingsError: the file can't be read, or one of its lines is no key; the text says which.
    """
    found = set()
    for number, line in read_lines(path):
        try:
            public_key(line.removeprefix("~"))
        except BadKey:
            raise SettingsError(f"{path}, line {number}: {_short(line)} is not a public key") from None
        found.add(line.removeprefix("~"))
    return frozenset(found)


def _short(line: str) -> str:
    return repr(line if len(line) <= 40 else f"{line[:40]}…")


def read_lines(path: str) -> Iterator[tuple[int, str]]:
    """
    The lines of a file that say something, with their numbers, without what follows a C{#} that begins a
    word.

    @raise SettingsError: it can't be read.
    """
    for number, line in enumerate(read_text(path).splitlines(), 1):
        text = f" {line}".partition(" #")[0].strip()
        if text:
            yield number, text


def read_bytes(path: str, bytes_max: int) -> bytes:
    """
    Read a file.

    @raise SettingsError: it can't be, or is larger than C{bytes_max}.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(bytes_max + 1)
    except (OSError, ValueError) as e:
        raise SettingsError(f"{path}: {getattr(e, 'strerror', None) or e}") from e
    if len(data) > bytes_max:
        raise SettingsError(f"{path}: larger than {bytes_max} bytes")
    return data


def read_text(path: str) -> str:
    """
    Read a small file.

    @raise SettingsError: it can't be.
    """
    try:
        return read_bytes(path, FILE_BYTES_MAX).decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise SettingsError(f"{path}: not UTF-8") from e


class WatchedFile(Service, Generic[T]):
    """
    A file that is read again when it has changed.

    @ivar found: what was read last without a mistake.
    """

    _log = Logger()

    def __init__(
        self,
        path: str,
        read: Callable[[str], T],
        reactor: IReactorTime,
        changed: Callable[[T], None] | None = None,
    ) -> None:
        """
        Read it.

        @param changed: called with what was read each time after the first.
        @raise SettingsError: it can't be read now.
        """
        self._path = path
        self._read = read
        self._changed = changed
        self._seen = self._look()
        self.found = read(path)
        self._loop = LoopingCall(self._again)
        self._loop.clock = reactor

    def startService(self) -> None:
        """Twisted starts the service: changes are seen from now on."""
        super().startService()
        self._loop.start(LOOK_AGAIN_SECONDS, now=False)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()

    def _look(self) -> tuple[Any, ...]:
        try:
            found = os.stat(self._path)
        except (OSError, ValueError):
            return ()
        # The last one can't be set back, and changes with who may read the file.
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns)

    def _again(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.found = self._read(self._path)
            if self._changed is not None:
                self._changed(self.found)
        except SettingsError as e:
            self._log.error("{why}; what it said before still holds", why=str(e))
        except Exception:
            self._log.failure("{path} could not be read again", path=self._path)
        else:
            self._log.info("{path} has changed, and holds from now on", path=self._path)
