"""
Which souls a peer was asked back for, and what is known of it about each (L{gunnet.mesh.askback}).
"""

from __future__ import annotations

from enum import IntEnum

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer


class Standing(IntEnum):
    """
    How a peer stands to a soul.

    @cvar ASKED: it is asked whether it has that node, and what differs in it.
    @cvar HELD: it has that node, and is subscribed to it.
    @cvar TOLD: it was told all of it that we have, too.
    """

    ASKED = 0
    HELD = 1
    TOLD = 2


class Souls:
    """A bounded table of standings, by peer and soul."""

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        # By hashes: the names may be long, and Python's hashes of text can't be foretold.
        self._standings: dict[Peer, dict[int, Standing]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, peer: Peer, soul: str) -> Standing | None:
        """How C{peer} stands to C{soul}; L{None} if it is not in the table."""
        return self._standings.get(peer, {}).get(hash(soul))

    def has_room(self, peer: Peer) -> bool:
        """Whether a soul of C{peer} may be added; it is counted if not."""
        if len(self._standings.get(peer, ())) >= self._limits.peer_ask_back_souls:
            self._counters.count("peer_ask_back_souls_refused")
        elif self._count >= self._limits.ask_back_souls:
            self._counters.count("ask_back_souls_refused")
        else:
            return True
        return False

    def note(self, peer: Peer, soul: str, standing: Standing) -> None:
        """That is how C{peer} stands to C{soul} now. Of a soul that is not in the table, see L{has_room}."""
        standings = self._standings.get(peer)
        if standings is None:
            standings = self._standings[peer] = {}
        before = len(standings)
        standings[hash(soul)] = standing
        self._count += len(standings) - before

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone, or it need not be asked."""
        self._count -= len(self._standings.pop(peer, ()))
