"""
The ways back: what the id memory keeps of a message, so that what answers it finds whom it concerns.
"""

from __future__ import annotations

from dataclasses import dataclass

from gunnet.graph.lex import Query
from gunnet.mesh.peer import Peer


@dataclass(slots=True, eq=False)
class Origin:
    """
    A put and who sent it.

    @ivar parts: commits and deferred cells that its ack still waits for.
    @ivar failed: whether C{err} was answered.
    @ivar lost_tie: whether something in it lost to another value of the same state.
    @ivar late: acks of other peers, held back until our own is out.
    """

    peer: Peer
    id: str
    parts: int = 1
    failed: bool = False
    lost_tie: bool = False
    late: list[bytes] | None = None


@dataclass(slots=True, eq=False)
class Question:
    """
    A get and who asked.

    @ivar digest: text of the hash that the asker has, or of the first answer it got.
    @ivar query: what it asks for; L{None} if it asks for nothing that could be.
    """

    peer: Peer
    id: str
    digest: str | None
    query: Query | None


@dataclass(slots=True, eq=False)
class Push:
    """An update of our own. @ivar origins: the puts it came from."""

    origins: tuple[Origin, ...]


@dataclass(slots=True, eq=False)
class OwnQuestion:
    """A get of our own. @ivar upstream: who was asked."""

    upstream: Peer


Route = Peer | Origin | Question | Push | OwnQuestion
"""What is known of an id; a bare peer is the sender of a message of another kind."""
