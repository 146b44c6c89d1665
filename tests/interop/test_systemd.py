"""
Relays on sockets that somebody else has opened, as systemd does it (C{docs/proxies.md}).
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile

from twisted.internet import reactor
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.children import Child
from tests.interop.proxies import PAGE, configuration
from tests.interop.relays import HOST, START_SECONDS_MAX, GunnetRelay, status_at

UNITS = ("gunnet.socket", "gunnet-local.socket", "gunnet.service")


class ActivatedRelay(GunnetRelay):
    """
    A relay that is given sockets.

    @ivar names: how they are called.
    """

    names: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """See L{Relay.command}: as systemd starts it, with its own process id in the environment."""
        shell = 'LISTEN_PID=$$ exec "$@"'
        command = super().command()
        del command[
            command.index("--host") : command.index("--no-multicast")
        ]  # nor does it listen anywhere else
        return ["/bin/sh", "-c", shell, "sh", *command]

    def environment(self) -> dict[str, str]:
        """See L{Relay.environment}."""
        given = {"LISTEN_FDS": str(len(self.files)), "LISTEN_FDNAMES": ":".join(self.names)}
        return {**super().environment(), **given}


class ActivationTests(TestCase):
    """A TCP socket and a UNIX socket."""

    timeout = 60

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()  # trial's own folders have names too long for sockets
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "gun.sock")
        self.local = self.opened(socket.AF_UNIX, self.path)
        self.tcp = self.opened(socket.AF_INET, (HOST, 0))

    def opened(self, family: int, address: object) -> socket.socket:
        opened = socket.socket(family)
        self.addCleanup(opened.close)
        opened.bind(address)
        opened.listen()
        return opened

    def dialled(self, listening: socket.socket) -> socket.socket:
        """A connection that has asked for something."""
        dialled = socket.socket(listening.family)
        self.addCleanup(dialled.close)
        dialled.settimeout(10)
        dialled.connect(listening.getsockname())
        dialled.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        return dialled

    def relay(self, *options: str) -> ActivatedRelay:
        relay = ActivatedRelay(self)
        relay.port = self.tcp.getsockname()[1]
        relay.names = ("local", "gun")
        relay.files = {3: self.local.fileno(), 4: self.tcp.fileno()}
        relay.options = options
        return relay

    async def test_names(self) -> None:
        """
        The relay answers on both, as often as it is started; the file stays, and who dials while the relay is
        away waits for the next one.
        """
        relay = self.relay(
            "--listen", "systemd:domain=INET:name=gun", "--listen", "systemd:domain=UNIX:name=local"
        )
        endpoint = UNIXClientEndpoint(reactor, self.path)
        await relay.start()
        self.assertEqual(200, await status_at(endpoint, "/healthz"))
        await relay.stop()
        self.assertTrue(os.path.exists(self.path))
        waiting = [self.dialled(each) for each in (self.local, self.tcp)]
        await relay.start()
        self.assertEqual(200, await status_at(endpoint, "/healthz"))
        for dialled in waiting:
            self.assertIn(b" 200 ", await deferToThread(dialled.recv, 100))
        await relay.kill()
        await relay.start()
        self.assertEqual(200, await status_at(endpoint, "/healthz"))

    async def test_index(self) -> None:
        """One may be named by its number."""
        relay = self.relay("--listen", "systemd:domain=INET:index=1")
        await relay.start()
        await relay.stop()

    async def test_missing(self) -> None:
        """What was not passed on is missed at the start, in one line."""
        relay = self.relay("--listen", "systemd:domain=INET:name=other")
        child = Child("relay")
        child.start(self, relay.command(), relay.environment(), relay.files)
        self.assertEqual(1, await child.ended().addTimeout(START_SECONDS_MAX, reactor))
        line = "gunnet: can't listen on 'systemd:domain=INET:name=other': there is no such socket"
        self.assertIn(line, child.output)

    def test_units(self) -> None:
        """The units in the documentation are those that are shipped, and name the sockets by their names."""
        for name in UNITS:
            self.assertEqual((node.CHECKOUT / "misc" / name).read_text("utf-8"), configuration(name))
        service = configuration("gunnet.service")
        for socket_unit, name in (("gunnet.socket", "gun"), ("gunnet-local.socket", "local")):
            self.assertIn(f"FileDescriptorName={name}\n", configuration(socket_unit))
            self.assertIn(f":name={name} ", service)
            self.assertIn(socket_unit, service)
        self.assertIn("misc/", PAGE.read_text("utf-8"))
