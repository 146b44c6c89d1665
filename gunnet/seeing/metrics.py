"""
The page of metrics. Apart from others because C{prometheus-client} takes its time to load.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from twisted.web.server import Request

from gunnet.mesh.relay import Relay
from gunnet.seeing.collector import RelayCollector
from gunnet.seeing.pages import Figures
from gunnet.seeing.readiness import Certificates, Readiness
from gunnet.seeing.timings import Timings


def registry_of(
    relay: Relay, timings: Timings, readiness: Readiness, certificates: Certificates
) -> CollectorRegistry:
    """A registry for one relay alone, with what is known of its process."""
    registry = CollectorRegistry()
    registry.register(RelayCollector(relay, timings, readiness, certificates))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Metrics(Figures):
    """For Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:
        """Read and give all of it."""
        accepted = (request.getHeader(b"accept") or b"").decode("latin-1")
        try:
            body, kind = self._encoded(accepted)
        except (TypeError, ValueError):  # prometheus-client takes some nonsense for a version
            body, kind = self._encoded("")
        request.setHeader(b"content-type", kind.encode())
        request.setHeader(b"cache-control", b"no-store")
        return body

    def _encoded(self, accepted: str) -> tuple[bytes, str]:
        encode, kind = choose_encoder(accepted)
        return encode(self._registry), kind
