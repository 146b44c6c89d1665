"""
What happens in one run, out of a seed: who is linked to whom, who writes and asks what and when, and what
goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

WORK_SECONDS = 20.0
"""Clients write and ask for so long; things go wrong in this time, and for a little longer."""

FAULT_SECONDS = 25.0
"""From then on nothing goes wrong any more."""

SETTLE_SECONDS = 600.0
"""
So long all may take to come to rest after that. Interest that nobody has any more ends a minute later at each
further relay, and in a ring of eight that takes its time.
"""

QUIET_SECONDS = 180.0
"""And then so long nobody may say anything."""

SOULS = ("room", "list", "user/ä", "note")
KEYS = ("name", "nick", "title", "text", "n0", "n1", "läng", "x", "y", "z", "zz")
LEX = b'{".":{"*":"n"},"%":9000}'
VALUES: tuple[object, ...] = (
    None,
    True,
    False,
    0,
    1,
    -2.5,
    1e21,
    "",
    "one",
    "two",
    "ä",
    "\U0001f600",
    "\ufffd",
)

Edge = tuple[int, int]
"""(who dials, whom)."""


@dataclass(frozen=True)
class Step:
    """
    Something that happens.

    @ivar at: seconds after the start.
    @ivar who: the number of the client or relay that it is about.
    @ivar what: the name of a method of L{gunnet.simulate.simulation.Simulation}, without C{do_}.
    @ivar how: its further arguments.
    """

    at: float
    what: str
    who: int
    how: tuple[object, ...] = ()


@dataclass
class Scenario:
    """
    One run.

    @ivar seed: it is made from.
    @ivar topology: its shape, by name.
    @ivar relays: how many.
    @ivar edges: which relay dials which.
    @ivar axe: whether the relays route; else all flood.
    @ivar clients: for each client, the relay that it dials.
    @ivar faults: what goes wrong, by name; empty in a quiet network.
    @ivar steps: what happens, in order.
    @ivar latency: seconds from end to end, and how many more it may be.
    @ivar lossy: the edges that carry datagrams.
    """

    seed: int
    topology: str
    relays: int
    edges: list[Edge]
    axe: bool
    clients: list[int]
    faults: list[str]
    latency: tuple[float, float]
    lossy: set[Edge] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)

    def __str__(self) -> str:
        faults = ", ".join(self.faults) or "none"
        mode = "axe" if self.axe else "flood"
        return f"{self.topology} of {self.relays}, {mode}, {len(self.clients)} clients, faults: {faults}"


def _pair(dice: Random) -> tuple[int, list[Edge]]:
    return 2, [(0, 1)]


def _both(dice: Random) -> tuple[int, list[Edge]]:
    return 2, [(0, 1), (1, 0)]


def _chain(dice: Random) -> tuple[int, list[Edge]]:
    count = dice.randint(3, 5)
    return count, [(at, at + 1) for at in range(count - 1)]


def _ring(dice: Random) -> tuple[int, list[Edge]]:
    count = dice.randint(3, 8)
    return count, [(at, (at + 1) % count) for at in range(count)]


def _mesh(dice: Random) -> tuple[int, list[Edge]]:
    count = dice.randint(3, 5)
    return count, [(one, other) for one in range(count) for other in range(one + 1, count)]


def _star(dice: Random) -> tuple[int, list[Edge]]:
    count = dice.randint(3, 6)
    return count, [(at, 0) for at in range(1, count)]


def _tree(dice: Random) -> tuple[int, list[Edge]]:
    count = dice.randint(4, 7)
    return count, [(at, (at - 1) // 2) for at in range(1, count)]


def _random(dice: Random) -> tuple[int, list[Edge]]:
    count = dice.randint(3, 6)
    edges = {(at, dice.randrange(at)): None for at in range(1, count)}
    for _ in range(dice.randint(0, 3)):
        one, other = dice.sample(range(count), 2)
        edges[(one, other)] = None
    return count, [edge if dice.random() < 0.7 else (edge[1], edge[0]) for edge in edges]


TOPOLOGIES: dict[str, Callable[[Random], tuple[int, list[Edge]]]] = {
    "pair": _pair,
    "both": _both,
    "chain": _chain,
    "ring": _ring,
    "mesh": _mesh,
    "star": _star,
    "tree": _tree,
    "random": _random,
}
"""How many relays there are and who dials whom, by the name of the shape."""

FAULTS = ("breaks", "partition", "crash", "wipe", "slow", "lossy", "reload", "drift")


def make(seed: int, topology: str | None = None, faults: list[str] | None = None) -> Scenario:
    """
    The scenario of a seed.

    @param topology: take this shape, whatever the seed says.
    @param faults: have this go wrong, whatever the seed says.
    """
    dice = Random(f"scenario {seed}")
    drawn = dice.choice(list(TOPOLOGIES))
    count, edges = TOPOLOGIES[topology or drawn](Random(f"topology {seed}"))
    twins = [(other, one) for one, other in edges if dice.random() < 0.08]
    edges += [edge for edge in twins if edge not in edges]
    drawn_faults = [] if dice.random() < 0.3 else dice.sample(FAULTS, dice.randint(1, 3))
    latency = dice.choice(((0.001, 0.001), (0.010, 0.010), (0.040, 0.060), (0.150, 0.300)))
    scenario = Scenario(
        seed,
        topology or drawn,
        count,
        edges,
        dice.random() < 0.88,
        [dice.randrange(count) for _ in range(dice.randint(2, 8))],
        sorted(drawn_faults if faults is None else faults),
        latency,
    )
    if "lossy" in scenario.faults:
        scenario.lossy = {edge for edge in scenario.edges if dice.random() < 0.5} or {scenario.edges[0]}
    _add_work(scenario, dice)
    for fault in scenario.faults:
        _ADD[fault](scenario, dice)
    scenario.steps.sort(key=lambda step: step.at)
    return scenario


def _add_work(scenario: Scenario, dice: Random) -> None:
    souls = SOULS[: dice.randint(1, len(SOULS))]
    keys = KEYS[: dice.randint(1, len(KEYS))]
    add = scenario.steps.append
    for client in range(len(scenario.clients)):
        for _ in range(dice.randint(0, 3)):
            key = dice.choice((None, None, LEX, *keys))
            at = dice.choice((0.0, dice.uniform(0, WORK_SECONDS)))
            add(Step(at, "ask", client, (dice.choice(souls), key)))
    for number in range(dice.randint(5, 30)):
        chosen = dice.sample(keys, dice.randint(1, min(3, len(keys))))
        values = {
            key: dice.choice((*VALUES, f"value {number}", f"value {number} {'-' * 60}")) for key in chosen
        }
        # A state of its own, the present, or one that others take too: what is equally old is a tie.
        age = dice.choice((None, None, None, None, 0, 1_000, 60_000))
        client = dice.randrange(len(scenario.clients))
        add(Step(dice.uniform(0.5, WORK_SECONDS), "put", client, (dice.choice(souls), values, age)))


def _until(dice: Random) -> tuple[float, float]:
    """A time at which something goes wrong, and one until which it does."""
    at = dice.uniform(1, FAULT_SECONDS - 5)
    return at, min(at + dice.uniform(0.5, 15), FAULT_SECONDS)


def _add_breaks(scenario: Scenario, dice: Random) -> None:
    for _ in range(dice.randint(1, 4)):
        scenario.steps.append(Step(dice.uniform(1, FAULT_SECONDS), "break", dice.randrange(1 << 16)))


def _add_partition(scenario: Scenario, dice: Random) -> None:
    for _ in range(dice.randint(1, 2)):
        at, until = _until(dice)
        side = sorted(dice.sample(range(scenario.relays), dice.randint(1, scenario.relays - 1)))
        scenario.steps += [
            Step(at, "part", 0, (tuple(side), dice.choice((0.0, 0.5, 1.0)))),
            Step(until, "heal", 0),
        ]


def _add_crash(scenario: Scenario, dice: Random, wipe: bool = False) -> None:
    for _ in range(dice.randint(1, 2)):
        at, until = _until(dice)
        relay = dice.randrange(scenario.relays)
        scenario.steps += [Step(at, "crash", relay, (wipe,)), Step(until, "start", relay)]


def _add_wipe(scenario: Scenario, dice: Random) -> None:
    _add_crash(scenario, dice, wipe=True)


def _add_slow(scenario: Scenario, dice: Random) -> None:
    at, until = _until(dice)
    client = dice.randrange(len(scenario.clients))
    scenario.steps += [
        Step(at, "slow", client, (dice.choice((50.0, 500.0)),)),
        Step(until, "slow", client, (0.0,)),
    ]


def _add_lossy(scenario: Scenario, dice: Random) -> None:
    weather = dice.choice((0.0, 0.05)), dice.choice((0.0, 0.2)), dice.choice((0.0, 0.3))
    scenario.steps += [Step(0.0, "lossy", 0, weather), Step(FAULT_SECONDS, "lossy", 0, (0.0, 0.0, 0.0))]


def _add_reload(scenario: Scenario, dice: Random) -> None:
    client = dice.randrange(len(scenario.clients))
    scenario.steps.append(Step(dice.uniform(1, FAULT_SECONDS), "reload", client))


def _add_drift(scenario: Scenario, dice: Random) -> None:
    for client in range(len(scenario.clients)):
        scenario.steps.append(Step(0.0, "drift", client, (dice.uniform(-3_000, 3_000),)))


_ADD: dict[str, Callable[[Scenario, Random], None]] = {
    "breaks": _add_breaks,
    "partition": _add_partition,
    "crash": _add_crash,
    "wipe": _add_wipe,
    "slow": _add_slow,
    "lossy": _add_lossy,
    "reload": _add_reload,
    "drift": _add_drift,
}
