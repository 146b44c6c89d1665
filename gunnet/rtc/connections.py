"""
The connections of a room, as the reactor's thread sees them: what it asks for is done in the loop's thread,
and what comes of it is told in its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from gunnet.limits import Limits
from gunnet.rtc.effects import Fields
from gunnet.rtc.events import Track
from gunnet.rtc.ice import IceServer
from gunnet.rtc.loop import LoopThread
from gunnet.rtc.told import Told

if TYPE_CHECKING:
    from gunnet.rtc.connection import Connection

CLOSE_SECONDS = 2.0
"""How long connections may take to close at the end."""


class Heard(Told, Protocol):
    """What the connections tell, in the reactor's thread."""

    def track_added(self, key: int, track: Track) -> None:
        """The other side sends a track."""

    def track_ended(self, key: int, track: Track) -> None:
        """It does not any more."""

    def server_failed(self, url: str, why: str) -> None:
        """A STUN or TURN server is of no use."""


class Connections:
    """All of one room. Public methods are for the reactor's thread."""

    def __init__(
        self, pid: str, loop: LoopThread, heard: Heard, new_id: Callable[[], str], limits: Limits
    ) -> None:
        """
        @param pid: our process id.
        @param heard: told what comes of it all.
        @param new_id: gives ids of messages; called in either thread.
        """
        from gunnet.rtc.connection import Connection, Names
        from gunnet.rtc.servers import Probes
        from gunnet.rtc.tracks import Tracks

        self._loop = loop
        self._heard = heard
        self._connections: dict[int, Connection] = {}
        self._pids: dict[int, str] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._tracks = Tracks()
        self._probes = Probes(partial(loop.back, heard.server_failed))
        self._connection = partial(Connection, listener=_Listener(self), tracks_max=limits.rtc_tracks)
        self._names = lambda other: Names(pid, other, new_id)

    # For the reactor

    def start(self) -> None:
        """Start the thread."""
        self._loop.start()

    def connect(self, key: int, pid: str, offer: str | None, servers: Sequence[IceServer]) -> None:
        """
        Begin a connection.

        @param key: what it is called.
        @param pid: of whom it is to.
        @param offer: theirs; L{None} if we are to make one.
        """
        self._loop.call(self._connect, key, pid, offer, servers)

    def accept(self, key: int, answer: str) -> None:
        """Give it the answer to our offer."""
        self._loop.call(self._do, key, lambda connection: connection.accept(answer))

    def add(self, key: int, candidate: Fields) -> None:
        """Give it an address to try."""
        self._loop.call(self._do, key, lambda connection: connection.add(candidate))

    def close(self, key: int, why: str) -> None:
        """Close it."""
        self._loop.call(self._do, key, lambda connection: connection.end(why))

    def send(self, key: int, frames: Sequence[bytes]) -> None:
        """Send messages."""
        self._loop.call(self._do, key, lambda connection: connection.send(frames))

    def send_track(self, number: int, source: Callable[[], Any], but_not: str) -> Deferred[None]:
        """See L{gunnet.rtc.tracks.Tracks.send}. @return: fires when it is, or why it could not be."""

        async def send() -> None:
            self._tracks.send(number, source, but_not)

        return self._later(send)

    def stop_track(self, number: int) -> None:
        """See L{gunnet.rtc.tracks.Tracks.stop_sending}."""
        self._loop.call(self._tracks.stop_sending, number)

    def record(self, number: int, path: str, sources: Sequence[Callable[[], Any]]) -> Deferred[None]:
        """See L{gunnet.rtc.tracks.Tracks.record}. @return: fires when it has begun, or why it has not."""
        return self._later(partial(self._tracks.record, number, path, sources))

    def stop_recording(self, number: int) -> Deferred[None]:
        """See L{gunnet.rtc.tracks.Tracks.stop_recording}. @return: fires when the file is complete."""
        return self._later(partial(self._tracks.stop_recording, number))

    def stop(self) -> Deferred[None]:
        """Close all, and end the thread. @return: fires then."""
        return self._later(self._end).addBoth(lambda _: self._loop.stop())

    def _later(self, what: Callable[[], Any]) -> Deferred[None]:
        """Have a coroutine run in the loop."""
        if not self._loop.running:
            return succeed(None)
        done: Deferred[None] = Deferred()

        async def run() -> None:
            try:
                await what()
            except Exception:
                self._loop.back(done.errback, Failure())
            else:
                self._loop.back(done.callback, None)

        self._loop.call(lambda: self._keep(asyncio.ensure_future(run())))
        return done

    # In the loop

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _connect(self, key: int, pid: str, offer: str | None, servers: Sequence[IceServer]) -> None:
        try:
            connection = self._connection(key, self._names(pid), servers)
        except Exception as e:
            self._loop.back(self._heard.ended, key, f"no connection could be begun: {e}")
            return
        self._connections[key] = connection
        self._pids[key] = pid
        if offer is None:
            connection.offer()
        else:
            connection.answer(offer)

    def _do(self, key: int, what: Callable[[Connection], None]) -> None:
        connection = self._connections.get(key)
        if connection is not None:
            what(connection)

    async def _end(self) -> None:
        connections = list(self._connections.values())
        await self._tracks.end()
        for connection in connections:
            connection.end("we leave the room")
        gone = asyncio.gather(*(connection.gone() for connection in connections))
        await asyncio.wait([asyncio.ensure_future(gone)], timeout=CLOSE_SECONDS)


class _Listener:
    """L{gunnet.rtc.connection.Listener}: brings what a connection tells to the reactor's thread."""

    def __init__(self, owner: Connections) -> None:
        self._owner = owner

    def described(self, key: int, sdp: str) -> None:
        self._owner._loop.back(self._owner._heard.described, key, sdp)

    def heard(self, key: int, data: bytes) -> None:
        self._owner._loop.back(self._owner._heard.heard, key, data)

    def sent(self, key: int, total: int) -> None:
        self._owner._loop.back(self._owner._heard.sent, key, total)

    def complain(self, key: int, why: str) -> None:
        self._owner._loop.back(self._owner._heard.complain, key, why)

    def tracks_refused(self, key: int) -> None:
        self._owner._loop.back(self._owner._heard.tracks_refused, key)

    def gathered(self, servers: Sequence[IceServer], kinds: frozenset[str]) -> None:
        self._owner._probes.look(servers, kinds)

    def opened(self, key: int, message_bytes: int) -> None:
        owner = self._owner
        owner._loop.back(owner._heard.opened, key, message_bytes)
        owner._tracks.joined(key, owner._pids[key], owner._connections[key])

    def ended(self, key: int, why: str) -> None:
        owner = self._owner
        owner._tracks.left(key)
        del owner._connections[key], owner._pids[key]
        owner._loop.back(owner._heard.ended, key, why)

    def tracked(self, key: int, track: Any) -> None:
        owner = self._owner
        added = owner._tracks.added(owner._pids[key], track)

        def ended() -> None:
            owner._tracks.ended(track)
            owner._loop.back(owner._heard.track_ended, key, added)

        track.on("ended", ended)
        owner._loop.back(owner._heard.track_added, key, added)
