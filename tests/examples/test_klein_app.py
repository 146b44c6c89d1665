"""
C{examples/klein_app.py}: its page, and gun.js that is linked to the relay in it.
"""

from __future__ import annotations

import json

import treq
from twisted.trial.unittest import TestCase

from gunnet import Gun
from tests.examples.running import NO_KLEIN, Example
from tests.interop import node
from tests.interop.clients import Page


class KleinAppTests(TestCase):
    """The app with the gun.js that it serves."""

    timeout = 60
    skip = NO_KLEIN

    async def start(self, data: str) -> tuple[Example, str]:
        gun_js = node.kit().gun(node.GUN_VERSIONS[0])
        app = Example(self, "klein_app", "--port", "0", "--gun-js", gun_js, "--data", data)
        return app, (await app.says(r"open (http://\S+)/$"))[1]

    async def get(self, url: str) -> tuple[int, str]:
        response = await treq.get(url, persistent=False)
        return response.code, await response.text()

    async def test_page(self) -> None:
        """The page and gun.js are there, each at the place that the page names."""
        _, url = await self.start(self.mktemp())
        code, text = await self.get(f"{url}/")
        self.assertEqual(code, 200)
        self.assertIn('<script src="/gun/gun.js">', text)
        code, text = await self.get(f"{url}/gun/gun.js")
        self.assertEqual(code, 200)
        self.assertIn("Gun", text)
        code, text = await self.get(f"{url}/gun/healthz")
        self.assertEqual(code, 200)
        self.assertEqual((await self.get(f"{url}/nothing"))[0], 404)

    async def test_gun_js(self) -> None:
        """Two gun.js clients share notes through it; a third finds them after a restart."""
        data = self.mktemp()
        app, url = await self.start(data)
        page = Page(self, node.GUN_VERSIONS[0])
        page.spawn()
        await page.ready()
        one, two = [await page.client(f"{url}/gun") for _ in range(2)]
        stream = await two.get("notes", "n1").on()
        self.assertIsNone((await one.get("notes", "n1").put("milk")).err)
        await stream.shows("milk")
        self.assertEqual(json.loads((await self.get(f"{url}/notes.json"))[1]), ["milk"])
        await app.stop()
        app, url = await self.start(data)
        three = await page.client(f"{url}/gun")
        self.assertEqual(await three.get("notes", "n1").once(), "milk")
        await app.stop("TERM")

    async def test_python(self) -> None:
        """A client in Python is linked to it as well."""
        app, url = await self.start(self.mktemp())
        self.assertEqual(json.loads((await self.get(f"{url}/notes.json"))[1]), [])
        async with Gun(f"{url}/gun") as gun:
            await gun.get("notes").get("n1").put("bread", peer=True, timeout=10)
        async with Gun(f"{url}/gun") as gun:
            self.assertEqual(await gun.get("notes").get("n1"), "bread")
        self.assertEqual(json.loads((await self.get(f"{url}/notes.json"))[1]), ["bread"])
        await app.stop()
