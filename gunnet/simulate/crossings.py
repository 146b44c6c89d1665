"""
What is seen of a network: every frame, in a digest, and how often each written value crosses each link.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, TextIO

from gunnet.simulate.clock import TICKS, VirtualClock
from gunnet.simulate.links import End
from gunnet.wire import jstext

_TRACE_CHARACTERS = 400


class Crossings:
    """
    Watches a network (L{gunnet.simulate.links.Watch}).

    A I{crossing} is one property with one state and one value that arrives over one link in one direction in
    a message that answers no get; answers are what somebody asked for, and not counted. Copies that the
    network made are not counted either. Who has lost its memory counts as somebody else from then on.

    @ivar frames: how many were sent.
    @ivar last_tick: when the last one was sent.
    @ivar times: how often each (from, to, soul, key, state, value, losses of memory) has crossed.
    @ivar repeating: messages in which anything crossed that had crossed before.
    @ivar kinds: messages that arrived, by kind: C{put}, C{answer}, C{ack}, C{get}, or C{dam} and the verb.
    """

    def __init__(self, clock: VirtualClock, trace: TextIO | None = None) -> None:
        """
        @param trace: where each frame is written to, a line each.
        """
        self.frames = 0
        self.last_tick = 0
        self.times: Counter[tuple[str, str, str, str, float, bytes, int]] = Counter()
        self.repeating = 0
        self.kinds: Counter[str] = Counter()
        self._forgot: Counter[str] = Counter()
        self._clock = clock
        self._trace = trace
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Of all frames with their times, senders and receivers: equal runs have equal ones."""
        return self._digest.hexdigest()

    @property
    def all(self) -> int:
        """How many crossings there were."""
        return sum(self.times.values())

    @property
    def first(self) -> int:
        """How many of them were the first of their value over their link in their direction."""
        return len(self.times)

    def forgot(self, name: str) -> None:
        """C{name} has lost all it knew: what it is told again, or tells again, is told for the first time."""
        self._forgot[name] += 1

    def note(self, what: str) -> None:
        """Write something else that happens into the trace."""
        if self._trace is not None:
            self._trace.write(f"{self._clock.seconds():.6f} ** {what}\n")

    def sent(self, end: End, frame: bytes) -> None:
        """See L{gunnet.simulate.links.Watch.sent}."""
        self.frames += 1
        tick = self.last_tick = self._clock.tick
        self._digest.update(b"%d %b>%b %b\n" % (tick, end.name.encode(), end.far.encode(), frame))
        if self._trace is not None:
            text = frame.decode("utf-8")[:_TRACE_CHARACTERS]
            self._trace.write(f"{tick / TICKS:.6f} {end.name}>{end.far} {text}\n")

    def arrived(self, end: End, frame: bytes) -> None:
        """See L{gunnet.simulate.links.Watch.arrived}."""
        content = jstext.parse(frame)
        source, target = end.far, end.name
        lives = self._forgot[source] + self._forgot[target]
        for message in content if isinstance(content, list) else [content]:
            kind = _kind(message)
            self.kinds[kind] += 1
            if kind == "put":
                new = len(self.times)
                for soul, node in message["put"].items():
                    for key, state in node["_"][">"].items():
                        value = jstext.stringify(node[key])
                        self.times[(source, target, soul, key, state, value, lives)] += 1
                        new += 1
                self.repeating += new > len(self.times)


def _kind(message: dict[str, Any]) -> str:
    if "dam" in message:
        return f"dam {message['dam']}"
    if message.get("put"):
        return "answer" if "@" in message else "put"
    return "ack" if "@" in message else "get"
