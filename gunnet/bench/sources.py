"""
What a load says: frames made from templates, by the batch. They have numbers of nine digits in them, and
nothing else that changes, so that all of one kind are of one length and have the same header.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from random import Random
from typing import Any, Protocol

from gunnet.bench.frames import frame

Batch = tuple[list[bytes], bytes]
"""The numbers in the ids of some messages, and their frames."""

_NUMBER = b"#########"
_NODE = b"@@@@@@@@@"
"""Nine characters each, for which a number is put in: that of the message, and that of a node."""


def digits(number: int) -> bytes:
    """A number as it stands in messages."""
    return b"%09d" % number


class Ids:
    """
    Ids of messages that no other run makes, for a relay ignores for some seconds what it has heard. All of a
    kind are of one length: gun.js makes up others by adding digits to one (C{src/root.js}).

    @ivar prefix: what all begin with; a letter for the kind and a number follow.
    """

    def __init__(self, random: Random) -> None:
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXZ"
        self.prefix = "".join(random.choice(letters) for _ in range(5))

    def of(self, kind: str) -> bytes:
        """What ids of a kind begin with."""
        return (self.prefix + kind).encode()


class Source(Protocol):
    """
    Makes the messages of one kind.

    @ivar prefix: what their ids begin with, before the number.
    """

    prefix: bytes

    def take(self, count: int) -> Batch:
        """The next messages; fewer than asked for when there are no more."""


def _template(message: dict[str, Any]) -> list[bytes]:
    """A message as a frame, cut where the number goes."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return frame(text, masked=True).split(_NUMBER)


class Numbers:
    """Counts, for several sources that share the numbers. @ivar left: so many are left."""

    def __init__(self, limit: int | None = None) -> None:
        self.taken = 0
        self._limit = 1_000_000_000 if limit is None else limit

    @property
    def left(self) -> int:
        """How many there still are."""
        return self._limit - self.taken

    def take(self, count: int) -> range:
        """The next ones."""
        first = self.taken
        self.taken = min(first + count, self._limit)
        return range(first, self.taken)


class Puts:
    """
    Puts of nodes, each with some properties.
    """

    def __init__(
        self,
        ids: Ids,
        name: str,
        numbers: Numbers,
        state: int,
        *,
        properties: int = 1,
        value_bytes: int = 32,
        nodes: Iterator[bytes] | None = None,
    ) -> None:
        """
        @param name: what the souls begin with; a C{/} and the number follow.
        @param state: of all of them. Values become greater, so that a later one of the same node stands.
        @param value_bytes: how long a value is, at least nine.
        @param nodes: the numbers of nodes that are put again, for ever; L{None} for new ones.
        """
        self.prefix = ids.of("p")
        self._numbers = numbers
        self._nodes = nodes
        number = _NUMBER.decode()
        soul = f"{name}/{number if nodes is None else _NODE.decode()}"
        value = number.rjust(value_bytes, "v")
        keys = [f"key{at}" for at in range(properties)]
        node = {"_": {"#": soul, ">": dict.fromkeys(keys, state)}, **dict.fromkeys(keys, value)}
        self._parts = _template({"#": self.prefix.decode() + number, "put": {soul: node}})

    def take(self, count: int) -> Batch:
        """See L{Source.take}."""
        parts = self._parts
        numbers = [b"%09d" % number for number in self._numbers.take(count)]
        texts = [number.join(parts) for number in numbers]
        if self._nodes is not None:
            texts = [text.replace(_NODE, node) for text, node in zip(texts, self._nodes, strict=False)]
        return numbers, b"".join(texts)


class Gets:
    """
    Gets of whole nodes.
    """

    def __init__(
        self, ids: Ids, name: str, numbers: Numbers, nodes: Iterator[bytes], kind: str = "g"
    ) -> None:
        """
        @param name: what the souls begin with, as in L{Puts}.
        @param nodes: the numbers of the nodes, for ever.
        @param kind: letter of the ids.
        """
        self.prefix = ids.of(kind)
        self._numbers = numbers
        self._nodes = nodes
        number = _NUMBER.decode()
        self._parts = _template({"#": self.prefix.decode() + number, "get": {"#": f"{name}/{number}"}})

    def take(self, count: int) -> Batch:
        """See L{Source.take}."""
        head, middle, tail = self._parts
        numbers = [b"%09d" % number for number in self._numbers.take(count)]
        nodes = islice(self._nodes, count)
        texts = [
            b"%b%b%b%b%b" % (head, n, middle, node, tail) for n, node in zip(numbers, nodes, strict=False)
        ]
        return numbers, b"".join(texts)


class Updates:
    """
    Puts of one node's properties, each in turn, with values that tell which put they are of.

    A relay may join changes of one property that come soon after one another (gun.js waits 9 ms for that), so
    there are L{KEYS} of them: each change is told then.

    @ivar value_prefix: what the values begin with, before the number.
    @ivar soul: of the node.
    """

    KEYS = 1_000

    def __init__(
        self,
        ids: Ids,
        soul: str,
        numbers: Numbers,
        clock: Callable[[], int],
        kind: str = "u",
        *,
        value_bytes: int = 0,
    ) -> None:
        """
        @param clock: for states, in milliseconds.
        @param kind: letter of the ids, and in capitals of the values.
        """
        self.prefix = ids.of(kind)
        self.value_prefix = ids.of(kind.upper())
        self.soul = soul
        self._numbers = numbers
        self._clock = clock
        value = (self.value_prefix.decode() + "%09d").ljust(value_bytes, "v")
        node = {"_": {"#": soul, ">": {"k%03d": 0}}, "k%03d": value}
        message = {"#": self.prefix.decode() + "%09d", "put": {soul: node}}
        text = json.dumps(message, separators=(",", ":"))
        text = text.replace(":0}", ":%013d}")
        size = len(text % (0, 0, 0, 0, 0))
        self._template = frame(b"x" * size, masked=True)[:-size].replace(b"%", b"%%") + text.encode()

    def take(self, count: int) -> Batch:
        """See L{Source.take}."""
        state, template, keys = self._clock(), self._template, self.KEYS
        taken = self._numbers.take(count)
        texts = [template % (n, n % keys, state, n % keys, n) for n in taken]
        return [b"%09d" % n for n in taken], b"".join(texts)


def in_turn(count: int, first: int, step: int) -> Iterator[bytes]:
    """Each C{step}-th of C{count} numbers, over and over."""
    return cycle([b"%09d" % number for number in range(first, count, step)])


def anywhere(count: int, random: Random) -> Iterator[bytes]:
    """Any of C{count} numbers."""
    while True:
        yield b"%09d" % int(random.random() * count)
