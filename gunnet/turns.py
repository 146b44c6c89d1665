"""
The shell around the core: carries out what the relay asks, once per turn of the reactor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gunnet.mesh.asks import ACCEPT, Answer, Ask
from gunnet.mesh.peer import Peer
from gunnet.mesh.puts import Commit
from gunnet.mesh.relay import Relay
from gunnet.mesh.turn import Turn
from gunnet.sea.firewall import Check, Outcome
from gunnet.seeing.timings import Timings
from gunnet.store.interface import Cell
from gunnet.transport.interface import Link
from gunnet.verifier import verify_all

_AFTER_FAULT_MS = 100.0


class Writer(Protocol):
    """Makes cells durable: L{gunnet.store.writer.StoreWriter}."""

    def commit(self, cells: list[tuple[str, str, Cell]]) -> Deferred[None]:
        """Write all or nothing. Fires when it is durable, fails with L{gunnet.store.interface.StoreError}."""


class Verifier(Protocol):
    """Verifies signatures: L{gunnet.verifier.ThreadVerifier}."""

    def verify(self, checks: list[Check]) -> Deferred[list[Outcome]]:
        """Do L{gunnet.sea.firewall.verify} with each, in order. Never fails."""


class InlineVerifier:
    """L{Verifier} without threads: for where time is virtual."""

    def verify(self, checks: list[Check]) -> Deferred[list[Outcome]]:
        """See L{Verifier.verify}."""
        return succeed(verify_all(checks))


class Asked(Protocol):
    """The operator's own rule: L{gunnet.access.rules}."""

    def ask(self, ask: Ask) -> Deferred[Answer]:
        """May that stand? Never fails, and has an end."""


class Dialling(Protocol):
    """Keeps links to other relays: L{gunnet.transport.dialers.Dialers}."""

    def dial(self, url: str, *, guarded: bool) -> None:
        """
        Link to C{url} from now on.

        @param guarded: whether only public addresses may be connected to.
        """

    def hang_up(self, url: str, *, guarded: bool) -> None:
        """
        Do not dial C{url} until L{dial} is called for it.

        @param guarded: as in the L{dial} that this ends.
        """

    def busy(self, url: str) -> None:
        """The relay at C{url} said that it is full: do not dial it again soon."""


class MeshService(Service):
    """
    Drives one L{Relay}. Transports tell it what they hear; a turn later it writes what comes of it.

    @ivar relay: the core.
    @ivar dialling: who links to the relays that the core wants to be linked to; L{None}, as at first, for
        nobody. May be set.
    @ivar timings: how long things take.
    @ivar rule: the operator's own, which is asked if the core says so (C{checks.asking}). May be set.
    """

    name = "mesh"
    _log = Logger()

    def __init__(
        self, relay: Relay, writer: Writer, reactor: IReactorTime, verifier: Verifier | None = None
    ) -> None:
        """
        @param verifier: verifies signatures; the default does so at once.
        """
        self.relay = relay
        self._verifier = verifier or InlineVerifier()
        self.dialling: Dialling | None = None
        self.rule: Asked | None = None
        self.timings = Timings()
        self._writer = writer
        self._reactor = reactor
        self._next: IDelayedCall | None = None
        self._next_at = 0.0
        self._commit: Deferred[None] | None = None
        self._to_ack: list[Commit] = []
        self._turning = False
        self._again = False
        self._drained = False

    def _now(self) -> float:
        return self._reactor.seconds() * 1000

    def startService(self) -> None:
        """Twisted starts the service: turns come when something is to be done."""
        super().startService()
        self._drained = False

    # What transports call

    def dial(self, url: str) -> Peer:
        """The peer to be dialled at C{url}. It outlives its links; what is said to it meanwhile waits."""
        return self.relay.upstream(url)

    def retire(self, url: str) -> None:
        """C{url} is not dialled any more, and its link is gone."""
        self.relay.retire(url)

    def meet(self, link: Link, peer: Peer | None = None) -> Peer | None:
        """
        A link is open.

        @param peer: for a link that we dialled, what L{dial} gave.
        @return: whose it is; L{None} if it is refused, and to be closed by the caller.
        """
        met = self.relay.meet(link, peer)
        if met is None and peer is None:
            farewell = self.relay.farewell()
            if farewell is not None:
                link.send(farewell)
        self._soon()
        return met

    def meet_member(self, link: Link) -> Peer | None:
        """
        A channel to another member of a WebRTC room is open: it is asked for all that our peers want.

        @return: as L{meet}.
        """
        met = self.meet(link)
        if met is not None:
            self.relay.interest.add_member(met)
        return met

    def meet_group(self) -> None:
        """Somebody has come to the local network: he is asked what there is."""
        self.relay.group.meet()
        self._soon()

    def hear(self, peer: Peer, *frames: bytes) -> int:
        """
        Some frames of C{peer}: valid UTF-8. What goes wrong costs that peer's link, and nothing else.

        @return: how many messages were in them.
        """
        messages = 0
        hear, now = self.relay.hear, self._now()
        try:
            for frame in frames:
                messages += hear(peer, frame, now)
        except Exception:
            self._fault(peer, "on a frame")
        self._soon()
        return messages

    def hear_oversized(self, peer: Peer) -> None:
        """A message over C{limits.message_bytes} was skipped by the transport."""
        self.relay.hear_oversized(peer)
        self._soon()

    def pause(self, peer: Peer) -> None:
        """The transport's buffer is full."""
        self.relay.pause(peer)

    def resume(self, peer: Peer) -> None:
        """It has drained."""
        self.relay.resume(peer)
        self._soon()

    def lose(self, peer: Peer, reason: str) -> None:
        """The link of C{peer} is gone: once for each L{meet}."""
        self._log.debug("lost {peer}: {reason}", peer=peer.name, reason=reason)
        self.relay.lose(peer)
        self._soon()

    def _fault(self, peer: Peer, where: str, failure: Failure | None = None) -> None:
        self.relay.counters.count("faults")
        self._log.failure("the relay failed {where} of {peer}", failure, where=where, peer=peer.name)
        self.relay.drop(peer, "internal error")

    # Turns

    def _soon(self) -> None:
        if self._turning:
            self._again = True
        else:
            self._call_at(self._now())

    def _call_at(self, at: float) -> None:
        """See to it that a turn comes at C{at} (milliseconds since 1970), or earlier."""
        if self._drained or (self._next is not None and self._next_at <= at):
            return
        self._forget_next()
        self._next_at = at
        self._next = self._reactor.callLater(max(0.0, (at - self._now()) / 1000), self._turn)

    def _turn(self) -> None:
        self._next = None
        self._turning = True
        self._again = False
        try:
            again_at = self._carry_out()
        except Exception:
            self.relay.counters.count("faults")
            self._log.failure("the relay failed in a turn")
            again_at = self._now() + _AFTER_FAULT_MS
        self._turning = False
        if self._again:
            again_at = self._now()
        if again_at is not None:
            self._call_at(again_at)

    def _carry_out(self) -> float | None:
        now = self._now()
        for peer in self.relay.waiting():
            try:
                self.relay.serve_waiting(peer, now)
            except Exception:
                self._fault(peer, "on what waited")
        turn = self.relay.turn(now)
        for faulty, error in turn.faults:
            self._fault(faulty, "on a signed put", Failure(error))
            self._again = True
        if turn.commit is not None:
            self._begin(turn.commit)
        self._verify(turn.checks)
        self._ask(turn.asks)
        self._move(turn)
        self._measure(turn, now)
        if self.dialling is not None:
            for each in turn.hang_up:
                self.dialling.hang_up(each.url, guarded=each.guarded)
            for each in turn.dial:
                self.dialling.dial(each.url, guarded=each.guarded)
            for url in turn.busy:
                self.dialling.busy(url)
        return turn.again_at

    def _measure(self, turn: Turn, began: float) -> None:
        """All that a turn had to write was written."""
        now, timings = self._now(), self.timings
        timings.turns.observe(max(0.0, now - began) / 1000)
        if turn.deliveries:
            timings.deliveries.observe(max(0.0, now - turn.heard) / 1000, turn.deliveries)
        if self._to_ack:
            for commit in self._to_ack:
                timings.acked(commit, now)
            self._to_ack.clear()
        if self.relay.trace is not None:
            self.relay.trace.turn_ended()

    def _move(self, turn: Turn) -> None:
        """Do with links what a turn asks for."""
        for link in turn.hold:
            self._guarded(link, link.pause_reading)
        for link, frames in turn.frames:  # without L{_guarded}, as each update goes this way to each peer
            try:
                link.send(*frames)
            except Exception:
                self._failed(link)
        for drop in turn.drops:
            self._log.info("dropping {peer}: {reason}", peer=drop.link.name, reason=drop.reason)
            self._guarded(drop.link, partial(drop.link.drop, drop.reason))
        for link in turn.release:
            self._guarded(link, link.resume_reading)

    def _guarded(self, link: Link, action: Callable[[], object]) -> None:
        """Do something with a link; what goes wrong costs that link, and not the rest of the turn."""
        try:
            action()
        except Exception:
            self._failed(link)

    def _failed(self, link: Link) -> None:
        self.relay.counters.count("faults")
        self._log.failure("{link} failed", link=link.name)
        try:
            link.drop("internal error")
        except Exception:
            self._log.failure("{link} could not be dropped", link=link.name)

    def _begin(self, commit: Commit) -> None:
        began = self._now()
        self._commit = done = maybeDeferred(self._writer.commit, commit.batch.rows())
        done.addCallbacks(lambda _: None, self._why)
        done.addCallback(lambda error: self._settled(commit, error, began))
        done.addErrback(self._unsettled, "after a commit")

    def _why(self, failure: Failure) -> str:
        error = failure.getErrorMessage()
        self._log.error("could not store: {error}", error=error)
        return error

    def _settled(self, commit: Commit, error: str | None, began: float) -> None:
        self._commit = None
        if error is None:
            self.timings.commits.observe(max(0.0, self._now() - began) / 1000)
            self.timings.commit_cells.observe(commit.batch.count)
            self._to_ack.append(commit)
        self.relay.settled(commit, error)
        self._soon()

    def _unsettled(self, failure: Failure, where: str) -> None:
        self.relay.counters.count("faults")
        self._log.failure("the relay failed {where}", failure, where=where)
        self._soon()

    def _verify(self, checks: list[Check]) -> None:
        if checks:
            verified = maybeDeferred(self._verifier.verify, checks)
            verified.addCallback(self._checked)
            verified.addErrback(self._unsettled, "after verifying")

    def _checked(self, outcomes: list[Outcome]) -> None:
        self.relay.checks.settle(outcomes)
        self._soon()

    def _ask(self, asks: list[Ask]) -> None:
        for ask in asks:
            asked = succeed(ACCEPT) if self.rule is None else maybeDeferred(self.rule.ask, ask)
            asked.addCallback(self._answered, ask.number)
            asked.addErrback(self._unsettled, "after asking the operator's rule")

    def _answered(self, answer: Answer, number: int) -> None:
        self.relay.checks.answered(number, answer)
        self._soon()

    def stopService(self) -> Deferred[None]:
        """
        Do the last turns, until all that was accepted is committed and acknowledged.

        @return: fires then.
        """
        super().stopService()
        self.relay.hurry()
        return self._drain()

    def _drain(self) -> Deferred[None]:
        self._again = True
        while self._again and self._commit is None:
            self._forget_next()
            self._turn()
        self._forget_next()
        if self._commit is None:
            self._drained = True
            return succeed(None)
        drained: Deferred[None] = Deferred()
        self._commit.addCallback(lambda _: self._drain().chainDeferred(drained))
        return drained

    def _forget_next(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
