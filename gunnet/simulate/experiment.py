"""
A large mesh, to count what a put costs: how many messages go from relay to relay and from relay to client,
beside what plain flooding would send, and beside the least that could do.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from multiprocessing import get_context
from random import Random
from typing import TextIO

from gunnet.graph.lex import ALL, Span
from gunnet.simulate.client import Client
from gunnet.simulate.clock import VirtualClock
from gunnet.simulate.links import End, Weather
from gunnet.simulate.network import Network
from gunnet.simulate.node import RelayNode
from gunnet.simulate.plot import bars
from gunnet.simulate.scenario import Edge
from gunnet.simulate.simulation import START_SECONDS
from gunnet.store.interface import Cell
from gunnet.store.layout import bounds
from gunnet.store.memory import MemoryStore
from gunnet.wire.jstext import from_order_key, order_key
from gunnet.wire.message import read, split

SOULS = 2_000
INTERESTS = 3
"""Each client is subscribed to so many of the souls, chosen by Zipf's law: the n-th with a weight of 1/n."""

KEY = "title"
OLD: Cell = (1_700_000_000_000.0, b'"old"')
NAMES = frozenset(f"soul{rank}" for rank in range(SOULS))
_PLACES = sorted(map(order_key, NAMES))

PUT_SECONDS = 0.1
ARRIVE_SECONDS = 30.0
SETTLE_SECONDS = 120.0

Kinds = Counter[tuple[str, str, str]]
"""(from, to, kind of message) to how many; from and to are C{"relay"} or C{"client"}."""


def tree(relays: int, dice: Random) -> list[Edge]:
    """Each relay dials one above it, which three dial."""
    return [(at, (at - 1) // 3) for at in range(1, relays)]


def backbone(relays: int, dice: Random) -> list[Edge]:
    """Ten are linked each to each, and each of the others dials one of them."""
    core = min(10, relays)
    among = [(one, other) for one in range(core) for other in range(one)]
    return among + [(at, dice.randrange(core)) for at in range(core, relays)]


def mesh(relays: int, dice: Random) -> list[Edge]:
    """Each relay dials two that were there before it, any. Interest and changes reach far in it."""
    return [(at, above) for at in range(1, relays) for above in dice.sample(range(at), min(at, 2))]


SHAPES: dict[str, Callable[[int, Random], list[Edge]]] = {
    "tree": tree,
    "backbone": backbone,
    "random mesh": mesh,
}


class OldStore(MemoryStore):
    """
    A disk on which every soul was there before, with an old value: relays that have long been in sync. What
    all have alike is in memory once.
    """

    def cell(self, soul: str, key: str) -> Cell | None:
        """See L{gunnet.store.interface.Store.cell}."""
        return super().cell(soul, key) or (OLD if key == KEY and soul in NAMES else None)

    def node(self, soul: str, span: Span = ALL, *, reverse: bool = False) -> Iterator[tuple[str, Cell]]:
        """See L{gunnet.store.interface.Store.node}."""
        cells = list(super().node(soul, span, reverse=reverse))
        if not cells and soul in NAMES and span.holds(KEY):
            cells = [(KEY, OLD)]
        return iter(cells)

    def souls(self, span: Span = ALL, *, reverse: bool = False) -> Iterator[str]:
        """See L{gunnet.store.interface.Store.souls}."""
        low, high = (bisect_left(_PLACES, bound) for bound in bounds(span))
        for at in range(high - 1, low - 1, -1) if reverse else range(low, high):
            yield from_order_key(_PLACES[at])


class Tally:
    """Counts messages (L{gunnet.simulate.links.Watch}). @ivar kinds: since it was last emptied."""

    def __init__(self) -> None:
        self.kinds: Kinds = Counter()

    def sent(self, end: End, frame: bytes) -> None:
        """Nothing is lost here: what counts is what arrives."""

    def arrived(self, end: End, frame: bytes) -> None:
        """See L{gunnet.simulate.links.Watch.arrived}."""
        source = "relay" if end.far.startswith("relay") else "client"
        target = "relay" if end.name.startswith("relay") else "client"
        for text in split(frame):
            message, _ = read(text)
            if message.dam is not None:
                kind = f"dam {message.dam}"
            elif message.put:
                kind = "answer" if message.re is not None else "put"
            else:
                kind = "ack" if message.re is not None else "get"
            self.kinds[(source, target, kind)] += 1


@dataclass
class Figures:
    """
    Messages per put, on average.

    @ivar shape: of the mesh.
    @ivar links: between relays.
    @ivar relay_flood: relay to relay, if every relay told everybody.
    @ivar relay: relay to relay, as counted.
    @ivar relay_least: the links of the shortest paths from the writer's relay to those of the subscribers.
    @ivar client_flood: relay to client, if every relay told everybody.
    @ivar client: relay to client, as counted.
    @ivar client_least: one to each subscriber that did not write it.
    @ivar acks: of all sorts.
    @ivar background: messages of the verb C{sync}, in all, from the first put to the end.
    @ivar setup: messages until all had come and asked, in all.
    @ivar missed: subscribers that do not have the last value at the end.
    """

    shape: str
    links: int
    relay_flood: float
    relay: float
    relay_least: float
    client_flood: float
    client: float
    client_least: float
    acks: float
    background: int
    setup: int
    missed: int


class Experiment:
    """
    One large run.

    @ivar tally: what was counted.
    """

    def __init__(self, shape: str, relays: int, clients: int, seed: int = 1) -> None:
        self.shape = shape
        self._dice = dice = Random(f"experiment {seed}")
        self.clock = VirtualClock(START_SECONDS)
        self.tally = Tally()
        self._network = Network(
            self.clock, Random(f"network {seed}"), Weather(latency=0.02, jitter=0.03), self.tally
        )
        self.edges = SHAPES[shape](relays, dice)
        upstreams: list[dict[str, bool]] = [{} for _ in range(relays)]
        self._near: list[list[int]] = [[] for _ in range(relays)]
        for one, other in self.edges:
            upstreams[one][f"ws://relay{other}/gun"] = False
            self._near[one].append(other)
            self._near[other].append(one)
        self._relays = [
            RelayNode(
                f"relay{at}",
                self._network,
                self.clock,
                f"experiment {seed}",
                upstreams=above,
                new_store=OldStore,
            )
            for at, above in enumerate(upstreams)
        ]
        self._weights = list(accumulate(1 / rank for rank in range(1, SOULS + 1)))
        self._homes = [dice.randrange(relays) for _ in range(clients)]
        self._clients: list[Client] = []
        self._subscribers: dict[str, list[int]] = {}
        self._written: dict[str, tuple[float, bytes]] = {}

    def run(self, puts: int) -> Figures:
        """Have everybody come, ask and write."""
        for relay in self._relays:
            self.clock.callLater(self._dice.uniform(0, 1), relay.start)
        self.clock.run_for(10)
        for at in range(len(self._homes)):
            self.clock.callLater(ARRIVE_SECONDS * self._dice.random(), self._arrive, at)
        self.clock.run_for(ARRIVE_SECONDS + SETTLE_SECONDS)
        setup = self.tally.kinds.total()
        self.tally.kinds.clear()
        least = client_least = 0
        for number in range(puts):
            relay_hops, told = self._put(number)
            least += relay_hops
            client_least += told
            self.clock.run_for(PUT_SECONDS)
        self.clock.run_for(SETTLE_SECONDS)
        kinds = self.tally.kinds
        links = len(self.edges)
        relays = len(self._relays)
        return Figures(
            self.shape,
            links,
            2 * links - (relays - 1),
            kinds[("relay", "relay", "put")] / puts,
            least / puts,
            len(self._clients) - 1,
            kinds[("relay", "client", "put")] / puts,
            client_least / puts,
            sum(times for (_, _, kind), times in kinds.items() if kind == "ack") / puts,
            sum(times for (_, _, kind), times in kinds.items() if kind == "dam sync"),
            setup,
            sum(self._missed()),
        )

    def _soul(self) -> str:
        [rank] = self._dice.choices(range(SOULS), cum_weights=self._weights)
        return f"soul{rank}"

    def _arrive(self, at: int) -> None:
        client = Client(f"client{at}", self._relays[self._homes[at]].url, self._network, self._dice)
        number = len(self._clients)
        self._clients.append(client)
        for _ in range(INTERESTS):
            soul = self._soul()
            if (soul, None) not in client.wanted:
                client.ask(soul)
                self._subscribers.setdefault(soul, []).append(number)

    def _put(self, number: int) -> tuple[int, int]:
        """@return: (the least hops between relays, the clients to be told)."""
        writer = self._dice.randrange(len(self._clients))
        soul = self._soul()
        [(_, _, state, text)] = self._clients[writer].put(soul, {KEY: f"value {number}"})
        self._written[soul] = (state, text)
        told = [client for client in self._subscribers.get(soul, ()) if client != writer]
        home = self._home(writer)
        return _hops(self._near, home, {self._home(client) for client in told}), len(told)

    def _home(self, client: int) -> int:
        return int(self._clients[client].url.removeprefix("ws://relay").removesuffix("/gun"))

    def _missed(self) -> Iterator[int]:
        for soul, value in self._written.items():
            for client in self._subscribers.get(soul, ()):
                yield self._clients[client].graph.find(soul, KEY) != value


def _hops(near: list[list[int]], start: int, ends: set[int]) -> int:
    """How many links the shortest paths from one relay to some others have together."""
    before = {start: start}
    left = ends - before.keys()
    waiting = deque([start])
    while waiting and left:
        at = waiting.popleft()
        for other in near[at]:
            if other not in before:
                before[other] = at
                left.discard(other)
                waiting.append(other)
    reached: set[int] = {start}
    for end in ends:
        at = end
        while at not in reached and at in before:
            reached.add(at)
            at = before[at]
    return len(reached) - 1


def table(figures: Sequence[Figures]) -> Iterator[str]:
    """Lines of Markdown."""
    yield "| messages per put | " + " | ".join(each.shape for each in figures) + " |"
    yield "|---|" + "---|" * len(figures)
    rows: list[tuple[str, Callable[[Figures], float]]] = [
        ("relay to relay: flooding", lambda each: each.relay_flood),
        ("relay to relay: gunnet", lambda each: each.relay),
        ("relay to relay: shortest paths to the interested", lambda each: each.relay_least),
        ("relay to client: flooding", lambda each: each.client_flood),
        ("relay to client: gunnet", lambda each: each.client),
        ("relay to client: one per interested", lambda each: each.client_least),
        ("acks, all links", lambda each: each.acks),
        ("all puts: flooding / gunnet", lambda each: _flood(each) / _ours(each)),
        ("all puts: gunnet / least", lambda each: _ours(each) / _least(each)),
        ("(in all) messages of background sync", lambda each: each.background),
        ("(in all) messages until all were linked and subscribed", lambda each: each.setup),
        ("(in all) subscribers without the last value", lambda each: each.missed),
    ]
    for name, value in rows:
        yield f"| {name} | " + " | ".join(_figure(value(each)) for each in figures) + " |"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}"


def _flood(each: Figures) -> float:
    return each.relay_flood + each.client_flood


def _ours(each: Figures) -> float:
    return each.relay + each.client


def _least(each: Figures) -> float:
    return each.relay_least + each.client_least


def chart(figures: Iterable[Figures]) -> str:
    """The same as SVG."""
    groups = {}
    for each in figures:
        for name, flood, ours, least in (
            ("relay to relay", each.relay_flood, each.relay, each.relay_least),
            ("relay to client", each.client_flood, each.client, each.client_least),
        ):
            groups[f"{each.shape}: {name}"] = {"flooding": flood, "gunnet": ours, "least": max(least, 0.01)}
    return bars("messages per put", groups)


def _run(shape: str, relays: int, clients: int, puts: int) -> Figures:
    return Experiment(shape, relays, clients).run(puts)


def main(
    relays: int,
    clients: int,
    puts: int,
    *,
    shapes: Sequence[str],
    jobs: int,
    folder: str | None,
    out: TextIO,
) -> int:
    """
    Run it in some shapes.

    @param shapes: of L{SHAPES}.
    @param jobs: so many shapes at once, each in a process of its own.
    @param folder: where the table and the L{chart} go; L{None} for nowhere.
    @return: the exit status: 1 if a subscriber missed anything.
    """
    one = partial(_run, relays=relays, clients=clients, puts=puts)
    with get_context("spawn").Pool(min(jobs, len(shapes))) as pool:
        figures = []
        for each in pool.imap(one, shapes):
            out.write(f"done: {each.shape}\n")
            out.flush()
            figures.append(each)
    lines = [f"{relays:,} relays, {clients:,} clients, {puts:,} puts:", "", *table(figures)]
    text = "\n".join(lines) + "\n"
    out.write(text)
    if folder is not None:
        for name, content in (("simulation-large.md", text), ("simulation.svg", chart(figures))):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(content)
    return 1 if any(each.missed for each in figures) else 0
