"""
What may stand, written once more: slow and obvious, and with nothing of the firewall.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import lru_cache
from typing import Any

from gunnet import sea
from gunnet.sea.certificates import nothing_stored
from gunnet.testing import Message

Cell = tuple[float, bytes]
Graph = dict[tuple[str, str], Cell]


def is_newer(new: Cell, old: Cell | None) -> bool:
    """HAM: a later state stands, and of one state the greater text."""
    if old is None or new[0] != old[0]:
        return old is None or new[0] > old[0]
    return new[1].decode("utf-8").encode("utf-16-be") > old[1].decode("utf-8").encode("utf-16-be")


@lru_cache(50_000)
def fault_of(soul: str, key: str, state: float, written: bytes, *, signed_only: bool) -> str | None:
    """Why a value may not stand, but for its age; L{None} if it may."""
    value = json.loads(written)
    if not soul or not key or key == "_":
        return "no soul or no key"
    if isinstance(value, list) or (
        isinstance(value, dict) and not (list(value) == ["#"] and isinstance(value["#"], str) and value["#"])
    ):
        return "no value of a graph"
    if soul == "~@":
        return None if value == {"#": "~@" + key} else "not that alias"
    if soul.startswith("~@"):
        return None if value == {"#": key} else "not that account"
    if _is_owned(soul):
        try:
            sea.verify_put(soul, key, value, state, nothing_stored)
        except sea.SEAError as error:
            return f"not signed: {error}"
        return None
    if "#" in soul:
        return (
            None
            if key.split("#")[-1] in _hashes(value) or key.split("#")[-1].lower() in _hashes(value)[1:]
            else "not that content"
        )
    return "nobody's" if signed_only else None


def is_blocked(soul: str, key: str, cell: Cell, graph: Graph) -> bool:
    """Whether the owner had blocked who signed a value that may stand else."""

    def read(other_soul: str, other_key: str) -> Any:
        known = graph.get((other_soul, other_key))
        return None if known is None else json.loads(known[1])

    try:
        sea.verify_put(soul, key, json.loads(cell[1]), cell[0], read)
    except sea.NotCertified:
        return True
    except sea.SEAError:
        pass  # nobody's soul
    return False


def _is_owned(soul: str) -> bool:
    after = soul.split("~")[1] if "~" in soul else ""
    return bool(after) and re.search("[^A-Za-z0-9_-]", after) is not None


def _hashes(value: Any) -> list[str]:
    said = value if isinstance(value, str) else sea.text.json_text(value).decode("utf-8")
    digest = hashlib.sha256(sea.text.utf8(said)).digest()
    return [base64.b64encode(digest).decode("ascii"), digest.hex()]


def is_too_old(soul: str, state: float, now: float) -> bool:
    """Whether a soul with C{<?} would not take it at C{now}."""
    match = (
        re.match(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))", soul.split("<?", 1)[1]) if "<?" in soul else None
    )
    return match is not None and float(match[1]) != 0 and state < now - float(match[1]) * 1000


def cells_in(message: Message) -> list[tuple[str, str, float, bytes]]:
    """The cells of a put that the relay has said."""
    found = []
    put = message.get("put")
    for soul, node in put.items() if isinstance(put, dict) else ():
        for key, value in node.items():
            if key != "_":
                found.append((soul, key, node["_"][">"][key], json.dumps(value).encode("ascii")))
    return found
