"""
A data directory: whose it is, whether it is whole, and what is in it.

C{data.mdb} and C{lock.mdb} are LMDB's. C{gunnet.lock} is ours: LMDB lets several processes write in turns,
but a relay answers from what it remembers, so there must be one of it.
"""

from __future__ import annotations

import fcntl
import os

import lmdb

from gunnet.store.interface import StoreError, StoreInUse

FORMAT = b"1"
"""What the table C{meta} says under C{format}. Another layout of records gets another number."""

_GIB = 1 << 30
_READERS_MAX = 16
_TABLES_MAX = 3
_DAMAGE = (lmdb.InvalidError, lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.VersionMismatchError)


def claim(path: str) -> int:
    """
    Make the directory if need be, and make sure that no other relay works in it.

    @return: the file descriptor that holds the lock, which ends with the process however that ends.
    @raise StoreError: if it can't be had.
    """
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        lock = os.open(os.path.join(path, "gunnet.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise StoreError(f"can't open data directory {path}: it is not a directory") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"can't open data directory {path}: {cause_of(error)}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if isinstance(error, BlockingIOError):
            raise StoreInUse(f"data directory {path} is in use by another relay") from error
        raise StoreError(f"can't lock data directory {path}: {cause_of(error)}") from error
    return lock


def open_environment(path: str, bytes_max: int) -> lmdb.Environment:
    """
    @param bytes_max: address space to ask for; a quarter of it, and so on down to 1 GiB, if it is refused.
    @raise StoreError: if it is refused even then, or if the file is cut short.
    @raise lmdb.Error: for all that LMDB finds by itself.
    """
    while True:
        try:
            environment = lmdb.open(
                path,
                map_size=bytes_max,
                mode=0o600,
                max_dbs=_TABLES_MAX,
                max_readers=_READERS_MAX,
                max_spare_txns=1,
                # Reads are of single nodes; what lies beside them on the disk is seldom asked for next.
                readahead=False,
            )
            break
        except (lmdb.MemoryError, OverflowError) as error:
            if bytes_max <= _GIB:
                raise StoreError(f"can't map {bytes_max} bytes of data directory {path}") from error
            bytes_max = max(bytes_max // 4, _GIB)
    try:
        # LMDB trusts its head page, and to touch a page behind the end of the file is to die of SIGBUS.
        # A whole file is never shorter (lmdb/verify.py says so too).
        needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        found = os.path.getsize(os.path.join(path, "data.mdb"))
        if found < needed:
            raise StoreError(f"data directory {path} is damaged: data.mdb has {found} of {needed} bytes")
        # Other programs that look in (mdb_stat) and are killed leave places in the reader table.
        environment.reader_check()
    except BaseException:
        environment.close()
        raise
    return environment


def open_tables(environment: lmdb.Environment, path: str) -> lmdb._Database:
    """
    Check the format, or write it into a new environment.

    @return: the table of cells.
    @raise StoreError: if something else is in there.
    @raise lmdb.Error: for all that LMDB finds by itself.
    """
    with environment.begin() as txn:
        tables = txn.stat()["entries"]
    if tables == 0:
        with environment.begin(write=True) as txn:
            meta = environment.open_db(b"meta", txn)
            cells = environment.open_db(b"cells", txn)
            txn.put(b"format", FORMAT, db=meta)
        _sync_names(path)
        return cells
    try:
        meta = environment.open_db(b"meta", create=False)
        cells = environment.open_db(b"cells", create=False)
    except (lmdb.NotFoundError, lmdb.IncompatibleError) as error:
        raise StoreError(f"data directory {path} holds an LMDB file that is no relay's store") from error
    with environment.begin(db=meta) as txn:
        found = txn.get(b"format", b"")
    if found != FORMAT:
        written = found.decode("ascii", "backslashreplace")
        raise StoreError(f"data directory {path} has format {written!r}, not {FORMAT.decode()!r}")
    return cells


def cause_of(error: Exception) -> str:
    """Why it failed: in the system's words, or in LMDB's without its advice to programmers."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, lmdb.MapFullError):
        return "its limit in bytes is too small"
    if isinstance(error, lmdb.Error) and error.code:
        reason = error.reason.rpartition(": ")[2]
        return f"it is damaged ({reason})" if isinstance(error, _DAMAGE) else reason
    return str(error).rstrip(".")


def _sync_names(path: str) -> None:
    """Make the names of new files last: LMDB only sees to what is in them."""
    for directory in (path, os.path.dirname(os.path.abspath(path))):
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
