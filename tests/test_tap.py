"""
Tests for L{gunnet.tap}: options, environment, configuration file, and errors at start.
"""

from __future__ import annotations

import gc
import io
from collections.abc import Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from gunnet import __version__, tap
from gunnet.access.wanted import Access
from gunnet.compiled import how
from gunnet.limits import Limits
from gunnet.rtc.ice import IceServer
from gunnet.rtc.wanted import Rtc
from gunnet.service import RelayService
from gunnet.settings import Multicast, Settings, SettingsError
from gunnet.store.interface import StoreError
from gunnet.tls.wanted import Acme, Tls


class TapCase(SynchronousTestCase):
    """A process with an environment of our choice."""

    def setUp(self) -> None:
        self.environment: dict[str, str] = {}
        self.patch(tap.os, "environ", self.environment)
        self.patch(tap, "_both_protocols", lambda: False)
        self.errors = io.StringIO()
        self.patch(tap.sys, "stderr", self.errors)

    def settings(self, *arguments: str, config: str | None = None, env: Mapping[str, str] = {}) -> Settings:
        """What comes of a command line, a configuration file and an environment."""
        self.environment.clear()
        self.environment.update(env)
        if config is not None:
            path = self.mktemp()
            with open(path, "w", encoding="utf-8") as file:
                file.write(config)
            arguments = ("--config", path, *arguments)
        options = tap.Options()
        options.parseOptions(arguments)
        return options.settings

    def refused(self, *arguments: str, **sources: Any) -> str:
        """The same with a mistake in it: the one line about it."""
        line = str(self.assertRaises(UsageError, self.settings, *arguments, **sources))
        self.assertNotIn("\n", line)
        return line


class OptionsTests(TapCase):
    """The command line."""

    def test_defaults(self) -> None:
        """Without any options, the defaults."""
        self.assertEqual(self.settings(), Settings(multicast=Multicast()))

    def test_multicast(self) -> None:
        """Multicast is on, as GUN has it, and each of its settings can be said in each way."""
        expected = Multicast("239.1.2.3", 7, ("eth0", "10.0.0.7"), 2)
        arguments = "--multicast 239.1.2.3:7 --multicast-interface eth0 --multicast-interface 10.0.0.7"
        arguments += " --multicast-ttl 2"
        self.assertEqual(self.settings(*arguments.split()).multicast, expected)
        config = """
            multicast = "239.1.2.3:7"
            multicast-interface = ["eth0", "10.0.0.7"]
            multicast-ttl = 2
        """
        self.assertEqual(self.settings(config=config).multicast, expected)
        for off in ("no-multicast = true", "multicast = false"):
            self.assertIsNone(self.settings(config=off).multicast)
            self.assertEqual(self.settings("--multicast", "239.1.2.3:7", config=off).multicast.port, 7)
        self.assertIsNone(self.settings("--no-multicast", config='multicast = "239.1.2.3"').multicast)
        self.assertIsNone(self.settings("--multicast", "239.1.2.3", "--no-multicast").multicast)
        self.assertIn("--multicast", self.refused("--multicast", "10.0.0.1:8765"))
        self.assertIn("TTL", self.refused("--multicast-ttl", "0"))

    def test_multicast_and_tokens(self) -> None:
        """Where who connects needs a token, it is off; to ask for it is refused."""
        for option in ("--token-file", "--jwt-key", "--allow-user"):
            self.assertIsNone(self.settings(option, "x").multicast)
            self.assertIn("token", self.refused(option, "x", "--multicast", "239.1.2.3"))
            self.assertIn("token", self.refused(option, "x", env={"MULTICAST": "true"}))
        self.assertEqual(self.settings("--allow-pub", "x", "--require-signed").multicast, Multicast())

    def test_everything(self) -> None:
        """Every option arrives where it belongs."""
        arguments = (
            "--listen tcp:1 --listen unix:/x --path /a --peer ws://a --peer http://b/gun --data d --no-axe"
        )
        arguments += " --peers-from https://l/r --gossip all --gossip-allow 10.0.0.0/8 --gossip-allow ::1"
        arguments += " --no-sync --max-peers 9"
        arguments += " --no-multicast --max-message 64K --max-data 2G --gun-js g --tls-key k --tls-cert c"
        self.assertEqual(
            self.settings(*arguments.split()),
            Settings(
                listen=("tcp:1", "unix:/x"),
                path="/a",
                peers=("ws://a", "http://b/gun"),
                data="d",
                data_bytes_max=2 << 30,
                axe=False,
                peers_from="https://l/r",
                gossip="all",
                gossip_allow=("10.0.0.0/8", "::1"),
                sync=False,
                gun_js="g",
                tls=Tls(keys=("k",), certs=("c",)),
                limits=Limits(message_bytes=65536, peers=9),
            ),
        )

    def test_access(self) -> None:
        """Who may use the relay is said in each of the three ways, with the same names."""
        expected = Access(require_signed=True, allow_pub="w")
        said = self.settings("--require-signed", "--allow-pub", "w")
        self.assertEqual(said.access, expected)
        said = self.settings(env={"GUNNET_REQUIRE_SIGNED": "true", "GUNNET_ALLOW_PUB": "w"})
        self.assertEqual(said.access, expected)
        said = self.settings(config='require-signed = true\nallow-pub = "w"')
        self.assertEqual(said.access, expected)
        arguments = "--allow-origin HTTPS://a/ --allow-origin http://b:1 --token-file t --jwt-key k"
        arguments += " --jwt-algorithm ES256 --jwt-audience a --jwt-issuer i --allow-user u"
        arguments += " --allow-host Relay.example:8765"
        expected = Access(
            allow_origin=("https://a", "http://b:1"),
            token_file="t",
            jwt_key="k",
            jwt_algorithm="ES256",
            jwt_audience="a",
            jwt_issuer="i",
            allow_user="u",
            allow_host=("relay.example:8765",),
        )
        self.assertEqual(self.settings(*arguments.split()).access, expected)
        said = self.settings(env={"GUNNET_ALLOW_ORIGIN": "https://a, https://b:443"}).access
        self.assertEqual(said.allow_origin, ("https://a", "https://b"))
        arguments = (
            "--address-links 1 --address-messages 2 --address-bytes 3K --writer-puts 4 --writer-bytes 5"
        )
        limits = Limits(
            address_links=1, address_messages=2, address_bytes=3072, writer_puts=4, writer_bytes=5
        )
        self.assertEqual(self.settings(*arguments.split()).limits, limits)
        limits = self.settings("--quota-user", "1M", "--quota", "a=b=2K", "--quota", "=1G").limits
        self.assertEqual((limits.user_bytes, limits.prefix_bytes), (1 << 20, (("a=b", 2048), ("", 1 << 30))))
        self.assertEqual(self.settings(config='quota = "a=1"').limits.prefix_bytes, (("a", 1),))
        self.assertIn("--quota", self.refused("--quota", "room"))
        access = self.settings("--rule", "m:f", "--rule-deadline", "0.25", "--rule-fail", "open").access
        self.assertEqual((access.rule, access.rule_deadline, access.rule_fail), ("m:f", 0.25, "open"))
        access = self.settings(config='rule-program = "a b"\nrule-deadline = 1.5').access
        self.assertEqual((access.rule_program, access.rule_deadline), ("a b", 1.5))
        self.assertIn("--rule-deadline", self.refused("--rule-deadline", "soon"))
        self.assertIn("--allow-pub", self.refused("--allow-pub", ""))
        self.assertIn("neither true nor false", self.refused(config="require-signed = 1"))

    def test_rtc(self) -> None:
        """The same for what is about WebRTC."""
        turn = "turn:turn.example:3478?transport=udp"
        expected = Rtc(
            room="lobby",
            ice_servers=(IceServer("stun:a:3478"), IceServer("turn:b", "me", "secret")),
            turn_servers=(turn,),
            turn_secret_file="s",
            turn_seconds=600,
        )
        arguments = (
            f"--rtc-room lobby --ice-server stun:a:3478 --ice-server turn:me:secret@b --turn-server {turn}"
        )
        arguments += " --turn-secret-file s --turn-seconds 600 --rtc-peers 9"
        said = self.settings(*arguments.split())
        self.assertEqual((said.rtc, said.limits.rtc_peers), (expected, 9))
        said = self.settings(
            env={
                "GUNNET_RTC_ROOM": "lobby",
                "GUNNET_ICE_SERVER": "stun:a:3478, turn:me:secret@b",
                "GUNNET_TURN_SERVER": turn,
                "GUNNET_TURN_SECRET_FILE": "s",
                "GUNNET_TURN_SECONDS": "600",
                "GUNNET_RTC_PEERS": "9",
            }
        )
        self.assertEqual((said.rtc, said.limits.rtc_peers), (expected, 9))
        config = (
            f'rtc-room = "lobby"\nice-server = ["stun:a:3478", "turn:me:secret@b"]\nturn-server = "{turn}"\n'
        )
        said = self.settings(config=config + 'turn-secret-file = "s"\nturn-seconds = 600\nrtc-peers = 9')
        self.assertEqual((said.rtc, said.limits.rtc_peers), (expected, 9))
        self.assertEqual(self.settings("--rtc-room=").rtc.room, "", "the room of a page without a path")
        self.assertIn("--ice-server", self.refused("--ice-server", "example.com"))
        self.assertIn("--turn-secret-file", self.refused("--turn-server", turn))

    def test_tls(self) -> None:
        """Keys and certificates may be many, also in the environment; ACME is TLS too."""
        pairs = Tls(("a.key", "b.key"), ("a.pem", "b.pem"), ("ca.pem",))
        arguments = "--tls-key a.key --tls-cert a.pem --tls-key b.key --tls-cert b.pem --tls-ca ca.pem"
        self.assertEqual(self.settings(*arguments.split()).tls, pairs)
        env = {"HTTPS_KEY": "a.key, b.key", "HTTPS_CERT": "a.pem,b.pem", "GUNNET_TLS_CA": "ca.pem"}
        self.assertEqual(self.settings(env=env).tls, pairs)
        config = 'tls-key = ["a.key", "b.key"]\ntls-cert = ["a.pem", "b.pem"]\ntls-ca = "ca.pem"\n'
        self.assertEqual(self.settings(config=config).tls, pairs)
        arguments = "--acme-domain Relay.Example --acme-domain b.example --acme-email a@b.c --acme-agree-tos"
        arguments += " --acme-directory https://d/dir --acme-challenge tls-alpn-01 --acme-folder f"
        arguments += " --acme-http-port 81 --host 127.0.0.1"
        said = self.settings(*arguments.split())
        expected = Acme(
            ("relay.example", "b.example"),
            "a@b.c",
            "https://d/dir",
            agreed=True,
            challenge="tls-alpn-01",
            folder="f",
            http="tcp:81:interface=127.0.0.1",
        )
        self.assertEqual((said.acme, said.listen), (expected, ("tcp:443:interface=127.0.0.1",)))
        self.assertEqual(self.settings().acme, Acme())
        env = {"GUNNET_ACME_DOMAIN": "a.example", "GUNNET_ACME_AGREE_TOS": "true"}
        self.assertEqual(self.settings(env=env).acme.domains, ("a.example",))
        self.assertIn("--acme-agree-tos", self.refused("--acme-domain", "a.example"))
        self.assertIn("--acme-http-port", self.refused("--acme-http-port", "http"))
        self.assertIn("dns-01", self.refused("--acme-challenge", "dns-01"))

    def test_no_store(self) -> None:
        """No folder then, even if one is named."""
        self.assertIsNone(self.settings("--no-store", "--data", "x").data)

    def test_listen(self) -> None:
        """C{--port} and C{--host} are short for an endpoint; with C{--listen}, both count."""
        for arguments, expected in (
            (["-p", "1"], ("tcp:1",)),
            (["--port", "0", "--host", "127.0.0.1"], ("tcp:0:interface=127.0.0.1",)),
            (["--host", "::1"], ("tcp:8765:interface=\\:\\:1",)),
            (["--listen", "unix:/x", "--port", "2"], ("unix:/x", "tcp:2")),
            (["--listen", "tcp:2", "--listen", "tcp:2"], ("tcp:2",)),
            (["--tls-key", "k", "--tls-cert", "c"], ("tcp:443",)),
            (["--tls-key", "k", "--tls-cert", "c", "--port", "8443"], ("tcp:8443",)),
        ):
            self.assertEqual(self.settings(*arguments).listen, expected)

    def test_both_protocols(self) -> None:
        """By default IPv6 too, where one socket can do both."""
        self.patch(tap, "_both_protocols", lambda: True)
        self.assertEqual(self.settings().listen, ("tcp:8765:interface=\\:\\:",))
        self.assertEqual(self.settings("--host", "0.0.0.0").listen, ("tcp:8765:interface=0.0.0.0",))

    def test_peers_once(self) -> None:
        """A peer named twice is linked once."""
        self.assertEqual(self.settings("--peer", "ws://a", "--peer", "ws://a").peers, ("ws://a",))

    def test_large_messages(self) -> None:
        """Messages larger than a frame usually is make frames larger."""
        limits = self.settings("--max-message", "200M").limits
        self.assertEqual(limits.frame_bytes, limits.message_bytes)

    def test_refused(self) -> None:
        """Each mistake is one line that names the option."""
        for arguments, named in (
            (["--port", "x"], "--port"),
            (["--port", "70000"], "--port"),
            (["--bogus"], "bogus"),
            (["extra"], "rguments"),
            (["--max-message", "big"], "--max-message"),
            (["--max-message", "1"], "1 bytes"),
            (["--peer", "nowhere"], "nowhere"),
            (["--peers-from", "http://a/b"], "use https"),
            (["--gossip", "perhaps"], "'perhaps'"),
            (["--gossip-allow", "10.0.0.0/33"], "10.0.0.0/33"),
            (["--max-peers", "many"], "--max-peers"),
            (["--max-peers", "0"], "0 peers"),
            (["--path", "gun"], "'gun'"),
            (["--tls-key", "k"], "certificate"),
            (["--config", "/nonexistent.toml"], "/nonexistent.toml"),
            (["--data", ""], "--data"),
        ):
            self.assertIn(named, self.refused(*arguments))

    def test_refused_under_twist(self) -> None:
        """C{twist} prints its usage for a L{UsageError}; so the process ends before that, with one line."""

        class Parent(UsageOptions):
            subCommands = [["gun", None, tap.Options, ""]]

        for arguments in (["gun", "--port", "x"], ["gun", "--bogus"]):
            self.assertEqual(self.assertRaises(SystemExit, Parent().parseOptions, arguments).code, 2)
            line = self.errors.getvalue()
            self.assertTrue(line.startswith("gunnet: ") and line.count("\n") == 1, line)
            self.errors.truncate(0)
            self.errors.seek(0)

    def test_version(self) -> None:
        """The version is ours."""
        out = io.StringIO()
        self.patch(tap.sys, "stdout", out)
        self.assertEqual(self.assertRaises(SystemExit, tap.Options().parseOptions, ["--version"]).code, 0)
        self.assertEqual(out.getvalue(), f"gunnet {__version__} ({how()})\n")


class EnvironmentTests(TapCase):
    """The variables that GUN deployments use."""

    def test_everything(self) -> None:
        """Each arrives where it belongs."""
        env = {
            "PORT": "5000",
            "PEERS": "http://a/gun, ws://b/gun,",
            "PEERS_FROM": "https://l/r",
            "HTTPS_KEY": "k",
            "HTTPS_CERT": "c",
            "MULTICAST": "false",
            "AXE": "false",
            "RAD": "false",
        }
        expected = Settings(
            listen=("tcp:5000",),
            peers=("http://a/gun", "ws://b/gun"),
            peers_from="https://l/r",
            tls=Tls(keys=("k",), certs=("c",)),
            axe=False,
            data=None,
        )
        self.assertEqual(self.settings(env=env), expected)

    def test_true(self) -> None:
        """C{true} is said as well as C{false}."""
        settings = self.settings(env={"MULTICAST": "true", "AXE": "TRUE", "RAD": "1"})
        self.assertEqual((settings.multicast, settings.axe, settings.data), (Multicast(), True, "gundata"))

    def test_empty(self) -> None:
        """An empty variable is none."""
        env = dict.fromkeys(
            ("PORT", "PEERS", "PEERS_FROM", "HTTPS_KEY", "HTTPS_CERT", "MULTICAST", "AXE", "RAD"), ""
        )
        self.assertEqual(self.settings(env=env), Settings(multicast=Multicast()))

    def test_refused(self) -> None:
        """A mistake names the variable."""
        self.assertIn("PORT", self.refused(env={"PORT": "http"}))
        self.assertIn("AXE", self.refused(env={"AXE": "perhaps"}))
        self.assertIn("'x'", self.refused(env={"PEERS": "x"}))


class ConfigurationTests(TapCase):
    """The configuration file."""

    def test_everything(self) -> None:
        """It has the names of the options."""
        config = """
            listen = ["tcp:1", "tcp:2"]
            path = "/a"
            peer = "ws://a"
            peers-from = "https://l/r"
            gossip = "peers"
            gossip-allow = ["10.0.0.0/8"]
            max-peers = 9
            no-sync = true
            data = "d"
            max-message = "1M"
            max-data = 2097152
            axe = false
            multicast = true
            gun-js = "g"
            tls-key = ["k"]
            tls-cert = "c"
        """
        expected = Settings(
            listen=("tcp:1", "tcp:2"),
            path="/a",
            peers=("ws://a",),
            peers_from="https://l/r",
            gossip="peers",
            gossip_allow=("10.0.0.0/8",),
            sync=False,
            data="d",
            data_bytes_max=2097152,
            axe=False,
            multicast=Multicast(),
            gun_js="g",
            tls=Tls(keys=("k",), certs=("c",)),
            limits=Limits(message_bytes=1 << 20, peers=9),
        )
        self.assertEqual(self.settings(config=config), expected)

    def test_flags(self) -> None:
        """A flag may be said in both ways."""
        for line in ("no-store = true", "store = false"):
            self.assertIsNone(self.settings(config=line).data)
        for line in ("no-store = false", "store = true"):
            self.assertEqual(self.settings(config=line).data, "gundata")

    def test_port(self) -> None:
        """A port may be a number or text."""
        for line in ("port = 1", 'port = "1"'):
            self.assertEqual(self.settings(config=line).listen, ("tcp:1",))

    def test_refused(self) -> None:
        """A mistake names the file and what is wrong in it."""
        for config, named in (
            ("porrt = 1", "'porrt'"),
            ("config = 'x'", "'config'"),
            ("[relay]\nport = 1", "'relay'"),
            ("port = ", "TOML"),
            ("port = 1.5", "port"),
            ("port = true", "port"),
            ("axe = 1", "axe"),
            ("peer = 1", "peer"),
            ("max-peers = 'x'", "max-peers"),
            ("gossip = true", "gossip"),
            ("listen = [1]", "listen"),
            ("listen = []", "nothing to listen on"),
            ("max-data = 'x'", "max-data"),
        ):
            self.assertIn(named, self.refused(config=config))


class PrecedenceTests(TapCase):
    """The command line goes before the environment, that before the file, that before the defaults."""

    config = "port = 1\npath = '/file'\npeer = 'ws://file'\naxe = false"

    def test_file(self) -> None:
        """The file alone."""
        settings = self.settings(config=self.config)
        self.assertEqual((settings.listen, settings.peers, settings.axe), (("tcp:1",), ("ws://file",), False))

    def test_environment_before_file(self) -> None:
        """The environment, and from the file what it doesn't name."""
        settings = self.settings(config=self.config, env={"PORT": "2", "PEERS": "ws://env", "AXE": "true"})
        self.assertEqual((settings.listen, settings.peers, settings.axe), (("tcp:2",), ("ws://env",), True))
        self.assertEqual(settings.path, "/file")

    def test_command_line_before_all(self) -> None:
        """The command line."""
        settings = self.settings("-p", "3", "--peer", "ws://line", config=self.config, env={"PORT": "2"})
        self.assertEqual((settings.listen, settings.peers), (("tcp:3",), ("ws://line",)))

    def test_listening(self) -> None:
        """C{listen}, C{port} and C{host} are one matter: who says most directly where, decides."""
        for arguments, env, config, expected in (
            ([], {"PORT": "2"}, "listen = 'unix:/x'", ("tcp:2",)),
            (["--listen", "unix:/x"], {"PORT": "2"}, "", ("unix:/x",)),
            ([], {"PORT": "2"}, "host = '127.0.0.1'", ("tcp:2:interface=127.0.0.1",)),
            (["--host", "127.0.0.1"], {"PORT": "2"}, "listen = 'unix:/x'", ("tcp:2:interface=127.0.0.1",)),
        ):
            self.assertEqual(self.settings(*arguments, env=env, config=config).listen, expected)


class Unwilling(Service):
    """A part that doesn't start."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def startService(self) -> None:
        raise self.error


class StartTests(TapCase):
    """From options to a service."""

    def options(self, parent: object = None) -> tap.Options:
        options = tap.Options()
        options.parseOptions(["--no-store", "--port", "1"])
        if parent is not None:
            options.parent = parent
        return options

    def test_embedded(self) -> None:
        """A program gets the relay itself, and its exceptions."""
        service = tap.makeService(self.options(), MemoryReactorClock())
        self.assertIsInstance(service, RelayService)

    def test_under_twist(self) -> None:
        """C{twist} gets it in a wrapping that ends the process."""
        service = tap.makeService(self.options(UsageOptions()), MemoryReactorClock())
        self.assertIsInstance(service, tap.CommandLineService)
        self.assertEqual([type(part) for part in service], [RelayService])  # type: ignore[attr-defined]

    def test_collects_less(self) -> None:
        """A relay that has started, and has the process for itself, has garbage looked for less often."""
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)
        tap.CommandLineService().startService()
        self.assertEqual(gc.get_threshold(), tap.COLLECT_AFTER)
        self.assertGreater(gc.get_freeze_count(), 1_000)

    def test_expected(self) -> None:
        """What the operator can mend is one line on standard error, and status 1."""
        for error, line in (
            (StoreError("data directory x is in use"), "gunnet: data directory x is in use\n"),
            (
                CannotListenError("", 80, OSError(98, "Address already in use")),
                "gunnet: can't listen on *:80: Address already in use\n",
            ),
            (SettingsError("no\nway"), "gunnet: no way\n"),
        ):
            service = tap.CommandLineService()
            service.addService(Unwilling(error))
            self.assertEqual(self.assertRaises(SystemExit, service.startService).code, 1)
            self.assertEqual(self.errors.getvalue(), line)
            self.errors.truncate(0)
            self.errors.seek(0)

    def test_unexpected(self) -> None:
        """Our own mistake keeps its traceback."""
        service = tap.CommandLineService()
        service.addService(Unwilling(KeyError("oops")))
        self.assertRaises(KeyError, service.startService)
