"""
How a relay is doing, in figures, for whoever asks. Nothing is reckoned before that.
"""

from __future__ import annotations

from gunnet.counters import Counters
from gunnet.graph.merge import Graph
from gunnet.mesh.askback import AskBack
from gunnet.mesh.checks import Checks
from gunnet.mesh.gets import Gets
from gunnet.mesh.heard import Heard
from gunnet.mesh.inboxes import Inboxes
from gunnet.mesh.interest import Interest
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.puts import Puts
from gunnet.mesh.relay_links import RelayLinks
from gunnet.mesh.routes import Route
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.mesh.unacked import Unacked
from gunnet.store.interface import Store
from gunnet.wire.dup import Dup

FULL = 0.9
"""So much of a store may be in use while graphs are compared."""


def has_room(store: Store) -> bool:
    """Whether the store keeps what other relays have: if not, comparing would have no end."""
    stats = store.stats()
    return stats["bytes"] < FULL * stats["bytes_max"]


class Figures:
    """Reads them out of the parts of a relay."""

    def __init__(
        self,
        pid: str,
        store: Store,
        graph: Graph,
        peers: Peers,
        dup: Dup[Route],
        subscriptions: Subscriptions,
        unacked: Unacked,
        ask_back: AskBack,
        puts: Puts,
        gets: Gets,
        checks: Checks,
        inboxes: Inboxes,
        links: RelayLinks,
        interest: Interest,
        heard: Heard,
        counters: Counters,
    ) -> None:
        self._pid = pid
        self._store = store
        self._graph = graph
        self._peers = peers
        self._dup = dup
        self._subscriptions = subscriptions
        self._unacked = unacked
        self._ask_back = ask_back
        self._puts = puts
        self._gets = gets
        self._checks = checks
        self._inboxes = inboxes
        self._links = links
        self._interest = interest
        self._counters = counters
        self.heard = heard

    @property
    def stuck(self) -> str | None:
        """Why writes can't be stored; L{None} if they can."""
        return self._puts.stuck

    def health(self) -> dict[str, object]:
        """What C{/healthz} tells; C{ok} says whether writes are stored."""
        return {
            "ok": self._puts.stuck is None,
            "pid": self._pid,
            "peers": self._peers.near,
            "subscriptions": len(self._subscriptions),
            "ids": len(self._dup),
            "asked_back": self._ask_back.souls,
            "hot_nodes": len(self._graph.hot),
            "pending_bytes": self._graph.pending_bytes,
            "deferred": self._puts.deferred,
            "upstreams": self.upstreams(),
            "relays": len(self._peers.relays),
            "unacked_bytes": self._unacked.size,
            "unchecked_puts": len(self._checks),
            "error": self._puts.stuck,
            "counters": dict(sorted(self._counters.items())),
        }

    def upstreams(self) -> dict[str | None, str]:
        """The state of each relay that is dialled (L{gunnet.mesh.peer}), by its URL without its query."""
        return {peer.shown_url: peer.state for peer in self._peers.upstreams.values()}

    def peers(self) -> list[Peer]:
        """Those whose link is up, the local network among them."""
        group = self._peers.group.peer
        return [*self._peers.up.values(), *([] if group is None else [group])]

    @property
    def relays(self) -> int:
        """How many of them are known to be relays."""
        return len(self._peers.relays)

    @property
    def to_verify(self) -> int:
        """How many signatures wait to be verified, or are being."""
        return self._checks.to_verify

    @property
    def unchecked_puts(self) -> int:
        """How many puts wait for signatures or the operator's rule."""
        return len(self._checks)

    @property
    def hot_nodes(self) -> int:
        """How many nodes are kept in memory."""
        return len(self._graph.hot)

    def said(self) -> tuple[int, int]:
        """(frames that were handed to links, bytes of the messages in them)."""
        return self._peers.frames_said, self._peers.bytes_said

    def stored(self) -> dict[str, int]:
        """
        See L{gunnet.store.interface.Store.stats}.

        @raise gunnet.store.interface.StoreError: it can't be read.
        """
        return self._store.stats()

    def usage(self) -> dict[str, int]:
        """How much of the limits (L{gunnet.limits.Limits}) that bound the whole relay is in use."""
        questions, question_bytes = self._gets.asking
        trace = self._peers.trace
        return {
            "peers": self._peers.near,
            "dup_ids": len(self._dup),
            "subscriptions": len(self._subscriptions),
            "subscription_bytes": self._subscriptions.size,
            "cache_bytes": self._graph.hot.size,
            "pending_bytes": self._graph.pending_bytes,
            "deferred_cells": self._puts.deferred,
            "deferred_bytes": self._puts.deferred_bytes,
            "inbox_bytes": self._inboxes.size,
            "outboxes_bytes": self._peers.waiting_bytes,
            "unacked_bytes": self._unacked.size,
            "unchecked_bytes": self._checks.size,
            "verified": len(self._checks.firewall),
            "asks": self._checks.asked,
            "writers": len(self._checks.writers),
            "users": len(self._checks.quotas.usage),
            "ask_back_names": len(self._ask_back),
            "ask_back_souls": self._ask_back.souls,
            "questions": questions,
            "question_bytes": question_bytes,
            "searches": len(self._interest.wanted),
            "gossip_urls": len(self._links.gossip),
            "sync_sessions": len(self._links.sync),
            "summary_bytes": self._links.sync.summary_bytes,
            "traces": 0 if trace is None else len(trace),
        }
