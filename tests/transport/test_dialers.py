"""
Tests for L{gunnet.transport.dialers}: which relays are dialled, and where a guarded link may lead.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.error import ConnectError
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, connect
from twisted.trial.unittest import SynchronousTestCase

from gunnet.mesh.urls import AllowRule
from gunnet.transport.dialers import GUARDED_REDIAL_SECONDS_MAX, Dialers
from gunnet.transport.link import Links
from gunnet.transport.websocket import ServerFactory
from tests.transport.doubles import ManualEndpoint, RecordingMesh, ResolvingReactor

ONE, TWO = "ws://one.example/gun", "ws://two.example/gun"


class DialersCase(SynchronousTestCase):
    """Dialers whose connections are worked by hand."""

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.mesh = RecordingMesh()
        self.ended: list[str] = []
        self.endpoints: dict[str, ManualEndpoint] = {}
        self.dialers = Dialers(
            self.mesh,  # type: ignore[arg-type]
            Links(),
            self.clock,
            Random(1),
            ended=self.ended.append,
            endpoint_of=lambda url, _: self.endpoints.setdefault(url, ManualEndpoint()),
        )
        self.dialers.startService()

    def attempts(self, url: str = ONE) -> int:
        """How often C{url} was dialled."""
        return len(self.endpoints[url].attempts) if url in self.endpoints else 0

    def link_up(self, url: str = ONE) -> Any:
        """Let the attempt under way succeed."""
        upstream = RecordingMesh()
        server: Any = ServerFactory(upstream, Links(), self.clock).buildProtocol(None)  # type: ignore[arg-type]
        client = self.endpoints[url].accept()
        pump = connect(server, FakeTransport(server, True), client, FakeTransport(client, False), greet=False)
        self.endpoints[url].then()
        pump.flush()
        self.assertEqual(self.mesh.calls[-1], ("meet", url))
        return pump

    def is_lost(self, pump: Any, url: str = ONE) -> bool:
        """Whether the link was closed from our side."""
        pump.flush()
        return self.mesh.calls[-1][:2] == ("lose", url)


class ReasonTests(DialersCase):
    """Reasons come and go."""

    def test_configured(self) -> None:
        """What is configured is dialled at the start, and tried again and again."""
        self.dialers.configure(ONE)
        self.assertEqual((self.attempts(), self.dialers.reasons()), (1, {ONE: ["configured"]}))
        self.endpoints[ONE].fail(OSError("no"))
        self.clock.advance(2)
        self.assertEqual(self.attempts(), 2)

    def test_configured_before_the_start(self) -> None:
        """Nothing is dialled before."""
        self.dialers.stopService()
        self.dialers.configure(ONE)
        self.assertEqual(self.attempts(), 0)
        self.dialers.startService()
        self.assertEqual(self.attempts(), 1)

    def test_one_dialer(self) -> None:
        """Each URL has one, whatever the reasons and the spelling."""
        self.dialers.configure("http://One.example:80/gun")
        self.dialers.set_listed([ONE, "http://one.example/gun"])
        self.dialers.dial("WS://one.example/gun", guarded=True)
        self.assertEqual(list(self.endpoints), ["http://One.example:80/gun"])
        self.assertEqual(
            self.dialers.reasons(), {"http://One.example:80/gun": ["configured", "listed", "told"]}
        )

    def test_queries_differ(self) -> None:
        """A URL with a query is another one."""
        self.dialers.configure(ONE + "?a=b")
        self.dialers.configure(ONE)
        self.assertEqual(len(self.endpoints), 2)

    def test_list(self) -> None:
        """What has left the list is hung up on, what is new in it is dialled, the rest stays as it is."""
        self.dialers.set_listed([ONE, TWO])
        one, two = self.link_up(), self.link_up(TWO)
        self.dialers.set_listed([TWO, "ws://three.example/gun"])
        self.assertTrue(self.is_lost(one))
        self.assertFalse(self.is_lost(two, TWO))
        self.assertEqual(self.attempts("ws://three.example/gun"), 1)
        self.assertEqual(self.ended, [ONE])
        self.assertEqual(list(self.dialers.reasons()), [TWO, "ws://three.example/gun"])
        self.clock.advance(1_000)
        self.assertEqual((self.attempts(), self.attempts(TWO)), (1, 1))

    def test_local(self) -> None:
        """What is heard on the local network is dialled at its address, though that is not public."""
        url = "ws://10.0.0.9:8765/gun"
        self.dialers.configure(TWO)
        self.assertEqual(self.dialers.set_local([url, TWO]), {url})
        self.assertEqual(self.dialers.reasons(), {TWO: ["configured", "local"], url: ["local"]})
        self.assertTrue(self.dialers._may_connect(url, "10.0.0.9"))
        pump = self.link_up(url)
        self.assertEqual(self.dialers.set_local([]), set())
        self.assertTrue(self.is_lost(pump, url))
        self.assertEqual(self.ended, [url])

    def test_local_told_too(self) -> None:
        """That others tell of a private address is no reason to connect to it."""
        self.dialers.dial(ONE, guarded=True)
        self.assertFalse(self.dialers._may_connect(ONE, "10.0.0.9"))

    def test_last_reason(self) -> None:
        """A link ends with the last of its reasons."""
        self.dialers.set_listed([ONE])
        self.dialers.dial(ONE, guarded=True)
        pump = self.link_up()
        self.dialers.set_listed([])
        self.assertFalse(self.is_lost(pump))
        self.dialers.hang_up(ONE, guarded=True)
        self.assertTrue(self.is_lost(pump))
        self.assertEqual((self.ended, self.dialers.reasons()), ([ONE], {}))

    def test_configured_stays(self) -> None:
        """Neither the list nor what is told ends what the operator wants."""
        self.dialers.configure(ONE)
        self.dialers.set_listed([ONE])
        self.dialers.dial(ONE, guarded=True)
        self.dialers.set_listed([])
        self.dialers.hang_up(ONE, guarded=True)
        self.assertFalse(self.is_lost(self.link_up()))
        self.assertEqual(self.dialers.reasons(), {ONE: ["configured"]})

    def test_politely(self) -> None:
        """The other side sees a close, not only a cut."""
        self.dialers.dial(ONE, guarded=True)
        pump = self.link_up()
        self.dialers.hang_up(ONE, guarded=True)
        pump.flush()
        self.assertIn("code 1005", pump.server.factory.mesh.calls[-1][2])

    def test_hang_up_while_dialling(self) -> None:
        """The attempt ends."""
        self.dialers.dial(ONE, guarded=True)
        self.dialers.hang_up(ONE, guarded=True)
        self.assertEqual((self.ended, self.dialers.reasons()), ([ONE], {}))
        self.clock.advance(1_000)
        self.assertEqual(self.attempts(), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_wanted_again_meanwhile(self) -> None:
        """A URL that is wanted again before its old link is gone is dialled when that is gone."""
        self.dialers.dial(ONE, guarded=True)
        pump = self.link_up()
        self.dialers.hang_up(ONE, guarded=True)
        self.dialers.set_listed([ONE])
        self.assertEqual(self.attempts(), 1)
        self.assertTrue(self.is_lost(pump))
        self.assertEqual((self.attempts(), self.ended), (2, []))
        self.link_up()

    def test_unknown(self) -> None:
        """To hang up on what isn't dialled is nothing."""
        for guarded in (False, True):
            self.dialers.hang_up(ONE, guarded=guarded)
        self.dialers.busy(ONE)
        self.assertEqual((self.ended, self.dialers.reasons()), ([], {}))

    def test_twice(self) -> None:
        """To say a thing twice is to say it once."""
        for _ in range(2):
            self.dialers.dial(ONE, guarded=True)
        pump = self.link_up()
        for _ in range(2):
            self.dialers.hang_up(ONE)
        self.assertTrue(self.is_lost(pump))
        for _ in range(2):
            self.dialers.dial(ONE, guarded=False)
        self.assertEqual(self.attempts(), 2)

    def test_stop(self) -> None:
        """The service ends with all that it does."""
        self.dialers.configure(ONE)
        self.dialers.dial(TWO, guarded=True)
        pump = self.link_up()
        self.endpoints[TWO].fail(OSError("no"))
        stopped = self.dialers.stopService()
        pump.flush()
        self.successResultOf(stopped)
        self.assertEqual([call for call in self.clock.getDelayedCalls() if call.active()], [])

    def test_intervals(self) -> None:
        """What only others named is tried less often in the end than what is configured."""
        self.dialers.configure(ONE)
        self.dialers.set_listed([TWO])
        for url, least, most in ((ONE, 40, 60), (TWO, 400, GUARDED_REDIAL_SECONDS_MAX)):
            for _ in range(12):
                self.endpoints[url].fail(OSError("no"))
                attempts, before = self.attempts(url), self.clock.seconds()
                while self.attempts(url) == attempts:
                    self.clock.advance(1)
            self.assertTrue(least <= self.clock.seconds() - before <= most + 1, url)


class SuspensionTests(DialersCase):
    """The core has no use for a link at the moment."""

    def test_suspended(self) -> None:
        """It is closed and not dialled any more, until the core wants it again; then at once."""
        self.dialers.configure(ONE)
        pump = self.link_up()
        self.dialers.hang_up(ONE)
        self.assertTrue(self.is_lost(pump))
        self.clock.advance(10_000)
        self.assertEqual((self.attempts(), self.ended), (1, []))
        self.dialers.dial(ONE, guarded=False)
        self.assertEqual(self.attempts(), 2)
        self.link_up()

    def test_spelling(self) -> None:
        """The core calls it as its peer is called; another spelling means the same."""
        self.dialers.configure("http://one.example/gun")
        self.dialers.hang_up(ONE)
        self.dialers.dial("http://one.example/gun", guarded=False)
        self.assertEqual(self.attempts("http://one.example/gun"), 2)

    def test_new_reasons(self) -> None:
        """They don't end it."""
        self.dialers.configure(ONE)
        self.dialers.hang_up(ONE)
        self.dialers.set_listed([ONE])
        self.clock.advance(1_000)
        self.assertEqual(self.attempts(), 1)

    def test_reasons_end_meanwhile(self) -> None:
        """What nobody wants any more by then is not dialled."""
        self.dialers.set_listed([ONE])
        self.dialers.hang_up(ONE)
        self.dialers.set_listed([])
        self.assertEqual(self.ended, [ONE])
        self.dialers.dial(ONE, guarded=False)
        self.assertEqual((self.attempts(), self.dialers.reasons()), (1, {}))

    def test_no_new_links(self) -> None:
        """Without C{guarded} the core can't begin anything: that way round no guard is to be got."""
        self.dialers.dial(ONE, guarded=False)
        self.assertEqual(self.dialers.reasons(), {})


class BusyTests(DialersCase):
    """Relays that are full."""

    def next_in(self) -> float:
        """When the next attempt comes."""
        attempts, before = self.attempts(), self.clock.seconds()
        while self.attempts() == attempts:
            self.clock.advance(1)
        return self.clock.seconds() - before

    def test_said_on_the_link(self) -> None:
        """gun.js says so by C{mob}: the core tells."""
        self.dialers.configure(ONE)
        pump = self.link_up()
        self.dialers.busy("http://one.example/gun")
        pump.server.sendClose()
        pump.flush()
        self.assertGreaterEqual(self.next_in(), 45)

    def test_close_code(self) -> None:
        """gunnet closes with a code."""
        self.dialers.configure(ONE)
        client = self.endpoints[ONE].accept()
        upstream = RecordingMesh()
        upstream.full = True
        server: Any = ServerFactory(upstream, Links(), self.clock).buildProtocol(None)  # type: ignore[arg-type]
        pump = connect(server, FakeTransport(server, True), client, FakeTransport(client, False), greet=False)
        self.endpoints[ONE].then()
        pump.flush()
        self.assertEqual(self.mesh.calls[-1], ("lose", ONE, "closed by the peer, code 1013 try again later"))
        self.assertGreaterEqual(self.next_in(), 45)


class GuardTests(SynchronousTestCase):
    """Where connections are made to."""

    def setUp(self) -> None:
        self.reactor = ResolvingReactor()
        self.lines = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def connected(self, url: str, how: str, *networks: str, names: Any = None) -> list[Any]:
        """Dial C{url}, and tell where connections were made to."""
        self.reactor.names = names or {}
        dialers = Dialers(
            RecordingMesh(),  # type: ignore[arg-type]
            Links(),
            self.reactor,
            Random(1),
            allowed=AllowRule(networks),
        )
        dialers.startService()
        if how == "configured":
            dialers.configure(url)
        elif how == "listed":
            dialers.set_listed([url])
        else:
            dialers.dial(url, guarded=True)
        self.reactor.advance(1)
        self.reactor.advance(1)
        self.addCleanup(dialers.stopService)
        return self.failed()

    def failed(self) -> list[Any]:
        """Where connections were made to; none of them comes about."""
        made = list(self.reactor.tcpClients)
        self.reactor.tcpClients.clear()
        for client in made:
            client[2].clientConnectionFailed(None, Failure(ConnectError()))
        return [(client[0], client[1]) for client in made]

    def test_names_that_lead_inside(self) -> None:
        """A name that resolves to what is inside is not connected to, whatever else it is."""
        for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1"):
            for url in ("ws://evil.example:8765/gun", "wss://evil.example/gun"):
                for how in ("told", "listed"):
                    self.assertEqual(self.connected(url, how, names={"evil.example": [address]}), [])
        self.assertIn("127.0.0.1 is no public address", [str(event.get("reason")) for event in self.lines])

    def test_public_ones_among_them(self) -> None:
        """Of several addresses the public ones are tried."""
        names = {"mixed.example": ["10.0.0.1", "8.8.8.8", "::1"]}
        self.assertEqual(self.connected("ws://mixed.example/gun", "told", names=names), [("8.8.8.8", 80)])

    def test_addresses(self) -> None:
        """An address is one without being resolved."""
        self.assertEqual(self.connected("ws://127.0.0.1:1/gun", "told"), [])
        self.assertEqual(self.connected("ws://[::1]:1/gun", "told"), [])
        self.assertEqual(self.connected("ws://8.8.8.8:1/gun", "told"), [("8.8.8.8", 1)])

    def test_operator(self) -> None:
        """Who is configured may be anywhere; others may be where the operator allows it."""
        names = {"a.example": ["10.0.0.1"]}
        self.assertEqual(self.connected("ws://a.example/gun", "configured", names=names), [("10.0.0.1", 80)])
        for how in ("told", "listed"):
            self.setUp()
            made = self.connected("ws://a.example/gun", how, "10.0.0.0/8", names=names)
            self.assertEqual(made, [("10.0.0.1", 80)])

    def test_each_time(self) -> None:
        """A name that leads elsewhere at the next attempt is looked at again."""
        names = {"a.example": ["8.8.8.8"]}
        self.assertEqual(self.connected("ws://a.example/gun", "told", names=names), [("8.8.8.8", 80)])
        names["a.example"] = ["127.0.0.1"]
        for _ in range(60):
            self.reactor.advance(1)
        self.assertEqual(self.failed(), [])
        self.assertIn("127.0.0.1 is no public address", [str(event.get("reason")) for event in self.lines])
        names["a.example"] = ["8.8.4.4"]
        for _ in range(60):
            self.reactor.advance(1)
        self.assertEqual(self.failed(), [("8.8.4.4", 80)])
