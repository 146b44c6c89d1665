"""
Interoperation tests: the chain of L{gunnet.client} and unmodified gun.js clients, with relays of ours and of
gun.js between them.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from gunnet.client import Gun
from gunnet.client.chain import Chain
from gunnet.service import RelayService
from gunnet.settings import Settings
from tests.interop import node
from tests.interop.children import Child, until, within
from tests.interop.clients import Client
from tests.interop.relays import HOST, GunJsRelay, GunnetRelay, Relay, free_port
from tests.interop.scenario import Scenarios

PROGRAM = str(node.HERE / "client_program.py")
SECONDS = 10.0
PASSPHRASE = "correct horse battery"


class TlsRelay(GunnetRelay):
    """A relay of ours that speaks TLS."""

    async def is_well(self) -> bool:
        """It can't be asked in plain text, but says when it listens."""
        return f"https://{HOST}:{self.port}" in self.report()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """
    Make a key, and a certificate for C{localhost} that is its own authority.

    @return: their PEM files.
    """
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    files = folder / "key.pem", folder / "certificate.pem"
    files[0].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files[1].write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return files


class Heard:
    """What a chain tells. @ivar latest: the last value of each key."""

    def __init__(self, chain: Chain) -> None:
        self.latest: dict[str, Any] = {}
        chain.on(self._add)

    def _add(self, value: Any, key: str) -> None:
        self.latest[key] = value

    async def until(self, expected: dict[str, Any]) -> None:
        """Wait until the last values are these."""

        async def met() -> bool:
            return self.latest == expected

        await until(SECONDS, lambda: f"{expected} was told; {self.latest} was", met)


class Programs:
    """Programs of L{tests.interop.client_program}."""

    def program(self, test: TestCase, *words: str, **environment: str) -> Child:
        """Start one."""
        child = Child(f"program {words[0]}")
        path = os.pathsep.join(filter(None, [str(node.CHECKOUT), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-X", "dev", PROGRAM, *words]
        child.start(test, command, {**os.environ, "PYTHONPATH": path, **environment})
        return child

    async def says(self, child: Child, line: str) -> None:
        """Wait until it says something."""

        async def said() -> bool:
            return line in child.output

        await until(3 * SECONDS, lambda: f"{line!r} is said. {child.report()}", said)

    async def ends(self, child: Child) -> None:
        """Wait until it has ended well."""
        status = await within(6 * SECONDS, child.report, child.ended())
        if status:
            raise AssertionError(f"it ended with {status}. {child.report()}")


class Chains(Programs, Scenarios):
    """A client in Python and one of gun.js, at a relay of ours."""

    newest_only = True
    kind: ClassVar[type[Relay]] = GunnetRelay

    def gun(self, relay: Relay, **options: Any) -> Gun:
        """A client in Python, closed at the end."""
        gun = Gun(relay.url, **options)
        self.addCleanup(gun.close)
        return gun

    async def both(self) -> tuple[Gun, Client]:
        """
        @return: one of each, linked to the same relay.
        """
        relay = await self.relay(kind=self.kind)
        (client,) = await self.clients(relay)
        gun = self.gun(relay)
        await linked(gun)
        return gun, client

    def test_put_and_on(self) -> Deferred[None]:
        """What either puts, the other sees: values, nested nodes, what is deleted."""

        async def scenario() -> None:
            gun, client = await self.both()
            theirs = await client.get("room").on()
            ours = Heard(gun.get("room"))
            await gun.get("room").put({"title": "one", "count": 1.5, "open": True})
            await theirs.until(lambda: bool(theirs.events) and theirs.events[-1].value["title"] == "one")
            await client.get("room").put(
                {"title": "two", "gone": None, "inner": {"deep": {"x": "ü\ud83d\ude00"}}}
            )
            await ours.until(
                {
                    "room": {
                        "title": "two",
                        "count": 1.5,
                        "open": True,
                        "gone": None,
                        "inner": {"#": "room/inner"},
                    }
                }
            )
            self.assertEqual(await gun.get("room").get("inner").get("deep").get("x"), "ü😀")
            await gun.get("room").get("inner").get("deep").get("y").put(None)
            await gun.get("room").get("mine").get("deep").put({"z": 3})
            self.assertEqual(await client.get("room", "mine", "deep").once(), {"z": 3})
            self.assertEqual(await client.get("room/mine/deep", "z").once(), 3)
            self.assertIsNone(await client.get("room", "inner", "deep", "y").once())

        return ensureDeferred(scenario())

    def test_set_and_map(self) -> Deferred[None]:
        """Items that either adds to a set are items for the other."""

        async def scenario() -> None:
            gun, client = await self.both()
            theirs = await client.get("list").map()
            ours = Heard(gun.get("list").map().get("name"))
            put = gun.get("list").set({"name": "from python"})
            await put
            soul = await put.chain.soul()
            await theirs.until(lambda: theirs.latest.get(soul) == {"name": "from python"})
            await client.get("list").set({"name": "from gun.js"})
            await until(
                SECONDS, lambda: f"the item comes: {ours.latest}", lambda: _eventually(ours, "from gun.js")
            )
            items = await gun.get("list").map()
            self.assertEqual(sorted(item["name"] for item in items.values()), ["from gun.js", "from python"])
            await gun.get("list").get(soul).get("name").put("changed")
            await theirs.until(lambda: theirs.latest.get(soul) == {"name": "changed"})

        return ensureDeferred(scenario())

    def test_nothing(self) -> Deferred[None]:
        """What nobody has is not there, long before gun.js gives up asking."""

        async def scenario() -> None:
            gun, _ = await self.both()
            missing = gun.get("nobody").get("x").once()
            self.assertIsNone(await within(5, "it is known that there is nothing", missing))

        return ensureDeferred(scenario())

    def test_lex(self) -> Deferred[None]:
        """A LEX selects what gun.js put."""

        async def scenario() -> None:
            gun, client = await self.both()
            await client.get("lex").put({"a1": 1, "a2": 2, "b1": 3})
            self.assertEqual(await gun.get("lex").get({".": {"*": "a"}, "%": 50_000}), {"a1": 1, "a2": 2})
            self.assertEqual(await gun.get("lex").map({"*": "b"}), {"b1": 3})

        return ensureDeferred(scenario())

    def test_users(self) -> Deferred[None]:
        """An account that either made is opened by the other, and what was signed is believed by both."""

        async def scenario() -> None:
            gun, client = await self.both()
            user = await gun.user().create("pythonista", PASSPHRASE)
            await user.get("profile").put({"name": "from python"})
            pub = await client.auth("pythonista", PASSPHRASE)
            self.assertEqual(pub, user.pair.pub)
            self.assertEqual(await client.user("profile", "name").once(), "from python")
            await client.user("profile").put({"more": "from gun.js"})
            profile = gun.user(pub).get("profile")
            ours = Heard(profile.get("more"))
            await ours.until({"more": "from gun.js"})
            self.assertEqual((await user.get("profile"))["name"], "from python")

        return ensureDeferred(scenario())

    def test_user_of_gunjs(self) -> Deferred[None]:
        """The other way round."""

        async def scenario() -> None:
            gun, client = await self.both()
            pub = await client.create("scripter", PASSPHRASE)
            await client.auth("scripter", PASSPHRASE)  # only after that is the chain of its user there
            await client.user("profile").put({"name": "from gun.js"})
            user = await gun.user().auth("scripter", PASSPHRASE)
            self.assertEqual(user.pair.pub, pub)
            self.assertEqual(await user.get("profile").get("name"), "from gun.js")
            theirs = await client.user("profile").on()
            await user.get("profile").get("name").put("from python", peer=True, timeout=SECONDS)
            await theirs.until(lambda: theirs.events[-1].value.get("name") == "from python")

        return ensureDeferred(scenario())

    def test_offline(self) -> Deferred[None]:
        """What is written while the relay is away gets there when it is back, and what was missed comes."""

        async def scenario() -> None:
            relay = await self.relay(kind=self.kind)
            gun = self.gun(relay)
            await linked(gun)
            ours = Heard(gun.get("room"))
            await gun.get("room").put({"before": 1}, peer=True, timeout=SECONDS)
            await relay.kill()
            await until(SECONDS, "the link is gone", lambda: _is(gun, 0))
            await gun.get("room").put({"offline": 2})
            await relay.start()
            (client,) = await self.clients(relay)
            await client.get("room").put({"other": 3})
            await ours.until({"room": {"before": 1, "offline": 2, "other": 3}})
            await until(
                SECONDS,
                "the relay has what was written offline",
                lambda: _reads(client, ("room", "offline"), 2),
            )

        return ensureDeferred(scenario())

    def test_opt(self) -> Deferred[None]:
        """A peer that is added later is as good as one from the start."""

        async def scenario() -> None:
            relay = await self.relay(kind=self.kind)
            (client,) = await self.clients(relay)
            await client.get("room").put({"x": 1})
            gun = Gun()
            self.addCleanup(gun.close)
            ours = Heard(gun.get("room"))
            self.assertIsNone(await gun.get("room"))
            gun.opt(peers=relay.url)
            await ours.until({"room": {"x": 1}})
            await gun.get("room").get("y").put(2, peer=True, timeout=SECONDS)
            self.assertEqual(await client.get("room", "y").once(), 2)

        return ensureDeferred(scenario())

    def test_killed(self) -> Deferred[None]:
        """What a program wrote without a link, and was killed, gets to the relay when it runs again."""

        async def scenario() -> None:
            relay = self.stopped_relay(kind=self.kind)
            data = self.mktemp()
            writer = self.program(self, "write", relay.url, data)
            await self.says(writer, "stored")
            await writer.end("KILL", SECONDS)
            await relay.start()
            again = self.program(self, "forward", relay.url, data)
            await self.ends(again)
            self.assertEqual([*again.output][-2:], ["kept again", "0"])
            (client,) = await self.clients(relay)
            self.assertEqual(await client.get("offline").once(), {"text": "kept again", "number": 7})

        return ensureDeferred(scenario())


class ChainsAtGunJs(Chains):
    """The same, at gun's own relay."""

    kind = GunJsRelay


globals().update({**Chains.test_cases(), **ChainsAtGunJs.test_cases()})
del Chains, ChainsAtGunJs


class AsyncioTests(Programs, TestCase):
    """Clients in programs without Twisted."""

    timeout = 120

    def test_twice(self) -> Deferred[None]:
        """Event loops one after the other, no reactor, and nothing left behind."""

        async def scenario() -> None:
            relay = GunnetRelay(self)
            await relay.start()
            url = relay.url.replace("127.0.0.1", "localhost")
            await self.ends(self.program(self, "twice", url, self.mktemp()))

        return ensureDeferred(scenario())

    def test_not_closed(self) -> Deferred[None]:
        """A program that closes nothing ends all the same; on Twisted, the end of the reactor closes it."""

        async def scenario() -> None:
            url = f"http://{HOST}:{free_port()}/gun"
            for what, says in (("leave", "left"), ("twisted", "False")):
                child = self.program(self, what, url, self.mktemp())
                await self.ends(child)
                self.assertIn(says, child.output)

        return ensureDeferred(scenario())

    def test_tls(self) -> Deferred[None]:
        """The same over TLS."""

        async def scenario() -> None:
            url, certificate = await secure_relay(self)
            await self.ends(self.program(self, "twice", url, self.mktemp(), SSL_CERT_FILE=certificate))

        return ensureDeferred(scenario())


async def secure_relay(test: TestCase) -> tuple[str, str]:
    """
    @return: the URL of a relay that was started with a certificate of its own making, and the file of that.
    """
    relay = TlsRelay(test)
    key, certificate = self_signed(Path(test.mktemp()).resolve())
    relay.options = ("--tls-key", str(key), "--tls-cert", str(certificate))
    await relay.start()
    return f"wss://localhost:{relay.port}/gun", str(certificate)


class AuthoritiesTests(TestCase):
    """Whom a client believes."""

    timeout = 60

    def test_private(self) -> Deferred[None]:
        """A relay with a certificate of a private authority is linked by who was handed that one only."""

        async def scenario() -> None:
            url, certificate = await secure_relay(self)
            believing, other = Gun(url, authorities=certificate), Gun(url)
            self.addCleanup(believing.close)
            self.addCleanup(other.close)
            await linked(believing)
            await believing.get("a").get("b").put("c", peer=True, timeout=SECONDS)
            added = Gun(authorities=[str(certificate)])
            self.addCleanup(added.close)
            await linked(added.opt(peers=url))
            self.assertIsNone(await other.get("a").get("b").once(wait=0.5))
            self.assertEqual(other.linked, 0)

        return ensureDeferred(scenario())


class InRelayTests(TestCase):
    """A chain in the process of a relay."""

    timeout = 60

    def test_bot(self) -> Deferred[None]:
        """It answers what a client writes to the relay, which goes on without it."""

        async def scenario() -> None:
            port = free_port()
            settings = Settings(listen=(f"tcp:{port}:interface={HOST}",), data=self.mktemp())
            relay = RelayService(settings, reactor, SystemRandom())
            relay.startService()
            self.addCleanup(relay.stopService)
            bot, gun = Gun(relay=relay), Gun(f"ws://{HOST}:{port}/gun")
            self.addCleanup(bot.close)
            self.addCleanup(gun.close)
            bot.get("asks").map().on(lambda text, key: bot.get("says").get(key).put(text.upper()))
            heard = Heard(gun.get("says").get("hello"))
            await gun.get("asks").get("hello").put("world")
            await heard.until({"hello": "WORLD"})
            await bot.close()
            await gun.get("asks").get("more").put("nobody answers", peer=True, timeout=SECONDS)
            self.assertIsNone(await gun.get("says").get("more").once(wait=0.5))

        return ensureDeferred(scenario())


async def linked(gun: Gun) -> None:
    """Wait until a client is linked."""
    await until(SECONDS, "the client is linked", lambda: _is(gun, 1))


async def _is(gun: Gun, count: int) -> bool:
    return gun.linked == count


async def _eventually(heard: Heard, value: Any) -> bool:
    return value in heard.latest.values()


async def _reads(client: Client, path: tuple[str, ...], value: Any) -> bool:
    await deferLater(reactor, 0.05)
    return bool(await client.get(*path).once() == value)
