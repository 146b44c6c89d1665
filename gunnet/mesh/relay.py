"""
The front door of the core: frames and the time go in, what is to be done comes out.

One message takes this way, as in gun.js C{src/mesh.js}, C{hear}::

    frame -split-> text -read-> message -dup-> fresh -by kind-> dam | put | get | ack | other

The shell calls L{Relay.hear} for each frame, and L{Relay.turn} once when it has heard all that one turn of
its reactor brought. Nothing here reads a clock, throws dice or opens anything.
"""

from __future__ import annotations

from functools import partial
from math import inf
from random import Random

from gunnet.counters import Counters
from gunnet.graph.lex import Query, read_get_text
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.mesh.askback import AskBack
from gunnet.mesh.axe import Updates
from gunnet.mesh.checks import Checks
from gunnet.mesh.commits import Commits
from gunnet.mesh.dam import NOT_JSON, TOO_BIG, Dam
from gunnet.mesh.figures import Figures, has_room
from gunnet.mesh.flood import Flood
from gunnet.mesh.forward import Forward
from gunnet.mesh.gets import Gets
from gunnet.mesh.gossip import Policy
from gunnet.mesh.heard import Heard
from gunnet.mesh.inboxes import Inboxes
from gunnet.mesh.interest import Interest
from gunnet.mesh.pace import Pace
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.put_messages import PutMessages
from gunnet.mesh.puts import Commit, Puts
from gunnet.mesh.questions import Questions
from gunnet.mesh.relay_links import RelayLinks
from gunnet.mesh.routes import Origin, OwnQuestion, Question, Route
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.mesh.trace import Trace
from gunnet.mesh.turn import Turn
from gunnet.mesh.unacked import Unacked
from gunnet.mesh.urls import AllowRule
from gunnet.sea.firewall import Rules
from gunnet.store.interface import Store
from gunnet.transport.interface import Link
from gunnet.wire import jstext
from gunnet.wire.dup import Dup
from gunnet.wire.ids import id_source
from gunnet.wire.message import Message, digest_text, read, rewrite, split


class Relay:
    """
    One relay, without its sockets and threads.

    @ivar pid: the process id that peers are told.
    @ivar counters: see L{gunnet.counters}; C{heard}: what came, by kind; C{figures}: how it is doing.
    @ivar trace: follows messages; L{None} for nobody, as at first.
    @ivar checks: has puts judged before they go any further; C{relay_links}: all between relays.
    @ivar group: the local network; C{interest}: asks others for what peers want.
    @ivar sync: compares graphs with gunnet relays; C{plain}: with relays that can't.
    """

    def __init__(
        self,
        *,
        store: Store,
        random: Random,
        pid: str | None = None,
        limits: Limits | None = None,
        axe: bool = True,
        sync: bool = True,
        gossip: Policy = "off",
        allowed: AllowRule | None = None,
        rules: Rules | None = None,
    ) -> None:
        """
        @param random: for ids; one that can't be foretold, where strangers connect.
        @param axe: whether updates go to subscribers only; else every message goes to everybody.
        @param sync: whether graphs are compared with those of other relays.
        @param gossip: which of the relays that others tell of are linked to.
        @param allowed: where these may be; L{None} for public addresses only.
        @param rules: what may be written, beyond what the firewall checks in any case.
        """
        self.limits = limits = limits or Limits()
        self.counters = counters = Counters()
        self.heard = Heard()
        self.trace: Trace | None = None
        self._new_id = id_source(random)
        self.pid = pid or self._new_id()
        self._dup: Dup[Route] = Dup(limits, counters)
        self._graph = Graph(store, limits, counters)
        self._peers = Peers(limits, counters, self._new_id)
        self.group = self._peers.group
        self._subscriptions = Subscriptions(limits, counters)
        self._unacked = Unacked(self._graph, self._peers, self._dup, limits, counters)
        self._updates = Updates(self._peers, self._subscriptions, self._unacked, self._dup, limits, counters)
        self._unacked.will_tell = self._updates.will_tell
        self.interest = Interest(self._graph, self._peers, self._subscriptions, self._dup, limits, counters)
        self._subscriptions.on_unwanted = self.interest.unwanted
        self._ask_back = AskBack(
            *(self._graph, self._peers, self._subscriptions, self.interest, self._dup, limits, counters)
        )
        self.relay_links = RelayLinks(
            self.pid,
            *(self._graph, self._peers, self._dup, self._unacked, self._subscriptions, self.interest),
            *(random, limits, counters),
            syncs=sync,
            gossip=gossip,
            allowed=allowed,
            has_room=partial(has_room, store),
        )
        self.sync, self.plain = self.relay_links.sync, self.relay_links.plain
        self._dam = Dam(self.pid, self._peers, self.relay_links.relays, limits, counters)
        self._dam.verbs.update(self.relay_links.verbs)
        self._build_ways(rules or Rules(), axe=axe)
        self.figures = Figures(
            *(self.pid, store, self._graph, self._peers, self._dup, self._subscriptions, self._unacked),
            *(self._ask_back, self._puts, self._gets, self.checks, self._inboxes, self.relay_links),
            *(self.interest, self.heard, counters),
        )

    def _build_ways(self, rules: Rules, *, axe: bool) -> None:
        """What puts and gets go through."""
        graph, peers, dup = self._graph, self._peers, self._dup
        limits, counters = self.limits, self.counters
        self._pace = Pace()
        self._inboxes = Inboxes(peers, self._pace, limits, counters)
        flood = Flood(peers, self._unacked, self._updates)
        self._puts = Puts(graph, peers, self._updates, limits, counters)
        self._puts.on_due = flood.due
        self.checks = Checks(rules, graph, limits, counters)
        self._puts.on_taken = self.checks.quotas.taken if self.checks.quotas.limited else None
        self._puts.judge_again = self.checks.judge_again
        self._commits = Commits(graph, self._puts, self._pace)
        questions = Questions(peers, self._subscriptions, self.interest, limits, counters)
        self._gets = Gets(
            graph, peers, self._subscriptions, self.interest, questions, limits, counters, axe=axe
        )
        self._forward = Forward(
            peers, self._puts, self._gets, self.interest, questions, dup, limits, counters
        )
        self._put_messages = PutMessages(
            *(peers, self._puts, self.checks, self._pace, self._forward, flood, self.plain),
            *(self._ask_back, dup, counters),
            flooding=not axe,
        )

    def farewell(self) -> bytes | None:
        """What a peer is told whose link is refused: whom to go to instead, if there is anybody."""
        return self.relay_links.gossip.mob()

    def follow(self, trace: Trace | None) -> None:
        """Have C{trace} follow messages from now on."""
        self.trace = self._peers.trace = trace

    # Links

    def upstream(self, url: str) -> Peer:
        """The peer that is dialled at C{url}; it outlives its links, what is said to it meanwhile waits."""
        return self._peers.upstream(url)

    def linked_pids(self) -> set[str]:
        """The process ids of other relays that are linked."""
        return {peer.pid for peer in self._peers.relays.values() if peer.pid is not None}

    def retire(self, url: str) -> None:
        """Nobody wants the upstream at C{url} any more, and its link is gone."""
        self.relay_links.retire(url)

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
            self.relay_links.met(met)
        self._inboxes.meet(met)
        return met

    def lose(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        self._subscriptions.forget(peer)
        self._ask_back.forget(peer)
        self._inboxes.forget(peer)
        self._gets.forget(peer)
        self.relay_links.lost(peer)

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

    def hear(self, peer: Peer, frame: bytes, now: float) -> int:
        """
        Take one frame from C{peer}.

        @param frame: UTF-8, known to be valid.
        @param now: milliseconds since 1970, here as everywhere.
        @return: how many messages were in it.
        """
        if not peer.up:
            return 0
        self._graph.now = now
        self.counters.count("frames_heard")
        self.heard.bytes += len(frame)
        if not peer.joined:
            self._peers.note_joined(peer)
        if len(frame) > self.limits.message_bytes:
            self.hear_oversized(peer)
            return 1
        try:
            texts = split(frame)
        except jstext.NotJSON:
            self._dam.complain(peer, NOT_JSON)
            return 1
        if len(texts) > self.limits.batch_messages:
            self.counters.count("batch_messages_refused", len(texts) - self.limits.batch_messages)
            del texts[self.limits.batch_messages :]
            self._dam.complain(peer, TOO_BIG)
        if len(texts) == 1 and not peer.inbox and self._inboxes.can_answer(peer):
            self._hear_message(peer, texts[0], now)
        elif texts:
            self._inboxes.add(peer, texts)
            self._inboxes.serve(peer, self._hear_message, now)
            self._inboxes.mind(peer)
        return len(texts)

    def hear_oversized(self, peer: Peer) -> None:
        """A message of C{peer} was too large, and skipped."""
        self.counters.count("message_bytes_refused")
        self._dam.complain(peer, TOO_BIG)

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
        if self.trace is not None:
            self.trace.hear(peer, message_id, message, len(text))
        if (route := self._dup.renew(message_id)) is not None:
            counters.count("messages_duplicate")
            if peer.is_gunnet and isinstance(route, (Question, OwnQuestion)) and route.peer is not peer:
                self._gets.serve_again(
                    Question(peer, message_id, digest_text(message.digest), self._query(message))
                )
            if peer.is_gunnet and isinstance(route, Origin):
                self._put_messages.hear_again(peer, route)
            # Two that tell each other the same acknowledge neither.
            self._unacked.acked(peer, message_id, now)
            return
        if message.re is not None and (type(message.re) is not str or len(message.re) > self.limits.id_units):
            message.re = ""
        digest = digest_text(message.digest)
        if digest is not None and self._forward.is_known_answer(message, digest, peer):
            self._forward.repeated(peer, message, now)
            return
        self._dispatch(peer, message, text, message_id, digest, now)

    def _dispatch(
        self, peer: Peer, message: Message, text: bytes, message_id: str, digest: str | None, now: float
    ) -> None:
        heard = self.heard
        if message.dam is not None:
            heard.dams += 1
            self._dup.remember(message_id, peer)
            self._dam.hear(peer, message.dam, text, now)
        elif message.put:
            heard.puts += 1
            self._put_messages.hear(peer, message, text, message_id, digest, now)
        elif message.re is not None:
            heard.acks += 1
            self._unacked.acked(peer, message.re, now, refused=bool(message.err))
            self.plain.hear(peer, message.re, None, now)
            if not isinstance(self._dup.find(message.re), OwnQuestion):  # else it goes no further
                self._dup.remember(message_id, peer)
            self._forward.ack(peer, message, text, digest, now)
        elif message.get:
            heard.gets += 1
            self._pace.note_plain(now)
            question = Question(peer, message_id, digest, self._query(message))
            self._dup.remember(message_id, question)
            if self._gets.subscribe(question) and question.query is not None:
                self._ask_back.note(peer, question.query, now)
            self._gets.serve(question, message, text, now)
        else:
            heard.others += 1
            self._dup.remember(message_id, peer)
            self._forward.other(peer, message, text, now)

    def _query(self, message: Message) -> Query | None:
        try:
            return read_get_text(bytes(message.get), self.limits)
        except jstext.NotJSON:
            return None

    # Turns

    def settled(self, commit: Commit, error: str | None) -> None:
        """
        A commit of L{Turn.commit} has ended.

        @param error: why nothing of it was stored; L{None} if it is durable.
        """
        self._commits.settled(commit, error)

    def waiting(self) -> list[Peer]:
        """The peers for which L{serve_waiting} has something to do."""
        parts = (self._inboxes, self._gets, self.sync, self.plain)
        return list({peer.id: peer for part in parts for peer in part.waiting()}.values())

    def serve_waiting(self, peer: Peer, now: float) -> None:
        """Do a slice of what did not fit into earlier turns for C{peer}: to be called once a turn."""
        self._gets.continue_with(peer, now)
        self.sync.continue_with(peer, now)
        self.plain.continue_with(peer, now)
        if peer.inbox:
            self._inboxes.serve(peer, self._hear_message, now)

    def turn(self, now: float) -> Turn:
        """Do what waited for the end of the turn, and say what comes of it all."""
        self._graph.now = now
        self._dup.pass_time(now)
        remembered = self._dup.memory_bytes + self._subscriptions.memory_bytes
        self._graph.hot.leave_room(remembered + self.checks.firewall.memory_bytes)
        self._puts.run_deferred(now)
        faults = self.checks.run(self._pace.begin(now, plain_waits=self._puts.plain > 0), now)
        self._gets.run(now)
        self._ask_back.run(now)
        self._updates.tell(now)
        self.relay_links.run(now)
        commit = self._commits.cut(now)
        checks, asks = self.checks.cut(), self.checks.cut_asks()
        self._inboxes.mind_pressure(self._graph.pending_bytes)
        frames = self._peers.frames(now)
        drops, self._peers.drops = self._peers.drops, []
        hold, self._inboxes.hold = self._inboxes.hold, []
        release, self._inboxes.release = self._inboxes.release, []
        hang_up, dial, busy = self.relay_links.take_dials()
        again_at = self._again_at(now)
        deliveries, self._updates.deliveries = self._updates.deliveries, 0
        return Turn(
            *(commit, checks, asks, faults, frames, drops, hold, release, hang_up, dial, busy, again_at),
            *(deliveries, self._updates.heard),
        )

    def _again_at(self, now: float) -> float | None:
        if (self.checks.is_ready and self._pace.left) or self.waiting():
            return now
        times = [self._puts.next_at, self._gets.next_at, self._peers.next_at, self._dup.next_at]
        times += [self.relay_links.next_at(now), self._ask_back.next_at]
        times += [self._pace.goes_on_at, self._commits.next_at(now)]
        return min([at for at in times if at is not None and at < inf], default=None)

    def hurry(self) -> None:
        """The end is near: have nothing wait for something else that may come."""
        self._pace.end()

    # Figures

    def health(self) -> dict[str, object]:
        """What C{/healthz} tells; C{ok} says whether writes are stored."""
        return self.figures.health()
