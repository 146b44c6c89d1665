"""
Looking into a data directory, whether or not a relay runs on it: nothing is written, and nobody waits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import lmdb

from gunnet.graph.lex import ALL
from gunnet.store.directory import cause_of
from gunnet.store.interface import Cell, Store, StoreError
from gunnet.store.lmdb import LmdbStore


class LookedAt(LmdbStore):
    """
    A store as it was when it was opened, to be read. While it is open, a relay that runs on it can't use
    again what it frees.
    """

    def __init__(self, path: str) -> None:
        """
        @raise StoreError: there is none, or it can't be read.
        """
        self.place = path
        self._ended = self._seen = 0
        self._closed = False
        if not os.path.isfile(os.path.join(path, "data.mdb")):
            raise StoreError(f"there is no data in {path}")
        try:
            self._env = lmdb.open(path, readonly=True, max_dbs=2, readahead=False)
            try:
                self._cells = self._env.open_db(b"cells", create=False)
                self._txn = self._env.begin(db=self._cells)
            except BaseException:
                self._env.close()
                raise
        except (lmdb.Error, OSError) as error:
            raise StoreError(f"can't look into data directory {path}: {cause_of(error)}") from error
        self._get = self._txn.get

    def close(self) -> None:
        """See L{gunnet.store.interface.Store.close}."""
        if not self._closed:
            self._closed = True
            self._txn.abort()
            self._env.close()


def all_cells(store: Store) -> Iterator[tuple[str, str, Cell]]:
    """Each (soul, key, cell), in order."""
    for soul in store.souls(ALL):
        for key, cell in store.node(soul, ALL):
            yield soul, key, cell
