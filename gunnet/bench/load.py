"""
What is asked and not yet answered, and when to ask more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gunnet.bench.latencies import Latencies
from gunnet.bench.peer import Peer, messages
from gunnet.bench.sources import Source
from gunnet.bench.tally import Tally

_SPIN_SECONDS = 0.002
"""A reactor sleeps whole milliseconds. What is due sooner is waited for without sleep."""


class Asker:
    """
    One peer's operations of one kind: each is a message that is answered by id.

    @ivar refill: whether to ask something new for each answer, and C{again}: how. May be set.
    @ivar sent: the number of each message that is under way, and when it was due or sent.
    """

    def __init__(
        self, peer: Peer, source: Source, tally: Tally, clock: Callable[[], float], *, with_put: bool = False
    ) -> None:
        """
        @param clock: seconds that never go back.
        @param with_put: only an answer with C{put} is one.
        """
        self.refill = False
        self.again: Callable[[int], None] = self.ask
        self.sent: dict[bytes, float] = {}
        self._peer = peer
        self._source = source
        self._tally = tally
        self._clock = clock
        self._with_put = with_put
        self._mark = b'"@":"' + source.prefix
        rest = rb'(?=[^{}]*"put":\{)' if with_put else b""
        self._answers = re.compile(re.escape(self._mark) + rb'(\d{9})"' + rest).findall

    def ask(self, count: int) -> None:
        """Ask so much at once."""
        numbers, frames = self._source.take(count)
        if numbers:
            self.sent.update(dict.fromkeys(numbers, self._clock()))
            self._peer.write(frames)

    def ask_due(self, times: Sequence[float]) -> None:
        """Ask what was due at these times."""
        numbers, frames = self._source.take(len(times))
        if numbers:
            self.sent.update(zip(numbers, times, strict=False))
            self._peer.write(frames)

    def heard(self, chunk: bytes) -> None:
        """Whole text frames have come."""
        numbers = self._answers(chunk)
        if b'"err"' in chunk or (self._with_put and chunk.count(self._mark) != len(numbers)):
            numbers = self._read(chunk)
        if not numbers:
            return
        pop = self.sent.pop
        times = [time for number in numbers if (time := pop(number, None)) is not None]
        self._tally.done(times, self._clock())
        if self.refill and times:
            self.again(len(times))

    def give_up(self) -> None:
        """Count what is under way as unanswered."""
        self._tally.unanswered += len(self.sent)
        self.sent.clear()

    def _read(self, chunk: bytes) -> list[bytes]:
        """The same as the search, but slow, and with an eye on errors."""
        prefix, numbers = self._source.prefix.decode(), []
        for message in messages(chunk):
            re_id = message.get("@")
            if not isinstance(re_id, str) or not re_id.startswith(prefix):
                continue
            number = re_id[len(prefix) :].encode()
            if message.get("err"):
                if self.sent.pop(number, None) is not None:
                    self._tally.refused(str(message["err"]))
                    if self.refill:
                        self.again(1)
            elif "put" in message or not self._with_put:
                numbers.append(number)
        return numbers


class Load(Protocol):
    """What a pace drives."""

    def begin(self, outstanding: int) -> None:
        """Ask at once so much per peer, and something new for each answer."""

    def due(self, times: Sequence[float]) -> None:
        """Ask what was due at these times."""

    def stop(self) -> None:
        """Ask nothing more for answers."""


class Askers:
    """The L{Load} of peers that take turns."""

    def __init__(self, askers: Iterable[Asker]) -> None:
        self._askers = list(askers)
        self._next = 0

    def begin(self, outstanding: int) -> None:
        """See L{Load.begin}."""
        for asker in self._askers:
            asker.refill = True
            asker.ask(outstanding)

    def due(self, times: Sequence[float]) -> None:
        """See L{Load.due}."""
        askers, peers = self._askers, len(self._askers)
        for at in range(min(peers, len(times))):
            askers[(self._next + at) % peers].ask_due(times[at::peers])
        self._next = (self._next + len(times)) % peers

    def stop(self) -> None:
        """See L{Load.stop}."""
        for asker in self._askers:
            asker.refill = False


class Pace:
    """
    Has messages said at a fixed rate, whatever becomes of those before: each is due at its own time, and its
    latency counts from then. So a relay that halts for a while is not asked less in that while.

    @ivar lag: by how much messages were sent later than they were due.
    """

    def __init__(self, load: Load, rate: float, reactor: IReactorTime, clock: Callable[[], float]) -> None:
        """
        @param rate: messages per second.
        @param clock: seconds that never go back.
        """
        self.lag = Latencies()
        self._load = load
        self._rate = rate
        self._reactor = reactor
        self._clock = clock
        self._begun = 0.0
        self._said = 0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin."""
        self._begun = self._clock()
        self._turn()

    def stop(self) -> None:
        """End."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _turn(self) -> None:
        now = self._clock()
        due = int((now - self._begun) * self._rate) + 1
        if due > self._said:
            begun, rate = self._begun, self._rate
            times = [begun + number / rate for number in range(self._said, due)]
            self._said = due
            self.lag.add([now - time for time in times])
            self._load.due(times)
            now = self._clock()
        wait = self._begun + self._said / self._rate - now
        self._call = self._reactor.callLater(max(0.0, wait - _SPIN_SECONDS), self._turn)
