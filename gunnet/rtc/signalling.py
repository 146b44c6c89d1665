"""
How members of a room find each other, without a socket: messages of the mesh and the time go in, what to say
and which connections to make come out.

The conversation is that of gun's C{lib/webrtc.js}. P announces itself, Q sees that and offers; answers and
candidates are acks of what they belong to::

    P puts  {"/RTC/<room><?99": {"+": pid of P}}                id p, ok {"@": 55}
    Q       {"#": o, "@": p, "ok": {"rtc": {"offer": …, "id": pid of Q}}}
    P       {"@": o, "ok": {"rtc": {"answer": …, "id": pid of P}}}
    both    {"@": p or o, "ok": {"rtc": {"candidate": …, "id": own pid}}}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import TypeGuard

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.rtc.effects import Accept, Add, Close, Connect, Effect, Fields, Say
from gunnet.rtc.events import Failed, Joined, Left, Refused
from gunnet.wire import jstext

CONNECT_MS = 60_000.0
"""So long a connection may take to open, as in gun's C{lib/webrtc.js}."""
AGAIN_MS = 2_000.0
"""
How soon a member that is connected to nobody announces itself again; each time it takes twice as long. What
was said while a link to another relay was down has no way back for offers.
"""
ALONE_MS = 60_000.0
"""The longest that it takes."""
YIELD_MS = 5_000.0
"""How long a peer that offered at the same time has to answer our offer, before we answer its own."""


@dataclass(slots=True, eq=False)
class _Offer:
    """Somebody's offer. @ivar message: the id of its message. @ivar candidates: those that came with it."""

    sdp: str
    message: str
    candidates: list[Fields] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Session:
    """
    A connection that is to be, or is.

    @ivar reply_to: the id that our messages about it answer.
    @ivar offer: the id of our offer; empty if the other one offered.
    @ivar sdp: what was offered, when that is known.
    @ivar until: when it has taken too long.
    @ivar settled: whether both descriptions are known, so that candidates can be given on.
    @ivar candidates: those that came before that; C{heard}: how many came at all.
    @ivar spare: what the other one offered at the same time, and C{spare_at}, when we answer that instead.
    """

    key: int
    pid: str
    reply_to: str
    offer: str
    until: float
    sdp: str = ""
    settled: bool = False
    candidates: list[Fields] = field(default_factory=list)
    heard: int = 0
    spare: _Offer | None = None
    spare_at: float = inf


class Signalling:
    """
    One member of one room.

    @ivar open: process ids of members to their open connections.
    @ivar soul: where the room is announced.
    """

    def __init__(
        self, pid: str, room: str, limits: Limits, counters: Counters, new_id: Callable[[], str]
    ) -> None:
        """
        @param pid: our process id.
        @param room: its name.
        """
        self.pid = pid
        self.soul = f"/RTC/{room}<?99"
        self.open: dict[str, _Session] = {}
        self._pending: dict[str, _Session] = {}
        self._sessions: dict[int, _Session] = {}
        self._limits = limits
        self._counters = counters
        self._new_id = new_id
        self._effects: list[Effect] = []
        self._keys = 0
        self._announcement = ""
        self._since = inf
        self._state = 0.0
        self._announce_at = inf
        self._pause_ms = AGAIN_MS

    def take(self) -> list[Effect]:
        """What is to be done, in order, since the last call."""
        effects, self._effects = self._effects, []
        return effects

    @property
    def next_at(self) -> float:
        """When L{pass_time} has something to do, milliseconds since 1970; infinity if never."""
        times = [self._announce_at] if self._is_alone else []
        times += [min(session.until, session.spare_at) for session in self._pending.values()]
        return min(times, default=inf)

    @property
    def _is_alone(self) -> bool:
        return not self.open and not self._pending

    # Announcing

    def start(self, now: float) -> None:
        """Go into the room. @param now: milliseconds since 1970, here as everywhere."""
        self._since = min(self._since, now)
        soul = jstext.string(self.soul)
        self._say(b'{"#":"%b","dam":"hi"}' % self._new_id().encode())
        self._announce(now)
        self._say(b'{"#":"%b","get":{"#":%b,".":"+"}}' % (self._new_id().encode(), soul))

    def _announce(self, now: float) -> None:
        self._announcement = self._new_id()
        self._announce_at = now + self._pause_ms
        self._pause_ms = min(2 * self._pause_ms, ALONE_MS)
        self._state = max(now, self._state + 1)
        node = {"_": {"#": self.soul, ">": {"+": self._state}}, "+": self.pid}
        message = {"#": self._announcement, "put": {self.soul: node}}
        self._say(jstext.stringify({**message, "ok": {"@": self._limits.rtc_peers, "/": len(self.open)}}))

    # Hearing

    def hear(self, message: Fields, size: int, now: float) -> None:
        """
        Take a message of the mesh that may concern the room; others are ignored.

        @param size: its bytes.
        """
        put, ok = message.get("put"), message.get("ok")
        if isinstance(put, dict) and isinstance(put.get(self.soul), dict):
            self._hear_announcement(message, put[self.soul], now)
        elif message.get("@") == self._announcement and isinstance(message.get("err"), str):
            self._counters.count("rtc_announcements_refused")
            self._effects.append(Refused(message["err"]))
        elif isinstance(ok, dict) and "rtc" in ok and message.get("dam") is None:
            if size > self._limits.rtc_signal_bytes:
                self._counters.count("rtc_signal_bytes_refused")
                self._effects.append(Failed(_pid_of(ok["rtc"]), f"a message of {size} bytes is too large"))
            else:
                self._hear_signal(message, ok["rtc"], now)

    def _hear_announcement(self, message: Fields, node: Fields, now: float) -> None:
        meta = node.get("_")
        states = meta.get(">") if isinstance(meta, dict) else None
        state = states.get("+") if isinstance(states, dict) else None
        pid, update = node.get("+"), message.get("#")
        if not isinstance(state, int | float) or state < self._since or not isinstance(update, str):
            return
        if not self._is_pid(pid) or pid in self.open:
            return
        pending = self._pending.get(pid)
        if pending is not None:
            self._offer_again(pending, update)
        elif self._has_room(pid):
            self._begin(pid, update, None, now)

    def _offer_again(self, session: _Session, update: str) -> None:
        """Somebody is announced anew, and so has not heard our offer: it had no way back, maybe."""
        if session.offer and not session.settled:
            session.reply_to = update
            if session.sdp:
                session.offer = self._new_id()
                self._say_description(session, session.sdp)

    def _is_pid(self, pid: object) -> TypeGuard[str]:
        return isinstance(pid, str) and 0 < len(pid) <= self._limits.id_units and pid != self.pid

    def _has_room(self, pid: str) -> bool:
        if len(self.open.keys() | self._pending.keys()) < self._limits.rtc_peers:
            return True
        self._counters.count("rtc_peers_refused")
        self._effects.append(Failed(pid, "too many members"))
        return False

    def _hear_signal(self, message: Fields, rtc: object, now: float) -> None:
        pid = _pid_of(rtc)
        if pid == self.pid:
            return
        if not isinstance(rtc, dict) or not self._is_pid(pid):
            self._malformed(pid[: self._limits.id_units], "a message without a process id")
            return
        number = message.get("#")
        if "answer" in rtc:
            self._hear_answer(pid, rtc["answer"], now)
        elif "candidate" in rtc:
            self._hear_candidate(pid, rtc["candidate"], message.get("@"))
        elif "offer" in rtc and isinstance(number, str):
            self._hear_offer(pid, rtc["offer"], number, now)

    def _malformed(self, pid: str, what: str) -> None:
        self._counters.count("rtc_signals_malformed")
        self._effects.append(Failed(pid, what))

    def _hear_offer(self, pid: str, offer: object, number: str, now: float) -> None:
        sdp = sdp_of(offer, "offer")
        if sdp is None:
            self._malformed(pid, "a malformed offer")
            return
        pending = self._pending.get(pid)
        if pending is None:
            if pid in self.open or self._has_room(pid):
                self._begin(pid, number, sdp, now)
        elif pending.offer and not pending.settled and self.pid < pid:
            pending.spare, pending.spare_at = _Offer(sdp, number), now + YIELD_MS
        elif pending.offer or pending.sdp != sdp:
            self._end(pending, "it made an offer itself")
            self._begin(pid, number, sdp, now)

    def _hear_answer(self, pid: str, answer: object, now: float) -> None:
        session = self._pending.get(pid)
        if session is None or not session.offer or session.settled:
            self._counters.count("rtc_signals_unexpected")
            return
        sdp = sdp_of(answer, "answer")
        if sdp is None:
            self._end(session, "a malformed answer")
            self._malformed(pid, "a malformed answer")
            return
        session.settled, session.spare, session.spare_at = True, None, inf
        self._effects.append(Accept(session.key, sdp))
        self._add(session, session.candidates)

    def _hear_candidate(self, pid: str, candidate: object, answers: object) -> None:
        session = self._pending.get(pid) or self.open.get(pid)
        if session is None:
            self._counters.count("rtc_signals_unexpected")
        elif not isinstance(candidate, dict) or not isinstance(candidate.get("candidate"), str):
            self._malformed(pid, "a malformed candidate")
        elif session.heard >= self._limits.rtc_candidates:
            self._counters.count("rtc_candidates_refused")
        else:
            session.heard += 1
            if session.spare is not None and answers != session.offer:
                session.spare.candidates.append(candidate)
            elif session.settled:
                self._add(session, [candidate])
            else:
                session.candidates.append(candidate)

    def _add(self, session: _Session, candidates: list[Fields]) -> None:
        self._effects += [Add(session.key, candidate) for candidate in candidates]
        session.candidates = []

    # Connections

    def _begin(self, pid: str, reply_to: str, offer: str | None, now: float) -> _Session:
        self._keys += 1
        session = _Session(self._keys, pid, reply_to, "" if offer else self._new_id(), now + CONNECT_MS)
        session.settled, session.sdp = offer is not None, offer or ""
        self._pending[pid] = self._sessions[session.key] = session
        self._counters.count("rtc_connections_begun")
        self._effects.append(Connect(session.key, pid, offer))
        return session

    def _end(self, session: _Session, why: str) -> None:
        """Forget a connection and have it closed."""
        del self._sessions[session.key]
        for table in (self._pending, self.open):
            if table.get(session.pid) is session:
                del table[session.pid]
        self._effects.append(Close(session.key, why))

    def described(self, key: int, sdp: str) -> None:
        """The connection C{key} has its offer, or its answer: C{sdp}. It is to be told to the other one."""
        session = self._sessions.get(key)
        if session is None:
            return
        if session.offer:
            session.sdp = sdp
        self._say_description(session, sdp)

    def _say_description(self, session: _Session, sdp: str) -> None:
        kind = "offer" if session.offer else "answer"
        message = {
            "#": session.offer or self._new_id(),
            "@": session.reply_to,
            "ok": {"rtc": {kind: {"type": kind, "sdp": sdp}, "id": self.pid}},
        }
        self._say(jstext.stringify(message))

    def opened(self, key: int) -> bool:
        """
        The channel of the connection C{key} is open.

        @return: whether it is wanted.
        """
        session = self._sessions.get(key)
        if session is None or self._pending.get(session.pid) is not session:
            return False
        before = self.open.get(session.pid)
        if before is not None:
            self._end(before, "it has a new connection")
        del self._pending[session.pid]
        self.open[session.pid] = session
        self._counters.count("rtc_connections_opened")
        if before is None:
            self._effects.append(Joined(session.pid))
        return True

    def ended(self, key: int, why: str, now: float) -> None:
        """The connection C{key} is gone, or came to nothing."""
        session = self._sessions.get(key)
        if session is None:
            return
        was_open = self.open.get(session.pid) is session
        spare = session.spare
        self._end(session, why)
        if was_open:
            self._effects.append(Left(session.pid, why))
            self._pause_ms = AGAIN_MS
        elif spare is not None:
            self._answer_spare(session.pid, spare, now)
            return
        else:
            self._counters.count("rtc_connections_failed")
            self._effects.append(Failed(session.pid, why))
        self._announce_at = now + AGAIN_MS

    def pass_time(self, now: float) -> None:
        """Do what is due."""
        for session in list(self._pending.values()):
            if session.spare is not None and session.spare_at <= now:
                self._end(session, "it made an offer itself")
                self._answer_spare(session.pid, session.spare, now)
            elif session.until <= now:
                why = "it took too long to connect" if session.settled else "no answer to our offer"
                self.ended(session.key, why, now)
        if self._is_alone and self._announce_at <= now:
            self._announce(now)

    def _answer_spare(self, pid: str, spare: _Offer, now: float) -> None:
        session = self._begin(pid, spare.message, spare.sdp, now)
        self._add(session, spare.candidates)

    def _say(self, text: bytes) -> None:
        self._effects.append(Say(text))


def _pid_of(rtc: object) -> str:
    pid = rtc.get("id") if isinstance(rtc, dict) else None
    return pid if isinstance(pid, str) else ""


def sdp_of(description: object, kind: str) -> str | None:
    """
    The SDP of an offer or an answer as browsers write it, or L{None} if it is none. Line ends that came as
    the letters C{\\r\\n} are mended, as in gun's C{lib/webrtc.js}.
    """
    if not isinstance(description, dict) or description.get("type") != kind:
        return None
    sdp = description.get("sdp")
    return sdp.replace("\\r\\n", "\r\n") if isinstance(sdp, str) and sdp.startswith("v=") else None
