"""
Tests for L{gunnet.transport.websocket} and L{gunnet.transport.link}: accepted links, and what all share.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from socket import socketpair
from typing import Any
from weakref import ref

from twisted.internet.address import IPv4Address
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.transport.link import CLOSE_SECONDS, Links
from gunnet.transport.websocket import _has_nothing_waiting
from tests.transport.doubles import (
    BINARY,
    CLOSE,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    RecordingMesh,
    Wire,
    frame,
    frames,
)

LIMITS = Limits(message_bytes=2_000, frame_bytes=10_000)


class LinkCase(SynchronousTestCase):
    """A mesh and a clock, and links on them."""

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.mesh = RecordingMesh(LIMITS)
        self.links = Links()

    def opened(self) -> Wire:
        return Wire(self.mesh, self.clock, self.links).open()

    def advance(self, seconds: float) -> None:
        """Let time pass as a reactor would, not in one leap: timers start timers."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)

    def faults(self) -> int:
        """How many of our own mistakes were logged with a traceback; they are forgotten then."""
        return len(self.flushLoggedErrors(RuntimeError))


class OpenTests(LinkCase):
    """The handshake."""

    def test_open(self) -> None:
        """A handshake with a query and no sub-protocol makes a link that the mesh meets."""
        wire = self.opened()
        self.assertIn(b"101 Switching Protocols", wire.answer)
        self.assertIn(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", wire.answer)
        self.assertIn(b"Server: gunnet/", wire.answer)
        self.assertNotIn(b"Autobahn", wire.answer)
        self.assertEqual(self.mesh.calls, [("meet", 1)])
        self.assertEqual(wire.link.name, "ws 192.0.2.7:51724")

    def test_any_origin(self) -> None:
        """Pages from files and from elsewhere are welcome."""
        for origin in (b"null", b"file://", b"https://elsewhere.example", b"http://localhost:3000"):
            wire = Wire(self.mesh, self.clock).open(b"Origin: " + origin + b"\r\n")
            self.assertIn(b"101 Switching", wire.answer, origin)

    def test_sub_protocol(self) -> None:
        """A browser that names sub-protocols gives up unless one comes back: it is the first."""
        wire = Wire(self.mesh, self.clock).open(b"Sec-WebSocket-Protocol: gun, json\r\n")
        self.assertIn(b"\r\nSec-WebSocket-Protocol: gun\r\n", wire.answer)

    def test_no_compression(self) -> None:
        """It is offered, and not taken."""
        wire = Wire(self.mesh, self.clock).open(b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
        self.assertIn(b"101 Switching", wire.answer)
        self.assertNotIn(b"permessage-deflate", wire.answer)

    def test_bad_handshake(self) -> None:
        """A wrong version is answered with an error that a browser may read; then the connection ends."""
        wire = Wire(self.mesh, self.clock)
        wire.raw(b"GET /gun HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        wire.raw(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99\r\n\r\n")
        answer = wire.transport.value()
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), answer)
        self.assertIn(b"Access-Control-Allow-Origin: *\r\n", answer)
        self.assertIn(b"Sec-WebSocket-Version: 13", answer)
        self.assertTrue(wire.transport.disconnecting)

    def test_half_a_handshake(self) -> None:
        """Whoever doesn't finish it is cut off."""
        wire = Wire(self.mesh, self.clock)
        wire.raw(b"GET /gun HTTP/1.1\r\nHost: a\r\n")
        self.advance(12)
        self.assertTrue(wire.transport.aborted)
        self.assertEqual(self.mesh.calls, [])

    def test_refused(self) -> None:
        """A link that the mesh has no room for is closed, with the code that says so."""
        self.mesh.full = True
        wire = self.opened()
        self.assertEqual(wire.got(), [(CLOSE, b"\x03\xf5try again later")])
        self.assertEqual(len(wire.links), 0)
        wire.raw(frame(b"\x03\xf5try again later", CLOSE))
        self.assertTrue(wire.transport.gone)

    def test_refused_with_a_word(self) -> None:
        """What the mesh says to a peer before it refuses it goes out before the close."""

        def meet(link: Any, peer: object) -> None:
            link.send(b'{"dam":"mob"}')

        self.mesh.meet = meet  # type: ignore[method-assign]
        self.assertEqual(self.opened().got(), [(TEXT, b'{"dam":"mob"}'), (CLOSE, b"\x03\xf5try again later")])

    def test_meeting_fails(self) -> None:
        """Our own mistake costs that link only."""
        self.mesh.broken = {"meet"}
        wire = self.opened()
        self.assertEqual(wire.got(), [(CLOSE, b"")])
        self.assertEqual(self.faults(), 1)
        self.mesh.broken = set()
        self.assertEqual(self.opened().got(), [])

    def test_gone_while_meeting(self) -> None:
        """A link that goes while it is met is lost after that."""

        def meet(link: object, peer: object = None) -> str:
            wire.transport.lose()
            return "peer"

        self.mesh.meet = meet  # type: ignore[assignment]
        wire = Wire(self.mesh, self.clock, self.links)
        wire.open()
        self.assertEqual([call[:2] for call in self.mesh.calls], [("lose", "peer")])
        self.assertEqual(len(self.links), 0)


class HearTests(LinkCase):
    """What comes in."""

    def test_text_and_binary(self) -> None:
        """Both are heard as UTF-8 text."""
        wire = self.opened()
        wire.say(b'{"a":"\xc3\xbc"}')
        wire.say(b'{"b":1}', BINARY)
        self.assertEqual(self.mesh.heard(), [b'{"a":"\xc3\xbc"}', b'{"b":1}'])
        self.assertIs(type(self.mesh.heard()[0]), bytes)

    def test_in_pieces(self) -> None:
        """A message may come byte by byte, and in fragments with a ping between them."""
        wire = self.opened()
        data = frame(b"[1,", last=False) + frame(b"hey", PING) + frame(b"2", 0, last=False) + frame(b"]", 0)
        for byte in data:
            wire.raw(bytes([byte]))
        self.assertEqual(self.mesh.heard(), [b"[1,2]"])
        self.assertEqual(wire.got(), [(PONG, b"hey")])

    def test_many_at_once(self) -> None:
        """Several frames in one read are heard in order."""
        wire = self.opened()
        wire.raw(b"".join(frame(b"%d" % n) for n in range(300)))
        self.assertEqual(self.mesh.heard(), [b"%d" % n for n in range(300)])

    def test_binary_nonsense(self) -> None:
        """A binary frame that isn't UTF-8 is counted and ignored."""
        wire = self.opened()
        wire.say(b"\xff\xfe", BINARY)
        wire.say(b"1")
        self.assertEqual(self.mesh.heard(), [b"1"])
        self.assertEqual(self.mesh.relay.counters["binary_frames_ignored"], 1)

    def test_text_nonsense(self) -> None:
        """A text frame that isn't UTF-8 closes the link with 1007, as the WebSocket protocol wants it."""
        wire = self.opened()
        wire.say(b"\xff\xfe")
        wire.say(b"1")
        self.assertEqual(wire.got()[0][1][:2], b"\x03\xef")
        self.assertEqual(self.mesh.heard(), [])

    def test_largest(self) -> None:
        """A message as large as it may be is heard."""
        wire = self.opened()
        wire.say(b"x" * 2_000)
        self.assertEqual(self.mesh.heard(), [b"x" * 2_000])

    def test_oversized(self) -> None:
        """A message over the limit is skipped and told; the link stays."""
        wire = self.opened()
        wire.say(b"x" * 2_001)
        wire.say(b"y")
        self.assertEqual(self.mesh.calls[1:], [("hear_oversized", 1), ("hear", 1, b"y")])
        self.assertEqual(wire.got(), [])

    def test_oversized_is_not_kept(self) -> None:
        """Not one byte of it is kept while it comes, nor of one that gets too long by its fragments."""
        wire = self.opened()
        wire.raw(frame(b"x" * 3_000, claim=9_000))
        self.assertEqual(wire.link._text, b"")
        wire.raw(b"x" * 6_000)
        for number in range(5):
            wire.say(b"x" * 500, TEXT if number == 0 else 0, last=False)
        self.assertEqual(wire.link._text, b"")
        wire.say(b"", 0)
        wire.say(b"y")
        self.assertEqual(
            self.mesh.calls[1:], [("hear_oversized", 1), ("hear_oversized", 1), ("hear", 1, b"y")]
        )

    def test_partial_bytes(self) -> None:
        """
        Of all links together only so much is held that has come in part: who goes beyond is dropped, and what
        was held for a link that is complete, or gone, counts no more.
        """
        self.mesh.relay.limits = replace(self.mesh.relay.limits, partial_bytes=3_000)
        one, two, three = self.opened(), self.opened(), self.opened()
        for wire in (one, two, three):
            wire.say(b"x" * 1_400, last=False)
        self.assertEqual(self.mesh.relay.counters["partial_bytes_exceeded"], 1)
        self.assertEqual(self.links.partial_bytes, 2_800)
        one.say(b"x" * 100, 0)
        two.transport.lose()
        self.assertEqual(self.links.partial_bytes, 0)
        self.assertEqual([call[0] for call in self.mesh.calls].count("hear"), 1)

    def test_huge_frame(self) -> None:
        """A frame over the larger limit closes with 1009 at its header, and is not read."""
        wire = self.opened()
        wire.raw(frame(b"x" * 100, claim=10_001))
        [(kind, payload)] = wire.got()
        self.assertEqual((kind, payload[:2]), (CLOSE, b"\x03\xf1"))
        wire.raw(b"x" * 9_901 + frame(b"1") + frame(b"\x03\xf1", CLOSE))
        self.assertEqual([call[0] for call in self.mesh.calls], ["meet", "lose"])
        self.assertTrue(wire.transport.gone)

    def test_huge_message(self) -> None:
        """The same in many fragments, which by themselves are small."""
        wire = self.opened()
        for number in range(11):
            wire.say(b"x" * 1_000, TEXT if number == 0 else 0, last=False)
        self.assertEqual(wire.got()[0][1][:2], b"\x03\xf1")

    def test_fault(self) -> None:
        """An exception while a frame is served costs that link, and is logged and counted."""
        bad, good = self.opened(), self.opened()
        self.mesh.broken = {"hear"}
        bad.raw(frame(b"1") + frame(b"2"))
        self.mesh.broken = set()
        good.say(b"3")
        self.assertEqual(self.faults(), 1)
        self.assertEqual(self.mesh.relay.counters["link_faults"], 1)
        self.assertEqual(self.mesh.heard(), [b"1", b"3"])
        self.assertEqual(bad.got(), [(CLOSE, b"")])
        self.assertEqual(good.got(), [])

    def test_every_call_may_fail(self) -> None:
        """So does one in any other call to the mesh."""
        for name in ("hear_oversized", "pause", "resume", "lose"):
            self.mesh.broken = {name}
            wire = self.opened()
            wire.say(b"x" * 3_000)
            wire.transport.fill()
            wire.transport.drain()
            wire.transport.lose()
            self.assertEqual(self.faults(), 1, name)

    def test_garbage(self) -> None:
        """Bytes that are no frames end in a close, never in an exception."""
        for garbage in (
            b"\xff" * 64,
            b"\x00" * 64,
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x81\x05hello",
            b"\x88\x81\0\0\0\0a",
        ):
            wire = self.opened()
            wire.raw(garbage)
            self.assertEqual(wire.got()[0][0], CLOSE, garbage)


class SendTests(LinkCase):
    """What goes out."""

    def test_lengths(self) -> None:
        """A frame of any length is one unmasked text frame."""
        wire = self.opened()
        for length in (0, 1, 125, 126, 65_535, 65_536, 200_000):
            wire.link.send(b"x" * length)
            self.assertEqual(wire.got(), [(TEXT, b"x" * length)])

    def test_straight_to_the_socket(self) -> None:
        """
        On TCP, frames do not wait for a turn of the reactor; what the socket does not take does, and all that
        comes after it.
        """
        ours, theirs = socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        theirs.setblocking(False)
        ours.setblocking(False)
        link = Wire(self.mesh, self.clock).factory.buildProtocol(None)
        transport = Connection(ours, link, self.clock)
        transport.connected = 1
        transport.setTcpNoDelay = lambda enabled: None  # type: ignore[method-assign]
        transport.getPeer = transport.getHost = lambda: IPv4Address("TCP", "192.0.2.7", 51724)  # type: ignore[attr-defined]
        link.makeConnection(transport)
        link.dataReceived(HANDSHAKE + b"\r\n")
        transport.doWrite()
        theirs.recv(10_000)
        self.assertTrue(_has_nothing_waiting(transport))
        transport.TLS = True
        self.assertFalse(_has_nothing_waiting(transport))
        transport.TLS = False
        link.send(b"one", b"two")
        self.assertEqual(theirs.recv(100), b"\x81\x03one\x81\x03two")
        self.assertNotIn(transport, self.clock.getWriters())
        while transport not in self.clock.getWriters():
            link.send(b"x" * 60_000)
        link.send(b"last")
        heard = b""
        while not heard.endswith(b"last"):
            heard += theirs.recv(100_000)
            transport.doWrite()
        self.assertEqual({text for _, text in frames(heard)}, {b"x" * 60_000, b"last"})

    def test_same_to_many(self) -> None:
        """What many get is put together once, in whatever order others are served in between."""
        wires = [self.opened() for _ in range(3)]
        for texts in ((b"1", b"2"), (b"1",), (b"1", b"2"), (b"", b"x" * 70_000)):
            for wire in wires:
                wire.link.send(*texts)
                self.assertEqual(wire.got(), [(TEXT, text) for text in texts])

    def test_gone(self) -> None:
        """What is sent after the end goes nowhere."""
        wire = self.opened()
        wire.link.drop("bad manners")
        wire.got()
        wire.link.send(b"1")
        wire.transport.lose()
        wire.link.send(b"2")
        wire.link.drop("again")
        wire.link.pause_reading()
        wire.link.resume_reading()
        self.assertEqual(wire.got(), [])

    def test_heartbeat(self) -> None:
        """C{[]} comes every 20 seconds, first after 20, and stops with the link."""
        wire = self.opened()
        self.advance(19)
        self.assertEqual(wire.got(), [])
        self.advance(1)
        self.assertEqual(wire.got(), [(TEXT, b"[]")])
        self.advance(20)
        self.assertEqual(wire.got()[-1], (TEXT, b"[]"))
        wire.transport.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_heartbeat_into_a_full_buffer(self) -> None:
        """A peer that doesn't read gets none on top."""
        wire = self.opened()
        wire.transport.fill()
        self.advance(25)
        self.assertNotIn((TEXT, b"[]"), wire.got())

    def test_dead_peer(self) -> None:
        """A peer that answers no ping is gone after a minute; one that does, stays."""
        dead, alive = self.opened(), self.opened()
        for _ in range(100):
            self.advance(1)
            for kind, payload in alive.got():
                if kind == PING:
                    alive.say(payload, PONG)
        self.assertTrue(dead.transport.aborted)
        self.assertFalse(alive.transport.gone)
        self.assertIn("ping timeout", self.mesh.calls[-1][2])

    def test_any_traffic_is_life(self) -> None:
        """A peer that sends needs not answer pings."""
        wire = self.opened()
        for _ in range(100):
            self.advance(1)
            wire.say(b"1")
        self.assertFalse(wire.transport.gone)

    def test_not_dead_but_unheard(self) -> None:
        """A peer from which we don't read can't be blamed for a missing pong; later it can."""
        wire = self.opened()
        wire.link.pause_reading()
        self.advance(100)
        self.assertFalse(wire.transport.gone)
        wire.link.resume_reading()
        self.advance(61)
        self.assertTrue(wire.transport.aborted)


class PushBackTests(LinkCase):
    """Back pressure in both directions."""

    def test_full_buffer(self) -> None:
        """The mesh hears of a full buffer and of its draining."""
        wire = self.opened()
        wire.transport.fill()
        wire.transport.drain()
        self.assertEqual(self.mesh.calls[1:], [("pause", 1), ("resume", 1)])

    def test_reading(self) -> None:
        """The mesh can stop and resume reading, and more than once in a row."""
        wire = self.opened()
        wire.link.resume_reading()
        for call, state in (
            ("pause", "paused"),
            ("pause", "paused"),
            ("resume", "producing"),
            ("resume", "producing"),
        ):
            getattr(wire.link, f"{call}_reading")()
            self.assertEqual(wire.transport.producerState, state)


class CloseTests(LinkCase):
    """How links end. Each is lost exactly once."""

    def test_no_garbage(self) -> None:
        """A link that is gone is gone from memory too, whether or not garbage is collected."""
        self.addCleanup(gc.enable)
        gc.disable()
        wire = self.opened()
        wire.say(b"{}")
        gone = ref(wire.link)
        wire.transport.lose()
        wire.transport.protocol = wire.transport.producer = None  # as Twisted's transports do it
        del wire
        self.mesh.links.clear()
        self.assertIsNone(gone())

    def test_drop(self) -> None:
        """A dropped peer sees a close without a code, and after its answer the end."""
        wire = self.opened()
        wire.link.drop("bad manners")
        self.assertEqual(wire.got(), [(CLOSE, b"")])
        wire.say(b"late")
        wire.say(b"", CLOSE)
        self.assertTrue(wire.transport.gone)
        self.assertEqual(self.mesh.calls[1:], [("lose", 1, "bad manners")])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.links), 0)

    def test_drop_of_a_silent_peer(self) -> None:
        """One that doesn't answer is cut off a moment later."""
        wire = self.opened()
        wire.link.drop("bad manners")
        self.clock.advance(CLOSE_SECONDS - 0.1)
        self.assertFalse(wire.transport.gone)
        self.clock.advance(0.2)
        self.assertTrue(wire.transport.aborted)
        self.assertEqual(self.mesh.calls[1:], [("lose", 1, "bad manners")])

    def test_drop_of_a_peer_that_does_not_read(self) -> None:
        """One that doesn't read is cut off at once, with all that waits for it."""
        wire = self.opened()
        wire.transport.fill()
        wire.link.drop("too slow")
        self.assertTrue(wire.transport.aborted)
        self.assertEqual(self.mesh.calls[1:], [("pause", 1), ("lose", 1, "too slow")])

    def test_drop_while_not_reading(self) -> None:
        """The answer of a peer that we had stopped reading from is read."""
        wire = self.opened()
        wire.link.pause_reading()
        wire.link.drop("bad manners")
        self.assertEqual(wire.transport.producerState, "producing")

    def test_peer_closes(self) -> None:
        """A peer's close is answered."""
        wire = self.opened()
        wire.say(b"\x03\xe8bye", CLOSE)
        self.assertEqual(wire.got(), [(CLOSE, b"\x03\xe8bye")])
        self.assertTrue(wire.transport.disconnecting)
        wire.transport.lose()
        self.assertEqual(self.mesh.calls[1:], [("lose", 1, "closed by the peer, code 1000 bye")])

    def test_peer_closes_and_does_not_read(self) -> None:
        """One that closes and leaves what we sent unread is not waited for."""
        wire = self.opened()
        wire.transport.fill()
        wire.say(b"", CLOSE)
        self.assertFalse(wire.transport.gone)
        self.clock.advance(CLOSE_SECONDS + 0.1)
        self.assertTrue(wire.transport.aborted)
        self.assertEqual([call[0] for call in self.mesh.calls], ["meet", "pause", "lose"])

    def test_peer_vanishes(self) -> None:
        """A lost connection is a lost peer, and no timer stays."""
        wire = self.opened()
        wire.transport.lose()
        self.assertEqual([call[0] for call in self.mesh.calls], ["meet", "lose"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_odd_loss(self) -> None:
        """If a connection ends for an odd reason, as TLS has some, that is what is told."""
        wire = self.opened()
        wire.transport.lose(ValueError("bad certificate"))
        self.assertEqual(self.mesh.calls[-1], ("lose", 1, "ValueError: bad certificate"))

    def test_goodbye(self) -> None:
        """All links are closed; what doesn't go in time is cut off; then the caller hears of it."""
        polite, rude = self.opened(), self.opened()
        done = self.links.goodbye(self.clock, 0.3)
        polite.say(b"", CLOSE)
        self.assertNoResult(done)
        self.assertFalse(rude.transport.gone)
        self.clock.advance(0.3)
        self.successResultOf(done)
        self.assertTrue(rude.transport.aborted)
        self.assertEqual([call[0] for call in self.mesh.calls[2:]], ["lose", "lose"])

    def test_goodbye_to_nobody(self) -> None:
        """That is quickly done, and leaves no timer."""
        self.successResultOf(self.links.goodbye(self.clock, 0.3))
        self.assertEqual(self.clock.getDelayedCalls(), [])
