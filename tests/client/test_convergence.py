"""
Clients that write, watch, lose their links and are killed in random order end up with one graph.
"""

from __future__ import annotations

from random import Random
from typing import Any

from gunnet.client import Gun
from gunnet.client import node as local_node
from gunnet.graph.lex import ALL
from gunnet.store.interface import Store
from gunnet.transport.memory import LinkEnd
from tests.client.bench import RELAY, BenchTestCase
from tests.client.test_peers import MemoryClientStore

SEEDS = 25
STEPS = 60
SOULS = ("a", "b")
KEYS = ("x", "y", "z")


class Program:
    """
    One program, however often it is started.

    @ivar seen: by soul, what it saw last of each node that it watches.
    """

    def __init__(self, test: ConvergenceTests) -> None:
        self._test = test
        self.store = MemoryClientStore()
        self.end: LinkEnd | None = None
        self.seen: dict[str, dict[str, Any]] = {}
        self.gun: Gun
        self.start()

    def start(self) -> None:
        """Start it, after a kill as well: nothing is closed."""
        self.cut()
        self.store.restart()
        self._test.opened = self.store
        self.gun = self._test.gun(data="here")
        assert self.gun._node is not None
        self.gun._node.mesh.dial(RELAY)
        self.seen = {}
        for soul in SOULS:
            self.gun.get(soul).on(self._note)

    def _note(self, value: Any, key: str) -> None:
        self.seen[key] = value

    def cut(self) -> None:
        """Lose the link."""
        if self.end is not None:
            self.end.drop("cut")
            self.end = None
            self._test.talk.advance(1)

    def link(self) -> None:
        """Have one."""
        if self.end is None:
            self.end = self._test.link(self.gun)


class ConvergenceTests(BenchTestCase):
    """
    Three programs and a relay.

    @ivar opened: the store that the next client opens.
    """

    opened: MemoryClientStore

    def test_converge(self) -> None:
        """What was acknowledged to a program is in the end seen by all, unless it was overwritten."""
        self.patch(local_node, "open_store", self._open)
        for seed in range(SEEDS):
            self._converge(seed)

    def _open(self, _data: str | None, _limits: object) -> Store:
        return self.opened

    def _converge(self, seed: int) -> None:
        dice = Random(seed)
        super().setUp()
        programs = [Program(self) for _ in range(3)]
        last: dict[tuple[str, str], int] = {}
        for step in range(STEPS):
            self.talk.advance(dice.choice((2, 20, 2_000)))
            program = dice.choice(programs)
            what = dice.random()
            if what < 0.6:
                soul, key = dice.choice(SOULS), dice.choice(KEYS)
                self.result(program.gun.get(soul).get(key).put(step), 2)
                last[(soul, key)] = step
            elif what < 0.75:
                program.cut()
            elif what < 0.9:
                program.link()
            else:
                program.start()
        for program in programs:
            program.link()
        self.talk.advance(90_000)
        expected: dict[str, dict[str, int]] = {}
        for (soul, key), step in last.items():
            expected.setdefault(soul, {})[key] = step
        for program in programs:
            self.assertEqual(program.seen, expected, f"seed {seed}")
            self.assertEqual(program.store.recorded, {}, f"seed {seed}")
        stored = {
            (soul, key): int(cell[1]) for soul in SOULS for key, cell in self.talk.store.node(soul, ALL)
        }
        self.assertEqual(stored, last, f"seed {seed}")
