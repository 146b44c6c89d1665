"""
Tests for L{gunnet.web.mount}: a relay in the site of another program, with requests and sites as Twisted Web
has them.
"""

from __future__ import annotations

import json
import os
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site
from twisted.web.static import Data

from gunnet import sea
from gunnet.access.wanted import Access
from gunnet.front.wanted import Front
from gunnet.limits import Limits
from gunnet.rtc.ice import IceServer
from gunnet.rtc.wanted import Rtc
from gunnet.service import DRAIN_SECONDS, GOODBYE_SECONDS, RelayService
from gunnet.settings import Settings
from gunnet.web.mount import RETRY_SECONDS, GunResource
from tests.test_service import ReactorInMemory
from tests.transport.doubles import CLOSE, TEXT, WireTransport, frame, frames
from tests.web.test_resource import UPGRADE, Answer

ALICE = sea.pair()
PUT = b'{"#":"put1","put":{"a":{"_":{"#":"a",">":{"b":1}},"b":"c"}}}'


class MountCase(SynchronousTestCase):
    """
    A relay that does not listen, in a site.

    @cvar path: where it is mounted.
    """

    path = "/gun"

    def setUp(self) -> None:
        self.reactor = ReactorInMemory()
        self.reactor.advance(1_000_000_000)
        self.relay = RelayService(self.settings(), self.reactor, Random(1))
        self.relay.startService()
        self.site = Site(self.root(GunResource(self.relay)), reactor=self.reactor)

    def settings(self) -> Settings:
        return Settings(listen=(), data=None)

    def root(self, mounted: GunResource) -> IResource:
        """What the program has on the web, with the relay in it."""
        root = Resource()
        root.putChild(b"", Data(b"the program's own", "text/plain"))
        root.putChild(b"gun", mounted)
        return root

    def file(self, name: str, text: str) -> str:
        folder = self.mktemp()
        os.makedirs(os.path.dirname(os.path.join(folder, name)))
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
        return os.path.join(folder, name)

    def turns(self, seconds: float = 0.1) -> None:
        for _ in range(10):
            self.reactor.advance(seconds / 10)

    def ask(
        self, below: str, method: str = "GET", headers: bytes = b"Host: a\r\n", body: bytes = b""
    ) -> Answer:
        """Send a request for something below the path, on a new connection."""
        transport = self.transport = WireTransport()
        transport.protocol = self.site.buildProtocol(transport.getPeer())
        transport.protocol.makeConnection(transport)
        head = f"{method} {self.path.rstrip('/')}{below} HTTP/1.1\r\n".encode() + headers
        transport.protocol.dataReceived(head + b"\r\n" + body)
        return Answer(transport.value())

    def say(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.transport.protocol.dataReceived(frame(payload))
        self.turns()

    def got(self) -> list[tuple[int, bytes]]:
        data = self.transport.value()
        self.transport.clear()
        return frames(data.partition(b"\r\n\r\n")[2] if data.startswith(b"HTTP") else data)


class MountTests(MountCase):
    """At C{/gun}, as C{putChild} has it. Subclasses have the same elsewhere."""

    def test_link(self) -> None:
        """An upgrade with any query is a link, on which the relay does what it does."""
        for number, query in enumerate(("", "?a=b&c=%20")):
            self.assertEqual(self.ask(query, headers=UPGRADE).code, 101)
            self.say(PUT.replace(b"put1", b"put%d" % number))
            said = [payload for kind, payload in self.got() if kind == TEXT]
            self.assertIn(f'"@":"put{number}","ok"'.encode(), b"".join(said))
        self.assertEqual(len(self.relay.links), 2)

    def test_link_with_body(self) -> None:
        """A body makes no difference to an upgrade."""
        answer = self.ask("", headers=UPGRADE + b"Content-Length: 5\r\n", body=b"hello")
        self.assertEqual(answer.code, 101)
        self.say(PUT)
        self.assertIn(b'"@":"put1","ok"', self.transport.value())

    def test_link_lasts(self) -> None:
        """The site's time-out is none of the link's, nor does the full transport pause the HTTP channel."""
        self.ask("", headers=UPGRADE)
        for _ in range(200):
            self.reactor.advance(0.5)
            self.say(b"[]")
        self.assertFalse(self.transport.gone or self.transport.disconnecting)
        self.transport.fill()
        self.assertEqual(self.transport.producerState, "producing")

    def test_page(self) -> None:
        """Without an upgrade it is a page that says how to connect, and where health is."""
        for below in ("", "?x=1"):
            answer = self.ask(below)
            self.assertEqual((answer.code, answer.headers["content-type"]), (200, "text/html; charset=utf-8"))
            self.assertEqual(answer.headers["access-control-allow-origin"], "*")
            self.assertIn(f"location.origin + '{self.path}'".encode(), answer.body)
            self.assertIn(f'href="{self.path.rstrip("/")}/healthz"'.encode(), answer.body)
        self.assertEqual(self.ask("", "HEAD").body, b"")

    def test_health(self) -> None:
        """Health is below it."""
        answer = self.ask("/healthz")
        self.assertEqual((answer.code, json.loads(answer.body)["ok"]), (200, True))

    def test_not_found(self) -> None:
        """What is not there is not, and upgrades are at the path only."""
        for below in ("/nothing", "/gun.js", "/token", "/challenge", "/ice.json", "/healthz/", "/a/b"):
            self.assertEqual(self.ask(below).code, 404, below)
            answer = self.ask(below, headers=UPGRADE)
            self.assertEqual(answer.code, 404, below)
        self.assertEqual(len(self.relay.links), 0)

    def test_bad_upgrade(self) -> None:
        """An upgrade that can't be is a 400 at once."""
        for old, new in ((b"Upgrade: websocket", b"Upgrade: morse"), (b"Version: 13", b"Version: 99")):
            self.assertEqual(self.ask("", headers=UPGRADE.replace(old, new)).code, 400)
        self.assertEqual(self.ask("", "POST", UPGRADE + b"Content-Length: 0\r\n").code, 400)

    def test_http_2_offer(self) -> None:
        """An ordinary request that offers HTTP/2 besides gets an ordinary answer."""
        headers = b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n"
        self.assertEqual(self.ask("", headers=headers).code, 200)

    def test_methods(self) -> None:
        """What a browser asks beforehand is answered with yes; other methods are refused."""
        answer = self.ask("", "OPTIONS")
        self.assertEqual((answer.code, answer.headers["access-control-allow-origin"]), (204, "*"))
        answer = self.ask("", "POST", b"Host: a\r\nContent-Length: 0\r\n")
        self.assertEqual((answer.code, answer.headers["access-control-allow-origin"]), (405, "*"))

    def test_stopped(self) -> None:
        """A relay that does not run is a 503, for pages and for upgrades; when it runs again, all is well."""
        self.ask("", headers=UPGRADE)
        link = self.transport
        done = self.relay.stopService()
        for headers in (b"Host: a\r\n", UPGRADE):
            answer = self.ask("", headers=headers)
            self.assertEqual((answer.code, answer.headers["retry-after"]), (503, str(RETRY_SECONDS)))
            self.assertEqual(answer.headers["access-control-allow-origin"], "*")
        for below, method in (("/healthz", "GET"), ("", "OPTIONS"), ("/token", "POST"), ("", "HEAD")):
            headers = b"Host: a\r\nContent-Length: 0\r\n"
            self.assertEqual(self.ask(below, method, headers).code, 503)
        self.turns(DRAIN_SECONDS + GOODBYE_SECONDS + 0.1)
        self.successResultOf(done)
        self.assertEqual([kind for kind, _ in frames(link.value().partition(b"\r\n\r\n")[2])][-1], CLOSE)
        self.assertTrue(link.gone)
        self.assertEqual(self.ask("", headers=UPGRADE).code, 503)
        self.relay.startService()
        self.assertEqual(self.ask("", headers=UPGRADE).code, 101)
        self.assertEqual(len(self.relay.links), 1)

    def test_nothing_left(self) -> None:
        """No timer is left behind, and no request in the channel that it came on."""
        self.ask("", headers=UPGRADE)
        self.say(PUT)
        done = self.relay.stopService()
        self.turns(1.0)
        self.successResultOf(done)
        own = [call for call in self.reactor.getDelayedCalls() if "updateDateTime" not in str(call)]
        self.assertEqual(own, [])


class BoundTests(MountCase):
    """A relay with bounds for addresses."""

    def settings(self) -> Settings:
        return Settings(listen=(), data=None, limits=Limits(address_links=1))

    def test_address(self) -> None:
        """They hold for links through the site, by the address of the connection."""
        self.assertEqual(self.ask("", headers=UPGRADE).code, 101)
        first = self.transport
        self.assertEqual(self.ask("", headers=UPGRADE).code, 429)
        first.lose()
        self.assertEqual(self.ask("", headers=UPGRADE).code, 101)


class ProxiedTests(MountCase):
    """A site behind a proxy that the settings of the relay trust."""

    def settings(self) -> Settings:
        proxy = WireTransport().getPeer().host
        return Settings(listen=(), data=None, limits=Limits(address_links=1), front=Front(trusted=(proxy,)))

    def link(self, *said: bytes) -> int:
        """Ask for a link in a request with these headers too. @return: the status."""
        return self.ask("", headers=UPGRADE + b"".join(line + b"\r\n" for line in said)).code

    def test_address(self) -> None:
        """Bounds hold by the address that the proxy names, whatever the client has made up left of it."""
        self.assertEqual(self.link(b"X-Forwarded-For: 198.51.100.1"), 101)
        alice = self.transport
        self.assertEqual(self.link(b"X-Forwarded-For: 203.0.113.9, 198.51.100.1"), 429)
        self.assertEqual(self.link(b"Forwarded: for=198.51.100.1"), 429)
        self.assertEqual(self.link(b"Forwarded: for=198.51.100.2;proto=https"), 101)
        self.assertEqual(self.link(), 101)  # the proxy itself
        self.assertEqual(self.link(), 429)
        names = sorted(peer.link.name for peer in self.relay.mesh.relay.figures.peers() if peer.link)
        proxy = WireTransport().getPeer()
        self.assertEqual(names, [f"ws {proxy.host}:{proxy.port}", "ws 198.51.100.1", "ws 198.51.100.2"])
        self.assertEqual(self.relay.mesh.relay.counters["address_links_refused"], 3)
        alice.lose()
        self.assertEqual(self.link(b"X-Forwarded-For: 198.51.100.1"), 101)

    def test_kept_alive(self) -> None:
        """With keep-alive each request of a connection says whose it is."""
        self.link(b"X-Forwarded-For: 198.51.100.1")
        self.ask("/healthz", headers=b"Host: a\r\nX-Forwarded-For: 198.51.100.2\r\n")
        self.transport.clear()
        head = f"GET {self.path} HTTP/1.1\r\n".encode() + UPGRADE
        self.transport.protocol.dataReceived(head + b"X-Forwarded-For: 198.51.100.1\r\n\r\n")
        self.assertEqual(Answer(self.transport.value()).code, 429)

    def test_disagreement(self) -> None:
        """Headers that name different clients are a 400, for links and for pages; nobody is counted."""
        said = b"X-Forwarded-For: 198.51.100.1\r\nForwarded: for=198.51.100.2\r\n"
        for below, headers in (("", UPGRADE), ("", b"Host: a\r\n"), ("/healthz", b"Host: a\r\n")):
            answer = self.ask(below, headers=headers + said)
            self.assertEqual(answer.code, 400)
            self.assertIn(b"different clients", answer.body)
            self.assertEqual(answer.headers["access-control-allow-origin"], "*")
        self.assertEqual(self.relay.mesh.relay.counters["forwarded_disagreements"], 3)
        self.assertEqual(len(self.relay.links), 0)
        for address in (b"198.51.100.1", b"198.51.100.2"):
            self.assertEqual(self.link(b"X-Forwarded-For: " + address), 101)

    def test_disagreement_in_other_methods(self) -> None:
        """Likewise what has a body, or none in its answer."""
        said = b"Host: a\r\nContent-Length: 0\r\n"
        said += b"X-Forwarded-For: 198.51.100.1\r\nForwarded: for=198.51.100.2\r\n"
        for method in ("POST", "HEAD", "OPTIONS"):
            self.assertEqual(self.ask("", method, said).code, 400, method)


class NotTrustedTests(MountCase):
    """A site behind a proxy that nobody trusts."""

    def settings(self) -> Settings:
        return Settings(listen=(), data=None, limits=Limits(address_links=1))

    def test_ignored(self) -> None:
        """What it says is counted, and nothing else: it is one client, and can't disagree with itself."""
        for headers, code in (
            (b"X-Forwarded-For: 198.51.100.1\r\n", 101),
            (b"X-Forwarded-For: 198.51.100.2\r\nForwarded: for=198.51.100.3\r\n", 429),
        ):
            self.assertEqual(self.ask("", headers=UPGRADE + headers).code, code)
        self.assertEqual(self.relay.mesh.relay.counters["forwarded_ignored"], 2)


class NeverStartedTests(MountCase):
    """A relay that was not started yet."""

    def setUp(self) -> None:
        self.reactor = ReactorInMemory()
        self.relay = RelayService(self.settings(), self.reactor, Random(1))
        self.site = Site(self.root(GunResource(self.relay)), reactor=self.reactor)

    def test_not_yet(self) -> None:
        """It is a 503 until it is."""
        self.assertEqual(self.ask("", headers=UPGRADE).code, 503)
        self.assertEqual(self.ask("").code, 503)
        self.relay.startService()
        self.assertEqual(self.ask("", headers=UPGRADE).code, 101)


class PrefixTests(MountTests):
    """Deep inside of a site."""

    path = "/apps/my%20chat/gun"

    def root(self, mounted: GunResource) -> IResource:
        root, apps, chat = Resource(), Resource(), Resource()
        root.putChild(b"apps", apps)
        apps.putChild(b"my chat", chat)
        chat.putChild(b"gun", mounted)
        return root


class WholeSiteTests(MountTests):
    """As all that there is in a site."""

    path = "/"

    def root(self, mounted: GunResource) -> IResource:
        return mounted

    def ask(self, below: str, *args: Any, **fields: Any) -> Answer:
        return super().ask(below if below.startswith("/") else f"/{below}", *args, **fields)


class KeptAliveTests(MountTests):
    """On connections on which something else was asked for before."""

    def ask(
        self, below: str, method: str = "GET", headers: bytes = b"Host: a\r\n", body: bytes = b""
    ) -> Answer:
        """Ask for the program's own page before."""
        transport = self.transport = WireTransport()
        transport.protocol = self.site.buildProtocol(transport.getPeer())
        transport.protocol.makeConnection(transport)
        transport.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b"the program's own", transport.value())
        transport.clear()
        head = f"{method} {self.path}{below} HTTP/1.1\r\n".encode() + headers
        transport.protocol.dataReceived(head + b"\r\n" + body)
        return Answer(transport.value())


class EverythingTests(MountCase):
    """A relay with a door, servers for WebRTC, and gun.js."""

    def settings(self) -> Settings:
        return Settings(
            listen=(),
            data=None,
            gun_js=os.path.dirname(self.file("gun.js", "// gun")),
            access=Access(allow_user=self.file("users", ALICE.pub)),
            rtc=Rtc(ice_servers=(IceServer("stun:a"),)),
        )

    def post(self, body: bytes, kind: bytes = b"application/json") -> Answer:
        head = b"Host: a\r\nContent-Type: %s\r\nContent-Length: %d\r\n" % (kind, len(body))
        return self.ask("/token", "POST", head, body)

    def test_way_in(self) -> None:
        """A user meets a challenge, whatever kind the body says it is, and gets all that others do not."""
        self.assertEqual(self.ask("", headers=UPGRADE).code, 401)
        self.assertEqual(self.ask("/ice.json").code, 401)
        for kind in (b"application/json", b"application/x-www-form-urlencoded", b"text/plain"):
            proof = sea.sign(json.loads(self.ask("/challenge").body)["challenge"], ALICE)
            given = self.post(json.dumps({"pub": ALICE.pub, "proof": proof}).encode(), kind)
            self.assertEqual(given.code, 200, given.body)
            token = json.loads(given.body)["token"]
            self.assertEqual(self.ask(f"?token={token}", headers=UPGRADE).code, 101)
            answer = self.ask(f"/ice.json?token={token}")
            self.assertEqual(json.loads(answer.body)["iceServers"], [{"urls": ["stun:a"]}])

    def test_bad_bodies(self) -> None:
        """A body that is none, or too long, is a 400."""
        for body in (b"", b"{", b"\xff", b"{}", b'{"pub":"' + b"x" * 200_000 + b'"}'):
            self.assertEqual(self.post(body).code, 400)

    def test_scripts(self) -> None:
        """gun.js is below the path, where pages look for it."""
        answer = self.ask("/gun.js")
        self.assertEqual((answer.code, answer.body), (200, b"// gun"))
        self.assertEqual(answer.headers["content-type"], "text/javascript; charset=utf-8")
        self.assertEqual(self.ask("/sea.js").code, 404)
