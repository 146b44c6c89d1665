"""
Machines on a network of their own: network namespaces of Linux, joined by a bridge in one more of them. They
need C{root} and the program C{ip} (package C{iproute2}).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, TestCase

from tests.interop import node
from tests.interop.clients import Client, Page
from tests.interop.relays import GunJsRelay, GunnetRelay, Relay

PORT = 8765
HOW_TO_ENABLE = (
    "To run the tests of machines on a local network, be root on Linux with the package iproute2, and "
    "have network namespaces allowed (in a container: --privileged)"
)

_numbers = itertools.count(1)


def ip(*words: str) -> None:
    """
    Run C{ip}.

    @raise AssertionError: it failed; with what it said.
    """
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise AssertionError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def require_namespaces() -> None:
    """
    @raise SkipTest: there can't be any here, and why.
    """
    if shutil.which("ip") is None:
        raise SkipTest(f"there is no program ip. {HOW_TO_ENABLE}")
    name = f"gunnet-{os.getpid()}-probe-{next(_numbers)}"
    try:
        ip("netns", "add", name)
        try:
            ip("-n", name, "link", "add", "name", "one", "type", "veth", "peer", "name", "two")
            ip("-n", name, "link", "add", "name", "three", "type", "bridge")
        finally:
            ip("netns", "del", name)
    except AssertionError as error:
        raise SkipTest(f"no network namespaces: {error}. {HOW_TO_ENABLE}") from None


class Host:
    """
    One machine.

    @ivar namespace: its name to C{ip}.
    @ivar inside: what a command line begins with that is to run there.
    """

    def __init__(self, test: TestCase, namespace: str, port: str) -> None:
        self.namespace = namespace
        self.port = port
        self.inside = ("ip", "netns", "exec", namespace)
        self._test = test
        self._page: Page | None = None

    def ip(self, *words: str) -> None:
        """Run C{ip} there."""
        ip("-n", self.namespace, *words)

    async def relay(self, kind: type[HostRelay | HostGunJs], *options: str, **how: Any) -> Relay:
        """@return: a running relay; see L{stopped_relay}."""
        relay = self.stopped_relay(kind, *options, **how)
        await relay.start()
        return relay

    def stopped_relay(
        self,
        kind: type[HostRelay | HostGunJs],
        *options: str,
        axe: bool = True,
        data: Path | None = None,
        multicast: bool = True,
    ) -> Relay:
        """
        @param options: of the command line, for one of ours.
        @param data: of a relay that ran here before; else it begins with none.
        @param multicast: whether it has that on, for one of gun.js.
        @return: a relay that is still to be started, alone with its port here.
        """
        relay = kind(self._test, axe=axe, name=f"relay of {self.namespace}")
        relay.port = PORT
        relay.url = f"http://127.0.0.1:{PORT}/gun"
        relay.options = options
        relay.data = data or relay.data
        relay.machine = self
        relay.multicast = multicast
        return relay

    def end_all(self) -> None:
        """Kill all that runs there: what a test has started may have started something, too."""
        pids = subprocess.run(
            ["ip", "netns", "pids", self.namespace], capture_output=True, text=True, timeout=20, check=True
        )
        for pid in pids.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    async def health(self) -> dict[str, Any]:
        """@return: what its relay says of itself."""
        program = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"
        command = [*self.inside, sys.executable, "-c", program, f"http://127.0.0.1:{PORT}/healthz"]
        said, error, status = await getProcessOutputAndValue(command[0], command[1:], env=dict(os.environ))
        if status != 0:
            raise AssertionError(f"{self.namespace} is not well: {error[-300:].decode()}")
        health: dict[str, Any] = json.loads(said)
        return health

    async def client(self, version: str = node.GUN_VERSIONS[0]) -> Client:
        """@return: a gun client on this machine, linked to its relay."""
        if self._page is None:
            self._page = Page(self._test, version, self.inside)
            self._page.spawn()
            await self._page.ready()
        client = await self._page.client(f"http://127.0.0.1:{PORT}/gun")
        await client.linked()
        return client


class Lan:
    """A local network. Its machines and all that runs there go at the end of the test."""

    def __init__(self, test: TestCase) -> None:
        self._test = test
        self._prefix = f"gunnet-{os.getpid()}-{next(_numbers)}"
        self._switch = f"{self._prefix}-switch"
        self._count = 0
        self._add_namespace(self._switch)
        ip("-n", self._switch, "link", "add", "name", "bridge", "type", "bridge", "forward_delay", "0")
        ip("-n", self._switch, "link", "set", "bridge", "up")

    def _add_namespace(self, name: str) -> None:
        ip("netns", "add", name)
        self._test.addCleanup(ip, "netns", "del", name)

    def host(self, *, route: bool = True, ipv4: bool = True) -> Host:
        """
        @param route: whether it has a route to multicast groups, as one with a router has.
        @param ipv4: whether it has an address but that which IPv6 gives itself.
        @return: one more machine: 10.77.0.1, 10.77.0.2 …, on C{eth0}.
        """
        self._count += 1
        name, port = f"{self._prefix}-{self._count}", f"port{self._count}"
        self._add_namespace(name)
        host = Host(self._test, name, port)
        self._test.addCleanup(host.end_all)
        ip(
            "-n",
            name,
            "link",
            "add",
            "name",
            "eth0",
            "type",
            "veth",
            "peer",
            "name",
            port,
            "netns",
            self._switch,
        )
        # No detection of duplicate addresses, which takes seconds.
        subprocess.run(
            [*host.inside, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad"], check=False
        )
        host.ip("link", "set", "lo", "up")
        host.ip("link", "set", "eth0", "up")
        ip("-n", self._switch, "link", "set", port, "up")
        self.mend(host)
        if ipv4:
            host.ip("address", "add", f"10.77.0.{self._count}/24", "brd", "+", "dev", "eth0")
            if route:
                host.ip("route", "add", "default", "via", "10.77.0.254")
        return host

    def cut(self, host: Host) -> None:
        """Pull the other end of its cable: it does not notice, but nothing gets through."""
        ip("-n", self._switch, "link", "set", host.port, "nomaster")

    def mend(self, host: Host) -> None:
        """Put it back."""
        ip("-n", self._switch, "link", "set", host.port, "master", "bridge")


async def _is_well(host: Host) -> bool:
    """Whether the relay there says so."""
    try:
        return bool(await host.health() is not None)
    except AssertionError:
        return False


class HostRelay(GunnetRelay):
    """This project's relay on a machine, with its defaults."""

    machine: Host
    multicast: bool

    def command(self) -> list[str]:
        """See L{Relay.command}."""
        command = [*self.machine.inside, sys.executable, "-m", "gunnet", "relay"]
        command += ["--data", str(self.data)] if self.data else ["--no-store"]
        if not self.axe:
            command.append("--no-axe")
        return [*command, *self.options]

    async def is_well(self) -> bool:
        """See L{Relay.is_well}."""
        return await _is_well(self.machine)


class HostGunJs(GunJsRelay):
    """gun's own relay on a machine, with multicast."""

    machine: Host
    multicast: bool

    def command(self) -> list[str]:
        """See L{Relay.command}."""
        *command, settings = super().command()
        return [
            *self.machine.inside,
            *command,
            json.dumps({**json.loads(settings), "multicast": self.multicast}),
        ]

    async def is_well(self) -> bool:
        """See L{Relay.is_well}."""
        return await _is_well(self.machine)
