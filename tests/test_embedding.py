"""
Tests for relays inside of a program: what it can hand in, and that several relays in one process have nothing
in common.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import count
from random import Random
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

import gunnet
from gunnet import sea
from gunnet.access.policies import Policies
from gunnet.access.wanted import Access
from gunnet.client import Closed, Gun
from gunnet.graph.lex import ALL
from gunnet.limits import Limits
from gunnet.mesh.asks import Ask
from gunnet.sea.firewall import Check, Outcome
from gunnet.service import RelayService
from gunnet.settings import Multicast, Settings, SettingsError
from gunnet.store.interface import StoreError, StoreInUse
from gunnet.store.memory import MemoryStore
from gunnet.turns import InlineVerifier
from tests.test_layers import modules
from tests.test_service import Client, ReactorInMemory
from tests.transport.doubles import HANDSHAKE, WireTransport

NOT_TOO_LATE = 1_000_000_000


def put(message_id: str, soul: str, key: str, value: Any) -> dict[str, Any]:
    return {"#": message_id, "put": {soul: {"_": {"#": soul, ">": {key: 1}}, key: value}}}


class EmbeddingCase(SynchronousTestCase):
    """Relays on one reactor in memory."""

    def setUp(self) -> None:
        self.reactor = ReactorInMemory()
        self.seeds = count(1)  # of one seed, two would have one id
        self.reactor.advance(NOT_TOO_LATE)

    def relay(self, *, parts: dict[str, Any] | None = None, **fields: Any) -> RelayService:
        settings = Settings(**{"data": None, "listen": ("tcp:1",), **fields})
        return RelayService(settings, self.reactor, Random(next(self.seeds)), **(parts or {}))

    def turns(self, seconds: float = 0.1) -> None:
        for _ in range(10):
            self.reactor.advance(seconds / 10)

    def stop(self, service: Any) -> None:
        done = service.stopService()
        self.turns(1.0)
        self.successResultOf(done)

    def client(self, port: int = 1) -> Client:
        """A client of the relay at a port, to which all was said that is at first."""
        client = Client(self.reactor, port)
        self.turns()
        client.got()
        return client

    def acks(self, client: Client, message: dict[str, Any]) -> list[Any]:
        """What somebody is answered to one message: C{err}, or L{True}."""
        client.say(message)
        self.turns()
        return [said.get("err", True) for said in client.got() if said.get("@") == message["#"]]


class PublicTests(SynchronousTestCase):
    """The names that C{gunnet} itself has."""

    def test_names(self) -> None:
        """Each is there, and listed; others are not."""
        for name in gunnet._PUBLIC:
            self.assertEqual(getattr(gunnet, name).__name__, name)
            self.assertIn(name, dir(gunnet))
        self.assertRaises(AttributeError, getattr, gunnet, "Relay")
        self.assertIs(gunnet.RelayService, RelayService)

    def test_lazy(self) -> None:
        """Until one is used nothing is loaded, and never a reactor."""
        code = (
            "import sys, gunnet; print('autobahn' in sys.modules, 'twisted' in sys.modules);"
            "gunnet.RelayService, gunnet.GunResource; print('twisted.internet.reactor' in sys.modules)"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(said.stdout.split(), ["False", "False", "False"])


class GlobalStateTests(SynchronousTestCase):
    """Relays have nothing in common, so there is no place for it."""

    ALLOWED = {
        # module.name: why
        "gunnet.client.aio._reactors": "one reactor for each event loop, since a loop has one",
    }
    EMPTY = {"dict", "list", "set", "deque", "OrderedDict", "defaultdict", "WeakKeyDictionary", "Counters"}

    def test_nothing_to_fill(self) -> None:
        """No module has a container that is empty at first, and no function sets a variable of a module."""
        found = set()
        for module, tree in modules().items():
            for statement in tree.body:
                if isinstance(statement, (ast.Assign, ast.AnnAssign)) and self.is_empty(statement.value):
                    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
                    found.update(f"{module}.{ast.unparse(target)}" for target in targets if target)
            found.update(f"{module}: global" for node in ast.walk(tree) if isinstance(node, ast.Global))
        self.assertEqual(found, set(self.ALLOWED))

    def is_empty(self, value: ast.expr | None) -> bool:
        if isinstance(value, ast.Call):
            return getattr(value.func, "id", None) in self.EMPTY and not value.args
        return value is not None and ast.unparse(value) in ("{}", "[]")


class ServiceTests(EmbeddingCase):
    """A relay as one service among others."""

    def test_parent(self) -> None:
        """It starts and stops with its parent, or when it is added and removed."""
        parent, relay = MultiService(), self.relay()
        relay.setServiceParent(parent)
        self.assertEqual(self.reactor.listening, set())
        parent.startService()
        self.assertEqual(self.reactor.listening, {1})
        self.stop(parent)
        self.assertEqual(self.reactor.listening, set())
        parent.startService()
        done = relay.disownServiceParent()
        self.turns(1.0)
        self.successResultOf(done)
        self.assertEqual((self.reactor.listening, list(parent)), (set(), []))
        relay.setServiceParent(parent)
        self.assertEqual(self.reactor.listening, {1})
        self.stop(parent)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_no_listeners(self) -> None:
        """It need not listen, and dials all the same."""
        relay = self.relay(listen=(), peers=("ws://192.0.2.1:1/gun",))
        relay.startService()
        self.assertEqual((self.reactor.tcpServers, relay.listeners), ([], []))
        self.assertEqual([made[:2] for made in self.reactor.tcpClients], [("192.0.2.1", 1)])
        self.stop(relay)


class ClientTests(EmbeddingCase):
    """A program's own client of its own relay."""

    def test_runs(self) -> None:
        """It reads and writes as others do, one for each run of the relay, closed before or after it."""
        relay = self.relay(parts={"store": MemoryStore(1 << 20)})
        for run in ("first", "second"):
            relay.startService()
            gun = Gun(relay=relay, reactor=self.reactor, random=Random(next(self.seeds)))
            done = gun.get("room").get(run).put(run)
            self.turns()
            self.successResultOf(done)
            client = self.client()
            client.say({"#": run, "get": {"#": "room"}})
            self.turns()
            self.assertIn(run, [said["put"]["room"].get(run) for said in client.got() if "put" in said])
            if run == "first":
                self.successResultOf(gun.close())
            self.stop(relay)
        self.successResultOf(gun.close())
        self.turns(1.0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_after_the_end(self) -> None:
        """What it is asked when the relay has stopped fails, also when that has been started again."""
        relay = self.relay()
        relay.startService()
        gun = Gun(relay=relay, reactor=self.reactor, random=Random(next(self.seeds)))
        self.turns()
        self.stop(relay)
        self.assertRaises(Closed, gun.get("room").get("a").put, 1)
        relay.startService()
        self.assertRaises(Closed, gun.get("room").get("a").put, 1)
        self.stop(relay)
        gun.close()
        self.turns(5.0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class StoreTests(EmbeddingCase):
    """A store that is handed in."""

    def test_object(self) -> None:
        """One object is used by all runs, and stays open for the program that made it."""
        store = MemoryStore(1 << 20)
        closed: list[None] = []
        self.patch(store, "close", lambda: closed.append(None))
        relay = self.relay(parts={"store": store}, data="not made")
        for run in ("first", "second"):
            relay.startService()
            self.assertIs(relay.store, store)
            self.assertEqual(self.acks(self.client(), put(run, "a", run, 1)), [True])
            self.stop(relay)
        self.assertEqual([key for key, _ in store.node("a", ALL)], ["first", "second"])
        self.assertEqual(closed, [])

    def test_callable(self) -> None:
        """What a callable gives is closed with each run."""
        made: list[Any] = []

        class Recorded(MemoryStore):
            closed = 0

            def close(self) -> None:
                self.closed += 1
                super().close()

        def make() -> MemoryStore:
            made.append(Recorded(1 << 20))
            return made[-1]  # type: ignore[no-any-return]

        relay = self.relay(parts={"store": make})
        for _ in range(2):
            relay.startService()
            self.stop(relay)
        self.assertEqual([store.closed for store in made], [1, 1])

    def test_one_folder(self) -> None:
        """A data folder is one relay's, in one process as in two."""
        folder = self.mktemp()
        first, second = self.relay(data=folder), self.relay(data=folder, listen=("tcp:2",))
        first.startService()
        self.addCleanup(first.store.close)
        self.assertRaises(StoreInUse, second.startService)
        self.assertEqual((first.running, second.running), (1, 0))

    def test_failing(self) -> None:
        """One that can't be opened ends the start, and the next may do better."""
        stores = [StoreError("no such server"), MemoryStore(1 << 20)]

        def make() -> MemoryStore:
            found = stores.pop(0)
            if isinstance(found, StoreError):
                raise found
            return found

        relay = self.relay(parts={"store": make})
        self.assertIn("no such server", str(self.assertRaises(StoreError, relay.startService)))
        self.assertEqual((relay.running, self.reactor.listening), (0, set()))
        relay.startService()
        self.assertEqual(self.acks(self.client(), put("p", "a", "b", 1)), [True])
        self.stop(relay)


class PolicyTests(EmbeddingCase):
    """Policies that are handed in."""

    def test_rule(self) -> None:
        """A callable is asked about each put, and may take its time."""
        asked: list[Ask] = []
        waiting: Deferred[Any] = Deferred()

        def rule(ask: Ask) -> Any:
            asked.append(ask)
            return waiting if ask.message == "late" else ask.cells[0][0] != "closed"

        relay = self.relay(parts={"policies": Policies(rule=rule)})
        relay.startService()
        client = self.client()
        self.assertEqual(self.acks(client, put("p1", "open", "b", 1)), [True])
        self.assertIn("Error", self.acks(client, put("p2", "closed", "b", 1))[0])
        self.assertEqual(self.acks(client, put("late", "open", "c", 1)), [])
        waiting.callback({"action": "reject", "err": "not today"})
        self.turns()
        self.assertEqual([said.get("err") for said in client.got()], ["not today"])
        self.assertEqual([ask.message for ask in asked], ["p1", "p2", "late"])
        self.assertEqual(relay.mesh.relay.counters["rule_answers"], 3)
        self.stop(relay)

    def test_deadline(self) -> None:
        """The settings say how long it may take, and what holds then."""
        access = Access(rule_deadline=2.0, rule_fail="open")
        policies = Policies(rule=lambda ask: Deferred())
        relay = self.relay(parts={"policies": policies}, access=access)
        relay.startService()
        client = self.client()
        self.assertEqual(self.acks(client, put("p1", "a", "b", 1)), [])
        self.turns(2.0)
        self.assertEqual([said.get("@") for said in client.got()], ["p1"])
        self.stop(relay)

    def test_ways(self) -> None:
        """A way to know tokens is asked who may connect, with the token and the time."""
        asked: list[tuple[str, float]] = []

        class Sessions:
            def admits(self, token: str, now: float) -> bool:
                asked.append((token, now))
                return token == "good"

        relay = self.relay(parts={"policies": Policies(ways=(Sessions(),))})
        relay.startService()
        for query, code in ((b"x=1", b"401"), (b"token=bad", b"401"), (b"token=good", b"101")):
            transport = WireTransport()
            transport.protocol = self.reactor.tcpServers[0][1].buildProtocol(transport.getPeer())
            transport.protocol.makeConnection(transport)
            transport.protocol.dataReceived(HANDSHAKE.replace(b"x=1", query) + b"\r\n")
            self.assertEqual(transport.value().split()[1], code)
        self.assertEqual(asked, [("bad", self.reactor.seconds()), ("good", self.reactor.seconds())])
        self.stop(relay)

    def test_writers(self) -> None:
        """Only some keys may write."""
        alice, eve = sea.pair(), sea.pair()
        parts = {"policies": Policies(writers=frozenset({alice.pub})), "verifier": InlineVerifier()}
        relay = self.relay(parts=parts)
        relay.startService()
        client = self.client()
        for pair, taken in ((alice, True), (eve, False)):
            soul = f"~{pair.pub}"
            signed = sea.sign_value(soul, "b", "yes", 1, pair)
            [ack] = self.acks(client, put(f"p{taken}", soul, "b", signed))
            self.assertEqual(ack is True, taken, ack)
        self.stop(relay)

    def test_verifier(self) -> None:
        """A verifier of the program's own is asked, and is not stopped by the relay."""
        asked: list[Check] = []

        class Recording(InlineVerifier):
            def verify(self, checks: list[Check]) -> Deferred[list[Outcome]]:
                asked.extend(checks)
                return super().verify(checks)

            def stop(self) -> None:
                raise AssertionError("it is not the relay's")

        pair = sea.pair()
        relay = self.relay(parts={"verifier": Recording()})
        relay.startService()
        soul = f"~{pair.pub}"
        signed = sea.sign_value(soul, "b", "yes", 1, pair)
        self.assertEqual(self.acks(self.client(), put("p1", soul, "b", signed)), [True])
        self.assertEqual([check.soul for check in asked], [soul])
        self.stop(relay)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_contradictions(self) -> None:
        """What program and settings both say is refused before anything is opened."""

        class Nobody:
            def admits(self, token: str, now: float) -> bool:
                return False

        for policies, fields in (
            (Policies(rule=succeed), {"access": Access(rule="a:b")}),
            (Policies(rule=succeed), {"access": Access(rule_program="true")}),
            (Policies(writers=frozenset()), {"access": Access(allow_pub="file")}),
            (Policies(ways=(Nobody(),)), {"multicast": Multicast()}),
        ):
            self.assertRaises(SettingsError, self.relay, parts={"policies": policies}, **fields)


class Joined:
    """One connection in memory, from what a relay dialled to a port that another listens on."""

    def __init__(self, reactor: ReactorInMemory) -> None:
        _, port, factory, *_ = reactor.tcpClients.pop()
        listening = [server[1] for server in reactor.tcpServers if server[0] == port][-1]
        self.ends = (WireTransport(), WireTransport())
        for end, made_by in zip(self.ends, (listening, factory), strict=True):
            end.protocol = made_by.buildProtocol(end.getPeer())
            end.protocol.makeConnection(end)

    def flow(self) -> None:
        """Carry what was written to the other end, and that one end is gone."""
        for end, other in (self.ends, self.ends[::-1]):
            data = end.value()
            end.clear()
            if data and not other.gone:
                other.protocol.dataReceived(data)
            if (end.disconnecting or end.gone) and not other.gone:
                other.lose()
            if end.disconnecting:
                end.lose()


class TwoTests(EmbeddingCase):
    """Two relays in one process."""

    def two(self) -> tuple[RelayService, RelayService]:
        east = self.relay(listen=("tcp:1",), axe=False, limits=Limits(message_bytes=2_000))
        west = self.relay(
            listen=("tcp:2",),
            peers=("ws://192.0.2.1:1/gun",),
            parts={"policies": Policies(rule=lambda ask: ask.cells[0][0] != "private")},
        )
        return east, west

    def turns(self, seconds: float = 0.1) -> None:
        for _ in range(10):
            for joined in getattr(self, "joined", []):
                joined.flow()
            self.reactor.advance(seconds / 10)

    def told(self, client: Client) -> list[Any]:
        return [said["put"] for said in client.got() if "put" in said]

    def test_nothing_in_common(self) -> None:
        """Each has its own data, rules, bounds, figures and listeners."""
        east, west = self.two()
        for relay in (east, west):
            relay.startService()
        eastern, western = self.client(1), self.client(2)
        self.turns()
        self.assertEqual(self.acks(eastern, put("p1", "private", "a", 1)), [True])
        self.assertNotEqual(self.acks(western, put("p1", "private", "a", 1)), [True])
        self.assertEqual(west.mesh.relay.counters["rule_answers"], 1)
        self.assertEqual(east.mesh.relay.counters["rule_answers"], 0)
        self.assertIsNone(west.store.cell("private", "a"))
        self.assertIsNotNone(east.store.cell("private", "a"))
        long = put("long", "a", "b", "x" * 3_000)
        self.assertEqual((self.acks(eastern, long), self.acks(western, long)), ([], [True]))
        for name in ("store", "writer", "verifier", "mesh", "gate", "links", "dialers", "root"):
            self.assertIsNot(getattr(east, name), getattr(west, name), name)
        self.stop(east)
        self.stop(west)

    def test_one_goes_on(self) -> None:
        """One may be stopped and started again, while the other goes on."""
        east, west = self.two()
        east.startService()
        west.startService()
        western = self.client(2)
        for run in ("first", "second"):
            self.stop(east)
            self.assertEqual(self.reactor.listening, {2})
            self.assertEqual(self.acks(western, put(run, "a", run, 1)), [True])
            east.startService()
            self.assertEqual(self.reactor.listening, {1, 2})
        self.stop(west)
        self.assertEqual(self.acks(self.client(), put("p", "a", "b", 1)), [True])
        self.stop(east)
        self.turns()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_linked(self) -> None:
        """One may dial the other: what is put at one is told at the other, also when it was away."""
        east, west = self.two()
        east.startService()
        west.startService()
        self.turns()
        self.joined = [Joined(self.reactor)]
        eastern, western = self.client(1), self.client(2)
        self.turns()
        for client in (eastern, western):
            client.say({"#": "get1", "get": {"#": "a"}})
        self.turns()
        eastern.got(), western.got()
        self.assertEqual(set(self.acks(eastern, put("p1", "a", "b", 1))), {True})  # of both
        self.turns()
        self.assertEqual([list(graph["a"])[1:] for graph in self.told(western)], [["b"]])
        self.stop(east)
        self.assertEqual(self.acks(western, put("p2", "a", "c", 2)), [True])
        east.startService()
        for _ in range(100):
            self.turns(1.0)
            if self.reactor.tcpClients:
                break
        self.joined = [Joined(self.reactor)]
        self.turns(5.0)
        self.assertEqual(east.store.cell("a", "c"), west.store.cell("a", "c"))
        self.assertIsNotNone(east.store.cell("a", "c"))
        self.stop(east)
        self.stop(west)
