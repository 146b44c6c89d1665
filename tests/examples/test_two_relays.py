"""
C{examples/two_relays.py}, with gun.js at both of them.
"""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.examples.running import Example
from tests.interop import node
from tests.interop.clients import Page
from tests.interop.relays import free_port


class TwoRelaysTests(TestCase):
    """A client at each."""

    timeout = 60

    async def test_both(self) -> None:
        """What one is told the other tells; the rule is one relay's only."""
        port, other_port = free_port(), free_port()
        example = Example(self, "two_relays", "--port", str(port), "--other-port", str(other_port))
        await example.says(f"http://127.0.0.1:{other_port}/gun")
        page = Page(self, node.GUN_VERSIONS[0])
        page.spawn()
        await page.ready()
        polite = await page.client(f"http://127.0.0.1:{port}/gun")
        other = await page.client(f"http://127.0.0.1:{other_port}/gun")
        stream = await other.get("room", "title").on()
        self.assertIsNone((await polite.get("room", "title").put("hello")).err)
        await stream.shows("hello")
        self.assertEqual((await polite.get("room", "title").put("darn it")).err, "not in this house")
        self.assertIsNone((await other.get("room", "other").put("darn it")).err)
        await example.stop()
