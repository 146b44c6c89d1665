"""
Tests of L{gunnet.store.directory}, and of what else can be wrong with one.
"""

from __future__ import annotations

import os
from pathlib import Path

import lmdb

from gunnet.graph.lex import ALL, Span
from gunnet.store import layout
from gunnet.store.interface import StoreError
from gunnet.store.lmdb import LmdbStore
from tests.store.contract import ALIKE, cell
from tests.store.disk import LmdbCase

NOBODY = 65534


class DirectoryTests(LmdbCase):
    """A directory that can't be used is refused in one line, and left as it was."""

    def refused(self, path: str, cause: str) -> None:
        """Opening C{path} fails with one line that names it and C{cause}; C{data.mdb} stays as it was."""
        data = Path(path, "data.mdb")
        before = data.read_bytes() if data.is_file() else None
        for _ in range(2):
            with self.assertRaises(StoreError) as caught:
                LmdbStore(path)
            said = str(caught.exception)
            self.assertIn(path, said)
            self.assertIn(cause, said)
            self.assertEqual(len(said.splitlines()), 1)
        self.assertEqual(data.read_bytes() if data.is_file() else None, before)

    def filled(self) -> tuple[str, Path]:
        """A closed store with much in it."""
        path = self.mktemp()
        store = LmdbStore(path)
        store.commit(
            [(f"soul {soul}", str(key), cell("1" * 300)) for soul in range(100) for key in range(10)]
        )
        store.close()
        return path, Path(path, "data.mdb")

    def test_garbage(self) -> None:
        """A file that was never LMDB's."""
        for size in (1, 4096, 100_000):
            path = self.mktemp()
            os.mkdir(path)
            Path(path, "data.mdb").write_bytes(b"garbage "[:size] * (size // 8 or 1))
            self.refused(path, "damaged")

    def test_cut_short(self) -> None:
        """A file that lost its end; put back, it is read as before."""
        path, data = self.filled()
        whole = data.read_bytes()
        for size in (len(whole) - 4096, len(whole) - 1, len(whole) // 2, 8192, 8191, 4096, 100):
            data.write_bytes(whole[:size])
            self.refused(path, "damaged")
        data.write_bytes(whole)
        self.assertEqual(self.open_store(path).stats()["cells"], 1000)

    def test_bad_page(self) -> None:
        """A hole where the tables are listed."""
        path, data = self.filled()
        whole = data.read_bytes()
        data.write_bytes(whole[:8192] + bytes(len(whole) - 8192))
        self.refused(path, "damaged")

    def test_bad_records(self) -> None:
        """Records that make no sense fail the read that meets them, in one line."""
        long_key = layout.record_of(ALIKE, "key", 0.0, b"1")[0]
        for raw, record in (
            (b"a\0key", b"\0"),
            (b"a\0\xc0", bytes(10)),
            (b"a", bytes(10)),
            (long_key, b"\1" * 12),
        ):
            path, _ = self.filled()
            with lmdb.open(path, max_dbs=2) as environment, environment.begin(write=True) as txn:
                txn.put(raw, record, db=environment.open_db(b"cells", txn))
            store = self.open_store(path)
            failed = []
            for read in (
                lambda store=store: store.cell("a", "key"),
                lambda store=store: store.cell(ALIKE, "key"),
                lambda store=store: list(store.node("a", ALL)),
                lambda store=store: list(store.node(ALIKE, ALL)),
                lambda store=store: list(store.souls(ALL)),
            ):
                try:
                    read()
                except StoreError as error:
                    failed.append(str(error))
            self.assertTrue(failed, raw)
            for line in failed:
                self.assertTrue(line.startswith(f"can't read store {path}: it is damaged ("), line)

    def test_no_directory(self) -> None:
        """Something else is in the way, or nothing can be made there."""
        path = self.mktemp()
        Path(path).write_text("a file")
        self.refused(path, "it is not a directory")
        self.refused(os.path.join(path, "below"), "Not a directory")
        self.refused("/proc/gunnet", "No such file or directory")
        self.refused(self.mktemp() + "\0", "null")
        path = self.mktemp()
        os.makedirs(os.path.join(path, "data.mdb"))
        self.refused(path, "Is a directory")

    def test_no_permission(self) -> None:
        """A directory of someone else's."""
        path, data = self.filled()
        if os.geteuid() == 0:
            os.seteuid(NOBODY)  # root may do anything
            self.addCleanup(os.seteuid, 0)
            with self.assertRaisesRegex(StoreError, "Permission denied"):
                LmdbStore(path)
            return
        data.chmod(0o400)
        self.refused(path, "Permission denied")
        Path(path, "gunnet.lock").unlink()
        os.chmod(path, 0o500)
        self.addCleanup(os.chmod, path, 0o700)
        self.refused(path, "Permission denied")

    def test_other_format(self) -> None:
        """A store of another version, or an LMDB file of another program."""
        path, _ = self.filled()
        with lmdb.open(path, max_dbs=2) as environment:
            meta = environment.open_db(b"meta")
            with environment.begin(db=meta, write=True) as txn:
                txn.put(b"format", b"2")
        self.refused(path, "has format '2', not '1'")
        for foreign in (b"cells", b"other"):
            path = self.mktemp()
            with lmdb.open(path, max_dbs=2) as environment, environment.begin(write=True) as txn:
                txn.put(foreign, b"value")
            self.refused(path, "holds an LMDB file that is no relay's store")

    def test_too_small_a_limit(self) -> None:
        """A limit that does not even hold an empty store."""
        path = self.mktemp()
        with self.assertRaises(StoreError) as caught:
            LmdbStore(path, 8192)
        self.assertEqual(
            str(caught.exception), f"can't open data directory {path}: its limit in bytes is too small"
        )

    def test_stopped_at_birth(self) -> None:
        """A relay killed before its first commit leaves an empty file or environment: that is a new store."""
        for empty in (True, False):
            path = self.mktemp()
            if empty:
                os.mkdir(path)
                Path(path, "data.mdb").touch()
            else:
                lmdb.open(path, max_dbs=2).close()
            store = self.open_store(path)
            store.commit([("soul", "key", cell())])
            store.refresh()
            self.assertEqual([key for key, _ in store.node("soul", Span("k"))], ["key"])
