"""
URLs of relays that others told, and which hosts may be linked to because of them.

Whoever tells a relay what to dial could have it knock at doors that only it can reach: its own machine, its
network, the data service of a cloud. So a told URL has one strict form, and leads to public addresses, or to
those that the operator allows. A name may still resolve to anything, which is why the address is looked
at once more when the connection is made (L{gunnet.transport.dialers}).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

Address = IPv4Address | IPv6Address

_URL = re.compile(
    r"(?P<scheme>wss?|https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\.?)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[\w.~!$&'()*+,;=:@%/-]*)?",
    re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.ASCII)
_PORTS = {"ws": 80, "wss": 443}
_NAT64 = ip_network("64:ff9b::/96")
_TUNNEL = ip_network("2002::/16")
"""6to4: the address of somebody's IPv4, which may be one inside. Nobody uses it any more."""
_NAMES_INSIDE = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
"""Ends of names that exist on one machine or network only."""


class RelayURL(NamedTuple):
    """
    The URL of a relay in the one form that all its spellings have in common.

    @ivar text: the URL, C{ws} or C{wss}.
    @ivar host: a name, or an IP address without brackets.
    """

    text: str
    host: str
    port: int


def read_url(value: object, characters: int) -> RelayURL | None:
    """
    Read a URL that somebody told.

    @param value: any JSON value.
    @param characters: how long it may be.
    @return: L{None} if it is not the URL of a relay, or has a user name, a query or a fragment: these may
        hold what is meant for one relay only.
    """
    if not isinstance(value, str) or len(value) > characters:
        return None
    found = _URL.fullmatch(value)
    if found is None:
        return None
    host = _read_host(found["host"].lower())
    scheme = found["scheme"].lower().replace("http", "ws")
    port = int(found["port"] or _PORTS[scheme])
    if host is None or not 0 < port < 65536:
        return None
    place = f"[{host}]" if ":" in host else host
    if port != _PORTS[scheme]:
        place += f":{port}"
    return RelayURL(f"{scheme}://{place}{found['path'] or '/'}", host, port)


def _read_host(host: str) -> str | None:
    """The host as a name, or as an address in its usual spelling."""
    if host.startswith("["):
        try:
            return str(IPv6Address(host[1:-1]))
        except ValueError:
            return None
    host = host.rstrip(".")
    parts = host.split(".")
    if not all(parts):
        return None
    if _NUMBER.fullmatch(parts[-1]) is None:
        return host
    number = _read_ipv4(parts)
    return None if number is None else str(IPv4Address(number))


def _read_ipv4(parts: list[str]) -> int | None:
    """
    An IPv4 address as C{inet_aton} reads it: decimal, C{0x} and C{0} (octal) numbers, of which the last one
    fills all the bytes that are left.
    """
    numbers = []
    for part in parts:
        if _NUMBER.fullmatch(part) is None or len(part) > 16:
            return None
        try:
            if part.startswith("0x"):
                numbers.append(int(part[2:] or "0", 16))
            else:
                numbers.append(int(part, 8 if part.startswith("0") else 10))
        except ValueError:
            return None
    *first, last = numbers
    if len(numbers) > 4 or any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return None
    for at, number in enumerate(first):
        last += number << 8 * (3 - at)
    return last


class AllowRule:
    """Where told URLs may lead: to public addresses, and to the networks that the operator allows."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """
        @param networks: for instance C{10.0.0.0/8}, C{fd00::/8}, C{127.0.0.1}.
        @raise ValueError: one of them is no network.
        """
        self._networks = [ip_network(network) for network in networks]

    def allows_address(self, text: str) -> bool:
        """Whether an IP address may be connected to."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and (address.ipv4_mapped or address in _NAT64):
            address = IPv4Address(int(address) & 0xFFFFFFFF)  # that is who answers
        return any(address in network for network in self._networks) or _is_public(address)

    def allows_host(self, host: str) -> bool:
        """
        Whether a host may be dialled, as far as its name tells.

        @param host: of a L{RelayURL}.
        """
        if ":" in host or host.rpartition(".")[2].isdigit():
            return self.allows_address(host)
        if host == "localhost" or host.endswith(".localhost"):
            return self.allows_address("127.0.0.1") or self.allows_address("::1")
        return ("." in host and not host.endswith(_NAMES_INSIDE)) or bool(self._networks)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and (address.is_site_local or address in _TUNNEL):
        return False
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    )
