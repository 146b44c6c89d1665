"""
Peers: whoever is, or will be, on the other end of a link.

The life of a peer is a machine of four states::

    away --opened--> open --named--> named
    open, named --dropped--> closing
    open, named, closing --lost--> away

An upstream is dialled again when it is away; one that came to us is forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import proxy

from automat import TypeMachineBuilder

from gunnet.graph.lex import Span
from gunnet.mesh.outbox import Outbox
from gunnet.transport.interface import Link

if TYPE_CHECKING:
    from gunnet.mesh.gets import Stream

Interest = str | tuple[str | Span, str | Span | None]
"""
What a get selects: (a soul or a span of souls, a key or a span of keys; L{None} for all keys). In place of
(a soul, L{None}) it is the soul alone, as there are many of these.
"""


_NOTHING: frozenset[int] = frozenset()
"""One for all who are asked nothing: an empty set weighs 216 bytes."""


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
    One peer. Its names are its url, its pid and its id.

    @ivar id: random, given by us.
    @ivar url: where it is dialled; L{None} for one that came to us.
    @ivar pid: the process id that it told, L{None} before.
    @ivar link: its link, while there is one.
    @ivar up: whether messages go to it now: a link is there, and we have not closed it.
    @ivar outbox: what waits to be sent.
    @ivar paused: whether its transport takes no more bytes for now.
    @ivar inbox: messages of it that wait for their turn.
    @ivar unchecked: properties in puts of it that wait for the firewall.
    @ivar signs: whether its last put had to be judged by the firewall.
    @ivar held: whether we have stopped reading from it.
    @ivar streams: long answers to it that are under way.
    @ivar subscriptions: what it is subscribed to, in the order in which it asked.
    @ivar asked: (of an upstream) hashes of the (soul, key) that it was asked for over this link: the names
        may be long, and Python's hashes of text can't be foretold.
    @ivar quiet_until: when the gap after the last frames to it ends, milliseconds.
    @ivar broadcasts_left: messages of unknown kind that it may still have forwarded.
    @ivar broadcast_at: when that was reckoned, milliseconds.
    @ivar said_hi: whether it said C{hi}, as a page that boots does; one that comes back does not.
    @ivar is_group: whether it is all who listen to a multicast group (L{gunnet.mesh.group}).
    @ivar is_gunnet: whether it told that it is a gunnet relay too.
    @ivar was_gunnet: (of an upstream) whether it was one when that was last known; L{None} before.
    @ivar joined: as which one it has joined (L{gunnet.mesh.peers.Peers}); 0 before.
    @ivar bridge: (of a gunnet relay) whether it is linked to other relays above it.
    @ivar bridged: (of a gunnet relay) whether it takes us for one, and asks us what it asks those above it.
    @ivar compares: (of a gunnet relay) whether it wants the graph compared.
    @ivar full: (of a gunnet relay) whether it takes no more peers.
    @ivar behind: (of a gunnet relay) whether something changed that it was not told.
    @ivar above: whether it is one of the relays that this one is linked to by its own wish: it is dialled, or
        it is the twin of one that is.
    @ivar twin: the same relay on another link (L{gunnet.mesh.relays}).
    @ivar token: of a dialled relay, what we told it; of an accepted one, what it told us
        (L{gunnet.mesh.relays}).
    @ivar life: the machine above.
    """

    __slots__ = (
        "__weakref__",
        "above",
        "asked",
        "behind",
        "bridge",
        "bridged",
        "broadcast_at",
        "broadcasts_left",
        "compares",
        "full",
        "held",
        "id",
        "inbox",
        "is_group",
        "is_gunnet",
        "joined",
        "life",
        "link",
        "outbox",
        "paused",
        "pid",
        "quiet_until",
        "said_hi",
        "signs",
        "streams",
        "subscriptions",
        "token",
        "twin",
        "unchecked",
        "up",
        "url",
        "was_gunnet",
    )

    def __init__(self, peer_id: str, url: str | None = None) -> None:
        self.id = peer_id
        self.url = url
        self.is_group = False
        self.pid: str | None = None
        self.link: Link | None = None
        self.up = False
        self.outbox = Outbox()
        self.paused = False
        self.inbox: list[bytes] = []  # lists, because an empty deque weighs 760 bytes
        self.held = False
        self.unchecked = 0
        self.streams: list[Stream] = []
        self.subscriptions: dict[Interest, None] = {}
        self.asked: set[int] | frozenset[int] = _NOTHING
        self.quiet_until = 0.0
        self.broadcasts_left = 0.0
        self.broadcast_at = 0.0
        self.signs = self.said_hi = self.is_gunnet = False
        self.bridge = self.bridged = self.full = self.behind = False
        self.compares = True
        self.joined = 0
        self.was_gunnet: bool | None = None
        self.above = url is not None
        self.twin: Peer | None = None
        self.token = ""
        self.life: Life = _new_life(proxy(self))  # else each peer that is gone would wait for the collector

    @property
    def name(self) -> str:
        """How it is called in logs."""
        return self.shown_url or self.pid or self.id

    @property
    def shown_url(self) -> str | None:
        """Its url for others to see: a query may hold a token."""
        return None if self.url is None else self.url.partition("?")[0]

    @property
    def told_name(self) -> str:
        """What it is called in C{><}: of its names, the one that most others know."""
        return self.pid or self.shown_url or self.id

    @property
    def is_shadow(self) -> bool:
        """Whether changes go to the same relay by another link."""
        return self.twin is not None and self.twin.up and (self.url is not None or not self.above)

    @property
    def is_leaving(self) -> bool:
        """Whether its link is to be dropped, because another one stands for it."""
        return self.url is not None and self.twin is not None

    @property
    def state(self) -> str:
        """Of an upstream, for people: C{up}, C{away}, or C{linked by its own link}."""
        if self.up:
            return "up"
        return "away" if self.twin is None else "linked by its own link"

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
        return self.shown_url in names or self.pid in names or self.id in names


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
    peer.signs = peer.said_hi = peer.is_gunnet = peer.bridge = peer.bridged = peer.full = peer.behind = False
    peer.pid = None
    peer.token = ""
    peer.joined = 0
    peer.inbox.clear()
    peer.streams.clear()
    peer.asked = _NOTHING


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
