"""
HAM: which of two writes to one property stands (gun.js C{src/root.js}, C{ham}).
"""

from __future__ import annotations

from enum import IntEnum

Cell = tuple[float, bytes]
"""(state in milliseconds, the value as UTF-8 JSON text exactly as JavaScript writes it)."""


class Verdict(IntEnum):
    """What becomes of an incoming write."""

    TAKE = 0
    KEEP = 1
    DEFER = 2


def decide(state: float, value: bytes, known: Cell | None, now: float) -> Verdict:
    """
    Decide between an incoming write and what is known.

    @param state: of the incoming value, in milliseconds.
    @param value: its JSON text, as L{gunnet.wire.jstext.canonical} gives it.
    @param known: what is known of the property, L{None} for nothing.
    @param now: this machine's time, milliseconds since 1970.
    @return: C{DEFER} while C{state} is later than C{now}; C{TAKE} if it is newer than what is known, or as
        old and greater as JSON text by UTF-16 code unit; else C{KEEP}.
    """
    if state > now:
        return Verdict.DEFER
    if known is None:
        return Verdict.TAKE
    if state != known[0]:
        return Verdict.TAKE if state > known[0] else Verdict.KEEP
    return Verdict.TAKE if _is_greater(value, known[1]) else Verdict.KEEP


BEGINNING = 32
"""By so many characters nearly all ties are decided."""


def beginning(value: bytes) -> str:
    """The first L{BEGINNING} characters of a value's text; all, if it is that short."""
    return value[: 4 * BEGINNING].decode("utf-8", "ignore")[:BEGINNING]


def decide_tie(ours: str, theirs: str) -> bool | None:
    """
    Decide between two values of one state by their L{beginning}s.

    @return: whether ours stands; L{None} if it can't be told, or they are the same.
    """
    if ours == theirs:
        return None
    return ours.encode("utf-16-be", "surrogatepass") > theirs.encode("utf-16-be", "surrogatepass")


def _is_greater(text: bytes, other: bytes) -> bool:
    if text == other:
        return False
    if text.isascii() and other.isascii():
        return text > other
    return text.decode("utf-8").encode("utf-16-be") > other.decode("utf-8").encode("utf-16-be")
