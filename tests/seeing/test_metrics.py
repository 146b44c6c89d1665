"""
Tests for L{gunnet.seeing.collector} and L{gunnet.seeing.metrics}: what C{/metrics} tells.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import REGISTRY
from twisted.internet.defer import succeed
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

import gunnet
from gunnet import sea
from gunnet.limits import Limits
from gunnet.seeing.catalogue import COUNTED, EVENTS, LIMITS
from gunnet.seeing.collector import TRANSPORTS, transport_of
from gunnet.seeing.wanted import Seeing
from gunnet.store.interface import StoreError
from gunnet.verifier import verify_all
from tests import test_limits
from tests.seeing.relays import CLIENTS, SeeingCase
from tests.test_service import ReactorInMemory

PAIR = sea.pair()


def put(message_id: str, soul: str, values: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "#": message_id,
        "put": {soul: {"_": {"#": soul, ">": dict.fromkeys(values, 1)}, **values}},
        **fields,
    }


class CatalogueTests(SynchronousTestCase):
    """Each counter has its place."""

    def test_limits(self) -> None:
        """Limits have the counters that their tests look at."""
        self.assertEqual({name: counter for name, (counter, _) in test_limits.TESTS.items()}, LIMITS)

    def test_all_counters(self) -> None:
        """Each counter that is counted somewhere is in the catalogue; none is there that is not."""
        source = "".join(
            path.read_text("utf-8")
            for path in Path(gunnet.__file__).parent.rglob("*.py")
            if path.name != "catalogue.py"
        )
        counted = set(re.findall(r'\bcount\(\s*"([a-z_]+)"', source))
        listed = {*LIMITS.values(), *EVENTS, *_named()}
        self.assertEqual(set(), counted - listed)
        self.assertEqual(set(), {name for name in listed if f'"{name}"' not in source})

    def test_one_place(self) -> None:
        """What has a series with a name of its own is in no other; nor are events."""
        self.assertEqual([], [name for name, times in Counter([*_named(), *EVENTS]).items() if times > 1])
        self.assertEqual(set(), set(EVENTS) & set(LIMITS.values()))


def _named() -> list[str]:
    return [name for series in COUNTED for names in series.values.values() for name in names]


class MetricsTests(SeeingCase):
    """A relay with some traffic."""

    def test_series(self) -> None:
        """More than forty series are there besides buckets, events and limits, all of them from the start."""
        self.begin()
        before = self.metrics()
        plain = [name for name in before if "_bucket" not in name and "_limit" not in name]
        self.assertGreater(len([name for name in plain if "events" not in name]), 40)
        client = self.client()
        client.say(put("p", "s", {"x": 1}))
        self.turns()
        self.assertEqual(set(before), set(self.metrics()))

    def test_limits(self) -> None:
        """Each limit is told, with how often it was reached and how much of it is in use."""
        relay = self.begin(limits=Limits(put_cells=2, subscriptions=7))
        client = self.client()
        client.say(put("p", "s", {"x": 1, "y": 2, "z": 3}))
        client.say({"#": "g", "get": {"#": "s"}})
        self.turns()
        found = self.metrics()
        for each in fields(Limits):
            if each.name != "prefix_bytes":
                self.assertEqual(
                    getattr(relay.settings.limits, each.name), found[f"gunnet_limit{{limit={each.name}}}"]
                )
        for name in LIMITS:
            self.assertIn(f"gunnet_limit_reached_total{{limit={name}}}", found)
        self.assertEqual(1, found["gunnet_limit_reached_total{limit=put_cells}"])
        self.assertEqual(1, found["gunnet_limit_used{limit=subscriptions}"])
        self.assertEqual(1, found["gunnet_limit_used{limit=peers}"])
        for name in relay.mesh.relay.figures.usage():
            self.assertIn(name, LIMITS)

    def test_messages(self) -> None:
        """Messages count by kind, duplicates apart, and with their bytes."""
        self.begin()
        client = self.client()
        for message in (
            put("p", "s", {"x": 1}),
            {"#": "g", "get": {"#": "s"}},
            {"#": "k", "@": "nobody", "ok": 1},
            {"#": "h", "dam": "hi"},
            {"#": "o", "chat": "hello"},
            put("p", "s", {"x": 1}),
        ):
            client.say(message)
        self.turns()
        found = self.metrics()
        for kind in ("put", "get", "ack", "dam", "other"):
            self.assertEqual(1, found[f"gunnet_messages_total{{kind={kind}}}"], kind)
        self.assertEqual(
            (6, 1), (found["gunnet_messages_heard_total"], found["gunnet_duplicates_total{kind=message}"])
        )
        self.assertGreater(found["gunnet_heard_bytes_total"], 150)
        self.assertEqual(2, found["gunnet_frames_said_total"])
        self.assertGreater(found["gunnet_said_bytes_total"], 100)

    def test_timings(self) -> None:
        """Acks, deliveries, commits and turns have histograms."""
        self.begin()
        a, b = self.client(), self.client()
        b.say({"#": "g", "get": {"#": "s"}})
        a.say(put("p", "s", {"x": 1}))
        self.turns()
        found = self.metrics()
        for name in (
            "ack_latency_seconds",
            "propagation_latency_seconds",
            "commit_duration_seconds",
            "commit_cells",
        ):
            self.assertEqual(1, found[f"gunnet_{name}_count"], name)
            self.assertEqual(1, found[f"gunnet_{name}_bucket{{le=+Inf}}"], name)
        self.assertGreater(found["gunnet_turn_duration_seconds_count"], 2)
        self.assertEqual(1, found["gunnet_store_cells"])
        self.assertEqual(0, found["gunnet_store_bytes"] > found["gunnet_store_max_bytes"])

    def test_signatures(self) -> None:
        """Signatures that were verified count, and those that do not hold."""
        relay = self.begin()
        relay.verifier.verify = _verify_now  # type: ignore[method-assign]
        client = self.client()
        soul = f"~{PAIR.pub}"
        said = sea.sign("hello", sea.pair())
        client.say(put("p", soul, {"x": said}))
        self.turns()
        found = self.metrics()
        self.assertEqual(1, found["gunnet_signatures_total{result=verified}"])
        self.assertEqual(1, found["gunnet_signatures_total{result=failed}"])
        self.assertEqual(1, found["gunnet_refused_total{by=firewall,what=property}"])
        self.assertEqual(0, found["gunnet_signatures_waiting"])

    def test_peers(self) -> None:
        """Peers count by how they are linked, and upstreams by their state."""
        relay = self.begin(peers=("ws://192.0.2.1:8765/gun?token=secret",))
        self.client()
        found = self.metrics()
        self.assertEqual(1, found["gunnet_peers{transport=websocket_in}"])
        self.assertEqual(1, found["gunnet_upstreams{state=away}"])
        self.assertEqual(0, found["gunnet_upstream_up{url=ws://192.0.2.1:8765/gun}"])
        self.assertNotIn("secret", self.ask("/metrics").body.decode())
        self.assertEqual(1, relay.mesh.relay.health()["peers"])

    def test_transports(self) -> None:
        """Links are told apart by the names that they have in logs."""
        for name, url, transport in (
            ("ws 127.0.0.1:1", None, "websocket_in"),
            ("ws://a/gun", "ws://a/gun", "websocket_out"),
            ("multicast 233.255.255.255:8765", None, "multicast"),
            ("rtc abc", None, "webrtc"),
            ("", None, "other"),
        ):
            peer: Any = SimpleNamespace(url=url, link=SimpleNamespace(name=name))
            self.assertEqual(transport, transport_of(peer))
            self.assertIn(transport, TRANSPORTS)

    def test_own_registry(self) -> None:
        """Nothing is global: a second relay counts apart, and the library's own registry is let be."""
        before = {family.name for family in REGISTRY.collect()}
        self.begin()
        self.client().say(put("p", "s", {"x": 1}))
        self.turns()
        other = self.relay(self.reactor, listen=("tcp:2",), seeing=Seeing(metrics_listen="tcp:9092"))
        other.startService()
        self.assertIn(b"gunnet_puts_served_total 0.0", self.ask("/metrics", 9092).body)
        self.assertEqual(1, self.metrics()["gunnet_puts_served_total"])
        self.assertEqual(before, {family.name for family in REGISTRY.collect()})
        self.stop(other)

    def test_unknown_counter(self) -> None:
        """A counter that the catalogue does not have is told all the same."""
        relay = self.begin()
        relay.mesh.relay.counters.count("surprises", 3)
        self.assertEqual(3, self.metrics()["gunnet_events_total{event=surprises}"])

    def test_certificates(self) -> None:
        """When the certificates in use expire is told, if somebody says what they are."""
        relay = self.begin()
        relay.tls.expiries = lambda: {"relay.example": 1_900_000_000.0}
        found = self.metrics()
        self.assertEqual(
            1_900_000_000.0, found["gunnet_certificate_expiry_timestamp_seconds{certificate=relay.example}"]
        )

    def test_unreadable_store(self) -> None:
        """A store that can't be read costs its own series only."""
        relay = self.begin()

        def broken() -> dict[str, int]:
            raise StoreError("a bad sector")

        relay.store.stats = broken  # type: ignore[method-assign]
        found = self.metrics()
        self.assertNotIn("gunnet_store_cells", found)
        self.assertEqual(1, found["gunnet_ready"])

    def test_formats(self) -> None:
        """Prometheus text by default, OpenMetrics for who asks for it; nobody keeps it."""
        self.begin()
        answer = self.ask("/metrics")
        self.assertTrue(answer.headers["content-type"].startswith("text/plain; version=0.0.4"))
        self.assertEqual("no-store", answer.headers["cache-control"])
        answer = self.ask("/metrics", headers=b"Accept: application/openmetrics-text; version=1.0.0\r\n")
        self.assertTrue(answer.headers["content-type"].startswith("application/openmetrics-text"))
        self.assertTrue(answer.body.endswith(b"# EOF\n"))

    def test_accept(self) -> None:
        """Whatever somebody says to accept, the answer is metrics, and nothing in the log."""
        self.begin()
        for kind in (b"application/openmetrics-text", b"text/plain"):
            for rest in (
                b"version=a.b",
                b"version=",
                b"version=2",
                b"version=99.0.0",
                b"escaping=?",
                b";;=,",
            ):
                answer = self.ask("/metrics", CLIENTS, b"Accept: %b; %b\r\n" % (kind, rest))
                self.assertEqual((200, True), (answer.code, b"gunnet_ready 1.0\n" in answer.body), rest)

    def test_process(self) -> None:
        """The process is there too."""
        self.begin()
        found = self.metrics()
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"):
            self.assertGreater(found[name], 0)
        self.assertTrue([name for name in found if name.startswith("python_gc_collections_total")])


class WhereTests(SeeingCase):
    """Who may look."""

    def test_strangers(self) -> None:
        """By default clients see no metrics, and nothing listens for those."""
        self.begin(seeing=Seeing())
        self.assertEqual({CLIENTS}, self.reactor.listening)
        for path in ("/metrics", "/trace", "/gun/stats.radata"):
            self.assertEqual(404, self.ask(path, CLIENTS).code, path)
        self.assertEqual(200, self.ask("/readyz", CLIENTS).code)

    def test_own_listener(self) -> None:
        """The listener for metrics has what others may not see, and pages from elsewhere may not read it."""
        self.begin(seeing=Seeing(metrics_listen="tcp:9090:interface=127.0.0.1", trace="all"))
        self.assertEqual({CLIENTS, 9090}, self.reactor.listening)
        self.assertEqual("127.0.0.1", next(each[3] for each in self.reactor.tcpServers if each[0] == 9090))
        for path in ("/metrics", "/trace", "/gun/stats.radata", "/readyz", "/healthz"):
            answer = self.ask(path)
            self.assertEqual(200, answer.code, path)
            self.assertNotIn("access-control-allow-origin", answer.headers)
            self.assertEqual(
                200 if path in ("/readyz", "/healthz") else 404, self.ask(path, CLIENTS).code, path
            )
        self.assertEqual(404, self.ask("/gun").code)

    def test_for_all(self) -> None:
        """With C{--metrics} they are also where clients connect; traces are not."""
        self.begin()
        for path in ("/metrics", "/gun/stats.radata"):
            self.assertEqual(200, self.ask(path, CLIENTS).code, path)
        self.assertEqual(404, self.ask("/trace", CLIENTS).code)

    def test_taken_port(self) -> None:
        """A listener for metrics that can't listen is no start."""
        relay = self.relay(
            ReactorInMemory({9090}), listen=("tcp:1",), seeing=Seeing(metrics_listen="tcp:9090")
        )
        self.assertRaises(CannotListenError, relay.startService)
        self.assertEqual([], list(relay))


def _verify_now(checks: list[Any]) -> Any:
    return succeed(verify_all(checks))
