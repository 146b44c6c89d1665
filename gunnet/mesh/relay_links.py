"""
What goes on between relays beside puts and gets: who they are, which others they know, and what one has that
the other lacks. This brings the parts together and takes the verbs that concern them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from gunnet.counters import Counters
from gunnet.graph.lex import read_get
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.mesh.dam import Verb
from gunnet.mesh.gossip import Gossip, Policy
from gunnet.mesh.interest import Interest
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.plain import PlainSync
from gunnet.mesh.relays import Relays
from gunnet.mesh.routes import Route
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.mesh.sync import Sync
from gunnet.mesh.turn import Dial
from gunnet.mesh.unacked import Unacked
from gunnet.mesh.urls import AllowRule
from gunnet.wire.dup import Dup
from gunnet.wire.jstext import string

if TYPE_CHECKING:
    from random import Random

Fields = dict[str, Any]


class RelayLinks:
    """
    The links to other relays.

    @ivar relays: who they are.
    @ivar gossip: which others they told of.
    @ivar sync: comparing graphs with gunnet relays; C{plain}, with others.
    @ivar verbs: what is taken here, for L{gunnet.mesh.dam.Dam}.
    @ivar unacked: what they may not have; C{known}: gives the cell that stands at (soul, key).
    @ivar on_up: each is called with a peer that we dial when its link is up; C{on_down}, when it is gone.
    """

    def __init__(
        self,
        pid: str,
        graph: Graph,
        peers: Peers,
        dup: Dup[Route],
        unacked: Unacked,
        subscriptions: Subscriptions,
        interest: Interest,
        random: Random,
        limits: Limits,
        counters: Counters,
        *,
        syncs: bool,
        gossip: Policy,
        allowed: AllowRule | None,
        has_room: Callable[[], bool],
    ) -> None:
        """
        @param syncs: whether graphs are compared without being asked to.
        @param gossip: which of the relays that others tell of are linked to; C{allowed}: where these may be.
        @param has_room: whether the store keeps what others have.
        """
        self.relays = Relays(pid, peers, limits, counters)
        self.gossip = Gossip(peers, limits, counters, random, policy=gossip, allowed=allowed)
        self.sync = Sync(graph, peers, dup, unacked, random, limits, counters, has_room=has_room)
        self.sync.minds_behind = syncs
        self.plain = PlainSync(graph, peers, dup, unacked, limits, counters)
        self._peers = peers
        self.unacked = self._unacked = unacked
        self.known = graph.known
        self.on_up: list[Callable[[Peer], None]] = []
        self.on_down: list[Callable[[Peer], None]] = []
        self._subscriptions = subscriptions
        self._interest = interest
        self._limits = limits
        self._counters = counters
        self._syncs = syncs
        self._strangers: list[Peer] = []
        self.verbs: dict[str, Verb] = {
            "relay": self._hear_relay,
            "sync": self.sync.hear,
            "off": self._hear_off,
            "over": self._hear_over,
            "wanted": interest.wanted.hear,
            "opt": self._hear_opt,
            "mob": self._hear_mob,
        }
        self.relays.on_stranger = self._strangers.append
        self.relays.on_bridge = interest.resync
        self.relays.on_twin = self._take_twin
        self.relays.urls_for = self.gossip.urls_for
        self.relays.owes = unacked.owes
        unacked.will_compare = self._will_compare
        peers.group.on_newcomer = interest.resync

    # Links

    def met(self, peer: Peer) -> None:
        """A link that we dialled is up."""
        self.relays.opened(peer)
        self._interest.resync(peer)
        for call in self.on_up:
            call(peer)

    def lost(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        self.sync.forget(peer)
        self.plain.forget(peer)
        stood_for = self.relays.lost(peer)
        if peer in self._strangers:
            self._strangers.remove(peer)
        heir = stood_for or peer.twin or (peer if peer.url is not None else None)
        self._peers.leave(peer)
        self._unacked.lost(peer, heir)
        if peer.url is not None:
            for call in self.on_down:
                call(peer)

    @property
    def upstreams(self) -> list[Peer]:
        """The relays that we link to, whether or not they are linked just now."""
        return list(self._peers.upstreams.values())

    def be_leaf(self) -> None:
        """
        Want only what our own peers ask for: no graphs are compared, not with who asks for it either, and
        what the relays above want of one another does not go over this one.
        """
        self._syncs = self.sync.minds_behind = False
        self.sync.refuses = True
        self.relays.is_leaf = self._interest.is_leaf = True

    def retire(self, url: str) -> None:
        """Nobody wants the upstream at C{url} any more, and its link is gone."""
        peer = self._peers.retire(url)
        if peer is not None:
            self._unacked.lost(peer, None)

    def _take_twin(self, dialled: Peer, twin: Peer) -> None:
        self._unacked.inherit(dialled, twin)
        self._interest.resync(twin)

    def _will_compare(self, peer: Peer) -> bool:
        return self._syncs and (self.relays.may_be_gunnet(peer) or self.sync.will_compare(peer))

    # Verbs

    def _hear_relay(self, peer: Peer, fields: Fields, now: float) -> None:
        before = peer.is_gunnet and peer.above
        self.relays.hear(peer, fields)
        if peer.is_gunnet:
            for query in self.plain.end(peer):
                self._interest.said_too(peer, query, now)
        if peer.is_gunnet and "proof" not in fields and self.gossip.hear(fields.get("peers"), peer):
            self.relays.tell_news()
        if peer.is_gunnet and peer.above and not before and self._syncs:
            self.sync.greet(peer)

    def _hear_off(self, peer: Peer, fields: Fields, _now: float) -> None:
        query = read_get(fields.get("get"), self._limits)
        if query is not None and self._subscriptions.end(peer, query):
            self._counters.count("subscriptions_ended")

    def _hear_over(self, peer: Peer, fields: Fields, now: float) -> None:
        query = read_get(fields.get("get"), self._limits)
        if query is not None and peer.is_gunnet:
            self._interest.hear_over(peer, query, now)

    def _hear_opt(self, peer: Peer, fields: Fields, now: float) -> None:
        if self.gossip.hear_opt(fields.get("opt"), peer, now):
            self._peers.say(
                peer,
                b'{"#":"%b","dam":"opt","ok":1,"@":%b}'
                % (self._peers.new_id().encode(), string(fields["#"])),
            )

    def _hear_mob(self, peer: Peer, fields: Fields, now: float) -> None:
        if self.gossip.hear_mob(fields.get("peers"), peer, now):
            self.relays.tell_news()

    # Turns

    def run(self, now: float) -> None:
        """Do what is due."""
        self.relays.run(now)
        strangers, self._strangers[:] = list(self._strangers), []
        for peer in strangers:
            if self._syncs and peer.up:
                self.plain.begin(peer)
        self.gossip.run(now)
        self.sync.run(now)
        self.plain.run(now)
        self._unacked.run(now)

    def next_at(self, now: float) -> float:
        """When L{run} has something to do, milliseconds since 1970; infinity if nothing waits."""
        times = [self.relays.next_at, self._unacked.next_at(now)]
        others = [self.gossip.next_at, self.sync.next_at, self.plain.next_at]
        return min([*times, *(at for at in others if at is not None)], default=inf)

    def take_dials(self) -> tuple[list[Dial], list[Dial], list[str]]:
        """
        Which links are wanted no more, which are wanted, and which relays are full, since the last call.
        """
        relays, gossip = self.relays, self.gossip
        for url in relays.itself:
            gossip.own(url)
        hang_up = [Dial(url, guarded=False) for url in relays.hang_up]
        hang_up += [Dial(url, guarded=True) for url in gossip.hang_up]
        dial = [Dial(url, guarded=False) for url in relays.dial]
        dial += [Dial(url, guarded=True) for url in gossip.dial]
        busy = gossip.busy
        relays.itself, relays.hang_up, relays.dial = [], [], []
        gossip.hang_up, gossip.dial, gossip.busy = [], [], []
        return hang_up, dial, busy
