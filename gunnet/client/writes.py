"""
What was put and is not acknowledged yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gunnet.client.errors import BadValue, Busy, Closed, NotAcknowledged, PutRefused
from gunnet.client.nodes import Nodes
from gunnet.client.values import Cell
from gunnet.client.waiting import Waiting
from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.wire.jstext import stringify

if TYPE_CHECKING:
    from gunnet.client.chain import Chain

WRITES_MAX = 10_000
"""So many puts may wait for their acks at once."""

CLOSE_SECONDS = 2.0
"""So long, at the end, the local node has to store what was put."""

Name = tuple[str, str]


class Put(Waiting[None]):
    """
    A put under way: fires when it is durable here, or, if that was asked for, when a peer has it too.

    @ivar chain: what it was put to; of C{set()}, the item.
    """

    chain: Chain


class _Write:
    __slots__ = ("cells", "done", "errors", "id", "left", "stored", "timer")

    def __init__(self, put_id: str, cells: list[Cell], done: Waiting[None]) -> None:
        self.id = put_id
        self.cells = cells
        self.done = done
        self.stored = False
        self.left: set[Name] = set()
        self.errors = 0
        self.timer: IDelayedCall | None = None


class Writes:
    """
    Says puts to the local node, and minds their acks.

    @ivar linked: how many peers are linked. To be set.
    @ivar on_write: called with what is written, before it is; C{on_refused}, with what was not taken. To be
        set.
    """

    def __init__(
        self,
        say: Callable[[bytes], None],
        new_id: Callable[[], str],
        reactor: IReactorTime,
        nodes: Nodes,
        limits: Limits,
        counters: Counters,
    ) -> None:
        """
        @param say: says a message to the local node.
        """
        self._say = say
        self._new_id = new_id
        self._reactor = reactor
        self._nodes = nodes
        self._limits = limits
        self._counters = counters
        self._writes: dict[str, _Write] = {}
        self._for_peers: dict[Name, set[str]] = {}
        self._fresh: dict[str, dict[str, Cell]] = {}
        self._drained: Waiting[None] | None = None
        self.linked: Callable[[], int] = lambda: 0
        self.on_write: Callable[[Iterable[Cell]], None] = _nothing
        self.on_refused: Callable[[Iterable[Cell]], None] = _nothing
        nodes.own = self.own

    def __len__(self) -> int:
        """How many puts wait for acks."""
        return len(self._writes)

    def check_room(self) -> None:
        """
        @raise Busy: too many puts wait.
        """
        if len(self._writes) >= WRITES_MAX:
            self._counters.count("client_writes_refused")
            raise Busy(f"{WRITES_MAX} puts wait for their acks")

    def own(self, soul: str) -> list[Cell]:
        """What was written to a soul, and the local node has not confirmed."""
        return list(self._fresh.get(soul, {}).values())

    def write(self, cells: list[Cell], done: Waiting[None], *, peer: bool, timeout: float | None) -> None:
        """
        Put some cells.

        @param done: fires when they are stored, and with C{peer}, when a peer has each of them.
        @param timeout: how long to wait for the peer, seconds.
        @raise BadValue: the message would be too large.
        @raise Busy: too much waits to be told to peers (L{gunnet.client.unsent}).
        """
        if not cells:
            done.callback(None)
            return
        write = _Write(self._new_id(), cells, done)
        text = _text(write)
        if len(text) > self._limits.message_bytes:
            self._counters.count("message_bytes_refused")
            raise BadValue(f"a put of {len(text)} bytes, {self._limits.message_bytes} is the limit")
        self.on_write(cells)
        self._writes[write.id] = write
        for cell in cells:
            self._fresh.setdefault(cell[0], {})[cell[1]] = cell
        if peer:
            write.left = {cell[:2] for cell in cells}
            for name in write.left:
                self._for_peers.setdefault(name, set()).add(write.id)
            if timeout is not None:
                write.timer = self._reactor.callLater(timeout, self._too_late, write)
        self._nodes.wrote(cells)
        self._say(text)

    def say_again(self) -> None:
        """The link to the local node is new: say what it has not acknowledged."""
        for write in list(self._writes.values()):
            if not write.stored:
                self._say(_text(write))

    def hear(self, message: dict[str, Any]) -> bool:
        """
        Take an answer of the local node.

        @return: whether it was an ack of a put.
        """
        write = self._writes.get(message["@"])
        if write is None:
            return False
        error = message.get("err")
        if not write.stored:
            if error:
                self._settle(write)
                self.on_refused(write.cells)
                self._nodes.refused(write.cells)
                self._end(write, PutRefused(str(error)))
            else:
                write.stored = True
                self._settle(write)
                if not write.left:
                    self._end(write, None)
        elif error:
            write.errors += 1
            if write.errors >= max(1, self.linked()):
                self._end(write, PutRefused(str(error)))
        return True

    def acked(self, names: Iterable[Name]) -> None:
        """A peer has these cells, as they stand here."""
        for name in names:
            for put_id in self._for_peers.pop(name, ()):
                write = self._writes.get(put_id)
                if write is not None:
                    write.left.discard(name)
                    if not write.left and write.stored:
                        self._end(write, None)

    def _settle(self, write: _Write) -> None:
        """What the local node knows by now need not be known here."""
        for cell in write.cells:
            fresh = self._fresh.get(cell[0])
            if fresh is not None and fresh.get(cell[1]) is cell:
                del fresh[cell[1]]
                if not fresh:
                    del self._fresh[cell[0]]

    def _too_late(self, write: _Write) -> None:
        write.timer = None
        self._end(write, NotAcknowledged("no peer has acknowledged the put in time"))

    def _end(self, write: _Write, error: Exception | None) -> None:
        del self._writes[write.id]
        if not write.stored:
            self._settle(write)
        for name in write.left:
            waiting = self._for_peers.get(name)
            if waiting is not None:
                waiting.discard(write.id)
                if not waiting:
                    del self._for_peers[name]
        if write.timer is not None:
            write.timer.cancel()
            write.timer = None
        if not write.done.called:  # else it was cancelled
            if error is None:
                write.done.callback(None)
            else:
                write.done.errback(error)
        if self._drained is not None and not self._writes:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def drain(self) -> Deferred[None]:
        """
        The client is being closed: peers are not waited for any more.

        @return: fires when the local node has stored everything, or after L{CLOSE_SECONDS}.
        """
        for write in list(self._writes.values()):
            if write.stored:
                self._end(write, _closed())
            write.left.clear()
        if not self._writes:
            return succeed(None)
        drained = self._drained = Waiting()
        late = self._reactor.callLater(CLOSE_SECONDS, self.close)
        return drained.addCallback(lambda _: late.cancel() if late.active() else None)

    def close(self) -> None:
        """The client is closed: what waits fails."""
        for write in list(self._writes.values()):
            self._end(write, _closed())


def _text(write: _Write) -> bytes:
    graph: dict[str, dict[str, Any]] = {}
    for soul, key, state, value in write.cells:
        node = graph.setdefault(soul, {"_": {"#": soul, ">": {}}})
        node["_"][">"][key] = state
        node[key] = value
    return stringify({"#": write.id, "put": graph})


def _closed() -> Closed:
    return Closed("the client was closed meanwhile")


def _nothing(_cells: Iterable[Cell]) -> None:
    pass
