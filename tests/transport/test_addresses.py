"""
Tests for L{gunnet.transport.addresses}: how much one address may do.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.buckets import BURST_SECONDS, Bucket
from gunnet.transport.addresses import Addresses, address_of
from gunnet.transport.link import CLOSE_SECONDS, Links
from tests.transport.doubles import CLOSE, RecordingMesh, Wire, WireTransport

HERE = "192.0.2.7"


class BucketTests(SynchronousTestCase):
    """L{Bucket}."""

    def test_rate(self) -> None:
        """A burst at once, then so much a second; what is overdrawn is waited for."""
        bucket = Bucket(10, 0.0)
        bucket.spend(10 * BURST_SECONDS)
        self.assertEqual(0.0, bucket.debt_seconds(10, 0.0))
        bucket.spend(20)
        self.assertEqual(2.0, bucket.debt_seconds(10, 0.0))
        self.assertEqual(0.5, bucket.debt_seconds(10, 1.5))
        self.assertEqual(0.0, bucket.debt_seconds(10, 2.0))

    def test_never_more_than_a_burst(self) -> None:
        """Who waits for long has a burst, and a clock that goes back gives nothing."""
        bucket = Bucket(10, 1000.0)
        bucket.debt_seconds(10, 5000.0)
        bucket.debt_seconds(10, 0.0)
        bucket.spend(10 * BURST_SECONDS + 10)
        self.assertEqual(1.0, bucket.debt_seconds(10, 0.0))


class AddressesTests(SynchronousTestCase):
    """The table."""

    def test_address_of(self) -> None:
        """An address, whichever way it is written, or the network of a customer; no address, no limit."""
        for host, address in (
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::5", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
        ):
            kind = IPv6Address if ":" in host else IPv4Address
            self.assertEqual(address, address_of(kind("TCP", host, 1)), host)
        self.assertIsNone(address_of(UNIXAddress("/x")))
        self.assertIsNone(address_of(IPv4Address("TCP", "name", 1)))

    def test_addresses(self) -> None:
        """Of those without links, no more are remembered than there is room for: the oldest is forgotten."""
        counters = Counters()
        addresses = Addresses(Limits(addresses=2, address_bytes=10), counters, lambda: 0.0)
        for host in "abcde":
            self.assertTrue(addresses.enter(host))
            self.assertEqual(5.0, addresses.spend(host, 0, 100))
        self.assertEqual(5, len(addresses))
        for host in "bac":
            addresses.leave(host)
        self.assertEqual(4, len(addresses))
        self.assertEqual(1, counters["addresses_evicted"])
        for host, waits in (("a", 5.1), ("b", 0.0), ("c", 5.1), ("f", 0.0)):
            addresses.enter(host)
            self.assertEqual(waits, addresses.spend(host, 0, 1), host)
        self.assertEqual(6, len(addresses))

    def test_links_anew(self) -> None:
        """A new link does not make what was spent forgotten."""
        addresses = Addresses(Limits(address_bytes=10), Counters(), lambda: 0.0)
        addresses.enter("a")
        self.assertEqual(5.0, addresses.spend("a", 0, 100))
        addresses.leave("a")
        addresses.enter("a")
        self.assertEqual(5.1, addresses.spend("a", 0, 1))


class LinkTests(SynchronousTestCase):
    """Links of one address."""

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()

    def factory(self, **limits: int) -> None:
        self.mesh = RecordingMesh(replace(Limits(), **limits))
        self.counters = self.mesh.relay.counters
        self.first = Wire(self.mesh, self.clock, Links())

    def another(self) -> Wire:
        """One more link at the same factory."""
        wire = Wire.__new__(Wire)
        wire.links, wire.factory, wire.transport = self.first.links, self.first.factory, WireTransport()
        wire.link = wire.factory.buildProtocol(wire.transport.getPeer())
        wire.transport.protocol = wire.link
        wire.link.makeConnection(wire.transport)
        return wire

    def test_address_links(self) -> None:
        """One link too many is refused in the handshake; when one is gone there is room again."""
        self.factory(address_links=2)
        self.first.open()
        self.assertIn(b" 101 ", self.another().open().answer)
        refused = self.another().open()
        self.assertIn(b"429 Too Many Requests", refused.answer)
        self.assertEqual(1, self.counters["address_links_refused"])
        self.assertEqual(2, len(self.mesh.links))
        refused.transport.lose()
        self.first.transport.lose()
        self.assertIn(b" 101 ", self.another().open().answer)
        self.assertIn(b" 429 ", self.another().open().answer)

    def test_broken_handshakes(self) -> None:
        """A connection that never becomes a link takes no room."""
        self.factory(address_links=1)
        wire = self.another()
        wire.raw(b"GET / nonsense\r\n\r\n")
        wire.transport.lose()
        self.assertIn(b" 101 ", self.first.open().answer)

    def test_address_bytes(self) -> None:
        """Beyond the burst, reading pauses for as long as it takes, and nothing is lost."""
        self.factory(address_bytes=1000)
        self.first.open()
        for _ in range(8):
            self.first.say(b'{"x":"' + b"y" * 992 + b'"}')
        self.assertEqual(8, len(self.mesh.heard()))
        self.assertEqual("paused", self.first.transport.producerState)
        self.assertLess(0, self.counters["address_bytes_exceeded"])
        self.clock.advance(2.9)
        self.assertEqual("paused", self.first.transport.producerState)
        self.clock.advance(1.0)
        self.assertEqual("producing", self.first.transport.producerState)

    def test_address_messages(self) -> None:
        """Messages are counted, not frames, and all links of the address count together."""
        self.factory(address_messages=10)
        self.first.open()
        self.first.say(b"[" + b",".join([b"{}"] * 50) + b"]")
        self.assertEqual("producing", self.first.transport.producerState)
        second = self.another().open()
        second.say(b"[{},{}]")
        self.assertEqual("paused", second.transport.producerState)
        self.assertEqual(1, self.counters["address_messages_exceeded"])
        self.clock.advance(0.2)
        self.assertEqual("producing", second.transport.producerState)

    def test_both_reasons(self) -> None:
        """Reading goes on when neither the mesh nor the rate is against it."""
        self.factory(address_messages=10)
        self.first.open()
        self.first.link.pause_reading()
        self.first.say(b"[" + b",".join([b"{}"] * 60) + b"]")
        self.clock.advance(1.1)
        self.assertEqual("paused", self.first.transport.producerState)
        self.first.link.resume_reading()
        self.assertEqual("producing", self.first.transport.producerState)
        self.first.say(b"[" + b",".join([b"{}"] * 60) + b"]")
        self.first.link.pause_reading()
        self.first.link.resume_reading()
        self.assertEqual("paused", self.first.transport.producerState)

    def test_closing(self) -> None:
        """A link that is being closed is read from, or the peer's close would never be seen."""
        self.factory(address_messages=1)
        self.first.open()
        self.first.say(b"[" + b",".join([b"{}"] * 60) + b"]")
        self.assertEqual("paused", self.first.transport.producerState)
        self.first.link.drop("enough")
        self.assertEqual("producing", self.first.transport.producerState)
        self.first.say(b"", CLOSE)
        self.clock.advance(CLOSE_SECONDS)
        self.first.transport.lose()
        self.assertFalse([call for call in self.clock.getDelayedCalls() if call.active()])
