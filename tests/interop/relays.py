"""
Relays as subprocesses: gunnet's, and gun's own to hold it against. Which one the tests use is said by the
environment variable C{GUNNET_INTEROP_RELAY}: C{gunnet} (the default) or C{gunjs}.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.children import Child, until, within

HOST = "127.0.0.1"
START_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 1.0


def free_port() -> int:
    """
    @return: a TCP port of the loopback address that nobody listens on just now.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Relay:
    """
    One relay on one port and one data folder, however often it is started.

    @cvar kind: how C{GUNNET_INTEROP_RELAY} names it.
    @ivar url: what clients and other relays dial.
    @ivar data: the folder of its store, or L{None} for a relay without one.
    @ivar options: more of the command line, for a relay of ours. May be set.
    @ivar files: descriptors that it gets beside the usual three: there, and here. May be set.
    """

    kind: str

    def __init__(
        self,
        test: TestCase,
        *,
        axe: bool = True,
        store: bool = True,
        peers: tuple[str, ...] = (),
        name: str = "relay",
    ) -> None:
        self.name = name
        self.axe = axe
        self.peers = peers
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/gun"
        self.data = Path(test.mktemp()).resolve() if store else None
        self.options: tuple[str, ...] = ()
        self.files: dict[int, int] = {}
        self._test = test
        self._child: Child | None = None

    def command(self) -> list[str]:
        """
        @return: the command line that runs this relay.
        """
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """
        @return: the environment it runs in.
        """
        return dict(os.environ)

    async def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        if self.data is not None:
            self.data.mkdir(parents=True, exist_ok=True)
        child = self._child = Child(f"{self.kind} {self.name}")
        child.start(self._test, self.command(), self.environment(), self.files)

        async def ready() -> bool:
            if child.status is not None:
                raise AssertionError(f"{self.name} ended while starting. {child.report()}")
            return await self.is_well()

        await until(START_SECONDS_MAX, lambda: f"{self.name} is ready. {child.report()}", ready)

    async def is_well(self) -> bool:
        """Whether it says that it is."""
        return await http_status(self.port, "/healthz") == 200

    async def stop(self) -> None:
        """
        Ask it to end.

        @raise AssertionError: it took more than L{STOP_SECONDS_MAX}, or ended by a fault.
        """
        child = self._running()
        status = await child.end("TERM", STOP_SECONDS_MAX)
        if status not in (0, -15):
            raise AssertionError(f"{self.name} ended with status {status} on SIGTERM. {child.report()}")

    async def kill(self) -> None:
        """End it without a word, as a power cut would."""
        await self._running().end("KILL", 10)

    async def restart(self) -> None:
        """Stop it and start it again, on the same port and data."""
        await self.stop()
        await self.start()

    def lose_disk(self) -> None:
        """Delete all that it has stored. It must not run."""
        if self.data is not None:
            shutil.rmtree(self.data)

    def report(self) -> str:
        """
        @return: what it said last, for a failure message.
        """
        return self._child.report() if self._child else f"{self.name} was never started"

    def _running(self) -> Child:
        if self._child is None:
            raise AssertionError(f"{self.name} was never started")
        return self._child


class GunnetRelay(Relay):
    """This project's relay, the package that the tests import."""

    kind = "gunnet"

    def command(self) -> list[str]:
        """See L{Relay.command}."""
        command = [
            sys.executable,
            "-m",
            "gunnet",
            "relay",
            "--host",
            HOST,
            "--port",
            str(self.port),
            "--no-multicast",
        ]
        command += ["--data", str(self.data)] if self.data else ["--no-store"]
        if not self.axe:
            command.append("--no-axe")
        for url in self.peers:
            command += ["--peer", url]
        return [*command, *self.options]

    def environment(self) -> dict[str, str]:
        """See L{Relay.environment}."""
        path = os.pathsep.join(filter(None, [str(node.CHECKOUT), os.environ.get("PYTHONPATH")]))
        return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


class GunJsRelay(Relay):
    """gun's own relay, of the newest pinned version."""

    kind = "gunjs"

    def command(self) -> list[str]:
        """See L{Relay.command}."""
        kit = node.kit()
        settings = {
            "host": HOST,
            "port": self.port,
            "data": None if self.data is None else str(self.data),
            "axe": self.axe,
            "peers": self.peers,
        }
        return [kit.node, str(node.HERE / "relay.js"), kit.gun(node.GUN_VERSIONS[0]), json.dumps(settings)]


_KINDS: dict[str, type[Relay]] = {kind.kind: kind for kind in (GunnetRelay, GunJsRelay)}


def relay_kind() -> type[Relay]:
    """
    @return: the relay that the environment asks for.
    """
    return _KINDS[os.environ.get("GUNNET_INTEROP_RELAY", GunnetRelay.kind)]


class _StatusLine(Protocol):
    """Asks for one page and keeps the beginning of the answer."""

    def __init__(self, path: str) -> None:
        self.heard = b""
        self.closed: Deferred[None] = Deferred()
        self._path = path

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
        )

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.callback(None)


async def http_status(port: int, path: str) -> int | None:
    """
    @return: the HTTP status of a page on the loopback address, or L{None} if nobody answers.
    """
    return await status_at(TCP4ClientEndpoint(reactor, HOST, port, timeout=5), path)


async def status_at(endpoint: IStreamClientEndpoint, path: str) -> int | None:
    """
    @return: the HTTP status of a page, or L{None} if nobody answers.
    """
    try:
        asking = await connectProtocol(endpoint, _StatusLine(path))
    except ConnectError:
        return None
    await within(5, f"the answer to {path} ends", asking.closed)
    words = asking.heard.split(b" ", 2)
    return int(words[1]) if len(words) > 1 else None
