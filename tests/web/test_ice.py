"""
Tests for L{gunnet.web.ice}: servers and credentials for pages.
"""

from __future__ import annotations

import json

from gunnet.access import tokens
from gunnet.access.door import Door
from gunnet.access.tokens import Secrets
from gunnet.limits import Limits
from gunnet.rtc.ice import IceServer, IceServers, credentials
from gunnet.transport.link import Links
from gunnet.transport.websocket import ServerFactory
from gunnet.web.resource import RelaySite, Root
from tests.transport.doubles import RecordingMesh
from tests.web.test_resource import WebCase

SECRET = "correct horse battery staple"
APP = "https://app.example"


class IceTests(WebCase):
    """A relay with a STUN server, and a TURN server that shares a secret with it."""

    def setUp(self) -> None:
        super().setUp()
        self.clock.advance(1_800_000_000)
        self.begin(Door((), (), self.mesh.relay.counters))

    def begin(self, door: Door) -> None:
        servers = IceServers([IceServer("stun:a")], ["turn:b"], lambda: b"north", 600)
        factory = ServerFactory(self.mesh, Links(), self.clock)  # type: ignore[arg-type]
        self.site = RelaySite(Root(factory, self.path, None, door, None, servers), self.clock)

    def test_told(self) -> None:
        """Everybody gets them as browsers take them, and nobody keeps them."""
        answer = self.ask("/gun/ice.json")
        self.assertEqual((answer.code, answer.headers["content-type"]), (200, "application/json"))
        self.assertEqual(answer.headers["cache-control"], "no-store")
        username, password = credentials(b"north", 1_800_000_600)
        self.assertEqual(
            json.loads(answer.body),
            {
                "iceServers": [
                    {"urls": ["stun:a"]},
                    {"urls": ["turn:b"], "username": username, "credential": password},
                ],
                "seconds": 600,
            },
        )
        self.assertEqual(self.mesh.relay.counters["ice_servers_told"], 1)

    def test_door(self) -> None:
        """Who may not connect gets none: a token is needed, and the right origin."""
        ways = [Secrets(lambda: [tokens._hash(SECRET)])]
        self.begin(Door([APP], ways, self.mesh.relay.counters))
        token = SECRET.replace(" ", "%20")
        self.assertEqual(self.ask("/gun/ice.json").code, 401)
        self.assertEqual(self.ask("/gun/ice.json?token=wrong").code, 401)
        self.assertEqual(self.ask(f"/gun/ice.json?token={token}").code, 200)
        wrong = b"Host: a\r\nOrigin: https://other.example\r\n"
        self.assertEqual(self.ask(f"/gun/ice.json?token={token}", headers=wrong).code, 403)
        self.assertNotIn(b"turn:", self.ask("/gun/ice.json").body)

    def test_tries(self) -> None:
        """Where the messages of one address are limited, so is how often it may try."""
        self.mesh = RecordingMesh(limits=Limits(address_messages=1))
        self.begin(Door([], [Secrets(lambda: [tokens._hash(SECRET)])], self.mesh.relay.counters))
        codes = [self.ask("/gun/ice.json?token=guess").code for _ in range(9)]
        self.assertEqual((codes[0], codes[-1]), (401, 429))

    def test_none(self) -> None:
        """A relay without servers has no such page."""
        factory = ServerFactory(self.mesh, Links(), self.clock)  # type: ignore[arg-type]
        self.site = RelaySite(Root(factory, self.path, ice=IceServers()), self.clock)
        self.assertEqual(self.ask("/gun/ice.json").code, 404)
