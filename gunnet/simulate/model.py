"""
What a graph should come to: GUN's rules written down once more, plainly and slowly, to compare with.

Nothing of L{gunnet.graph.ham} is used here: two that agree because they are one prove nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

Value = tuple[float, bytes]
"""(state in milliseconds, the value as JSON text)."""


def wins(state: float, text: bytes, known: Value | None) -> bool:
    """
    Whether a write replaces what is known: a later state does, and at equal states the greater text.

    @param text: the value, as JSON text.
    """
    if known is None or state > known[0]:
        return True
    if state < known[0]:
        return False
    return _units(text) > _units(known[1])


def _units(text: bytes) -> list[int]:
    """The UTF-16 code units of a value's text, as JavaScript would write it: it compares by these."""
    plain = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    wide = plain.encode("utf-16-be", "surrogatepass")
    return [wide[at] << 8 | wide[at + 1] for at in range(0, len(wide), 2)]


class Graph:
    """A graph in memory. @ivar nodes: soul to key to what stands."""

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Value]] = {}

    def write(self, soul: str, key: str, state: float, text: bytes) -> bool:
        """Take in a write. @return: whether it stands."""
        known = self.find(soul, key)
        if not wins(state, text, known):
            return False
        self.nodes.setdefault(soul, {})[key] = (state, text)
        return True

    def find(self, soul: str, key: str) -> Value | None:
        """What stands."""
        node = self.nodes.get(soul)
        return None if node is None else node.get(key)

    def cells(self) -> Iterator[tuple[str, str, Value]]:
        """All that stands."""
        for soul, node in self.nodes.items():
            for key, value in node.items():
                yield soul, key, value
