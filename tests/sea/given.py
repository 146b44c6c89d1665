"""
What the tests of SEA are given: the recorded pairs, and values of every wrong type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from gunnet import sea
from tests.wire.javascript import VECTORS, json_text, json_values, texts

RECORDED: dict[str, Any] = VECTORS["sea"]
ALICE = sea.Pair.of(RECORDED["pairs"]["alice"])
BOB = sea.Pair.of(RECORDED["pairs"]["bob"])
MINE = f"~{ALICE.pub}"
"""Alice's own soul."""
T = 1_795_374_119_540.001

ANYTHING: st.SearchStrategy[Any] = (
    json_values(6)
    | st.binary(max_size=4)
    | st.sampled_from(
        [object(), (), float("nan"), float("inf"), 10**400, {1: 2}, [set()], ALICE, "SEA{", "SEA{}"]
    )
    | st.builds(lambda value: {"m": value, "s": "AAAA"}, json_values(3))
    | st.fixed_dictionaries(
        {}, optional={name: json_values(2) for name in ("m", "s", "ct", "iv", "pub", "epub")}
    )
)
"""What somebody may pass in who does not read the documentation, or wants to do harm."""

KEY_TEXTS = texts() | st.sampled_from(
    [ALICE.pub, ALICE.pub + ".x", ALICE.pub[:-1], "." * 87, "A" * 43 + "." + "A" * 43]
)


def alike(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same to JavaScript, in whatever order their names are."""
    return json_text(left, sort=True) == json_text(right, sort=True)


class Counting:
    """Random bytes that are the same each time."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed
        self._calls = 0

    def __call__(self, count: int) -> bytes:
        """C{count} bytes."""
        self._calls += 1
        return hashlib.shake_128(f"{self._seed} {self._calls}".encode()).digest(count)


def attempt(*calls: Callable[[], object]) -> None:
    """Call each of them, which may refuse what it is given with L{sea.SEAError}, and with nothing else."""
    for call in calls:
        with suppress(sea.SEAError):
            call()


def flipped(text: str, at: int) -> str:
    """C{text} with another letter in one place."""
    return text[:at] + ("B" if text[at] == "A" else "A") + text[at + 1 :]
