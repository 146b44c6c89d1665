"""
How tracks are agreed on over an open channel, as the C{lib/webrtc.js} of gun's repository does it::

    {"#": id, "dam": "rtc", "ok": {"rtc": {"offer": …, "id": own pid}}}
    {"#": …, "@": id, "ok": {"rtc": {"answer": …, "id": own pid}}}

aiortc can't take back an offer. So ours becomes our local description only when its answer is there; until
then the other side may still offer. If both did, the offer of the one with the lesser process id counts, and
the other one offers again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiortc import RTCPeerConnection, RTCSessionDescription

from gunnet.rtc.signalling import sdp_of
from gunnet.wire import jstext
from gunnet.wire.message import split

if TYPE_CHECKING:
    from gunnet.rtc.connection import Names

MESSAGE_BYTES = 262_144
"""What we say that we take as one message: as much as browsers."""
MESSAGE_SIZE = re.compile(r"^a=max-message-size:(\d{1,10})", re.MULTILINE)
"""Where descriptions say it."""
AGAIN_SECONDS = 3.0
"""An offer without an answer is said again after that, for a channel loses things."""
TIMES = 20
"""So many times; then it is forgotten: gun.js of npm knows nothing of them."""

Step = Callable[[], Awaitable[None]]


@dataclass
class Rest:
    """What else was heard. @ivar messages: for the mesh. @ivar step: what to do about tracks."""

    messages: list[bytes] = field(default_factory=list)
    step: Step | None = None


class Offers:
    """Those of one connection, in the thread of its loop."""

    def __init__(
        self,
        pc: RTCPeerConnection,
        names: Names,
        check: Callable[[str], None],
        say: Callable[[bytes], None],
    ) -> None:
        """
        @param check: raises L{ValueError} for a description that asks too much.
        @param say: sends a message over the channel.
        """
        self._pc = pc
        self._names = names
        self._check = check
        self._say = say
        self._offer: tuple[str, RTCSessionDescription] | None = None
        self._again = False
        self._late: asyncio.TimerHandle | None = None

    def hear(self, frame: bytes) -> Rest:
        """Take what is about tracks out of a frame."""
        rest = Rest()
        try:
            texts = split(frame)
        except jstext.NotJSON:
            return Rest([frame])
        for text in texts:
            step = self._step(text) if b'"rtc"' in text else None
            if step is None:
                rest.messages.append(text)
            else:
                rest.step = step
        return rest

    def _step(self, text: bytes) -> Step | None:
        try:
            message: Any = jstext.parse(text)
        except jstext.NotJSON:
            return None
        ok = message.get("ok") if isinstance(message, dict) else None
        rtc = ok.get("rtc") if isinstance(ok, dict) else None
        if not isinstance(rtc, dict):
            return None
        number, answers = message.get("#"), message.get("@")
        if message.get("dam") == "rtc" and isinstance(number, str):
            return lambda: self._hear_offer(number, rtc.get("offer"))
        if self._offer is not None and answers == self._offer[0]:
            return lambda: self._hear_answer(answers, rtc.get("answer"))
        return None

    async def offer(self) -> None:
        """Offer what is to be sent, unless that is done already."""
        if self._offer is not None:
            self._again = True
            return
        if all(each.mid is not None for each in self._pc.getTransceivers()):
            return
        self._again = False
        offer = await self._pc.createOffer()
        number = self._names.new_id()
        self._offer = (number, offer)
        self._tell_again(number, offer.sdp, TIMES)

    async def _hear_offer(self, number: str, offer: object) -> None:
        sdp = sdp_of(offer, "offer")
        if sdp is None:
            raise ValueError("no offer")
        if self._offer is not None:
            if self._names.own < self._names.other:
                return
            self.end()
        self._check(sdp)
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        self._tell({"#": self._names.new_id(), "@": number}, "answer", self._pc.localDescription.sdp)
        await self.offer()

    async def _hear_answer(self, number: object, answer: object) -> None:
        if self._offer is None or self._offer[0] != number:
            return
        sdp = sdp_of(answer, "answer")
        own = self._offer[1]
        self.end()
        if sdp is None:
            raise ValueError("no answer")
        await self._pc.setLocalDescription(own)
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        if self._again:
            await self.offer()

    def _tell_again(self, number: str, sdp: str, times: int) -> None:
        if times == 0:
            self.end()
            return
        self._late = asyncio.get_running_loop().call_later(
            AGAIN_SECONDS, self._tell_again, number, sdp, times - 1
        )
        self._tell({"#": number, "dam": "rtc"}, "offer", sdp)

    def _tell(self, fields: dict[str, Any], kind: str, sdp: str) -> None:
        rtc = {kind: {"type": kind, "sdp": ours(sdp)}, "id": self._names.own}
        self._say(jstext.stringify({**fields, "ok": {"rtc": rtc}}))

    def end(self) -> None:
        """Forget what was offered."""
        self._offer = None
        if self._late is not None:
            self._late.cancel()
            self._late = None


def ours(sdp: str) -> str:
    """Our description, with how much we take as one message: aiortc says less, and takes any."""
    return MESSAGE_SIZE.sub(f"a=max-message-size:{MESSAGE_BYTES}", sdp)
