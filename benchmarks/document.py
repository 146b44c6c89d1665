"""
Puts what was measured into a document, between two marks, so that what people write around it stays.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from tests.interop import node

DOCS = node.CHECKOUT / "docs"


def parser(name: str, about: str | None, output: Path | None = DOCS) -> argparse.ArgumentParser:
    """
    What a benchmark's command line begins with.

    @param output: the folder where the document is, unless C{--output} says another.
    """
    made = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter, prog=f"benchmarks.{name}"
    )
    made.add_argument("--output", type=Path, default=output, help="folder for performance.md and the plots")
    return made


def write(folder: Path, name: str, part: str, title: str, lines: Sequence[str]) -> None:
    """
    Write one part of a document anew.

    @param part: between whose marks; if the document has none, they are appended with a heading.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    text = path.read_text("utf-8") if path.exists() else "# Performance\n"
    begin, end = f"<!-- {part}: written by the benchmark -->", f"<!-- {part}: end -->"
    block = "\n".join([begin, *lines, end])
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: block, text)
    else:
        text = text.rstrip("\n") + f"\n\n## {title}\n\n{block}\n"
    path.write_text(text, "utf-8")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    marks = ["---", *(["---:"] * (len(heads) - 1))]
    return ["| " + " | ".join(row) + " |" for row in (heads, marks, *rows)]


def short(value: float) -> str:
    """A number with three figures that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
