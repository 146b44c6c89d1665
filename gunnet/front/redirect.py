"""
Plain HTTP, sent to HTTPS::

    ANY http://HOST/PATH?QUERY     308 https://HOST[:PORT]/PATH?QUERY
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger
from twisted.web.http import Request
from twisted.web.resource import Resource

from gunnet.front.clients import Clients
from gunnet.listening import listen
from gunnet.settings_error import SettingsError

HTTPS_PORT = 443

_HOST = re.compile(
    r"(?P<host>(?=[\w.-]{1,253}(?::|$))[a-z0-9](?:[\w.-]*[a-z0-9])?\.?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?",
    re.ASCII | re.IGNORECASE,
)
_TARGET = re.compile(rb"/[\x21-\x7e]*")
_TEXT = b"text/plain; charset=utf-8"


class Redirect(Resource):
    """
    Sends every request to HTTPS at the host that it was made to, so that no link can lead from there to
    anywhere else.
    """

    isLeaf = True

    def __init__(self, clients: Clients, port: Callable[[], int | None], hosts: Iterable[str] = ()) -> None:
        """
        @param clients: knows whether a request came by HTTPS to a proxy already.
        @param port: gives the port of HTTPS; L{None} if nothing listens there now.
        @param hosts: the names of this relay, with a port or not; empty for whatever it is called.
        """
        super().__init__()
        self._clients = clients
        self._port = port
        self._hosts = {found["host"].lower() for found in map(_HOST.fullmatch, hosts) if found is not None}

    def render(self, request: Request) -> bytes:
        """Say where it is to be made, with any method: a client that follows a 308 keeps it."""
        request.setHeader(b"content-type", _TEXT)
        if self._clients.is_secure(request):
            return self._refuse(request, 421, b"this is only for plain HTTP\n")  # it would come back for ever
        port = self._port()
        if port is None:
            return self._refuse(request, 503, b"HTTPS is not there now\n")
        lines = request.requestHeaders.getRawHeaders(b"host", [])
        found = _HOST.fullmatch(lines[0].decode("latin-1")) if len(lines) == 1 else None
        if found is None or not _TARGET.fullmatch(request.uri):
            return self._refuse(request, 400, b"ask for a path, of a host\n")
        host = found["host"].lower()
        if self._hosts and host not in self._hosts:
            return self._refuse(request, 421, b"this is another host\n")
        place = host if port == HTTPS_PORT else f"{host}:{port}"
        request.setResponseCode(308)
        request.setHeader(b"location", b"https://%s%s" % (place.encode(), request.uri))
        return b"" if request.method == b"HEAD" else b"use HTTPS\n"

    @staticmethod
    def _refuse(request: Request, code: int, why: bytes) -> bytes:
        request.setResponseCode(code)
        return b"" if request.method == b"HEAD" else why


class PlainHttp(Service):
    """
    Where plain HTTP comes in.

    @ivar port: what listens, when it does.
    """

    log = Logger()

    def __init__(self, description: str, site: IProtocolFactory, reactor: Any) -> None:
        """
        @param description: a Twisted endpoint string.
        @param site: answers; its root is a L{Redirect}, or comes before one.
        """
        self.setName("redirect-http")
        self.port: IListeningPort | None = None
        self._description = description
        self._site = site
        self._reactor = reactor

    def startService(self) -> None:
        """
        Listen.

        @raise twisted.internet.error.CannotListenError: for instance because the port is taken.
        @raise SettingsError: the endpoint string is of no use.
        """
        super().startService()
        try:
            endpoint = serverFromString(self._reactor, self._description)
        except (ValueError, TypeError, LookupError) as e:
            raise SettingsError(f"can't redirect from {self._description!r}: {e}") from e
        listen(endpoint, self._site, self._begun)

    def _begun(self, port: IListeningPort) -> None:
        self.port = port
        self.log.info("redirecting {address} to https", address=self._description)

    def stopService(self) -> Deferred[Any]:
        """Listen no more."""
        super().stopService()
        port, self.port = self.port, None
        return succeed(None) if port is None else maybeDeferred(port.stopListening)
