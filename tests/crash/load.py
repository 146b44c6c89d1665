"""
Load for crash tests: connections that write as fast as they are acked, the ledger of what was promised to
them, and the audit that holds the relay to it.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Generator, Iterable

from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults, inlineCallbacks

from tests.crash.raw import ANSWER_SECONDS_MAX, Message, RawPeer, node
from tests.interop.children import within
from tests.interop.relays import Relay

Cell = tuple[str, str]

WRITERS = 4
OUTSTANDING_MAX = 200
CELLS_PER_PUT_MAX = 4
KEYS_PER_NODE = 40
OVERWRITES_PER_PUT = 0.3
READS_AT_A_TIME = 50
LOST_SECONDS = 5.0


class Ledger:
    """
    What was written and what was acked.

    @ivar written: all values sent for each cell, with states that rise.
    @ivar acked: for each cell that has an ack, the number of the last value that was acked.
    """

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.written: dict[Cell, list[str]] = {}
        self.acked: dict[Cell, int] = {}
        self.puts_acked = 0
        self.refusals: list[Message] = []
        # All states lie in the past, and none comes twice.
        self._states = itertools.count(int(time.time() * 1000) - 10_000_000)
        self._values = itertools.count()
        self._awaited: tuple[int, Deferred[None]] | None = None

    def write(self, cells: Iterable[Cell]) -> tuple[Message, list[tuple[Cell, int]]]:
        """
        Invent values.

        @return: the put, and what its ack is going to promise: the number of a value for each cell.
        """
        graph: dict[str, dict[str, tuple[str, float]]] = {}
        promise = []
        for soul, key in cells:
            size = 20_000 if self.dice.random() < 0.005 else self.dice.randrange(200)
            value = f"{next(self._values)} " + "." * size
            values = self.written.setdefault((soul, key), [])
            promise.append(((soul, key), len(values)))
            values.append(value)
            graph.setdefault(soul, {})[key] = (value, next(self._states))
        return {"put": {soul: node(soul, keys) for soul, keys in graph.items()}}, promise

    def ack(self, promise: list[tuple[Cell, int]], answer: Message) -> None:
        """Take an ack; from now on what it promises is owed."""
        if "err" in answer or not answer.get("ok"):
            self.refusals.append(answer)
            return
        for cell, number in promise:
            self.acked[cell] = max(number, self.acked.get(cell, -1))
        self.puts_acked += 1
        if self._awaited is not None and self.puts_acked >= self._awaited[0]:
            (_, reached), self._awaited = self._awaited, None
            reached.callback(None)

    def reaches(self, puts_acked: int) -> Deferred[None]:
        """
        @return: fires when that many puts were acked.
        """
        reached: Deferred[None] = Deferred()
        self._awaited = (puts_acked, reached)
        return reached

    def owes(self, cell: Cell, value: object) -> bool:
        """
        @return: whether C{value} is not what it must be: the value acked last, or one sent after it.
        """
        owed = self.acked.get(cell)
        return owed is not None and value not in self.written[cell][owed:]


class Writer:
    """
    One connection that keeps a number of puts outstanding: to new cells, and to a few again and again.
    """

    def __init__(self, name: str, peer: RawPeer, ledger: Ledger) -> None:
        self._name = name
        self._peer = peer
        self._ledger = ledger
        self._fresh = itertools.count()
        self._writing = True
        peer.lost.addCallback(lambda _: self.stop())
        for _ in range(OUTSTANDING_MAX):
            self._write()

    def stop(self) -> None:
        """Write no more."""
        self._writing = False

    def _write(self) -> None:
        count = self._ledger.dice.randint(1, CELLS_PER_PUT_MAX)
        put, promise = self._ledger.write({self._cell() for _ in range(count)})

        def acked(answer: Message) -> None:
            self._peer.forget(id_)
            self._ledger.ack(promise, answer)
            if self._writing:
                self._write()

        id_ = self._peer.say(put, acked)

    def _cell(self) -> Cell:
        if self._ledger.dice.random() < OVERWRITES_PER_PUT:
            return f"{self._name}/again", f"key{self._ledger.dice.randrange(10)}"
        number, key = divmod(next(self._fresh), KEYS_PER_NODE)
        return f"{self._name}/{number:04}", f"key{key:02}"


async def under_load(name: str, relay: Relay, ledger: Ledger, acks: int) -> list[RawPeer]:
    """
    Put a relay under load until it has acked that many puts more. The load goes on until the relay hangs up.

    @return: the connections.
    """
    peers = [await RawPeer.dial(relay) for _ in range(WRITERS)]
    reached = ledger.reaches(ledger.puts_acked + acks)
    for number, peer in enumerate(peers):
        Writer(f"{name}/writer{number}", peer, ledger)
    await within(
        ANSWER_SECONDS_MAX, lambda: f"{acks} acks; refused: {ledger.refusals[:1]}. {relay.report()}", reached
    )
    return peers


async def hung_up(peers: list[RawPeer]) -> None:
    """Wait until the relay's end has reached all connections, and with it every ack that it sent."""
    await within(ANSWER_SECONDS_MAX, "all connections end", gatherResults([peer.lost for peer in peers]))


async def audit(relay: Relay, ledger: Ledger, cells: Iterable[Cell]) -> None:
    """
    Read cells back, each as part of its whole node and some of them alone too.

    @raise AssertionError: what was acked is not there.
    """
    souls: dict[str, list[Cell]] = {}
    for cell in cells:
        souls.setdefault(cell[0], []).append(cell)
    peer = await RawPeer.dial(relay)
    turns = DeferredSemaphore(READS_AT_A_TIME)
    reads: list[Deferred[list[Cell]]] = [turns.run(_read, peer, ledger, *item) for item in souls.items()]
    lost = [cell for read in reads for cell in await read]
    for soul in ledger.dice.sample(sorted(souls), min(len(souls), READS_AT_A_TIME)):
        cell = ledger.dice.choice(souls[soul])
        if ledger.owes(cell, await peer.value(*cell)):
            lost.append(cell)
    await peer.close()
    if lost:
        raise AssertionError(f"{len(lost)} acked cells are lost, such as {lost[:3]}. {relay.report()}")


@inlineCallbacks
def _read(
    peer: RawPeer, ledger: Ledger, soul: str, cells: list[Cell]
) -> Generator[Deferred[None], None, list[Cell]]:
    """
    @return: which of the cells of one node are not as acked, when all parts of the answer have come, or none
        comes any more.
    """
    known: dict[str, object] = {}
    complete: Deferred[None] = Deferred()

    def heard(answer: Message) -> None:
        known.update(answer.get("put", {}).get(soul, {}))
        if not complete.called and not any(ledger.owes(cell, known.get(cell[1])) for cell in cells):
            complete.callback(None)

    id_ = peer.say({"get": {"#": soul}}, heard)
    with contextlib.suppress(defer.TimeoutError):
        yield complete.addTimeout(LOST_SECONDS, reactor)
    peer.forget(id_)
    return [cell for cell in cells if ledger.owes(cell, known.get(cell[1]))]
