"""
The HTTP side of the relay: one port for the WebSocket upgrade, a page for people, health, and gun.js itself::

    GET /           what this is and how to connect
    GET /gun        with an upgrade (any query): a WebSocket link; without: a short page
    GET /healthz    JSON; 503 while writes can't be stored
    GET /readyz …   C{/readyz}, and metrics where they are wanted (L{gunnet.seeing.pages})
    GET /gun/challenge, POST /gun/token
                    for users with a key (C{--allow-user}, L{gunnet.web.entrance})
    GET /gun/ice.json
                    STUN and TURN servers (C{--ice-server}, C{--turn-server}, L{gunnet.web.ice})
    GET /gun.js …   gun.js and its companions, from an installed npm package (C{--gun-js})
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from autobahn.twisted.resource import WebSocketResource
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from gunnet import __version__
from gunnet.access.door import Door
from gunnet.access.users import UserTokens
from gunnet.front.clients import Clients, Disagreement
from gunnet.front.trusted import Trusted
from gunnet.rtc.ice import IceServers
from gunnet.transport.websocket import ServerFactory
from gunnet.web.entrance import SAID_BYTES, Challenge, Tokens, Tries, kept_out
from gunnet.web.ice import Ice
from gunnet.web.scripts import scripts

if TYPE_CHECKING:
    from gunnet.mesh.relay import Relay

HTTP_IDLE_SECONDS = 30
HTTP_BODY_BYTES = 65_536
"""Little here takes a body; a small one is skipped."""

_SERVER = b"gunnet/" + __version__.encode()
_TEXT = b"text/plain; charset=utf-8"
_HTML = b"text/html; charset=utf-8"
_UPGRADES_IGNORED = {b"", b"h2c"}  # HTTP clients offer that one on ordinary requests
_SCRIPT = re.compile(rb"/(?:gun/)?(?:gun|sea|axe)\.js|/(?:gun/)?lib/[^/]+\.js")
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>gunnet relay</title></head><body>
<h1>A GUN relay</h1>
<p>This is <b>gunnet {version}</b>, a relay for <a href="https://gun.eco">GUN</a>. Apps connect to it with
this page's own address and the path <code>{path}</code>:</p>
<pre>Gun({{peers: [location.origin + {path!r}]}})</pre>
<p>How it is doing: <a href="{health}">{health}</a>.</p>
</body></html>
"""


class RelayRequest(Request):
    """
    A request whose every answer may be read by pages from anywhere, as those of gun.js's own server. Of its
    body, only the beginning is kept.
    """

    content: Any

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.setHeader(b"access-control-allow-origin", b"*")
        self._body_bytes = 0
        self._refused = False

    def setHeader(self, name: bytes | str, value: bytes | str) -> None:
        """Twisted Web would tell its own version."""
        super().setHeader(name, _SERVER if name.lower() in (b"server", "server") else value)

    def gotLength(self, length: int | None) -> None:
        """The length of the body is known, or it never will be."""
        super().gotLength(0)
        if length is not None and length > HTTP_BODY_BYTES:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """Some bytes of the body. There is no use for them, apart from the first few."""
        self._body_bytes += len(data)
        self.content.write(data[: SAID_BYTES - self.content.tell()])
        if self._body_bytes > HTTP_BODY_BYTES:
            self._refuse()

    def _refuse(self) -> None:
        if not self._refused:
            self._refused = True
            transport: Any = self.channel.transport
            transport.write(
                b"HTTP/1.1 413 Content Too Large\r\nAccess-Control-Allow-Origin: *\r\n"
                b"Server: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % _SERVER
            )
            self.channel.loseConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """It is complete."""
        if not self._refused:
            super().requestReceived(command, path, version)


class RelaySite(Site):
    """The whole of it, as a factory for listeners."""

    noisy = False

    def __init__(self, root: IResource, reactor: IReactorTime) -> None:
        super().__init__(
            root,
            requestFactory=RelayRequest,
            timeout=HTTP_IDLE_SECONDS,
            reactor=reactor,
            parsePOSTFormSubmission=False,
        )

    def log(self, request: object) -> None:
        """No access log: what matters is counted."""


class Root(Resource):
    """
    All that can be asked for. A path is looked up as a whole, since C{/gun} is both a page and, with
    C{/gun/gun.js}, a folder.

    @ivar upgrade: what makes a link of a request for one.
    @ivar health: how the relay is doing.
    @ivar below: what else is below the path of the WebSocket, by the rest of its path (C{/token}).
    @ivar scripts: gun.js and its companions, by their paths in the C{gun} package (C{/lib/radix.js}).
    """

    def __init__(
        self,
        factory: ServerFactory,
        path: str,
        gun_js: str | None = None,
        door: Door | None = None,
        users: UserTokens | None = None,
        ice: IceServers | None = None,
        clients: Clients | None = None,
        pages: Mapping[bytes, IResource] | None = None,
        certificates: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        """
        @param factory: makes the WebSocket links.
        @param path: where they are opened.
        @param gun_js: the folder of an installed C{gun} package.
        @param door: who may open them; L{None} for everybody.
        @param users: gives tokens for that to those who own a key; L{None} for nobody.
        @param ice: what pages are told of STUN and TURN servers; L{None} for nothing.
        @param clients: who makes requests; L{None} for whoever is connected.
        @param pages: more pages, by their paths.
        @param certificates: how many seconds certificates still hold, by name.
        @raise gunnet.settings.SettingsError: C{gun_js} is no such folder.
        """
        super().__init__()
        self._path = path.encode()
        counters, seconds = factory.mesh.relay.counters, factory.reactor.seconds
        self._clients = clients or Clients(Trusted(()), factory.mesh.relay.limits.forwarded_hops, counters)
        door = door or Door((), (), counters)
        tries = Tries(factory.addresses, counters)
        self.upgrade = Upgrade(factory, door, tries, seconds)
        self.health = Health(factory.mesh.relay, certificates or dict)
        self.below: dict[bytes, IResource] = {}
        if ice:
            self.below[b"/ice.json"] = Ice(ice, door, tries, counters, seconds)
        if users is not None:
            self.below[b"/challenge"] = Challenge(users, door, counters, seconds)
            self.below[b"/token"] = Tokens(users, door, tries, counters, seconds)
        page = front_page(path, "/healthz")
        self._found: dict[bytes, IResource] = {b"/": page, self._path: page, b"/healthz": self.health}
        folder = self._path.rstrip(b"/")
        self._found.update({folder + name: child for name, child in self.below.items()})
        self._found.update(pages or {})
        self.scripts: dict[bytes, IResource] = {}
        self._scripts_missing = b"not found\n"
        if gun_js is None:
            self._scripts_missing = (
                b"gun.js is not served here; --gun-js DIR (of the npm package gun) turns it on\n"
            )
        else:
            self.scripts = scripts(gun_js)
            for name, script in self.scripts.items():
                self._found[name] = self._found[b"/gun" + name] = script

    def identify(self, request: Request) -> Refused | None:
        """
        Find out who makes a request.

        @return: the answer to one of which that can't be said.
        """
        try:
            self._clients.identify(request)
        except Disagreement as why:
            return Refused(400, f"{why}\n".encode())
        return None

    def getChildWithDefault(self, name: bytes, request: Request) -> IResource:
        """Find what is asked for."""
        path = request.path
        request.prepath, request.postpath = [*(request.prepath or ()), *(request.postpath or ())], []
        refusal = self.identify(request)
        if refusal is not None:
            return refusal
        if wants_upgrade(request):
            if path == self._path:
                return self.upgrade
            return Page(404, b"WebSocket links are opened at %s\n" % self._path)
        if request.method == b"OPTIONS":
            return Preflight()
        if path in self._found:
            return self._found[path]
        return Page(404, self._scripts_missing if _SCRIPT.fullmatch(path) else b"not found\n")


class Page(Resource):
    """A fixed answer."""

    isLeaf = True

    def __init__(self, code: int, body: bytes, kind: bytes = _TEXT) -> None:
        super().__init__()
        self._code = code
        self._body = body
        self._kind = kind

    def render_GET(self, request: Request) -> bytes:
        """Give it."""
        request.setResponseCode(self._code)
        request.setHeader(b"content-type", self._kind)
        return self._body


class Refused(Page):
    """The same, whatever the method."""

    def render(self, request: Request) -> bytes:
        """Give it."""
        return self.render_GET(request)


class Preflight(Resource):
    """Yes to what a browser asks before a request from another origin."""

    isLeaf = True

    def render_OPTIONS(self, request: Request) -> int:
        """Say so."""
        request.setResponseCode(204)
        request.setHeader(b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS")
        request.setHeader(b"access-control-allow-headers", b"*")
        request.finish()
        return NOT_DONE_YET


class Health(Resource):
    """How the relay is doing, for machines."""

    isLeaf = True

    def __init__(self, relay: Relay, certificates: Callable[[], dict[str, float]]) -> None:
        super().__init__()
        self._relay = relay
        self._certificates = certificates

    def render_GET(self, request: Request) -> bytes:
        """Tell."""
        ends = {name: int(seconds) for name, seconds in self._certificates().items()}
        health = {"version": __version__, **self._relay.health(), "certificates": ends}
        request.setResponseCode(200 if health["ok"] else 503)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        return json.dumps(health, indent=1).encode() + b"\n"


class Upgrade(Resource):
    """Turns a request into a WebSocket link, or answers it at once."""

    isLeaf = True

    def __init__(
        self, factory: ServerFactory, door: Door, tries: Tries, seconds: Callable[[], float]
    ) -> None:
        super().__init__()
        self._factory = factory
        self._door = door
        self._tries = tries
        self._seconds = seconds

    def render(self, request: Request) -> Any:
        """Hand the connection over to Autobahn."""
        problem = _problem_of(request)
        if problem is not None:
            request.setResponseCode(400)
            request.setHeader(b"content-type", _TEXT)
            request.setHeader(b"sec-websocket-version", b"13")
            return problem
        refused = kept_out(request, self._door, self._tries, self._seconds())
        if refused is not None:
            return refused
        for unneeded in (b"origin", b"sec-websocket-origin", b"sec-websocket-extensions"):
            # Origins were looked at, and Autobahn refuses what it can't parse; extensions are never used.
            request.requestHeaders.removeHeader(unneeded)
        body: Any = request.content
        body.seek(0, os.SEEK_END)  # or Autobahn would take it for frames
        channel: Any = request.channel
        channel.setTimeout(None)
        channel.transport.unregisterProducer()  # it is the HTTP channel until now
        result = WebSocketResource(_Arrival(self._factory, request.getClientAddress())).render(request)
        channel.requests.clear()  # it and the request would keep each other until garbage is collected
        return result


class _Arrival:
    """The factory of a link whose client is known; the address of the connection may be that of a proxy."""

    def __init__(self, factory: ServerFactory, client: IAddress) -> None:
        self._factory = factory
        self._client = client

    def buildProtocol(self, connected: IAddress) -> Any:
        """Make it."""
        return self._factory.buildProtocol(self._client)


def wants_upgrade(request: Request) -> bool:
    """Whether a request asks for another protocol, in earnest."""
    upgrade = request.getHeader(b"upgrade")
    return upgrade is not None and upgrade.strip().lower() not in _UPGRADES_IGNORED


def front_page(path: str, health: str) -> Page:
    """
    What people see.

    @param path: where links are opened.
    @param health: where the relay tells how it is doing.
    """
    told = {"version": __version__, "path": html.escape(path), "health": html.escape(health)}
    return Page(200, _PAGE.format(**told).encode(), _HTML)


def _problem_of(request: Request) -> bytes | None:
    """Why a request can't become a WebSocket link."""
    if (request.getHeader(b"upgrade") or b"").strip().lower() != b"websocket":
        return b"the only upgrade is websocket\n"
    if request.method != b"GET" or request.clientproto != b"HTTP/1.1":
        return b"a WebSocket link begins with a GET of HTTP/1.1\n"
    if b"upgrade" not in (
        word.strip().lower() for word in (request.getHeader(b"connection") or b"").split(b",")
    ):
        return b"the Connection header must name the upgrade\n"
    if request.channel.transport is None:
        return b"no WebSocket over HTTP/2\n"
    return None
