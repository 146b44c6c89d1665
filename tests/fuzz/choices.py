"""
Bytes as choices: what a fuzzer writes and a grammar reads.

An input is a head of L{HEAD} bytes and records of L{RECORD} bytes, one for each step, so that a fuzzer that
moves bytes about moves steps. A record that says so is followed by text of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

HEAD = 4
RECORD = 24
RAW = 7
"""The first byte, modulo L{STEPS}, of a record with text after it, whose length its third and fourth say."""

STEPS = 24
RAW_MAX = 4_000

Item = TypeVar("Item")


class Choices:
    """Reads choices off bytes. When they have run out, all choices are the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """From 0 to 255."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, bound: int) -> int:
        """From 0 to C{bound} - 1, which is 255 at most."""
        return self.byte() % bound

    def of(self, items: Sequence[Item]) -> Item:
        """One of C{items}."""
        return items[self.below(len(items))]

    def one_in(self, times: int) -> bool:
        """Whether something happens that seldom does."""
        return self.below(times) == times - 1


def records(data: bytes) -> list[tuple[bytes, bytes]]:
    """The steps of an input: (record, text that follows it)."""
    found = []
    at = HEAD
    while at < len(data):
        record = data[at : at + RECORD]
        at += RECORD
        text = b""
        if record[0] % STEPS == RAW and len(record) > 3:
            size = min(record[2] << 8 | record[3], RAW_MAX)
            text = data[at : at + size]
            at += size
        found.append((record, text))
    return found


def raw(peer: int, text: bytes) -> bytes:
    """A step in which C{peer} says C{text}."""
    return bytes([RAW, peer, len(text) >> 8, len(text) & 255]).ljust(RECORD, b"\0") + text


def joined(head: bytes, steps: list[tuple[bytes, bytes]]) -> bytes:
    """An input of these steps."""
    return head.ljust(HEAD, b"\0")[:HEAD] + b"".join(
        [record.ljust(RECORD, b"\0") + text for record, text in steps]
    )


def mutated(data: bytes, dice: Random) -> bytes:
    """An input with a step more or less, or two of them in another order, or one that is made up."""
    steps = records(data)
    at = dice.randrange(len(steps) + 1)
    kind = dice.randrange(6)
    if kind == 0 and steps:
        del steps[at:][:1]
        steps = steps[:at] + steps[at + 1 :]
    elif kind == 1 and steps:
        steps.insert(at, dice.choice(steps))
    elif kind == 2 and len(steps) > 1:
        one, other = dice.sample(range(len(steps)), 2)
        steps[one], steps[other] = steps[other], steps[one]
    elif kind == 3 and steps:
        which = dice.randrange(len(steps))
        record = bytearray(steps[which][0].ljust(RECORD, b"\0"))
        record[dice.randrange(RECORD)] = dice.randrange(256)
        steps[which] = (bytes(record), steps[which][1])
    elif kind == 4:
        return joined(bytes([dice.randrange(256) for _ in range(HEAD)]), steps)
    else:
        record = bytes([dice.choice([number for number in range(256) if number % STEPS != RAW])])
        steps.insert(at, (record + dice.randbytes(RECORD - 1), b""))
    return joined(data[:HEAD], steps)
