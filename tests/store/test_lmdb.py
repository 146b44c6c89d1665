"""
Tests of L{gunnet.store.lmdb} and L{gunnet.store.layout}.
"""

from __future__ import annotations

import os
import signal

from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.lex import ALL
from gunnet.store import layout
from gunnet.store.interface import StoreError
from gunnet.store.lmdb import LmdbStore
from gunnet.wire.jstext import order_key
from tests.store.contract import ALIKE, NAMES, StoreContract, cell, units
from tests.store.disk import LmdbCase


class LmdbContractTests(LmdbCase, StoreContract):
    """The store on disk is a store."""


class ShortRunsTests(LmdbContractTests):
    """It also is one where names that are alike are more than it sorts at a time."""

    def setUp(self) -> None:
        self.patch(layout, "RUN_NAMES", 2)


class LayoutTests(SynchronousTestCase):
    """LMDB keys have room for any names, keep them apart and sort as they do."""

    def test_keys_fit(self) -> None:
        """Whatever the names, the key is within the 511 bytes that LMDB takes, and tells its soul part."""
        for soul in NAMES:
            base = layout.soul_base(soul)
            for key in NAMES:
                raw, _ = layout.record_of(soul, key, 0.0, b"1")
                self.assertTrue(len(raw) <= 511)
                self.assertTrue(raw.startswith(base))
                self.assertEqual(layout.soul_part(raw) + b"\0", base)

    def test_keys_sort(self) -> None:
        """Names that differ in their first 208 bytes sort in LMDB by soul, then by key."""
        names = {layout.head_of(layout.escaped(order_key(name))): name for name in NAMES}.values()
        pairs = [(soul, key) for soul in names for key in names]
        expected = sorted(pairs, key=lambda pair: (units(pair[0]), units(pair[1])))
        self.assertEqual(
            sorted(pairs, key=lambda pair: layout.record_of(pair[0], pair[1], 0.0, b"")[0]), expected
        )

    def test_equal_hashes(self) -> None:
        """Were two long names to share a record, one is absent, and never taken for the other."""

        class SameHash:
            def __init__(self, units: bytes, digest_size: int) -> None:
                pass

            def hexdigest(self) -> str:
                return "0" * 32

        self.patch(layout, "blake2b", SameHash)
        store = LmdbStore(self.mktemp())
        self.addCleanup(store.close)
        first, second = ALIKE + "first", ALIKE + "second"
        store.commit(
            [(first, "key", cell(1)), (second, "key", cell(2)), ("s", first, cell(1)), ("s", second, cell(2))]
        )
        store.refresh()
        self.assertIsNone(store.cell(first, "key"))
        self.assertEqual(store.cell(second, "key"), cell(2))
        self.assertEqual(list(store.node(first, ALL)), [])
        self.assertEqual(list(store.node(second, ALL)), [("key", cell(2))])
        self.assertEqual(list(store.node("s", ALL)), [(second, cell(2))])
        self.assertIsNone(store.cell("s", first))


class CommitTests(LmdbCase):
    """Commits last, are seen after a refresh, and fail whole."""

    def test_reopen(self) -> None:
        """What was committed is there after closing and opening; a new directory has mode 0700."""
        path = os.path.join(self.mktemp(), "deep", "down")
        store = LmdbStore(path)
        store.commit([("soul", "key", cell()), (ALIKE, ALIKE, cell(2))])
        store.close()
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o700)
        again = self.open_store(path)
        self.assertEqual(list(again.souls(ALL)), [ALIKE, "soul"])
        self.assertEqual(again.cell(ALIKE, ALIKE), cell(2))

    def test_seen_after_refresh(self) -> None:
        """A read sees what there was at the last refresh, and a scan across one fails cleanly."""
        store = self.open_store(self.mktemp())
        store.commit([("soul", "a", cell()), ("soul", "b", cell())])
        self.assertIsNone(store.cell("soul", "a"))
        store.refresh()
        scan = store.node("soul", ALL)
        next(scan)
        store.commit([("soul", "a", cell(2))])
        self.assertEqual(store.cell("soul", "a"), cell())
        store.refresh()
        self.assertEqual(store.cell("soul", "a"), cell(2))
        with self.assertRaises(StoreError):
            next(scan)

    def test_old_pages_are_used_again(self) -> None:
        """With a refresh after each commit, writing the same again and again does not make the file grow."""
        store = self.open_store(self.mktemp())
        for number in range(100):
            store.commit([("soul", str(key), cell(number)) for key in range(200)])
            store.refresh()
        self.assertTrue(store.stats()["file_bytes"] < 40 * 4096, store.stats())

    def test_full(self) -> None:
        """A commit that does not fit fails whole and says so; smaller ones and a larger limit work after."""
        path = self.mktemp()
        store = self.open_store(path, 512 * 1024)
        store.commit([("soul", "a", cell(1))])
        with self.assertRaises(StoreError) as caught:
            store.commit(
                [("soul", "a", cell(2))] + [("soul", f"key {key}", cell("1" * 900)) for key in range(1000)]
            )
        self.assertEqual(str(caught.exception), f"store {path} is full (its limit is 524288 bytes)")
        store.refresh()
        self.assertEqual(list(store.node("soul", ALL)), [("a", cell(1))])
        store.commit([("soul", "a", cell(3))])
        store.refresh()
        self.assertEqual(store.cell("soul", "a"), cell(3))
        store.close()
        larger = self.open_store(path, 1 << 30)
        larger.commit([("soul", f"key {key}", cell("1" * 900)) for key in range(1000)])
        larger.refresh()
        self.assertEqual(larger.stats()["cells"], 1001)

    def test_after_close(self) -> None:
        """What comes too late, against the contract, fails as all else does."""
        store = self.open_store(self.mktemp())
        store.commit([])
        scans = [store.node("soul", ALL), store.souls(ALL)]
        store.close()
        for late in (
            lambda: store.commit([("soul", "key", cell())]),
            lambda: store.cell("soul", "key"),
            lambda: next(scans[0]),
            lambda: next(scans[1]),
            store.refresh,
        ):
            with self.assertRaises(StoreError) as caught:
                late()
            self.assertIn(store.place, str(caught.exception))


class ProcessTests(LmdbCase):
    """What happens to a process does not happen to the store."""

    def test_killed(self) -> None:
        """After SIGKILL amid commits, all that ended is there, and the last is there whole or not at all."""
        script = """if True:
            import sys
            from gunnet.store.lmdb import LmdbStore
            store = LmdbStore(sys.argv[1])
            number = int(sys.argv[2])
            while True:
                number += 1
                cells = [(soul, str(key), (float(number), b"1" * 500)) for soul in "abc" for key in range(30)]
                store.commit([*cells, ("log", str(number), (float(number), b"1"))])
                store.refresh()
                print(number, flush=True)
        """
        path = self.mktemp()
        ended = 0
        for rounds in range(1, 6):
            child = self.start_python(script, os.path.abspath(path), str(ended))
            assert child.stdout is not None
            said = [child.stdout.readline() for _ in range(10 * rounds)]
            child.send_signal(signal.SIGKILL)
            said += child.stdout.readlines()
            ended = int(said[-1])
            child.wait()
            store = LmdbStore(path)
            states = {found[0] for soul in "abc" for _, found in store.node(soul, ALL)}
            self.assertEqual(len(states), 1)
            (last,) = states
            self.assertIn(int(last) - ended, (0, 1))
            self.assertEqual(
                {key for key, _ in store.node("log", ALL)}, {str(n) for n in range(1, int(last) + 1)}
            )
            ended = int(last)
            store.close()

    def test_no_space(self) -> None:
        """When the file can't grow, a commit fails and nothing else does; with space again, all works."""
        script = """if True:
            import resource, signal, sys
            from gunnet.graph.lex import ALL
            from gunnet.store.interface import StoreError
            from gunnet.store.lmdb import LmdbStore
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            store = LmdbStore(sys.argv[1])
            store.commit([("soul", str(key), (1.0, b"1")) for key in range(100)])
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
            large = [("soul", str(key), (2.0, b"1" * 3000)) for key in range(2000)]
            for attempt in range(3):
                try:
                    store.commit(large)
                    print("committed")
                except StoreError as error:
                    print(error)
                store.refresh()
                assert [found for _, found in store.node("soul", ALL)] == [(1.0, b"1")] * 100
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            store.commit(large)
            store.refresh()
            print(store.stats()["cells"])
            store.close()
        """
        path = os.path.abspath(self.mktemp())
        said, _ = self.start_python(script, path).communicate()
        *failed, cells = said.splitlines()
        self.assertEqual((len(failed), cells), (3, "2000"))
        for line in failed:
            self.assertTrue(line.startswith(f"can't write to store {path}: Input/output error ("), line)
            self.assertTrue(line.endswith(" bytes are free on its disk)"), line)
        self.assertEqual(self.open_store(path).stats()["cells"], 2000)

    def test_little_address_space(self) -> None:
        """Where a TiB of addresses is not to be had, the store makes do with less, and says how much."""
        script = """if True:
            import resource, sys
            from gunnet.store.lmdb import LmdbStore
            resource.setrlimit(resource.RLIMIT_AS, (20 << 30, 20 << 30))
            store = LmdbStore(sys.argv[1])
            store.commit([("soul", "key", (1.0, b"1"))])
            print(store.stats()["bytes_max"])
            store.close()
        """
        said, _ = self.start_python(script, os.path.abspath(self.mktemp())).communicate()
        self.assertEqual(said, f"{16 << 30}\n")

    def test_one_relay(self) -> None:
        """A directory has one relay at a time, in this process or another; afterwards it is free again."""
        path = self.mktemp()
        store = self.open_store(path)
        with self.assertRaises(StoreError) as caught:
            LmdbStore(path)
        in_use = f"data directory {path} is in use by another relay"
        self.assertEqual(str(caught.exception), in_use)
        script = """if True:
            import sys
            from gunnet.store.lmdb import LmdbStore
            try:
                LmdbStore(sys.argv[1]).close()
            except Exception as error:
                print(error)
        """
        full = os.path.abspath(path)
        said, _ = self.start_python(script, full).communicate()
        self.assertEqual(said, in_use.replace(path, full) + "\n")
        store.close()
        said, _ = self.start_python(script, full).communicate()
        self.assertEqual(said, "")
