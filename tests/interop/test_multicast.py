"""
Interoperation tests: relays on one local network that know nothing of one another, with real sockets, each on
a machine of its own (L{tests.interop.namespaces}).
"""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.children import until
from tests.interop.clients import Client
from tests.interop.namespaces import HostGunJs, HostRelay, Lan, require_namespaces


class LanCase(TestCase):
    """Base: a local network."""

    timeout = 120

    def setUp(self) -> None:
        node.kit()
        require_namespaces()
        self.lan = Lan(self)


async def learns(client: Client, soul: str, key: str, value: object, seconds: float = 30) -> None:
    """Wait until a client that asks again and again is told a value."""
    seen: list[object] = []

    async def has_it() -> bool:
        seen.append(await client.get(soul).get(key).once())
        return seen[-1] == value

    await until(seconds, lambda: f"{soul}.{key} is {value!r:.60}; seen: {str(seen[-3:])[:200]}", has_it)


class GunJsTests(LanCase):
    """Stock gun.js and ours."""

    async def test_both_ways(self) -> None:
        """Each hears live what a client of the other one writes."""
        ours, theirs = self.lan.host(), self.lan.host()
        await ours.relay(HostRelay)
        await theirs.relay(HostGunJs)
        here, there = await ours.client(), await theirs.client()
        heard_here, heard_there = await here.get("room").on(), await there.get("room").on()
        await there.get("room").put({"from": "gun.js"})
        await heard_here.shows({"from": "gun.js"})
        await here.get("room").put({"from": "gunnet"})
        await heard_there.shows({"from": "gunnet"})
