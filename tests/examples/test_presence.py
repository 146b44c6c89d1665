"""
C{examples/presence.py}: people who come, go, and are cut off.
"""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.examples.running import Example
from tests.interop.relays import GunnetRelay


class PresenceTests(TestCase):
    """A board with short beats."""

    timeout = 90

    def member(self, url: str, *name: str) -> Example:
        return Example(self, "presence", url, "--board", "b", "--beat", "0.5", *name)

    async def test_board(self) -> None:
        """Who comes is shown, who leaves is not, nor who is cut off, after some beats."""
        relay = GunnetRelay(self)
        await relay.start()
        watcher = self.member(relay.url)
        await watcher.says("^online: nobody$")
        alice = self.member(relay.url, "--name", "alice")
        await watcher.says("^online: alice$")
        bob = self.member(relay.url, "--name", "bob")
        await watcher.says("^online: alice, bob$")
        await alice.says("^online: alice, bob$")
        await alice.stop("TERM")
        await watcher.says("^online: bob$")
        await bob.child.end("KILL", 5)
        watcher.lines.clear()
        await watcher.says("^online: nobody$")
        late = self.member(relay.url)
        await late.says("^online: nobody$")
        self.assertNotIn("online: bob", late.lines)
        await late.stop()
        await watcher.stop()
        await relay.stop()
