"""
C{docs/migrating.md}: the ways to move a graph from gun's own relay to ours, and back, as they stand there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.interop import node
from tests.interop.children import Child, until, within
from tests.interop.clients import Page
from tests.interop.relays import GunJsRelay, GunnetRelay, Relay
from tests.interop.test_sync import OLD, Known, SyncCase, read, some

MOVE_SECONDS_MAX = 60.0
SAVE_SECONDS_MAX = 10.0

KINDS = ['"text"', "1.5", "true", "null", '{"#":"soul/0000"}', '""', '"\\u0007 \u2028 \U0001f600"']
AWKWARD: Known = {
    **{("kinds", f"kind{number}"): (OLD + 0.25, value.encode()) for number, value in enumerate(KINDS)},
    ("soul/with ünusual * 名前 \U0001f600", "key/of %1B + space"): (OLD, b'"here"'),
}


def large(count: int) -> Known:
    """One node with many properties: more than the script says in one message."""
    return {("large", f"key{i}"): (OLD, str(i).encode()) for i in range(count)}


async def saved(folder: Path, cells: int) -> None:
    """Wait until gun's relay has so many cells in its files, which it writes later than it knows them."""

    async def enough() -> bool:
        return sum(file.read_text().count('">":') for file in folder.iterdir()) == cells

    await until(SAVE_SECONDS_MAX, f"{cells} cells in {folder}", enough)


class RadataTests(SyncCase):
    """F{docs/radata.js}, on a folder that gun's own relay has written."""

    async def written(self, cells: Known) -> Path:
        """@return: the folder of a relay of gun, which has been stopped, with these cells."""
        theirs = GunJsRelay(self)
        assert theirs.data is not None
        await theirs.start()
        await self.equal(self.folder(cells), theirs)
        await saved(theirs.data, len(cells))
        await theirs.stop()
        return theirs.data

    async def move(self, folder: Path, to: Relay) -> tuple[int, str]:
        """Run the script beside an installed gun. @return: its exit status and what it said."""
        kit = node.kit()
        place = Path(self.mktemp()).resolve()
        modules = place / "node_modules"
        modules.mkdir(parents=True)
        (modules / "gun").symlink_to(kit.gun(node.GUN_VERSIONS[0]))
        (modules / "ws").symlink_to(kit.ws)
        shutil.copy(node.CHECKOUT / "docs" / "radata.js", place)
        child = Child("radata.js")
        child.start(self, [kit.node, str(place / "radata.js"), str(folder), to.url], to.environment())
        status = await within(MOVE_SECONDS_MAX, child.report, child.ended())
        return status, "\n".join(child.output)

    async def test_everything(self) -> None:
        """All comes over with its states, also a second time; nothing in the folder changes."""
        cells = {**some(1_000), **large(1_200), **AWKWARD}
        folder = await self.written(cells)
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        ours = GunnetRelay(self)
        await ours.start()
        for _ in range(2):
            status, said = await self.move(folder, ours)
            self.assertEqual(status, 0, said)
            self.assertIn(f"103 nodes, {len(cells)} properties; 0 left out, 0 refused", said)
        await ours.stop()
        assert ours.data is not None
        self.assertEqual(read(ours.data), cells)
        self.assertEqual({file.name: file.read_bytes() for file in folder.iterdir()}, before)

    async def test_refused(self) -> None:
        """What the relay refuses is told by its soul, and the status is 1; the rest comes over."""
        forged: Known = {(f"~{'a' * 43}.{'b' * 43}/x", "key"): (OLD, b'"not signed"')}
        folder = await self.written(some(20))
        (folder / "forged").write_text(
            '{"%s\x1bkey":{"":{":":"not signed",">":%d}}}'.replace("\x1b", "\\u001b")
            % (next(iter(forged))[0], OLD)
        )
        ours = GunnetRelay(self)
        await ours.start()
        status, said = await self.move(folder, ours)
        await ours.stop()
        self.assertEqual(status, 1, said)
        self.assertIn(next(iter(forged))[0], said)
        self.assertIn("0 left out, 1 refused", said)
        assert ours.data is not None
        self.assertEqual(read(ours.data), some(20))

    async def test_no_relay(self) -> None:
        """Where nobody listens, that is said."""
        status, said = await self.move(self.folder({}), GunnetRelay(self))
        self.assertEqual(status, 1)
        self.assertIn("ECONNREFUSED", said)


class BesideTests(SyncCase):
    """Both relays for a time."""

    async def test_peer(self) -> None:
        """With C{--peer}, what clients of ours ask for comes over and stays; what they write goes there."""
        theirs = GunJsRelay(self)
        await theirs.start()
        await self.equal(self.folder(some(20)), theirs)
        ours = GunnetRelay(self, peers=(theirs.url,))
        await ours.start()
        page = Page(self, node.GUN_VERSIONS[0])
        page.spawn()
        await page.ready()
        client = await page.client(ours.url)
        self.assertEqual(await client.get("soul/0001", "key3").once(wait_ms=2_000), "value 13")
        await client.get("new", "key").put("written")
        other = await page.client(theirs.url)
        shown = await other.get("new", "key").on()
        await shown.shows("written")
        await theirs.stop()
        await ours.stop()
        assert ours.data is not None
        found = read(ours.data)
        self.assertEqual(found["soul/0001", "key3"], some(20)["soul/0001", "key3"])
        self.assertNotIn(("soul/0000", "key0"), found)

    async def test_back(self) -> None:
        """C{gunnet sync} gives an empty relay of gun all that a folder of ours has, for its files too."""
        cells = {**some(200), **AWKWARD}
        theirs = GunJsRelay(self)
        assert theirs.data is not None
        await theirs.start()
        await self.equal(self.folder(cells), theirs)
        await saved(theirs.data, len(cells))
        await theirs.restart()
        page = Page(self, node.GUN_VERSIONS[0])
        page.spawn()
        await page.ready()
        client = await page.client(theirs.url)
        self.assertEqual(await client.get("soul/0019", "key9").once(wait_ms=2_000), "value 199")
        await theirs.stop()
