"""
Tests for L{gunnet.front.forwarded} and L{gunnet.front.trusted}: what proxies say, and whose word is taken.
"""

from __future__ import annotations

import random

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from gunnet.front.forwarded import Malformed, forwarded, x_forwarded_for
from gunnet.front.trusted import Trusted
from gunnet.settings import SettingsError


def told(hops: object) -> list[str]:
    """Addresses and schemes, as text."""
    found = []
    for hop in hops:  # type: ignore[attr-defined]
        address = "?" if hop.address is None else f"{hop.address.host} {hop.address.port}"
        found.append(address if hop.scheme is None else f"{address} {hop.scheme}")
    return found


class ForwardedTests(SynchronousTestCase):
    """C{Forwarded} of RFC 7239."""

    def test_examples_of_the_rfc(self) -> None:
        """Sections 4 and 7 have these."""
        for value, hops in (
            ('for="_gazonk"', ["?"]),
            ('For="[2001:db8:cafe::17]:4711"', ["2001:db8:cafe::17 4711"]),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", ["192.0.2.60 0 http"]),
            ("for=192.0.2.43, for=198.51.100.17", ["198.51.100.17 0", "192.0.2.43 0"]),
            ('for=_hidden, for=_SEVKISEK, for="192.0.2.7:_p"', ["192.0.2.7 0", "?", "?"]),
            (
                'for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown',
                ["?", "2001:db8:cafe::17 0", "192.0.2.43 0"],
            ),
        ):
            self.assertEqual(hops, told(forwarded(value)), value)

    def test_other_spellings(self) -> None:
        """Spaces, quotes where none need be, none where they should, parameters of others, empty elements."""
        for value, hops in (
            ('  for="192.0.2.7" ;\tproto="HTTPS" ', ["192.0.2.7 0 https"]),
            ("for=192.0.2.7:80;proto=https", ["192.0.2.7 80 https"]),
            ("for=[2001:db8::1]:80", ["2001:db8::1 80"]),
            ('host="a, \\"b\\";c";for=192.0.2.7', ["192.0.2.7 0"]),
            ("proto=https", ["? https"]),
            (" , for=192.0.2.7, ,", ["192.0.2.7 0"]),
            ('for="::ffff:192.0.2.7"', ["192.0.2.7 0"]),
            ("for=192.0.2.7;", ["192.0.2.7 0"]),
            ("", []),
        ):
            self.assertEqual(hops, told(forwarded(value)), value)

    def test_malformed(self) -> None:
        """What can't be read is said to be so."""
        for value in (
            "192.0.2.7",
            "for=",
            "for=name.example",
            "for=192.0.2.256",
            "for=192.0.2.7:65536",
            "for=192.0.2.7;for=192.0.2.8",
            'for="192.0.2.7',
            'for="192.0.2.7"x',
            "for=192.0.2.7 for=192.0.2.8",
            'for="[192.0.2.7]:1:2"',
            "for=fe80::1::2",
            "for=\u0660.0.0.1",
        ):
            self.assertRaises(Malformed, list, forwarded(value))

    def test_from_the_right(self) -> None:
        """Whatever a client has sent, the first hop is the one that the proxy has added."""
        dice = random.Random(1)
        for _ in range(2000):
            made_up = "".join(
                dice.choice('for=192.0.2.66;proto\\"", \t[:]_') for _ in range(dice.randrange(40))
            )
            for added in ("for=192.0.2.7", 'for="[2001:db8::7]:1";proto=https'):
                hop = next(forwarded(f"{made_up}, {added}"))
                assert hop.address is not None
                self.assertIn(hop.address.host, ("192.0.2.7", "2001:db8::7"), made_up)


class XForwardedForTests(SynchronousTestCase):
    """C{X-Forwarded-For}, which nobody has specified."""

    def test_spellings(self) -> None:
        """Addresses with a port or not, as the proxies that there are write them."""
        for value, hops in (
            ("192.0.2.43, 198.51.100.17", ["198.51.100.17 0", "192.0.2.43 0"]),
            (
                "2001:db8::1,[2001:db8::2], [2001:db8::3]:80",
                ["2001:db8::3 80", "2001:db8::2 0", "2001:db8::1 0"],
            ),
            ("192.0.2.7:80", ["192.0.2.7 80"]),
            (" , unknown,192.0.2.7,", ["192.0.2.7 0", "?"]),
            ("::ffff:192.0.2.7", ["192.0.2.7 0"]),
        ):
            self.assertEqual(hops, told(x_forwarded_for(value)), value)

    def test_malformed(self) -> None:
        """What can't be read is said to be so, when it is reached."""
        hops = x_forwarded_for("nonsense, 192.0.2.7")
        self.assertEqual(["192.0.2.7 0"], told([next(hops)]))
        self.assertRaises(Malformed, next, hops)


class TrustedTests(SynchronousTestCase):
    """Whose word is taken."""

    def test_has(self) -> None:
        """Networks of both kinds, however an address is written, and UNIX sockets if they are named."""
        trusted = Trusted(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])
        for host, is_in in (
            ("10.1.2.3", True),
            ("11.1.2.3", False),
            ("192.0.2.7", True),
            ("192.0.2.8", False),
            ("::ffff:10.1.2.3", True),
            ("2001:db8:1::1", True),
            ("2001:db9::1", False),
            ("fe80::1%eth0", False),
            ("name", False),
        ):
            kind = IPv6Address if ":" in host else IPv4Address
            self.assertIs(is_in, trusted.has(kind("TCP", host, 1)), host)
        self.assertFalse(trusted.has(UNIXAddress("/x")))
        self.assertTrue(Trusted(["unix"]).has(UNIXAddress(None)))
        self.assertFalse(Trusted(["unix"]).has(IPv4Address("TCP", "127.0.0.1", 1)))
        self.assertFalse(Trusted([]).has(IPv4Address("TCP", "127.0.0.1", 1)))

    def test_mistakes(self) -> None:
        """What is no network is refused."""
        for name in ("", "localhost", "10.0.0.1/8", "10.0.0.0/33", "unix:/run/x"):
            line = str(self.assertRaises(SettingsError, Trusted, [name]))
            self.assertIn(name, line)
