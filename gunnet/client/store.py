"""
The store of a client on disk: the graph, and beside it the names of what no peer has yet, in one commit with
what they name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import blake2b

import lmdb

from gunnet.store.directory import cause_of
from gunnet.store.interface import Cell, StoreError
from gunnet.store.lmdb import LmdbStore
from gunnet.wire.jstext import NotJSON, parse, stringify

Name = tuple[str, str]


class LmdbClientStore(LmdbStore):
    """
    L{gunnet.client.unsent.UnsentStore} in a directory. A relay can have the directory, too; it leaves the
    record alone.
    """

    def __init__(self, path: str, bytes_max: int) -> None:
        """
        See L{LmdbStore.__init__}.

        @raise StoreError: as there, or if there is a record that can't be read.
        """
        super().__init__(path, bytes_max)
        self.unsent: dict[Name, None] = {}
        self.sent: deque[Name] = deque()
        try:
            with self._env.begin(write=True) as txn:
                self._record = self._env.open_db(b"unsent", txn)
            with self._env.begin(db=self._record) as txn:
                for _, text in txn.cursor():
                    soul, key = parse(text)
                    self.unsent[(soul, key)] = None
        except (lmdb.Error, NotJSON, ValueError) as error:
            self.close()
            raise StoreError(f"can't read what is unsent in {path}: {cause_of(error)}") from error

    def _commit_more(self, txn: lmdb.Transaction, cells: Sequence[tuple[str, str, Cell]]) -> None:
        for _ in range(len(self.sent)):
            name = self.sent.popleft()
            if name not in self.unsent:
                txn.delete(_place(_text(name)), db=self._record)
        for soul, key, _ in cells:
            if (soul, key) in self.unsent:
                text = _text((soul, key))
                txn.put(_place(text), text, db=self._record)


def _text(name: Name) -> bytes:
    return stringify(list(name))


def _place(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()
