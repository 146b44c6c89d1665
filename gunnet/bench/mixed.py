"""
The workload that is like applications: clients in rooms that do this and that, and hear of one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from gunnet.bench.load import Load
from gunnet.bench.peer import Peer, messages
from gunnet.bench.tally import Tally
from gunnet.bench.tools import Tools

Answered = Callable[[dict[str, Any]], bool]
"""Takes an answer; says whether it was the last that is wanted."""

ROOM_PEERS = 10


class Kind(Protocol):
    """
    One thing that clients do.

    @ivar weight: how often, beside the others.
    @ivar tallies: what came of it.
    """

    weight: int
    tallies: list[Tally]

    async def prepare(self, clients: list[Client]) -> None:
        """Do what comes before."""

    def begin(self, client: Client, time: float) -> None:
        """Have a client do it, once."""

    def delivered(self, client: Client, soul: str, node: dict[str, Any], now: float) -> None:
        """A client was told a change."""

    def missing(self) -> int:
        """How many changes were not told to somebody who is to be told."""


class Client:
    """
    One client: what it has asked, and what it does next.

    @ivar index: its number among all.
    @ivar room: of the L{ROOM_PEERS} that hear of one another.
    """

    def __init__(self, index: int, peer: Peer, mixed: Mixed) -> None:
        self.index = index
        self.room = index // ROOM_PEERS
        self.waiting: dict[str, Answered] = {}
        self._peer = peer
        self._mixed = mixed
        self._asked = 0
        self._prefix = mixed.tools.ids.of("m").decode() + f"{index:05d}"
        peer.heard = self._heard

    def ask(self, message: dict[str, Any], answered: Answered) -> None:
        """Say a message."""
        self._asked += 1
        name = f"{self._prefix}{self._asked:09d}"
        self.waiting[name] = answered
        self._peer.say(msgspec.json.encode({"#": name, **message}))

    def finished(self) -> None:
        """Something that was begun has ended."""
        self._mixed.finished(self)

    def _heard(self, chunk: bytes) -> None:
        for message in messages(chunk):
            asked = message.get("@")
            if asked is None:
                put = message.get("put")
                if isinstance(put, dict):
                    self._mixed.delivered(self, put)
            elif (answered := self.waiting.get(asked)) is not None and answered(message):
                self.waiting.pop(asked, None)


class Mixed:
    """
    C{mixed}, and the L{Load} that it is.
    """

    def __init__(self, tools: Tools, kinds: Sequence[Kind]) -> None:
        self.tools = tools
        self.tallies = [tally for kind in kinds for tally in kind.tallies]
        self._kinds = list(kinds)
        self._weights = [kind.weight for kind in kinds]
        self._clients: list[Client] = []
        self._next = 0
        self._going_on = False

    async def prepare(self) -> Load:
        """See L{Workload.prepare<gunnet.bench.workloads.Workload.prepare>}."""
        peers = await self.tools.links.open(self.tools.plan.peers)
        self._clients = [Client(at, peer, self) for at, peer in enumerate(peers)]
        for kind in self._kinds:
            await kind.prepare(self._clients)
            await self.tools.until_nothing(
                lambda: sum(len(client.waiting) for client in self._clients), "preparing"
            )
        return self

    def begin(self, outstanding: int) -> None:
        """See L{Load.begin}."""
        self._going_on = True
        now = self.tools.clock()
        for client in self._clients:
            for _ in range(outstanding):
                self._begin(client, now)

    def due(self, times: Sequence[float]) -> None:
        """See L{Load.due}."""
        for time in times:
            self._next = (self._next + 1) % len(self._clients)
            self._begin(self._clients[self._next], time)

    def stop(self) -> None:
        """See L{Load.stop}."""
        self._going_on = False

    def finished(self, client: Client) -> None:
        """A client has ended something."""
        if self._going_on:
            self._begin(client, self.tools.clock())

    def delivered(self, client: Client, put: dict[str, Any]) -> None:
        """A client was told changes."""
        now = self.tools.clock()
        for soul, node in put.items():
            for kind in self._kinds:
                kind.delivered(client, soul, node, now)

    def look(self) -> None:
        """See L{Workload.look<gunnet.bench.workloads.Workload.look>}."""

    def under_way(self) -> int:
        """See L{Workload.under_way<gunnet.bench.workloads.Workload.under_way>}."""
        waiting = sum(len(client.waiting) for client in self._clients)
        return waiting + sum(kind.missing() for kind in self._kinds)

    def give_up(self) -> None:
        """See L{Workload.give_up<gunnet.bench.workloads.Workload.give_up>}."""
        for client in self._clients:
            for answered in client.waiting.values():
                answered({"err": "no answer"})
            client.waiting.clear()
        for kind in self._kinds:
            kind.tallies[-1].unanswered += kind.missing()

    def _begin(self, client: Client, time: float) -> None:
        [kind] = self.tools.random.choices(self._kinds, self._weights)
        kind.begin(client, time)
