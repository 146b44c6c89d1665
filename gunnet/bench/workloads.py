"""
The workloads that consist of one thing, done again and again.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Protocol

from gunnet.bench.fanout import FanOut
from gunnet.bench.load import Asker, Askers, Load
from gunnet.bench.peer import Peer
from gunnet.bench.sources import Gets, Numbers, Puts, Updates, anywhere, digits, in_turn
from gunnet.bench.tally import Tally
from gunnet.bench.tools import Tools

_SUBSCRIBED_SECONDS = 0.3
_LONG_BYTES, _LONG_GETS = 100_000, 80
"""Linux keeps up to 4 MiB for a socket; this relay, 16 MiB more before it hangs up."""


class Workload(Protocol):
    """
    Something to be measured.

    @ivar tallies: what came of it, the main one first.
    """

    tallies: list[Tally]

    async def prepare(self) -> Load:
        """Do what comes before. @return: what is driven then."""

    def look(self) -> None:
        """Called once a second while it is driven."""

    def under_way(self) -> int:
        """How much is neither answered nor given up."""

    def give_up(self) -> None:
        """What is under way is unanswered."""


class Asking:
    """
    C{put} and C{get}: each peer asks, by itself, and is answered.
    """

    def __init__(self, tools: Tools) -> None:
        self.tallies = [tools.tally(tools.plan.workload)]
        self._tools = tools
        self._askers: list[Asker] = []

    async def prepare(self) -> Load:
        """See L{Workload.prepare}."""
        plan = self._tools.plan
        peers = await self._tools.links.open(plan.peers)
        if plan.workload == "put":
            self._askers = self._puts(peers, Numbers(plan.count), again=plan.stored)
        else:
            if not plan.stored:
                await self._store(peers)
            self._askers = self._gets(peers)
        return Askers(self._askers)

    def look(self) -> None:
        """See L{Workload.look}."""

    def under_way(self) -> int:
        """See L{Workload.under_way}."""
        return sum(len(asker.sent) for asker in self._askers)

    def give_up(self) -> None:
        """See L{Workload.give_up}."""
        for asker in self._askers:
            asker.give_up()

    def _puts(self, peers: list[Peer], numbers: Numbers, *, again: bool = False) -> list[Asker]:
        tools, plan = self._tools, self._tools.plan
        source = Puts(
            tools.ids,
            plan.name,
            numbers,
            tools.state(),
            properties=plan.properties,
            value_bytes=plan.value_bytes,
            nodes=anywhere(plan.nodes, tools.random) if again else None,
        )
        return [tools.asker(peer, source, self.tallies[0]) for peer in peers]

    async def _store(self, peers: list[Peer]) -> None:
        askers = self._puts(peers, Numbers(self._tools.plan.nodes))
        Askers(askers).begin(max(1, min(100, self._tools.plan.nodes // len(peers) + 1)))
        await self._tools.all_answered(askers, "putting the nodes to get")

    def _gets(self, peers: list[Peer]) -> list[Asker]:
        """
        Unless they are shared, no peer gets what another one gets: of that, gun.js would ask the other one
        each time.
        """
        tools, plan = self._tools, self._tools.plan
        numbers, askers = Numbers(plan.count), []
        for at, peer in enumerate(peers):
            if plan.shared:
                nodes = anywhere(plan.nodes, tools.random)
            else:
                nodes = in_turn(plan.nodes, at % plan.nodes, len(peers))
            source = Gets(tools.ids, plan.name, numbers, nodes)
            askers.append(tools.asker(peer, source, self.tallies[0], with_put=True))
        return askers


class FanningOut:
    """
    C{fan-out}: what one peer puts reaches all who asked for the node.
    """

    def __init__(self, tools: Tools) -> None:
        self.tallies = [tools.tally("fan-out"), tools.tally("fan-out, acks")]
        self._tools = tools
        self._fan_out: FanOut | None = None
        self._writer: Asker | None = None

    async def prepare(self) -> Load:
        """
        See L{Workload.prepare}. The node is there before anybody asks for it: of one that is not, gun.js asks
        all peers each time.
        """
        tools, plan = self._tools, self._tools.plan
        soul = f"{plan.name}/{digits(0).decode()}"
        first = Updates(tools.ids, soul, Numbers(), tools.state, "f")
        [writing] = await tools.links.open(1)
        beginning = tools.asker(writing, first, tools.tally(""))
        beginning.ask(1)
        await tools.all_answered([beginning], "the first put")
        peers = await tools.links.open(plan.subscribers + plan.slow_readers)
        await self._subscribe(peers)
        updates = Updates(tools.ids, soul, Numbers(), tools.state, value_bytes=plan.value_bytes)
        self._writer = tools.asker(writing, updates, self.tallies[1])
        load = self._fan_out = FanOut(
            self._writer,
            updates,
            plan.subscribers,
            self.tallies[0],
            tools.clock,
            soon=partial(tools.reactor.callLater, 0),
            by_acks=plan.by_acks,
        )
        for peer in peers[: plan.subscribers]:
            peer.heard = load.heard
        await self._stop_reading(writing, peers[plan.subscribers :])
        return load

    async def _stop_reading(self, writing: Peer, peers: list[Peer]) -> None:
        """
        Have some read nothing more, and ask for more than the system keeps for them, so that the rest has to
        wait in the relay.
        """
        if not peers:
            return
        tools, name = self._tools, f"{self._tools.plan.name}/long"
        heard = writing.heard
        long = Puts(tools.ids, name, Numbers(1), tools.state(), value_bytes=_LONG_BYTES)
        putting = tools.asker(writing, long, tools.tally(""))
        putting.ask(1)
        await tools.all_answered([putting], "putting a long value")
        writing.heard = heard
        gets = Gets(tools.ids, name, Numbers(), in_turn(1, 0, 1), "l")
        for peer in peers:
            if hasattr(peer.transport, "getHandle"):
                peer.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.transport.pauseProducing()
            peer.write(gets.take(_LONG_GETS)[1])
        await tools.sleep(_SUBSCRIBED_SECONDS)

    async def _subscribe(self, peers: list[Peer]) -> None:
        tools = self._tools
        source = Gets(tools.ids, tools.plan.name, Numbers(), in_turn(1, 0, 1))
        askers = [tools.asker(peer, source, tools.tally("")) for peer in peers]
        for at in range(0, len(askers), 50):
            for asker in askers[at : at + 50]:
                asker.ask(1)
            await tools.all_answered(askers[at : at + 50], "subscribing")
        await tools.sleep(_SUBSCRIBED_SECONDS)

    def look(self) -> None:
        """See L{Workload.look}."""
        if self._fan_out is not None:
            self._fan_out.look()

    def under_way(self) -> int:
        """See L{Workload.under_way}."""
        if self._fan_out is None or self._writer is None:
            return 0
        return self._fan_out.missing() + len(self._writer.sent)

    def give_up(self) -> None:
        """See L{Workload.give_up}."""
        if self._fan_out is not None and self._writer is not None:
            self._fan_out.give_up()
            self._writer.give_up()
