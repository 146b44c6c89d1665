"""
Relays on UNIX sockets of their own, and plain HTTP beside TLS.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, build_opener

from twisted.internet import reactor
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.interop.children import Child
from tests.interop.proxies import Certificates, ListeningRelay
from tests.interop.relays import HOST, START_SECONDS_MAX, GunnetRelay, free_port, status_at


class UnixSocketTests(TestCase):
    """The life of the file."""

    timeout = 60

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()  # trial's own folders have names too long for sockets
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "gun.sock")
        self.endpoint = UNIXClientEndpoint(reactor, self.path)

    def relay(self, *, more: str = "") -> GunnetRelay:
        relay = GunnetRelay(self)
        relay.options = ("--listen", f"unix:{self.path}{more}")
        return relay

    def mode(self) -> int:
        return stat.S_IMODE(os.stat(self.path).st_mode)

    async def test_killed(self) -> None:
        """What a killed relay left behind is replaced; what one that was stopped did is nothing."""
        relay = self.relay()
        await relay.start()
        self.assertEqual(200, await status_at(self.endpoint, "/healthz"))
        self.assertEqual(0o660, self.mode())
        await relay.kill()
        self.assertTrue(os.path.exists(self.path))
        await relay.start()
        self.assertEqual(200, await status_at(self.endpoint, "/healthz"))
        self.assertIn(f"listening on http://unix:{self.path}:/gun", relay.report())
        await relay.stop()
        self.assertEqual([], os.listdir(self.folder))

    async def test_living(self) -> None:
        """A second relay there is refused with one line, and the first goes on."""
        await self.relay().start()
        second = self.relay()
        child = Child("second")
        child.start(self, second.command(), second.environment())
        self.assertEqual(1, await child.ended().addTimeout(START_SECONDS_MAX, reactor))
        self.assertIn(
            f"gunnet: can't listen on unix:{self.path}: somebody listens there already", child.output
        )
        self.assertEqual(200, await status_at(self.endpoint, "/healthz"))

    async def test_mode(self) -> None:
        """Who may connect can be said."""
        await self.relay(more=":mode=600").start()
        self.assertEqual(0o600, self.mode())

    async def test_file_is_gone(self) -> None:
        """A relay whose file somebody has deleted stops as any other."""
        relay = self.relay()
        await relay.start()
        os.unlink(self.path)
        await relay.stop()


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class RedirectTests(TestCase):
    """Plain HTTP beside TLS."""

    timeout = 60

    async def test_redirect(self) -> None:
        """It is sent to the port of TLS, by a relay that has both."""
        certificates = Certificates(Path(self.mktemp()).resolve())
        relay = ListeningRelay(self)
        port = free_port()
        tls = ("--tls-key", certificates.key, "--tls-cert", certificates.cert)
        relay.options = (*tls, "--redirect-http", str(port))
        await relay.start()

        def ask() -> tuple[int, str | None]:
            try:
                build_opener(_Stay).open(f"http://{HOST}:{port}/gun?x=1", timeout=10)
            except HTTPError as e:
                return e.code, e.headers["location"]
            raise AssertionError("it was not sent anywhere")

        self.assertEqual((308, f"https://{HOST}:{relay.port}/gun?x=1"), await deferToThread(ask))
        await relay.stop()
