"""What an idle link weighs: notices what another version of Autobahn keeps with each link."""

from __future__ import annotations

import sys

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.transport.light import HANDSHAKE, KEPT
from gunnet.transport.websocket import ServerLink
from tests.transport.doubles import TEXT, RecordingMesh, Wire

PING, PONG = 9, 10
OURS = {"transport", "connected", "factory", "name", "_peer", "_heartbeat", "_rest", "_text"}
OURS |= {"_valid_events", "_results"}
"""What the dictionary of a link has in it."""


class LightTests(SynchronousTestCase):
    """L{gunnet.transport.light}."""

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.mesh = RecordingMesh()
        self.wire = Wire(self.mesh, self.clock)

    def used(self) -> ServerLink:
        """A link that has done all that links do."""
        link: ServerLink = self.wire.open().link
        self.wire.say(b'{"a":1}')
        self.wire.say(b'{"b":', last=False)
        self.wire.say(b"2}", 0)
        self.wire.say(b"", PING)
        self.clock.advance(31)
        pings = [payload for kind, payload in self.wire.got() if kind == PING]
        self.wire.say(pings[0], PONG)
        self.assertEqual([b'{"a":1}', b'{"b":2}'], self.mesh.heard())
        return link

    def test_attributes(self) -> None:
        """All of Autobahn's have slots, and nothing is left of the handshake."""
        link = self.used()
        self.assertEqual(set(), set(vars(link)) - OURS)
        left = {name for name in HANDSHAKE if getattr(link, name, None) is not None}
        self.assertEqual(set(), left)

    def test_handshake(self) -> None:
        """During the handshake too: once there are too many attributes, the layout of all links is lost."""
        self.wire.link.dataReceived(b"GET /gun HTTP/1.1\r\n")
        self.assertEqual(set(), set(vars(self.wire.link)) - OURS)

    def test_slots_are_used(self) -> None:
        """There is none for what Autobahn does not set any more."""
        found: set[str] = set()

        def look(link: ServerLink) -> None:
            found.update(name for name in (*HANDSHAKE, *KEPT) if hasattr(link, name))

        lighten = ServerLink.lighten
        self.patch(ServerLink, "lighten", lambda link: (look(link), lighten(link)))
        look(self.used())
        self.assertEqual(set(), {*HANDSHAKE, *KEPT} - found)

    def test_options(self) -> None:
        """They are the factory's, and no link has a copy."""
        link = self.wire.open().link
        for option in ServerLink.CONFIG_ATTRS:
            self.assertIs(getattr(link, option), getattr(self.wire.factory, option))
            self.assertNotIn(option, vars(link))

    def test_validator(self) -> None:
        """It is there while a message comes in pieces, and each link has its own."""
        other = Wire(self.mesh, self.clock).open()
        self.wire.open()
        for wire in (self.wire, other):
            wire.say("é".encode()[:1], TEXT, last=False)
        self.assertIsNot(self.wire.link._validator, other.link._validator)
        for wire in (self.wire, other):
            wire.say("é".encode()[1:], 0)
            self.assertIsNone(wire.link._validator)
        self.assertEqual(["é".encode()] * 2, self.mesh.heard())

    def test_size(self) -> None:
        """The link itself, without what it holds."""
        link = self.used()
        self.assertLess(sys.getsizeof(link), 700)
