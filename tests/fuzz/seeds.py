"""
What fuzzing begins with: conversations recorded of gun.js, the corpus of hostile input, and some made up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from gunnet.wire import jstext
from tests.fuzz.choices import HEAD, RAW, RAW_MAX, RECORD, STEPS, raw
from tests.hostile.corpus import FAMILIES, kinds

FRAMES = Path(__file__).resolve().parent.parent / "frames"
MADE_UP = 100
_WAIT = bytes([18, 0, 4]).ljust(RECORD, b"\0")


def seeds() -> Iterator[bytes]:
    """All inputs to begin with."""
    for path in sorted(FRAMES.glob("*.json")):
        yield bytes([0, ".noaxe" in path.name, 0, 0]) + _recorded(path)
    for number, family in enumerate(FAMILIES):
        frames = [_frame(said) for kind in kinds(family) for said in (*kind.said, kind.twin) if said]
        short = [frame for frame in frames if len(frame) <= RAW_MAX]
        for at in range(0, len(short), 8):
            head = bytes([at // 8 % 2, number % 2, 0, 0])
            yield head + b"".join([raw(which, frame) for which, frame in enumerate(short[at : at + 8])])
    dice = Random(1)
    kinds_of_steps = [kind for kind in range(STEPS) if kind != RAW]
    for _ in range(MADE_UP):
        steps = [bytes([dice.choice(kinds_of_steps)]) + dice.randbytes(RECORD - 1) for _ in range(12)]
        yield dice.randbytes(HEAD) + b"".join(steps)


def _recorded(path: Path) -> bytes:
    names: list[str] = []
    steps = []
    for event in json.loads(path.read_text("utf-8"))["frames"]:
        if event.get("dir") == ">" and isinstance(event.get("raw"), str):
            if event["who"] not in names:
                names.append(event["who"])
            frame = event["raw"].encode("utf-8", "replace")
            if len(frame) <= RAW_MAX:
                steps.append(raw(names.index(event["who"]) % 4, frame))
    return b"".join(steps[:30]) + _WAIT


def _frame(said: object) -> bytes:
    if isinstance(said, str):
        return said.encode("utf-8", "replace")
    return jstext.stringify(said)
