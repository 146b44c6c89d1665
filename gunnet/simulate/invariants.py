"""
What must be true at the end of every run.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from gunnet.limits import Limits
from gunnet.simulate.client import Client
from gunnet.simulate.clock import TICKS
from gunnet.simulate.model import Graph

if TYPE_CHECKING:
    from gunnet.simulate.simulation import Simulation

RATIO_MAX = 1.1
"""
Where things go wrong, a value may cross a link again; all crossings by the first ones are this at most, in
each run and in all together.
"""

REPEATS_MIN = 3
"""
Over one small run the ratio says little: so many repeats are never too many. Where datagrams are lost, they
are messages and not crossings: an ack that is lost, or later than the sender waits, repeats a whole message.
"""

_EXCEEDED = ("_refused", "_evicted", "_exceeded", "_pressed")
_SHOWN = 3


@dataclass(frozen=True)
class Breach:
    """One of them does not hold. @ivar invariant: its name. @ivar detail: what is different, in short."""

    invariant: str
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.detail}"


def crashed(error: BaseException) -> Breach:
    """The run itself came to an end by an exception."""
    [*_, frame] = traceback.extract_tb(error.__traceback__)
    where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
    return Breach("faults", f"{type(error).__name__} at {where}: {error}")


def breaches(run: Simulation) -> list[Breach]:
    """All that does not hold while everybody is still there."""
    expected = _expected(run)
    found = []
    for name, differences in (
        ("faults", _faults(run)),
        ("quiet", _noise(run)),
        ("bounds", _exceeded(run)),
        ("nothing invented", _invented(run)),
        ("acked survives", _lost(run, expected)),
        ("relays converge", _unequal(run, expected)),
        ("subscribers know", _ignorant(run, expected)),
        ("crossings", _repeats(run)),
    ):
        listed = list(differences)
        if listed:
            more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
            found.append(Breach(name, ", ".join(listed[:_SHOWN]) + more))
    return found


def unwanted(run: Simulation) -> list[Breach]:
    """
    What relays still want of one another when all clients have left. That it is over is said once, so it
    can't be expected where datagrams are lost.
    """
    if run.scenario.lossy:
        return []
    found = [
        f"{relay.name} has {relay.relay.health()['subscriptions']} subscriptions"
        for relay in run.relays
        if relay.relay is not None and relay.relay.health()["subscriptions"]
    ]
    return [Breach("interest ends", ", ".join(found[:_SHOWN]))] if found else []


def left_over(run: Simulation) -> list[Breach]:
    """What is still in tables when everybody has left."""
    found = []
    for relay in run.relays:
        if relay.relay is not None:
            health = relay.relay.health()
            for name in ("peers", "subscriptions", "pending_bytes", "deferred", "ids", "asked_back"):
                if health[name]:
                    found.append(f"{relay.name} has {name}: {health[name]}")
    return [Breach("tables empty", ", ".join(found[:_SHOWN]))] if found else []


def _expected(run: Simulation) -> Graph:
    """What all that was acknowledged, and all that anybody still holds, comes to."""
    graph = Graph()
    for relay in run.relays:
        for soul, key, (state, text) in relay.cells():
            graph.write(soul, key, state, text)
    for client in run.clients:
        for tick, url, written in client.acked:
            [home] = [relay for relay in run.relays if relay.url == url]
            if not any(wiped >= tick for wiped in home.wiped):
                for each in written:
                    graph.write(*each)
        for soul, key, (state, text) in _held(client):
            graph.write(soul, key, state, text)
    return graph


def _held(client: Client) -> Iterator[tuple[str, str, tuple[float, bytes]]]:
    """
    What a client knows of what it is subscribed to. What else it knows, nobody can learn from it: gun.js
    never sends it again.
    """
    if client.link is not None:
        for soul, key, value in client.graph.cells():
            if client.tells(soul, key):
                yield soul, key, value


def _faults(run: Simulation) -> Iterator[str]:
    for relay in run.relays:
        for name, times in relay.counters.items():
            if name in ("faults", "link_faults"):
                yield f"{relay.name} counted {times} {name}"
        if relay.relay is None:
            yield f"{relay.name} is not running"
    for failure in run.failures:
        yield "logged: " + " | ".join(failure.strip().splitlines()[-3:])
    for client in run.clients:
        for error in client.errors:
            yield f"{client.name} was told: {error}"


def _noise(run: Simulation) -> Iterator[str]:
    from gunnet.simulate.scenario import QUIET_SECONDS

    last = run.crossings.last_tick / TICKS
    if last > run.end - QUIET_SECONDS:
        yield f"the last frame was sent {run.end - last:.1f} s before the end"


def _exceeded(run: Simulation) -> Iterator[str]:
    limits = tuple(each.name for each in fields(Limits))
    for relay in run.relays:
        for name, times in relay.counters.items():
            if name.endswith(_EXCEEDED) and times:
                yield f"{relay.name} counted {times} {name}"
        if relay.relay is not None:
            health = relay.relay.health()
            for name in limits:
                size = health.get(name)
                if isinstance(size, int) and size > getattr(relay.limits, name):
                    yield f"{relay.name} has {size} {name}"


def _invented(run: Simulation) -> Iterator[str]:
    for relay in run.relays:
        for soul, key, (state, text) in relay.cells():
            if (soul, key, state, text) not in run.written:
                yield f"{relay.name} has {soul}.{key} = {_show((state, text))}, which nobody wrote"


def _lost(run: Simulation, expected: Graph) -> Iterator[str]:
    """What was acknowledged and is not on the disk of who did, nor anything better."""
    for client in run.clients:
        for tick, url, written in client.acked:
            [home] = [relay for relay in run.relays if relay.url == url]
            if any(wiped >= tick for wiped in home.wiped):
                continue
            for soul, key, state, text in written:
                known = home.store.cell(soul, key)
                check = Graph()
                if known is not None:
                    check.write(soul, key, *known)
                if check.write(soul, key, state, text):
                    yield f"{home.name} acked {soul}.{key} = {_show((state, text))} and has {_show(known)}"


def _unequal(run: Simulation, expected: Graph) -> Iterator[str]:
    for relay in run.relays:
        for soul, key, value in expected.cells():
            known = relay.store.cell(soul, key)
            if known != value:
                yield f"{relay.name} has {soul}.{key} = {_show(known)} for {_show(value)}"


def _ignorant(run: Simulation, expected: Graph) -> Iterator[str]:
    for client in run.clients:
        if client.link is None:
            yield f"{client.name} has no link"
            continue
        for soul, key, value in expected.cells():
            known = client.graph.find(soul, key)
            if client.wants(soul, key) and known != value:
                if known is not None and not client.tells(soul, key) and known[0] >= value[0]:
                    continue  # its own, which it tells nobody
                yield f"{client.name} has {soul}.{key} = {_show(known)} for {_show(value)}"


def _repeats(run: Simulation) -> Iterator[str]:
    crossings = run.crossings
    if run.scenario.faults:
        repeats, first = crossings.all - crossings.first, crossings.first
        if "lossy" in run.scenario.faults:
            repeats = crossings.repeating
            first = crossings.kinds["put"] - repeats
        if repeats > REPEATS_MIN and first + repeats > RATIO_MAX * first:
            [((source, target, soul, key, *_), times)] = crossings.times.most_common(1)
            most = f"{soul}.{key} {times} times from {source} to {target}"
            yield f"{first} crossings, {repeats} repeats, {most}"
    else:
        for (source, target, soul, key, state, value, _), times in crossings.times.items():
            # Who writes the same twice also says it twice, and flooding passes on whole messages.
            written = run.written.get((soul, key, state, value), Counter())
            if times > max(1, written[source] if run.scenario.axe else written.total()):
                yield f"{soul}.{key} = {_show((state, value))} went {times} times from {source} to {target}"


def _show(value: tuple[float, bytes] | None) -> str:
    if value is None:
        return "nothing"
    text = value[1].decode("utf-8", "replace")
    return f"{text[:20]} @{value[0] % 1e6:g}"
