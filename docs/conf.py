"""
The site, with Sphinx: C{tox -e docs} builds it into C{build/site}. The pages are Markdown that also reads
well where it lies.

What only the site has is made here: names and files of gunnet become links into the reference that pydoctor
has written beforehand (C{build/site/api}), C{index.md} becomes the table of contents, and the page of changes
gets what is not released yet. Nothing is fetched.
"""

from __future__ import annotations

import re
import sys
import zlib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
sys.path.insert(0, str(CHECKOUT))

import gunnet  # noqa: E402

project = "gunnet"
version = release = gunnet.__version__
copyright = "the gunnet authors"
language = "en"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["simulation-large.md"]  # which a command leaves here
# As code hosts have it: each heading is an anchor, by the same name.
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = f"gunnet {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7db9e0", "color-brand-content": "#7db9e0"},
}
# Where a block names no language, nobody guesses one.
highlight_language = "none"

SHORT = 24
"""Characters that fit beside others on a phone."""
BY_FILE = re.compile(r"\[([\w-]+)\.md\]\((\1\.md[^)]*)\)")
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")
LISTED = re.compile(r"^- \[(.+?)\]\((.+?)\.md\)", re.M)
PAGE_FILE = re.compile(r"docs/([\w-]+)\.md$")
INVENTORY_LINE = re.compile(r"(\S+) \S+ -?\d+ (\S+) ")
"""Name, kind, priority, page: as Sphinx has it, behind four lines of text, compressed."""
PYTHON_FILE = re.compile(r"(?:gunnet/)?((?:\w+/)*\w+)\.py$")


def reference(site: Path) -> dict[str, str]:
    """
    @param site: where the site goes.
    @return: full names in gunnet, and their pages there.
    @raise ExtensionError: pydoctor has not written it.
    """
    try:
        content = (site / "api" / "objects.inv").read_bytes()
    except OSError as e:
        raise ExtensionError(f"the reference is missing, tox.ini says how pydoctor writes it: {e}") from e
    lines = zlib.decompress(content.split(b"\n", 4)[4]).decode().splitlines()
    found = (INVENTORY_LINE.match(line) for line in lines)
    return {line[1]: "api/" + line[2].replace("$", line[1]) for line in found if line}


def named(text: str, pages: dict[str, str]) -> str | None:
    """
    @param text: a name (C{gunnet.limits.Limits}, a call of one) or a file (C{mesh/relay.py}).
    @return: its page, if it has one.
    """
    page = PAGE_FILE.match(text)
    if page is not None:
        return f"{page[1]}.html"
    file = PYTHON_FILE.match(text)
    if file is not None:
        return pages.get("gunnet." + file[1].replace("/", "."))
    return pages.get(text.partition("(")[0])


class Names(SphinxPostTransform):
    """Code in running text that names something becomes a link to it; short code stays in one line."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Go through one page."""
        for literal in list(self.document.findall(nodes.literal)):
            text = literal.astext()
            if len(text) <= SHORT:
                literal["classes"].append("short")
            page = named(text, self.app.config.gunnet_pages)
            if page is not None and not isinstance(literal.parent, (nodes.reference, nodes.title)):
                link = nodes.reference("", "", refuri=page, internal=False)
                literal.replace_self(link)
                link += literal


class Pictures(SphinxPostTransform):
    """A picture leads to itself, as large as it was drawn: Sphinx has that for those with a width."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Go through one page."""
        for image in self.document.findall(nodes.image):
            image["width"] = "100%"


def unreleased() -> str:
    """What F{newsfragments} say, as Markdown."""
    kinds = {"feature": "Features", "bugfix": "Fixes", "doc": "Documentation", "removal": "Removed"}
    text = ["## Not released yet", ""]
    for kind, title in kinds.items():
        fragments = sorted((CHECKOUT / "newsfragments").glob(f"*.{kind}"))
        if fragments:
            text += [f"### {title}", ""]
        for fragment in fragments:
            said = fragment.read_text().strip()
            text += [f"Issue {fragment.stem}:", "", said, ""]
    return "\n".join(text)


def contents(index: str) -> str:
    """
    @param index: the page on which each other one stands as C{- [Title](page.md): what it is about}.
    @return: the same as tables of contents for the side of the site, one for each heading.
    """
    text = []
    for section in index.split("\n## ")[1:]:
        caption = section.partition("\n")[0]
        pages = [f"{title} <{page}>" for title, page in LISTED.findall(section)]
        text += ["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""]
    return "\n".join(text)


def reading(_app: Sphinx, page: str, content: list[str]) -> None:
    """
    Add to pages what only the site has. Of links that lead out of it, keep the text; where the text of one is
    the name of a page's file, say its title.
    """
    if page == "index":
        content[0] += "\n" + contents(content[0])
    if page == "changes":
        released = (CHECKOUT / "CHANGES.md").read_text().partition("\n")[2]
        content[0] = "\n\n".join([content[0].partition("\n")[0], unreleased(), released])
    content[0] = OUTSIDE.sub(r"\1", content[0])
    titles = {name: title for title, name in LISTED.findall((HERE / "index.md").read_text())}
    content[0] = BY_FILE.sub(lambda link: f"[{titles.get(link[1], link[1])}]({link[2]})", content[0])


def know(app: Sphinx, config: Config) -> None:
    """Read the reference. What programs take from C{gunnet} itself is there where it is made."""
    pages = reference(Path(app.outdir))
    pages |= {f"gunnet.{name}": pages[f"{module}.{name}"] for name, module in gunnet._PUBLIC.items()}
    config.gunnet_pages = pages


def setup(app: Sphinx) -> None:
    """Tell Sphinx of these."""
    app.add_config_value("gunnet_pages", {}, "env")
    app.connect("config-inited", know)
    app.connect("source-read", reading)
    app.add_post_transform(Names)
    app.add_post_transform(Pictures)
