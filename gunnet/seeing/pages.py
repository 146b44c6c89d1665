"""
What those who run a relay see over HTTP::

    GET /metrics              Prometheus text, or OpenMetrics if that is accepted (L{gunnet.seeing.metrics})
    GET /readyz               {"ready": true, "reasons": []}; 503 while there are any
    GET /gun/stats.radata     figures by gun.js's names (L{gunnet.seeing.gun_stats})
    GET /trace?id=ID          the way of one message; without an id, those that are known
"""

from __future__ import annotations

import json

from twisted.web.resource import Resource
from twisted.web.server import Request

from gunnet.mesh.relay import Relay
from gunnet.seeing.gun_stats import GunStats
from gunnet.seeing.readiness import Readiness

IDS_TOLD = 100
"""So many of the messages that were followed are listed, the latest last."""


class Figures(Resource):
    """Figures of this moment."""

    isLeaf = True

    def answer(self, request: Request, what: object, code: int = 200) -> bytes:
        """Give JSON."""
        request.setResponseCode(code)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        return json.dumps(what, indent=1).encode() + b"\n"


class Ready(Figures):
    """For load balancers."""

    def __init__(self, readiness: Readiness) -> None:
        super().__init__()
        self._readiness = readiness

    def render_GET(self, request: Request) -> bytes:
        """Tell whether clients are to be sent here."""
        reasons = self._readiness.reasons()
        return self.answer(request, {"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)


class Stats(Figures):
    """For gun.js's own page."""

    def __init__(self, stats: GunStats) -> None:
        super().__init__()
        self._stats = stats

    def render_GET(self, request: Request) -> bytes:
        """Give them."""
        return self.answer(request, self._stats.now())


class Traces(Figures):
    """For C{gunnet trace}."""

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay

    def render_GET(self, request: Request) -> bytes:
        """Give the way of one message."""
        trace = self._relay.trace
        if trace is None:
            return self.answer(request, {"error": "no messages are followed: --trace turns that on"}, 404)
        wanted = request.args.get(b"id")
        if not wanted:
            return self.answer(request, {"ids": trace.ids()[-IDS_TOLD:]})
        message_id = wanted[0].decode("utf-8", "replace")
        steps = trace.steps(message_id)
        if steps is None:
            return self.answer(request, {"error": f"no message {message_id!r} was followed lately"}, 404)
        return self.answer(request, steps)
