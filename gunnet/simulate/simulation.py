"""
Has a scenario happen, and looks at what came of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TextIO

from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import implementer

from gunnet.mesh.relay import Relay
from gunnet.simulate import invariants
from gunnet.simulate.client import Client, Written
from gunnet.simulate.clock import VirtualClock
from gunnet.simulate.crossings import Crossings
from gunnet.simulate.invariants import Breach
from gunnet.simulate.links import Weather
from gunnet.simulate.network import Network
from gunnet.simulate.node import RelayMaker, RelayNode
from gunnet.simulate.scenario import FAULT_SECONDS, QUIET_SECONDS, SETTLE_SECONDS, Scenario, make

START_SECONDS = 1_800_000_000.0
"""When each run begins: in January 2027."""

INTEREST_SECONDS = 3_600.0
"""So long it may take until relays want nothing of one another: it travels on by one relay a minute."""

WINDOW = Weather().window
SLOW_WINDOW = 1_500
"""How many bytes may be on their way while somebody reads slowly: so few that they have to wait."""


class InvariantBroken(AssertionError):
    """
    Something that must be true at the end of every run is not. The text says what, and how to see it again.

    @ivar outcome: all about the run.
    """

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(str(outcome))


@dataclass
class Outcome:
    """
    What came of one run.

    @ivar scenario: what happened in it.
    @ivar breaches: the invariants that do not hold.
    @ivar digest: of all frames.
    @ivar frames: how many there were.
    @ivar crossings: how often a written value has crossed a link, all and first ones.
    @ivar command: what runs it again.
    """

    scenario: Scenario
    breaches: list[Breach]
    digest: str
    frames: int
    crossings: tuple[int, int]
    command: str

    def __str__(self) -> str:
        breaches = "; ".join(map(str, self.breaches)) or "all holds"
        return f"seed {self.scenario.seed} ({self.scenario}): {breaches}. Again: {self.command}"


@implementer(ILogObserver)
class Failures(list[str]):
    """What is logged as an error."""

    def __call__(self, event: LogEvent) -> None:
        """See C{ILogObserver} of Twisted."""
        level = event.get("log_level")
        if level is not None and level >= LogLevel.error:
            failure = event.get("log_failure")
            self.append(str(event.get("log_format")) if failure is None else failure.getBriefTraceback())


class Simulation:
    """
    One run.

    @ivar clock: its time.
    @ivar relays: the relays.
    @ivar clients: the clients.
    @ivar written: every value that was written: (soul, key, state, text) to the names of the clients that
        did so, and how often.
    @ivar crossings: every frame.
    @ivar failures: what was logged as an error.
    """

    def __init__(
        self, scenario: Scenario, *, make_relay: RelayMaker = Relay, trace: TextIO | None = None
    ) -> None:
        """
        @param make_relay: makes the cores of all relays.
        @param trace: where each frame is written to.
        """
        self.scenario = scenario
        seed = scenario.seed
        self.clock = VirtualClock(START_SECONDS)
        self.crossings = Crossings(self.clock, trace)
        latency, jitter = scenario.latency
        self.weather = Weather(latency, jitter)
        self._dice = Random(f"network {seed}")
        self.network = Network(self.clock, self._dice, self.weather, self.crossings)
        self.written: dict[Written, Counter[str]] = {}
        self.failures = Failures()
        self.relays: list[RelayNode] = []
        for at in range(scenario.relays):
            upstreams = {
                f"ws://relay{other}/gun": (one, other) in scenario.lossy
                for one, other in scenario.edges
                if one == at
            }
            node = RelayNode(
                f"relay{at}",
                self.network,
                self.clock,
                f"relays {seed}",
                upstreams=upstreams,
                axe=scenario.axe,
                make=make_relay,
            )
            self.relays.append(node)
        self.clients = [
            Client(
                f"client{at}",
                self.relays[relay].url,
                self.network,
                Random(f"client {seed}/{at}"),
                keeps=at % 2 == 0,
            )
            for at, relay in enumerate(scenario.clients)
        ]

    def run(self) -> list[Breach]:
        """
        Have everything happen.

        @return: what must be true afterwards and is not.
        """
        globalLogPublisher.addObserver(self.failures)
        try:
            self._run()
            self.clock.run_until(self.end)
            breaches = invariants.breaches(self)
            self._part_from_clients()
            breaches += invariants.unwanted(self)
            self._disperse()
            return breaches + invariants.left_over(self)
        finally:
            globalLogPublisher.removeObserver(self.failures)

    @property
    def end(self) -> float:
        """When the run is over, seconds since 1970."""
        return START_SECONDS + FAULT_SECONDS + SETTLE_SECONDS + QUIET_SECONDS

    def _run(self) -> None:
        for relay in self.relays:
            relay.start()
        for step in self.scenario.steps:
            self.clock.run_until(START_SECONDS + step.at)
            self.crossings.note(f"{step.what} {step.who} {step.how}")
            action: Callable[..., None] = getattr(self, f"do_{step.what}")
            action(step.who, *step.how)
        self.clock.run_until(START_SECONDS + FAULT_SECONDS)

    def _part_from_clients(self) -> None:
        """All clients leave, and the relays have time to find out that nobody wants anything any more."""
        for client in self.clients:
            client.leave()
        self.clock.run_for(INTEREST_SECONDS)

    def _disperse(self) -> None:
        """The relays leave, too."""
        for relay in self.relays:
            relay.leave()
        self.clock.run_for(60.0)

    # What happens: see Step

    def do_put(self, client: int, soul: str, values: dict[str, object], age: float | None) -> None:
        """A client writes."""
        writer = self.clients[client]
        # An age is counted from a common moment, so that several have the same state.
        state = None if age is None else START_SECONDS * 1000 - age
        for each in writer.put(soul, values, state):
            self.written.setdefault(each, Counter())[writer.name] += 1

    def do_ask(self, client: int, soul: str, key: str | bytes | None) -> None:
        """A client asks for something."""
        self.clients[client].ask(soul, key)

    def do_break(self, which: int) -> None:
        """A link breaks."""
        wires = [wire for wire in self.network.links() if not wire.lossy]
        if wires:
            wires[which % len(wires)].snap("broken", self._dice.choice((0.05, 5.0)))

    def do_part(self, _: int, side: tuple[int, ...], broken: float) -> None:
        """Some relays, and half of their clients, no longer reach the others."""
        one = {f"relay{at}" for at in side}
        other = {relay.name for relay in self.relays} - one
        for at, client in enumerate(self.clients):
            if at % 2 == 0:
                home = one if self.scenario.clients[at] in side else other
                home.add(client.name)
        self.network.part([one, other], broken, 5.0)

    def do_heal(self, _: int) -> None:
        """Everybody reaches everybody."""
        self.network.heal()

    def do_crash(self, relay: int, wipe: bool) -> None:
        """A relay dies."""
        if self.relays[relay].relay is not None:
            self.relays[relay].crash(wipe=wipe, notice=self._dice.choice((0.05, 5.0)))
            if wipe:
                self.crossings.forgot(self.relays[relay].name)

    def do_start(self, relay: int) -> None:
        """It is started again."""
        if self.relays[relay].relay is None:
            self.relays[relay].start()

    def do_slow(self, client: int, rate: float) -> None:
        """A client reads slowly."""
        self.weather.window = SLOW_WINDOW if rate else WINDOW
        self.clients[client].read_at(rate)

    def do_lossy(self, _: int, loss: float, doubles: float, overtaking: float) -> None:
        """What becomes of datagrams."""
        self.weather.loss, self.weather.doubles, self.weather.overtaking = loss, doubles, overtaking

    def do_reload(self, client: int) -> None:
        """A page is loaded anew."""
        self.clients[client].reload()
        self.crossings.forgot(self.clients[client].name)

    def do_drift(self, client: int, milliseconds: float) -> None:
        """A client's clock goes wrong."""
        self.clients[client].drift = milliseconds


def run(
    seed: int,
    *,
    topology: str | None = None,
    faults: list[str] | None = None,
    make_relay: RelayMaker = Relay,
    trace: TextIO | None = None,
) -> Outcome:
    """
    Run one seed.

    @param topology: see L{gunnet.simulate.scenario.make}.
    @param faults: likewise.
    @param make_relay: makes the cores of all relays.
    @param trace: where each frame is written to.
    """
    scenario = make(seed, topology, faults)
    simulation = Simulation(scenario, make_relay=make_relay, trace=trace)
    try:
        breaches = simulation.run()
    except Exception as error:
        breaches = [invariants.crashed(error)]
    crossings = simulation.crossings
    command = f"gunnet simulate --seeds {seed}"
    if topology is not None:
        command += f" --topology {topology}"
    if faults is not None:
        command += f" --faults {','.join(faults) or 'none'}"
    return Outcome(
        scenario,
        breaches,
        crossings.digest,
        crossings.frames,
        (crossings.all, crossings.first),
        f"{command} --trace",
    )


def check(seed: int, **options: object) -> Outcome:
    """
    L{run} one seed, with the same options.

    @raise InvariantBroken: if anything is not as it must be.
    """
    outcome = run(seed, **options)  # type: ignore[arg-type]
    if outcome.breaches:
        raise InvariantBroken(outcome)
    return outcome
