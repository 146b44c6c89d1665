"""
The ways back: what the id memory keeps of a message, so that what answers it finds whom it concerns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from gunnet.acyclic import mypyc_attr
from gunnet.graph.lex import Query
from gunnet.mesh.peer import Peer
from gunnet.wire import jstext

ACKS_WANTED = 9
"""So many acks of other peers go to the sender of a put that does not say how many; gun.js asks for 9 too."""

_NOBODY: frozenset[str] = frozenset()
_NO_HASH = 1 << 32  # they have 32 bits


@mypyc_attr(acyclic=True)
class Origin:
    """
    A put and who sent it. Who sent it leads back here by its link, which has an end before the relay has.

    @ivar parts: commits and deferred cells that its ack still waits for.
    @ivar checked: whether it had to be judged by the firewall.
    @ivar failed: whether C{err} was answered.
    @ivar refused: whether something in it may not stand, so that there is no C{ok} for the rest.
    @ivar lost_tie: whether something in it lost to another value of the same state.
    @ivar told: names of relays that, as the relay that sent it says, were sent it too.
    @ivar flooded: whether it goes to everybody as it is, so that subscribers need not be told.
    @ivar echoes: relays that said it too, so that it crossed ours and neither acknowledges it.
    @ivar joined: how many peers had joined when it came: later ones were not among everybody.
    @ivar news_only: of one that goes to everybody, the C{put} with what is news in it, if that is not all.
    @ivar acks: how many acks of other peers its sender is still to get.
    @ivar late: those of them that are held back until our own is out.
    @ivar heard: when it came, or was due, milliseconds since 1970.
    """

    __slots__ = (
        "acks",
        "checked",
        "echoes",
        "failed",
        "flooded",
        "heard",
        "id",
        "joined",
        "late",
        "lost_tie",
        "news_only",
        "parts",
        "peer",
        "refused",
        "told",
    )

    def __init__(self, peer: Peer, id: str) -> None:  # written out, as that of a dataclass is not compiled
        self.peer = peer
        self.id = id
        self.parts = 1
        self.checked = False
        self.failed = False
        self.refused = False
        self.lost_tie = False
        self.told: frozenset[str] = _NOBODY
        self.flooded = False
        self.joined = 0
        self.echoes: set[Peer] | None = None
        self.news_only: bytes | None = None
        self.acks = ACKS_WANTED
        self.late: list[bytes] | None = None
        self.heard = 0.0


class Question:
    """
    A get and who asked.

    @ivar query: what it asks for; L{None} if it asks for nothing that could be, or at great length, or if
        only the local network was asked beside us.
    @ivar asking: how it is asked of others; L{None} if it is not, or of all at once.
    """

    __slots__ = ("_answer", "_digest", "asking", "id", "peer", "query")

    def __init__(self, peer: Peer, id: str, digest: str | None, query: Query | None) -> None:
        self.peer = peer
        self.id = id
        self._digest = digest
        self._answer = _NO_HASH
        self.query = query
        self.asking: Asking | None = None

    @property
    def digest(self) -> str | None:
        """Text of the hash that the asker has, or of the first answer it got."""
        return self._digest if self._answer == _NO_HASH else str(self._answer)

    def got_from_others(self, digest: str | None) -> None:
        """The first answer that the asker got has that hash, as text."""
        self._digest = digest

    def got_from_us(self, digest: int) -> None:
        """
        The first answer that the asker got has that hash. It is kept as a number, for that takes no memory
        of its own then, and tens of thousands of questions are remembered.
        """
        self._answer = digest


class Asking:
    """
    A question as it is asked of others, on behalf of all who asked the same meanwhile.

    @ivar query: what is asked for.
    @ivar askers: their questions, the first one first. Empty while there is only one, which would not leave
        memory before the garbage collector came if it were kept here.
    @ivar asked: who was asked and has not answered, and when that was, in milliseconds.
    @ivar holders: askers that have something, as their hash tells, and were not asked themselves.
    @ivar offers: how many lists of peers that are still to be asked there are.
    @ivar digest: text of the hash of an answer that came; L{None} before.
    @ivar ends_at: until when others that ask the same are added, in milliseconds.
    """

    __slots__ = ("asked", "askers", "digest", "ends_at", "holders", "offers", "query")

    def __init__(self, query: Query, ends_at: float) -> None:
        self.query = query
        self.askers: list[Question] = []
        self.asked: dict[Peer, float] = {}
        self.holders: list[Peer] = []
        self.offers = 0
        self.digest: str | None = None
        self.ends_at = ends_at


@dataclass(slots=True, eq=False)
class Push:
    """An update of our own. @ivar origins: the puts it came from."""

    origins: tuple[Origin, ...]


@dataclass(slots=True, eq=False)
class OwnQuestion:
    """
    A get of our own.

    @ivar peer: who was asked.
    @ivar what: the hash of what for.
    @ivar held: if only one property of a node was asked for, to see whether the peer has that node: text of
        the hash of the node as we had it then.
    """

    peer: Peer
    what: int = 0
    held: str | None = None


@lru_cache(maxsize=256)
def acks_wanted(ok: bytes) -> int:
    """
    How many acks of others the sender of a put wants.

    @param ok: the JSON text of its C{ok}: C{{"@":wanted,"/":peers near}}, if it is as gun.js says it.
    """
    try:
        fields = jstext.parse(ok)
    except ValueError:
        return ACKS_WANTED
    wanted = fields.get("@") if isinstance(fields, dict) else None
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        return ACKS_WANTED
    return int(min(max(wanted, 0), 1 << 31))


Route = Peer | Origin | Question | Push | OwnQuestion
"""What is known of an id; a bare peer is the sender of a message of another kind."""
