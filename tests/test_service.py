"""
Tests for L{gunnet.service}: a whole relay on a reactor in memory.
"""

from __future__ import annotations

import json
import os
import threading
from random import Random
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gunnet import __version__, service
from gunnet.access.wanted import Access
from gunnet.compiled import how
from gunnet.limits import Limits
from gunnet.listener import BACKLOG, Listener
from gunnet.rtc import room
from gunnet.rtc.ice import IceServer
from gunnet.rtc.wanted import Rtc
from gunnet.seeing.wanted import Seeing
from gunnet.service import DRAIN_SECONDS, GOODBYE_SECONDS, RelayService
from gunnet.settings import Multicast, Settings, SettingsError
from gunnet.store.interface import StoreError
from gunnet.store.memory import MemoryStore
from gunnet.tls.wanted import Tls
from gunnet.transport.lan import SystemNetwork
from tests.transport.doubles import CLOSE, HANDSHAKE, TEXT, ResolvingReactor, WireTransport, frame, frames

PUT = {"a": {"_": {"#": "a", ">": {"b": 1}}, "b": "c"}}


class ReactorInMemory(ResolvingReactor):
    """Also refuses ports that are taken, and runs what threads ask for."""

    def __init__(self, taken: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        super().__init__()
        self.taken = taken
        self.listening: set[int] = set()

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        if port in self.taken:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        listening = super().listenTCP(port, factory, backlog, interface)
        self.listening.add(port)
        listening.stopListening = lambda: self.listening.discard(port)
        return listening

    def callFromThread(self, what: Any, *args: Any, **fields: Any) -> None:
        self.callLater(0, what, *args, **fields)


class Client:
    """A client in memory of a relay on such a reactor: the first that listened, or the last on a port."""

    def __init__(self, reactor: ReactorInMemory, port: int | None = None) -> None:
        self.transport = WireTransport()
        servers = [server for server in reactor.tcpServers if port in (None, server[0])]
        factory = servers[0 if port is None else -1][1]
        self.transport.protocol = factory.buildProtocol(self.transport.getPeer())
        self.transport.protocol.makeConnection(self.transport)
        self.transport.protocol.dataReceived(HANDSHAKE + b"\r\n")

    def say(self, message: dict[str, Any]) -> None:
        self.transport.protocol.dataReceived(frame(json.dumps(message).encode()))

    def close(self) -> None:
        self.transport.protocol.dataReceived(frame(b"", CLOSE))

    def got(self) -> list[Any]:
        """Messages since the last time, and closes as C{None}."""
        data = self.transport.value()
        self.transport.clear()
        found: list[Any] = []
        for kind, payload in frames(data.partition(b"\r\n\r\n")[2] if data.startswith(b"HTTP") else data):
            if kind == CLOSE:
                found.append(None)
            elif kind == TEXT:
                parsed = json.loads(payload)
                found += parsed if isinstance(parsed, list) else [parsed]
        return found


class ServiceCase(SynchronousTestCase):
    """A relay, started."""

    def relay(self, reactor: ReactorInMemory | None = None, **fields: Any) -> RelayService:
        self.reactor = reactor or ReactorInMemory()
        self.lines = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        settings = Settings(**{"data": None, "limits": Limits(), **fields})
        return RelayService(settings, self.reactor, Random(1))

    def logged(self) -> list[str]:
        return [
            formatEvent(event)
            for event in self.lines
            if event["log_namespace"].startswith(("gunnet.service.", "gunnet.listener."))
        ]

    def turns(self, seconds: float = 0.1) -> None:
        """Let what is due happen."""
        for _ in range(10):
            self.reactor.advance(seconds / 10)

    def stop(self, relay: RelayService) -> None:
        done = relay.stopService()
        self.turns(1.0)
        self.successResultOf(done)


class StartTests(ServiceCase):
    """What a start does."""

    def test_parts(self) -> None:
        """The parts are there by name, in the order of the data."""
        relay = self.relay(listen=("tcp:1", "tcp:2:interface=127.0.0.1"), peers=("ws://192.0.2.1:8765/gun",))
        relay.startService()
        names = ["mesh", "listen:tcp:1", "listen:tcp:2:interface=127.0.0.1", "tls", "dialers"]
        self.assertEqual([part.name for part in relay], names)
        self.assertIsInstance(relay.getServiceNamed(names[1]), Listener)
        self.assertEqual(relay.dialers.reasons(), {"ws://192.0.2.1:8765/gun": ["configured"]})
        self.assertIs(relay.mesh.dialling, relay.dialers)
        self.assertIsInstance(relay.store, MemoryStore)
        self.assertEqual(self.reactor.listening, {1, 2})
        self.stop(relay)

    def test_rtc_room(self) -> None:
        """Without aiortc the start says what to install; servers alone need none."""
        self.patch(room, "find_spec", lambda name: None)
        relay = self.relay(listen=("tcp:1",), rtc=Rtc(room="lobby"))
        error = self.assertRaises(SettingsError, relay.startService)
        self.assertIn("pip install 'gunnet[webrtc]'", str(error))
        self.assertEqual(list(relay), [])
        relay = self.relay(listen=("tcp:1",), rtc=Rtc(ice_servers=(IceServer("stun:a"),)))
        relay.startService()
        self.assertIsNone(relay.room)
        self.stop(relay)

    def test_turn_secret(self) -> None:
        """A secret that can't be read ends the start; one that can is watched while the relay runs."""
        path = self.mktemp()
        rtc = Rtc(turn_servers=("turn:a",), turn_secret_file=path)
        self.assertRaises(SettingsError, self.relay(rtc=rtc).startService)
        with open(path, "w", encoding="utf-8") as file:
            file.write("north")
        relay = self.relay(rtc=rtc)
        relay.startService()
        self.assertTrue(relay.watched[0].running)
        self.stop(relay)
        self.assertFalse(relay.watched[0].running)

    def test_backlog(self) -> None:
        """Many may dial at once; who says how many is heard."""
        self.relay(listen=("tcp:1", "tcp:2:backlog=7:interface=127.0.0.1")).startService()
        self.assertEqual([BACKLOG, 7], [server[2] for server in self.reactor.tcpServers])

    def test_log(self) -> None:
        """The log says what runs, where it listens, and where the data is."""
        self.relay(listen=("tcp:1",), path="/g").startService()
        version, listening, data = self.logged()
        self.assertIn(f"gunnet {__version__}", version)
        self.assertIn(how(), version)
        self.assertIn("NVX", version)
        self.assertEqual(listening, "listening on http://0.0.0.0:1/g")
        self.assertEqual(data, "data in memory only")

    def test_discovery(self) -> None:
        """A list of relays is fetched, and what is in it is dialled, guarded as it was asked for."""
        relay = self.relay(peers_from="https://192.0.2.1/relays", gossip_allow=("10.0.0.0/8",))
        relay.startService()
        [service] = relay.peers_from
        self.assertIs(relay.getServiceNamed("peers-from"), service)
        self.assertIn(("192.0.2.1", 443), [client[:2] for client in self.reactor.tcpClients])
        service._take(["ws://10.0.0.1/gun", "ws://192.168.0.1/gun"])  # type: ignore[attr-defined]
        self.turns()
        self.assertEqual(list(relay.dialers.reasons().values()), [["listed"], ["listed"]])
        self.assertIn(("10.0.0.1", 80), [client[:2] for client in self.reactor.tcpClients])
        self.assertNotIn("192.168.0.1", [client[0] for client in self.reactor.tcpClients])
        self.stop(relay)
        self.turns()
        self.assertEqual([call for call in self.reactor.getDelayedCalls() if call.active()], [])

    def test_told(self) -> None:
        """What others tell is dialled if it may be, and then answered as gun.js does it."""
        for gossip, url, obeyed in (
            ("all", "http://8.8.8.8:8765/gun", True),
            ("all", "http://10.0.0.1:8765/gun", False),
            ("peers", "http://8.8.8.8:8765/gun", False),
            ("off", "http://8.8.8.8:8765/gun", False),
        ):
            relay = self.relay(gossip=gossip)
            relay.startService()
            client = Client(self.reactor)
            self.turns()
            client.got()
            client.say({"#": "opt1", "dam": "opt", "opt": {"peers": url}})
            self.turns()
            self.assertEqual([message.get("ok") for message in client.got()], [1] if obeyed else [])
            made = [client[:2] for client in self.reactor.tcpClients]
            self.assertEqual(made, [("8.8.8.8", 8765)] if obeyed else [])
            self.stop(relay)

    def test_end_of_a_reason(self) -> None:
        """An upstream that nobody wants any more is forgotten by the core as well."""
        relay = self.relay()
        relay.startService()
        relay.dialers.set_listed(["ws://a.example/gun"])
        retired: list[str] = []
        self.patch(relay.mesh.relay, "retire", retired.append)
        relay.dialers.set_listed([])
        self.assertEqual(retired, ["ws://a.example/gun"])

    def test_multicast(self) -> None:
        """Multicast is a part if it is asked for; it says where others can link to, not the loopback."""
        relay = self.relay(listen=("tcp:1", "tcp:2"), path="/g", multicast=Multicast())
        self.patch(SystemNetwork, "interfaces", lambda _: [])
        relay.startService()
        self.assertIs(relay.getServiceNamed("multicast"), relay.multicast[0])
        for listener, port in zip(relay.listeners, (2, None), strict=True):
            loopback = IPv4Address("TCP", "127.0.0.1", 1)
            self.patch(listener.port, "getHost", lambda loopback=loopback: loopback)
            self.assertEqual(relay._where().port, port)

    def test_no_multicast(self) -> None:
        """Where who connects needs a token it is said that there is none."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write("a secret that is long enough\n")
        self.relay(access=Access(token_file=path)).startService()
        self.assertTrue(any("no multicast" in line for line in self.logged()))

    def test_settings_reach_the_core(self) -> None:
        """Limits and all."""
        limits = Limits(message_bytes=5000)
        relay = self.relay(limits=limits)
        relay.startService()
        self.assertIs(relay.mesh.relay.limits, limits)

    def test_never_started(self) -> None:
        """Parts that come after the one that can't start are left alone: the log has no faults of theirs."""
        self.patch(service, "open_store", lambda _settings: MemoryStore(1 << 20))
        seeing = Seeing(metrics_listen="tcp:9090")
        for port in (1, 2, 9090):
            relay = self.relay(
                ReactorInMemory({port}), listen=("tcp:1", "tcp:2"), seeing=seeing, data=self.mktemp()
            )
            self.assertRaises(CannotListenError, relay.startService)
            self.stop(relay)
            self.assertEqual((self.flushLoggedErrors(), self.reactor.listening), ([], set()))
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_taken_port(self) -> None:
        """A taken port raises, and what was started before is stopped again."""
        relay = self.relay(
            ReactorInMemory(taken={2}), listen=("tcp:1", "tcp:2"), peers=("ws://192.0.2.1/gun",)
        )
        self.assertRaises(CannotListenError, relay.startService)
        self.turns()
        self.assertEqual(self.reactor.listening, set())
        self.assertEqual((list(relay), relay.running), ([], 0))

    def test_unusable_endpoints(self) -> None:
        """An endpoint that can't be is one line that names it."""
        for description in (
            "nonsense",
            "tcp",
            "tcp:x",
            "ssl:1:privateKey=/nonexistent.pem",
            "nonsense:1",
            "tcp:1:a=b",
        ):
            relay = self.relay(listen=(description,))
            self.assertIn(repr(description), str(self.assertRaises(SettingsError, relay.startService)))

    def test_unusable_keys(self) -> None:
        """So are a key and a certificate that can't be read, or are none."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        for key, cert in (("/nonexistent", path), (path, "/nonexistent"), (path, path), (__file__, __file__)):
            relay = self.relay(tls=Tls((key,), (cert,)))
            self.assertIn("TLS", str(self.assertRaises(SettingsError, relay.startService)))

    def test_unusable_authorities(self) -> None:
        """So are those of others."""
        path = self.mktemp()
        relay = self.relay(data=path, tls=Tls(authorities=("/nonexistent",)))
        self.assertIn("/nonexistent", str(self.assertRaises(SettingsError, relay.startService)))
        self.assertFalse(os.path.exists(path))

    def test_unusable_folder(self) -> None:
        """A data folder that is a file raises, and nothing listens."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8"):
            pass
        relay = self.relay(data=path)
        self.assertIn(path, str(self.assertRaises(StoreError, relay.startService)))
        self.assertEqual(self.reactor.listening, set())

    def test_data(self) -> None:
        """The data folder is made, and the log says where it is."""
        path = self.mktemp()
        relay = self.relay(data=path)
        relay.startService()
        self.assertIn(f"data in {os.path.abspath(path)}", self.logged())
        self.assertTrue(os.path.isdir(path))
        self.addCleanup(relay.store.close)

    def test_unusable_gun_js(self) -> None:
        """A folder without gun.js raises, and the store can be opened by the next."""
        path = self.mktemp()
        for gun_js in ("/nonexistent", None):
            relay = self.relay(data=path, gun_js=gun_js)
            if gun_js is not None:
                self.assertRaises(SettingsError, relay.startService)
                self.assertFalse(relay.running)
                self.waited(relay)
        relay.startService()
        self.waited(relay)

    def waited(self, relay: RelayService) -> None:
        """Wait for the end of a stop, which the thread of the store takes part in."""
        stopped: list[None] = []
        relay.stopService().addCallback(stopped.append)
        for _ in range(1000):
            self.reactor.advance(0.01)
            if stopped:
                return
            threading.Event().wait(0.01)
        self.fail("it does not stop")


class RunTests(ServiceCase):
    """A put from one client to another."""

    def test_put(self) -> None:
        """It is acknowledged to the one, and told to the other, who has asked."""
        self.relay().startService()
        writer, reader = Client(self.reactor), Client(self.reactor)
        self.turns()
        reader.say({"#": "get1", "get": {"#": "a"}})
        self.turns()
        self.assertIn("?", [message.get("dam") for message in writer.got()])
        reader.got()
        writer.say({"#": "put1", "put": PUT})
        self.turns()
        [ack] = [message for message in writer.got() if message.get("@") == "put1"]
        self.assertNotIn("err", ack)
        self.assertIn(PUT, [message.get("put") for message in reader.got()])

    def test_healthy(self) -> None:
        """C{/healthz} tells of it."""
        self.relay().startService()
        transport = WireTransport()
        transport.protocol = self.reactor.tcpServers[0][1].buildProtocol(transport.getPeer())
        transport.protocol.makeConnection(transport)
        transport.protocol.dataReceived(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        head, _, body = transport.value().partition(b"\r\n\r\n")
        self.assertIn(b" 200 ", head)
        self.assertTrue(json.loads(body)["ok"])

    def test_full(self) -> None:
        """A link that there is no room for is closed with a code; there is nobody to send its client to."""
        self.relay(limits=Limits(peers=1)).startService()
        first, second = Client(self.reactor), Client(self.reactor)
        self.turns()
        self.assertEqual(second.got(), [None])
        self.assertNotIn(None, first.got())

    def test_oversized(self) -> None:
        """A message that is too big is answered, and the link stays."""
        self.relay(limits=Limits(message_bytes=2000)).startService()
        client = Client(self.reactor)
        self.turns()
        client.got()
        client.transport.protocol.dataReceived(frame(b'{"#":"x","put":"' + b"x" * 3000 + b'"}'))
        self.turns()
        [answer] = client.got()
        self.assertEqual((answer["dam"], answer["err"]), ("!", "Message too big!"))
        self.assertFalse(client.transport.gone)


class StopTests(ServiceCase):
    """The stages of a stop."""

    def test_polite(self) -> None:
        """Peers see a close; when they have answered, all is over."""
        relay = self.relay()
        relay.startService()
        client = Client(self.reactor)
        self.turns()
        client.got()
        done = relay.stopService()
        self.assertEqual(self.reactor.listening, set())
        self.assertEqual(client.got(), [None])
        self.assertNoResult(done)
        client.close()
        self.turns()
        self.successResultOf(done)
        self.assertEqual(list(relay), [])

    def test_rude(self) -> None:
        """A peer that doesn't answer is not waited for."""
        relay = self.relay()
        relay.startService()
        client = Client(self.reactor)
        done = relay.stopService()
        self.turns(DRAIN_SECONDS + GOODBYE_SECONDS + 0.1)
        self.successResultOf(done)
        self.assertTrue(client.transport.aborted)

    def test_last_words(self) -> None:
        """What was heard before is stored and acknowledged before the close."""
        relay = self.relay()
        relay.startService()
        client = Client(self.reactor)
        self.turns()
        client.got()
        client.say({"#": "put1", "put": PUT})
        done = relay.stopService()
        client.close()
        self.turns(1.0)
        self.successResultOf(done)
        ack, close = client.got()
        self.assertEqual((ack["@"], close), ("put1", None))

    def test_slow_disk(self) -> None:
        """Goodbye doesn't wait for a slow commit, but the end does: an open store is not left behind."""
        relay = self.relay()
        relay.startService()
        stored: Deferred[None] = Deferred()
        self.patch(relay.mesh, "stopService", lambda: stored)
        client = Client(self.reactor)
        client.got()
        done = relay.stopService()
        self.assertEqual(client.got(), [])
        self.turns(DRAIN_SECONDS)
        self.turns(DRAIN_SECONDS)
        self.assertEqual(client.got()[-1:], [None])
        self.turns(1.0)
        self.assertNoResult(done)
        stored.callback(None)
        self.turns()
        self.successResultOf(done)

    def test_again(self) -> None:
        """A relay can be started again."""
        relay = self.relay()
        for _ in range(2):
            relay.startService()
            self.assertEqual(len(list(relay)), 4)
            self.stop(relay)

    def test_any_time(self) -> None:
        """A stop may be asked for before a start, twice, and when all is over."""
        relay = self.relay()
        self.successResultOf(relay.stopService())
        relay.startService()
        Client(self.reactor)
        both = [relay.stopService(), relay.stopService()]
        for done in both:
            self.assertNoResult(done)
        self.turns(1.0)
        for done in both:
            self.successResultOf(done)
        self.successResultOf(relay.stopService())

    def test_starts_once(self) -> None:
        """A relay that runs, or has not stopped yet, is not started; who waited for its end may do so."""
        relay = self.relay()
        relay.startService()
        self.assertIn("runs", str(self.assertRaises(RuntimeError, relay.startService)))
        Client(self.reactor)
        done = relay.stopService()
        self.assertIn("not stopped", str(self.assertRaises(RuntimeError, relay.startService)))
        done.addCallback(lambda _: relay.startService())
        self.turns(1.0)
        self.successResultOf(done)
        self.assertEqual(relay.running, 1)
        self.stop(relay)

    def test_nothing_left(self) -> None:
        """No timer is left behind."""
        relay = self.relay(peers=("ws://192.0.2.1/gun",))
        relay.startService()
        Client(self.reactor)
        self.turns()
        self.stop(relay)
        self.turns()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
