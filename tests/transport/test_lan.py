"""Tests for L{gunnet.transport.lan}: where groups are joined, and who is on a local network."""

from __future__ import annotations

from ipaddress import ip_interface

from twisted.trial.unittest import SynchronousTestCase

from gunnet.transport.lan import Interface, Place, group_for_ipv6, places

GROUPS = ("233.255.255.255", "ff12::e9ff:ffff")


def interface(name: str, index: int, *addresses: str) -> Interface:
    return Interface(name, index, tuple(map(ip_interface, addresses)))


LO = interface("lo", 1, "127.0.0.1/8", "::1/128")
WIRED = interface("eth0", 2, "192.0.2.7/24", "2001:db8::7/64", "fe80::7/64")
RADIO = interface("wlan0", 3, "10.0.0.7/8", "10.0.0.8/8", "fe80::8/64")
BARE = interface("eth1", 4)
ALL = (LO, WIRED, RADIO, BARE)


class PlacesTests(SynchronousTestCase):
    """L{places}."""

    def names(self, *wanted: str, way: str | None = None) -> list[str]:
        return [str(place) for place in places(ALL, GROUPS, wanted, way)]

    def test_way(self) -> None:
        """The interface that leads to the group, with both kinds of addresses."""
        self.assertEqual(self.names(way="192.0.2.7"), ["eth0 (192.0.2.7)", "eth0 (fe80::7)"])

    def test_no_way(self) -> None:
        """Where no route leads to it, all but the loopback: such a network has no router."""
        expected = ["eth0 (192.0.2.7)", "eth0 (fe80::7)", "wlan0 (10.0.0.7)", "wlan0 (fe80::8)"]
        self.assertEqual(self.names(), expected)

    def test_wanted(self) -> None:
        """Interfaces may be chosen by name or address, wherever the way leads."""
        for wanted in ("wlan0", "10.0.0.8"):
            self.assertEqual(self.names(wanted, way="192.0.2.7"), ["wlan0 (10.0.0.7)", "wlan0 (fe80::8)"])
        self.assertEqual(self.names("lo", "eth9", "eth1"), ["lo (127.0.0.1)"])

    def test_one_kind(self) -> None:
        """A group that is IPv6 needs no other."""
        found = places(ALL, ("ff12::1",), (), "192.0.2.7")
        self.assertEqual([(str(place), place.version) for place in found], [("eth0 (fe80::7)", 6)])


class PlaceTests(SynchronousTestCase):
    """L{Place}."""

    def test_has(self) -> None:
        """Who is on the network: by IPv4 who has an address of it, by IPv6 who is link-local."""
        place = Place(WIRED, WIRED.addresses[0])
        for address, is_there in (
            ("192.0.2.200", True),
            ("192.0.3.1", False),
            ("127.0.0.1", False),
            ("fe80::99", True),
            ("2001:db8::7", False),
        ):
            self.assertIs(place.has(address), is_there, address)

    def test_group_for_ipv6(self) -> None:
        """Each IPv4 group has one that is link-local; one of IPv6 has none beside it."""
        self.assertEqual(group_for_ipv6("233.255.255.255"), "ff12::e9ff:ffff")
        self.assertEqual(group_for_ipv6("239.1.2.3"), "ff12::ef01:203")
        self.assertIsNone(group_for_ipv6("ff12::1"))
