"""
What other relays were told and have not acknowledged, so that a change is not lost with the link it was on.

What is kept is names of cells and not messages: what is said again is what stands by then, merged, under a
fresh id. So it has a bound, and a cell that changes often while an upstream is away costs one message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from math import inf

from gunnet.counters import Counters
from gunnet.graph.answer import in_order, render
from gunnet.graph.ham import Cell
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.mesh.debt import RETRY_MS, Debt, size_of
from gunnet.mesh.debt import Name as Name
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.routes import Push, Route
from gunnet.store.interface import StoreError
from gunnet.wire.dup import Dup
from gunnet.wire.jstext import string

RETRY_MS_MAX = 60_000.0

FORGET_MS = 60_000.0
"""A gun.js relay acknowledges only what is news to it: after so long on one link, it has the rest."""

RECENT_MS = 5_000.0
"""
So long at least, and twice as long at most, it is known that something was acknowledged: who compares graphs
at that moment need not say it again.
"""

HOLD_MS = 10_000.0
"""
So long after a link is new, what its relay missed waits for the comparison of graphs, which shows what of it
the relay really lacks.
"""

UNKNOWN_MS = 2_000.0
"""The same, where it was never known and has not said whether it is a gunnet relay, which can be compared."""

CELLS_PER_TURN = 500

_SLOWER = 0.9


class Unacked:
    """
    Minds the updates to other relays.

    @ivar will_compare: whether the graph of a peer whose link is up is going to be compared, or may be.
    @ivar size: roughly what the names take in memory, in bytes.
    @ivar on_acked: each is called with a relay, names of cells of which it has answered all that was said,
        and whether that was a refusal. May be added to; what is called must not raise.
    @ivar will_tell: whether a peer is told a cell at the end of this turn (L{gunnet.mesh.axe}); to be set.
    """

    def __init__(
        self, graph: Graph, peers: Peers, dup: Dup[Route], limits: Limits, counters: Counters
    ) -> None:
        self._graph = graph
        self._peers = peers
        self._dup = dup
        self._limits = limits
        self._counters = counters
        self._debts: dict[Peer, Debt] = {}
        self._slowest: dict[Peer, float] = {}
        self.will_compare: Callable[[Peer], bool] = _never
        self.will_tell: Callable[[Peer, str, str], bool] = _tells_nothing
        self.on_acked: list[Callable[[Peer, list[Name], bool], None]] = []
        self.size = 0

    def __len__(self) -> int:
        """How many relays may not have all."""
        return sum(map(self.owes, self._debts))

    def said(self, peer: Peer, update: str, names: list[Name], now: float) -> None:
        """
        An update went out to C{peer}, which is minded if it is a relay.

        @param update: its message id.
        """
        if peer.above or peer.is_gunnet:
            debt = self._debt(peer)
            debt.add(update, names, now)
            self.size -= debt.forget_missed(names)
            self._grow(peer, names)

    def owe(self, peer: Peer, names: Iterable[Name]) -> None:
        """
        C{peer} is to be told the cells C{names}, as soon as it can be; if it is away, what it lacks of them
        when it is back.
        """
        debt = self._debt(peer)
        self._note(peer, debt.owed if peer.up else debt.missed, names)

    def _note(self, peer: Peer, noted: dict[Name, None], names: Iterable[Name]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in noted]
        noted.update(dict.fromkeys(new))
        self._grow(peer, new)

    # Comparing graphs (gunnet.mesh.sync) finds what was missed

    def begin_comparing(self, peer: Peer) -> None:
        """The graph of C{peer} is being compared from now on."""
        debt = self._debts.get(peer)
        if debt is not None:
            self.size -= size_of([name for name in debt.missed if name in debt.compared])
            debt.compared.update(debt.missed)
            debt.missed.clear()

    def end_comparing(self, peer: Peer, *, done: bool) -> None:
        """
        The comparison has ended.

        @param done: whether all was compared: C{peer} has what it had missed, or is being told it. Else it is
            to be told all.
        """
        debt = self._debts.get(peer)
        if debt is None:
            return
        if done:
            self.size -= size_of(debt.compared)
            debt.compared.clear()
        else:
            self._release(debt)
        self._tidy(peer, debt)

    def has_missed(self, peer: Peer) -> bool:
        """Whether a comparison that came to nothing is to be begun again: something was missed."""
        debt = self._debts.get(peer)
        return debt is not None and bool(debt.missed or debt.compared)

    def _release(self, debt: Debt) -> None:
        """What was missed is to be said."""
        for names in (debt.missed, debt.compared):
            self.size -= size_of([name for name in names if name in debt.owed])
            debt.owed.update(names)
            names.clear()
        debt.held_at = None

    def inherit(self, peer: Peer, twin: Peer) -> None:
        """C{twin} stands for C{peer} from now on, which is the same relay: it is told what still is to be."""
        debt = self._debts.get(peer)
        if debt is not None:
            names = [*debt.owed, *debt.missed, *debt.compared]
            for noted in (debt.owed, debt.missed, debt.compared):
                self.size -= size_of(noted)
                noted.clear()
            self._note(twin, self._debt(twin).missed, names)
            self._tidy(peer, debt)

    def acked(self, peer: Peer, update: str, now: float, *, refused: bool = False) -> None:
        """
        C{peer} answered an update.

        @param now: milliseconds since 1970.
        @param refused: whether it did so with C{err}: it has read it, but has not got what is in it.
        """
        debt = self._debts.get(peer)
        if debt is None:
            return
        said_at, _ = debt.said.get(update, (now, None))
        names = debt.take(update)
        if names:
            slowest = max(now - said_at, self._slowest.get(peer, 0.0) * _SLOWER)
            self._slowest[peer] = slowest
            debt.pause_ms = min(max(RETRY_MS, 2 * slowest), RETRY_MS_MAX)
            self.size -= size_of(names)
            new = [] if refused else [name for name in dict.fromkeys(names) if name not in debt.recent]
            debt.recent.update(dict.fromkeys(new))
            self.size += size_of(new)
            self._answered(peer, debt, names, refused=refused)
            self._tidy(peer, debt)

    def _answered(self, peer: Peer, debt: Debt, names: list[Name], *, refused: bool = False) -> None:
        if self.on_acked:
            left = (debt.under_way, debt.owed, debt.missed, debt.compared)
            answered = [name for name in names if not any(name in each for each in left)]
            for call in self.on_acked:
                call(peer, answered, refused)

    def is_told(self, peer: Peer, soul: str, key: str) -> bool:
        """Whether C{peer} was told a cell a moment ago, or is being told it anyway, as it stands."""
        name = (soul, key)
        both = [each for each in (peer, peer.twin) if each is not None]
        if any(self.will_tell(each, soul, key) for each in both):
            return True
        debts = [self._debts[each] for each in both if each in self._debts]
        if any(name in debt.missed or name in debt.compared for debt in debts):
            return False  # it has changed after it was told
        return any(debt.is_told(name) for debt in debts)

    def long_told(self, peer: Peer, before: float) -> set[Name]:
        """
        The cells that C{peer} was last told before that, milliseconds since 1970, and those of which its
        acknowledgement is not the latest news. What of them it lacks by now it has lost.
        """
        debt = self._debts.get(peer)
        if debt is None:
            return set()
        found = set(debt.earlier).difference(debt.recent)
        for said_at, names in debt.said.values():
            if said_at <= before:
                found.update(names)
            else:
                found.difference_update(names)
        return found

    def owes(self, peer: Peer) -> bool:
        """Whether C{peer} may not have all."""
        debt = self._debts.get(peer)
        return debt is not None and bool(debt.said or debt.owed or debt.missed or debt.compared)

    def lost(self, peer: Peer, heir: Peer | None) -> None:
        """
        The link of C{peer} is gone.

        @param heir: who is to be told what it may not have: itself when it is dialled again, or its twin.
        """
        debt = self._debts.pop(peer, None)
        self._slowest.pop(peer, None)
        if debt is None:
            return
        names = list(debt)
        self.size -= size_of(names) + size_of(debt.recent) + size_of(debt.earlier)
        if heir is None:
            return
        if names:
            self._note(heir, self._debt(heir).missed, names)
        if peer.is_leaving and heir.up:
            # The same relay by another link: it has what it acknowledged on this one.
            kept = self._debt(heir)
            self._note(heir, kept.recent, [*debt.recent, *debt.earlier])

    def run(self, now: float) -> None:
        """Say again what is due."""
        for peer, debt in list(self._debts.items()):
            if not peer.up or peer.paused or peer.link is None:
                continue
            if not peer.is_gunnet:
                self._forget_old(peer, debt, now)
            elif not peer.link.reliable:
                self._give_up_waiting(peer, debt, now)
            if debt.shift_at <= now:
                self._shift(debt, now)
            if debt.missed or debt.compared:
                self._hold(peer, debt, now)
            if debt.owed and self._has_room(peer):
                self._say_owed(peer, debt, now)
            self._tidy(peer, debt)

    def next_at(self, now: float) -> float:
        """When L{run} has something to do, milliseconds since 1970; infinity if nothing waits."""
        return min([self._due(peer, debt, now) for peer, debt in self._debts.items()], default=inf)

    def _due(self, peer: Peer, debt: Debt, now: float) -> float:
        if not peer.up or peer.paused or peer.link is None:
            return inf
        if debt.owed and self._has_room(peer):
            return now
        due = debt.shift_at if debt.recent or debt.earlier else inf
        if debt.missed or debt.compared:
            due = min(due, now if debt.held_at is None else _held_until(peer, debt.held_at))
        if debt.said and not (peer.is_gunnet and peer.link.reliable):
            said_at, _ = next(iter(debt.said.values()))
            due = min(due, said_at + (debt.pause_ms if peer.is_gunnet else FORGET_MS))
        return due

    def _hold(self, peer: Peer, debt: Debt, now: float) -> None:
        if debt.held_at is None:
            debt.held_at = now
        if _held_until(peer, debt.held_at) <= now or not self.will_compare(peer):
            self._release(debt)

    def _has_room(self, peer: Peer) -> bool:
        return peer.outbox.size <= self._limits.answer_bytes

    def _give_up_waiting(self, peer: Peer, debt: Debt, now: float) -> None:
        late = [update for update, (at, _) in debt.said.items() if at + debt.pause_ms <= now]
        if not late:
            return
        self._counters.count("updates_said_again", len(late))
        for update in late:
            for name in debt.take(update):
                # What was said later of it covers it, and so does what the same relay is told as an upstream.
                if name in debt.owed or name in debt.under_way or (peer.is_shadow and not peer.above):
                    self.size -= size_of([name])
                else:
                    debt.owed[name] = None
        debt.pause_ms = min(2 * debt.pause_ms, RETRY_MS_MAX)

    def _shift(self, debt: Debt, now: float) -> None:
        """Forget what was acknowledged some time ago."""
        self.size -= size_of(debt.earlier)
        debt.earlier, debt.recent = debt.recent, {}
        debt.shift_at = now + RECENT_MS

    def _forget_old(self, peer: Peer, debt: Debt, now: float) -> None:
        for update in [update for update, (at, _) in debt.said.items() if at + FORGET_MS <= now]:
            names = debt.take(update)
            self.size -= size_of(names)
            self._answered(peer, debt, names)

    def _say_owed(self, peer: Peer, debt: Debt, now: float) -> None:
        names = []
        nodes: dict[str, list[tuple[str, Cell]]] = {}
        size = 0
        for name in islice(debt.owed, CELLS_PER_TURN):
            names.append(name)
            try:
                cell = self._graph.known(*name)
            except StoreError:
                self._counters.count("store_reads_failed")
                peer.behind = True
                continue
            if cell is not None:
                nodes.setdefault(name[0], []).append((name[1], cell))
                size += 2 * len(name[1]) + len(name[0]) + len(cell[1])
                if size >= self._limits.answer_bytes:
                    break
        for name in names:
            del debt.owed[name]
        self.size -= size_of(names)
        if nodes:
            update = self._peers.new_id()
            self._dup.remember(update, Push(()))
            self._peers.say(
                peer,
                b'{"#":%b,"ok":{"@":2,"/":%d},"put":%b}'
                % (string(update), self._peers.near, render(in_order(nodes))),
            )
            self.said(peer, update, [(soul, key) for soul, cells in nodes.items() for key, _ in cells], now)

    def _debt(self, peer: Peer) -> Debt:
        debt = self._debts.get(peer)
        if debt is None:
            debt = self._debts[peer] = Debt()
            debt.pause_ms = min(max(RETRY_MS, 2 * self._slowest.get(peer, 0.0)), RETRY_MS_MAX)
        return debt

    def _grow(self, peer: Peer, names: list[Name]) -> None:
        self.size += size_of(names)
        if self.size > self._limits.unacked_bytes:
            # Comparing the graphs finds what is forgotten here (gunnet.mesh.sync).
            self._counters.count("unacked_bytes_evicted")
            peer.behind = True
            self.lost(peer, None)

    def _tidy(self, peer: Peer, debt: Debt) -> None:
        if not (self.owes(peer) or debt.recent or debt.earlier):
            self._debts.pop(peer, None)


def _held_until(peer: Peer, since: float) -> float:
    return since + (UNKNOWN_MS if peer.was_gunnet is None else HOLD_MS)


def _never(_peer: Peer) -> bool:
    return False


def _tells_nothing(_peer: Peer, _soul: str, _key: str) -> bool:
    return False
