"""
Anti-entropy: two gunnet relays find out where their graphs differ, and put each other what the other lacks.

One side begins a session by telling the fingerprint of all it knows (L{gunnet.graph.summary}); each answers
the other with finer ranges where they differ, until ranges are so small that their cells are told one by one.
The cells themselves go as ordinary puts. The side that began has at most one message on its way, the other
one only remembers what it is just answering. What a message can't hold is left to the next one as one range::

    -> {"#": id, "dam": "sync", "sync": 1, "ranges": [[null, count, sum]]}
    <- {"#": id, "dam": "sync", "sync": 1, "@": id, "ranges": […], "need": […], "ties": […], "sent": cells}
    <- {…, "@": …, "equal": 1}      to the first message: all is the same
    <- {…, "@": …, "wait": 1}       still reading
    <- {…, "@": …, "err": text}     no session now

L{gunnet.mesh.ranges} has the forms of the fields; C{@} is the id of what is answered, C{sent} says how many
cells were put. A session is over when an answer leaves nothing to be said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunnet.counters import Counters
from gunnet.graph.merge import Graph
from gunnet.graph.summary import Summary
from gunnet.limits import Limits
from gunnet.mesh.compare import Comparison, Telling
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.ranges import VERSION, Heard, Malformed, read
from gunnet.mesh.routes import Push, Route
from gunnet.mesh.sessions import SYNC_TIMEOUT_MS, WAIT_MS, Done, Neighbour, Serving, Session
from gunnet.mesh.unacked import Name, Unacked
from gunnet.store.interface import StoreError
from gunnet.wire import jstext
from gunnet.wire.dup import Dup

if TYPE_CHECKING:
    from random import Random

SLICE_CELLS = 500
"""How many cells are read in one turn."""

PENDING_BYTES = 4 << 20
"""Nothing is compared while more than this waits for the disk: that goes first, and makes reading slow."""

JITTER_MS = 1_000.0
LOOKS = 3
"""So many sessions follow one in which cells went over, to see that they have arrived."""

PAUSES = 6
"""The pause after a session that failed doubles so many times."""

BUSY, NO_ROOM, CROSSED = "busy", "no room", "crossed"
"""Why a session is refused."""


class Sync:
    """
    Begins sessions when they are due, and takes part in those of others.

    The graph is read in slices: who drives it calls L{continue_with} once a turn for the peers that
    L{waiting} gives, and L{run} once a turn, at L{next_at} at the latest.

    @ivar minds_behind: whether sessions begin by themselves with peers that were not told something; may be
        set.
    @ivar refuses: whether sessions that others begin are refused; may be set.
    """

    def __init__(
        self,
        graph: Graph,
        peers: Peers,
        dup: Dup[Route],
        unacked: Unacked,
        random: Random,
        limits: Limits,
        counters: Counters,
        *,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """
        @param random: spreads sessions that would begin at one moment.
        @param has_room: whether the store would keep what comes; a full one has no sessions.
        """
        self._graph = graph
        self._peers = peers
        self._dup = dup
        self._unacked = unacked
        self.minds_behind = True
        self.refuses = False
        self._now = 0.0
        self._random = random
        self._limits = limits
        self._counters = counters
        self._has_room = has_room
        self._summary: Summary | None = None
        self._neighbours: dict[str, Neighbour] = {}
        self._under_way: dict[str, Neighbour] = {}
        self._greeted: list[Peer] = []

    def __len__(self) -> int:
        """How many sessions are under way, begun here or there."""
        return sum(
            [(each.session is not None) + (each.serving is not None) for each in self._under_way.values()]
        )

    # The schedule

    def greet(self, peer: Peer) -> None:
        """C{peer} turned out to be a gunnet relay: if it is above us, a session begins soon."""
        if peer.above:
            self._greeted.append(peer)

    def will_compare(self, peer: Peer) -> bool:
        """Whether a session with C{peer} is due or under way."""
        neighbour = self._neighbours.get(peer.id)
        is_due = neighbour is not None and (neighbour.due is not None or neighbour.session is not None)
        return is_due or peer in self._greeted

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        neighbour = self._neighbours.pop(peer.id, None)
        self._under_way.pop(peer.id, None)
        if neighbour is not None and neighbour.session is not None:
            session, neighbour.session = neighbour.session, None
            session.outcome.error = "the link was lost"
            session.tell()

    @property
    def next_at(self) -> float | None:
        """When L{run} is to be called, milliseconds; L{None} for not until something happens."""
        if self._greeted:
            return 0.0
        return min([at for each in self._under_way.values() for at in each.times()], default=None)

    def run(self, now: float) -> None:
        """Begin the sessions whose time has come, and end those that got no answer."""
        greeted, self._greeted = self._greeted, []
        for peer in greeted:
            if peer.up and not peer.is_shadow:
                self._schedule(self._neighbour(peer), now)
        for peer in self._peers.relays.values():
            wants = peer.is_gunnet and peer.compares and not peer.is_shadow
            if peer.behind and wants and self.minds_behind:
                neighbour = self._neighbour(peer)
                if neighbour.ended is None:
                    neighbour.ended = now
                if neighbour.due is None and neighbour.session is None:
                    self._schedule(neighbour, max(now, neighbour.ended + self._limits.sync_ms))
        for neighbour in list(self._under_way.values()):
            session, serving = neighbour.session, neighbour.serving
            if session is None and neighbour.due is not None and neighbour.due <= now:
                if neighbour.peer.is_shadow:
                    neighbour.due = None
                else:
                    self.begin(neighbour.peer, now)
            elif session is not None and session.work is None and session.until <= now:
                self._counters.count("sync_timeouts")
                self._fail(neighbour, session, "no answer", now)
            if serving is not None and serving.wait_at <= now:
                serving.wait_at = now + WAIT_MS
                self._say(neighbour.peer, serving.asked, b',"wait":1')
            self._mind(neighbour)

    def _schedule(self, neighbour: Neighbour, at: float) -> None:
        neighbour.due = at + self._random.random() * JITTER_MS
        self._mind(neighbour)

    def _mind(self, neighbour: Neighbour) -> None:
        """Only those are looked at each turn about which there is something to do."""
        if neighbour.session is None and neighbour.serving is None and neighbour.due is None:
            self._under_way.pop(neighbour.peer.id, None)
        else:
            self._under_way[neighbour.peer.id] = neighbour

    def _neighbour(self, peer: Peer) -> Neighbour:
        neighbour = self._neighbours.get(peer.id)
        if neighbour is None:
            neighbour = self._neighbours[peer.id] = Neighbour(peer)
        return neighbour

    # Sessions

    def begin(self, peer: Peer, now: float, done: Done | None = None) -> None:
        """
        Begin a session with C{peer} now, if none is under way.

        @param done: called when it, or the one that is under way, has ended.
        """
        neighbour = self._neighbour(peer)
        neighbour.due = None
        session = neighbour.session
        if session is None:
            error = self._refusal()
            neighbour.session = session = Session(self._work(peer, None))
            if done is not None:
                session.done.append(done)
            if error is not None:
                self._fail(neighbour, session, error, now)
            else:
                peer.behind = False
                self._unacked.begin_comparing(peer)
        elif done is not None:
            session.done.append(done)
        self._mind(neighbour)

    def _refusal(self) -> str | None:
        """Why no session can be held now."""
        if len(self) >= self._limits.sync_sessions:
            self._counters.count("sync_sessions_refused")
            return BUSY
        if self.refuses or not self._has_room():
            self._counters.count("sync_no_room")
            self._graph.watch = self._summary = None
            return NO_ROOM
        return None

    def _work(self, peer: Peer, heard: Heard | None) -> Comparison:
        if self._summary is None:
            self._summary = Summary(self._graph, self._limits, self._counters)
        telling = Telling(peer, self._peers, self._limits, self._note_put, self._unacked.is_told)
        return Comparison(self._graph, self._summary, telling, heard, self._limits)

    def _note_put(self, peer: Peer, put_id: str, names: list[Name]) -> None:
        self._dup.remember(put_id, Push(()))
        self._unacked.said(peer, put_id, names, self._now)

    def hear(self, peer: Peer, fields: dict[str, Any], now: float) -> None:
        """
        Take a message with the verb C{sync}.

        @param fields: of the message, parsed.
        """
        asked, re = fields.get("#"), fields.get("@")
        if not peer.is_gunnet or fields.get("sync") != VERSION or not isinstance(asked, str):
            self._counters.count("sync_ignored")
        elif re is not None:
            self._hear_answer(peer, re, fields, now)
        else:
            try:
                heard = read(fields, self._limits)
            except Malformed:
                self._counters.count("sync_malformed")
            else:
                self._serve(peer, asked, heard, now)

    def _hear_answer(self, peer: Peer, re: Any, fields: dict[str, Any], now: float) -> None:
        neighbour = self._neighbours.get(peer.id)
        session = None if neighbour is None else neighbour.session
        if neighbour is None or session is None or session.work is not None or session.asked != re:
            self._counters.count("sync_ignored")
            return
        if "wait" in fields:
            session.until = now + SYNC_TIMEOUT_MS
            return
        if "err" in fields:
            error = str(fields["err"])[:80]
            self._fail(neighbour, session, error, now)
            return
        try:
            heard = read(fields, self._limits)
        except Malformed as error:
            self._counters.count("sync_malformed")
            self._fail(neighbour, session, f"malformed: {error}", now)
            return
        session.outcome.equal = fields.get("equal") == 1
        if session.note(heard):
            session.work = self._work(peer, heard)
        else:
            self._fail(neighbour, session, "it comes to no end", now)

    def _serve(self, peer: Peer, asked: str, heard: Heard, now: float) -> None:
        neighbour = self._neighbour(peer)
        session = neighbour.session
        neighbour.serving = None
        if session is not None and heard.is_opening and not session.outcome.rounds:
            # Both have begun at once. One of them goes on, and both know which.
            if session.asked and session.asked < asked:
                self._say(peer, asked, b',"err":"%b"' % CROSSED.encode())
                self._mind(neighbour)
                return
            self._end(neighbour, session, CROSSED, now)
        error = self._refusal()
        if error is not None:
            self._say(peer, asked, b',"err":"%b"' % error.encode())
        else:
            self._counters.count("sync_messages_served")
            if heard.is_opening:
                peer.behind = False
                if not self._unacked.has_missed(peer):
                    neighbour.due = None
            neighbour.serving = Serving(asked, self._work(peer, heard), now, is_opening=heard.is_opening)
        self._mind(neighbour)

    def _say(self, peer: Peer, re: str | None, fields: bytes) -> str:
        """Say a message. @return: its id."""
        message_id = self._peers.new_id()
        answers = b"" if re is None else b',"@":%b' % jstext.string(re)
        text = b'{"#":"%b","dam":"sync","sync":%d%b%b}' % (message_id.encode(), VERSION, answers, fields)
        self._peers.say(peer, text)
        return message_id

    # Slices

    def waiting(self) -> list[Peer]:
        """The peer whose turn it is to have a slice of its comparison done, if there is any."""
        if self._graph.pending_bytes > PENDING_BYTES:
            return []
        for neighbour in self._under_way.values():
            if neighbour.peer.up and any(work.telling.has_room for work in neighbour.works()):
                return [neighbour.peer]
        return []

    def continue_with(self, peer: Peer, now: float) -> None:
        """Do a slice for C{peer}."""
        neighbour = self._under_way.pop(peer.id, None)
        if neighbour is None:
            return
        self._now = now
        self._under_way[peer.id] = neighbour  # now the last in turn
        try:
            serving, session = neighbour.serving, neighbour.session
            if serving is not None and serving.work.step(SLICE_CELLS):
                self._answer(neighbour, serving, now)
            elif session is not None and session.work is not None and session.work.step(SLICE_CELLS):
                self._go_on(neighbour, session, session.work, now)
        except StoreError as error:
            self._counters.count("store_reads_failed")
            neighbour.serving = None
            if neighbour.session is not None:
                self._fail(neighbour, neighbour.session, str(error), now)
        self._mind(neighbour)

    def _answer(self, neighbour: Neighbour, serving: Serving, now: float) -> None:
        work = serving.work
        fields = work.draft.fields()
        if work.telling.cells:
            fields += b',"sent":%d' % work.telling.cells
            self._counters.count("sync_cells_sent", work.telling.cells)
        if serving.is_opening and not work.differs:
            fields += b',"equal":1'
        self._say(neighbour.peer, serving.asked, fields)
        neighbour.serving = None
        neighbour.ended = now

    def _go_on(self, neighbour: Neighbour, session: Session, work: Comparison, now: float) -> None:
        outcome = session.outcome
        outcome.sent += work.telling.cells
        outcome.needed += work.draft.needed
        self._counters.count("sync_cells_sent", work.telling.cells)
        if work.draft.is_empty:
            self._end(neighbour, session, None, now)
            return
        fields = work.draft.fields()
        if work.telling.cells:
            fields += b',"sent":%d' % work.telling.cells
        session.asked = self._say(neighbour.peer, None, fields)
        session.work = None
        session.until = now + SYNC_TIMEOUT_MS

    def _end(self, neighbour: Neighbour, session: Session, error: str | None, now: float) -> None:
        """
        A session is over, well or because the other side has begun one. One in which cells went over is
        followed by another, in case some were lost or refused.
        """
        neighbour.session = None
        neighbour.ended = now
        session.outcome.error = error
        if error is None:
            self._counters.count("sync_sessions_done")
            neighbour.failures = 0
            neighbour.looks = neighbour.looks + 1 if session.outcome.moved else 0
            if 0 < neighbour.looks <= LOOKS:
                self._schedule(neighbour, now + self._limits.sync_ms * 2 ** (neighbour.looks - 1))
        if error != CROSSED:
            self._unacked.end_comparing(neighbour.peer, done=error is None)
        elif self._unacked.has_missed(neighbour.peer):
            self._schedule(neighbour, now)
        self._mind(neighbour)
        session.tell()

    def _fail(self, neighbour: Neighbour, session: Session, error: str, now: float) -> None:
        """A session has ended early. It is begun again after a pause that grows."""
        self._counters.count("sync_sessions_failed")
        if error != CROSSED:
            self._schedule(neighbour, now + self._limits.sync_ms * 2 ** min(neighbour.failures, PAUSES))
            neighbour.failures += 1
        self._end(neighbour, session, error, now)
