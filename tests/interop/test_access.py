"""
Who may use a relay: the real gun.js at the door of relays that not everybody may use (C{docs/access.md}).
"""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from gunnet import sea
from tests.interop import node
from tests.interop.clients import MISSING, Client, Page
from tests.interop.relays import Relay
from tests.interop.scenario import Scenarios, all_ok

SECRET = "correct-horse-battery-staple"


class Access(Scenarios):
    """Relays that not everybody may use."""

    newest_only = True
    names_relays = True

    def file(self, *lines: str) -> str:
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        return path

    async def guarded(self, *options: str) -> Relay:
        """A relay with these options; C{HOST} in them is its own host."""
        relay = self.stopped_relay()
        host = urlsplit(relay.url).netloc
        relay.options = tuple(option.replace("HOST", host) for option in options)
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


class FourWays(Access):
    """The four ways to run a relay in C{docs/access.md}, with the options that it names."""

    async def outcomes(self, relay: Relay, token: str = "") -> tuple[bool, bool, bool, bool]:
        """
        @return: whether the relay lets in: a stranger; and then what it takes of whoever is in: something in
            the public space, something signed by Eve, and something signed by Alice.
        """
        page = await self.page()
        stranger = await page.client(relay.url)
        await stranger.links.until(lambda: any(state != "dial" for state, _ in stranger.links.events))
        let_in = stranger.opened() > 0
        url = f"{relay.url}?token={token}" if token else relay.url
        taken = []
        client = await self.inside(page, url)
        taken.append((await client.get("room", "title").put("hello")).err is None)
        for pair in (self.eve, self.alice):
            client = await self.inside(page, url)
            await client.do("login", pair=pair.as_dict())
            taken.append((await client.user("name").put("me")).err is None)
        return let_in, taken[0], taken[1], taken[2]

    def setUp(self) -> None:
        """Alice is on the list, and Eve is not."""
        super().setUp()
        self.alice, self.eve = sea.pair(), sea.pair()
        self.users = self.file(self.alice.pub)

    async def test_public(self) -> None:
        """Everybody may do everything, in the name of themselves."""
        relay = await self.guarded()
        self.assertEqual((True, True, True, True), await self.outcomes(relay))

    async def test_signed_only(self) -> None:
        """There is no public space."""
        relay = await self.guarded("--require-signed")
        self.assertEqual((True, False, True, True), await self.outcomes(relay))

    async def test_only_my_users(self) -> None:
        """Only those on the list may write."""
        relay = await self.guarded("--allow-pub", self.users)
        self.assertEqual((True, False, False, True), await self.outcomes(relay))

    async def test_private(self) -> None:
        """And nobody else gets in; who has a token still writes only as one of them."""
        relay = await self.guarded(
            "--allow-user", self.users, "--allow-pub", self.users, "--allow-host", "HOST"
        )
        page = await self.page()
        self.assertIsNone(await page.call("enter", url=relay.url, pair=self.eve.as_dict()))
        token = await page.call("enter", url=relay.url, pair=self.alice.as_dict())
        self.assertEqual((False, False, False, True), await self.outcomes(relay, token))

    def test_options(self) -> None:
        """The page names just these options."""
        page = (node.CHECKOUT / "docs" / "access.md").read_text("utf-8")
        for command in (
            "`gunnet relay`",
            "`gunnet relay --require-signed`",
            "`gunnet relay --allow-pub users.txt`",
            "`gunnet relay --allow-user users.txt --allow-pub users.txt --allow-host relay.example`",
        ):
            self.assertIn(command, page)


class Doors(Access):
    """Ways to get in, and a rule behind them."""

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

    async def test_rule_program(self) -> None:
        """A program decides what is stored and relayed; gun.js hears why not."""
        program = self.file(
            "import json, sys",
            "for line in sys.stdin:",
            "    put = json.loads(line)",
            "    bad = any('spam' in str(cell['value']) for cell in put['put'])",
            "    quiet = any('hush' in str(cell['value']) for cell in put['put'])",
            "    action = 'reject' if bad else 'drop' if quiet else 'accept'",
            "    said = {'id': put['id'], 'action': action, 'err': 'no spam here'}",
            "    print(json.dumps(said), flush=True)",
        )
        relay = await self.guarded("--rule-program", f"{sys.executable} {program}", "--rule-deadline", "10")
        alice, bob = await self.clients(relay, relay)
        at_bob = await bob.get("room", "title").on()
        self.assertEqual("no spam here", (await alice.get("room", "title").put("spam")).err)
        await alice.get("room", "title").tell("hush")
        await all_ok(alice.get("room", "title").put("hello"))
        await at_bob.shows("hello")
        self.assertEqual(["hello"], [seen.value for seen in at_bob.events if seen.value is not MISSING])


for scenarios in (Doors, FourWays):
    globals().update(scenarios.test_cases())
del scenarios, Access, Doors, FourWays
