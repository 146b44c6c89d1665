"""
Tests for L{gunnet.rtc.ice}, L{gunnet.rtc.wanted} and L{gunnet.rtc.secret}: servers and credentials.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.access.files import LOOK_AGAIN_SECONDS
from gunnet.rtc.ice import IceServer, IceServers, credentials, ice_server, turn_server
from gunnet.rtc.secret import ice_servers, read_secret
from gunnet.rtc.wanted import Rtc
from gunnet.settings_error import SettingsError

TURN = "turn:turn.example:3478?transport=udp"


class ServerTests(SynchronousTestCase):
    """How servers are written."""

    def test_read(self) -> None:
        """With and without port, transport and credentials."""
        for text, server in (
            ("stun:stun.example", IceServer("stun:stun.example")),
            ("stuns:192.0.2.1:5349", IceServer("stuns:192.0.2.1:5349")),
            ("stun:[2001:db8::1]:3478", IceServer("stun:[2001:db8::1]:3478")),
            ("turn:me:p%2@turn.example:3478", IceServer("turn:turn.example:3478", "me", "p%2")),
            (TURN, IceServer(TURN)),
        ):
            self.assertEqual(ice_server(text), server)
        self.assertEqual(turn_server(TURN), TURN)
        self.assertEqual(IceServer("stun:a").fields(), {"urls": ["stun:a"]})
        self.assertEqual(
            IceServer("turn:a", "b", "c").fields(), {"urls": ["turn:a"], "username": "b", "credential": "c"}
        )

    def test_refused(self) -> None:
        """Anything else is a mistake of the operator, and passwords are not repeated."""
        for text in (
            "",
            "http://a",
            "stun:",
            "stun:a:b:c",
            "stun:a?transport=udp",
            "stun:me:pass@a",
            "turn:a?x",
        ):
            self.assertRaises(SettingsError, ice_server, text)
        error = self.assertRaises(SettingsError, ice_server, "turn:me:secret@host name")
        self.assertNotIn("secret", str(error))
        for text in ("stun:a", "turn:me:pass@a"):
            self.assertRaises(SettingsError, turn_server, text)


class CredentialsTests(SynchronousTestCase):
    """Credentials that expire."""

    def test_scheme(self) -> None:
        """base64(HMAC-SHA1(secret, user name)), as TURN servers compute it."""
        username, password = credentials(b"north", 1_800_000_000, "alice")
        self.assertEqual(username, "1800000000:alice")
        self.assertEqual(b64decode(password), hmac.new(b"north", username.encode(), hashlib.sha1).digest())
        self.assertEqual(credentials(b"north", 1_800_000_000)[0], "1800000000")

    def test_known(self) -> None:
        """One that C{printf 1800000000 | openssl dgst -sha1 -hmac north -binary} computed."""
        self.assertEqual(credentials(b"north", 1_800_000_000)[1], "4T8K1gDWaxdgRxU6Bb5OYX1vip8=")

    def test_servers(self) -> None:
        """Those with a secret get new credentials each time, the others stay as they are."""
        servers = IceServers([IceServer("stun:a")], [TURN], lambda: b"north", 600)
        self.assertEqual(len(servers), 2)
        stun, turn = servers.now(1_000.9, "me")
        self.assertEqual(stun, IceServer("stun:a"))
        self.assertEqual(turn, IceServer(TURN, *credentials(b"north", 1_600, "me")))
        self.assertEqual(IceServers([IceServer("stun:a")]).now(1.0), [IceServer("stun:a")])
        self.assertFalse(IceServers())


class SecretTests(SynchronousTestCase):
    """The secret's file."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.write("north\n")

    def write(self, text: str) -> None:
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def test_read(self) -> None:
        """It is one line."""
        self.assertEqual(read_secret(self.path), b"north")
        for text in ("", "\n", "two\nlines"):
            self.write(text)
            self.assertRaises(SettingsError, read_secret, self.path)

    def test_changed(self) -> None:
        """It is read again when it has changed."""
        clock = Clock()
        rtc = Rtc(turn_servers=(TURN,), turn_secret_file=self.path)
        servers, [service] = ice_servers(rtc, clock)
        service.startService()
        before = servers.now(0)
        self.write("south wind")
        clock.advance(LOOK_AGAIN_SECONDS)
        service.stopService()
        self.assertNotEqual(servers.now(0), before)
        self.assertEqual(servers.now(0)[0].credential, credentials(b"south wind", 3600)[1])

    def test_none(self) -> None:
        """Without one there is nothing to watch."""
        servers, services = ice_servers(Rtc(ice_servers=(IceServer("stun:a"),)), Clock())
        self.assertEqual((len(servers), services), (1, []))

    def test_refused(self) -> None:
        """What does not fit together."""
        for fields in (
            {"turn_servers": (TURN,)},
            {"turn_secret_file": self.path},
            {"turn_seconds": 59},
            {"room": "x" * 1_001},
        ):
            self.assertRaises(SettingsError, Rtc, **fields)
