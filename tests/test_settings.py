"""
Tests for L{gunnet.settings}.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.access.wanted import Access
from gunnet.limits import Limits
from gunnet.settings import (
    Multicast,
    Settings,
    SettingsError,
    list_url,
    multicast_group,
    number,
    port,
    size,
    websocket_url,
)


class SettingsTests(SynchronousTestCase):
    """What settings can be."""

    def test_defaults(self) -> None:
        """Nothing needs to be said."""
        settings = Settings()
        self.assertEqual(settings.listen, ("tcp:8765",))
        self.assertEqual(
            (settings.path, settings.data, settings.axe, settings.multicast), ("/gun", "gundata", True, None)
        )
        self.assertEqual(
            (settings.peers_from, settings.gossip, settings.gossip_allow, settings.sync),
            (None, "off", (), True),
        )

    def test_multicast(self) -> None:
        """By itself it is as GUN has it, but for a TTL of 1; what can't be is refused in one line."""
        self.assertEqual(Multicast(), Multicast(group="233.255.255.255", port=8765, interfaces=(), ttl=1))
        for fields, named in (
            ({"group": "10.0.0.1"}, "10.0.0.1"),
            ({"group": "x"}, "'x'"),
            ({"port": 0}, "port 0"),
            ({"ttl": 0}, "TTL of 0"),
            ({"ttl": 256}, "TTL of 256"),
            ({"interfaces": ("",)}, "interface"),
        ):
            line = str(self.assertRaises(SettingsError, Multicast, **fields))
            self.assertIn(named, line)

    def test_multicast_group(self) -> None:
        """Where a group is, as it is written."""
        for text, expected in (
            ("239.1.2.3:7", ("239.1.2.3", 7)),
            ("239.1.2.3", ("239.1.2.3", 8765)),
            ("[ff12::1]:7", ("ff12::1", 7)),
        ):
            self.assertEqual(multicast_group(text), expected)
        for text in ("", "239.1.2.3:", "239.1.2.3:99999", "ff12::1", "10.0.0.1:7", "x:1", "239.1.2.3:7:7"):
            self.assertRaises(SettingsError, multicast_group, text)

    def test_multicast_and_tokens(self) -> None:
        """What needs a token can't be open to all on the local network."""
        for access in (Access(token_file="t"), Access(jwt_key="k"), Access(allow_user="u")):
            error = self.assertRaises(SettingsError, Settings, access=access, multicast=Multicast())
            self.assertIn("without a token", str(error))
        Settings(access=Access(allow_pub="p", require_signed=True), multicast=Multicast())

    def test_refused(self) -> None:
        """What can't be is refused in one line that names it."""
        refused: list[tuple[dict[str, Any], str]] = [
            ({"listen": ("tcp:1", "tcp:1")}, "tcp:1"),
            ({"peers": ("ws://a", "ws://a")}, "ws://a"),
            ({"path": "gun"}, "'gun'"),
            ({"path": "/gun?x"}, "'/gun?x'"),
            ({"path": "/g n"}, "'/g n'"),
            ({"peers": ("example.com",)}, "'example.com'"),
            ({"peers_from": "http://lists.example/relays"}, "use https"),
            ({"peers_from": "relays.json"}, "'relays.json'"),
            ({"gossip": "perhaps"}, "'perhaps'"),
            ({"gossip_allow": ("10.0.0.0/33",)}, "10.0.0.0/33"),
            ({"gossip_allow": ("localhost",)}, "localhost"),
            ({"limits": Limits(peers=0)}, "0 peers"),
            ({"data": " "}, "data"),
            ({"data_bytes_max": 1000}, "1000"),
            ({"limits": Limits(message_bytes=10)}, "10 bytes"),
            ({"limits": Limits(message_bytes=200, frame_bytes=100)}, "200 bytes"),
        ]
        for fields, named in refused:
            error = self.assertRaises(SettingsError, replace, Settings(), **fields)
            self.assertIn(named, str(error))
            self.assertNotIn("\n", str(error))


class SizeTests(SynchronousTestCase):
    """Numbers of bytes."""

    def test_sizes(self) -> None:
        """Plain, or with a unit of 1024 each, in any case."""
        for text, value in (
            ("0", 0),
            ("4096", 4096),
            ("64K", 65536),
            ("10m", 10 << 20),
            ("2 G", 2 << 30),
            ("1KiB", 1024),
            ("1MB", 1 << 20),
            ("7B", 7),
        ):
            self.assertEqual(size(text), value, text)

    def test_no_sizes(self) -> None:
        """Anything else is refused."""
        for text in ("", "K", "1.5M", "-1", "1e6", "10 T", "ten", "1" * 30, "\N{ARABIC-INDIC DIGIT ONE}x"):
            self.assertIn(repr(text), str(self.assertRaises(SettingsError, size, text)))


class PortTests(SynchronousTestCase):
    """TCP ports."""

    def test_ports(self) -> None:
        """From 0 (any) to 65535."""
        self.assertEqual([port("0"), port("8765"), port("65535")], [0, 8765, 65535])
        for text in ("", "-1", "65536", "http", "1 2", "0x10"):
            self.assertRaises(SettingsError, port, text)


class NumberTests(SynchronousTestCase):
    """Whole numbers."""

    def test_numbers(self) -> None:
        """Digits, and nothing else."""
        self.assertEqual([number("0"), number("20000")], [0, 20_000])
        for text in ("", "-1", "1.5", "1e3", "many", "10K", "1" * 10, "\N{ARABIC-INDIC DIGIT ONE}"):
            self.assertIn(repr(text), str(self.assertRaises(SettingsError, number, text)))


class ListURLTests(SynchronousTestCase):
    """URLs of lists of relays."""

    def test_safe(self) -> None:
        """HTTPS, or on this machine."""
        for url in (
            "https://lists.example/relays?format=json#x",
            "https://10.0.0.1:8443/",
            "http://localhost:8000/relays",
            "http://127.0.0.1/relays",
            "http://[::1]:8000/relays",
        ):
            self.assertEqual(list_url(url), url)

    def test_refused(self) -> None:
        """All else is refused in a line that names it."""
        for url in (
            "",
            "lists.example/relays",
            "http://lists.example/relays",
            "http://10.0.0.1/relays",
            "http://localhost.example/relays",
            "http://127.0.0.1.example/relays",
            "http://localhost@lists.example/relays",
            "wss://lists.example/gun",
            "file:///relays.json",
            "https://",
            "https://lists.example/a b",
            "https://lists.example:x/",
            "https://[",
        ):
            self.assertIn(repr(url), str(self.assertRaises(SettingsError, list_url, url)))


class URLTests(SynchronousTestCase):
    """URLs of peers."""

    def test_schemes(self) -> None:
        """C{http} becomes C{ws}; nothing else changes, and no path is invented."""
        for url, expected in (
            ("http://a.example/gun", "ws://a.example/gun"),
            ("https://a.example:8443/gun?x=1", "wss://a.example:8443/gun?x=1"),
            ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765"),
            ("wss://[::1]/http", "wss://[::1]/http"),
        ):
            self.assertEqual(websocket_url(url), expected)

    def test_refused(self) -> None:
        """What is no URL of a relay is refused."""
        for url in (
            "",
            "a.example",
            "ftp://a.example",
            "ws://",
            "ws:///gun",
            "http://a:b/",
            "http://a:99999/",
            "http://[::1",
            "http://a.example/ gun",
            "http://me@a.example/gun",
            "http://a.example/gun#x",
        ):
            self.assertIn(repr(url), str(self.assertRaises(SettingsError, websocket_url, url)))
