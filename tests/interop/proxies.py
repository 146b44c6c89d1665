"""
Proxies in front of relays: nginx and haproxy of Debian, with the configurations of C{docs/proxies.md}, and a
private authority for their certificates.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.children import Child, until
from tests.interop.clients import Client, Page
from tests.interop.relays import HOST, GunnetRelay
from tests.interop.scenario import Scenarios, all_ok

READY_SECONDS_MAX = 20.0
PAGE = node.CHECKOUT / "docs" / "proxies.md"
HOW_TO_ENABLE = "To run them on Debian, `apt-get install nginx-light haproxy`."

ALICE, BOB, CAROL = "127.0.0.2", "127.0.0.3", "127.0.0.4"
"""Where clients come from; the proxies are at L{HOST}, where no client may be if the proxies are trusted."""
MADE_UP = {"X-Forwarded-For": "198.51.100.9"}
MADE_UP_TOO = {"Forwarded": "for=198.51.100.9"}

NGINX = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {block}
}}
"""
"""What is around C{/etc/nginx/conf.d}, for one process of whoever runs the tests."""


def configuration(name: str, **places: str) -> str:
    """
    A configuration out of the documentation.

    @param name: what stands in its first line.
    @param places: what is different here: by the name of one of L{_PLACES}.
    """
    page = PAGE.read_text("utf-8")
    found = re.search(rf"^```\w+\n# {re.escape(name)}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    if found is None:
        raise AssertionError(f"{PAGE} has no configuration {name!r}")
    text = found[1]
    for place, here in places.items():
        if _PLACES[place] not in text:
            raise AssertionError(f"{name} has no {_PLACES[place]!r}")
        text = text.replace(_PLACES[place], here)
    return text


_PLACES = {
    "nginx_listens": "listen 443 ssl;",
    "haproxy_listens": "bind :443",
    "relay": "127.0.0.1:8765",
    "socket": "/run/gunnet/gun.sock",
    "cert": "/etc/ssl/relay.example.pem",
    "key": "/etc/ssl/relay.example.key",
    "both": "/etc/ssl/relay.example-with-key.pem",
    "sends": "send-proxy",
}


class Certificates:
    """
    A private authority, and what it gave a server at L{HOST}.

    @ivar ca: its certificate (PEM file), and so on.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.ca, self.cert, self.key, self.both = (
            str(folder / name) for name in ("ca.pem", "relay.pem", "relay.key", "both.pem")
        )
        ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gunnet tests")])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay.example")])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        ca = self._builder(ca_name, ca_name, ca_key).add_extension(basic, critical=True)
        addresses = [x509.IPAddress(ip_address(host)) for host in (HOST, "::1")]
        hosts = [x509.DNSName(host) for host in ("relay.example", "localhost")]
        names = x509.SubjectAlternativeName([*hosts, *addresses])
        own = self._builder(name, ca_name, key).add_extension(names, critical=False)
        Path(self.ca).write_bytes(self._signed(ca, ca_key))
        Path(self.cert).write_bytes(self._signed(own, ca_key))
        pem = serialization.PrivateFormat.PKCS8
        Path(self.key).write_bytes(
            key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption())
        )
        Path(self.both).write_bytes(Path(self.cert).read_bytes() + Path(self.key).read_bytes())

    @staticmethod
    def _builder(
        name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    @staticmethod
    def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class ListeningRelay(GunnetRelay):
    """A relay that does not speak plain HTTP on its port: it is well when it listens."""

    async def is_well(self) -> bool:
        """See L{Relay.is_well}."""
        return await listens(self.port)


async def listens(port: int) -> bool:
    """Whether somebody listens on a port of the loopback address."""
    try:
        probe = await connectProtocol(TCP4ClientEndpoint(reactor, HOST, port), Protocol())
    except ConnectError:
        return False
    assert probe.transport is not None
    probe.transport.abortConnection()
    return True


class ProxiedCase(Scenarios, TestCase):
    """A relay behind a proxy, and gun.js clients from several addresses."""

    version = node.versions()[0]
    axe = True
    names_relays = True

    def setUp(self) -> None:
        """Make certificates."""
        self.folder = Path(self.mktemp()).resolve()
        self.certificates = Certificates(self.folder)
        super().setUp()

    def _spawn(self) -> Page:
        page = Page(self, self.version, env={"NODE_EXTRA_CA_CERTS": self.certificates.ca})
        page.spawn()
        return page

    async def behind(self, *options: str, kind: type[GunnetRelay] = GunnetRelay) -> GunnetRelay:
        """A relay with these options that lets each address have one link."""
        relay = kind(self)
        relay.options = ("--address-links", "1", *options)
        await relay.start()
        return relay

    async def nginx(self, block: str, port: int) -> str:
        """
        Start nginx.

        @return: what clients dial.
        """
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(block=block), "utf-8")
        await self.proxy("nginx", port, "-p", str(self.folder), "-e", "stderr", "-c", str(config))
        return f"https://{HOST}:{port}/gun"

    async def haproxy(self, config: str, port: int) -> str:
        """
        Start haproxy.

        @return: what clients dial.
        """
        file = self.folder / "haproxy.cfg"
        file.write_text(config, "utf-8")
        await self.proxy("haproxy", port, "-db", "-f", str(file))
        return f"https://{HOST}:{port}/gun"

    async def proxy(self, program: str, port: int, *arguments: str) -> None:
        """Start a proxy, and wait until it listens."""
        found = shutil.which(program)
        if found is None:
            raise node.unavailable(f"no {program} was found", HOW_TO_ENABLE)
        child = Child(program)
        child.start(self, [found, *arguments], os.environ)

        async def ready() -> bool:
            if child.status is not None:
                raise AssertionError(f"{program} ended while starting. {child.report()}")
            return await listens(port)

        await until(READY_SECONDS_MAX, lambda: f"{program} listens. {child.report()}", ready)

    async def counters(self, url: str) -> dict[str, int]:
        """
        @param url: the address of a relay, or of what is in front of it.
        @return: what the relay has counted.
        """

        def ask() -> Any:
            context = ssl.create_default_context(cafile=self.certificates.ca)
            with urlopen(url.replace("/gun", "/healthz"), timeout=10, context=context) as answer:
                return json.load(answer)

        counted: dict[str, int] = (await deferToThread(ask))["counters"]
        return counted

    async def refusals(self, url: str) -> set[str]:
        """
        @param url: as of L{counters}.
        @return: the names of what it has counted about who connects.
        """
        subjects = ("address", "forwarded", "proxy", "proxies")
        return {name for name in await self.counters(url) if name.startswith(subjects)}

    async def tells_clients_apart(self, url: str) -> None:
        """
        Have clients use a relay with one link an address: each has its own, nobody has two, and nothing that
        a client says of itself helps it.
        """
        page = await self.page()
        alice, bob = [await page.client(url, socket={"localAddress": host}) for host in (ALICE, BOB)]
        await alice.linked()
        await bob.linked()
        at_bob = await bob.get("room", "title").on()
        await all_ok(alice.get("room", "title").put("hello"))
        await at_bob.shows("hello")
        await all_ok(alice.get("room", "title").put("again"))
        await at_bob.shows("again")
        self.assertEqual("again", await bob.get("room", "title").once())
        for headers in ({}, MADE_UP, MADE_UP_TOO):
            await self.stays_out(page, url, ALICE, headers)
        carol = await page.client(url, socket={"localAddress": CAROL, "headers": MADE_UP})
        await carol.linked()
        await self.stays_out(page, url, CAROL, {})

    async def stays_out(self, page: Page, url: str, host: str, headers: dict[str, str]) -> None:
        """Dial a relay that does not let us in."""
        client: Client = await page.client(url, socket={"localAddress": host, "headers": headers})
        await client.links.until(lambda: any(state == "closed" for state, _ in client.links.events))
        self.assertEqual(0, client.opened(), headers)
        await client.close()
