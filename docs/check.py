"""
Looks through the built site: each link inside of it must lead to a page, and to an anchor of that page, that
exist; and nothing that a page needs may come from elsewhere.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

NEEDED = {
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("object", "data"),
    ("source", "src"),
}
"""What a browser loads by itself."""


class Page(HTMLParser):
    """The anchors of a page, where it leads, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.needs: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if not value:
                continue
            if name == "id" or (tag, name) == ("a", "name"):
                self.anchors.add(value)
            elif (tag, name) in NEEDED and dict(attrs).get("rel") != "canonical":
                self.needs.append(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)


def faults(site: Path) -> list[str]:
    """
    @param site: the folder.
    @return: one line for each.
    """
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        where = path.relative_to(site)
        found += [f"{where}: loads {url}" for url in page.needs if urlsplit(url).netloc]
        for url in {*page.links, *page.needs}:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{where}: {url} does not exist")
            elif target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{where}: {url} has no such anchor")
    return found


def main(folder: str) -> None:
    """Print what is wrong; then the status is 1."""
    found = faults(Path(folder).resolve())
    print("\n".join(found) if found else "every link leads somewhere, and nothing comes from elsewhere")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main(sys.argv[1])
