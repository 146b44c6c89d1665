"""
Writes the table of metrics into C{seeing.md}, from what a relay says itself::

    python docs/metrics_table.py
"""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from gunnet.mesh.relay import Relay
from gunnet.seeing.metrics import registry_of
from gunnet.seeing.readiness import Readiness
from gunnet.seeing.timings import Timings
from gunnet.store.memory import MemoryStore

PAGE = Path(__file__).resolve().parent / "seeing.md"
BEGIN, END = "<!-- metrics: python docs/metrics_table.py -->", "<!-- metrics: end -->"
_LABELS = {
    "gunnet_upstream_up": ["url"],
    "gunnet_certificate_expiry_timestamp_seconds": ["certificate"],
}
"""Of series that a relay without these has none of."""


class _Store(MemoryStore):
    """One that has a file, as that of a relay has."""

    def stats(self) -> dict[str, int]:
        return {**super().stats(), "file_bytes": 0}


def table() -> str:
    """The lines of the table."""
    relay = Relay(store=_Store(1 << 20), random=Random(1))
    registry = registry_of(relay, Timings(), Readiness(relay, lambda: ()), dict)
    rows = ["| metric | what | type | labels |", "|---|---|---|---|"]
    for family in registry.collect():
        if not family.name.startswith("gunnet"):
            continue
        labels = dict.fromkeys(name for sample in family.samples for name in sample.labels if name != "le")
        if family.type == "info":
            labels = dict.fromkeys(["version", "code"])
        names = ", ".join(f"`{name}`" for name in [*labels, *_LABELS.get(family.name, ())])
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        rows.append(f"| `{family.name}{suffix}` | {family.documentation} | {family.type} | {names} |")
    return "\n".join(rows)


def page(text: str) -> str:
    """The page C{text} with the table as it is now."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{table()}\n{END}", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
