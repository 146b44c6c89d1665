"""
Relays behind nginx, which ends TLS, as C{docs/proxies.md} has it.
"""

from __future__ import annotations

import socket as sockets
import tempfile

from tests.interop.children import until
from tests.interop.clients import MISSING
from tests.interop.proxies import ALICE, MADE_UP, ProxiedCase, configuration
from tests.interop.relays import HOST, GunnetRelay, free_port
from tests.interop.scenario import all_ok

LINK_SECONDS = 20.0


def ipv6() -> bool:
    """Whether this machine has the loopback address of IPv6."""
    try:
        with sockets.socket(sockets.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


async def says(relay: GunnetRelay, *words: str) -> None:
    """Wait until a relay has logged a line with all of these in it."""

    async def said() -> bool:
        return any(all(word in line for word in words) for line in relay.report().splitlines())

    await until(LINK_SECONDS, lambda: f"{words}. {relay.report()}", said)


class NginxTests(ProxiedCase):
    """nginx with C{X-Forwarded-For} over TCP, and C{Forwarded} over a UNIX socket."""

    def block(self, name: str, port: int, **places: str) -> str:
        """A configuration with certificates."""
        cert, key = self.certificates.cert, self.certificates.key
        return configuration(name, nginx_listens=f"listen {HOST}:{port} ssl;", cert=cert, key=key, **places)

    async def test_tcp(self) -> None:
        """Clients are told apart by X-Forwarded-For."""
        relay = await self.behind("--trust-proxy", HOST)
        port = free_port()
        block = self.block("/etc/nginx/conf.d/gun.conf", port, relay=f"{HOST}:{relay.port}")
        await self.tells_clients_apart(await self.nginx(block, port))
        self.assertEqual({"address_links_refused"}, await self.refusals(relay.url))

    async def test_unix(self) -> None:
        """And by Forwarded over a UNIX socket, which has no addresses at all."""
        with tempfile.TemporaryDirectory() as folder:
            socket = f"{folder}/gun.sock"
            relay = await self.behind("--listen", f"unix:{socket}", "--trust-proxy", "unix")
            port = free_port()
            block = self.block("/etc/nginx/conf.d/gun-unix.conf", port, socket=socket)
            if ipv6():
                block = block.replace("listen ", f"listen [::1]:{port} ssl; listen ")
            await self.tells_clients_apart(await self.nginx(block, port))
            if ipv6():
                page = await self.page()
                url = f"https://[::1]:{port}/gun"
                await (await page.client(url)).linked()
                await self.stays_out(page, url, "::1", {})
            self.assertEqual({"address_links_refused"}, await self.refusals(relay.url))
            await relay.stop()

    async def test_appended(self) -> None:
        """nginx may also leave what the client said of itself in the list, and add to it."""
        relay = await self.behind("--trust-proxy", HOST)
        port = free_port()
        block = self.block("/etc/nginx/conf.d/gun.conf", port, relay=f"{HOST}:{relay.port}")
        appended = block.replace("-For $remote_addr;", "-For $proxy_add_x_forwarded_for;")
        self.assertNotEqual(block, appended)
        await self.tells_clients_apart(await self.nginx(appended, port))
        self.assertEqual({"address_links_refused"}, await self.refusals(relay.url))

    async def test_not_trusted(self) -> None:
        """A proxy that nobody trusts is one client, and what it says counts for nothing."""
        relay = await self.behind()
        port = free_port()
        block = self.block("/etc/nginx/conf.d/gun.conf", port, relay=f"{HOST}:{relay.port}")
        url = await self.nginx(block, port)
        page = await self.page()
        alice = await page.client(url, socket={"localAddress": ALICE})
        await alice.linked()
        await self.stays_out(page, url, "127.0.0.3", {})
        self.assertEqual({"address_links_refused", "forwarded_ignored"}, await self.refusals(relay.url))

    async def test_without_proxy(self) -> None:
        """Who comes without the proxy is who it is, whatever it says."""
        relay = await self.behind("--trust-proxy", HOST)
        page = await self.page()
        first = await page.client(relay.url, socket={"localAddress": ALICE, "headers": MADE_UP})
        await first.linked()
        await self.stays_out(page, relay.url, ALICE, {"X-Forwarded-For": "198.51.100.10"})

    async def test_disagreement(self) -> None:
        """If nginx leaves in what a client made up, nobody becomes somebody else: the request is refused."""
        relay = await self.behind("--trust-proxy", HOST)
        port = free_port()
        block = self.block("/etc/nginx/conf.d/gun.conf", port, relay=f"{HOST}:{relay.port}")
        block = block.replace('proxy_set_header Forwarded "";', "")
        url = await self.nginx(block, port)
        page = await self.page()
        await self.stays_out(page, url, ALICE, {"Forwarded": "for=198.51.100.9"})
        self.assertEqual({"forwarded_disagreements"}, await self.refusals(relay.url))
        alice = await page.client(url, socket={"localAddress": ALICE})
        await alice.linked()

    async def test_dialled(self) -> None:
        """
        A relay that dials nginx by HTTPS and believes its authority has one graph with the relay behind it.
        One that does not believe it has no link, and says why.
        """
        behind = GunnetRelay(self, name="behind")
        behind.options = ("--trust-proxy", HOST)
        await behind.start()
        port = free_port()
        await self.nginx(self.block("/etc/nginx/conf.d/gun.conf", port, relay=f"{HOST}:{behind.port}"), port)
        url = f"https://localhost:{port}/gun"
        page = await self.page()
        alice = await page.client(behind.url)
        await all_ok(alice.get("room", "title").put("before"))

        stranger = GunnetRelay(self, peers=(url,), name="stranger")
        await stranger.start()
        await says(stranger, f"no link to {url}", "an authority that is not believed here (--tls-ca)")

        down = GunnetRelay(self, peers=(url,), name="down")
        down.options = ("--tls-ca", self.certificates.ca)
        await down.start()
        await says(down, f"linked to {url}")
        bob = await page.client(down.url)
        at_bob = await bob.get("room", "title").on()
        await at_bob.shows("before")
        dave = await page.client(behind.url)
        at_dave = await dave.get("room", "title").on()
        await at_dave.shows("before")
        await all_ok(bob.get("room", "title").put("after"))
        await at_dave.shows("after")

        carol = await page.client(stranger.url)
        await carol.linked()
        self.assertIs(MISSING, await carol.get("room", "title").once())
        self.assertNotIn("linked to", stranger.report())
