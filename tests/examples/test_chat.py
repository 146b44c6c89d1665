"""
C{examples/chat.py}: people in terminals, and one in a browser.
"""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.examples.running import Example
from tests.interop import node
from tests.interop.clients import Page
from tests.interop.relays import free_port


class ChatTests(TestCase):
    """Alice, Bob and others in a room."""

    timeout = 90

    async def test_room(self) -> None:
        """They read each other, who comes later reads what was said, and gun.js takes part."""
        port = free_port()
        url = f"http://127.0.0.1:{port}/gun"
        relay = Example(self, "chat", "relay", "--port", str(port))
        await relay.says(f"relay at {url}$")
        alice = Example(self, "chat", "join", url, "--room", "hall", "--name", "alice")
        bob = Example(self, "chat", "join", url, "--room", "hall", "--name", "bob")
        await alice.says("in hall as alice")
        await bob.says("in hall as bob")
        alice.write("hello \N{GREEK SMALL LETTER PI}")
        await bob.says("^alice: hello \N{GREEK SMALL LETTER PI}$")
        bob.write("hi there")
        await alice.says("^bob: hi there$")
        page = Page(self, node.GUN_VERSIONS[0])
        page.spawn()
        await page.ready()
        browser = await page.client(url)
        self.assertIsNone(
            (await browser.get("chat/hall").set({"who": "eve", "what": "from a page", "when": 5})).err
        )
        await alice.says("^eve: from a page$")
        self.assertIsNone((await browser.get("chat/hall").set({"what": 1})).err)  # is no message
        alice.child.transport.closeStdin()
        self.assertEqual(await alice.child.ended(), 0, alice.report())
        carol = Example(self, "chat", "join", url, "--room", "hall", "--name", "carol")
        await carol.says("in hall as carol")
        await carol.says("^alice: hello")
        said = [line for line in carol.lines if ": " in line]
        self.assertEqual(
            said, ["eve: from a page", "alice: hello \N{GREEK SMALL LETTER PI}", "bob: hi there"]
        )
        self.assertEqual([line for line in bob.lines if line in said].count(said[1]), 1)
        await carol.stop()
        await bob.stop("TERM")
        await relay.stop()
