"""
The front door of the core: frames and the time go in, what is to be done comes out.

One message takes this way, as in gun.js C{src/mesh.js}, C{hear}::

    frame -split-> text -read-> message -dup-> fresh -by kind-> dam | put | get | ack | other

The shell calls L{Relay.hear} for each frame, and L{Relay.turn} once when it has heard all that one turn of
its reactor brought. Nothing here reads a clock, throws dice or opens anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gunnet.counters import Counters
from gunnet.graph.lex import Query, read_get
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.mesh.axe import Subscriptions, Updates
from gunnet.mesh.dam import NOT_JSON, TOO_BIG, Dam
from gunnet.mesh.forward import Forward
from gunnet.mesh.gets import Gets
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Drop, Peers
from gunnet.mesh.puts import Commit, Puts
from gunnet.mesh.routes import Origin, Question, Route
from gunnet.store.interface import Store
from gunnet.transport.interface import Link
from gunnet.wire import jstext
from gunnet.wire.dup import Dup
from gunnet.wire.ids import id_source
from gunnet.wire.message import Message, read, rewrite, split

_DIGEST_CHARACTERS = 30


@dataclass(frozen=True)
class Turn:
    """
    What the shell is to do now, in this order.

    @ivar commit: to be made durable; L{Relay.settled} is to be called when it has ended.
    @ivar frames: to be written, per link.
    @ivar drops: links to be closed.
    @ivar hold: links from which no more is to be read for now.
    @ivar release: links from which reading goes on.
    @ivar again_at: when L{Relay.turn} is to be called at the latest, milliseconds since 1970; L{None} for
        not until something happens.
    """

    commit: Commit | None
    frames: list[tuple[Link, list[bytes]]]
    drops: list[Drop]
    hold: list[Link]
    release: list[Link]
    again_at: float | None


class Relay:
    """
    One relay, without its sockets and threads.

    @ivar pid: the process id that peers are told.
    @ivar counters: see L{gunnet.counters}.
    """

    def __init__(
        self,
        *,
        store: Store,
        random: Random,
        pid: str | None = None,
        limits: Limits | None = None,
        axe: bool = True,
    ) -> None:
        """
        @param random: for ids; one that can't be foretold, where strangers connect.
        @param axe: whether updates go to subscribers only; else every message goes to everybody.
        """
        self.limits = limits = limits or Limits()
        self.counters = counters = Counters()
        self._new_id = id_source(random)
        self.pid = pid or self._new_id()
        self._dup: Dup[Route] = Dup(limits, counters)
        self._graph = Graph(store, limits, counters)
        self._peers = Peers(limits, counters, self._new_id)
        self._subscriptions = Subscriptions(limits, counters)
        self._updates = (
            Updates(self._peers, self._subscriptions, self._dup, limits, counters) if axe else None
        )
        self._puts = Puts(self._graph, self._peers, self._updates, limits, counters)
        self._gets = Gets(self._graph, self._peers, self._subscriptions, self._dup, limits, counters, axe=axe)
        self._forward = Forward(self._peers, self._puts, self._gets, self._dup, limits, counters)
        self._dam = Dam(self.pid, self._peers, limits, counters)
        self._crowded: dict[str, Peer] = {}
        self._committing = False
        self._hold: list[Link] = []
        self._release: list[Link] = []
        self._pressed = False

    # Links

    def upstream(self, url: str) -> Peer:
        """The peer that is dialled at C{url}; it outlives its links, what is said to it meanwhile waits."""
        return self._peers.upstream(url)

    def meet(self, link: Link, peer: Peer | None = None) -> Peer | None:
        """
        A link is open.

        @param peer: what L{upstream} gave, if it was dialled.
        @return: whose link it is; L{None} if there are too many, and it is to be closed.
        """
        met = self._peers.join(link, peer)
        if met is None:
            return None
        if met.url is None:
            self._dam.greet(met)
        else:
            self._gets.resync(met)
        if self._pressed:
            self._hold_back(met)
        return met

    def lose(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        self._subscriptions.forget(peer)
        self._crowded.pop(peer.id, None)
        self._gets.forget(peer)
        self._peers.leave(peer)

    def pause(self, peer: Peer) -> None:
        """The transport of C{peer} takes no more bytes: from now on they wait, up to a bound."""
        self._peers.pause(peer)

    def resume(self, peer: Peer) -> None:
        """The transport of C{peer} takes bytes again."""
        self._peers.resume(peer)

    def drop(self, peer: Peer, reason: str) -> None:
        """Close the link of C{peer} at the end of the turn."""
        self._peers.drop(peer, reason)

    # Frames

    def hear(self, peer: Peer, frame: bytes, now: float) -> None:
        """
        Take one frame from C{peer}.

        @param frame: UTF-8, known to be valid.
        @param now: milliseconds since 1970, here as everywhere.
        """
        if not peer.up:
            return
        self.counters.count("frames_heard")
        if len(frame) > self.limits.message_bytes:
            self.hear_oversized(peer)
            return
        try:
            texts = split(frame)
        except jstext.NotJSON:
            self._dam.complain(peer, NOT_JSON)
            return
        if len(texts) > self.limits.batch_messages:
            self.counters.count("batch_messages_refused", len(texts) - self.limits.batch_messages)
            del texts[self.limits.batch_messages :]
            self._dam.complain(peer, TOO_BIG)
        if len(texts) == 1 and not peer.inbox and self._can_answer(peer):
            self._hear_message(peer, texts[0], now)
        elif texts:
            if len(peer.streams) >= self.limits.streams:
                self.counters.count("streams_exceeded")
            peer.inbox.extend(texts)
            self._crowded[peer.id] = peer
            self._serve_inbox(peer, now)
            self._mind_inbox(peer)

    def _mind_inbox(self, peer: Peer) -> None:
        """Read no more from C{peer} while much of it waits, and drop it if that makes too much of all."""
        if len(peer.inbox) <= self.limits.inbox_messages and _size(peer) <= self.limits.message_bytes:
            return
        self.counters.count("inbox_messages_exceeded")
        self._hold_back(peer)
        if sum([_size(other) for other in self._crowded.values()]) > self.limits.inbox_bytes:
            self.counters.count("inbox_bytes_exceeded")
            self._peers.drop(peer, "too many messages wait for their turn")

    def hear_oversized(self, peer: Peer) -> None:
        """A message of C{peer} was too large, and skipped."""
        self.counters.count("message_bytes_refused")
        self._dam.complain(peer, TOO_BIG)

    def _serve_inbox(self, peer: Peer, now: float) -> None:
        served = 0
        while peer.inbox and served < self.limits.turn_messages and self._can_serve(peer):
            self._hear_message(peer, peer.inbox.popleft(), now)
            served += 1
        if not peer.inbox:
            self._crowded.pop(peer.id, None)
            if peer.held and not self._pressed:
                self._let_go(peer)

    def _hear_message(self, peer: Peer, text: bytes, now: float) -> None:
        counters = self.counters
        if jstext.is_deeper(text, self.limits.depth):
            counters.count("depth_refused")
            self._dam.complain(peer, NOT_JSON)
            return
        try:
            message, text = read(text)
        except jstext.NotJSON:
            counters.count("messages_not_json")
            self._dam.complain(peer, NOT_JSON)
            return
        counters.count("messages_heard")
        message_id = message.id
        if type(message_id) is not str or not 0 < len(message_id) <= self.limits.id_units:
            counters.count("ids_replaced")
            message_id = message.id = self._new_id()
            text = rewrite(text, {"#": jstext.string(message_id)})
        elif self._dup.renew(message_id) is not None:
            counters.count("messages_duplicate")
            return
        if message.re is not None and (type(message.re) is not str or len(message.re) > self.limits.id_units):
            message.re = ""
        digest = _digest(message.digest)
        if digest is not None and self._is_known_answer(message, message_id, digest, peer):
            return
        self._dispatch(peer, message, text, message_id, digest, now)

    def _is_known_answer(self, message: Message, message_id: str, digest: str, peer: Peer) -> bool:
        """Whether somebody gave the same answer to the same question before."""
        if message.dam is not None or not (message.re is not None or message.get):
            return False
        name = (message.re or message_id) + digest
        if self._dup.renew(name) is not None:
            self.counters.count("answers_duplicate")
            return True
        self._dup.remember(name, peer)
        return False

    def _dispatch(
        self, peer: Peer, message: Message, text: bytes, message_id: str, digest: str | None, now: float
    ) -> None:
        if message.dam is not None:
            self._dup.remember(message_id, peer)
            self._dam.hear(peer, message, message_id)
        elif message.put:
            origin = Origin(peer, message_id)
            self._dup.remember(message_id, origin)
            put = bytes(message.put)
            asker = self._forward.asker(message, digest)
            news = self._puts.serve(origin, put, asker, now)
            if not origin.failed:
                self._forward.put(origin, message, text, digest, asker, news, flood=self._updates is None)
        elif message.re is not None:
            self._dup.remember(message_id, peer)
            self._forward.ack(message, text, digest)
        elif message.get:
            question = Question(peer, message_id, digest, self._query(message))
            self._dup.remember(message_id, question)
            self._gets.serve(question, message, text, now)
        else:
            self._dup.remember(message_id, peer)
            self._forward.other(peer, message, text, now)

    def _query(self, message: Message) -> Query | None:
        try:
            return read_get(jstext.parse(bytes(message.get)), self.limits)
        except jstext.NotJSON:
            return None

    # Turns

    def settled(self, commit: Commit, error: str | None) -> None:
        """
        A commit of L{Turn.commit} has ended.

        @param error: why nothing of it was stored; L{None} if it is durable.
        """
        self._committing = False
        self._puts.settle(commit, error)

    def waiting(self) -> list[Peer]:
        """The peers for which L{serve_waiting} has something to do."""
        crowded = [peer for peer in self._crowded.values() if peer.inbox and self._can_serve(peer)]
        return list({peer.id: peer for peer in crowded + self._gets.waiting()}.values())

    def serve_waiting(self, peer: Peer, now: float) -> None:
        """Do a slice of what did not fit into earlier turns for C{peer}: to be called once a turn."""
        self._gets.continue_with(peer)
        if peer.inbox:
            self._serve_inbox(peer, now)

    def turn(self, now: float) -> Turn:
        """Do what waited for the end of the turn, and say what comes of it all."""
        self._dup.pass_time(now)
        self._puts.run_deferred(now)
        self._gets.run_offers(now)
        if self._updates is not None:
            self._updates.tell()
        commit = None
        if not self._committing:
            commit = self._puts.cut()
            self._committing = commit is not None
        self._mind_pressure()
        frames = self._peers.frames(now)
        drops, self._peers.drops = self._peers.drops, []
        hold, self._hold = self._hold, []
        release, self._release = self._release, []
        return Turn(commit, frames, drops, hold, release, self._again_at(now))

    def _again_at(self, now: float) -> float | None:
        if self.waiting():
            return now
        times = [self._puts.next_at, self._gets.next_at, self._peers.next_at, self._dup.next_at]
        return min([at for at in times if at is not None], default=None)

    def _can_serve(self, peer: Peer) -> bool:
        return self._can_answer(peer) and not self._pressed

    def _can_answer(self, peer: Peer) -> bool:
        """Whether there is room for answers to C{peer}; one that asks faster than it reads must wait."""
        return len(peer.streams) < self.limits.streams and peer.outbox.size <= self.limits.outbox_bytes // 2

    # Reading and not reading

    def _mind_pressure(self) -> None:
        """While much waits for the disk, nobody is read from: what is not read can't be lost."""
        pending = self._graph.pending_bytes
        if not self._pressed and pending > self.limits.pending_bytes // 2:
            self._pressed = True
            self.counters.count("pending_bytes_pressed")
            for peer in self._peers.up.values():
                self._hold_back(peer)
        elif self._pressed and pending <= self.limits.pending_bytes // 4:
            self._pressed = False
            for peer in self._peers.up.values():
                if peer.held and peer.id not in self._crowded:
                    self._let_go(peer)

    def _hold_back(self, peer: Peer) -> None:
        if not peer.held and peer.link is not None:
            peer.held = True
            self._hold.append(peer.link)

    def _let_go(self, peer: Peer) -> None:
        if peer.link is not None:
            peer.held = False
            self._release.append(peer.link)

    # Figures

    def health(self) -> dict[str, object]:
        """What C{/healthz} tells; C{ok} says whether writes are stored."""
        return {
            "ok": self._puts.stuck is None,
            "pid": self.pid,
            "peers": self._peers.near,
            "subscriptions": len(self._subscriptions),
            "ids": len(self._dup),
            "hot_nodes": len(self._graph.hot),
            "pending_bytes": self._graph.pending_bytes,
            "deferred": self._puts.deferred,
            "error": self._puts.stuck,
            "counters": dict(sorted(self.counters.items())),
        }


def _size(peer: Peer) -> int:
    return sum(map(len, peer.inbox))


def _digest(value: object) -> str | None:
    """A C{##} as text, as JavaScript would append it to an id; L{None} if it is no hash."""
    if isinstance(value, str) and len(value) <= _DIGEST_CHARACTERS:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return jstext.number(value)
        except ValueError:
            return None
    return None
