"""
Interoperation tests: relays on one local network that know nothing of one another, with real sockets, each on
a machine of its own (L{tests.interop.namespaces}).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.children import Child, until, within
from tests.interop.clients import MISSING, Client
from tests.interop.namespaces import Host, HostGunJs, HostRelay, Lan, require_namespaces

GARBAGE = """
import os, socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(20_000):
    unquoted = b'[{"#":"a","@":put%d,"ok":true}]' % number
    for text in (os.urandom(100), unquoted, b"2" + os.urandom(20)):
        sender.sendto(text, ("233.255.255.255", 8765))
"""


class LanCase(TestCase):
    """Base: a local network."""

    timeout = 120

    def setUp(self) -> None:
        node.kit()
        require_namespaces()
        self.lan = Lan(self)


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

    async def test_flood(self) -> None:
        """So it is with AXE off."""
        ours, theirs = self.lan.host(), self.lan.host()
        await ours.relay(HostRelay, axe=False)
        await theirs.relay(HostGunJs, axe=False)
        here, there = await ours.client(), await theirs.client()
        heard_here, heard_there = await here.get("room").on(), await there.get("room").on()
        await there.get("room").put({"from": "gun.js"})
        await heard_here.shows({"from": "gun.js"})
        await here.get("room").put({"from": "gunnet"})
        await heard_there.shows({"from": "gunnet"})

    async def test_joins_late(self) -> None:
        """
        A gun.js that comes late is asked what it has, and answered what we have. It stores that; but with
        multicast on it answers no get of its own clients, be the others gun.js or ours, so it is turned off
        to see it.
        """
        ours, theirs = self.lan.host(), self.lan.host()
        await ours.relay(HostRelay)
        here = await ours.client()
        await here.get("ours").put({"early": "gunnet"})
        heard = await here.get("theirs").on()
        gunjs = await theirs.relay(HostGunJs)
        there = await theirs.client()
        await there.get("theirs").put({"early": "gun.js"})
        await heard.shows({"early": "gun.js"})
        await there.get("ours").on()

        async def is_stored() -> bool:
            assert gunjs.data is not None
            return any(b"gunnet" in file.read_bytes() for file in gunjs.data.rglob("*") if file.is_file())

        await until(20, lambda: f"gun.js has stored it. {gunjs.report()}", is_stored)
        await gunjs.kill()
        await (await theirs.relay(HostGunJs, data=gunjs.data, multicast=False)).is_well()
        await (await (await theirs.client()).get("ours").on()).shows({"early": "gunnet"})


class OursTests(LanCase):
    """Relays of ours, which know nothing of one another."""

    async def three(self, **how: bool) -> tuple[list[Host], list[Client]]:
        """@return: three hosts with a relay each, and a client of each."""
        hosts = [self.lan.host(**how) for _ in range(3)]
        await gatherResults([Deferred.fromCoroutine(host.relay(HostRelay)) for host in hosts])
        return hosts, [await host.client() for host in hosts]

    async def test_three_hosts(self) -> None:
        """They find one another, link over WebSocket, and agree."""
        hosts, clients = await self.three()
        streams = [await client.get("room").on() for client in clients]
        for number, client in enumerate(clients):
            await client.get("room").put({f"from{number}": number})
        for stream in streams:
            await stream.shows({"from0": 0, "from1": 1, "from2": 2})
        await self.ends(hosts, 6)

    async def ends(self, hosts: list[Host], count: int) -> None:
        """Wait until relays have so many ends of links in all."""
        seen: list[list[int]] = []

        async def has_them() -> bool:
            seen.append([(await host.health())["relays"] for host in hosts])
            return sum(seen[-1]) == count

        await until(40, lambda: f"{count} ends; seen: {seen[-5:]}", has_them)

    async def test_partition(self) -> None:
        """What is written on both sides of a cut is known everywhere after it is mended."""
        hosts, clients = await self.three()
        await self.ends(hosts, 6)
        streams = [await client.get("room").on() for client in clients]
        self.lan.cut(hosts[2])
        await clients[0].get("room").put({"one side": True})
        await clients[2].get("room").put({"other side": True})
        await self.ends(hosts, 4)  # who has dialled gives up; the other one keeps its end a little longer
        self.assertEqual(streams[2].events[-1].value, {"other side": True})
        self.lan.mend(hosts[2])
        for stream in streams:
            await stream.shows({"one side": True, "other side": True}, 30)

    async def test_joins_late(self) -> None:
        """A relay that comes late learns all, also what nobody asks it for."""
        first, late = self.lan.host(), self.lan.host()
        relay = await first.relay(HostRelay)
        await (await first.client()).get("room").put({"early": True})
        await late.relay(HostRelay)
        await self.stores(late, 1)
        await relay.stop()
        self.assertEqual(await (await late.client()).get("room").once(), {"early": True})

    async def stores(self, host: Host, cells: int) -> None:
        """Wait until a relay has stored so many cells."""
        seen: list[object] = []

        async def has_them() -> bool:
            seen.append((await host.health())["counters"].get("cells_stored", 0))
            return bool(seen[-1] == cells)

        await until(30, lambda: f"{host.namespace} has stored {cells}; seen: {seen[-5:]}", has_them)

    async def test_large(self) -> None:
        """What no datagram can carry comes over WebSocket, which is opened for it if it was not before."""
        first, other = self.lan.host(), self.lan.host()
        await first.relay(HostRelay)
        await other.relay(HostRelay)
        here, there = await first.client(), await other.client()
        stream = await there.get("room", "large").on()
        large = "x" * 200_000
        await here.get("room", "large").put(large)
        await stream.shows(large)

    async def test_no_links(self) -> None:
        """Relays that listen to their own machine only can't be linked: datagrams do it."""
        hosts = [self.lan.host() for _ in range(2)]
        for host in hosts:
            await host.relay(HostRelay, "--host", "127.0.0.1")
        here, there = [await host.client() for host in hosts]
        await here.get("early").put({"said": "before"})
        stream, early = await there.get("room").on(), await there.get("early").on()
        await here.get("room").put({"by": "UDP"})
        await stream.shows({"by": "UDP"})
        await early.shows({"said": "before"})
        await self.ends(hosts, 0)

    async def test_garbage(self) -> None:
        """A machine that floods the network with garbage changes nothing but a counter."""
        hosts, clients = await self.three()
        stream = await clients[2].get("room").on()
        stranger = self.lan.host()
        child = Child("stranger")
        child.start(self, [*stranger.inside, sys.executable, "-c", GARBAGE], os.environ)
        self.assertEqual(await within(60, "all is said", child.ended()), 0)
        await clients[0].get("room").put({"as": "ever"})
        await stream.shows({"as": "ever"})
        for host in hosts:
            health = await host.health()
            self.assertTrue(health["ok"])
            counters = health["counters"]
            self.assertGreater(counters["source_datagrams_exceeded"] + counters["multicast_garbage"], 0)
            self.assertNotIn("faults", counters)
            self.assertNotIn("complaints_sent", counters)

    async def test_no_route(self) -> None:
        """A network without a router, where no route leads to the group."""
        _, clients = await self.three(route=False)
        stream = await clients[2].get("room").on()
        await clients[0].get("room").put({"no": "route"})
        await stream.shows({"no": "route"})

    async def test_ipv6_only(self) -> None:
        """A network on which nobody has an IPv4 address."""
        _, clients = await self.three(ipv4=False)
        stream = await clients[2].get("room").on()
        await clients[0].get("room").put({"by": "IPv6"})
        await stream.shows({"by": "IPv6"})

    async def test_interface_goes_and_comes(self) -> None:
        """An interface that is down when the relay starts is an error line; when it is up, all is well."""
        hosts = [self.lan.host() for _ in range(2)]
        hosts[0].ip("link", "set", "eth0", "down")
        relay = await hosts[0].relay(HostRelay)
        self.assertIn("no multicast on", relay.report())
        await hosts[1].relay(HostRelay)
        hosts[0].ip("link", "set", "eth0", "up")
        await self.ends(hosts, 2)
        here, there = await hosts[0].client(), await hosts[1].client()
        stream = await here.get("room").on()
        hosts[0].ip("link", "set", "eth0", "down")
        hosts[0].ip("address", "flush", "dev", "eth0")
        await there.get("room").put({"while": "down"})
        await self.ends(hosts, 1)
        self.assertEqual(stream.events, [])
        hosts[0].ip("address", "add", "10.77.0.99/24", "dev", "eth0")
        hosts[0].ip("link", "set", "eth0", "up")
        await stream.shows({"while": "down"}, 30)

    async def test_off(self) -> None:
        """With C{MULTICAST=false} nobody is found, and nobody finds it."""
        hosts = [self.lan.host() for _ in range(2)]
        relay = hosts[0].stopped_relay(HostRelay, "--no-multicast")
        await relay.start()
        await hosts[1].relay(HostRelay)
        here, there = await hosts[0].client(), await hosts[1].client()
        await there.get("room").put({"heard": True})
        self.assertIs(await here.get("room").once(wait_ms=3000), MISSING)
        self.assertEqual((await hosts[0].health())["relays"], 0)


class IoTTests(LanCase):
    """The example of C{docs/multicast.md}, as it stands there."""

    def examples(self, language: str) -> list[str]:
        """@return: its blocks in this language."""
        text = (node.CHECKOUT / "docs" / "multicast.md").read_text("utf-8")
        return [block.split("```")[0] for block in text.split("## Example")[1].split(f"```{language}\n")[1:]]

    def run_there(self, host: Host, folder: Path, script: str) -> Child:
        """Run a script on a host, with C{gunnet} and C{gun} installed."""
        kit = node.kit()
        env = {
            **os.environ,
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(node.CHECKOUT), os.environ.get("PYTHONPATH")])),
            "NODE_PATH": str(kit.modules),
        }
        child = Child(f"{script.strip()} on {host.namespace}")
        child.start(self, [*host.inside, "sh", "-c", f"cd '{folder}'\n{script}"], env)
        self.addCleanup(host.end_all)
        return child

    def installed(self) -> Path:
        """@return: a folder in which all is that the example needs."""
        kit = node.kit()
        folder = Path(self.mktemp()).resolve()
        for name in ("bin", "node_modules"):
            (folder / name).mkdir(parents=True)
        [program] = self.examples("js")
        (folder / "device.js").write_text(program, "utf-8")
        (folder / "node_modules" / "gun").symlink_to(kit.gun(node.GUN_VERSIONS[0]))
        (folder / "bin" / "node").symlink_to(kit.node)
        gunnet = folder / "bin" / "gunnet"
        gunnet.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gunnet "$@"\n', "utf-8")
        gunnet.chmod(0o755)
        return folder

    async def device(self, state: str) -> Child:
        """Do on a new host what the example says."""
        host, folder = self.lan.host(route=False), self.installed()
        relay, program = self.examples("sh")
        running = self.run_there(host, folder, relay)

        async def listens() -> bool:
            return any("listening on" in line for line in running.output)

        await until(30, lambda: f"it listens. {running.report()}", listens)
        return self.run_there(host, folder, program.replace("lamp on", state))

    async def test_example(self) -> None:
        """Three devices that know nothing of one another agree."""
        states = ("lamp on", "door closed", "heater 21")
        devices = await gatherResults([Deferred.fromCoroutine(self.device(state)) for state in states])

        async def agreed() -> bool:
            return all(set(states) <= set(device.output) for device in devices)

        await until(30, lambda: "\n".join(device.report() for device in devices), agreed)
