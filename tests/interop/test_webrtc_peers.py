"""
Python peers that meet in a WebRTC room through a relay, with real connections on this machine.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from random import SystemRandom
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SkipTest, TestCase

from gunnet.limits import Limits
from gunnet.rtc.events import Event, Failed, Joined, Left, ServerFailed, Track, TrackAdded, TrackEnded
from gunnet.rtc.ice import IceServer
from gunnet.rtc.room import Room
from gunnet.rtc.wanted import Rtc
from gunnet.service import RelayService
from gunnet.settings import Settings
from gunnet.wire import jstext
from tests.interop.children import until
from tests.interop.relays import HOST, GunnetRelay, free_port

try:
    import av

    from gunnet.rtc import media
except ImportError:
    raise SkipTest("needs aiortc: pip install 'gunnet[webrtc]'") from None

SECONDS_MAX = 60.0  # pictures are coded in Python processes that share what processors there are
THREAD = "gunnet-rtc"


class Peer:
    """
    A peer in this process, a client of the relay and a member of the room.

    @ivar events: what its room has told.
    @ivar seen: frames that a client of its own mesh got.
    """

    name = "a client of the peer"
    reliable = True

    def __init__(self, test: TestCase, *relays: str, limits: Limits | None = None, **rtc: Any) -> None:
        settings = Settings(
            listen=(f"tcp:{free_port()}:interface={HOST}",),
            data=None,
            peers=relays,
            rtc=Rtc(**{"room": "lobby", **rtc}),
            limits=limits or Limits(),
        )
        self.relay = RelayService(settings, reactor, SystemRandom())
        self.relay.startService()
        test.addCleanup(self.stop)
        self.events: list[Event] = []
        self.seen = b""
        self._running = True
        self._numbers = 0
        self.room.listen(self.events.append)
        self._client = self.relay.mesh.meet(self)

    @property
    def room(self) -> Room:
        assert self.relay.room is not None
        return self.relay.room

    def stop(self) -> Deferred[None] | None:
        running, self._running = self._running, False
        return self.relay.stopService() if running else None

    def say(self, **message: Any) -> None:
        """Say something to its mesh, as a client."""
        self._numbers += 1
        assert self._client is not None
        text = jstext.stringify({"#": f"{self.room.pid}{self._numbers}", **message})
        self.relay.mesh.hear(self._client, text)

    def put(self, soul: str, value: str) -> None:
        state = int(reactor.seconds() * 1000)  # type: ignore[attr-defined]
        self.say(put={soul: {"_": {"#": soul, ">": {"title": state}}, "title": value}})

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, what: str, holds: Callable[[], object]) -> None:
        async def check() -> bool:
            return bool(holds())

        await until(SECONDS_MAX, lambda: f"{what}; events: {self.events}", check)

    # A link of the mesh

    def send(self, *frames: bytes) -> None:
        self.seen += b"".join(frames)

    def drop(self, reason: str) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class PeerCase(TestCase):
    """A relay, to begin with."""

    timeout = 120

    async def begin(self) -> GunnetRelay:
        relay = GunnetRelay(self, store=False)
        await relay.start()
        return relay

    async def pair(self, relay: GunnetRelay, **fields: Any) -> tuple[Peer, Peer]:
        """Two that have met."""
        one, other = Peer(self, relay.url, **fields), Peer(self, relay.url, **fields)
        await one.until("one has joined", lambda: other.room.pid in one.room.members)
        await other.until("the other has joined", lambda: one.room.pid in other.room.members)
        return one, other

    def threads(self) -> int:
        return sum(thread.name == THREAD for thread in threading.enumerate())


class DataTests(PeerCase):
    """What a room is for."""

    async def test_without_relay(self) -> None:
        """They meet through the relay; when it has gone, data still goes from one to the other."""
        relay = await self.begin()
        one, other = await self.pair(relay)
        other.say(get={"#": "news"})
        await relay.stop()
        one.put("news", "without a relay")
        await other.until("the news has come", lambda: b"without a relay" in other.seen)
        large = "x" * 200_000
        one.put("news", large)
        await other.until("large news has come", lambda: large.encode() in other.seen)
        self.assertEqual(one.relay.mesh.relay.counters["rtc_messages_too_large"], 0)
        self.assertEqual((one.of(Left), other.of(Left)), ([], []))

    async def test_leave(self) -> None:
        """One stops: the other is told, its thread has ended, and it can come back."""
        relay = await self.begin()
        before = self.threads()
        one, other = await self.pair(relay)
        self.assertEqual(self.threads(), before + 2)
        await one.relay.stopService()
        one._running = False
        self.assertEqual(self.threads(), before + 1)
        await other.until("it is told", lambda: other.of(Left))
        self.assertEqual(other.of(Left)[0].pid, one.room.pid)
        self.assertEqual(other.room.members, [])
        again = Peer(self, relay.url)
        await again.until("a new one has joined", lambda: again.room.members == [other.room.pid])

    async def test_limit(self) -> None:
        """With room for one member, a third one is refused, by both."""
        relay = await self.begin()
        one, other = await self.pair(relay, limits=Limits(rtc_peers=1))
        third = Peer(self, relay.url)
        for peer in (one, other):
            await peer.until(
                "it is refused", lambda peer=peer: Failed(third.room.pid, "too many members") in peer.events
            )
        self.assertEqual(third.of(Joined), [])
        self.assertEqual(one.relay.mesh.relay.counters["rtc_peers_refused"], 1)

    async def test_malformed_offer(self) -> None:
        """Nonsense as an offer: it is told who sent it, and the room goes on."""
        relay = await self.begin()
        one, other = await self.pair(relay)
        soul = "/RTC/lobby<?99"
        other.say(get={"#": soul, ".": "+"})
        for sdp in ("v=0\r\nm=nonsense", "v=0\r\nm=application 9 UDP/DTLS/SCTP x\r\n"):
            one.room._signalling.hear(
                {"#": sdp, "@": "x", "ok": {"rtc": {"offer": {"type": "offer", "sdp": sdp}, "id": "eve"}}},
                100,
                one.room._now(),
            )
            one.room._act()
            await one.until("it is told", lambda: [each for each in one.of(Failed) if each.pid == "eve"])
            self.assertRegex(one.of(Failed)[-1].why, "^a malformed offer: |^we could not answer the offer: ")
            one.events.clear()
        third = Peer(self, relay.url)
        await third.until("a third one has joined", lambda: len(third.room.members) == 2)

    async def test_servers_of_no_use(self) -> None:
        """STUN and TURN servers that are not there: that is told, and the members meet without."""
        relay = await self.begin()
        port = free_port()
        servers = (IceServer(f"stun:{HOST}:{port}"), IceServer(f"turn:{HOST}:{port}", "me", "secret"))
        one, _ = await self.pair(relay, ice_servers=servers)
        await one.until("both are told", lambda: len(one.of(ServerFailed)) == 2)
        self.assertEqual({event.url for event in one.of(ServerFailed)}, {each.url for each in servers})


class MediaTests(PeerCase):
    """Pictures and sound."""

    async def track(self, peer: Peer, kind: str) -> Track:
        def found() -> list[Track]:
            return [event.track for event in peer.of(TrackAdded) if event.track.kind == kind]

        await peer.until(f"a track of {kind} has come", found)
        return found()[0]

    async def test_record(self) -> None:
        """One sends a test pattern and a tone, the other is told, and records both."""
        relay = await self.begin()
        one, other = await self.pair(relay)
        sending = one.room.send(media.test_pattern)
        one.room.send(media.tone)
        picture, sound = await self.track(other, "video"), await self.track(other, "audio")
        path = os.path.abspath(self.mktemp()) + ".mp4"
        recording = other.room.record(path, picture, sound)
        await recording.begun
        await other.until(
            "something is written", lambda: os.path.exists(path) and os.path.getsize(path) > 30_000
        )
        await recording.stop()
        with av.open(path) as file:
            self.assertEqual(sorted(stream.type for stream in file.streams), ["audio", "video"])
            frames = list(file.decode(video=0))
        self.assertEqual((frames[0].width, frames[0].height), (320, 240))
        self.assertGreater(len(frames), 5)
        sending.stop()
        await other.until("the picture has ended", lambda: other.of(TrackEnded))
        self.assertIs(other.of(TrackEnded)[0].track, picture)

    async def test_both(self) -> None:
        """Both send at the same time: both get both."""
        relay = await self.begin()
        one, other = await self.pair(relay)
        for peer in (one, other):
            peer.room.send(media.test_pattern)
            peer.room.send(media.tone)
        for peer in (one, other):
            await self.track(peer, "video")
            await self.track(peer, "audio")

    async def test_forward(self) -> None:
        """What one sends, another one passes on to a third, that came later; not back to the first."""
        relay = await self.begin()
        one, other = await self.pair(relay)
        one.room.send(media.test_pattern)
        other.room.forward(await self.track(other, "video"))
        third = Peer(self, relay.url)
        await third.until("it has both", lambda: len(third.of(TrackAdded)) == 2)
        self.assertEqual({event.pid for event in third.of(TrackAdded)}, {one.room.pid, other.room.pid})
        self.assertEqual(one.of(TrackAdded), [])
