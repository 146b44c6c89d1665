"""
Links that we open: one service per upstream relay, which dials until it is stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from twisted.application.internet import ClientService
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gunnet.settings import websocket_url
from gunnet.transport.link import Links
from gunnet.transport.websocket import ClientFactory, ClientLink

if TYPE_CHECKING:
    from gunnet.turns import MeshService

REDIAL_SECONDS_MIN = 2.0
REDIAL_SECONDS_MAX = 60.0
BUSY_SECONDS_MIN = 60.0
BUSY_SECONDS_MAX = 600.0
"""For a relay that says that it is full: nobody is helped if all whom it refused come back at once."""
STEADY_SECONDS = 10.0
"""
A link that lasted so long is a success. One that the other side accepts and closes at once, because it is
full or is this relay itself, is not.
"""


class Backoff:
    """
    How long to wait before the next attempt: twice as long each time, up to a limit, less a random part of up
    to a quarter, so that the many who lost one relay don't come back in one moment.
    """

    def __init__(self, random: Random, seconds_max: float = REDIAL_SECONDS_MAX) -> None:
        """
        @param seconds_max: the limit.
        """
        self._random = random
        self._usual_max = self._seconds_max = seconds_max
        self._seconds = REDIAL_SECONDS_MIN

    def __call__(self, attempt: int) -> float:
        """
        The next delay, in seconds.

        @param attempt: not used: C{ClientService} begins to count anew when TCP connects,
            whatever comes of it.
        """
        seconds, self._seconds = self._seconds, min(self._seconds * 2, self._seconds_max)
        return seconds * self._random.uniform(0.75, 1.0)

    def busy(self) -> None:
        """The other side is full: until a link lasts, the delays are longer."""
        self._seconds = max(self._seconds, BUSY_SECONDS_MIN)
        self._seconds_max = max(self._usual_max, BUSY_SECONDS_MAX)

    def reset(self) -> None:
        """A link has lasted: the next attempt comes soon again."""
        self._seconds = REDIAL_SECONDS_MIN
        self._seconds_max = self._usual_max


class Dialer(ClientService):
    """
    Keeps a link to one upstream relay.

    @ivar url: of the upstream, as configured.
    """

    log = Logger()

    def __init__(
        self,
        url: str,
        mesh: MeshService,
        links: Links,
        reactor: IReactorTime,
        random: Random,
        endpoint: IStreamClientEndpoint | None = None,
        *,
        redial_seconds_max: float = REDIAL_SECONDS_MAX,
    ) -> None:
        """
        @param url: of the upstream, as configured.
        @param endpoint: where to connect to, if that isn't the host in C{url}.
        @param redial_seconds_max: how long to wait between two attempts at the most.
        """
        self.url = url
        self._backoff = Backoff(random, redial_seconds_max)
        self._reactor = reactor
        self._steady: IDelayedCall | None = None
        self._link: ClientLink | None = None
        factory = ClientFactory(
            url, mesh, links, reactor, opened=self._opened, busy=self._backoff.busy, closed=self._closed
        )
        endpoint = _Watched(url, endpoint or endpoint_of(url, reactor), self._closed)
        super().__init__(endpoint, factory, retryPolicy=self._backoff, clock=reactor)
        self.setName(f"peer:{shown(url)}")

    def busy(self) -> None:
        """The upstream said that it is full: dial it less often than otherwise, until a link lasts."""
        self._backoff.busy()

    def hang_up(self, reason: str) -> Deferred[None]:
        """
        Close the link, and dial no more until the service is started again.

        @return: fires when the link is gone.
        """
        if self._link is not None:
            self._link.drop(reason)
        self._backoff.reset()
        return self.stopService()

    def _opened(self, link: ClientLink) -> None:
        self._link = link
        self._steady = self._reactor.callLater(STEADY_SECONDS, self._backoff.reset)
        self.log.info("linked to {url}", url=shown(self.url))

    def _closed(self, reason: str) -> None:
        self._link = None
        if self._steady is not None and self._steady.active():
            self._steady.cancel()
        if self.running:  # ClientService says in a line of its own when it tries again
            self.log.warn("no link to {url}: {reason}", url=shown(self.url), reason=reason)


@implementer(IStreamClientEndpoint)
class _Watched:
    """An endpoint that tells why a connection didn't come about: C{ClientService} keeps that to itself."""

    def __init__(self, url: str, endpoint: IStreamClientEndpoint, failed: Callable[[str], None]) -> None:
        self._url = url
        self._endpoint = endpoint
        self._failed = failed

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect."""

        def failed(failure: Failure) -> Failure:
            self._failed(failure.getErrorMessage())
            return failure

        return self._endpoint.connect(factory).addErrback(failed)

    def __repr__(self) -> str:
        return shown(self._url)


def shown(url: str) -> str:
    """C{url} as it may be seen in logs: a query may hold a token."""
    return url.partition("?")[0]


def endpoint_of(url: str, reactor: IReactorTime) -> IStreamClientEndpoint:
    """Where an upstream is: its host, over TLS with its certificate and host name checked if it is C{wss}."""
    parts = urlsplit(websocket_url(url))
    host = parts.hostname
    assert host is not None
    secure = parts.scheme == "wss"
    endpoint = HostnameEndpoint(reactor, host, parts.port or (443 if secure else 80))
    if not secure:
        return endpoint
    from twisted.internet.ssl import optionsForClientTLS  # OpenSSL takes its time to load

    return wrapClientTLS(optionsForClientTLS(host), endpoint, clock=reactor)
