"""
What gunnet relays tell each other about themselves: the verb C{relay}, which gun.js ignores.

::

    {"#":id,"dam":"relay","pid":…,"sync":1,"bridge":bool,"bridged":bool,"full":bool,"peers":[url, …],
     "token":t,"proof":t}

The relay that dials says it once it has answered the greeting, again while nobody answers, and again when
something in it has changed; the other side answers with its own. C{bridge} is whether the sender is linked to
relays that the receiver may not reach otherwise, so that it is asked as those above are; C{bridged}, whether
the sender does so with the receiver. C{sync} is 0 if the sender wants no graphs compared.

B{Twins.} Two relays that dial each other have two links. gun.js drops the one that the greater process id
dialled (C{lib/axe.js}), but a process id is only a claim, and whoever claims that of an upstream would cut
the link to it. So each relay gives its upstreams a C{token}, and who was given one and dials its giver says
it back there as C{proof}: then the link that the giver accepted is as good as the one it dialled.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.wire.jstext import stringify

SYNC_VERSION = 1
NO_SYNC = 0

HELLO_PAUSE_MS = 1_000.0
HELLO_TRIES = 6
"""The first hello is said again after this pause, and each further one after twice as long."""

NOT_GUNNET_MS = 5_000.0
"""An upstream that has not answered by then is taken for gun.js."""

NEWS_PAUSE_MS = 1_000.0
"""What has changed is told no more often than this."""

Fields = dict[str, object]


class Hello:
    """
    What was said to one relay.

    @ivar tries: how often, while it has not answered.
    @ivar at: when it is due again, milliseconds; L{None} if it is not.
    @ivar doubtful: whether it may be gun.js still, as an upstream that has not answered.
    @ivar opened_at: when the link was new; L{None} before the first turn after that.
    @ivar told: what it was last told.
    """

    __slots__ = ("at", "doubtful", "opened_at", "told", "tries")

    def __init__(self, *, doubtful: bool) -> None:
        self.tries = 0
        self.doubtful = doubtful
        self.at: float | None = None
        self.opened_at: float | None = None
        self.told: Fields = {}


class Relays:
    """
    Says and hears C{relay}.

    @ivar on_bridge: called when one below has become a bridge.
    @ivar on_stranger: called when an upstream turned out to be something else.
    @ivar on_twin: called with a dialled peer and the accepted one that now stands for it.
    @ivar hang_up: urls that are not to be dialled for now, since the last turn; C{dial} are those that are to
        be again, and C{itself} those that lead back to this relay.
    @ivar urls_for: what a peer is told of other relays.
    @ivar owes: whether something that was said to a peer may not have arrived.
    @ivar is_leaf: whether this relay only wants what its peers ask for: it is no bridge, and no graphs are
        compared. May be set.
    """

    def __init__(self, pid: str, peers: Peers, limits: Limits, counters: Counters) -> None:
        self._pid = pid
        self._peers = peers
        self._limits = limits
        self._counters = counters
        self._hellos: dict[Peer, Hello] = {}
        self._stale = False
        self._was_full = False
        self._leaving: list[Peer] = []
        self._due = inf
        self.is_leaf = False
        self.on_bridge: Callable[[Peer], None] = _nothing
        self.on_stranger: Callable[[Peer], None] = _nothing
        self.on_twin: Callable[[Peer, Peer], None] = _nothing_of_two
        self.urls_for: Callable[[Peer], list[str]] = _no_urls
        self.owes: Callable[[Peer], bool] = _never
        self.hang_up: list[str] = []
        self.dial: list[str] = []
        self.itself: list[str] = []

    # A link's life

    def opened(self, peer: Peer) -> None:
        """A link that we dialled is up."""
        peer.token = self._peers.new_id()
        hello = self._hellos[peer] = Hello(doubtful=True)
        self._say(peer, hello)
        self._stale = True
        self._due = 0.0

    def named(self, peer: Peer) -> None:
        """A peer has told its process id."""
        for other in self._peers.relays.values():
            if other is not peer and other.pid == peer.pid and (other.url is None) != (peer.url is None):
                dialled, accepted = (peer, other) if peer.url is not None else (other, peer)
                self._pair(dialled, accepted)

    def lost(self, peer: Peer) -> Peer | None:
        """
        A link is gone.

        @return: the dialled peer for which C{peer} stood.
        """
        self._hellos.pop(peer, None)
        self._stale = True
        twin, peer.twin = peer.twin, None
        if twin is None:
            return None
        if peer.above and peer.url is None:
            twin.twin = None
            if twin.url is not None:
                self.dial.append(twin.url)
            return twin
        if twin.above and twin.url is None:
            peer.twin = twin  # the other link stands for this one, which is not dialled meanwhile
        return None

    def may_be_gunnet(self, peer: Peer) -> bool:
        """Whether an upstream that was no other relay the last time has not said yet what it is."""
        hello = self._hellos.get(peer)
        return hello is not None and hello.doubtful and peer.was_gunnet is not False

    def met_itself(self, peer: Peer) -> None:
        """A link leads back to this relay: it is not dialled again."""
        if peer.url is not None:
            self.hang_up.append(peer.url)
            self.itself.append(peer.url)

    # Twins

    def _pair(self, dialled: Peer, accepted: Peer) -> None:
        """They claim to be the same relay: that link is told nothing twice."""
        if accepted.twin is None:
            accepted.twin = dialled
        if accepted.token:
            self._prove(dialled, accepted)

    def _prove(self, dialled: Peer, accepted: Peer) -> None:
        """Show whom we have dialled that we are who has accepted its link too."""
        self._peers.say(dialled, self._text({"proof": accepted.token}))

    def _hear_proof(self, accepted: Peer, proof: str) -> None:
        if accepted.pid is None:
            return
        for dialled in self._peers.upstreams.values():
            same = dialled.up and dialled.token == proof and dialled.pid in (None, accepted.pid)
            if same and dialled.twin is None:
                dialled.life.named(accepted.pid)  # only who is there was told the token
                accepted.twin = dialled
                if self._pid > accepted.pid:
                    dialled.twin = accepted
                    accepted.above = True
                    self._stale = True
                    self._leaving.append(dialled)
                    self.on_twin(dialled, accepted)
                return

    # The verb

    def _leave_twins(self) -> None:
        """Drop the links for which others stand, once all that was said there is acknowledged."""
        for dialled in [peer for peer in self._leaving if not peer.up or not self.owes(peer)]:
            self._leaving.remove(dialled)
            if dialled.up and dialled.twin is not None:
                self._counters.count("twins_dropped")
                self._peers.drop(dialled, "linked already, by the link that it dialled itself")
            if dialled.twin is not None and dialled.url is not None:
                self.hang_up.append(dialled.url)

    def hear(self, peer: Peer, fields: Fields) -> None:
        """
        Take a C{relay} message.

        @param fields: of the message, parsed.
        """
        proof = fields.get("proof")
        if isinstance(proof, str) and proof and peer.url is None:
            self._hear_proof(peer, proof)
            return
        peer.full = fields.get("full") is True
        peer.compares = fields.get("sync") != NO_SYNC
        peer.bridged = fields.get("bridged") is True
        was_bridge, peer.bridge = peer.bridge, fields.get("bridge") is True and self._may_be_bridge(peer)
        token = fields.get("token")
        if peer.url is None and isinstance(token, str) and 0 < len(token) <= self._limits.id_units:
            peer.token = token
            twin = peer.twin
            if twin is not None and twin.url is not None and twin.up:
                self._prove(twin, peer)
        first = not peer.is_gunnet
        if first:
            self._find(peer, fields)
        elif peer.url is None and (was_bridge != peer.bridge or fields.get("token") is not None):
            # What it is asked from now on is to subscribe us; or it has not heard our answer.
            self._say(peer, self._hellos[peer])
        if was_bridge != peer.bridge:
            self._stale = True
            if peer.bridge and peer.url is None:
                self.on_bridge(peer)

    def _find(self, peer: Peer, fields: Fields) -> None:
        """C{peer} turns out to be a gunnet relay."""
        peer.is_gunnet = peer.was_gunnet = True
        self._peers.relays[peer.id] = peer
        pid = fields.get("pid")
        if peer.pid is None and isinstance(pid, str) and 0 < len(pid) <= self._limits.id_units:
            peer.life.named(pid)  # its greeting, or the answer to ours, was lost
        if peer.pid is not None:
            self.named(peer)
        hello = self._hellos.setdefault(peer, Hello(doubtful=False))
        hello.at = None
        hello.doubtful = False
        if peer.url is None:
            self._say(peer, hello)

    def _may_be_bridge(self, peer: Peer) -> bool:
        """Whether one more may be asked for all that our peers ask."""
        if peer.above or peer.bridge:
            return True
        if sum([other.bridge for other in self._peers.relays.values()]) < self._limits.bridges:
            return True
        self._counters.count("bridges_refused")
        return False

    def tell_news(self) -> None:
        """What others are told may have changed."""
        self._stale = True

    def run(self, now: float) -> None:
        """Say what is due."""
        if self._leaving:
            self._leave_twins()
        full = self._peers.near >= self._limits.peers
        if full is not self._was_full:
            self._was_full = full
            self._stale = True
        if self._stale:
            self._stale = False
            self._due = now
            for peer, hello in self._hellos.items():
                if peer.is_gunnet and hello.at is None and hello.told != self._about_us(peer):
                    hello.at = now + NEWS_PAUSE_MS
        if now < self._due:
            return
        for peer, hello in list(self._hellos.items()):
            if hello.doubtful and hello.opened_at is None:
                hello.opened_at = now
                if not hello.tries:
                    hello.at = now + HELLO_PAUSE_MS
            self._run_one(peer, hello, now)
        self._due = min(map(_due, self._hellos.values()), default=inf)

    def _run_one(self, peer: Peer, hello: Hello, now: float) -> None:
        if hello.at is not None and hello.at <= now:
            hello.at = None
            if not peer.is_gunnet or hello.told != self._about_us(peer):
                self._say(peer, hello)
        if not peer.is_gunnet and hello.at is None and hello.tries < HELLO_TRIES:
            hello.at = now + HELLO_PAUSE_MS * 2 ** max(0, hello.tries - 1)
        if hello.doubtful and hello.opened_at is not None and hello.opened_at + NOT_GUNNET_MS <= now:
            hello.doubtful = False
            peer.was_gunnet = False
            self.on_stranger(peer)

    @property
    def next_at(self) -> float:
        """When L{run} has something to say, in milliseconds; infinity if nothing waits."""
        return self._due

    def _about_us(self, peer: Peer) -> Fields:
        return {
            "sync": NO_SYNC if self.is_leaf else SYNC_VERSION,
            "bridge": not self.is_leaf and any(other is not peer for other in self._peers.sources()),
            "bridged": peer.bridge and peer.url is None,
            "full": self._was_full,
            "peers": self.urls_for(peer),
        }

    def _say(self, peer: Peer, hello: Hello) -> None:
        hello.tries += 1
        hello.told = self._about_us(peer)
        first = {} if peer.is_gunnet and peer.url is not None else {"pid": self._pid}
        if peer.url is not None and not peer.is_gunnet:
            first["token"] = peer.token
        self._peers.say(peer, self._text({**hello.told, **first}))

    def _text(self, fields: Fields) -> bytes:
        return stringify({"#": self._peers.new_id(), "dam": "relay", **fields})


def _due(hello: Hello) -> float:
    times = [inf] if hello.at is None else [hello.at]
    if hello.doubtful and hello.opened_at is not None:
        times.append(hello.opened_at + NOT_GUNNET_MS)
    return min(times)


def _nothing(_peer: Peer) -> None:
    pass


def _nothing_of_two(_peer: Peer, _twin: Peer) -> None:
    pass


def _never(_peer: Peer) -> bool:
    return False


def _no_urls(_peer: Peer) -> list[str]:
    return []
