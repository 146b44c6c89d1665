"""
Who may use a relay: the real gun.js at the door of relays that not everybody may use (C{docs/access.md}).
"""

from __future__ import annotations

from gunnet import sea
from tests.interop.clients import Client, Page
from tests.interop.relays import Relay
from tests.interop.scenario import Scenarios, all_ok

SECRET = "correct-horse-battery-staple"


class Access(Scenarios):
    """Relays of which each lets in others."""

    newest_only = True
    names_relays = True

    def file(self, *lines: str) -> str:
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        return path

    async def guarded(self, *options: str) -> Relay:
        """A relay with these options."""
        relay = self.stopped_relay()
        relay.options = options
        await relay.start()
        return relay

    async def stays_out(self, page: Page, url: str) -> None:
        """Dial a relay that does not let us in."""
        client = await page.client(url)
        await client.links.until(lambda: any(state == "closed" for state, _ in client.links.events))
        self.assertEqual(0, client.opened())
        await client.close()

    async def inside(self, page: Page, url: str) -> Client:
        """Dial a relay that does."""
        client = await page.client(url)
        await client.linked()
        return client

    async def test_token(self) -> None:
        """gun.js keeps the query of a relay's address, also when it dials again."""
        relay = await self.guarded("--token-file", self.file(SECRET))
        page = await self.page()
        await self.stays_out(page, relay.url)
        await self.stays_out(page, f"{relay.url}?token=something-else-altogether")
        client = await self.inside(page, f"{relay.url}?token={SECRET}")
        await all_ok(client.get("room", "title").put("hello"))
        await client.stall()
        await relay.restart()
        await client.release()
        await client.linked(2)
        await all_ok(client.get("room", "title").put("again"))

    async def test_users(self) -> None:
        """Who owns a key on the list gets in with a token for it, after a restart of the relay too."""
        alice, eve = sea.pair(), sea.pair()
        relay = await self.guarded("--allow-user", self.file(alice.pub))
        page = await self.page()
        await self.stays_out(page, relay.url)
        self.assertIsNone(await page.call("enter", url=relay.url, pair=eve.as_dict()))
        token = await page.call("enter", url=relay.url, pair=alice.as_dict())
        client = await self.inside(page, f"{relay.url}?token={token}")
        await all_ok(client.get("room", "title").put("hello"))
        await client.stall()
        await relay.restart()
        await client.release()
        await client.linked(2)


globals().update(Access.test_cases())
del Access
