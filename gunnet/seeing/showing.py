"""
All that there is to be seen of one relay, put together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from twisted.application.service import Service
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from gunnet.front.trusted import plain_ip
from gunnet.front.wanted import Front
from gunnet.listener import Listener
from gunnet.mesh.trace import Trace
from gunnet.seeing.gun_stats import GunStats
from gunnet.seeing.pages import Ready, Stats, Traces
from gunnet.seeing.readiness import Listening, Readiness
from gunnet.settings import Settings
from gunnet.tls.service import TlsService
from gunnet.tls.wanted import Acme, Tls
from gunnet.turns import MeshService
from gunnet.web.resource import Health, Page, RelayRequest, RelaySite

METRICS = b"/metrics"
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])?(?::\d{1,5})?", re.ASCII | re.IGNORECASE)


class Showing:
    """
    Shows what a relay does, where its clients connect and on a listener of its own.

    @ivar services: that listener, if it is wanted; to be started last and stopped last.
    @ivar pages: what is served where clients connect, by path.
    @ivar readiness: whether clients are to be sent here.
    """

    def __init__(
        self,
        settings: Settings,
        mesh: MeshService,
        reactor: Any,
        listeners: Callable[[], Iterable[Listening]],
        tls: TlsService,
    ) -> None:
        """
        @param listeners: gives all that clients connect to.
        @param tls: knows the certificates in use.
        """
        wanted, relay = settings.seeing, mesh.relay
        self.readiness = Readiness(relay, listeners)
        if wanted.trace != "off":
            relay.follow(
                Trace(
                    lambda: reactor.seconds() * 1000,
                    relay.limits,
                    relay.counters,
                    everything=wanted.trace == "all",
                )
            )
        ready = {b"/readyz": Ready(self.readiness)}
        self.services: list[Service] = []
        self.pages: dict[bytes, IResource] = {**ready}
        if not wanted.metrics and wanted.metrics_listen is None:
            return
        from gunnet.seeing.metrics import Metrics, registry_of  # it takes its time to load

        registry = registry_of(relay, mesh.timings, self.readiness, lambda: tls.expiries())
        figures: dict[bytes, IResource] = {METRICS: Metrics(registry)}
        stats = Stats(GunStats(relay, reactor))
        figures |= {f"/gun/stats.{name}".encode(): stats for name in stats_names(settings)}
        if wanted.metrics:
            self.pages |= figures
        if wanted.metrics_listen is not None:
            own = {**ready, **figures, b"/trace": Traces(relay), b"/healthz": Health(relay, tls.certificates)}
            # Without TLS or proxies: who reads this is on the same machine, or on a network of its own.
            plain = replace(settings, listen=(), path=METRICS.decode(), tls=Tls(), acme=Acme(), front=Front())
            site = PrivateSite(Pages(own), reactor)
            self.services.append(PrivateListener(wanted.metrics_listen, plain, site, reactor, relay.counters))


class PrivateListener(Listener):
    """Where those who run the relay look."""

    def startService(self) -> None:
        """
        Listen, and say where.

        @raise CannotListenError: for instance because the port is taken.
        @raise SettingsError: the endpoint string is of no use.
        """
        super().startService()
        self.introduce()


class PrivateRequest(RelayRequest):
    """One whose answer pages from elsewhere may not read: they run on the operator's machine, too."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.responseHeaders.removeHeader(b"access-control-allow-origin")


class PrivateSite(RelaySite):
    """What is for those who run the relay."""

    def __init__(self, root: IResource, reactor: Any) -> None:
        super().__init__(root, reactor)
        self.requestFactory = PrivateRequest


class Pages(Resource):
    """Pages by their whole paths."""

    def __init__(self, found: Mapping[bytes, IResource]) -> None:
        super().__init__()
        self._found = found

    def getChildWithDefault(self, name: bytes, request: Request) -> IResource:
        """Find what is asked for."""
        if _is_rebound(request):
            return Page(421, b"from this machine, ask for localhost\n")
        return self._found.get(request.path) or Page(404, b"not found\n")


def _is_rebound(request: Request) -> bool:
    """
    Whether it came over the loopback interface, under a name that is not of it. A page in a browser could
    have its own name lead there, and would then be allowed to read the answer (DNS rebinding).
    """
    connected = getattr(request.getHost(), "host", None)
    if connected is None or not plain_ip(connected).is_loopback:
        return False
    name = (request.getHeader(b"host") or b"").decode("latin-1")
    return not _LOOPBACK.fullmatch(name)


def stats_names(settings: Settings) -> set[str]:
    """How gun.js would call the file of its figures: after its data folder, by default C{radata}."""
    return {"radata", *([] if settings.data is None else [os.path.basename(os.path.abspath(settings.data))])}
