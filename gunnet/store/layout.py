"""
How a cell becomes one LMDB record, so that records sort as their names do::

    key    = soul part, 0x00, key part
    record = kind (1 byte), state (8 bytes, big-endian double), [names], value (JSON text)
    names  = size of the soul (4 bytes), soul, size of the key (4 bytes), key

A part is the name's L{order_key}; in soul parts 0x00 is written 00 FF, which keeps the order and leaves a
bare 0x00 as the end (FoundationDB's tuple layer writes strings so). An order key has no byte above 0xEF.

LMDB keys have at most 511 bytes and names have thousands. A part of more than L{PART_BYTES} becomes its
head (L{head_of}), 0xFE and a hash; the record then carries both names in full (L{LONG}). So the cells of one
soul always lie together, and raw order is name order except among names with the same head. Whoever scans
puts such a run of names in order by L{in_order}.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from hashlib import blake2b
from struct import Struct

from gunnet.graph.lex import Span
from gunnet.wire.jstext import order_key

PART_BYTES = 240
"""The longest part that is kept as it is: two of them and the 0x00 are within LMDB's 511 bytes."""

HEAD_BYTES = 208
"""What is kept of a longer one: with 0xFE and 32 digits of hash it is one byte longer than L{PART_BYTES}."""

RUN_NAMES = 4_096
"""How many names of one run L{in_order} holds in memory at a time."""

SHORT = 0
LONG = 1

AFTER = b"\xff"
"""Higher than any order key and any rest of one."""

NEXT_SOUL = b"\x00\xff"
"""
Behind a soul part: above all its cells (no key part starts with 0xFF) and at most the next soul, which may be
the same soul with U+0000 and more behind it.
"""

HEAD = Struct(">Bd")
HEAD_SIZE = HEAD.size
STATE = Struct(">d").unpack_from
_SIZE = Struct(">I")


def bounds(span: Span) -> tuple[bytes, bytes]:
    """
    The order keys in C{span} as a half-open range: C{low <= order_key(name) < high}. It is empty if
    C{low >= high}.
    """
    prefix = order_key(span.prefix)
    low, high = prefix, prefix + AFTER
    if span.first is not None:
        low = max(low, order_key(span.first))
    if span.last is not None:
        high = min(high, order_key(span.last) + b"\x00")
    return low, high


def escaped(units: bytes) -> bytes:
    """An order key as it stands in a soul part."""
    return units.replace(b"\x00", b"\x00\xff") if b"\x00" in units else units


def unescaped(part: bytes) -> bytes:
    """The order key of a soul part without a hash."""
    return part.replace(b"\x00\xff", b"\x00") if b"\x00" in part else part


def head_of(part: bytes) -> bytes:
    """
    The first L{HEAD_BYTES} of a part of at least as many, and one more where the cut would split 00 FF: a
    bare 0x00 would end the soul part. Equal heads of short and of hashed parts make one run.
    """
    if part[HEAD_BYTES - 1 : HEAD_BYTES + 1] == b"\x00\xff":
        return part[: HEAD_BYTES + 1]
    return part[:HEAD_BYTES]


def shortened(units: bytes) -> bytes:
    """An order key, already L{escaped} where that is due, as a part."""
    if len(units) <= PART_BYTES:
        return units
    return head_of(units) + b"\xfe" + blake2b(units, digest_size=16).hexdigest().encode("ascii")


def soul_base(soul: str) -> bytes:
    """What the keys of all cells of C{soul} start with."""
    if len(soul) <= PART_BYTES and soul.isascii() and "\0" not in soul:
        return soul.encode("ascii") + b"\x00"
    return shortened(escaped(order_key(soul))) + b"\x00"


def soul_part(raw: bytes) -> bytes:
    """The soul part of a whole LMDB key."""
    end = raw.index(0)
    while raw[end + 1 : end + 2] == AFTER:
        end = raw.index(0, end + 2)
    return raw[:end]


def floor(low: bytes) -> bytes:
    """
    Where a scan of parts starts so that it meets each run that holds names from C{low} on; never longer
    than a part.
    """
    return low if len(low) < HEAD_BYTES else head_of(low)


def ceiling(high: bytes) -> bytes:
    """
    Where a scan of parts ends so that it meets each run that holds names below C{high}; never longer than a
    part.
    """
    return high if len(high) < HEAD_BYTES else head_of(high) + AFTER


def record_of(soul: str, key: str, state: float, value: bytes) -> tuple[bytes, bytes]:
    """
    The LMDB key and record of one cell.

    @param state: milliseconds.
    @param value: JSON text, UTF-8.
    """
    soul_units, key_units = order_key(soul), order_key(key)
    soul_whole = escaped(soul_units)
    raw = shortened(soul_whole) + b"\x00" + shortened(key_units)
    if len(soul_whole) <= PART_BYTES and len(key_units) <= PART_BYTES:
        return raw, HEAD.pack(SHORT, state) + value
    sizes = _SIZE.pack(len(soul_units)), _SIZE.pack(len(key_units))
    return raw, b"".join((HEAD.pack(LONG, state), sizes[0], soul_units, sizes[1], key_units, value))


def opened(record: bytes) -> tuple[bytes, bytes, int]:
    """The order keys of soul and key in a record of kind L{LONG}, and where its value begins."""
    soul_at = HEAD.size + _SIZE.size
    soul_end = soul_at + int(_SIZE.unpack_from(record, HEAD.size)[0])
    key_at = soul_end + _SIZE.size
    key_end = key_at + int(_SIZE.unpack_from(record, soul_end)[0])
    return record[soul_at:soul_end], record[key_at:key_end], key_end


def in_order(names: Callable[[], Iterator[bytes]], *, reverse: bool) -> Iterator[bytes]:
    """
    What C{names()} gives, sorted. It is called again for every L{RUN_NAMES} of them, so that a run of any
    length costs time and not memory.
    """
    last: bytes | None = None
    while True:
        left = _beyond(names(), last, reverse)
        some = heapq.nlargest(RUN_NAMES, left) if reverse else heapq.nsmallest(RUN_NAMES, left)
        yield from some
        if len(some) < RUN_NAMES:
            return
        last = some[-1]


def _beyond(names: Iterator[bytes], last: bytes | None, reverse: bool) -> Iterator[bytes]:
    if last is None:
        return names
    return (name for name in names if (name < last if reverse else name > last))
