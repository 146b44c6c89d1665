"""
Pages of the data file that were read.

LMDB maps the file, so the system counts each page that was read as memory of this process for as long as it
has no better use for it. It may take them back at any time without writing anything; on a machine with much
memory it never does. To give them back costs nothing but finding them again in the system's cache.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable

from twisted.application.internet import TimerService
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gunnet.counters import Counters

MIND_SECONDS = 0.5
"""How often the pages are looked at. In between, a busy relay may read some MiB more."""

Advise = Callable[[int, int], int]
"""Gives back the pages from an address on, so many bytes; not 0 if that fails."""


class MappedPages:
    """The pages of one file that this process has mapped, on Linux."""

    _log = Logger()

    def __init__(
        self,
        path: str,
        bytes_max: int,
        counters: Counters,
        advise: Advise | None = None,
        proc: str = "/proc/self",
    ) -> None:
        """
        @param path: the mapped file.
        @param bytes_max: so much may stay.
        @param advise: the default is C{madvise} with C{MADV_DONTNEED}.
        @param proc: where the system tells of this process.
        """
        self._path = path
        self._bytes_max = bytes_max
        self._counters = counters
        self._advise = advise or _madvise()
        self._proc = proc
        self._others = self._shared()

    @staticmethod
    def possible() -> bool:
        """Whether this system tells what is mapped, and takes it back."""
        return os.path.exists("/proc/self/statm") and hasattr(mmap, "MADV_DONTNEED")

    def mind(self) -> None:
        """Give all of them back if they are more than may stay."""
        if self._shared() - self._others <= self._bytes_max:
            return
        self._counters.count("mapped_bytes_given_back")
        size = os.path.getsize(self._path)
        for start, length in self._ranges():
            if self._advise(start, min(size, length)):
                self._log.warn("the system does not take back pages of {path}", path=self._path)
        self._others = self._shared()

    def _shared(self) -> int:
        """Bytes of all files that count as memory of this process: program code, too."""
        with open(f"{self._proc}/statm", encoding="ascii") as file:
            return int(file.read().split()[2]) * mmap.PAGESIZE

    def _ranges(self) -> list[tuple[int, int]]:
        """
        Where the file is mapped: (address, bytes). Only what is shared with it (C{proc(5)}: an C{s}), as LMDB
        has it: of anything else with the same number, on another file system, what was written would be lost.
        """
        inode = str(os.stat(self._path).st_ino)
        found = []
        with open(f"{self._proc}/maps", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                place, permissions, _, _, line_inode, *_ = line.split(maxsplit=5)
                if line_inode == inode and permissions.endswith("s"):
                    start, end = (int(text, 16) for text in place.split("-"))
                    found.append((start, end - start))
        return found


def mapped_pages(folder: str, bytes_max: int, counters: Counters, clock: IReactorTime) -> TimerService:
    """
    A service that minds those of the store in C{folder}.

    @param bytes_max: so much may stay.
    """
    pages = MappedPages(os.path.join(folder, "data.mdb"), bytes_max, counters)
    service = TimerService(MIND_SECONDS, pages.mind)
    service.clock = clock
    service.setName("mapped pages")
    return service


def _madvise() -> Advise:
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def advise(start: int, length: int) -> int:
        return int(madvise(start, length, mmap.MADV_DONTNEED))

    return advise
