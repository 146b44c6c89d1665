"""
The way of single messages through the relay, with times: from whom a message came, what became of it, and to
whom what came of it went.

The steps are those of the map (L{gunnet})::

    hear -> check -> merge -> store -> route -> say

Which messages are followed is asked once for each that is heard; what is said belongs to those whose id it
carries or answers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.wire.envelope import NOTHING, Message

if TYPE_CHECKING:
    from gunnet.mesh.peer import Peer

NAMED = 3
"""So many peers are named when one thing is said to many."""


class _Said(msgspec.Struct):
    """The fields of a message that tell what it belongs to."""

    id: Any = msgspec.field(name="#", default=None)
    re: Any = msgspec.field(name="@", default=None)
    put: msgspec.Raw = NOTHING
    ok: msgspec.Raw = NOTHING
    err: Any = None


_decode = msgspec.json.Decoder(_Said).decode


class _Followed:
    """
    One message.

    @ivar steps: (milliseconds since 1970, step, what happened).
    @ivar updates: ids of updates of ours that tell what it changed.
    @ivar saying: what is being said because of it, since when (0 if that is in C{steps}), and the peers that
        did not get it yet.
    @ivar left_out: steps for which there was no room.
    """

    __slots__ = ("id", "left_out", "saying", "steps", "updates")

    def __init__(self, message_id: str) -> None:
        self.id = message_id
        self.steps: list[tuple[float, str, str]] = []
        self.updates: list[str] = []
        self.saying: dict[str, tuple[float, list[Peer]]] = {}
        self.left_out = 0


class Trace:
    """
    Follows messages that carry C{DBG} (gun.js C{src/mesh.js} stamps these, and sends the stamps on; here they
    go no further than this), or all.

    @ivar everything: whether all are followed, and not only those. May be set.
    """

    def __init__(
        self, clock: Callable[[], float], limits: Limits, counters: Counters, *, everything: bool = False
    ) -> None:
        """
        @param clock: the time, in milliseconds since 1970.
        """
        self.everything = everything
        self._clock = clock
        self._limits = limits
        self._counters = counters
        self._known: OrderedDict[str, _Followed] = OrderedDict()
        self._updates: dict[str, list[_Followed]] = {}
        self._talking: dict[str, _Followed] = {}

    def __len__(self) -> int:
        """How many messages are remembered."""
        return len(self._known)

    def ids(self) -> list[str]:
        """Of the messages that are remembered, the latest last."""
        return list(self._known)

    def steps(self, message_id: str) -> dict[str, object] | None:
        """
        What is known of a message: C{id}; C{steps}, each with C{at} (milliseconds since 1970), C{step} and
        C{what}; and C{left_out}, the number of those for which there was no room. L{None} if it was not
        followed.
        """
        followed = self._known.get(message_id)
        if followed is None:
            return None
        steps = sorted(followed.steps, key=lambda step: step[0])
        told = [{"at": at, "step": step, "what": what} for at, step, what in steps]
        return {"id": message_id, "steps": told, "left_out": followed.left_out}

    # Called by the parts of the relay

    def hear(self, peer: Peer, message_id: str, message: Message, size: int) -> None:
        """
        A message was heard, perhaps not for the first time.

        @param size: bytes.
        """
        followed = self._known.get(message_id)
        name = _name(peer)
        if followed is not None:
            self._add(followed, "hear", f"again, from {name}")
        elif self.everything or message.trace:
            followed = self._known[message_id] = _Followed(message_id)
            self._add(followed, "hear", f"{_kind(message)} of {size} bytes from {name}")
            if len(self._known) > self._limits.traces:
                self._counters.count("traces_evicted")
                self._forget(self._known.popitem(last=False)[1])
        for answered in self._of(message.re):
            if answered is not followed:
                self._add(answered, "hear", f"{_kind(message)} {message_id} that answers it, from {name}")

    def note(self, message_id: str, step: str, what: str) -> None:
        """Something became of a message."""
        followed = self._known.get(message_id)
        if followed is not None:
            self._add(followed, step, what)

    def update(self, update: str, message_ids: Iterable[str]) -> None:
        """
        What some messages changed is told.

        @param update: the id of the message that tells it.
        """
        for message_id in message_ids:
            followed = self._known.get(message_id)
            if followed is not None and len(followed.updates) < self._limits.trace_steps:
                followed.updates.append(update)
                self._updates.setdefault(update, []).append(followed)

    def say(self, peer: Peer, text: bytes) -> None:
        """A message (JSON text) is to go to C{peer} at the end of the turn."""
        if not self._known:
            return
        try:
            said = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        for name, is_answer in ((said.id, False), (said.re, True)):
            for followed in self._of(name):
                what = _answer(said) if is_answer else "itself" if name == followed.id else f"update {name}"
                self._talking[followed.id] = followed
                if what not in followed.saying:
                    followed.saying[what] = (self._clock(), [])
                followed.saying[what][1].append(peer)

    def turn_ended(self) -> None:
        """What was to be written was handed to the links, but for peers that do not read."""
        for message_id, followed in list(self._talking.items()):
            for what, (at, peers) in list(followed.saying.items()):
                if at:
                    self._add_at(followed, at, "route", f"{what} to {_names(peers)}")
                waiting = [peer for peer in peers if peer.up and len(peer.outbox)]
                done = [peer for peer in peers if peer not in waiting]
                if done:
                    self._add(followed, "say", f"{what} to {_names(done)}")
                if waiting:
                    followed.saying[what] = (0.0, waiting)
                else:
                    del followed.saying[what]
            if not followed.saying:
                del self._talking[message_id]

    # Memory

    def _of(self, name: object) -> list[_Followed]:
        """Those that an id stands for: the message itself, or what an update tells of."""
        if not isinstance(name, str):
            return []
        followed = self._known.get(name)
        return self._updates.get(name, []) if followed is None else [followed]

    def _add(self, followed: _Followed, step: str, what: str) -> None:
        self._add_at(followed, self._clock(), step, what)

    def _add_at(self, followed: _Followed, at: float, step: str, what: str) -> None:
        if len(followed.steps) < self._limits.trace_steps:
            followed.steps.append((at, step, what))
        else:
            followed.left_out += 1
            self._counters.count("trace_steps_left_out")

    def _forget(self, followed: _Followed) -> None:
        self._talking.pop(followed.id, None)
        for update in followed.updates:
            rest = [other for other in self._updates.pop(update, []) if other is not followed]
            if rest:
                self._updates[update] = rest


def _kind(message: Message) -> str:
    if message.dam is not None:
        return "dam"
    if message.put:
        return "put" if message.re is None else "answer"
    if message.re is not None:
        return "ack"
    return "get" if message.get else "message"


def _answer(said: _Said) -> str:
    if said.err is not None:
        return f"err {str(said.err)[:80]!r}"
    if said.put:
        return "answer with data"
    return "ack" if said.ok else "answer without data"


def _name(peer: Peer) -> str:
    return peer.name if peer.link is None else peer.link.name


def _names(peers: list[Peer]) -> str:
    names = ", ".join(_name(peer) for peer in peers[:NAMED])
    return names if len(peers) <= NAMED else f"{names} and {len(peers) - NAMED} more"
