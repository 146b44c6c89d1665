"""
Tests for L{gunnet.rtc.channel}: a data channel as a link of the mesh.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.rtc.channel import BUFFER_BYTES, ChannelLink
from gunnet.testing import Conversation, put
from gunnet.wire import jstext


class ChannelTests(SynchronousTestCase):
    """A relay, and a member on a channel."""

    message_bytes = 1_000

    def setUp(self) -> None:
        self.talk = Conversation(limits=Limits(rtc_unread_bytes=300, message_bytes=5_000))
        self.frames: list[bytes] = []
        self.closed: list[str] = []
        self.link = ChannelLink(
            "rtc you", self.talk.mesh, self.talk.clock, self.keep, self.closed.append, self.message_bytes
        )
        self.link.peer = self.talk.mesh.meet(self.link)
        self.talk.settle()
        self.greeting = sum(map(len, self.frames))
        self.frames.clear()

    def keep(self, frames: Sequence[bytes]) -> None:
        self.frames += frames

    def hear(self, message: object) -> None:
        self.link.heard(jstext.stringify(message))
        self.talk.settle()

    def test_talk(self) -> None:
        """It is a peer as any other."""
        alice = self.talk.connect("alice")
        alice.say(put("p", "room", {"title": "hello"}, self.talk.now))
        self.hear({"#": "g", "get": {"#": "room"}})
        [answer] = self.frames
        self.assertEqual(jstext.parse(answer)["put"]["room"]["title"], "hello")
        self.assertFalse(self.link.reliable)

    def test_lost(self) -> None:
        """The channel is gone: the mesh is told, once, and nothing is sent or heard any more."""
        self.link.lost("gone")
        self.link.lost("gone")
        self.assertIsNone(self.link.peer)
        self.link.send(b"{}")
        self.link.heard(b"{}")
        self.link.drop("too late")
        self.assertEqual((self.frames, self.closed), ([], []))

    def test_drop(self) -> None:
        """The mesh has had enough."""
        self.link.drop("too slow")
        self.assertEqual(self.closed, ["too slow"])

    def test_packed_too_large(self) -> None:
        """What was packed larger than the other side takes goes one by one."""
        texts = [b'{"#":"%d","x":"%b"}' % (number, b"y" * 300) for number in range(5)]
        self.link.send(b"[" + b",".join(texts) + b"]")
        self.assertEqual(self.frames, texts)

    def test_too_large(self) -> None:
        """What is larger by itself is lost, and counted."""
        self.link.send(b'[{"#":"1"},{"#":"2","x":"%b"}]' % (b"y" * 1_000), b'{"#":"%b"}' % (b"y" * 1_000))
        self.assertEqual(self.frames, [b'{"#":"1"}'])
        self.assertEqual(self.talk.counters["rtc_messages_too_large"], 2)

    def test_back_pressure(self) -> None:
        """The mesh holds back while too much is on its way, and goes on when half of it has gone."""
        peer = self.link.peer
        assert peer is not None
        frames = [b"x" * 1_000] * (BUFFER_BYTES // 1_000 + 1)
        self.link.send(*frames)
        self.assertTrue(peer.paused)
        sent = self.greeting + 1_000 * len(frames)
        self.link.sent(sent - BUFFER_BYTES // 2 - 1)
        self.assertTrue(peer.paused)
        self.link.sent(sent - BUFFER_BYTES // 2)
        self.assertFalse(peer.paused)

    def test_oversized(self) -> None:
        """A message beyond the relay's own bound is answered as anywhere."""
        self.link.heard(b'"%b"' % (b"x" * 5_000))
        self.talk.settle()
        self.assertIn(b"Message too big!", b"".join(self.frames))

    def test_rtc_unread_bytes(self) -> None:
        """While reading is paused messages wait, up to C{rtc_unread_bytes}; more are lost."""
        self.link.pause_reading()
        get = jstext.stringify({"#": "g", "get": {"#": "room"}, "x": "y" * 100})
        for number in range(3):
            self.link.heard(get.replace(b'"g"', b'"g%d"' % number))
        self.talk.settle()
        self.assertEqual(self.frames, [])
        self.assertEqual(self.talk.counters["rtc_messages_lost"], 1)
        self.link.resume_reading()
        self.link.resume_reading()
        self.talk.settle()
        self.assertEqual(self.talk.counters["messages_heard"], 2)
        self.hear({"#": "g9", "get": {"#": "room"}})
        self.assertEqual(self.talk.counters["messages_heard"], 3)
