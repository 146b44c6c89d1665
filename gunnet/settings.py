"""
What one relay is asked to be: plain data, checked, with nothing opened.

The command line, the environment and the configuration file all end here (L{gunnet.tap}), and so do programs
that embed a relay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from gunnet.access.wanted import Access
from gunnet.amounts import number as number
from gunnet.amounts import port as port
from gunnet.amounts import size as size
from gunnet.front.wanted import Front
from gunnet.limits import MIB, Limits
from gunnet.mesh.urls import AllowRule
from gunnet.rtc.wanted import Rtc
from gunnet.seeing.wanted import Seeing
from gunnet.settings_error import SettingsError as SettingsError
from gunnet.tls.wanted import Acme, Tls

PORT = 8765
TLS_PORT = 443
PATH = "/gun"
DATA = "gundata"
DATA_BYTES_MAX = 1 << 40
GOSSIP = ("off", "peers", "all")


@dataclass(frozen=True)
class Multicast:
    """
    How peers on the local network are found (gun.js C{lib/multicast.js}).

    @ivar group: the address of the group, IPv4 or IPv6. Of an IPv4 one there is also one for IPv6, among
        gunnet relays.
    @ivar port: of UDP.
    @ivar interfaces: names or addresses of the interfaces; empty for the one that leads to the group.
    @ivar ttl: how many networks it may cross: 1 is the own one only.
    @raise SettingsError: one clear line on what is wrong.
    """

    group: str = "233.255.255.255"
    port: int = PORT
    interfaces: tuple[str, ...] = ()
    ttl: int = 1

    def __post_init__(self) -> None:
        try:
            is_group = ip_address(self.group).is_multicast
        except ValueError:
            is_group = False
        if not is_group:
            raise SettingsError(f"multicast: {self.group!r} is no address of a group, like 233.255.255.255")
        if not 0 < self.port < 65536:
            raise SettingsError(f"multicast: port {self.port} is not between 1 and 65535")
        if not 0 < self.ttl < 256:
            raise SettingsError(f"multicast: a TTL of {self.ttl} is not between 1 and 255")
        if not all(name.strip() for name in self.interfaces):
            raise SettingsError("multicast: an interface has no name")


def multicast_group(text: str) -> tuple[str, int]:
    """
    Read C{ADDRESS:PORT}, C{[ADDRESS]:PORT} for IPv6, or an address alone, which has gun.js's port.

    @raise SettingsError: it is none of these.
    """
    found = re.fullmatch(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[^:]+))(?::(?P<port>[0-9]{1,5}))?", text)
    if found is None:
        raise SettingsError(f"{text!r} is not like 233.255.255.255:8765")
    group = Multicast(found["six"] or found["four"], int(found["port"] or PORT))
    return group.group, group.port


@dataclass(frozen=True)
class Settings:
    """
    The settings of one relay.

    @ivar listen: Twisted server endpoint strings; none of them listens twice. Empty for a relay that only
        dials others, or is part of a site that listens (L{gunnet.web.mount}).
    @ivar path: the path of the WebSocket upgrade.
    @ivar peers: URLs of other relays to keep a link to, each C{ws}, C{wss}, C{http} or C{https}.
    @ivar peers_from: URL of a list of relays to keep a link to as well; or L{None}.
    @ivar gossip: whether relays that others told of are dialled: C{off}, not; C{peers}, if a relay told that
        is itself dialled; C{all}, whoever told.
    @ivar gossip_allow: networks (C{10.0.0.0/8}) to which the list and what is told may lead, apart from
        public addresses.
    @ivar sync: compare the whole graph with that of other relays, so that both have all of it.
    @ivar data: the folder of the store, or L{None} to keep the graph in memory only.
    @ivar data_bytes_max: how large the store may grow.
    @ivar axe: tell a peer only what it asked for (AXE); otherwise everything to everyone.
    @ivar multicast: how peers on the local network are found; L{None} for not at all.
        The command line has it on.
    @ivar gun_js: a folder of the C{gun} package from npm, whose scripts are served; or L{None}.
    @ivar tls: with keys in it, listeners that aren't C{ssl:} ones themselves speak TLS; and whom to believe.
    @ivar acme: likewise, with certificates from an authority.
    @ivar access: who may use it, and for what.
    @ivar rtc: what it does about WebRTC.
    @ivar front: what stands in front of it.
    @ivar seeing: how it shows what it does.
    @ivar limits: every other bound.
    @raise SettingsError: one clear line on what is wrong.
    """

    listen: tuple[str, ...] = (f"tcp:{PORT}",)
    path: str = PATH
    peers: tuple[str, ...] = ()
    peers_from: str | None = None
    gossip: Literal["off", "peers", "all"] = "off"
    gossip_allow: tuple[str, ...] = ()
    sync: bool = True
    data: str | None = DATA
    data_bytes_max: int = DATA_BYTES_MAX
    axe: bool = True
    multicast: Multicast | None = None
    gun_js: str | None = None
    tls: Tls = field(default_factory=Tls)
    acme: Acme = field(default_factory=Acme)
    access: Access = field(default_factory=Access)
    rtc: Rtc = field(default_factory=Rtc)
    front: Front = field(default_factory=Front)
    seeing: Seeing = field(default_factory=Seeing)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"/[\x21-\x7e]*", self.path) or re.search(r"[?#%]", self.path):
            raise SettingsError(f"path {self.path!r} is not a plain path that begins with '/'")
        for url in self.peers:
            websocket_url(url)
        for kind, values in (("listen on", self.listen), ("link to", self.peers)):
            if len(set(values)) < len(values):
                raise SettingsError(f"asked to {kind} the same twice: {', '.join(values)}")
        self._check_discovery()
        if self.multicast is not None and self.access.needs_token:
            raise SettingsError(
                "multicast lets anybody on the local network read and write without a token: "
                "tokens and multicast exclude each other"
            )
        if self.data is not None and not self.data.strip():
            raise SettingsError("the data folder has no name")
        if self.data_bytes_max < MIB:
            raise SettingsError(f"room for {self.data_bytes_max} bytes of data is less than 1 MiB")
        self.front.check(self.listen, has_tls=self.has_tls)
        if not 1024 <= self.limits.message_bytes <= self.limits.frame_bytes:
            raise SettingsError(
                f"messages of {self.limits.message_bytes} bytes: "
                f"between 1024 and {self.limits.frame_bytes} is possible"
            )

    @property
    def has_tls(self) -> bool:
        """Whether listeners that don't say so themselves speak TLS."""
        return bool(self.tls.keys or self.acme.domains)

    def _check_discovery(self) -> None:
        if self.peers_from is not None:
            list_url(self.peers_from)
        if self.gossip not in GOSSIP:
            raise SettingsError(f"gossip {self.gossip!r} is none of {', '.join(GOSSIP)}")
        try:
            AllowRule(self.gossip_allow)
        except ValueError as e:
            raise SettingsError(f"networks that gossip may lead to: {e}") from e
        if self.limits.peers < 1:
            raise SettingsError(f"room for {self.limits.peers} peers is none at all")


def list_url(url: str) -> str:
    """
    Check the URL of a list of relays, and give it back: plain HTTP could be changed by anybody on its way,
    unless that ends on this machine.

    @raise SettingsError: the list can't be there, or not in a safe way.
    """
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError as e:
        raise SettingsError(f"list of peers {url!r}: {e}") from e
    if scheme not in ("https", "http") or not host or re.search(r"[^\x21-\x7e]", url):
        raise SettingsError(f"list of peers {url!r} is not a URL that begins with https://")
    if scheme == "http" and not re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", host):
        raise SettingsError(f"list of peers {url!r}: use https, so that nobody can change it on its way")
    return url


def websocket_url(url: str) -> str:
    """
    Give the WebSocket URL of a peer: C{http} becomes C{ws} (gun.js C{src/websocket.js}), the rest stays.

    @raise SettingsError: no relay can have this URL.
    """
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError as e:
        raise SettingsError(f"peer {url!r}: {e}") from e
    if scheme not in ("ws", "wss", "http", "https"):
        raise SettingsError(f"peer {url!r} doesn't begin with ws://, wss://, http:// or https://")
    if not host or re.search(r"[^\x21-\x7e]", url):
        raise SettingsError(f"peer {url!r} is not a URL with a host")
    if parts.username is not None or parts.fragment:
        raise SettingsError(f"peer {url!r}: a user name or a '#' can't be part of it")
    return parts._replace(scheme=scheme.replace("http", "ws")).geturl()
