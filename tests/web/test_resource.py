"""
Tests for L{gunnet.web.resource}: requests as bytes, on a transport in memory.
"""

from __future__ import annotations

import json
import os
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gunnet import __version__
from gunnet.settings import SettingsError
from gunnet.transport.link import Links
from gunnet.transport.websocket import ServerFactory
from gunnet.web.resource import HTTP_BODY_BYTES, RelaySite, Root
from tests.transport.doubles import TEXT, RecordingMesh, WireTransport, frame, frames

UPGRADE = (
    b"Host: relay.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


class Answer:
    """One HTTP answer, taken apart."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.code = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


class WebCase(SynchronousTestCase):
    """A site in memory."""

    gun_js: str | None = None
    path = "/gun"

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.mesh = RecordingMesh()
        factory = ServerFactory(self.mesh, Links(), self.clock)  # type: ignore[arg-type]
        self.site = RelaySite(Root(factory, self.path, self.gun_js), self.clock)

    def connected(self) -> WireTransport:
        transport = WireTransport()
        transport.protocol = self.site.buildProtocol(transport.getPeer())
        transport.protocol.makeConnection(transport)
        return transport

    def ask(self, path: str, method: str = "GET", headers: bytes = b"Host: relay.example\r\n") -> Answer:
        """Send a request on a new connection; every answer must have what all of them have."""
        self.transport = self.connected()
        self.transport.protocol.dataReceived(f"{method} {path} HTTP/1.1\r\n".encode() + headers + b"\r\n")
        answer = Answer(self.transport.value())
        if answer.code != 101:
            self.assertEqual(answer.headers["access-control-allow-origin"], "*", path)
        self.assertEqual(answer.headers["server"], f"gunnet/{__version__}", path)
        return answer


class PageTests(WebCase):
    """What people and machines see."""

    def test_front_page(self) -> None:
        """It says what this is, and how to connect."""
        answer = self.ask("/")
        self.assertEqual((answer.code, answer.headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertIn(__version__.encode(), answer.body)
        self.assertIn(b"/gun", answer.body)

    def test_socket_path_without_upgrade(self) -> None:
        """The path of the WebSocket is a page as well, with any query."""
        for path in ("/gun", "/gun?x=1"):
            self.assertEqual(self.ask(path).code, 200)

    def test_head(self) -> None:
        """HEAD is GET without the body."""
        answer = self.ask("/", "HEAD")
        self.assertEqual((answer.code, answer.body), (200, b""))
        self.assertEqual(int(answer.headers["content-length"]), len(self.ask("/").body))

    def test_not_found(self) -> None:
        """What isn't there is a real 404."""
        for path in (
            "/nothing",
            "/gun/",
            "/gun/nothing",
            "//",
            "/healthz/x",
            "/index.html",
            "/../etc/passwd",
        ):
            self.assertEqual(self.ask(path).code, 404, path)

    def test_options(self) -> None:
        """What a browser asks beforehand is answered with yes, and nothing else."""
        for path in ("/", "/gun", "/nothing"):
            answer = self.ask(path, "OPTIONS", b"Host: a\r\nAccess-Control-Request-Method: GET\r\n")
            self.assertEqual((answer.code, answer.body), (204, b""))
            self.assertIn("GET", answer.headers["access-control-allow-methods"])

    def test_options_star(self) -> None:
        """Even that has our name on it."""
        self.ask("*", "OPTIONS")

    def test_other_methods(self) -> None:
        """POST and nonsense are refused."""
        self.assertEqual(self.ask("/", "POST", b"Host: a\r\nContent-Length: 0\r\n").code, 405)
        self.assertIn(self.ask("/gun", "BREW").code, (405, 501))

    def test_health(self) -> None:
        """The relay's own words as JSON; 503 while it can't store."""
        answer = self.ask("/healthz")
        self.assertEqual((answer.code, answer.headers["content-type"]), (200, "application/json"))
        health = {"version": __version__, "ok": True, "error": None, "certificates": {}}
        self.assertEqual(json.loads(answer.body), health)
        self.mesh.relay.stuck = "disk full"
        answer = self.ask("/healthz")
        self.assertEqual((answer.code, json.loads(answer.body)["error"]), (503, "disk full"))

    def test_gun_js_is_off(self) -> None:
        """Whoever asks for gun.js is told how it is turned on."""
        for path in ("/gun.js", "/gun/gun.js", "/sea.js", "/lib/radix.js", "/gun/lib/then.js"):
            answer = self.ask(path)
            self.assertEqual(answer.code, 404)
            self.assertIn(b"--gun-js", answer.body)


class BoundTests(WebCase):
    """What one connection may cost."""

    def test_idle(self) -> None:
        """A connection on which nothing comes is closed."""
        transport = self.connected()
        self.clock.advance(31)
        self.assertTrue(transport.disconnecting)

    def test_small_body(self) -> None:
        """A small body is of no use, and does no harm."""
        answer = self.ask("/", "GET", b"Host: a\r\nContent-Length: 5\r\n\r\nhello")
        self.assertEqual(answer.code, 200)

    def test_large_body(self) -> None:
        """A large one is refused when it is announced."""
        answer = self.ask("/", "POST", b"Host: a\r\nContent-Length: %d\r\n" % (HTTP_BODY_BYTES + 1))
        self.assertEqual(answer.code, 413)
        self.assertTrue(self.transport.disconnecting)

    def test_large_body_in_chunks(self) -> None:
        """One that is not announced is refused when it gets too large, with one answer."""
        transport = self.connected()
        transport.protocol.dataReceived(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            transport.protocol.dataReceived(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        transport.protocol.dataReceived(b"0\r\n\r\n")
        self.assertEqual(Answer(transport.value()).code, 413)
        self.assertEqual(transport.value().count(b"HTTP/1.1"), 1)

    def test_large_headers(self) -> None:
        """Headers have their bound too."""
        transport = self.connected()
        transport.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 4") or transport.disconnecting)

    def test_garbage(self) -> None:
        """What is no HTTP is refused."""
        transport = self.connected()
        transport.protocol.dataReceived(b"\x16\x03\x01\x02\x00\r\n\r\n")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 400"))


class UpgradeTests(WebCase):
    """From HTTP to WebSocket."""

    def test_upgrade(self) -> None:
        """The path with any query becomes a link, which the mesh meets, and on which frames flow."""
        for path in ("/gun", "/gun?a=b&c=%20", "/gun?"):
            answer = self.ask(path, headers=UPGRADE)
            self.assertEqual(answer.code, 101, path)
            peer = self.mesh.calls[-1][1]
            self.transport.protocol.dataReceived(frame(b'{"a":1}'))
            self.assertEqual(self.mesh.calls[-1], ("hear", peer, b'{"a":1}'))
            self.mesh.links[peer].send(b"[]")
            self.assertEqual(frames(self.transport.value().partition(b"\r\n\r\n")[2]), [(TEXT, b"[]")])

    def test_body(self) -> None:
        """A body that somebody sends along is not taken for frames."""
        answer = self.ask("/gun", headers=UPGRADE + b"Content-Length: 5\r\n\r\nhello")
        self.assertEqual(answer.code, 101)
        self.transport.protocol.dataReceived(frame(b'{"a":1}'))
        self.assertEqual([call[2] for call in self.mesh.calls if call[0] == "hear"], [b'{"a":1}'])

    def test_any_origin(self) -> None:
        """Pages from anywhere are welcome, and so is what no other server can parse."""
        for origin in (b"null", b"file://", b"https://a.example", b"chrome-extension://abc", b"://", b"\xff"):
            answer = self.ask("/gun", headers=UPGRADE + b"Origin: " + origin + b"\r\n")
            self.assertEqual(answer.code, 101, origin)

    def test_not_cut_off(self) -> None:
        """The idle time-out of HTTP is none of the link's."""
        self.ask("/gun", headers=UPGRADE)
        for _ in range(50):
            self.clock.advance(1)
        self.assertFalse(self.transport.disconnecting)
        self.assertFalse(self.transport.gone)

    def test_back_pressure(self) -> None:
        """The transport's full buffer is told to the mesh, not to the HTTP channel that was there before."""
        self.ask("/gun", headers=UPGRADE)
        self.transport.fill()
        self.assertEqual(self.mesh.calls[-1][0], "pause")
        self.assertEqual(self.transport.producerState, "producing")

    def test_after_other_requests(self) -> None:
        """A kept-alive connection may upgrade later."""
        transport = self.connected()
        transport.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        transport.clear()
        transport.protocol.dataReceived(b"GET /gun HTTP/1.1\r\n" + UPGRADE + b"\r\n")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 101"))

    def test_elsewhere(self) -> None:
        """An upgrade on any other path is a 404 at once."""
        for path in ("/", "/gun/", "/gunx", "/healthz", "/gun/gun.js", "/nothing"):
            self.assertEqual(self.ask(path, headers=UPGRADE).code, 404, path)
        self.assertEqual(self.mesh.calls, [])

    def test_bad_upgrades(self) -> None:
        """An upgrade that can't be is a 400 at once."""
        for old, new in (
            (b"Upgrade: websocket", b"Upgrade: morse"),
            (b"Connection: keep-alive, Upgrade", b"Connection: keep-alive"),
            (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 99"),
            (b"Sec-WebSocket-Version: 13", b"X: y"),
            (b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
            (b"Sec-WebSocket-Key", b"X"),
            (b"Host: relay.example", b"Host: a:b:c"),
        ):
            self.assertEqual(self.ask("/gun", headers=UPGRADE.replace(old, new)).code, 400, new)
        self.assertEqual(self.ask("/gun", "POST", UPGRADE + b"Content-Length: 0\r\n").code, 400)
        self.assertEqual(self.mesh.calls, [])

    def test_http_2_offer(self) -> None:
        """An ordinary request that offers HTTP/2 besides gets an ordinary answer."""
        headers = (
            b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
        )
        self.assertEqual(self.ask("/healthz", headers=headers).code, 200)


class RootPathTests(WebCase):
    """The WebSocket at C{/}."""

    path = "/"

    def test_both(self) -> None:
        """It is a page and a socket."""
        self.assertEqual(self.ask("/").code, 200)
        self.assertEqual(self.ask("/?a", headers=UPGRADE).code, 101)
        self.assertEqual(self.ask("/gun", headers=UPGRADE).code, 404)


class GunJsTests(WebCase):
    """gun.js from an installed package."""

    def setUp(self) -> None:
        self.gun_js = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(self.gun_js, "lib", "deep"))
        for name in (
            "gun.js",
            "sea.js",
            "package.json",
            "lib/radix.js",
            "lib/README.md",
            "lib/deep/x.js",
            "../out.js",
        ):
            with open(os.path.join(self.gun_js, name), "w", encoding="utf-8") as file:
                file.write(f"// {name} \N{GREEK SMALL LETTER PI}")
        super().setUp()

    def test_served(self) -> None:
        """The scripts are there, at the paths that apps use, as JavaScript."""
        for path, name in (
            ("/gun.js", "gun.js"),
            ("/gun/gun.js", "gun.js"),
            ("/gun/sea.js?v=2", "sea.js"),
            ("/lib/radix.js", "lib/radix.js"),
            ("/gun/lib/radix.js", "lib/radix.js"),
        ):
            answer = self.ask(path)
            self.assertEqual(
                (answer.code, answer.headers["content-type"]), (200, "text/javascript; charset=utf-8")
            )
            self.assertIn(f"// {name} ".encode(), answer.body)

    def test_again(self) -> None:
        """And again, and only their headers."""
        for _ in range(2):
            self.assertEqual(self.ask("/gun.js").code, 200)
        self.assertEqual(self.ask("/gun.js", "HEAD").body, b"")

    def test_known_already(self) -> None:
        """A browser that has the newest is told so."""
        changed = self.ask("/gun.js").headers["last-modified"].encode()
        answer = self.ask("/gun.js", headers=b"Host: a\r\nIf-Modified-Since: " + changed + b"\r\n")
        self.assertEqual((answer.code, answer.body), (304, b""))

    def test_deleted(self) -> None:
        """What was deleted meanwhile is not found."""
        os.remove(os.path.join(str(self.gun_js), "sea.js"))
        self.assertEqual(self.ask("/sea.js").code, 404)

    def test_nothing_else(self) -> None:
        """Nothing else in that folder, and nothing out of it."""
        for path in (
            "/gun/package.json",
            "/axe.js",
            "/lib/README.md",
            "/lib/deep/x.js",
            "/lib/../../out.js",
            "/gun/../out.js",
            "/lib/..%2f..%2fout.js",
            "/lib/%2e%2e/gun.js",
            "/lib/",
            "/lib//radix.js",
            "/gun/lib/radix.js/",
        ):
            self.assertIn(self.ask(path).code, (400, 404), path)

    def test_upgrade_beside_it(self) -> None:
        """The socket is where it was."""
        self.assertEqual(self.ask("/gun", headers=UPGRADE).code, 101)

    def test_no_such_folder(self) -> None:
        """A folder without gun.js is a mistake, told at the start."""
        factory: Any = ServerFactory(self.mesh, Links(), self.clock)  # type: ignore[arg-type]
        for folder in ("/nonexistent", os.path.join(str(self.gun_js), "lib")):
            self.assertRaises(SettingsError, Root, factory, "/gun", folder)
