"""
Tests for L{gunnet.rtc.room}: a room in a relay on a virtual clock, with connections that only say they are.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.rtc import room as module
from gunnet.rtc.events import (
    Event,
    Failed,
    Joined,
    Left,
    Refused,
    ServerFailed,
    Track,
    TrackAdded,
    TrackEnded,
)
from gunnet.rtc.ice import IceServer, IceServers
from gunnet.rtc.room import REJOIN_SECONDS, Room
from gunnet.rtc.signalling import AGAIN_MS, CONNECT_MS
from gunnet.settings_error import SettingsError
from gunnet.testing import Client, Conversation, put
from gunnet.wire import jstext

SOUL = "/RTC/lobby<?99"
SDP = "v=0\r\ns=-\r\n"


class FakeConnections:
    """
    L{gunnet.rtc.connections.Connections} that keeps what it is asked for.

    @ivar calls: (name, arguments), in order.
    """

    def __init__(
        self, pid: str, loop: object, heard: Room, new_id: Callable[[], str], limits: Limits
    ) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.heard = heard
        self.failing: Exception | None = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.calls.append((name, *arguments))

    def _later(self, *call: Any) -> Deferred[None]:
        self.calls.append(call)
        return succeed(None) if self.failing is None else fail(self.failing)

    def stop(self) -> Deferred[None]:
        return self._later("stop")

    def send_track(self, *arguments: Any) -> Deferred[None]:
        return self._later("send_track", *arguments)

    def record(self, *arguments: Any) -> Deferred[None]:
        return self._later("record", *arguments)

    def stop_recording(self, *arguments: Any) -> Deferred[None]:
        return self._later("stop_recording", *arguments)

    def took(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of the calls of one kind since the last time."""
        found = [call[1:] for call in self.calls if call[0] == name]
        self.calls = [call for call in self.calls if call[0] != name]
        return found


class RoomTests(SynchronousTestCase):
    """A relay with a room, and a page that is a client of it."""

    def setUp(self) -> None:
        self.begin()

    def begin(self, **limits: Any) -> None:
        self.talk = Conversation(limits=Limits(**limits), pid="me")
        ice = IceServers([IceServer("stun:a")], ["turn:b"], lambda: b"north", 600)
        self.room = Room(
            "lobby",
            self.talk.mesh,
            self.talk.clock,
            Random(7),
            ice,
            FakeConnections,  # type: ignore[arg-type]
        )
        self.made: FakeConnections = self.room._connections  # type: ignore[assignment]
        self.events: list[Event] = []
        self.stop_listening = self.room.listen(self.events.append)

    def start(self) -> Client:
        page = self.talk.connect("page", pid="you", hi=True)
        page.say({"#": "listen", "get": {"#": SOUL, ".": "+"}})
        page.take()
        self.room.startService()
        self.talk.settle()
        return page

    def announce(self, page: Client, pid: str = "you", number: str = "p1") -> None:
        self.talk.advance(10)
        page.say(put(number, SOUL, {"+": pid}, self.talk.now, ok={"@": 55, "/": 0}))
        self.talk.settle()

    def rtc(self, page: Client) -> list[dict[str, Any]]:
        """The signalling that a page gets."""
        return [each for each in page.take() if "rtc" in str(each.get("ok"))]

    def join(self, page: Client) -> int:
        """The page announces itself, answers the offer, and has a channel. @return: its connection."""
        self.announce(page)
        [(key, pid, offer, _)] = self.made.took("connect")
        self.assertEqual((pid, offer), ("you", None))
        self.room.described(key, SDP)
        self.talk.settle()
        [message] = self.rtc(page)
        answer = {"rtc": {"answer": {"type": "answer", "sdp": SDP}, "id": "you"}}
        page.say({"#": "a1", "@": message["#"], "ok": answer})
        self.talk.settle()
        self.assertEqual(self.made.took("accept"), [(key, SDP)])
        self.room.opened(key, 60_000)
        self.talk.settle()
        return int(key)

    def test_announces(self) -> None:
        """A page that listens sees who we are: the relay."""
        page = self.start()
        [update] = [each for each in page.take() if "put" in each]
        self.assertEqual(update["put"][SOUL]["+"], "me")
        self.assertEqual(self.room.pid, "me")

    def test_meets(self) -> None:
        """A page is offered to through the relay, answers, and becomes a peer of the mesh by its channel."""
        page = self.start()
        key = self.join(page)
        self.assertEqual(self.events, [Joined("you")])
        self.assertEqual(self.room.members, ["you"])
        self.made.took("send")
        get = jstext.stringify({"#": "g", "get": {"#": "nothing"}})
        self.room.heard(key, get)
        self.talk.settle()
        [(sent_to, frames)] = self.made.took("send")
        self.assertEqual(sent_to, key)
        self.assertEqual(jstext.parse(frames[0])["@"], "g")

    def test_offered(self) -> None:
        """A page that has seen us offers, with candidates, and is answered."""
        page = self.start()
        [update] = [each for each in page.take() if "put" in each]
        offer = {"rtc": {"offer": {"type": "offer", "sdp": SDP}, "id": "you"}}
        candidate = {"candidate": "", "sdpMid": "0"}
        page.say({"#": "o1", "@": update["#"], "ok": offer})
        page.say({"#": "c1", "@": update["#"], "ok": {"rtc": {"candidate": candidate, "id": "you"}}})
        [(key, pid, sdp, _)] = self.made.took("connect")
        self.assertEqual((pid, sdp), ("you", SDP))
        self.assertEqual(self.made.took("add"), [(key, candidate)])
        self.room.described(key, SDP)
        self.talk.settle()
        [answer] = self.rtc(page)
        self.assertEqual((answer["@"], answer["ok"]["rtc"]["answer"]["sdp"]), ("o1", SDP))

    def test_servers(self) -> None:
        """Each connection gets the servers, with credentials that hold from then on."""
        page = self.start()
        self.announce(page)
        [(_, _, _, servers)] = self.made.took("connect")
        self.assertEqual([each.url for each in servers], ["stun:a", "turn:b"])
        self.assertEqual(servers[1].username, f"{int(self.talk.now / 1000) + 600}:me")

    def test_leaves(self) -> None:
        """The channel is gone: the mesh loses the peer, and nothing is said to it any more."""
        page = self.start()
        key = self.join(page)
        peers = self.talk.relay.health()["peers"]
        self.room.sent(key, 5)
        self.room.ended(key, "gone")
        self.room.ended(key, "gone")
        self.room.heard(key, b"{}")
        self.room.sent(key, 5)
        self.assertEqual(self.events[1:], [Left("you", "gone")])
        self.assertEqual(self.room.members, [])
        self.assertEqual(self.talk.relay.health()["peers"], peers - 1)  # type: ignore[operator]

    def test_dropped_by_mesh(self) -> None:
        """The mesh has enough of a member: its connection is closed."""
        page = self.start()
        key = self.join(page)
        link = self.room._links[key]
        assert link.peer is not None
        self.talk.mesh.relay.drop(link.peer, "too slow")
        self.talk.mesh.resume(link.peer)
        self.talk.settle()
        self.assertEqual(self.made.took("close")[0], (key, "too slow"))
        self.assertEqual(self.events[1:], [Left("you", "too slow")])

    def test_no_room_in_mesh(self) -> None:
        """A member that the mesh has no room for is let go."""
        self.begin(peers=2)
        page = self.start()
        key = self.join(page)
        self.assertIn((key, "too many peers"), self.made.took("close"))
        self.assertEqual(self.events, [Joined("you"), Left("you", "too many peers")])

    def test_full(self) -> None:
        """A relay without room for the room says so, and it comes back later."""
        self.begin(peers=1)
        page = self.start()
        self.assertEqual(self.events, [Refused("the relay is full")])
        assert page.peer is not None
        self.talk.mesh.lose(page.peer, "gone")
        self.talk.advance(REJOIN_SECONDS * 1000)
        other = self.talk.relay.health()
        self.assertEqual(other["peers"], 1)

    def test_dropped(self) -> None:
        """So does it when the relay has dropped it."""
        self.start()
        local = self.room._local
        assert local is not None
        local.drop("too slow")
        local.drop("too slow")
        self.talk.settle()
        self.assertEqual(self.events, [Refused("too slow")])
        self.talk.advance(REJOIN_SECONDS * 1000)
        self.assertIsNotNone(self.room._local)

    def test_timeout(self) -> None:
        """Nobody answers: the connection is closed, and we announce ourselves again."""
        page = self.start()
        self.announce(page)
        [(key, *_)] = self.made.took("connect")
        self.talk.advance(CONNECT_MS)
        self.assertEqual(self.made.took("close"), [(key, "no answer to our offer")])
        self.assertEqual(self.events, [Failed("you", "no answer to our offer")])
        page.take()
        self.talk.advance(AGAIN_MS + 1)
        self.assertTrue([each for each in page.take() if "put" in each])

    def test_unwanted(self) -> None:
        """A channel that opens too late is closed."""
        self.start()
        self.room.opened(99, 60_000)
        self.assertEqual(self.made.took("close"), [(99, "it is not wanted any more")])

    def test_malformed(self) -> None:
        """What aiortc can't read is told, with whose it is."""
        page = self.start()
        self.announce(page)
        [(key, *_)] = self.made.took("connect")
        self.room.complain(key, "a malformed candidate: x")
        self.room.ended(key, "a malformed answer: y")
        self.room.complain(key, "too late")
        self.assertEqual(
            self.events, [Failed("you", "a malformed candidate: x"), Failed("you", "a malformed answer: y")]
        )

    def test_not_json(self) -> None:
        """What is no message is passed over."""
        self.start()
        for frame in (b'["/RTC/"]', b'[{"#":"/RTC/"},7]', b'"/RTC/"', b'[{"#":"/RTC/" 7}]', b'{"rtc"'):
            self.room._hear_mesh(frame)
        self.assertEqual(self.events, [])

    def test_server_failed(self) -> None:
        """A server of no use is told and counted."""
        self.room.server_failed("turn:b", "it does not answer")
        self.assertEqual(self.events, [ServerFailed("turn:b", "it does not answer")])
        self.assertEqual(self.talk.counters["rtc_servers_failed"], 1)

    def test_tracks(self) -> None:
        """Tracks are told, forwarded to the others, recorded and sent."""
        track = Track("you", "t1", "video", lambda: "source")
        self.room.track_added(1, track)
        self.room.track_ended(1, track)
        self.assertEqual(self.events, [TrackAdded("you", track), TrackEnded("you", track)])
        source = lambda: "pattern"  # noqa: E731
        sending, forwarding = self.room.send(source), self.room.forward(track)
        recording = self.room.record("a.mp4", track)
        self.successResultOf(recording.begun)
        sending.stop()
        forwarding.stop()
        self.successResultOf(recording.stop())
        self.assertEqual(
            self.made.calls,
            [
                ("send_track", 1, source, ""),
                ("send_track", 2, track.source, "you"),
                ("record", 3, "a.mp4", [track.source]),
                ("stop_track", 1),
                ("stop_track", 2),
                ("stop_recording", 3),
            ],
        )

    def test_track_fails(self) -> None:
        """A source that fails is logged."""
        self.made.failing = OSError("no such camera")
        self.room.send(lambda: None)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_listeners(self) -> None:
        """A listener that fails is logged, and costs the others nothing; one may stop."""

        def fails(event: Event) -> None:
            raise ValueError(event)

        self.room._listeners.insert(0, fails)
        self.room.server_failed("a", "b")
        self.stop_listening()
        self.stop_listening()
        self.room.server_failed("a", "b")
        self.assertEqual(len(self.events), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_stops(self) -> None:
        """It leaves with all its members, and nothing is left on the clock or in the mesh."""
        page = self.start()
        key = self.join(page)
        self.successResultOf(self.room.stopService())
        self.assertEqual(self.made.took("stop"), [()])
        self.room.described(key, SDP)
        self.room.opened(key, 1)
        self.room.ended(key, "we leave the room")
        self.room.heard(key, b"{}")
        self.assertEqual(self.talk.relay.health()["peers"], 1)
        self.talk.advance(20_000)
        self.assertEqual(self.made.took("connect"), [])
        self.assertEqual(self.events, [Joined("you")])

    def test_without_extra(self) -> None:
        """Without aiortc the operator is told what to install."""
        self.patch(module, "find_spec", lambda name: None)
        error = self.assertRaises(SettingsError, Room, "lobby", self.talk.mesh, self.talk.clock, Random(7))
        self.assertIn("pip install 'gunnet[webrtc]'", str(error))
