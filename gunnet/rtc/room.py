"""
A member of a WebRTC room, as a service.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from math import inf
from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from gunnet.rtc.channel import ChannelLink
from gunnet.rtc.connections import Connections
from gunnet.rtc.effects import Accept, Add, Close, Connect, Effect, Say
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
from gunnet.rtc.ice import IceServers
from gunnet.rtc.local import LocalLink
from gunnet.rtc.loop import LoopThread
from gunnet.rtc.signalling import Signalling
from gunnet.settings_error import SettingsError
from gunnet.turns import MeshService
from gunnet.wire import jstext
from gunnet.wire.ids import id_source
from gunnet.wire.message import split

REJOIN_SECONDS = 30.0
"""When the relay had no room for the room, or has dropped it."""

_ABOUT = (b"/RTC/", b'"rtc"', b'"err"')


class Sending:
    """A track that is sent to the members of a room."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop

    def stop(self) -> None:
        """Send it no more."""
        self._stop()


class Recording:
    """
    A file that tracks are written to.

    @ivar begun: fires when that has begun, or fails with why it has not.
    """

    def __init__(self, begun: Deferred[None], stop: Callable[[], Deferred[None]]) -> None:
        self.begun = begun
        self._stop = stop

    def stop(self) -> Deferred[None]:
        """End it. @return: fires when the file is complete."""
        return self._stop()


class Room(Service):
    """
    One member of one room.

    @ivar pid: our process id, the relay's.
    @ivar room: what it is called.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        mesh: MeshService,
        reactor: Any,
        random: Random,
        ice: IceServers | None = None,
        connections: Callable[..., Connections] = Connections,
    ) -> None:
        """
        @param name: of the room.
        @param mesh: the relay that this is a member for.
        @param reactor: for time, and to bring things back from the thread of the loop.
        @param random: for ids.
        @param ice: STUN and TURN servers; L{None} for none.
        @param connections: makes what does the WebRTC.
        @raise SettingsError: the extra C{webrtc} is not installed.
        """
        if connections is Connections and find_spec("aiortc") is None:
            raise SettingsError("a WebRTC room needs aiortc: pip install 'gunnet[webrtc]'")
        self.room = name
        self.setName("rtc room")
        relay = mesh.relay
        self.pid = relay.pid
        self._mesh = mesh
        self._reactor = reactor
        self._ice = ice or IceServers()
        new_id = id_source(random)
        self._signalling = Signalling(relay.pid, name, relay.limits, relay.counters, new_id)
        self._connections = connections(relay.pid, LoopThread(reactor), self, new_id, relay.limits)
        self._listeners: list[Callable[[Event], object]] = []
        self._links: dict[int, ChannelLink] = {}
        self._pids: dict[int, str] = {}
        self._local: LocalLink | None = None
        self._timer: IDelayedCall | None = None
        self._numbers = 0
        self._deaf = False

    # For programs

    @property
    def members(self) -> list[str]:
        """The process ids of those that we have an open channel to."""
        return list(self._signalling.open)

    def listen(self, heard: Callable[[Event], object]) -> Callable[[], None]:
        """
        Have C{heard} called with each event (L{gunnet.rtc.events}) from now on.

        @return: ends that.
        """
        self._listeners.append(heard)
        return lambda: self._listeners.remove(heard) if heard in self._listeners else None

    def send(self, source: Callable[[], Any]) -> Sending:
        """
        Send a track to all members, now and later.

        @param source: gives an aiortc C{MediaStreamTrack}; called in the loop's thread
            (L{gunnet.rtc.media} has some).
        """
        return self._send(source, "")

    def forward(self, track: Track) -> Sending:
        """Send what one member sends to all others, now and later."""
        return self._send(track.source, track.pid)

    def _send(self, source: Callable[[], Any], but_not: str) -> Sending:
        self._numbers += 1
        number = self._numbers
        sent = self._connections.send_track(number, source, but_not)
        sent.addErrback(lambda failure: self.log.failure("a track could not be sent", failure))
        return Sending(lambda: self._connections.stop_track(number))

    def record(self, path: str, *tracks: Track) -> Recording:
        """
        Have tracks written to a file.

        @param path: where; its suffix says how (C{.mp4}, C{.webm}, C{.wav} and what else FFmpeg knows).
        """
        self._numbers += 1
        number = self._numbers
        begun = self._connections.record(number, path, [track.source for track in tracks])
        return Recording(begun, lambda: self._connections.stop_recording(number))

    # The service

    def startService(self) -> None:
        """Go into the room."""
        super().startService()
        self._deaf = False
        self._connections.start()
        self._join()

    def _join(self) -> None:
        self._local = LocalLink(
            f"rtc room {self.room!r}", self._mesh, self._reactor, self._hear_mesh, self._dropped
        )
        if self._local.join():
            self._signalling.start(self._now())
            self._act()
        else:
            self._dropped("the relay is full")

    def _dropped(self, why: str) -> None:
        self._local = None
        self._tell(Refused(why))
        self._call_at(self._now() + REJOIN_SECONDS * 1000)

    def deafen(self) -> None:
        """Hear nothing more, and meet nobody."""
        self._deaf = True
        self._forget_timer()

    def stopService(self) -> Deferred[None]:
        """
        Leave the room.

        @return: fires when all connections are closed and the thread has ended.
        """
        super().stopService()
        self.deafen()
        if self._local is not None:
            self._local.leave("we leave the room")
            self._local = None
        for key in list(self._links):
            self._lose(key, "we leave the room")
        return self._connections.stop()

    # Signalling

    def _now(self) -> float:
        return float(self._reactor.seconds()) * 1000

    def _hear_mesh(self, frame: bytes) -> None:
        if self._deaf or not any(word in frame for word in _ABOUT):
            return
        try:
            found = [(jstext.parse(text), len(text)) for text in split(frame)]
        except jstext.NotJSON:
            return
        for message, size in found:
            if isinstance(message, dict):
                self._signalling.hear(message, size, self._now())
        self._act()

    def _act(self) -> None:
        """Do what comes of the signalling."""
        while effects := self._signalling.take():
            for effect in effects:
                self._carry_out(effect)
        at = self._signalling.next_at
        if at < inf and self._local is not None and not self._deaf:
            self._call_at(at)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Say):
            if self._local is not None:
                self._local.say(effect.text)
        elif isinstance(effect, Connect):
            self._pids[effect.key] = effect.pid
            servers = self._ice.now(self._reactor.seconds(), self.pid)
            self._connections.connect(effect.key, effect.pid, effect.offer, servers)
        elif isinstance(effect, Accept):
            self._connections.accept(effect.key, effect.answer)
        elif isinstance(effect, Add):
            self._connections.add(effect.key, effect.candidate)
        elif isinstance(effect, Close):
            self._lose(effect.key, effect.why)
            self._connections.close(effect.key, effect.why)
        else:
            self._tell(effect)

    def _call_at(self, at: float) -> None:
        self._forget_timer()
        self._timer = self._reactor.callLater(max(0.0, (at - self._now()) / 1000), self._due)

    def _forget_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _due(self) -> None:
        self._timer = None
        if self._local is None:
            self._join()
        else:
            self._signalling.pass_time(self._now())
            self._act()

    def _tell(self, event: Event) -> None:
        _say(self.log, event)
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                self.log.failure("a listener failed on {event!r}", Failure(), event=event)

    # What the connections tell

    def described(self, key: int, sdp: str) -> None:
        """See L{gunnet.rtc.connections.Heard}, also for the others."""
        if not self._deaf:
            self._signalling.described(key, sdp)
            self._act()

    def opened(self, key: int, message_bytes: int) -> None:
        """A channel is open: its member becomes a peer of the mesh."""
        if self._deaf or not self._signalling.opened(key):
            self._connections.close(key, "it is not wanted any more")
            return
        link = ChannelLink(
            f"rtc {self._pids[key]}",
            self._mesh,
            self._reactor,
            lambda frames: self._connections.send(key, frames),
            lambda why: self._reactor.callLater(0, self._drop, key, why),
            message_bytes,
        )
        self._links[key] = link
        link.peer = self._mesh.meet_member(link)
        self._act()
        if link.peer is None:
            self._drop(key, "too many peers")

    def _drop(self, key: int, why: str) -> None:
        self._connections.close(key, why)
        self.ended(key, why)

    def heard(self, key: int, data: bytes) -> None:
        """A member said something."""
        link = self._links.get(key)
        if link is not None and not self._deaf:
            link.heard(data)

    def sent(self, key: int, total: int) -> None:
        """What was said to it has gone, but for a few bytes."""
        link = self._links.get(key)
        if link is not None:
            link.sent(total)

    def ended(self, key: int, why: str) -> None:
        """A connection is gone, or came to nothing."""
        self._lose(key, why)
        if not self._deaf:
            self._signalling.ended(key, why, self._now())
            self._act()

    def _lose(self, key: int, why: str) -> None:
        self._pids.pop(key, None)
        link = self._links.pop(key, None)
        if link is not None:
            link.lost(why)

    def complain(self, key: int, why: str) -> None:
        """A member said something of no use."""
        if key in self._pids:
            self._mesh.relay.counters.count("rtc_signals_malformed")
            self._tell(Failed(self._pids[key], why))

    def tracks_refused(self, key: int) -> None:
        """A member offered more tracks than it may send; what comes of that is told apart."""
        self._mesh.relay.counters.count("rtc_tracks_refused")

    def track_added(self, key: int, track: Track) -> None:
        """A member sends a track."""
        self._tell(TrackAdded(track.pid, track))

    def track_ended(self, key: int, track: Track) -> None:
        """It does not any more."""
        self._tell(TrackEnded(track.pid, track))

    def server_failed(self, url: str, why: str) -> None:
        """A STUN or TURN server is of no use."""
        self._mesh.relay.counters.count("rtc_servers_failed")
        self._tell(ServerFailed(url, why))


def _say(log: Logger, event: Event) -> None:
    """The line about it in the log."""
    if isinstance(event, Joined):
        log.info("rtc: {pid} has joined", pid=event.pid)
    elif isinstance(event, Left):
        log.info("rtc: {pid} has left: {why}", pid=event.pid, why=event.why)
    elif isinstance(event, Failed):
        log.warn("rtc: {pid}: {why}", pid=event.pid, why=event.why)
    elif isinstance(event, Refused):
        log.warn("rtc: the room can't be announced: {why}", why=event.why)
    elif isinstance(event, ServerFailed):
        log.warn("rtc: {url} is of no use: {why}", url=event.url, why=event.why)
    else:
        what = "sends" if isinstance(event, TrackAdded) else "sends no more"
        log.info(
            "rtc: {pid} {what} {kind} {id}",
            pid=event.pid,
            what=what,
            kind=event.track.kind,
            id=event.track.id,
        )
