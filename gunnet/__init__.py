"""
gunnet: a network node for GUN, the decentralised realtime graph.

Data walks through these rooms in one direction and comes out the other side::

    bytes -transport-> frames -wire-> messages -dup-> fresh -sea-> allowed -ham,graph-> changes
    bytes <-transport- frames <-outbox,wire- deliveries <-axe--------------------------------+
                                       disk <-store (commit)-> acks <------------------------+

The core decides. It reads no clock, throws no dice and opens nothing:

  - L{gunnet.limits}: every bound, by name; L{gunnet.counters}: what was refused, evicted or went wrong;
    L{gunnet.acyclic}: what mypyc is to know.
  - L{gunnet.wire}: what is said. C{message} (frames and messages), C{envelope} (the fields of one), C{jstext}
    (numbers, strings and text order exactly as JavaScript has them), C{dup} (the id memory), C{ids}.
  - L{gunnet.graph}: what is known. C{ham} (which write stands), C{node} and C{meta} (puts checked and taken
    apart), C{lex} and C{query} (what a get selects), C{match} (what a client matches), C{merge} (the graph
    over a store), C{cache} (hot nodes), C{deferred} (writes from the future), C{answer} (answers assembled
    from stored text).
  - L{gunnet.sea}: who said it, and who may read it. C{signatures}, C{puts} and C{certificates} (what may
    stand in the graph of a user), C{firewall} (what may stand where), C{encryption}, C{hashing}, C{users}
    (accounts), C{keys}, C{pairs}.
  - L{gunnet.mesh}: who hears it. C{peer} (one peer's life), C{peers} (the table, and saying things),
    C{outbox} (packing), C{subscriptions}, C{axe} (updates), C{askback}, C{hashes} and C{behind} (of clients
    that were cut off), C{put_messages}, C{checks} (whether they may stand), C{pace} (and that others do not
    wait for that), C{asks} (what the operator says), C{writers} (and not too fast, by C{buckets}), C{quotas}
    (how much there may be), C{puts}, C{commits}, C{gets},
    C{questions} (asking others), C{interest} (what the relays above are to keep us up to date about),
    C{unanswered}, C{wanted} (whether a client wants what relays want of one another), C{forward} (acks and
    answers on their way back), C{routes} (what is kept for that), C{gossip} and C{urls} (relays that others
    tell of), C{group} (the local network), C{relay} (the front door); C{figures}, C{heard}
    and C{trace}, for those who look.

The ports are what core and shell agree on: L{gunnet.transport.interface}, L{gunnet.store.interface}.

The shell carries it out, on Twisted:

  - L{gunnet.transport}: how it moves. C{websocket} in and out, C{link} (what both have in common),
    C{incoming} (what is heard, by C{text_frames} for the most part), C{light} (and at what weight),
    C{timers}; C{dialers}, the links that we open;
    C{memory}; C{addresses}: how much one may do; C{multicast}: the local network, with C{lan} (its sockets)
    and C{neighbours} (who is there).
  - L{gunnet.store}: where it is kept. C{lmdb}, C{memory}; C{writer} commits in a thread, C{records} is
    what; C{looking} reads beside a relay; C{mapped} keeps down what the system counts as memory.
  - L{gunnet.web}: what is seen over plain HTTP; C{mount}: in somebody else's site.
  - L{gunnet.seeing}: what those who run it see: C{collector} (metrics, named in C{catalogue}), C{timings},
    C{readiness}, C{gun_stats} (by gun.js's names), C{logs}; C{showing} has all of them.
  - L{gunnet.tls}: certificates, ours and those of others: C{certificates}, C{outgoing}; C{renewals} (ACME).
  - L{gunnet.access}: who may use it. C{wanted} (as the operator said), C{policies} (as a program did),
    C{files} (lists of keys and secrets), C{door} (who may connect), C{tokens} and C{users} (ways to know
    them), C{rules} and C{program} (the operator's own), C{gate} (all of it).
  - L{gunnet.front}: what stands before it. C{clients} (whose request it is), from C{forwarded}, for those who
    are C{trusted}; C{proxy_protocol}; C{socket_file}; C{redirect} from plain HTTP; as C{wanted}.
  - L{gunnet.rtc}: being a member of a WebRTC room, with C{aiortc}; STUN and TURN servers.
  - L{gunnet.peers_from}: relays out of a list on the web.
  - L{gunnet.turns}: one turn of the reactor, one turn of the relay.
  - L{gunnet.settings} (from L{gunnet.sources} by L{gunnet.option_group}), L{gunnet.service}: what a relay is
    told, and its parts; L{gunnet.listener}: where it listens (by L{gunnet.listening}).
  - L{gunnet.client}: the chain, for programs: C{Gun}.
  - C{gunnet.tap}, C{gunnet.cli} (and L{gunnet.usage}): the command line; the only place that names a reactor.
  - L{gunnet.testing}: test doubles, for you too. L{gunnet.simulate}: whole meshes on a virtual clock.
  - L{gunnet.compiled}: whether this is pure Python.
  - L{gunnet.bench}: load for a relay, and what becomes of it.

Programs need few of these names; those can be had from here as well: L{Gun<gunnet.client.gun.Gun>},
L{RelayService<gunnet.service.RelayService>}, L{GunResource<gunnet.web.mount.GunResource>},
L{Settings<gunnet.settings.Settings>}, L{Access<gunnet.access.wanted.Access>},
L{Policies<gunnet.access.policies.Policies>}, L{Limits<gunnet.limits.Limits>}.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gunnet.access.policies import Policies as Policies
    from gunnet.access.wanted import Access as Access
    from gunnet.client import Gun as Gun
    from gunnet.limits import Limits as Limits
    from gunnet.service import RelayService as RelayService
    from gunnet.settings import Settings as Settings
    from gunnet.web.mount import GunResource as GunResource

__version__ = "0.1.0"

_PUBLIC = {
    "Access": "gunnet.access.wanted",
    "Gun": "gunnet.client",
    "GunResource": "gunnet.web.mount",
    "Limits": "gunnet.limits",
    "Policies": "gunnet.access.policies",
    "RelayService": "gunnet.service",
    "Settings": "gunnet.settings",
}
"""What programs may take from here, and where it is: it is loaded when somebody does."""


def __getattr__(name: str) -> Any:
    """Find one of the names for programs."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    """All names, those that are not loaded yet as well."""
    return sorted([*globals(), *_PUBLIC])
