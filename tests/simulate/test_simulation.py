"""
Runs of L{gunnet.simulate.simulation}: seeds, replay, and meshes that are broken on purpose.

How many seeds: C{GUNNET_SEEDS} in the environment, 500 if it is not set.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import gunnet
from gunnet.graph.ham import Verdict
from gunnet.mesh import puts as puts_module
from gunnet.mesh.axe import Updates
from gunnet.mesh.peers import Peers
from gunnet.mesh.relay import Relay
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.mesh.wanted import Wanted
from gunnet.simulate import simulation
from gunnet.simulate.node import SlowWriter
from gunnet.simulate.scenario import FAULTS, TOPOLOGIES, make
from gunnet.simulate.simulation import InvariantBroken, Outcome, check, run

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(gunnet.__file__)))
SEEDS = int(os.environ.get("GUNNET_SEEDS", "500"))
ENOUGH = 150
"""A fault on purpose must be noticed within so many seeds."""


class SeedTests(SynchronousTestCase):
    """What must be true is, for every seed."""

    def test_seeds(self) -> None:
        """All of them."""
        failed: list[str] = []
        crossings = first = 0
        for seed in range(SEEDS):
            outcome = run(seed)
            if outcome.breaches:
                failed.append(str(outcome))
            if outcome.scenario.faults:
                crossings += outcome.crossings[0]
                first += outcome.crossings[1]
        self.assertEqual(failed[:3], [], f"{len(failed)} of {SEEDS} seeds failed")
        self.assertLessEqual(crossings, 1.1 * first)


class ScenarioTests(SynchronousTestCase):
    """What is drawn."""

    def test_same(self) -> None:
        """A seed always gives the same, and another one something else."""
        self.assertEqual(make(7), make(7))
        self.assertNotEqual(make(7).steps, make(8).steps)

    def test_everything_occurs(self) -> None:
        """Among 500 seeds there are all shapes, all faults and none, routing and flooding."""
        drawn = [make(seed) for seed in range(500)]
        self.assertEqual({each.topology for each in drawn}, set(TOPOLOGIES))
        self.assertEqual({fault for each in drawn for fault in each.faults}, set(FAULTS))
        self.assertEqual({each.axe for each in drawn}, {True, False})
        self.assertGreater(sum(not each.faults for each in drawn), 100)
        self.assertEqual({each.relays for each in drawn if each.topology == "ring"}, set(range(3, 9)))
        self.assertEqual(max(each.relays for each in drawn if each.topology == "mesh"), 5)
        steps = [step for each in drawn for step in each.steps]
        for what in {step.what for step in steps}:
            self.assertTrue(callable(getattr(simulation.Simulation, f"do_{what}")), what)

    def test_given(self) -> None:
        """Shape and faults can be given."""
        scenario = make(1, topology="ring", faults=["crash"])
        self.assertEqual((scenario.topology, scenario.faults), ("ring", ["crash"]))
        self.assertIn("crash", {step.what for step in scenario.steps})


class ReplayTests(SynchronousTestCase):
    """A seed is the whole run."""

    def test_other_process(self) -> None:
        """Every frame is the same in another process, whose hashes of text are others."""
        source = "from gunnet.simulate.simulation import run; print([run(seed).digest for seed in range(25)])"
        printed = [
            subprocess.run(
                [sys.executable, "-c", source],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        ]
        self.assertEqual(printed[0], printed[1])
        self.assertEqual(printed[0].strip(), str([run(seed).digest for seed in range(25)]))
        self.assertEqual(len(set(printed[0].split(","))), 25)


class MutationTests(SynchronousTestCase):
    """A mesh that is broken on purpose is found out."""

    def found(self, invariant: str, make_relay: Callable[..., Relay] = Relay, **options: Any) -> Outcome:
        """The first seed in which C{invariant} is broken, and which says how to see it again."""
        for seed in range(ENOUGH):
            outcome = run(seed, make_relay=make_relay, **options)
            if invariant in {breach.invariant for breach in outcome.breaches}:
                self.assertIn(f"gunnet simulate --seeds {seed}", str(outcome))
                self.assertIn(invariant, str(outcome))
                return outcome
        self.fail(f"{invariant} held in {ENOUGH} seeds")

    def assertFound(self, invariant: str, break_it: Callable[[], object], **options: Any) -> None:
        """It is found with what C{break_it} does, and not without in the same run."""
        break_it()
        outcome = self.found(invariant, **options)
        for patch in self._patches:
            patch.restore()
        whole = run(outcome.scenario.seed, **options)
        self.assertNotIn(invariant, {breach.invariant for breach in whole.breaches})

    def setUp(self) -> None:
        self._patches: list[Any] = []

    def breaking(self, owner: object, name: str, value: object) -> Callable[[], None]:
        """L{patch}, to be undone before the test ends."""
        return lambda: self._patches.append(self.patch(owner, name, value))

    def test_lost_updates(self) -> None:
        """Every 50th change is told nobody."""
        note = Updates.note
        count = [0]

        def forgetful(updates: Updates, *args: Any) -> None:
            count[0] += 1
            if count[0] % 50:
                note(updates, *args)

        self.assertFound("subscribers know", self.breaking(Updates, "note", forgetful), faults=[])

    def test_early_acks(self) -> None:
        """Commits are said to have ended before they have."""

        def hasty(writer: SlowWriter, cells: list[Any], done: Any) -> None:
            done.callback(None)
            writer._clock.callLater(1.0, writer._store.commit, cells)

        self.assertFound("acked survives", self.breaking(SlowWriter, "_end", hasty), faults=["crash"])

    def test_wrong_ties(self) -> None:
        """At equal states the first one stands."""
        decide = puts_module.decide

        def first_wins(state: float, value: bytes, known: Any, now: float) -> Verdict:
            if known is not None and known[0] == state:
                return Verdict.KEEP
            return decide(state, value, known, now)

        self.assertFound("relays converge", self.breaking(puts_module, "decide", first_wins), faults=[])

    def test_echo(self) -> None:
        """Changes are told to those they came from."""
        say = Peers.say

        def twice(peers: Peers, peer: Any, text: bytes) -> None:
            say(peers, peer, text)
            if b'"put"' in text and b'"@":"' not in text:
                say(peers, peer, text.replace(b'{"#":"', b'{"#":"x', 1))

        self.assertFound("crossings", self.breaking(Peers, "say", twice), faults=[])

    def test_leaking_tables(self) -> None:
        """Subscriptions of those who have left are kept."""
        self.assertFound("tables empty", self.breaking(Subscriptions, "forget", lambda *_: None), faults=[])

    def test_endless_interest(self) -> None:
        """Relays of a ring go on wanting of one another what no client wants."""
        self.assertFound(
            "interest ends",
            self.breaking(Wanted, "begin", lambda *_: None),
            topology="ring",
            faults=[],
        )

    def test_chatter(self) -> None:
        """A relay says something every minute, for ever."""

        class Chatty(Relay):
            _chat_at = 0.0

            def turn(self, now: float) -> Any:
                if now >= self._chat_at:
                    self._chat_at = now + 60_000
                    for peer in list(self._peers.up.values()):
                        self._dam.greet(peer)
                turn = super().turn(now)
                again_at = min(turn.again_at or self._chat_at, self._chat_at)
                return type(turn)(**{**vars(turn), "again_at": again_at})

        self.found("quiet", Chatty)

    def test_faults(self) -> None:
        """A relay fails on some messages, and says so in its log."""

        class Faulty(Relay):
            def hear(self, peer: Any, frame: bytes, now: float) -> int:
                if b'"n0"' in frame:
                    raise RuntimeError("on purpose")
                return super().hear(peer, frame, now)

        outcome = self.found("faults", Faulty)
        self.assertTrue(self.flushLoggedErrors(RuntimeError))
        self.assertIn("faults", str(outcome))

    def test_bounds(self) -> None:
        """A relay reaches one of its limits."""

        class Small(Relay):
            def __init__(self, **options: Any) -> None:
                limits = options["limits"]
                super().__init__(**{**options, "limits": type(limits)(subscriptions=1)})

        self.found("bounds", Small)

    def test_invented(self) -> None:
        """A value that nobody wrote is noticed."""
        commit = SlowWriter.commit

        def inventive(writer: SlowWriter, cells: list[Any]) -> Any:
            return commit(writer, [*cells, ("room", "invented", (1.0, b"1"))])

        self.assertFound("nothing invented", self.breaking(SlowWriter, "commit", inventive))

    def test_raised(self) -> None:
        """L{check} raises with all of it."""
        self.patch(Updates, "note", lambda *_: None)
        seed = self.found("subscribers know").scenario.seed
        error = self.assertRaises(InvariantBroken, check, seed)
        self.assertIn(f"seed {seed} ", str(error))
        self.assertIn(f"gunnet simulate --seeds {seed} --trace", str(error))
        self.assertIn("subscribers know: client", str(error))
