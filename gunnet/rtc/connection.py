"""
One WebRTC connection, on aiortc. All of this is in the thread of the loop.

Descriptions and candidates are taken one after the other, in the order in which they came. What comes of it
is told to a L{Listener}.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_from_sdp

from gunnet.rtc.effects import Fields
from gunnet.rtc.ice import IceServer
from gunnet.rtc.offers import MESSAGE_BYTES, MESSAGE_SIZE, Offers, ours
from gunnet.rtc.told import Told

LABEL = "dc"
MAX_RETRANSMITS = 2
"""The channel is as gun's C{lib/webrtc.js} has it, and not ordered."""
MESSAGE_BYTES_UNSAID = 65_536
"""What is taken by who does not say it (RFC 8841)."""
BUFFER_LOW_BYTES = 65_536

_MEDIA = re.compile(r"^m=(?:audio|video) ", re.MULTILINE)


class Listener(Told, Protocol):
    """What a connection tells, in the thread of the loop."""

    def tracked(self, key: int, track: MediaStreamTrack) -> None:
        """The other side sends a track."""

    def gathered(self, servers: Sequence[IceServer], kinds: frozenset[str]) -> None:
        """Candidates of these kinds (C{host}, C{srflx}, C{relay}) were found with these servers."""


@dataclass(frozen=True)
class Names:
    """Who is at both ends. @ivar own: our process id. @ivar other: theirs. @ivar new_id: for messages."""

    own: str
    other: str
    new_id: Callable[[], str]


class Connection:
    """
    One connection.

    @ivar offers: tracks, when the channel is open.
    """

    def __init__(
        self, key: int, names: Names, servers: Sequence[IceServer], listener: Listener, *, tracks_max: int
    ) -> None:
        """
        @param key: what the listener is told that it is about.
        @param tracks_max: how many tracks the other side may send.
        """
        self._key = key
        self._servers = servers
        self._listener = listener
        self._tracks_max = tracks_max
        ice = [RTCIceServer(each.url, each.username, each.credential) for each in servers]
        self._pc = RTCPeerConnection(RTCConfiguration(ice, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._pc.on("connectionstatechange", self._state_changed)
        self._pc.on("datachannel", self._take_channel)
        self._pc.on("track", lambda track: listener.tracked(key, track))
        self.offers = Offers(self._pc, names, self._check, self.say)
        self._channel: RTCDataChannel | None = None
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._message_bytes = MESSAGE_BYTES_UNSAID
        self._told = self._given = 0
        self._ended = self._open = False

    # What is to be done, in order

    def offer(self) -> None:
        """Make an offer."""
        self._send_on(self._pc.createDataChannel(LABEL, maxRetransmits=MAX_RETRANSMITS, ordered=False))
        self._then(self._describe, "we could not make an offer")

    def answer(self, offer: str) -> None:
        """Answer an offer."""

        async def take() -> None:
            await self._set_remote("offer", offer)

        self._then(take, "a malformed offer")
        self._then(self._describe, "we could not answer the offer")

    def accept(self, answer: str) -> None:
        """Take the answer to our offer."""

        async def take() -> None:
            await self._set_remote("answer", answer)

        self._then(take, "a malformed answer")

    def add(self, fields: Fields) -> None:
        """Take a candidate. A bad one does no harm."""

        async def take() -> None:
            try:
                await self._add(fields)
            except Exception as e:
                self._listener.complain(self._key, _why("a malformed candidate", e))

        self._then(take, "")

    async def _set_remote(self, kind: str, sdp: str) -> None:
        self._check(sdp)
        found = MESSAGE_SIZE.search(sdp)
        if found is not None:
            self._message_bytes = int(found[1]) or MESSAGE_BYTES
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, kind))

    def _check(self, sdp: str) -> None:
        """@raise ValueError: it offers too many tracks."""
        if len(_MEDIA.findall(sdp)) > self._tracks_max:
            self._listener.tracks_refused(self._key)
            raise ValueError(f"more than {self._tracks_max} tracks")

    async def _describe(self) -> None:
        await self._pc.setLocalDescription()
        sdp = self._pc.localDescription.sdp
        self._listener.gathered(self._servers, frozenset(re.findall(r" typ (\w+)", sdp)))
        self._listener.described(self._key, ours(sdp))

    async def _add(self, fields: Fields) -> None:
        text = fields["candidate"].strip().removeprefix("candidate:")
        if not text:
            return
        candidate = candidate_from_sdp(text)
        mid, index = fields.get("sdpMid"), fields.get("sdpMLineIndex")
        candidate.sdpMid = mid if isinstance(mid, str) else None
        candidate.sdpMLineIndex = index if isinstance(index, int) else None
        await self._pc.addIceCandidate(candidate)

    def _then(self, step: Callable[[], Awaitable[None]], why: str) -> None:
        """Do C{step} after those before it; if it fails, all is over, because of C{why}."""
        task = asyncio.ensure_future(self._do(step, why))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, step: Callable[[], Awaitable[None]], why: str) -> None:
        async with self._lock:
            if self._ended:
                return
            try:
                await step()
            except Exception as e:
                self.end(_why(why, e))

    # The channel

    def _take_channel(self, channel: RTCDataChannel) -> None:
        """The other side has opened one. gun.js opens one at each end, and takes what comes over either."""
        if self._channel is None:
            self._send_on(channel)
        else:
            channel.on("message", self._heard)

    def _send_on(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        channel.bufferedAmountLowThreshold = BUFFER_LOW_BYTES
        channel.on("message", self._heard)
        channel.on("open", self._opened)
        channel.on("close", lambda: self.end("the other side closed it"))
        channel.on("bufferedamountlow", self._tell_sent)
        if channel.readyState == "open":
            self._opened()

    def _opened(self) -> None:
        if not self._open and not self._ended:
            self._open = True
            self._listener.opened(self._key, self._message_bytes)

    def _heard(self, data: Any) -> None:
        if self._ended:
            return
        text = (data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")).encode()
        if b'"rtc"' in text:
            rest = self.offers.hear(text)
            for message in rest.messages:
                self._listener.heard(self._key, message)
            if rest.step is not None:
                self._then_quietly(rest.step)
        else:
            self._listener.heard(self._key, text)

    def _then_quietly(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do something about tracks; if it fails, the rest goes on."""

        async def take() -> None:
            try:
                await step()
            except Exception as e:
                self._listener.complain(self._key, _why("a malformed description of tracks", e))

        self._then(take, "")

    def say(self, text: bytes) -> None:
        """Send one message that was not handed over by L{send}."""
        channel = self._channel
        if channel is not None and channel.readyState == "open":
            channel.send(text.decode())

    def send(self, frames: Sequence[bytes]) -> None:
        """Send some messages, none larger than what the listener was told."""
        for frame in frames:
            self.say(frame)
            self._given += len(frame)
        channel = self._channel
        if channel is not None and channel.bufferedAmount <= BUFFER_LOW_BYTES:
            self._tell_sent()

    def _tell_sent(self) -> None:
        if self._given - self._told >= BUFFER_LOW_BYTES:
            self._told = self._given
            self._listener.sent(self._key, self._given)

    # Tracks

    def send_track(self, track: MediaStreamTrack) -> RTCRtpSender | None:
        """Send a track to the other side, too. @return: L{None} if it is gone."""
        if self._ended:
            return None
        sender = self._pc.addTrack(track)
        self._then_quietly(self.offers.offer)
        return sender

    # The end

    def _state_changed(self) -> None:
        if self._pc.connectionState == "failed":
            self.end("no way through the network" if not self._open else "the network lost it")
        elif self._pc.connectionState == "closed":
            self.end("the other side closed it")

    def end(self, why: str) -> None:
        """Close it. The first call tells the listener; it goes on in the background."""
        if self._ended:
            return
        self._ended = True
        self.offers.end()
        self._listener.ended(self._key, why)
        closing = asyncio.ensure_future(self._pc.close())
        self._tasks.add(closing)
        closing.add_done_callback(self._closed)

    def _closed(self, closing: asyncio.Task[None]) -> None:
        self._tasks.discard(closing)
        if not closing.cancelled():
            closing.exception()

    async def gone(self) -> None:
        """Wait until nothing goes on any more."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _why(what: str, error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return f"{what}: {text or type(error).__name__}"
