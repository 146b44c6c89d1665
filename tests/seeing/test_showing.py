"""
Tests for L{gunnet.seeing.readiness}, L{gunnet.seeing.pages} and L{gunnet.seeing.gun_stats}.
"""

from __future__ import annotations

from gunnet.front.wanted import Front
from gunnet.seeing.gun_stats import INTERVAL_SECONDS
from gunnet.seeing.pages import IDS_TOLD
from gunnet.seeing.showing import stats_names
from gunnet.seeing.wanted import Seeing
from gunnet.settings import Settings, SettingsError
from gunnet.store.interface import StoreError
from tests.seeing.relays import CLIENTS, OWN, SeeingCase


class ReadyTests(SeeingCase):
    """Whether clients are to be sent here."""

    def test_ready(self) -> None:
        """A relay that listens and stores is ready, at both places."""
        self.begin()
        for port in (CLIENTS, OWN):
            answer = self.ask("/readyz", port)
            self.assertEqual((200, "application/json"), (answer.code, answer.headers["content-type"]))
            self.assertEqual({"ready": True, "reasons": []}, self.json("/readyz", port))

    def test_not_stored(self) -> None:
        """While writes can't be stored it is not, and says why; afterwards it is again."""
        relay = self.begin()
        commit = relay.store.commit

        def full(cells: object) -> None:
            raise StoreError("store x is full")

        relay.store.commit = full  # type: ignore[method-assign]
        client = self.client()
        client.say({"#": "p", "put": {"a": {"_": {"#": "a", ">": {"b": 1}}, "b": "c"}}})
        self.turns()
        self.assertEqual(503, self.ask("/readyz", CLIENTS).code)
        self.assertEqual(["writes can't be stored: store x is full"], self.json("/readyz")["reasons"])
        self.assertEqual(0, self.metrics()["gunnet_ready"])
        self.assertEqual(0, self.metrics()["gunnet_writes_stored"])
        relay.store.commit = commit  # type: ignore[method-assign]
        client.say({"#": "q", "put": {"a": {"_": {"#": "a", ">": {"b": 2}}, "b": "d"}}})
        self.turns()
        self.assertEqual(200, self.ask("/readyz").code)

    def test_not_listening(self) -> None:
        """One that does not listen where it should is not ready."""
        relay = self.begin()
        relay.listeners[0].port = None
        self.assertEqual(["not listening on tcp:1"], self.json("/readyz")["reasons"])

    def test_behind_proxy(self) -> None:
        """What stands in front of clients does not stand in front of those who run the relay."""
        front = Front(trusted=("127.0.0.1",))
        relay = self.begin(listen=(f"haproxy:tcp:{CLIENTS}",), front=front)
        self.assertEqual({"ready": True, "reasons": []}, self.json("/readyz"))
        self.assertEqual(("haproxy:tcp:1",), relay.settings.listen)

    def test_rebound(self) -> None:
        """Over the loopback interface its own names do, and no other: a page may have that lead there."""
        self.begin()
        names = {"localhost:9090": 200, "127.0.0.1": 200, "[::1]:9090": 200, "evil.example": 421}
        for at in ("127.0.0.1", "::ffff:127.0.0.1"):
            for name, code in names.items():
                self.assertEqual(code, self.ask("/readyz", name=name, at=at).code, name)
        self.assertEqual(200, self.ask("/readyz", name="relay.internal:9090", at="10.0.0.7").code)

    def test_stopping(self) -> None:
        """While it stops it says so, until the very end, to those who look at its own listener."""
        relay = self.relay(listen=("tcp:1",), seeing=Seeing(metrics_listen="tcp:9090"))
        relay.startService()
        self.client()
        done = relay.stopService()
        self.assertNoResult(done)
        self.assertEqual({OWN}, self.reactor.listening)
        answer = self.ask("/readyz")
        self.assertEqual(503, answer.code)
        self.assertIn(b"the relay is stopping", answer.body)
        self.turns(1.0)
        self.successResultOf(done)
        self.assertEqual(set(), self.reactor.listening)


class TraceTests(SeeingCase):
    """Traces over HTTP."""

    def test_trace(self) -> None:
        """A message with C{DBG} can be asked for by its id."""
        self.begin()
        client = self.client()
        client.say({"#": "p/ü", "put": {"a": {"_": {"#": "a", ">": {"b": 1}}, "b": "c"}}, "DBG": 1})
        self.turns()
        found = self.json("/trace?id=p%2F%C3%BC")
        self.assertEqual("p/ü", found["id"])
        self.assertEqual(["hear", "check", "merge"], [step["step"] for step in found["steps"]][:3])
        self.assertEqual({"ids": ["p/ü"]}, self.json("/trace"))
        self.assertEqual(404, self.ask("/trace?id=q").code)

    def test_off(self) -> None:
        """Where nothing is followed, that is said."""
        self.begin(seeing=Seeing(metrics_listen="tcp:9090"))
        self.assertEqual(404, self.ask("/trace?id=p").code)
        self.assertIn("--trace", self.json("/trace")["error"])

    def test_ids(self) -> None:
        """Of the many ids the latest are listed."""
        self.begin(seeing=Seeing(metrics_listen="tcp:9090", trace="all"))
        client = self.client()
        for number in range(IDS_TOLD + 5):
            client.say({"#": f"g{number}", "get": {"#": "s"}})
        ids = self.json("/trace")["ids"]
        self.assertEqual((IDS_TOLD, f"g{IDS_TOLD + 4}"), (len(ids), ids[-1]))


class GunStatsTests(SeeingCase):
    """Figures by gun.js's names."""

    def test_names(self) -> None:
        """What C{examples/stats.html} reads is there, of the seconds since it was taken last."""
        self.begin()
        self.turns(1.0)
        self.client().say({"#": "g", "get": {"#": "s"}})
        self.turns(0.0)
        found = self.json("/gun/stats.radata", CLIENTS)
        self.assertEqual(1, found["peers"]["count"])
        self.assertEqual({"count": 1, "done": 29}, found["dam"]["in"])
        self.assertGreater(found["dam"]["out"]["count"], 0)
        self.assertAlmostEqual(1000.0, found["over"])
        self.assertAlmostEqual(1.0, found["up"]["time"])
        self.assertEqual(1, found["rad"]["get"]["count"])
        for value in (found["memory"]["heapTotal"], found["node"]["count"] + 1, found["cpu"]["user"]):
            self.assertGreater(value, 0)

    def test_interval(self) -> None:
        """Several may look: the figures are taken again each five seconds at most."""
        self.begin()
        self.turns(1.0)
        first = self.json("/gun/stats.radata")
        client = self.client()
        client.say({"#": "g", "get": {"#": "s"}})
        self.turns(INTERVAL_SECONDS - 0.1)
        self.assertEqual(first, self.json("/gun/stats.radata"))
        self.turns(0.2)
        found = self.json("/gun/stats.radata")
        self.assertAlmostEqual(1000 * (INTERVAL_SECONDS + 0.1), found["over"], 3)
        self.assertEqual(1, found["dam"]["in"]["count"])

    def test_name_of_the_file(self) -> None:
        """It is called after the data folder too, as with gun.js."""
        self.assertEqual({"radata"}, stats_names(Settings(data=None)))
        self.assertEqual({"radata", "graph"}, stats_names(Settings(data="var/graph/")))


class WantedTests(SeeingCase):
    """What is no way to see anything."""

    def test_refused(self) -> None:
        """Each mistake is one clear line."""
        for fields, word in (
            ({"trace": "some", "metrics_listen": "tcp:1"}, "trace 'some' is none of off, dbg, all"),
            ({"trace": "all"}, "--metrics-listen"),
            ({"metrics_listen": "haproxy:tcp:9090"}, "PROXY protocol"),
            ({"log_format": "xml"}, "log format 'xml'"),
            ({"log_level": "loud"}, "log level 'loud'"),
        ):
            error = self.assertRaises(SettingsError, Seeing, **fields)
            self.assertIn(word, str(error))
        self.assertEqual(Seeing(), Settings().seeing)
