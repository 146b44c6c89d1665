"""
How much one address may do: links at once, messages and bytes a second.

The address is that of the connection, or what a proxy that is trusted says (L{gunnet.front.clients}).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.buckets import Bucket


@dataclass(slots=True)
class _Address:
    links: int
    messages: Bucket
    bytes: Bucket


class Addresses:
    """
    What each address does. One without links is remembered for as long as there is room, so that links anew
    do not make it forgotten.

    @ivar limited: whether there is any bound.
    """

    def __init__(self, limits: Limits, counters: Counters, seconds: Callable[[], float]) -> None:
        """
        @param seconds: a clock.
        """
        self._limits = limits
        self._counters = counters
        self._seconds = seconds
        self._linked: dict[str, _Address] = {}  # these are as many as there may be links
        self._idle: OrderedDict[str, _Address] = OrderedDict()
        self.limited = max(limits.address_links, limits.address_messages, limits.address_bytes) > 0

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._linked) + len(self._idle)

    def _find(self, address: str) -> _Address:
        known = self._linked.get(address) or self._idle.get(address)
        if known is not None:
            return known
        limits, now = self._limits, self._seconds()
        return _Address(0, Bucket(limits.address_messages, now), Bucket(limits.address_bytes, now))

    def enter(self, address: str) -> bool:
        """Whether C{address} may have one more link; if so it has, until L{leave}."""
        known = self._find(address)
        if 0 < self._limits.address_links <= known.links:
            self._counters.count("address_links_refused")
            return False
        known.links += 1
        self._idle.pop(address, None)
        self._linked[address] = known
        return True

    def leave(self, address: str) -> None:
        """A link of C{address} is gone."""
        known = self._linked[address]
        known.links -= 1
        if not known.links:
            self._rest(address, self._linked.pop(address))

    def _rest(self, address: str, known: _Address) -> None:
        self._idle[address] = known
        self._idle.move_to_end(address)
        if len(self._idle) > self._limits.addresses:
            self._counters.count("addresses_evicted")
            self._idle.popitem(last=False)

    def may_try(self, address: str) -> bool:
        """Whether somebody there may try to get in, who may have tried too often."""
        rate = self._limits.address_messages
        return rate <= 0 or self._find(address).messages.debt_seconds(rate, self._seconds()) <= 0

    def failed(self, address: str) -> None:
        """Somebody there has tried to get in, and may not: that counts as a message."""
        if self._limits.address_messages > 0:
            known = self._find(address)
            known.messages.spend(1)
            if not known.links:
                self._rest(address, known)

    def spend(self, address: str, messages: int, size: int) -> float:
        """
        C{address} has sent something.

        @param size: bytes.
        @return: for how many seconds no more is to be read from it.
        """
        limits, known, now = self._limits, self._linked[address], self._seconds()
        wait = 0.0
        for bucket, amount, rate, counter in (
            (known.messages, messages, limits.address_messages, "address_messages_exceeded"),
            (known.bytes, size, limits.address_bytes, "address_bytes_exceeded"),
        ):
            if rate > 0 and amount:
                bucket.debt_seconds(rate, now)
                bucket.spend(amount)
                seconds = bucket.debt_seconds(rate, now)
                if seconds > 0:
                    self._counters.count(counter)
                wait = max(wait, seconds)
        return wait


def address_of(peer: Any) -> str | None:
    """
    What counts as one address: an IPv4 address, or the network (/64) that one customer has of IPv6; L{None}
    for what has none, such as a socket in the file system.
    """
    try:
        address = ip_address(getattr(peer, "host", "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)
