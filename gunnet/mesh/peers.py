"""
The table of peers, and what is said to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.group import Group
from gunnet.mesh.outbox import Outbox
from gunnet.mesh.peer import Peer
from gunnet.mesh.trace import Trace
from gunnet.transport.interface import Link
from gunnet.wire import jstext

_TOLD_CHARACTERS = 99
"""How much of a C{><} gun.js reads (C{src/mesh.js}, C{hear})."""


@dataclass(frozen=True)
class Drop:
    """A link to be closed. @ivar reason: for the log, one line."""

    link: Link
    reason: str


class Peers:
    """
    Who is there.

    @ivar up: those whose link is up, by id, in the order in which they came.
    @ivar upstreams: those that we dial, by url.
    @ivar relays: those that are up and known to be relays, because we dialled them or they told; by id.
    @ivar group: the local network, which is none of these.
    @ivar joined: how many have joined so far: each with its link, if we dialled it, else with its first word.
    @ivar drops: links to be closed at the end of the turn.
    @ivar trace: follows messages; L{None} for nobody. May be set.
    @ivar frames_said: how many frames were handed to links; C{bytes_said}: the bytes of what is in them.
    """

    def __init__(self, limits: Limits, counters: Counters, new_id: Callable[[], str]) -> None:
        self._limits = limits
        self._counters = counters
        self.new_id = new_id
        self.up: dict[str, Peer] = {}
        self.upstreams: dict[str, Peer] = {}
        self.relays: dict[str, Peer] = {}
        self.drops: list[Drop] = []
        self.group = Group(new_id)
        self.joined = 0
        self.trace: Trace | None = None
        self.frames_said = 0
        self.bytes_said = 0
        self._talked_to: dict[str, Peer] = {}
        self._waiting_bytes = 0

    @property
    def near(self) -> int:
        """How many peers are up: C{ok["/"]} in a put."""
        return len(self.up)

    @property
    def waiting_bytes(self) -> int:
        """What waits to be sent to all that are up."""
        return self._waiting_bytes

    def upstream(self, url: str) -> Peer:
        """The peer at C{url}, which is away until L{join} is called for it."""
        peer = self.upstreams.get(url)
        if peer is None:
            peer = self.upstreams[url] = Peer(self.new_id(), url)
        return peer

    def join(self, link: Link, peer: Peer | None) -> Peer | None:
        """
        A link is up.

        @param peer: of an upstream, what L{upstream} gave.
        @return: the peer; L{None} if there are too many. An upstream is one that we want.
        """
        if peer is None and len(self.up) >= self._limits.peers:
            self._counters.count("peers_refused")
            return None
        if peer is None:
            peer = Peer(self.new_id())
        peer.life.opened(link)
        if peer.url is not None:
            self.note_joined(peer)
        self.up[peer.id] = peer
        if peer.url is not None:
            self.relays[peer.id] = peer
        self._waiting_bytes += peer.outbox.size
        if len(peer.outbox):
            self._talked_to[peer.id] = peer
        return peer

    def note_joined(self, peer: Peer) -> None:
        """C{peer} has joined: before, it is not one of everybody."""
        self.joined += 1
        peer.joined = self.joined

    def retire(self, url: str) -> Peer | None:
        """
        There will be no more links to the upstream at C{url}.

        @return: the peer that it was, if it is away and no other link stands for it.
        """
        peer = self.upstreams.get(url)
        if peer is None or peer.up or peer.twin is not None:
            return None
        return self.upstreams.pop(url)

    def leave(self, peer: Peer) -> None:
        """The link of C{peer} is down."""
        if peer.up:
            self._waiting_bytes -= peer.outbox.size
        peer.life.lost()
        if peer is self.group.peer:
            self.group.peer = None
        self.up.pop(peer.id, None)
        self.relays.pop(peer.id, None)
        self._talked_to.pop(peer.id, None)

    def drop(self, peer: Peer, reason: str) -> None:
        """Close the link of C{peer} at the end of the turn, and serve it no more."""
        if peer.up and peer.link is not None:
            self._counters.count("peers_dropped")
            self.drops.append(Drop(peer.link, reason))
            self._waiting_bytes -= peer.outbox.size
            peer.life.dropped()
            self.up.pop(peer.id, None)
            self.relays.pop(peer.id, None)
            self._talked_to.pop(peer.id, None)

    def say(self, peer: Peer, text: bytes) -> None:
        """
        Let one message (JSON text) go to C{peer} at the end of the turn. For an upstream that is away it
        waits, in a bounded queue; for another peer that is away it is forgotten.
        """
        outbox = peer.outbox
        if self.trace is not None:
            self.trace.say(peer, text)
        if peer.up:
            if not outbox.size:
                self._talked_to[peer.id] = peer
            outbox.add(text)
            self._waiting_bytes += len(text)
            if peer.is_group:
                self._bound_group(outbox)
            elif outbox.size > self._limits.outbox_bytes:
                self._counters.count("outbox_bytes_exceeded")
                self.drop(peer, f"does not read: {outbox.size} bytes are waiting for it")
            elif self._waiting_bytes > self._limits.outboxes_bytes:
                self._counters.count("outboxes_bytes_exceeded")
                most = max(self.up.values(), default=peer, key=lambda peer: peer.outbox.size)
                self.drop(most, f"of {self._waiting_bytes} bytes that wait for all peers it has most")
        elif peer.url is not None:
            outbox.add(text)
            while outbox.size > self._limits.offline_bytes:
                self._counters.count("offline_bytes_evicted")
                outbox.drop_oldest()

    def _bound_group(self, outbox: Outbox) -> None:
        """Keep what waits for the group small: who listens there can't slow down others."""
        while outbox.size > self._limits.multicast_queue_bytes:
            self._counters.count("multicast_queue_bytes_evicted")
            self._waiting_bytes -= outbox.drop_oldest()

    def sources(self) -> list[Peer]:
        """
        The relays that are asked for what this one is to be kept up to date about: those above it, and those
        below that are linked to others above them.
        """
        return [peer for peer in self.relays.values() if (peer.above and not peer.is_leaving) or peer.bridge]

    def above(self) -> list[Peer]:
        """Those that are told every change, up or away: the upstreams, or the twins that stand for them."""
        return [peer.twin or peer for peer in self.upstreams.values()]

    def pause(self, peer: Peer) -> None:
        """The transport of C{peer} takes no more for now."""
        peer.paused = True

    def resume(self, peer: Peer) -> None:
        """The transport of C{peer} takes more."""
        peer.paused = False
        if peer.up and len(peer.outbox):
            self._talked_to[peer.id] = peer

    def frames(self, now: float) -> list[tuple[Link, list[bytes]]]:
        """
        What is to be written now, in order, per link. Peers that are paused keep theirs, and so do those that
        were written to less than C{limits.gap_ms} ago.

        @param now: in milliseconds.
        """
        if not self._talked_to:
            return []
        written = []
        size = count = 0
        gap, pack_bytes = self._limits.gap_ms, self._limits.pack_bytes
        talked_to, self._talked_to = self._talked_to, {}
        for peer in talked_to.values():
            if peer.paused or peer.link is None:
                continue
            if now < peer.quiet_until:
                self._talked_to[peer.id] = peer
                continue
            peer.quiet_until = now + gap
            outbox = peer.outbox
            size += outbox.size
            frames = outbox.frames(pack_bytes)
            count += len(frames)
            written.append((peer.link, frames))
        self._waiting_bytes -= size
        self.bytes_said += size
        self.frames_said += count
        return written

    @property
    def next_at(self) -> float | None:
        """When the next gap ends behind which something waits, in milliseconds."""
        return min([peer.quiet_until for peer in self._talked_to.values()], default=None)


def told(peers: Iterable[Peer]) -> bytes:
    """A C{><} that names C{peers}, as JSON text, as many as gun.js would read."""
    names: list[str] = []
    size = -1
    for peer in peers:
        name = peer.told_name
        size += len(name) + 1
        if size > _TOLD_CHARACTERS:
            break
        if "," not in name:
            names.append(name)
    return jstext.string(",".join(names))


def read_told(value: object) -> frozenset[str]:
    """The names in a C{><}, whatever it is."""
    if not isinstance(value, str) or not value:
        return frozenset()
    return frozenset(value[:_TOLD_CHARACTERS].split(","))
