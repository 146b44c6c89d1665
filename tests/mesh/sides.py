"""Two relays reduced to what compares their graphs, for the tests of it: messages go between them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from gunnet.counters import Counters
from gunnet.graph.ham import Cell, Verdict, decide
from gunnet.graph.lex import ALL
from gunnet.graph.merge import Graph
from gunnet.graph.node import read_put
from gunnet.limits import Limits
from gunnet.mesh.peers import Peers
from gunnet.mesh.routes import Route
from gunnet.mesh.sessions import Outcome
from gunnet.mesh.sync import Sync
from gunnet.mesh.unacked import Unacked
from gunnet.store.memory import MemoryStore
from gunnet.testing import START, MemoryLink
from gunnet.wire import jstext
from gunnet.wire.dup import Dup
from gunnet.wire.ids import id_source
from gunnet.wire.message import split

Known = dict[tuple[str, str], Cell]

TURNS_MAX = 200_000


class Side:
    """
    One of them.

    @ivar peer: what it knows of the other one.
    @ivar said: all messages that it said, parsed.
    @ivar bytes: the size of these; likewise C{sync_bytes} of those with the verb.
    @ivar refuses: whether it leaves a put out, by soul and key.
    """

    def __init__(
        self,
        cells: Known | None = None,
        *,
        limits: Limits | None = None,
        seed: int = 1,
        url: str | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.counters = Counters()
        self.store = MemoryStore(1 << 30)
        self.graph = Graph(self.store, self.limits, self.counters)
        random = Random(seed)
        self.peers = Peers(self.limits, self.counters, id_source(random))
        dup: Dup[Route] = Dup(self.limits, self.counters)
        self.room = True
        self.unacked = Unacked(self.graph, self.peers, dup, self.limits, self.counters)
        self.sync = Sync(
            self.graph,
            self.peers,
            dup,
            self.unacked,
            random,
            self.limits,
            self.counters,
            has_room=lambda: self.room,
        )
        self.link = MemoryLink(f"side {seed}")
        self.link.reliable = False
        peer = self.peers.join(self.link, self.peers.upstream(url) if url else None)
        assert peer is not None
        self.peer = peer
        peer.is_gunnet = True
        self.peers.relays[peer.id] = peer
        self.said: list[dict[str, Any]] = []
        self.bytes = self.sync_bytes = 0
        self.refuses: Callable[[str, str], bool] = lambda soul, key: False
        self.take((cells or {}).items())
        self.commit()

    def take(self, cells: Iterable[tuple[tuple[str, str], Cell]]) -> None:
        """Know some cells."""
        for (soul, key), cell in cells:
            self.graph.take(soul, key, cell)

    def commit(self) -> None:
        """Store what waits."""
        batch = self.graph.cut()
        if batch is not None:
            self.store.commit(batch.rows())
            self.graph.settle(batch, stored=True)

    @property
    def known(self) -> Known:
        """All that it knows."""
        graph = self.graph
        return {(soul, key): cell for soul in graph.souls(ALL) for key, cell in graph.cells(soul)}

    @property
    def syncs(self) -> list[dict[str, Any]]:
        """The messages with the verb that it said."""
        return [message for message in self.said if message.get("dam") == "sync"]

    def turn(self, now: float) -> list[bytes]:
        """One turn. @return: what it says."""
        for peer in self.sync.waiting():
            self.sync.continue_with(peer, now)
        self.sync.run(now)
        self.unacked.run(now)
        texts = []
        for _, frames in self.peers.frames(now):
            for frame in frames:
                texts += split(frame)
        for text in texts:
            message = jstext.parse(text)
            self.said.append(message)
            self.bytes += len(text)
            self.sync_bytes += len(text) if "dam" in message else 0
        return texts

    def hear(self, text: bytes, now: float) -> None:
        """Take a message of the other one."""
        message = jstext.parse(text)
        if message.get("dam") == "sync":
            self.sync.hear(self.peer, message, now)
        elif "@" in message:
            self.unacked.acked(self.peer, message["@"], now, refused="err" in message)
        elif "put" in message:
            refused = False
            for soul, key, state, value in read_put(jstext.stringify(message["put"]), self.limits):
                verdict = decide(state, value, self.graph.known(soul, key), now)
                refused = refused or self.refuses(soul, key)
                if verdict is Verdict.TAKE and not self.refuses(soul, key):
                    self.graph.take(soul, key, (state, value))
            result = b'"err":"no"' if refused else b'"ok":true'
            text = b'{"#":"%b","@":%b,%b}'
            self.peers.say(
                self.peer, text % (self.peers.new_id().encode(), jstext.string(message["#"]), result)
            )


class Pair:
    """
    Both, and the time between them.

    @ivar loses: whether a message is lost on the way.
    """

    def __init__(self, one: Side, other: Side) -> None:
        self.sides = (one, other)
        self.now = START
        self.loses: Callable[[dict[str, Any]], bool] = lambda message: False
        self.each_turn: Callable[[int], None] = lambda turn: None

    def settle(self) -> int:
        """Let both do all that is to be done now. @return: how many turns it took."""
        for turn in range(TURNS_MAX):
            said = [side.turn(self.now) for side in self.sides]
            for texts, hearer in zip(said, reversed(self.sides), strict=True):
                for text in texts:
                    if not self.loses(jstext.parse(text)):
                        hearer.hear(text, self.now)
            self.each_turn(turn)
            for side in self.sides:
                side.commit()
            if not any(said) and not any(side.sync.waiting() for side in self.sides):
                return turn
        raise AssertionError("it comes to no end")

    def advance(self, milliseconds: float) -> None:
        """Let time pass, and what falls due happen."""
        end = self.now + milliseconds
        while True:
            times = [side.sync.next_at for side in self.sides]
            at = min([at for at in times if at is not None], default=end)
            if at > end:
                break
            self.now = max(self.now, at)
            self.settle()
            if at == end:
                break
        self.now = end

    def run(self, by: int = 0) -> Outcome:
        """One session, begun by one of them, to its end."""
        outcomes: list[Outcome] = []
        side = self.sides[by]
        side.sync.begin(side.peer, self.now, outcomes.append)
        self.settle()
        assert outcomes, "the session did not end"
        return outcomes[0]


def merged(*graphs: Known) -> Known:
    """What relays that know all of these know."""
    result: Known = {}
    for graph in graphs:
        for name, cell in graph.items():
            known = result.get(name)
            if decide(cell[0], cell[1], known, START) is Verdict.TAKE:
                result[name] = cell
    return result
