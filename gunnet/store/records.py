"""
What a commit writes: each put comes this way, so it is compiled where that can be.
"""

from __future__ import annotations

from collections.abc import Sequence

from gunnet.graph.ham import Cell
from gunnet.store.layout import HEAD, PART_BYTES, SHORT, record_of, soul_base


def records_of(cells: Sequence[tuple[str, str, Cell]]) -> list[tuple[bytes, bytes]]:
    """
    The LMDB keys and records of many cells.

    @param cells: (soul, key, cell), each as for L{gunnet.store.layout.record_of}.
    """
    pack = HEAD.pack
    records = []
    soul_before: str | None = None
    base = b""
    plain = False
    for soul, key, (state, value) in cells:
        if soul != soul_before:
            base = soul_base(soul)
            plain = len(base) <= PART_BYTES + 1
            soul_before = soul
        if plain and key.isascii() and len(key) <= PART_BYTES:
            records.append((base + key.encode("ascii"), pack(SHORT, state) + value))
        else:
            records.append(record_of(soul, key, state, value))
    return records
