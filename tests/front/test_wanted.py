"""
Tests for L{gunnet.front.wanted} and L{gunnet.front.options}, and for what a relay makes of them.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import _SystemdParser
from twisted.python.systemd import ListenFDs

from gunnet import tap
from gunnet.front.wanted import Front
from gunnet.settings import Settings, SettingsError
from tests.test_service import ServiceCase
from tests.test_tap import TapCase
from tests.transport.doubles import HANDSHAKE, WireTransport


class OptionTests(TapCase):
    """The options."""

    def test_sources(self) -> None:
        """Each can be said in each way."""
        front = Front(("10.0.0.0/8", "unix"), True, "tcp:80")
        tls = ("--tls-key", "k", "--tls-cert", "c")
        arguments = "--trust-proxy 10.0.0.0/8 --trust-proxy unix --proxy-protocol --redirect-http 80"
        self.assertEqual(front, self.settings(*tls, *arguments.split()).front)
        config = 'trust-proxy = ["10.0.0.0/8", "unix"]\nproxy-protocol = true\nredirect-http = 80'
        self.assertEqual(front, self.settings(*tls, config=config).front)
        env = {
            "GUNNET_TRUST_PROXY": "10.0.0.0/8,unix",
            "GUNNET_PROXY_PROTOCOL": "true",
            "GUNNET_REDIRECT_HTTP": "80",
        }
        self.assertEqual(front, self.settings(*tls, env=env).front)

    def test_redirect_host(self) -> None:
        """Plain HTTP comes in at the same host as the rest."""
        tls = ("--tls-key", "k", "--tls-cert", "c", "--redirect-http", "80")
        said = self.settings(*tls, "--host", "::1")
        self.assertEqual(r"tcp:80:interface=\:\:1", said.front.redirect)
        self.patch(tap, "_both_protocols", lambda: True)
        self.assertEqual(r"tcp:80:interface=\:\:", self.settings(*tls).front.redirect)

    def test_mistakes(self) -> None:
        """One clear line for each."""
        for arguments, word in (
            ("--trust-proxy localhost", "--trust-proxy: trusted proxies: 'localhost'"),
            ("--trust-proxy 10.0.0.1/8", "10.0.0.1/8 has host bits set"),
            ("--proxy-protocol", "needs --trust-proxy"),
            ("--listen haproxy:tcp:1", "haproxy:tcp:1 needs --trust-proxy"),
            ("--trust-proxy unix --listen haproxy:ssl:1", "comes before TLS"),
            ("--trust-proxy unix --proxy-protocol --listen ssl:1", "comes before TLS"),
            ("--redirect-http 80", "needs TLS"),
            ("--redirect-http x", "'x' is not a port number"),
        ):
            self.assertIn(word, self.refused(*arguments.split()))

    def test_direct(self) -> None:
        """Programs are told likewise."""
        self.assertRaises(SettingsError, Front, trusted=("x",))
        self.assertRaises(SettingsError, Settings, front=Front(redirect="tcp:80"))
        Settings(front=Front(redirect="tcp:80"), listen=("ssl:443",))


class RelayTests(ServiceCase):
    """A whole relay."""

    def peers(self, **fields: Any) -> WireTransport:
        """Somebody at the first listener, who is at 192.0.2.7."""
        relay = self.relay(**fields)
        relay.startService()
        transport = WireTransport()
        transport.peerAddr = IPv4Address("TCP", "192.0.2.7", 1)
        transport.protocol = self.reactor.tcpServers[0][1].buildProtocol(transport.getPeer())
        transport.protocol.makeConnection(transport)
        self.running = relay
        return transport

    def test_forwarded(self) -> None:
        """What a trusted proxy says decides who a link is limited as."""
        proxied = self.peers(front=Front(("192.0.2.0/24",)))
        proxied.protocol.dataReceived(HANDSHAKE + b"X-Forwarded-For: 198.51.100.1\r\n\r\n")
        self.assertEqual(["ws 198.51.100.1"], [link.name for link in self.running.links])
        self.stop(self.running)

    def test_proxy_protocol(self) -> None:
        """
        The option puts it before all listeners, the prefix before one; nobody on the local network is told of
        a port for proxies.
        """
        for fields in (
            {"front": Front(("192.0.2.0/24",), proxy_protocol=True), "listen": ("tcp:1",)},
            {"front": Front(("192.0.2.0/24",)), "listen": ("haproxy:tcp:1", "tcp:2")},
        ):
            proxied = self.peers(**fields)
            proxied.protocol.dataReceived(b"PROXY TCP4 198.51.100.1 10.0.0.1 5 443\r\n" + HANDSHAKE + b"\r\n")
            self.assertEqual(["ws 198.51.100.1:5"], [link.name for link in self.running.links])
            self.assertIsNone(self.running.listeners[0].open_port)
            self.stop(self.running)

    def test_not_trusted(self) -> None:
        """It is counted where all else is."""
        relay = self.relay(front=Front(("10.0.0.0/8",), proxy_protocol=True))
        relay.startService()
        self.addCleanup(self.stop, relay)
        factory = self.reactor.tcpServers[0][1]
        self.assertIsNone(factory.buildProtocol(IPv4Address("TCP", "192.0.2.7", 1)))
        self.assertEqual(1, relay.mesh.relay.counters["proxies_refused"])

    def test_systemd(self) -> None:
        """A socket that systemd did not pass on is missing, and that is said in one line."""
        for which in ("index=0", "name=gun"):
            relay = self.relay(listen=(f"systemd:domain=INET:{which}",))
            line = str(self.assertRaises(SettingsError, relay.startService))
            self.assertEqual(f"can't listen on 'systemd:domain=INET:{which}': there is no such socket", line)
        self.patch(_SystemdParser, "_sddaemon", ListenFDs([3]))
        relay = self.relay(listen=("systemd:domain=X25519:index=0",))
        self.assertIn("AF_X25519", str(self.assertRaises(SettingsError, relay.startService)))
