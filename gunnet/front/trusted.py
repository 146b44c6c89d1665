"""
Whose word is taken for where a connection comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

from gunnet.settings_error import SettingsError

UNIX = "unix"
"""All that connects by a socket in the file system, whose permissions say who that may be."""


class Trusted:
    """A set of addresses."""

    def __init__(self, names: Iterable[str]) -> None:
        """
        @param names: networks, addresses, or L{UNIX}.
        @raise SettingsError: one is none of these.
        """
        found = {name: _network(name) for name in names}
        self._networks = [network for network in found.values() if network is not None]
        self._unix = UNIX in found

    def has(self, address: IAddress) -> bool:
        """Whether C{address} is one of them."""
        if isinstance(address, UNIXAddress):
            return self._unix
        try:
            ip = plain_ip(getattr(address, "host", ""))
        except ValueError:
            return False
        return any(ip in network for network in self._networks)


def plain_ip(text: str) -> IPv4Address | IPv6Address:
    """
    An IP address without a zone; an IPv4 address if it is one that is written as IPv6.

    @raise ValueError: it is none.
    """
    ip = ip_address(text.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip


def _network(name: str) -> IPv4Network | IPv6Network | None:
    if name == UNIX:
        return None
    try:
        return ip_network(name)
    except ValueError as e:
        raise SettingsError(f"trusted proxies: {e}; a network, an address or {UNIX!r} is possible") from e
