"""
Puts that wait for the firewall (L{gunnet.sea.firewall}).

Most need not wait. Those with signatures do: these are handed out in batches, one at a time, and verified
elsewhere. If the operator has a rule, it is asked next, about what is allowed so far. Then the puts are taken
in in the order in which they were heard, so that of one soul nothing overtakes anything.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gunnet.counters import Counters
from gunnet.graph.merge import Graph
from gunnet.graph.node import PutCell
from gunnet.limits import Limits
from gunnet.mesh.asks import Answer, Ask
from gunnet.mesh.peer import Peer
from gunnet.mesh.quotas import Quotas
from gunnet.mesh.writers import Writers
from gunnet.sea.firewall import Check, Firewall, Judgement, Outcome, Rules, Verdict
from gunnet.sea.text import from_json_text
from gunnet.store.interface import StoreError

Judged = Callable[[list[Verdict], float], None]
"""Goes on with a put: (what becomes of each of its cells, milliseconds since 1970)."""


@dataclass(slots=True, eq=False)
class _Put:
    """
    A put that waits.

    @ivar outcomes: of each cell, or the L{Check} that it waits for.
    @ivar waiting: how many of them are still to come, or 1 while the operator's rule is asked.
    @ivar answer: what that said.
    @ivar again: whether it was judged before, when it came.
    """

    peer: Peer
    message: str
    cells: list[PutCell]
    outcomes: list[Outcome | Check]
    waiting: int
    size: int
    judged: Judged
    answer: Answer | None = None
    again: bool = False


class Checks:
    """
    Has puts judged, in order.

    @ivar firewall: says what may stand; its rules may be set at any time.
    @ivar writers: says what comes too fast.
    @ivar quotas: says what there is no room for.
    @ivar asking: whether the operator has a rule to be asked. May be set.
    """

    def __init__(self, rules: Rules, graph: Graph, limits: Limits, counters: Counters) -> None:
        self.firewall = Firewall(limits, counters, rules)
        self.writers = Writers(limits, counters)
        self.quotas = Quotas(graph, limits, counters)
        self._graph = graph
        self._limits = limits
        self._counters = counters
        self._puts: deque[_Put] = deque()
        self._souls: Counter[str] = Counter()
        self._handed_out: list[tuple[_Put, int]] | None = None
        self._next: deque[tuple[_Put, int]] = deque()
        self._to_ask: deque[_Put] = deque()
        self._asked: dict[int, _Put] = {}
        self._last_ask = 0
        self.asking = False
        self.size = 0

    def __len__(self) -> int:
        """How many puts wait."""
        return len(self._puts)

    @property
    def has_room(self) -> bool:
        """Whether one more put may wait."""
        return self.size <= self._limits.unchecked_bytes

    def concern(self, cells: list[PutCell]) -> bool:
        """Whether any of C{cells} is to be judged, or has to wait for what is being judged in its soul."""
        if self.quotas.limited or self.asking:
            return True
        soul = None
        for cell in cells:
            if cell[0] != soul:
                soul = cell[0]
                if self.firewall.concerns(soul) or soul in self._souls:
                    return True
        return False

    def judge(
        self,
        peer: Peer,
        message: str,
        cells: list[PutCell],
        size: int,
        judged: Judged,
        now: float,
        *,
        again: bool = False,
    ) -> None:
        """
        Have a put judged, at once if that can be.

        @param message: its id.
        @param size: of the put, bytes.
        @param judged: called once, now or later.
        @param again: whether it was judged before, when it came; then it does not count once more for how
            fast somebody writes.
        """
        firewall = self.firewall
        outcomes: list[Outcome | Check] = []
        waiting = 0
        concerns = soul = None
        for cell in cells:
            if cell[0] != soul:
                soul = cell[0]
                concerns = firewall.concerns(soul)
            outcome = firewall.judge(cell, now) if concerns else Judgement.ALLOWED
            waiting += isinstance(outcome, Check)
            outcomes.append(outcome)
        put = _Put(peer, message, cells, outcomes, waiting, size, judged, again=again)
        if not waiting:
            self._have_asked(put)
        if not put.waiting and not any(cell[0] in self._souls for cell in cells):
            judged(self._verdicts(put, now), now)
            return
        self._puts.append(put)
        self._souls.update({cell[0] for cell in cells})
        self._next.extend((put, at) for at, outcome in enumerate(outcomes) if isinstance(outcome, Check))
        peer.unchecked += len(cells)
        self.size += size

    def _verdicts(self, put: _Put, now: float) -> list[Verdict]:
        verdicts = [self._conclude(outcome) for outcome in put.outcomes]
        if put.answer is not None and put.answer.action != "accept":
            said = Judgement.DROPPED if put.answer.action == "drop" else put.answer.err
            verdicts = [said if verdict is Judgement.ALLOWED else verdict for verdict in verdicts]
        # Relays that are dialled pass on what others wrote.
        if self.writers.limited and put.peer.url is None and not put.again:
            verdicts = self.writers.judge(put.cells, verdicts, now)
        if self.quotas.limited:
            verdicts = self.quotas.judge(put.cells, verdicts)
        return verdicts

    def judge_again(self, peer: Peer, cell: PutCell, judged: Judged, now: float) -> None:
        """Have a cell of C{peer} judged once more, since it could not stand at once when it was."""
        if self.concern([cell]):
            self.judge(peer, "", [cell], len(cell[3]), judged, now, again=True)
        else:
            judged([Judgement.ALLOWED], now)

    def _have_asked(self, put: _Put) -> None:
        """Ask about what there is left of a put whose signatures are verified, if anything is."""
        if self.asking and self._allowed(put):
            put.waiting = 1
            self._to_ask.append(put)

    def _allowed(self, put: _Put) -> tuple[PutCell, ...]:
        return tuple(
            cell
            for cell, outcome in zip(put.cells, put.outcomes, strict=True)
            if self._conclude(outcome) is Judgement.ALLOWED
        )

    def cut_asks(self) -> list[Ask]:
        """What the operator's rule is to be asked now."""
        asks = []
        while self._to_ask and len(self._asked) < self._limits.asks:
            put = self._to_ask.popleft()
            self._last_ask += 1
            self._asked[self._last_ask] = put
            link = put.peer.link
            name = put.peer.name if link is None else link.name
            asks.append(Ask(self._last_ask, put.message, name, self._allowed(put)))
        if self._to_ask and asks:
            self._counters.count("asks_exceeded")
        return asks

    @property
    def asked(self) -> int:
        """About how many puts the operator's rule has been asked and has not answered."""
        return len(self._asked)

    @property
    def to_verify(self) -> int:
        """How many signatures wait to be verified, or are being."""
        return len(self._next) + len(self._handed_out or ())

    def answered(self, number: int, answer: Answer) -> None:
        """The operator's rule has answered: C{number} says which of L{cut_asks}."""
        put = self._asked.pop(number)
        put.answer = answer
        put.waiting = 0
        if answer.action == "reject":
            self._counters.count("puts_refused_by_rule")

    def _conclude(self, outcome: Outcome | Check) -> Verdict:
        assert not isinstance(outcome, Check)
        return self.firewall.conclude(outcome, self._read)

    def _read(self, soul: str, key: str) -> object:
        """A value as it is stored: what can't be read blocks nobody."""
        try:
            cell = self._graph.known(soul, key)
        except StoreError:
            self._counters.count("store_reads_failed")
            return None
        return None if cell is None else from_json_text(cell[1])

    def cut(self) -> list[Check]:
        """What is to be verified now; nothing while the last batch has not come back."""
        if self._handed_out is not None or not self._next:
            return []
        self._handed_out = [
            self._next.popleft() for _ in range(min(len(self._next), self._limits.check_batch))
        ]
        checks = [put.outcomes[at] for put, at in self._handed_out]
        return [check for check in checks if isinstance(check, Check)]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """
        A batch has come back.

        @param outcomes: of its checks, in order.
        """
        handed_out, self._handed_out = self._handed_out or [], None
        for (put, at), outcome in zip(handed_out, outcomes, strict=True):
            check = put.outcomes[at]
            assert isinstance(check, Check)
            self.firewall.learn(check, outcome)
            self._counters.count("verifications_done")
            if isinstance(outcome, str):
                self._counters.count("verifications_failed")
            put.outcomes[at] = outcome
            put.waiting -= 1
            if not put.waiting:
                self._have_asked(put)

    @property
    def is_ready(self) -> bool:
        """Whether L{run} has something to do."""
        return bool(self._puts) and not self._puts[0].waiting

    def run(self, count: int, now: float) -> list[tuple[Peer, Exception]]:
        """
        Go on with up to C{count} puts of which all is verified.

        @return: the puts with which something went wrong that should not, by who sent them.
        """
        faults = []
        for _ in range(count):
            if not self.is_ready:
                break
            put = self._puts.popleft()
            try:
                self._go_on(put, now)
            except Exception as error:
                faults.append((put.peer, error))
        return faults

    def _go_on(self, put: _Put, now: float) -> None:
        put.peer.unchecked -= len(put.cells)
        self.size -= put.size
        for soul in {cell[0] for cell in put.cells}:
            self._souls[soul] -= 1
            if not self._souls[soul]:
                del self._souls[soul]
        put.judged(self._verdicts(put, now), now)
