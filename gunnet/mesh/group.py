"""
The local network as one peer: whoever listens to a multicast group (gun.js C{lib/multicast.js}).

What is said to the group reaches all of them, some of it gets lost, and nobody there can be told apart. So
the group is in no list of peers: it is not counted, compared with, told of others or asked for relays, and it
hears nothing that is meant for one. Relays that have found one another there are linked by other ways too;
while all are, nothing is said to the group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gunnet.mesh.peer import Peer

if TYPE_CHECKING:
    from gunnet.transport.interface import Link

DATAGRAM_PARTS = 4
"""
What may be cut is cut to this part of a datagram: it is reckoned in characters, which may have three bytes,
and of a long datagram one lost fragment loses all.
"""


class Group:
    """
    What is known of the group.

    @ivar peer: the group itself; L{None} while there is no link to it.
    @ivar others: whether somebody is there who is not linked to this relay. May be set.
    @ivar members: process ids of the relays there that are linked, and say to the group themselves what is
        to be said. May be set.
    @ivar dialled: URLs of relays that are dialled for no other reason than that they were heard there: nobody
        has said that they are to be trusted. May be set.
    @ivar on_newcomer: asks the group for all that our peers want.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self.peer: Peer | None = None
        self.others = False
        self.members: frozenset[str] = frozenset()
        self.dialled: frozenset[str] = frozenset()
        self.on_newcomer: Callable[[Peer], None] = _nothing

    def join(self, link: Link, name: str) -> Peer:
        """
        A link to the group is open.

        @param name: what the group is called, as gun.js does: C{233.255.255.255:8765}.
        """
        peer = self.peer = Peer(self._new_id())
        peer.is_group = True
        peer.life.opened(link)
        peer.life.named(name)
        return peer

    def meet(self) -> None:
        """Somebody has come who is not going to be linked, and may know what nobody knew before."""
        if self.peer is not None:
            self.peer.asked = set()
            self.on_newcomer(self.peer)

    def trusts(self, peer: Peer) -> bool:
        """Whether C{peer} is a relay that the operator wants, and not only one that was heard there."""
        twin = peer.twin
        return peer.above and self.dialled.isdisjoint({peer.url, None if twin is None else twin.url})

    def hearer(self, source: Peer) -> Peer | None:
        """
        Whom to tell what came from C{source}.

        @return: the group; L{None} if it need not be told, or has it already.
        """
        peer = self.peer
        if peer is None or not peer.up or not self.others:
            return None
        return None if source is peer or source.pid in self.members else peer


def _nothing(_peer: Peer) -> None:
    pass
