"""
Many relays in one mesh: chains, rings and full meshes deliver every change to whoever asked for it, no change
crosses a link twice the same way, and then there is silence.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

from twisted.trial.unittest import SynchronousTestCase

from gunnet.testing import Client, messages, put
from gunnet.transport.memory import LinkEnd
from tests.mesh.test_relays import dial, get, relays

QUIET_MS = 120_000.0


class Mesh:
    """
    Relays that are linked, with a client at each.

    @ivar crossings: (link, direction, state) to how many puts with that state went over it.
    @ivar frames: how many frames went over all links between relays.
    """

    def __init__(self, count: int, links: list[tuple[int, int]], *, axe: bool = True) -> None:
        """
        @param links: (who dials, whom).
        """
        self.relays = relays(count, axe=axe)
        self.crossings: Counter[tuple[str, float]] = Counter()
        self.frames = 0
        for low, high in links:
            for way, end in zip(("up", "down"), dial(self.relays[low], self.relays[high]), strict=True):
                self._watch(f"{low}-{high} {way}", end)
        self.clock = self.relays[0]
        self.clock.advance(10_000)
        self.clients = [talk.connect(f"c{number}") for number, talk in enumerate(self.relays)]
        for number, client in enumerate(self.clients):
            client.say({"#": f"hi{number}", "dam": "hi"})

    def _watch(self, name: str, end: LinkEnd) -> None:
        send = end.send

        def counted(frame: bytes) -> None:
            self.frames += 1
            for message in messages(frame):
                for node in message.get("put", {}).values():
                    for state in node["_"][">"].values():
                        self.crossings[(name, state)] += 1
            send(frame)

        end.send = counted  # type: ignore[method-assign]

    def rest(self) -> None:
        """Let all that is under way arrive."""
        self.clock.advance(1_000)

    def write(self, at: int, value: object) -> None:
        """Have the client of one relay write."""
        self.clock.advance(1)
        self.clients[at].say(put(f"p{at}.{value}", "s", {"x": value}, self.clock.now))
        self.rest()


def last(client: Client) -> object:
    """The last value of C{s.x} that a client was told."""
    values = [said["put"]["s"]["x"] for said in client.heard if "put" in said]
    return values[-1] if values else None


def chain(count: int) -> list[tuple[int, int]]:
    """Each dials the next."""
    return list(pairwise(range(count)))


def ring(count: int) -> list[tuple[int, int]]:
    """Each dials the next, and the last the first."""
    return [*chain(count), (count - 1, 0)]


def full(count: int) -> list[tuple[int, int]]:
    """Each dials all after it."""
    return list(combinations(range(count), 2))


def both(links: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Each of them is dialled from both sides."""
    return [*links, *((high, low) for low, high in links)]


SHAPES = {
    "pair": (2, chain(2)),
    "chain of 3": (3, chain(3)),
    "chain of 6": (6, chain(6)),
    **{f"ring of {count}": (count, ring(count)) for count in range(3, 9)},
    "ring of 4, not all one way": (4, [(0, 1), (2, 1), (2, 3), (0, 3)]),
    "full mesh of 5": (5, full(5)),
    "star": (5, [(leaf, 0) for leaf in range(1, 5)]),
    "hub that dials": (5, [(0, leaf) for leaf in range(1, 5)]),
    "pair, both dial": (2, both(chain(2))),
    "ring of 3, both dial": (3, both(ring(3))),
    "full mesh of 5, both dial": (5, both(full(5))),
    "valleys": (5, [(1, 0), (1, 2), (3, 2), (3, 4)]),
}


class TopologyTests(SynchronousTestCase):
    """Every shape, with AXE and without."""

    def each(self, *, axe: bool) -> list[tuple[str, Mesh]]:
        """All shapes, linked and at rest."""
        return [(name, Mesh(count, links, axe=axe)) for name, (count, links) in SHAPES.items()]

    def check_crossings(self, name: str, mesh: Mesh) -> None:
        """No change went over a link twice the same way."""
        twice = {crossing: count for crossing, count in mesh.crossings.items() if count > 1}
        self.assertEqual({}, twice, name)

    def check_quiet(self, name: str, mesh: Mesh) -> None:
        """Nothing goes round any more."""
        mesh.clock.advance(QUIET_MS)
        before = mesh.frames
        mesh.clock.advance(QUIET_MS)
        self.assertEqual(0, mesh.frames - before, name)

    def test_subscribed_first(self) -> None:
        """All have asked; then one after the other writes, and all the others hear it."""
        for axe in (True, False):
            for name, mesh in self.each(axe=axe):
                for number, client in enumerate(mesh.clients):
                    client.say(get(f"g{number}", "s"))
                mesh.rest()
                for writer in range(len(mesh.clients)):
                    mesh.write(writer, writer)
                    for number, client in enumerate(mesh.clients):
                        if number != writer:
                            self.assertEqual(writer, last(client), f"{name}, axe {axe}, {writer} to {number}")
                self.check_crossings(f"{name}, axe {axe}", mesh)
                self.check_quiet(f"{name}, axe {axe}", mesh)

    def test_written_first(self) -> None:
        """One has written, the others ask then; and hear what comes later too."""
        for axe in (True, False):
            for name, mesh in self.each(axe=axe):
                for writer, reader in ((0, len(mesh.clients) - 1), (len(mesh.clients) - 1, 0)):
                    soul_is_new = writer == 0
                    mesh.write(writer, "before" if soul_is_new else "again")
                    mesh.clients[reader].say(get(f"g{reader}", "s"))
                    mesh.rest()
                    mesh.write(writer, f"later {writer}")
                    said = f"{name}, axe {axe}, {writer} to {reader}"
                    self.assertEqual(f"later {writer}", last(mesh.clients[reader]), said)
                self.check_quiet(name, mesh)

    def test_nobody_asked(self) -> None:
        """With AXE, a client that asked for nothing hears nothing, however much is written."""
        for name, mesh in self.each(axe=True):
            heard = [len(client.heard) for client in mesh.clients]
            for number in range(5):
                mesh.write(0, number)
            self.assertEqual(heard[1:], [len(client.heard) for client in mesh.clients][1:], name)
            self.check_crossings(name, mesh)

    def test_full_mesh_is_told_once(self) -> None:
        """Where everybody is linked to everybody, a change crosses as many links as there are others."""
        for axe in (True, False):
            for links in (full(5), both(full(5))):
                mesh = Mesh(5, links, axe=axe)
                for number, client in enumerate(mesh.clients):
                    client.say(get(f"g{number}", "s"))
                mesh.rest()
                mesh.crossings.clear()
                mesh.write(0, "x")
                self.assertEqual(4, mesh.crossings.total(), f"axe {axe}, {len(links)} links")


class LateTests(SynchronousTestCase):
    """What comes late changes nothing, so it goes nowhere."""

    def test_late_copy(self) -> None:
        """A put that is said again an hour later, under another id, is acknowledged and stays where it is."""
        mesh = Mesh(4, ring(4))
        for number, client in enumerate(mesh.clients):
            client.say(get(f"g{number}", "s"))
        mesh.write(0, "x")
        state = mesh.clock.now - 1_000
        mesh.clock.advance(3_600_000)
        before = mesh.frames
        for number, client in enumerate(mesh.clients):
            client.take()
            client.say(put(f"late{number}", "s", {"x": "x"}, state))
        mesh.rest()
        self.assertEqual(before, mesh.frames)
        for number, client in enumerate(mesh.clients):
            self.assertEqual([f"late{number}"], [said["@"] for said in client.take()])
