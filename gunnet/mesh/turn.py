"""
What comes of a turn: all that the shell is to carry out.
"""

from __future__ import annotations

from dataclasses import dataclass

from gunnet.mesh.asks import Ask
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Drop
from gunnet.mesh.puts import Commit
from gunnet.sea.firewall import Check
from gunnet.transport.interface import Link


@dataclass(frozen=True)
class Dial:
    """
    A relay to be linked to, or not to be linked to any more.

    @ivar guarded: whether its url came from others, so that it may lead to public addresses only. Otherwise
        the operator wants that link, and it is only suspended or taken up again.
    """

    url: str
    guarded: bool


@dataclass(frozen=True)
class Turn:
    """
    What the shell is to do now, in this order.

    @ivar commit: to be made durable; L{gunnet.mesh.relay.Relay.settled} is to be called when it has ended.
    @ivar checks: to be verified (L{gunnet.sea.firewall.verify});
        L{gunnet.mesh.checks.Checks.settle} is to be called with what comes of them.
    @ivar asks: what the operator's rule is to be asked; L{gunnet.mesh.checks.Checks.answered} is to be called
        with what it says.
    @ivar faults: of ours, with messages of these peers; to be logged, and their links closed.
    @ivar frames: to be written, per link.
    @ivar drops: links to be closed.
    @ivar hold: links from which no more is to be read for now.
    @ivar release: links from which reading goes on.
    @ivar hang_up: links that are not to be dialled for now.
    @ivar dial: links that are to be dialled.
    @ivar busy: urls of relays that are full, not to be dialled again soon.
    @ivar again_at: when L{gunnet.mesh.relay.Relay.turn} is to be called at the latest, milliseconds since
        1970; L{None} for not until something happens.
    @ivar deliveries: how many updates there are in C{frames}, or wait for readers.
    @ivar heard: when what they tell was heard, milliseconds since 1970.
    """

    commit: Commit | None
    checks: list[Check]
    asks: list[Ask]
    faults: list[tuple[Peer, Exception]]
    frames: list[tuple[Link, list[bytes]]]
    drops: list[Drop]
    hold: list[Link]
    release: list[Link]
    hang_up: list[Dial]
    dial: list[Dial]
    busy: list[str]
    again_at: float | None
    deliveries: int = 0
    heard: float = 0.0
