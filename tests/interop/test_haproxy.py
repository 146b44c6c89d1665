"""
Relays behind haproxy, as C{docs/proxies.md} has it: as an HTTP proxy that ends TLS, and as a TCP proxy with
the PROXY protocol before TLS.
"""

from __future__ import annotations

from tests.interop.children import until
from tests.interop.proxies import ALICE, ListeningRelay, ProxiedCase, configuration
from tests.interop.relays import HOST, GunnetRelay, free_port

PROXIED = ("--trust-proxy", HOST, "--proxy-protocol")


class HaproxyTests(ProxiedCase):
    """haproxy in its modes."""

    @property
    def both(self) -> str:
        """The file with certificate and key."""
        return self.certificates.both

    async def tcp(self, relay: GunnetRelay, sends: str, bind_more: str = "") -> str:
        """
        Start it as a TCP proxy.

        @return: what clients dial.
        """
        port = free_port()
        config = configuration(
            "/etc/haproxy/haproxy.cfg: TCP",
            haproxy_listens=f"bind {HOST}:{port}{bind_more}",
            relay=f"{HOST}:{relay.port}",
            sends=sends,
        )
        return await self.haproxy(config, port)

    async def test_http(self) -> None:
        """It ends TLS, and clients are told apart by X-Forwarded-For."""
        relay = await self.behind("--trust-proxy", HOST)
        port = free_port()
        config = configuration(
            "/etc/haproxy/haproxy.cfg: HTTP",
            haproxy_listens=f"bind {HOST}:{port}",
            both=self.both,
            relay=f"{HOST}:{relay.port}",
        )
        await self.tells_clients_apart(await self.haproxy(config, port))
        self.assertEqual({"address_links_refused"}, await self.refusals(relay.url))

    async def test_tcp(self) -> None:
        """The relay ends TLS, and clients are told apart by the header before it."""
        tls = ("--tls-key", self.certificates.key, "--tls-cert", self.certificates.cert)
        relay = await self.behind(*PROXIED, *tls, kind=ListeningRelay)
        url = await self.tcp(relay, "send-proxy")
        await self.tells_clients_apart(url)
        # What clients say in HTTP is of no account, since they are not trusted themselves.
        self.assertEqual({"address_links_refused", "forwarded_ignored"}, await self.refusals(url))

    async def test_tcp_version_2(self) -> None:
        """The same, in version 2, with TLS in haproxy."""
        relay = await self.behind(*PROXIED, kind=ListeningRelay)
        url = await self.tcp(relay, "send-proxy-v2", f" ssl crt {self.both}")
        await self.tells_clients_apart(url)
        self.assertEqual({"address_links_refused", "forwarded_ignored"}, await self.refusals(url))

    async def test_checks(self) -> None:
        """What haproxy asks for itself comes from itself, with UNKNOWN or LOCAL, and is answered."""
        for sends in ("send-proxy", "send-proxy-v2"):
            relay = await self.behind(*PROXIED, kind=ListeningRelay)
            asks = "option httpchk\n    http-check send meth GET uri /healthz hdr Forwarded nonsense"
            url = await self.tcp(relay, f"{sends} check inter 50ms\n    {asks}", f" ssl crt {self.both}")
            counted: dict[str, int] = {}

            async def often(url: str = url, counted: dict[str, int] = counted) -> bool:
                counted.update(await self.counters(url))
                return counted.get("forwarded_malformed", 0) > 5  # so it is trusted, and understood

            await until(10, lambda: f"haproxy looks after the relay: {counted}", often)  # noqa: B023
            self.assertEqual({"forwarded_malformed"}, await self.refusals(url))

    async def test_without_proxy(self) -> None:
        """Who comes without haproxy gets no link, from an address that is trusted or not."""
        relay = await self.behind(*PROXIED, kind=ListeningRelay)
        page = await self.page()
        for host in (ALICE, HOST):
            await self.stays_out(page, relay.url, host, {})
        url = await self.tcp(relay, "send-proxy", f" ssl crt {self.both}")
        self.assertEqual({"proxies_refused", "proxy_headers_refused"}, await self.refusals(url))
        self.assertIn("refused a connection of 127.0.0.2 for the PROXY protocol", relay.report())
