"""
C{gunnet sync} as a process, against relays in processes of their own: gunnet's, and gun's own in both modes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from gunnet.graph.ham import Cell
from gunnet.graph.lex import ALL
from gunnet.store.lmdb import LmdbStore
from tests.interop import node
from tests.interop.children import Child, within
from tests.interop.relays import GunJsRelay, GunnetRelay, Relay

Known = dict[tuple[str, str], Cell]
SYNC_SECONDS_MAX = 40.0
OLD = 1_700_000_000_000.0


def some(count: int, state: float = OLD, word: str = "value", souls: str = "soul") -> Known:
    """C{count} cells, ten in each soul: more than gun.js puts into one answer."""
    return {
        (f"{souls}/{i // 10:04d}", f"key{i % 10}"): (state + i, f'"{word} {i}"'.encode())
        for i in range(count)
    }


def write(folder: Path, cells: Known) -> None:
    """Put cells into a data folder."""
    store = LmdbStore(str(folder), 1 << 26)
    store.commit([(*name, cell) for name, cell in cells.items()])
    store.close()


def read(folder: Path) -> Known:
    """What is in a data folder."""
    store = LmdbStore(str(folder), 1 << 26)
    found = {(soul, key): cell for soul in store.souls(ALL) for key, cell in store.node(soul, ALL)}
    store.close()
    return found


class SyncCase(TestCase):
    """Data folders, and the command on them."""

    timeout = 120

    def folder(self, cells: Known) -> Path:
        """A data folder with some cells."""
        path = Path(self.mktemp()).resolve()
        write(path, cells)
        return path

    async def sync(self, folder: Path, relay: Relay) -> tuple[int, str]:
        """Run the command. @return: its exit status and what it said."""
        child = Child("gunnet sync")
        command = [
            sys.executable,
            "-m",
            "gunnet",
            "sync",
            relay.url,
            "--data",
            str(folder),
            "--timeout",
            "30",
        ]
        child.start(self, command, GunnetRelay(self).environment())
        status = await within(SYNC_SECONDS_MAX, child.report, child.ended())
        return status, "\n".join(child.output)

    async def equal(self, folder: Path, relay: Relay) -> str:
        """Run the command, which must end well. @return: its report."""
        status, said = await self.sync(folder, relay)
        self.assertEqual(status, 0, said)
        self.assertTrue(said.startswith("equal: "), said)
        return said


class GunnetTests(SyncCase):
    """Against this project's relay."""

    async def test_both_ways(self) -> None:
        """Both folders are the same afterwards; a second time there is nothing to do."""
        relay = GunnetRelay(self)
        theirs = {**some(2_000), **some(50, OLD + 5, "theirs"), **some(30, souls="theirs")}
        ours = {**some(2_000), **some(30, OLD + 9, "ours", "soul"), **some(20, souls="ours")}
        assert relay.data is not None
        write(relay.data, theirs)
        folder = self.folder(ours)
        await relay.start()
        await self.equal(folder, relay)
        again = await self.equal(folder, relay)
        self.assertIn(" 0 cells sent, 0 received", again)
        await relay.stop()
        truth = {
            name: max(side[name] for side in (ours, theirs) if name in side) for name in {**ours, **theirs}
        }
        self.assertEqual(read(folder), truth)
        self.assertEqual(read(relay.data), truth)

    async def test_in_use(self) -> None:
        """The folder of a relay that runs is left alone."""
        relay = GunnetRelay(self)
        await relay.start()
        assert relay.data is not None
        status, said = await self.sync(relay.data, relay)
        self.assertEqual(status, 1)
        self.assertIn("compares itself", said)

    async def test_nobody(self) -> None:
        """Where nobody listens, that is said."""
        status, said = await self.sync(self.folder({}), GunnetRelay(self))
        self.assertEqual(status, 1)
        self.assertIn("no link", said)


class GunJsTests(SyncCase):
    """Against gun's own relay."""

    def setUp(self) -> None:
        """Skip where Node is missing."""
        node.kit()

    async def check(self, **options: Any) -> None:
        """Fill an empty relay from one folder, and make another one the same."""
        relay = GunJsRelay(self, **options)
        await relay.start()
        first = self.folder(some(200))
        await self.equal(first, relay)
        newer, older = some(60, OLD + 1_000, "newer"), some(120, OLD - 1_000, "older")
        second = self.folder({**older, **newer})
        await self.equal(second, relay)
        # gun.js sometimes has a cell twice, the second time under a key that lost its end.
        self.assertLessEqual({**some(120), **newer}.items(), read(second).items())
        await self.equal(first, relay)
        self.assertLessEqual({**some(200), **newer}.items(), read(first).items())

    async def test_axe(self) -> None:
        """With AXE."""
        await self.check(axe=True)

    async def test_flood(self) -> None:
        """Without."""
        await self.check(axe=False)
