"""
What a kind of hostile input is, who takes part, and how honest values look.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gunnet import sea
from gunnet.limits import Limits
from gunnet.sea.firewall import UNVERIFIED
from gunnet.testing import START, Message, put
from gunnet.wire import jstext

NOW = START
STATE = NOW - 1000
"""The state of what is said, if it is none of the point."""

OK = "ok"
"""Nothing in it is news, and it is acknowledged as everything is that is known already, or too old."""

SILENCE = ""
"""No answer."""

COMPLAINT = "!"
"""Before this stands the text with which the relay complains of something that is no message."""

INVALID = "Error: Invalid graph!"
"""How all texts begin that refuse a whole put."""

_dice = Random(5)
ALICE, BOB, EVE = (sea.pair(random=_dice.randbytes) for _ in range(3))
ACCOUNT = f"~{ALICE.pub}"
SOUL = f"{ACCOUNT}/notes"
INBOX = f"{ACCOUNT}/inbox"
KEY = "note1"
VALUE = "hello"


@dataclass(frozen=True)
class Kind:
    """
    One kind of hostile input.

    @ivar name: says what is wrong with it, in its family.
    @ivar said: the frames of who means ill: messages, arrays of them, text.
    @ivar answer: the C{err} that each of C{said} gets, its beginning if that is L{INVALID}, L{OK} or
        L{SILENCE}; in any order.
    @ivar twin: what an honest one would have said in place of it, and stands; L{None} if there is nothing.
    @ivar before: what was said by honest ones before.
    @ivar good: (soul, key) of what stands nevertheless, since it was said along with it.
    @ivar asked: whether the subscriber asks for C{asked}, so that this goes to who means ill as a question;
        C{ANSWERED} in C{said} is its id.
    @ivar limits: of the relay, if they are not the usual ones.
    """

    name: str
    said: tuple[Any, ...]
    answer: str | tuple[str, ...] = UNVERIFIED
    twin: Message | None = None
    before: tuple[Message, ...] = ()
    good: tuple[tuple[str, str], ...] = ()
    asked: str | None = None
    limits: Limits | None = None


ANSWERED = "the id of the question"

Family = Callable[[], list[Kind]]


@dataclass
class Making:
    """Makes the kinds of a family that have most in common. @ivar kinds: those made so far."""

    twin: Message | None = None
    answer: str = UNVERIFIED
    soul: str = SOUL
    key: str = KEY
    state: Any = STATE
    before: tuple[Message, ...] = ()
    kinds: list[Kind] = field(default_factory=list)

    def add(self, name: str, value: Any, **other: Any) -> None:
        """
        A kind that is one property.

        @param other: C{soul}, C{key}, C{state} and what a L{Kind} has.
        """
        soul, key = other.pop("soul", self.soul), other.pop("key", self.key)
        state = other.pop("state", self.state)
        other = {"twin": self.twin, "answer": self.answer, "before": self.before, **other}
        self.kinds.append(Kind(name, (put("evil", soul, {key: value}, state),), **other))

    def say(self, name: str, *said: Any, **other: Any) -> None:
        """A kind that is some frames."""
        other = {"twin": self.twin, "answer": self.answer, "before": self.before, **other}
        self.kinds.append(Kind(name, said, **other))


def text(fields: Any) -> str:
    """JSON without spaces."""
    return jstext.stringify(fields).decode("utf-8")


def sign(
    value: Any = VALUE,
    *,
    by: sea.Pair = ALICE,
    soul: str = SOUL,
    key: str = KEY,
    state: float = STATE,
    certificate: str | None = None,
) -> str:
    """An honest signed value."""
    return sea.sign_value(soul, key, value, state, by, certificate=certificate)


def fields_of(value: str) -> dict[str, Any]:
    """The fields of a signed value."""
    fields: dict[str, Any] = json.loads(value)
    return fields


def signature_of(signed: str) -> str:
    """Its signature."""
    return str(fields_of(signed)["~"])


def having(characters: str, make: Callable[[], str]) -> str:
    """A signed value whose signature has one of C{characters}."""
    while True:
        signed = make()
        if set(characters) & set(signature_of(signed)):
            return signed


def honest(value: Any = None, *, soul: str = SOUL, key: str = KEY, state: float = STATE) -> Message:
    """A put of one value that may stand."""
    return put(
        "honest", soul, {key: value if value is not None else sign(soul=soul, key=key, state=state)}, state
    )


def souls_in(said: Sequence[Any]) -> set[str]:
    """The souls that are written to in messages, as far as that can be told."""
    found: set[str] = set()
    for each in said:
        if isinstance(each, list):
            found |= souls_in(each)
        elif isinstance(each, dict) and isinstance(each.get("put"), dict):
            found |= {soul for soul in each["put"] if soul}
    return found
