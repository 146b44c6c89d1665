"""
The pages (F{README.md}, F{docs}): their links lead somewhere, and what they name is there. C{tox -e docs}
builds the site of them, and looks at its links too.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gunnet.tap import Options

CHECKOUT = Path(__file__).resolve().parent.parent
LEFT_OUT = {"simulation-large.md"}
"""Not a page: C{gunnet simulate --large} writes it."""
DOCS = sorted(page for page in (CHECKOUT / "docs").glob("*.md") if page.name not in LEFT_OUT)
PAGES = [CHECKOUT / "README.md", *DOCS]
SOURCES = sorted(
    file
    for folder in ("gunnet", "tests", "benchmarks", "examples", "docs")
    for file in (CHECKOUT / folder).rglob("*.py")
)

OTHERS_OPTIONS = {
    "--ignore-scripts": "npm",
    "--log-format": "twist",
    "--max-old-space-size": "Node",
    "--omit-lockfile-registry-resolved": "npm",
    "--package-lock-only": "npm",
    "--uid": "twistd",
}
OTHERS_NAMES = {
    "epoll_wait": "Linux",
    "mdb_copy": "LMDB",
    "proxy_read_timeout": "nginx",
    "python_info": "prometheus-client",
}
READERS_FILES = {"room.py", "rules.py"}
"""What examples have the reader write."""


def text(page: Path) -> str:
    """A page without its blocks of code, of either kind."""
    said = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<=\n\n)(?: {4}.*\n)+", "", said)


def anchors(page: Path) -> set[str]:
    """The anchors that code hosts and MyST make of headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", text(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def names(pattern: str) -> Iterator[tuple[str, str]]:
    """What stands as code in running text and fits, with its page."""
    for page in PAGES:
        for code in re.findall(r"`([^`\n]+)`", text(page)):
            for name in re.findall(pattern, code):
                yield name, page.name


class LinkTests(SynchronousTestCase):
    """Links within the pages."""

    def test_lead_somewhere(self) -> None:
        """Each file exists, and each anchor."""
        lost, links = [], 0
        for page in PAGES:
            for link in re.findall(r"\]\(([^)\s]+)\)", text(page)):
                path, _, anchor = link.partition("#")
                if ":" in path:
                    continue
                links += 1
                target = (page.parent / path).resolve() if path else page
                if not target.exists() or (anchor and anchor not in anchors(target)):
                    lost.append(f"{page.name}: {link}")
        self.assertEqual(lost, [])
        self.assertGreater(links, 100)

    def test_listed(self) -> None:
        """Each page is listed, in the index of the site (which makes its contents of it) and in README."""
        index, readme = (file.read_text("utf-8") for file in (CHECKOUT / "docs" / "index.md", PAGES[0]))
        for page in DOCS:
            if page.stem == "index":
                continue
            self.assertRegex(index, rf"(?m)^- \[.+\]\({page.name}\): .")
            if page.stem not in ("api", "changes"):
                self.assertTrue(f"[docs/{page.name}](docs/{page.name})" in readme, f"{page.name} in README")


class NameTests(SynchronousTestCase):
    """What the pages name."""

    def test_readme_has_each_option(self) -> None:
        """Each option of the command line is in README's table."""
        table = "".join(line for line in PAGES[0].read_text("utf-8").splitlines() if line.startswith("| `--"))
        listed = set(re.findall(r"--[a-z][a-z-]*[a-z]", table))
        options = {f"--{name.rstrip('=')}" for name in Options().longOpt} - {"--help", "--version"}
        self.assertEqual(options, listed)

    def test_options(self) -> None:
        """Each option that is named is one of a command of ours, or known to be another's."""
        code = "".join(file.read_text("utf-8") for file in SOURCES)
        unknown = {
            (option, page)
            for option, page in names(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w-])")
            if option not in OTHERS_OPTIONS
            and f'"{option[2:]}"' not in code
            and f'"{option}"' not in code
            and f"def opt_{option[2:].replace('-', '_')}(" not in code
        }
        self.assertEqual(unknown, set())

    def test_names(self) -> None:
        """
        Counters, limits, fields and functions are in the code by the name that a page gives them. (Names of
        metrics, C{gunnet_…}, are put together of these.)
        """
        words = {word for file in SOURCES for word in re.findall(r"\w+", file.read_text("utf-8"))}
        named = set(names(r"^(?!gunnet_)[a-z]+(?:_[a-z0-9]+)+$"))
        self.assertGreater(len(named), 100)
        self.assertEqual(
            {(name, page) for name, page in named if name not in words | set(OTHERS_NAMES)}, set()
        )

    def test_files(self) -> None:
        """Files of ours exist."""
        ours = [f"/{file.relative_to(CHECKOUT)}" for file in [*SOURCES, *PAGES, CHECKOUT / "setup.py"]]
        missing = {
            (name, page)
            for name, page in names(r"^[\w/.-]+\.py$|^docs/[\w-]+\.md$")
            if name not in READERS_FILES and not any(file.endswith(f"/{name}") for file in ours)
        }
        self.assertEqual(missing, set())

    def test_dotted_names(self) -> None:
        """Modules, classes and functions can be imported."""
        missing = []
        for name, page in names(r"^(?:gunnet|tests|benchmarks)(?:\.\w+)+$"):
            parts = name.split(".")
            found: object = None
            for end in range(len(parts), 0, -1):
                try:
                    found = importlib.import_module(".".join(parts[:end]))
                except ImportError:
                    continue
                break
            for part in parts[end:]:
                found = getattr(found, part, None)
            if found is None:
                missing.append((name, page))
        self.assertEqual(missing, [])
