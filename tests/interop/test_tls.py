"""
Relays with TLS, as processes, with a private authority (C{docs/tls.md}).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from gunnet.tls.certificates import Certificates
from tests.interop import node
from tests.interop.children import Child, until
from tests.interop.clients import Page
from tests.interop.relays import HOST, free_port
from tests.interop.scenario import all_ok
from tests.interop.secure import Files, SecureRelay, authority, ends, visit
from tests.tls.test_outgoing import read_any


class TlsCase(TestCase):
    """Somebody who gives certificates."""

    timeout = 120

    def setUp(self) -> None:
        self.authority = authority()
        self.ca = self.mktemp()
        with open(self.ca, "wb") as file:
            file.write(self.authority.pem)

    def files(self, *names: str, **fields: float) -> Files:
        return Files(self, *self.authority.gives(*names, **fields))

    def relay(self, *options: str, name: str = "secure") -> SecureRelay:
        return SecureRelay(self, self.authority.pem, *options, name=name)


class ListenTests(TlsCase):
    """Who connects."""

    async def test_names(self) -> None:
        """Each is shown the certificate for the name that it asks for; /healthz knows both."""
        first, second = self.files("localhost"), self.files("*.b.example")
        relay = self.relay(*first.options, *second.options)
        await relay.start()
        for name, names in (("localhost", ["localhost"]), ("a.b.example", ["*.b.example"])):
            visit = await relay.visit(name)
            self.assertEqual(names, visit.names)
        await until(5, "all of the answer", lambda: _true(visit.heard.rstrip().endswith(b"}")))
        health = json.loads(visit.heard.partition(b"\r\n\r\n")[2])
        self.assertEqual(["localhost", "*.b.example"], list(health["certificates"]))
        self.assertTrue(health["ok"])
        await relay.stop()

    async def test_gunjs(self) -> None:
        """The real gun.js is linked by https, and a new certificate costs it nothing."""
        files = self.files("localhost")
        relay = self.relay(*files.options)
        await relay.start()
        page = Page(self, node.GUN_VERSIONS[0], ["env", f"NODE_EXTRA_CA_CERTS={self.ca}"])
        page.spawn()
        await page.ready()
        client = await page.client(relay.url)
        await client.linked()
        await all_ok(client.get("room", "title").put("hello"))
        early = await relay.visit()
        files.write(*self.authority.gives("localhost", "new.example"))
        relay.hang_up()
        await relay.said("is shown from now on", 4.0)
        self.assertEqual(["localhost", "new.example"], (await relay.visit()).names)
        await all_ok(client.get("room", "title").put("again"))
        self.assertEqual(1, client.opened())
        heard = len(early.heard)
        early.ask("/")
        await until(5, "an answer on the old connection", lambda: _true(len(early.heard) > heard))
        self.assertEqual(["localhost"], early.names)
        await relay.stop()

    async def test_endpoint(self) -> None:
        """Twisted's own endpoints with TLS work too. SIGHUP does nothing for them, nor ends the relay."""
        files = self.files("localhost")
        relay = self.relay()
        place = free_port()
        listen = f"ssl:{place}:interface={HOST}:privateKey={files.key}:certKey={files.cert}"
        relay.options = ("--listen", listen)
        await relay.start()
        self.assertEqual(["localhost"], (await visit(place, "localhost", self.authority.pem)).names)
        relay.hang_up()
        await relay.said("is read at the start only")
        self.assertEqual(["localhost"], (await visit(place, "localhost", self.authority.pem)).names)
        await relay.stop()

    async def test_bad_file(self) -> None:
        """Without a signal too files are looked at; one that is of no use changes nothing."""
        files = self.files("localhost")
        relay = self.relay(*files.options)
        await relay.start()
        files.cert.write_bytes(b"")
        await relay.said("the certificate that was there before stays")
        self.assertEqual(["localhost"], (await relay.visit()).names)
        await relay.stop()

    async def test_mistakes(self) -> None:
        """What can't be served ends the start with one line, and never in plain text."""
        good, other, old = self.files("localhost"), self.files("localhost"), self.files("a", ends=-60.0)
        for key, cert in ((good.key, other.cert), (old.key, old.cert)):
            status, said = await ends(self, "--listen", f"ssl:{free_port()}:privateKey={key}:certKey={cert}")
            self.assertEqual(1, status)
            self.assertIn("gunnet: can't listen on", said[-1])
        for key, cert, why in (
            ("/nonexistent", good.cert, "No such file"),
            (good.key, "/nonexistent", "No such file"),
            (good.key, other.cert, "is not that of the first certificate"),
            (old.key, old.cert, "has expired"),
        ):
            for twist in (False, True):
                options = ("--tls-key", str(key), "--tls-cert", str(cert))
                status, said = await ends(self, *options, twist=twist)
                said = [line for line in said if line.startswith("gunnet:")]
                self.assertEqual(1, len(said), said)
                self.assertIn(why, said[0])
                self.assertEqual(1, status)
        status, said = await ends(self, "--tls-key", str(good.key))
        self.assertEqual(2, status)
        self.assertIn("--tls-cert", said[0])


class DialTests(TlsCase):
    """Whom we dial."""

    async def test_relays(self) -> None:
        """Relays are linked over TLS by a private authority, also by one that a list names."""
        up = self.relay(*self.files("localhost").options, name="up")
        await up.start()
        root = Resource()
        root.putChild(b"list", Data(json.dumps([up.url]).encode(), "application/json"))
        place = self.serve(Site(root), "localhost")
        for options in (
            ("--peer", up.url),
            ("--peers-from", f"https://localhost:{place}/list", "--gossip-allow", "127.0.0.0/8"),
        ):
            down = self.relay(*self.files("localhost").options, "--tls-ca", self.ca, *options, name="down")
            await down.start()
            await down.said("linked to ")
            self.assertTrue(down.says(f"://localhost:{up.port}/gun"), down.report())
            await down.stop()
        for options, why in (
            (["--tls-ca", self.ca], "equal: "),
            ([], "comes from an authority that is not believed here (--tls-ca)"),
        ):
            sync = Child("gunnet sync")
            command = [sys.executable, "-m", "gunnet", "sync", up.url, "--data", self.mktemp(), *options]
            sync.start(self, [*command, "--timeout", "5"], up.environment())
            status = await sync.ended()
            self.assertTrue(any(why in line for line in sync.output), sync.report())
            self.assertEqual("equal" not in why, bool(status))
        await up.stop()

    async def test_refused(self) -> None:
        """A wrong name, an unknown authority, one that has expired: no link, and the log says why."""
        listening = Factory.forProtocol(Protocol)
        for believed, fields, names, why in (
            (True, {}, ("other.example",), "its certificate is not for localhost"),
            (False, {}, ("localhost",), "comes from an authority that is not believed here (--tls-ca)"),
            (True, {"ends": -60.0}, ("localhost",), "its certificate has expired"),
        ):
            port = self.serve(listening, *names, **fields)  # type: ignore[arg-type]
            ca = ("--tls-ca", self.ca) if believed else ()
            down = self.relay(
                *self.files("localhost").options, *ca, "--peer", f"wss://localhost:{port}/gun", name="down"
            )
            await down.start()
            await down.said(f"no link to wss://localhost:{port}/gun")
            self.assertTrue(down.says(why), down.report())
            self.assertFalse(down.says("linked to"))
            await down.stop()

    def serve(self, factory: Any, *names: str, **fields: float) -> int:
        """
        @return: the port where C{factory} listens with such a certificate.
        """
        certificates = Certificates()
        certificates.put("own", read_any(self.authority.gives(*names, **fields)))
        secure = TLSMemoryBIOFactory(certificates, False, factory, clock=reactor)
        port = reactor.listenTCP(0, secure, interface=HOST)
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number


async def _true(value: bool) -> bool:
    return value
