"""
All that there is to be seen of one relay, put together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from gunnet.listener import Listener
from gunnet.mesh.trace import Trace
from gunnet.seeing.collector import Certificates, registry_of
from gunnet.seeing.gun_stats import GunStats
from gunnet.seeing.pages import Metrics, Ready, Stats, Traces
from gunnet.seeing.readiness import Listening, Readiness
from gunnet.settings import Settings
from gunnet.turns import MeshService
from gunnet.web.resource import Health, Page, RelaySite

METRICS = "/metrics"


class SeeingService(Service):
    """
    Shows what a relay does, where its clients connect and on a listener of its own.

    @ivar pages: what is served where clients connect, by path.
    @ivar readiness: whether clients are to be sent here.
    @ivar certificates: the certificates in use; by default none. May be set.
    """

    name = "seeing"

    def __init__(
        self,
        settings: Settings,
        mesh: MeshService,
        reactor: Any,
        listeners: Callable[[], Iterable[Listening]],
    ) -> None:
        """
        @param listeners: gives all that clients connect to.
        """
        wanted, relay = settings.seeing, mesh.relay
        self.certificates: Certificates = dict
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
        registry = registry_of(relay, mesh.timings, self.readiness, lambda: self.certificates())
        figures: dict[bytes, IResource] = {METRICS.encode(): Metrics(registry)}
        stats = Stats(GunStats(relay, reactor))
        figures |= {f"/gun/stats.{name}".encode(): stats for name in _stats_names(settings)}
        self.pages: Mapping[bytes, IResource] = {**ready, **(figures if wanted.metrics else {})}
        self._listener: Listener | None = None
        if wanted.metrics_listen is not None:
            own = {**ready, **figures, b"/trace": Traces(relay), b"/healthz": Health(relay)}
            # Not with the key of the relay: who reads this is on the same machine, or on a network of its own.
            plain = replace(settings, path=METRICS, tls_key=None, tls_cert=None)
            self._listener = Listener(wanted.metrics_listen, plain, RelaySite(Pages(own), reactor), reactor)

    def startService(self) -> None:
        """
        Listen.

        @raise CannotListenError: for instance because the port is taken.
        @raise SettingsError: the endpoint string is of no use.
        """
        super().startService()
        if self._listener is not None:
            self._listener.startService()
            self._listener.introduce()

    def stopService(self) -> Deferred[None]:
        """Listen no more."""
        super().stopService()
        return maybeDeferred(lambda: self._listener and self._listener.stopService())


class Pages(Resource):
    """Pages by their whole paths."""

    def __init__(self, found: Mapping[bytes, IResource]) -> None:
        super().__init__()
        self._found = found

    def getChildWithDefault(self, name: bytes, request: Request) -> IResource:
        """Find what is asked for."""
        return self._found.get(request.path) or Page(404, b"not found\n")


def _stats_names(settings: Settings) -> set[str]:
    """gun.js calls the file of its figures after its data folder, by default C{radata}."""
    return {"radata", *([] if settings.data is None else [os.path.basename(os.path.abspath(settings.data))])}
