"""
The store on disk: LMDB, one environment in one directory (L{gunnet.store.layout} says what is in it).

LMDB was chosen because a commit is one fsync of what changed, a reader never waits for the writer, and a
killed process leaves nothing to repair.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress

import lmdb

from gunnet.graph.lex import ALL, Span
from gunnet.store.directory import cause_of, claim, open_environment, open_tables
from gunnet.store.interface import Cell, StoreError
from gunnet.store.layout import (
    AFTER,
    HEAD_BYTES,
    HEAD_SIZE,
    NEXT_SOUL,
    PART_BYTES,
    SHORT,
    STATE,
    bounds,
    ceiling,
    escaped,
    floor,
    head_of,
    in_order,
    opened,
    shortened,
    soul_base,
    soul_part,
    unescaped,
)
from gunnet.store.records import records_of
from gunnet.wire.jstext import from_order_key, order_key

_UNREADABLE = (lmdb.Error, struct.error, ValueError, IndexError)
"""What LMDB says of pages, and Python of records, that are not as they were written."""


class LmdbStore:
    """
    L{gunnet.store.interface.Store} in a directory.

    Scans are in exact order. Among names that share their first 208 bytes and some of which exceed 240, that
    costs memory for up to 4,096 names, and a further pass over them for each further 4,096.

    Two souls or keys with the same first 208 bytes and the same 128 bit hash would share a record: the one
    written last is kept and the other is absent. Nobody knows how to find such a pair.

    After a failure to write LMDB's own head page (a broken disk), commits fail until the relay is restarted.
    A disk that gives back other bytes than it took is noticed if LMDB or the record makes no sense of them,
    but there are no checksums, and at some nonsense LMDB ends the process.
    """

    blocking = True

    def __init__(self, path: str, bytes_max: int = 1 << 40) -> None:
        """
        Open the store, or make one if there is none.

        @param path: a directory; it is made (mode 0700), with its parents, if it is missing.
        @param bytes_max: what the store may grow to, in bytes. It is address space, not memory; if the
            system does not grant so much, a quarter of it is asked for, and so on down to 1 GiB.
        @raise StoreError: if another relay has it, or it can't be used; it is left as it was.
        """
        self.place = path
        self._ended = self._seen = 0
        self._closed = False
        self._claim = claim(path)
        try:
            self._env = open_environment(path, bytes_max)
            try:
                self._cells = open_tables(self._env, path)
                self._txn = self._env.begin(db=self._cells)
                self._get = self._txn.get
                self._map_bytes = self._env.info()["map_size"]
                self._page_bytes = self._env.stat()["psize"]
            except BaseException:
                self._env.close()
                raise
        except (lmdb.Error, OSError) as error:
            os.close(self._claim)
            raise StoreError(f"can't open data directory {path}: {cause_of(error)}") from error
        except BaseException:
            os.close(self._claim)
            raise

    def cell(self, soul: str, key: str) -> Cell | None:
        """
        See L{gunnet.store.interface.Store.cell}.

        @raise StoreError: if the disk or what is on it fails.
        """
        try:
            raw = f"{soul}\0{key}"
            if len(raw) <= PART_BYTES and raw.isascii() and raw.index("\0") == len(soul):
                record = self._get(raw.encode("ascii"))
                if record is None:
                    return None
                return STATE(record, 1)[0], record[HEAD_SIZE:]
            return self._cell(soul, key)
        except _UNREADABLE as error:
            raise StoreError(self._failed("read", error)) from error

    def _cell(self, soul: str, key: str) -> Cell | None:
        key_units = order_key(key)
        record = self._get(soul_base(soul) + shortened(key_units))
        if record is None:
            return None
        if record[0] == SHORT:
            return STATE(record, 1)[0], record[HEAD_SIZE:]
        soul_found, key_found, value_at = opened(record)
        if soul_found != order_key(soul) or key_found != key_units:
            return None
        return STATE(record, 1)[0], record[value_at:]

    def node(self, soul: str, span: Span = ALL, *, reverse: bool = False) -> Iterator[tuple[str, Cell]]:
        """
        See L{gunnet.store.interface.Store.node}.

        @raise StoreError: while iterating, if the disk or what is on it fails, or if a L{refresh} came
            between.
        """
        base = soul_base(soul)
        if span is ALL:
            low, high = b"", AFTER
            bottom, top = base, base + AFTER
        else:
            low, high = bounds(span)
            bottom, top = base + floor(low), base + ceiling(high)
        width = len(base)
        run_from = width + HEAD_BYTES
        state_of = STATE
        edge: bytes | None = top if reverse else bottom
        try:
            cursor = self._txn.cursor()
            while edge is not None:
                records = _records(cursor, edge, reverse)
                edge = None
                for raw, record in records:
                    if not bottom <= raw < top:
                        return
                    if len(raw) >= run_from:
                        head = base + head_of(raw[width:])
                        yield from self._run_of_keys(soul, width, head, (low, high), reverse)
                        edge = head if reverse else head + AFTER
                        break
                    units = raw[width:]
                    key = units.decode("ascii") if units.isascii() else from_order_key(units)
                    if record[0] == SHORT:
                        yield key, (state_of(record, 1)[0], record[HEAD_SIZE:])
                        continue
                    soul_found, _, value_at = opened(record)
                    if soul_found == order_key(soul):
                        yield key, (state_of(record, 1)[0], record[value_at:])
        except _UNREADABLE as error:
            raise StoreError(self._failed("read", error)) from error

    def _run_of_keys(
        self, soul: str, width: int, head: bytes, limits: tuple[bytes, bytes], reverse: bool
    ) -> Iterator[tuple[str, Cell]]:
        """The cells whose LMDB key starts with C{head} and whose key is within C{limits}, in order."""
        low, high = limits

        def names() -> Iterator[bytes]:
            for raw, record in _records(self._txn.cursor(), head, False):
                if not raw.startswith(head):
                    return
                units = raw[width:] if len(raw) <= width + PART_BYTES else opened(record)[1]
                if low <= units < high:
                    yield units

        for units in in_order(names, reverse=reverse):
            key = from_order_key(units)
            cell = self._cell(soul, key)
            if cell is not None:
                yield key, cell

    def souls(self, span: Span = ALL, *, reverse: bool = False) -> Iterator[str]:
        """
        See L{gunnet.store.interface.Store.souls}. One seek per soul, however many cells it has.

        @raise StoreError: as L{node}.
        """
        low, high = bounds(span)
        low, high = escaped(low), escaped(high)
        bottom, top = floor(low), ceiling(high)
        edge = top if reverse else bottom
        try:
            cursor = self._txn.cursor()
            while _seek(cursor, edge, reverse):
                raw = cursor.key()
                if not bottom <= raw < top:
                    return
                part = soul_part(raw)
                if len(part) < HEAD_BYTES:
                    yield from_order_key(unescaped(part))
                    edge = part + (b"\x00" if reverse else NEXT_SOUL)
                else:
                    head = head_of(part)
                    yield from self._run_of_souls(head, low, high, reverse)
                    edge = head if reverse else head + AFTER
        except _UNREADABLE as error:
            raise StoreError(self._failed("read", error)) from error

    def _run_of_souls(self, head: bytes, low: bytes, high: bytes, reverse: bool) -> Iterator[str]:
        """The souls whose part starts with C{head} and which, L{escaped}, are within the limits, in order."""

        def names() -> Iterator[bytes]:
            cursor = self._txn.cursor()
            edge = head
            while cursor.set_range(edge):
                raw = cursor.key()
                if not raw.startswith(head):
                    return
                part = soul_part(raw)
                whole = part if len(part) <= PART_BYTES else escaped(opened(cursor.value())[0])
                if low <= whole < high:
                    yield whole
                edge = part + NEXT_SOUL

        for whole in in_order(names, reverse=reverse):
            yield from_order_key(unescaped(whole))

    def commit(self, cells: Sequence[tuple[str, str, Cell]]) -> None:
        """See L{gunnet.store.interface.Store.commit}."""
        records = records_of(cells)
        try:
            with self._env.begin(db=self._cells, write=True) as txn:
                txn.cursor().putmulti(records)
                self._commit_more(txn, cells)
        except lmdb.Error as error:
            raise StoreError(self._failed("write to", error)) from error
        self._ended += 1

    def _commit_more(self, txn: lmdb.Transaction, cells: Sequence[tuple[str, str, Cell]]) -> None:
        """For a store that keeps something beside the graph: what is to be written along with it."""

    def refresh(self) -> None:
        """
        See L{gunnet.store.interface.Store.refresh}.

        @raise StoreError: if the disk or what is on it fails.
        """
        ended = self._ended
        if ended == self._seen:
            return
        try:
            # An old snapshot keeps the pages it sees from being used again, so it is let go first.
            self._txn.abort()
            self._txn = self._env.begin(db=self._cells)
        except lmdb.Error as error:
            raise StoreError(self._failed("read", error)) from error
        self._get = self._txn.get
        self._seen = ended

    def stats(self) -> dict[str, int]:
        """
        See L{gunnet.store.interface.Store.stats}.

        C{bytes} is pages in use; C{file_bytes} also counts those that wait to be used again. Both are
        C{bytes_max} at most.
        """
        pages = self._txn.stat(self._cells)
        used = pages["branch_pages"] + pages["leaf_pages"] + pages["overflow_pages"]
        return {
            "bytes": used * self._page_bytes,
            "cells": pages["entries"],
            "bytes_max": self._map_bytes,
            "file_bytes": (self._env.info()["last_pgno"] + 1) * self._page_bytes,
        }

    def close(self) -> None:
        """See L{gunnet.store.interface.Store.close}."""
        if self._closed:
            return
        self._closed = True
        self._txn.abort()
        self._env.close()
        os.close(self._claim)

    def _failed(self, what: str, error: Exception) -> str:
        place = f"store {self.place}"
        if not isinstance(error, lmdb.Error):
            return f"can't {what} {place}: it is damaged ({error})"
        if isinstance(error, lmdb.MapFullError):
            return f"{place} is full (its limit is {self._map_bytes} bytes)"
        if isinstance(error, lmdb.PanicError):
            return f"can't {what} {place} until a restart: a write of its head page failed"
        cause = cause_of(error)
        if error.code == errno.EIO:
            # LMDB says so too when the disk took only a part because it is full.
            with suppress(OSError):
                disk = os.statvfs(self.place)
                cause += f" ({disk.f_bavail * disk.f_frsize} bytes are free on its disk)"
        return f"can't {what} {place}: {cause}"


def _seek(cursor: lmdb.Cursor[bytes], edge: bytes, reverse: bool) -> bool:
    """Go to the first record from C{edge} on, or to the last before it; false if there is none."""
    found = cursor.set_range(edge)
    if not reverse:
        return found
    return cursor.prev() if found else cursor.last()


def _records(cursor: lmdb.Cursor[bytes], edge: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
    """The records from C{edge} on, or backwards those before it."""
    if not _seek(cursor, edge, reverse):
        return iter(())
    return cursor.iterprev() if reverse else cursor.iternext()
