"""
C{docs/quickstart.md}: its pages and its rule do what it says, as they are printed there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.browser import Browser, Page
from tests.interop.relays import HOST, GunnetRelay

PAGE = node.CHECKOUT / "docs" / "quickstart.md"
SAY = "say.value = text; say.onchange()"
SAID = """
    const end = Date.now() + 15000, there = () => [...said.children].map(li => li.textContent);
    while (!there().includes(text) && Date.now() < end) await new Promise(wake => setTimeout(wake, 20));
    return there()
"""
SHOWN = """
    const end = Date.now() + 20000;
    while (!shown.textContent && Date.now() < end) await new Promise(wake => setTimeout(wake, 20));
    return shown.textContent
"""


def blocks(language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


class RuledRelay(GunnetRelay):
    """A relay that finds C{rules.py} of the page."""

    rules = ""

    def environment(self) -> dict[str, str]:
        """See L{GunnetRelay.environment}."""
        said = super().environment()
        return {**said, "PYTHONPATH": os.pathsep.join([self.rules, said["PYTHONPATH"]])}


class QuickstartTests(TestCase):
    """The page, read from top to bottom."""

    timeout = 180

    async def begin(self) -> None:
        """The relay, and a browser."""
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        (rules,) = [code for code in blocks("python") if "def rule" in code]
        (self.folder / "rules.py").write_text(rules)
        self.relay = RuledRelay(self)
        self.relay.rules = str(self.folder)
        self.relay.options = ("--gun-js", node.kit().gun(node.GUN_VERSIONS[0]), "--rule", "rules:rule")
        self.browser = Browser(self)
        await self.browser.open()
        await self.relay.start()

    async def open(self, html: str) -> Page:
        """One of the page's files, in a browser that knows nothing yet."""
        file = self.folder / "index.html"
        file.write_text(html.replace("localhost:8765", f"{HOST}:{self.relay.port}"))
        page = await self.browser.page()
        await page.go(file.as_uri())
        return page

    async def test_room(self) -> None:
        """Two browsers hear each other; a third one has it after a restart; who shouts is not heard."""
        await self.begin()
        room = blocks("html")[0]
        one, other = await self.open(room), await self.open(room)
        await one.run(SAY, text="hello")
        self.assertEqual(await other.run(SAID, text="hello"), ["hello"])
        await other.run(SAY, text="and back")
        self.assertIn("and back", await one.run(SAID, text="and back"))
        await one.run(SAY, text="HELLO")
        await self.relay.restart()
        third = await self.open(room)
        await third.run(SAID, text="hello")
        self.assertEqual(sorted(await third.run(SAID, text="and back")), ["and back", "hello"])
        await self.relay.stop()

    async def test_account(self) -> None:
        """The first browser creates the account, the second one logs in to the same."""
        await self.begin()
        profile = blocks("html")[1]
        first = await (await self.open(profile)).run(SHOWN)
        self.assertRegex(first, r"^Alice is [\w-]{43}\.[\w-]{43}$")
        self.assertEqual(await (await self.open(profile)).run(SHOWN), first)
        await self.relay.stop()

    def test_python(self) -> None:
        """What is printed about SEA runs."""
        (example,) = [code for code in blocks("python") if "import sea" in code]
        exec(
            compile(example, str(PAGE), "exec"),
            {"print": lambda node: self.assertEqual(node, {"name": "Alice"})},
        )
