"""
The tracks of a room: what is sent to members, what they send, what is recorded. All of this is in the thread
of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.contrib.media import MediaBlackhole, MediaRecorder, MediaRelay

from gunnet.rtc.connection import Connection
from gunnet.rtc.events import Track

Source = Callable[[], MediaStreamTrack]


@dataclass(slots=True, eq=False)
class _Sent:
    """A track that is sent. @ivar but_not: the member that it comes from. @ivar senders: by connection."""

    track: MediaStreamTrack
    but_not: str
    senders: dict[int, RTCRtpSender] = field(default_factory=dict)


class Tracks:
    """Those of one room."""

    def __init__(self) -> None:
        self._relay = MediaRelay()
        self._sent: dict[int, _Sent] = {}
        self._recorders: dict[int, MediaRecorder] = {}
        self._members: dict[int, tuple[str, Connection]] = {}
        self._drains: dict[MediaStreamTrack, MediaBlackhole] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # Members

    def joined(self, key: int, pid: str, connection: Connection) -> None:
        """A connection is open: it gets what all get."""
        self._members[key] = (pid, connection)
        for sent in self._sent.values():
            self._send_to(key, sent)

    def left(self, key: int) -> None:
        """It is gone."""
        self._members.pop(key, None)
        for sent in self._sent.values():
            sent.senders.pop(key, None)

    def _send_to(self, key: int, sent: _Sent) -> None:
        pid, connection = self._members[key]
        if pid != sent.but_not:
            sender = connection.send_track(self._relay.subscribe(sent.track))
            if sender is not None:
                sent.senders[key] = sender

    # Sending

    def send(self, number: int, source: Source, but_not: str) -> None:
        """
        Send what C{source} gives to all members.

        @param number: what L{stop_sending} calls it.
        @param but_not: the process id of a member that does not get it.
        """
        sent = self._sent[number] = _Sent(source(), but_not)
        for key in self._members:
            self._send_to(key, sent)

    def stop_sending(self, number: int) -> None:
        """Send it no more."""
        sent = self._sent.pop(number, None)
        if sent is not None:
            for sender in sent.senders.values():
                self._begin(sender.stop())
            sent.track.stop()

    # Receiving

    def added(self, pid: str, source: MediaStreamTrack) -> Track:
        """
        A member sends a track. It is read in any case: aiortc keeps what nobody reads.
        """
        drain = self._drains[source] = MediaBlackhole()
        drain.addTrack(self._relay.subscribe(source, buffered=False))
        self._begin(drain.start())
        return Track(pid, source.id, source.kind, lambda: self._relay.subscribe(source))

    def ended(self, source: MediaStreamTrack) -> None:
        """It does not any more."""
        drain = self._drains.pop(source, None)
        if drain is not None:
            self._begin(drain.stop())

    # Recording

    async def record(self, number: int, path: str, sources: Sequence[Source]) -> None:
        """
        Write tracks to a file.

        @param number: what L{stop_recording} calls it.
        @raise Exception: the file can't be written, or not with these.
        """
        recorder = MediaRecorder(path)
        for source in sources:
            recorder.addTrack(source())
        await recorder.start()
        self._recorders[number] = recorder

    async def stop_recording(self, number: int) -> None:
        """Complete the file."""
        recorder = self._recorders.pop(number, None)
        if recorder is not None:
            await recorder.stop()

    # The end

    def _begin(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Send, read and record nothing more."""
        for number in list(self._recorders):
            await self.stop_recording(number)
        for number in list(self._sent):
            self.stop_sending(number)
        for source in list(self._drains):
            self.ended(source)
        await asyncio.gather(*self._tasks, return_exceptions=True)
