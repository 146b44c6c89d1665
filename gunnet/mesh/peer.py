"""
Peers: whoever is, or will be, on the other end of a link.

The life of a peer is a machine of four states::

    away --opened--> open --named--> named
    open, named --dropped--> closing
    open, named, closing --lost--> away

An upstream is dialled again when it is away; one that came to us is forgotten.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from automat import TypeMachineBuilder

from gunnet.mesh.outbox import Outbox
from gunnet.transport.interface import Link

if TYPE_CHECKING:
    from gunnet.mesh.gets import Stream


class Life(Protocol):
    """What can happen to a peer."""

    def opened(self, link: Link) -> None:
        """A link to it is up."""

    def named(self, pid: str) -> None:
        """It told its process id; the first one counts."""

    def dropped(self) -> None:
        """We have had enough of it: the link is to be closed."""

    def lost(self) -> None:
        """The link is down."""


class Peer:
    """
    One peer. Its names for C{><} are its url, else its pid, else its id.

    @ivar id: random, given by us.
    @ivar url: where it is dialled; L{None} for one that came to us.
    @ivar pid: the process id that it told, L{None} before.
    @ivar link: its link, while there is one.
    @ivar up: whether messages go to it now: a link is there, and we have not closed it.
    @ivar outbox: what waits to be sent.
    @ivar paused: whether its transport takes no more bytes for now.
    @ivar inbox: messages of it that wait for their turn.
    @ivar held: whether we have stopped reading from it.
    @ivar streams: long answers to it that are under way.
    @ivar subscriptions: the (soul, key) it is subscribed to; L{None} as key is the whole node.
    @ivar asked: (of an upstream) hashes of the (soul, key) that it was asked for over this link: the names
        may be long, and Python's hashes of text can't be foretold.
    @ivar quiet_until: when the gap after the last frames to it ends, milliseconds.
    @ivar broadcasts_left: messages of unknown kind that it may still have forwarded.
    @ivar broadcast_at: when that was reckoned, milliseconds.
    @ivar life: the machine above.
    """

    __slots__ = (
        "asked",
        "broadcast_at",
        "broadcasts_left",
        "held",
        "id",
        "inbox",
        "life",
        "link",
        "outbox",
        "paused",
        "pid",
        "quiet_until",
        "streams",
        "subscriptions",
        "up",
        "url",
    )

    def __init__(self, peer_id: str, url: str | None = None) -> None:
        self.id = peer_id
        self.url = url
        self.pid: str | None = None
        self.link: Link | None = None
        self.up = False
        self.outbox = Outbox()
        self.paused = False
        self.inbox: deque[bytes] = deque()
        self.held = False
        self.streams: deque[Stream] = deque()
        self.subscriptions: set[tuple[str, str | None]] = set()
        self.asked: set[int] = set()
        self.quiet_until = 0.0
        self.broadcasts_left = 0.0
        self.broadcast_at = 0.0
        self.life: Life = _new_life(self)

    @property
    def name(self) -> str:
        """What other peers call it in C{><}."""
        return self.url or self.pid or self.id

    def may_broadcast(self, now: float, per_second: float) -> bool:
        """
        Whether it may have one more message forwarded to everybody, of C{per_second} on average.

        @param now: milliseconds.
        """
        earned = (now - self.broadcast_at) * per_second / 1000
        self.broadcasts_left = min(per_second, self.broadcasts_left + max(0.0, earned))
        self.broadcast_at = now
        if self.broadcasts_left < 1:
            return False
        self.broadcasts_left -= 1
        return True

    def is_named_in(self, names: frozenset[str]) -> bool:
        """Whether a C{><} names it (gun.js C{src/mesh.js}, C{say})."""
        return self.url in names or self.pid in names or self.id in names


_builder = TypeMachineBuilder(Life, Peer)
_away = _builder.state("away")
_open = _builder.state("open")
_named = _builder.state("named")
_closing = _builder.state("closing")


@_away.upon(Life.opened).to(_open)
def _begin(_life: Life, peer: Peer, link: Link) -> None:
    peer.link = link
    peer.up = True


@_open.upon(Life.named).to(_named)
def _learn_name(_life: Life, peer: Peer, pid: str) -> None:
    peer.pid = pid


def _stop_talking(_life: Life, peer: Peer) -> None:
    peer.up = False
    peer.outbox.clear()
    peer.inbox.clear()
    peer.streams.clear()


def _end(_life: Life, peer: Peer) -> None:
    if peer.url is None:
        peer.outbox.clear()
    peer.link = None
    peer.up = peer.paused = peer.held = False
    peer.pid = None
    peer.inbox.clear()
    peer.streams.clear()
    peer.asked.clear()


def _refuse(_life: Life, peer: Peer, link: Link) -> None:
    link.drop(f"{peer.name} has a link already")


for _state in (_open, _named):
    _state.upon(Life.dropped).to(_closing)(_stop_talking)
for _state in (_open, _named, _closing):
    _state.upon(Life.opened).loop()(_refuse)
    _state.upon(Life.lost).to(_away)(_end)
for _state in (_away, _closing):
    _state.upon(Life.dropped).loop().returns(None)
for _state in (_away, _named, _closing):
    _state.upon(Life.named).loop().returns(None)
_away.upon(Life.lost).loop().returns(None)

_new_life = _builder.build()
