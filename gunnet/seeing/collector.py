"""
What C{/metrics} tells of a relay, in the terms of Prometheus. All of it is read when somebody asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gunnet import __version__
from gunnet.compiled import how
from gunnet.mesh.peer import Peer
from gunnet.mesh.relay import Relay
from gunnet.seeing.catalogue import COUNTED, EVENTS, LIMITS
from gunnet.seeing.readiness import Certificates, Readiness
from gunnet.seeing.timings import Histogram, Timings
from gunnet.store.interface import StoreError

TRANSPORTS = ("websocket_in", "websocket_out", "multicast", "webrtc", "other")
UPSTREAM_STATES = {"up": "up", "away": "away", "linked by its own link": "twin"}
"""As L{Peer.state} has them, and how they are labelled."""
_KINDS = {"ws": "websocket_in", "rtc": "webrtc", "multicast": "multicast"}

HISTOGRAMS: tuple[tuple[str, str, str], ...] = (
    ("turns", "gunnet_turn_duration_seconds", "One turn of the relay."),
    ("acks", "gunnet_ack_latency_seconds", "From hearing a put until its ack is written, after the commit."),
    (
        "deliveries",
        "gunnet_propagation_latency_seconds",
        "From hearing a put until an update with it is written, for each peer that gets one.",
    ),
    ("commits", "gunnet_commit_duration_seconds", "From handing a commit over until it is durable."),
    ("commit_cells", "gunnet_commit_cells", "Properties in one commit."),
)
"""(attribute of L{Timings}, name, help)."""


def transport_of(peer: Peer) -> str:
    """By what a peer is linked: one of L{TRANSPORTS}."""
    if peer.url is not None:
        return "websocket_out"
    name = "" if peer.link is None else peer.link.name
    return _KINDS.get(name.partition(" ")[0], "other")


class RelayCollector(Collector):
    """Reads the state of a relay."""

    def __init__(
        self, relay: Relay, timings: Timings, readiness: Readiness, certificates: Certificates
    ) -> None:
        self._relay = relay
        self._timings = timings
        self._readiness = readiness
        self._certificates = certificates

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not know names in advance."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        yield InfoMetricFamily("gunnet", "What runs.", {"version": __version__, "code": how()})
        yield from self._traffic()
        yield from self._peers()
        yield from self._state()
        yield from self._store()
        yield from self._limits()
        yield from self._counted()
        for attribute, name, help in HISTOGRAMS:
            yield _histogram(name, help, getattr(self._timings, attribute))

    def _traffic(self) -> Iterator[Metric]:
        figures = self._relay.figures
        kinds = CounterMetricFamily(
            "gunnet_messages", "Messages that were heard for the first time, by kind.", labels=["kind"]
        )
        for kind, count in figures.heard.by_kind().items():
            kinds.add_metric([kind], count)
        yield kinds
        frames, size = figures.said()
        yield CounterMetricFamily("gunnet_frames_said", "Frames that were handed to links.", frames)
        yield CounterMetricFamily("gunnet_said_bytes", "Bytes of the messages in these.", size)
        yield CounterMetricFamily("gunnet_heard_bytes", "Bytes of frames that came.", figures.heard.bytes)

    def _peers(self) -> Iterator[Metric]:
        figures = self._relay.figures
        peers = GaugeMetricFamily("gunnet_peers", "Links that are up, by transport.", labels=["transport"])
        found = Counter(transport_of(peer) for peer in figures.peers())
        for transport in TRANSPORTS:
            peers.add_metric([transport], found[transport])
        yield peers
        yield GaugeMetricFamily("gunnet_relays", "Peers that are known to be relays.", figures.relays)
        upstreams = figures.upstreams()
        states = GaugeMetricFamily(
            "gunnet_upstreams", "Relays that are dialled, by state; a twin dialled us.", labels=["state"]
        )
        counted = Counter(upstreams.values())
        for state, label in UPSTREAM_STATES.items():
            states.add_metric([label], counted[state])
        yield states
        linked = GaugeMetricFamily("gunnet_upstream_up", "Whether each of them is linked.", labels=["url"])
        for url, state in upstreams.items():
            linked.add_metric([str(url)], state != "away")
        yield linked

    def _state(self) -> Iterator[Metric]:
        figures = self._relay.figures
        yield GaugeMetricFamily("gunnet_ready", "Whether /readyz says so.", not self._readiness.reasons())
        stored = figures.stuck is None
        yield GaugeMetricFamily("gunnet_writes_stored", "Whether the last commit did not fail.", stored)
        yield GaugeMetricFamily(
            "gunnet_signatures_waiting", "Signatures to be verified, or under way.", figures.to_verify
        )
        yield GaugeMetricFamily(
            "gunnet_unchecked_puts", "Puts that wait for signatures or a rule.", figures.unchecked_puts
        )
        yield GaugeMetricFamily("gunnet_hot_nodes", "Nodes kept in memory.", figures.hot_nodes)
        expiry = GaugeMetricFamily(
            "gunnet_certificate_expiry_timestamp_seconds",
            "When a certificate in use expires, seconds since 1970.",
            labels=["certificate"],
        )
        for name, seconds in self._certificates().items():
            expiry.add_metric([name], seconds)
        yield expiry

    def _store(self) -> Iterator[Metric]:
        try:
            stats = self._relay.figures.stored()
        except (StoreError, ValueError):
            return
        for key, name, help in (
            ("bytes", "gunnet_store_bytes", "What the graph takes in the store."),
            ("bytes_max", "gunnet_store_max_bytes", "What it may take."),
            ("file_bytes", "gunnet_store_file_bytes", "The data file, with what can be used again."),
            ("cells", "gunnet_store_cells", "Properties in the store."),
        ):
            if key in stats:
                yield GaugeMetricFamily(name, help, stats[key])

    def _limits(self) -> Iterator[Metric]:
        limits, counters = self._relay.limits, self._relay.counters
        most = GaugeMetricFamily("gunnet_limit", "Each bound; 0 for none.", labels=["limit"])
        for each in fields(limits):
            value = getattr(limits, each.name)
            if isinstance(value, (int, float)):
                most.add_metric([each.name], value)
        yield most
        used = GaugeMetricFamily("gunnet_limit_used", "How much of it is in use.", labels=["limit"])
        for name, value in self._relay.figures.usage().items():
            used.add_metric([name], value)
        yield used
        reached = CounterMetricFamily(
            "gunnet_limit_reached",
            "What it refused, evicted or held back. Limits of one thing may share a count.",
            labels=["limit"],
        )
        for name, counter in LIMITS.items():
            reached.add_metric([name], counters[counter])
        yield reached

    def _counted(self) -> Iterator[Metric]:
        counters = self._relay.counters
        known = set(LIMITS.values())
        for series in COUNTED:
            family = CounterMetricFamily(series.name, series.help, labels=series.labels)
            for values, names in series.values.items():
                family.add_metric(values, sum(counters[name] for name in names))
                known.update(names)
            yield family
        events = CounterMetricFamily("gunnet_events", "Whatever else is counted.", labels=["event"])
        for name in dict.fromkeys((*EVENTS, *sorted(counters.keys() - known))):
            events.add_metric([name], counters[name])
        yield events


def _histogram(name: str, help: str, histogram: Histogram) -> HistogramMetricFamily:
    buckets = [(floatToGoString(bound), float(count)) for bound, count in histogram.buckets()]
    return HistogramMetricFamily(name, help, buckets=buckets, sum_value=histogram.sum)
