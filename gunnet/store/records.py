"""
What a commit writes: each put comes this way, so it is compiled where that can be.
"""

from __future__ import annotations

from collections.abc import Sequence

from gunnet.graph.ham import Cell
from gunnet.store.layout import HEAD, PART_BYTES, SHORT, record_of


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
            plain = len(soul) <= PART_BYTES and soul.isascii() and "\0" not in soul
            base = soul.encode("ascii") + b"\x00" if plain else b""
            soul_before = soul
        if plain and key.isascii() and len(key) <= PART_BYTES:
            records.append((base + key.encode("ascii"), pack(SHORT, state) + value))
        else:
            records.append(record_of(soul, key, state, value))
    return records
