"""
A relay as a part of somebody else's site. With C{root.putChild(b"gun", GunResource(relay))}, that site has::

    GET  /gun               with an upgrade (any query): a WebSocket link; without: a short page
    GET  /gun/healthz       as in L{gunnet.web.resource}; likewise, if the settings of the relay ask for them,
    GET  /gun/challenge, POST /gun/token, GET /gun/ice.json
    GET  /gun/gun.js, /gun/sea.js, /gun/lib/…

It does with any C{twisted.web} site and request. What is asked of a site as a whole is that site's to say:
how long a connection may be idle, how large a body may be, what is logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from gunnet.web.resource import Page, Preflight, front_page, wants_upgrade

if TYPE_CHECKING:
    from gunnet.service import RelayService
    from gunnet.web.resource import Root

RETRY_SECONDS = 5
"""When who comes while the relay does not run is to come again."""


class GunResource(Resource):
    """
    What opens links to one relay, wherever it is put. The relay may be started, stopped and started again
    meanwhile; while it does not run, all there is is a 503.
    """

    isLeaf = True

    def __init__(self, relay: RelayService) -> None:
        """
        @param relay: its L{Settings.path<gunnet.settings.Settings>} counts for its own listeners only.
        """
        super().__init__()
        self._relay = relay

    def render(self, request: Request) -> bytes | int:
        """Answer a request, or make a link of it."""
        # Pages from anywhere may read the answers, as those of gun.js's own server. Who may connect is for
        # the door to say.
        request.setHeader(b"access-control-allow-origin", b"*")
        root = self._relay.root
        if root is None:
            request.setResponseCode(503)
            request.setHeader(b"retry-after", b"%d" % RETRY_SECONDS)
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            return b"the relay does not run\n"
        answer: bytes | int = _find(root, request).render(request)
        return answer


def _find(root: Root, request: Request) -> IResource:
    refusal = root.identify(request)
    if refusal is not None:
        return refusal
    path = b"/".join([b"", *(request.postpath or ())])
    here = path in (b"", b"/")
    if wants_upgrade(request):
        return root.upgrade if here else Page(404, b"WebSocket links are not opened here\n")
    if request.method == b"OPTIONS":
        return Preflight()
    if here:
        place = "/".join(["", *map(quote, request.prepath or ())]).rstrip("/")
        return front_page(place or "/", f"{place}/healthz")
    return _below(root, path) or Page(404, b"not found\n")


def _below(root: Root, path: bytes) -> IResource | None:
    if path == b"/healthz":
        return root.health
    return root.below.get(path) or root.scripts.get(path)
