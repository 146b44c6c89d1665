"""
Tests for L{gunnet.transport.dialer}: links to upstream relays.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock, StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, connect
from twisted.trial.unittest import SynchronousTestCase

from gunnet.transport.dialer import STEADY_SECONDS, Backoff, Dialer, endpoint_of
from gunnet.transport.link import Links
from gunnet.transport.websocket import ServerFactory
from tests.transport.doubles import ManualEndpoint, RecordingMesh, WireTransport

URL = "http://up.example:8765/gun?a=b"


class BackoffTests(SynchronousTestCase):
    """How long to wait."""

    def test_grows_and_is_reset(self) -> None:
        """The delays double up to a minute, each less a random part of up to a quarter; then begin anew."""
        backoff = Backoff(Random(1))
        for whole in (2, 4, 8, 16, 32, 60, 60, 60):
            delay = backoff(1)
            self.assertTrue(0.75 * whole <= delay <= whole, (whole, delay))
        backoff.reset()
        self.assertLessEqual(backoff(9), 2)

    def test_busy(self) -> None:
        """One that is full is asked after a minute, and then ever less often, until a link lasts."""
        backoff = Backoff(Random(1))
        backoff(1)
        backoff.busy()
        for whole in (60, 120, 240, 480, 600, 600):
            delay = backoff(1)
            self.assertTrue(0.75 * whole <= delay <= whole, (whole, delay))
            backoff.busy()
        backoff.reset()
        self.assertEqual([backoff(1) <= whole for whole in (2, 4, 8, 16, 32, 60, 60)], [True] * 7)

    def test_jitter(self) -> None:
        """Two relays don't come back in the same moment."""
        self.assertEqual(len({Backoff(Random(seed))(1) for seed in range(50)}), 50)


class DialerTests(SynchronousTestCase):
    """A dialer, against an endpoint worked by hand and the server half of the same code."""

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.mesh = RecordingMesh()
        self.links = Links()
        self.endpoint = ManualEndpoint()
        self.lines = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.dialer = Dialer(URL, self.mesh, self.links, self.clock, Random(1), self.endpoint)  # type: ignore[arg-type]

    def link_up(self) -> tuple[Any, RecordingMesh, Any]:
        """Let the attempt under way succeed."""
        upstream = RecordingMesh()
        server = ServerFactory(upstream, Links(), self.clock).buildProtocol(None)  # type: ignore[arg-type]
        client = self.endpoint.accept()
        pump = connect(server, FakeTransport(server, True), client, FakeTransport(client, False), greet=False)
        self.endpoint.then()
        pump.flush()
        return pump, upstream, server

    def test_dials_at_start(self) -> None:
        """The peer is made once, and the first attempt comes at once."""
        self.assertEqual(self.mesh.calls, [("dial", URL)])
        self.assertEqual(self.endpoint.attempts, [])
        self.dialer.startService()
        self.assertEqual(len(self.endpoint.attempts), 1)

    def test_link(self) -> None:
        """An open link carries frames both ways, masked on the way up."""
        self.dialer.startService()
        pump, upstream, _ = self.link_up()
        self.assertEqual(self.mesh.calls[1:], [("meet", URL)])
        self.assertEqual(self.mesh.links[URL].name, URL.partition("?")[0])
        self.mesh.links[URL].send(b'{"up":1}')
        upstream.links[1].send(b'{"down":1}')
        pump.flush()
        self.assertEqual(upstream.heard(), [b'{"up":1}'])
        self.assertEqual(self.mesh.heard(), [b'{"down":1}'])
        asked = self.mesh.links[URL].http_request_data
        self.assertTrue(asked.startswith(b"GET /gun?a=b HTTP/1.1\r\n"), asked)

    def test_no_heartbeat(self) -> None:
        """Only accepted peers get C{[]}."""
        self.dialer.startService()
        pump, upstream, _ = self.link_up()
        for _ in range(25):
            self.clock.advance(1)
            pump.flush()
        self.assertEqual(upstream.heard(), [])
        self.assertEqual(self.mesh.heard(), [b"[]"])

    def test_closed_at_once(self) -> None:
        """One that accepts us and closes at once is dialled less and less often."""
        self.dialer.startService()
        for turn, seconds in enumerate((2.0, 4.0, 8.0), 1):
            pump, _, server = self.link_up()
            self.clock.advance(STEADY_SECONDS / 2)
            server.transport.loseConnection()
            pump.flush()
            self.clock.advance(seconds * 0.7)
            self.assertEqual(len(self.endpoint.attempts), turn)
            self.clock.advance(seconds * 0.3)
            self.assertEqual(len(self.endpoint.attempts), turn + 1)

    def test_redials_after_loss(self) -> None:
        """A link that is lost after a while is dialled again within two seconds, for the same peer."""
        self.dialer.startService()
        for turn in range(1, 4):
            pump, _, server = self.link_up()
            self.clock.advance(STEADY_SECONDS)
            server.transport.loseConnection()
            pump.flush()
            self.assertEqual([call[0] for call in self.mesh.calls[1:]], ["meet", "lose"] * turn)
            self.clock.advance(2.0)
            self.assertEqual(len(self.endpoint.attempts), turn + 1)

    def test_backs_off(self) -> None:
        """Refused connections are tried again ever more seldom, for ever, with a line each that says why."""
        self.dialer.startService()
        for _ in range(20):
            self.endpoint.fail(ConnectError(string="nobody there"))
            self.clock.advance(60)
        self.assertEqual(len(self.endpoint.attempts), 21)
        [reason] = {event["reason"] for event in self.lines if event.get("reason")}
        self.assertIn("nobody there", reason)
        self.assertEqual([event for event in self.lines if event.get("log_failure")], [])

    def test_backs_off_when_the_handshake_fails(self) -> None:
        """TCP that connects to no relay is no success: the delays grow, although it connects."""
        self.dialer.startService()
        waited = []
        for _ in range(4):
            protocol = self.endpoint.accept()
            transport = WireTransport()
            transport.protocol = protocol
            protocol.makeConnection(transport)
            self.endpoint.then()
            protocol.dataReceived(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            attempts, before = len(self.endpoint.attempts), self.clock.seconds()
            while len(self.endpoint.attempts) == attempts:
                self.clock.advance(0.1)
            waited.append(self.clock.seconds() - before)
        self.assertEqual(self.mesh.calls, [("dial", URL)])
        self.assertEqual(waited, sorted(waited))
        self.assertTrue(waited[0] <= 2.1 and waited[3] >= 12, waited)
        self.assertIn("404", str([event["reason"] for event in self.lines if event.get("reason")]))

    def test_mute_server(self) -> None:
        """One that accepts and says nothing is given up after ten seconds."""
        self.dialer.startService()
        protocol = self.endpoint.accept()
        transport = WireTransport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        self.endpoint.then()
        self.clock.advance(10.1)
        self.assertTrue(transport.aborted)
        self.clock.advance(2.0)
        self.assertEqual(len(self.endpoint.attempts), 2)

    def test_stop_while_linked(self) -> None:
        """After a goodbye, the connection ends and is not dialled again."""
        self.dialer.startService()
        pump, upstream, _ = self.link_up()
        gone = self.links.goodbye(self.clock, 0.3)
        stopped = self.dialer.stopService()
        pump.flush()
        self.successResultOf(gone)
        self.successResultOf(stopped)
        self.assertEqual([call[0] for call in self.mesh.calls], ["dial", "meet", "lose"])
        self.assertIn("code 1005", upstream.calls[-1][2])
        self.clock.advance(100)
        self.assertEqual(len(self.endpoint.attempts), 1)

    def test_stop_while_waiting(self) -> None:
        """So does the waiting."""
        self.dialer.startService()
        self.endpoint.fail(ConnectError())
        self.successResultOf(self.dialer.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refused_by_one_that_is_full(self) -> None:
        """A link that is closed with code 1013 is not dialled again for most of a minute."""
        self.dialer.startService()
        pump, _, server = self.link_up()
        server._refuse()
        pump.flush()
        self.assertIn("code 1013", self.mesh.calls[-1][2])
        self.clock.advance(44)
        self.assertEqual(len(self.endpoint.attempts), 1)
        self.clock.advance(16)
        self.assertEqual(len(self.endpoint.attempts), 2)

    def test_hang_up(self) -> None:
        """The link ends with a close frame; started again, the dialer dials at once."""
        self.dialer.startService()
        pump, upstream, _ = self.link_up()
        gone = self.dialer.hang_up("enough")
        self.assertNoResult(gone)
        pump.flush()
        self.successResultOf(gone)
        self.assertEqual(self.mesh.calls[-1], ("lose", URL, "enough"))
        self.assertIn("code 1005", upstream.calls[-1][2])
        self.clock.advance(100)
        self.assertEqual(len(self.endpoint.attempts), 1)
        self.dialer.startService()
        self.assertEqual(len(self.endpoint.attempts), 2)

    def test_drop(self) -> None:
        """The mesh can drop a link; a server that doesn't react is left behind."""
        self.dialer.startService()
        self.link_up()
        link = self.mesh.links[URL]
        link.drop("it is ourselves")
        self.clock.advance(2.1)
        link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.mesh.calls[-1], ("lose", URL, "it is ourselves"))


class EndpointTests(SynchronousTestCase):
    """Where an upstream is."""

    def test_plain(self) -> None:
        """The port is that of the scheme unless it is given."""
        clock = MemoryReactorClock()
        for url, port in (("ws://192.0.2.1/gun", 80), ("http://192.0.2.1:8765/gun", 8765)):
            endpoint: Any = endpoint_of(url, clock)
            self.assertEqual((endpoint._hostText, endpoint._port), ("192.0.2.1", port))
        self.flushWarnings()

    def test_secure(self) -> None:
        """C{wss} and C{https} begin with TLS, and with the name of the host."""
        for url, port in (("wss://up.example/gun", 443), ("https://up.example:8443/", 8443)):
            endpoint: Any = endpoint_of(url, MemoryReactorClock())
            self.assertEqual(endpoint._wrappedEndpoint._port, port)
            transport = StringTransport()
            endpoint._wrapperFactory(Factory.forProtocol(Protocol)).buildProtocol(None).makeConnection(
                transport
            )
            hello = transport.value()
            self.assertEqual(hello[:2], b"\x16\x03")
            self.assertIn(b"up.example", hello)
        self.flushWarnings()
