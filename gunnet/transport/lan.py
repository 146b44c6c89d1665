"""
The local networks of this machine, and UDP sockets on them that belong to a multicast group.

Each interface has a pair of sockets for each kind of address. One listens: it is bound to the group and not
to all addresses, so that it hears nothing that was sent to this machine alone, as from the internet. The
other one sends, from a port of its own, so that who hears it can tell one relay from another, and itself.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
)
from typing import Any, Protocol

import ifaddr
from twisted.internet import protocol
from twisted.internet.interfaces import IListeningPort

Source = tuple[str, int]
"""Where a datagram is from: (an address without a zone, a port)."""

Hear = Callable[["Place", bytes, Source], None]

DATAGRAM_BYTES_MAX = 65_535
_BUFFER_BYTES = 1 << 20
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29  # Linux; the module socket has no names for them


@dataclass(frozen=True)
class Interface:
    """
    One network interface.

    @ivar index: the number that the system knows it by.
    @ivar addresses: its own, with the networks they are in.
    """

    name: str
    index: int
    addresses: tuple[IPv4Interface | IPv6Interface, ...]


@dataclass(frozen=True)
class Place:
    """
    One kind of address on one interface, where a group can be.

    @ivar own: the address that is sent from, with its network.
    """

    interface: Interface
    own: IPv4Interface | IPv6Interface

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.own.version

    def has(self, address: str) -> bool:
        """Whether a machine with C{address} is on this local network."""
        found = ip_address(address)
        if isinstance(found, IPv6Address):
            return found.is_link_local
        return any(found in own.network for own in self.interface.addresses if own.version == 4)

    def __str__(self) -> str:
        return f"{self.interface.name} ({self.own.ip})"


class Sockets(Protocol):
    """The two sockets of a place. @ivar source: where what is sent comes from."""

    source: Source

    def send(self, datagram: bytes) -> None:
        """Send to the group. @raise OSError: it can't be."""

    def close(self) -> None:
        """Leave the group."""


class Network(Protocol):
    """What L{gunnet.transport.multicast} needs of the system."""

    def interfaces(self) -> Sequence[Interface]:
        """All that there are now. @raise OSError: they can't be told."""

    def way_to(self, group: str, port: int) -> str | None:
        """The own address on the interface that leads to C{group}; L{None} if no route does."""

    def join(self, place: Place, group: str, port: int, ttl: int, hear: Hear) -> Sockets:
        """Be in C{group} there, from now on. @raise OSError: it can't be."""


def places(
    interfaces: Sequence[Interface], groups: Sequence[str], wanted: Sequence[str], way: str | None
) -> list[Place]:
    """
    Where groups are joined.

    @param groups: one address of each kind that is wanted.
    @param wanted: names or addresses of interfaces; empty for the one with the address C{way}, or, where no
        route leads to a group, all that are no loopback: on a network without a router that is common.
    """
    found = []
    for interface in interfaces:
        texts = {str(own.ip) for own in interface.addresses}
        if wanted:
            chosen = bool(texts.union({interface.name}).intersection(wanted))
        elif way is not None:
            chosen = way in texts
        else:
            chosen = not any(own.ip.is_loopback for own in interface.addresses)
        if chosen:
            found += [place for group in groups if (place := _place(interface, group)) is not None]
    return found


def _place(interface: Interface, group: str) -> Place | None:
    version = ip_address(group).version
    for own in interface.addresses:
        if own.version == version and (version == 4 or own.ip.is_link_local):
            return Place(interface, own)
    return None


def group_for_ipv6(group: str) -> str | None:
    """
    The link-local group that belongs to an IPv4 one: C{ff12::e9ff:ffff} to 233.255.255.255 (RFC 4291, section
    2.7: transient, link-local scope). L{None} if C{group} is an IPv6 one itself.
    """
    address = ip_address(group)
    if isinstance(address, IPv6Address):
        return None
    return str(IPv6Address(0xFF12 << 112 | int(address)))


class SystemNetwork:
    """L{Network}, on a reactor that can take sockets over."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def interfaces(self) -> Sequence[Interface]:
        """See L{Network.interfaces}."""
        found = []
        for adapter in ifaddr.get_adapters(include_unconfigured=True):
            own = [_interface(ip.ip, ip.network_prefix) for ip in adapter.ips]
            found.append(Interface(adapter.name, adapter.index or 0, tuple(own)))
        return found

    def way_to(self, group: str, port: int) -> str | None:
        """See L{Network.way_to}: the system says which address it would send from."""
        if ip_address(group).version == 6:
            return None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((group, port))
            except OSError:
                return None
            return str(probe.getsockname()[0])

    def join(self, place: Place, group: str, port: int, ttl: int, hear: Hear) -> Sockets:
        """See L{Network.join}."""
        return _Pair(self._reactor, place, group, port, ttl, hear)


def _interface(ip: Any, prefix: int) -> IPv4Interface | IPv6Interface:
    return ip_interface(f"{ip if isinstance(ip, str) else ip[0]}/{prefix}")


class _Pair:
    """L{Sockets} of the system."""

    def __init__(self, reactor: Any, place: Place, group: str, port: int, ttl: int, hear: Hear) -> None:
        self._target: tuple[Any, ...] = (group, port)
        if place.version == 6:
            self._target = (group, port, 0, place.interface.index)
        self._sender = _sender(place, ttl)
        try:
            self.source: Source = self._sender.getsockname()[:2]
            self._port = _listen(reactor, place, self._target, hear)
        except BaseException:
            self._sender.close()
            raise

    def send(self, datagram: bytes) -> None:
        """See L{Sockets.send}."""
        self._sender.sendto(datagram, self._target)

    def close(self) -> None:
        """See L{Sockets.close}."""
        self._sender.close()
        self._port.stopListening()


def _family(place: Place) -> socket.AddressFamily:
    return socket.AF_INET if place.version == 4 else socket.AF_INET6


def _sender(place: Place, ttl: int) -> socket.socket:
    index = place.interface.index
    sender = socket.socket(_family(place), socket.SOCK_DGRAM)
    try:
        sender.setblocking(False)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        if place.version == 4:
            which = struct.pack("=4s4si", bytes(4), place.own.ip.packed, index)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, which)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            sender.bind((str(place.own.ip), 0))
        else:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
            sender.bind((str(place.own.ip), 0, 0, index))
    except BaseException:
        sender.close()
        raise
    return sender


def _listen(reactor: Any, place: Place, target: tuple[Any, ...], hear: Hear) -> IListeningPort:
    index = place.interface.index
    with socket.socket(_family(place), socket.SOCK_DGRAM) as listener:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT") and sys.platform != "linux":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        listener.bind(target)
        group = ip_address(target[0])
        if isinstance(group, IPv4Address):
            member = struct.pack("=4s4si", group.packed, place.own.ip.packed, index)
            listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            if sys.platform == "linux":  # else it hears what other sockets have joined elsewhere
                listener.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        else:
            member = struct.pack("=16si", group.packed, index)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
            if sys.platform == "linux":
                listener.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        port: IListeningPort = reactor.adoptDatagramPort(
            listener.fileno(), _family(place), _Ears(place, hear), maxPacketSize=DATAGRAM_BYTES_MAX
        )
        return port


class _Ears(protocol.DatagramProtocol):
    """Passes on what is heard."""

    noisy = False

    def __init__(self, place: Place, hear: Hear) -> None:
        self._place = place
        self._hear = hear

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Twisted calls this."""
        self._hear(self._place, datagram, (str(addr[0]).partition("%")[0], addr[1]))
