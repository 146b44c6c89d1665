"""
L{gunnet.client.store}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from gunnet.client import node
from gunnet.client.store import LmdbClientStore
from gunnet.limits import Limits
from gunnet.store.interface import StoreError
from gunnet.store.lmdb import LmdbStore

BYTES_MAX = 1 << 26
LONG = "long" * 500


class StoreTests(SynchronousTestCase):
    """The record in a directory."""

    def setUp(self) -> None:
        self.path = self.mktemp()

    def open(self) -> LmdbClientStore:
        """The store, as a program that was started again has it."""
        store = LmdbClientStore(self.path, BYTES_MAX)
        self.addCleanup(store.close)
        return store

    def test_record(self) -> None:
        """Of what is written, what is unsent is on the record, until a commit after it was sent."""
        store = self.open()
        names = [("a", "b"), ("\ud800", "\0"), (LONG, LONG + "x")]
        store.unsent.update(dict.fromkeys(names))
        cells = [(*name, (1.0, b"1")) for name in (*names, ("not", "mine"))]
        store.commit(cells)
        store.close()
        store = self.open()
        self.assertEqual(sorted(store.unsent), sorted(names))
        del store.unsent[names[0]]
        store.sent.append(names[0])
        store.sent.append(names[1])  # which was written again since
        store.commit([])
        store.close()
        store = self.open()
        self.assertEqual(sorted(store.unsent), sorted(names[1:]))
        self.assertEqual(store.cell("a", "b"), (1.0, b"1"))

    def test_with_relay(self) -> None:
        """A directory of a relay is taken over, and the other way round; the record is kept."""
        LmdbStore(self.path, BYTES_MAX).close()
        store = self.open()
        store.unsent[("a", "b")] = None
        store.commit([("a", "b", (1.0, b"1"))])
        store.close()
        relay = LmdbStore(self.path, BYTES_MAX)
        self.assertEqual(relay.cell("a", "b"), (1.0, b"1"))
        relay.close()
        self.assertEqual([*self.open().unsent], [("a", "b")])

    def test_unreadable(self) -> None:
        """A record that makes no sense is an error, and the directory is free again."""
        store = self.open()
        with store._env.begin(write=True, db=store._record) as txn:
            txn.put(b"x", b"no JSON")
        store.close()
        self.assertRaises(StoreError, LmdbClientStore, self.path, BYTES_MAX)
        LmdbStore(self.path, BYTES_MAX).close()

    def test_chosen(self) -> None:
        """A client with a folder has this one."""
        store = node.open_store(self.path, Limits())
        self.addCleanup(store.close)
        self.assertIsInstance(store, LmdbClientStore)
        self.assertTrue(os.path.isdir(self.path))
