"""
Tests for L{gunnet.store.mapped}.
"""

from __future__ import annotations

import mmap
import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from gunnet.counters import Counters
from gunnet.store.lmdb import LmdbStore
from gunnet.store.mapped import MIND_SECONDS, MappedPages, mapped_pages

MIB = 1 << 20


class MindTests(SynchronousTestCase):
    """On a process that is described in files."""

    def setUp(self) -> None:
        self.proc = self.mktemp()
        os.mkdir(self.proc)
        self.path = self.mktemp()
        with open(self.path, "wb") as file:
            file.write(b"x" * 3 * mmap.PAGESIZE)
        inode = os.stat(self.path).st_ino
        self.has(
            f"00400000-00500000 r-xp 00000000 08:01 1 /usr/bin/python\n"
            f"7f0000000000-7f0000100000 r--s 00000000 08:01 {inode} {self.path}\n"
            "7fff00000000-7fff00001000 rw-p 00000000 00:00 0 [stack]\n"
        )
        self.shares(10)
        self.counters = Counters()
        self.advised: list[tuple[int, int]] = []
        self.fails = 0
        self.pages = MappedPages(self.path, 4 * mmap.PAGESIZE, self.counters, self.advise, self.proc)

    def has(self, maps: str) -> None:
        with open(os.path.join(self.proc, "maps"), "w", encoding="ascii") as file:
            file.write(maps)

    def shares(self, pages: int) -> None:
        with open(os.path.join(self.proc, "statm"), "w", encoding="ascii") as file:
            file.write(f"1000 500 {pages} 1 0 400 0\n")

    def advise(self, start: int, length: int) -> int:
        self.advised.append((start, length))
        return self.fails

    def test_few(self) -> None:
        """What may stay, stays."""
        self.shares(14)
        self.pages.mind()
        self.assertEqual(self.advised, [])

    def test_mapped_bytes(self) -> None:
        """More than may stay is given back: the file's pages, and nothing behind its end."""
        self.shares(15)
        self.pages.mind()
        self.assertEqual(self.advised, [(0x7F0000000000, 3 * mmap.PAGESIZE)])
        self.assertEqual(self.counters["mapped_bytes_given_back"], 1)

    def test_shared_only(self) -> None:
        """
        Numbers of files are each file system's own. Of a library with the same one, what was written to its
        pages would be gone; pages that are shared with the file are there again when they are read.
        """
        inode = os.stat(self.path).st_ino
        self.has(
            f"7e0000000000-7e0000100000 rw-p 00000000 08:02 {inode} /usr/lib/libc.so.6\n"
            f"7f0000000000-7f0000100000 r--s 00000000 08:01 {inode} {self.path}\n"
        )
        self.shares(15)
        self.pages.mind()
        self.assertEqual(self.advised, [(0x7F0000000000, 3 * mmap.PAGESIZE)])

    def test_others(self) -> None:
        """What other files have more by then is not taken for the data file's a second time."""
        self.shares(15)
        self.pages.mind()
        self.pages.mind()
        self.assertEqual(len(self.advised), 1)

    def test_refused(self) -> None:
        """A system that takes nothing back is only complained about."""
        self.fails = -1
        self.shares(15)
        self.pages.mind()
        self.assertEqual(len(self.advised), 1)


class ServiceTests(SynchronousTestCase):
    """With a real store."""

    def setUp(self) -> None:
        if not MappedPages.possible():
            raise SkipTest("this system does not tell what a process has mapped: run it on Linux")
        self.folder = self.mktemp()
        self.store = LmdbStore(self.folder)
        self.addCleanup(self.store.close)

    def read_all(self) -> int:
        return sum(1 for _ in self.store.souls())

    def test_give_back(self) -> None:
        """While it is read from, a store counts for no more memory than it may, and all is still there."""
        counters, clock = Counters(), Clock()
        service = mapped_pages(self.folder, 4 * MIB, counters, clock)
        service.startService()
        self.addCleanup(service.stopService)
        before = _file_bytes()
        for part in range(20):
            self.store.commit([(f"{part}_{n}", "k", (1.0, b'"' + b"x" * 500 + b'"')) for n in range(1000)])
        self.store.refresh()
        self.assertEqual(self.read_all(), 20_000)
        self.assertGreater(_file_bytes() - before, 8 * MIB)
        clock.advance(MIND_SECONDS)
        self.assertLess(_file_bytes() - before, 2 * MIB)
        self.assertEqual(counters["mapped_bytes_given_back"], 1)
        self.assertEqual(self.read_all(), 20_000)


def _file_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[2]) * mmap.PAGESIZE
