"""
Relays that run in the process of the tests, on real sockets and with stores on the disk, and gun.js.
"""

from __future__ import annotations

from random import SystemRandom
from typing import Any

from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from gunnet import GunResource, RelayService, Settings
from tests.interop import node
from tests.interop.children import until
from tests.interop.clients import Page
from tests.interop.relays import HOST, free_port


class TwoRelaysTests(TestCase):
    """One listens by itself, the other is mounted in a site and dials the first."""

    timeout = 60

    async def setUp(self) -> None:
        self.port = free_port()
        self.services = MultiService()
        self.east = self.relay(listen=(f"tcp:{self.port}:interface={HOST}",))
        self.west = self.relay(peers=(f"ws://{HOST}:{self.port}/gun",))
        self.services.startService()
        self.addCleanup(self.services.stopService)
        root = Resource()
        root.putChild(b"west", GunResource(self.west))
        site: Any = await TCP4ServerEndpoint(reactor, 0, interface=HOST).listen(Site(root))
        self.addCleanup(site.stopListening)
        page = Page(self, node.versions()[0])
        page.spawn()
        await page.ready()
        self.eastern = await page.client(f"http://{HOST}:{self.port}/gun")
        self.western = await page.client(f"http://{HOST}:{site.getHost().port}/west")
        await self.eastern.linked()
        await self.western.linked()

    def relay(self, **fields: Any) -> RelayService:
        settings = Settings(**{"listen": (), "data": self.mktemp(), **fields})
        relay = RelayService(settings, reactor, SystemRandom())
        relay.setServiceParent(self.services)
        return relay

    async def has(self, relay: RelayService, soul: str, key: str) -> None:
        async def there() -> bool:
            relay.store.refresh()
            return relay.store.cell(soul, key) is not None

        await until(10, f"{soul}/{key} is there", there)

    async def test_linked(self) -> None:
        """What is put at one is told at the other, and in both stores."""
        stream = await self.western.get("room", "title").on()
        self.assertIsNone((await self.eastern.get("room", "title").put("hello")).err)
        await stream.shows("hello")
        await self.has(self.east, "room", "title")
        await self.has(self.west, "room", "title")

    async def test_one_at_a_time(self) -> None:
        """One stops, the other goes on; when the first runs again it gets what it missed."""
        await self.east.stopService()
        self.assertIsNone((await self.western.get("room", "a").put("while away")).err)
        self.east.startService()
        await self.has(self.east, "room", "a")
        await self.eastern.linked(2)
        self.assertEqual(await self.eastern.get("room", "a").once(), "while away")
        await self.west.stopService()
        self.assertIsNone((await self.eastern.get("room", "b").put("still here")).err)
        self.west.startService()
        await self.has(self.west, "room", "b")
