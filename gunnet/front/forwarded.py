"""
What proxies say of those before them: C{Forwarded} (RFC 7239) and C{X-Forwarded-For}. Each proxy adds one
hop at the right end. What is left of those that trusted proxies have added anybody may have made up, so hops
are read from the right, one at a time, and what is never reached may be any nonsense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from twisted.internet.address import IPv4Address, IPv6Address

from gunnet.front.trusted import plain_ip

_PARAMETER = re.compile(
    r"""[ \t]*(?P<name>[\w!#$%&'*+.^`|~-]+)="""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s";,]+))[ \t]*(?:;|$)""",
    re.ASCII,
)
_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<four>[0-9.]+))(?::(?:(?P<port>[0-9]{1,5})|_[\w.-]+))?"
    r"|(?P<bare>[0-9a-f:.]+)",
    re.ASCII | re.IGNORECASE,
)
_HIDDEN = re.compile(r"unknown|_[\w.-]+", re.ASCII | re.IGNORECASE)


class Malformed(ValueError):
    """A hop that can't be read."""


@dataclass(frozen=True, slots=True)
class Hop:
    """
    Who spoke to a proxy.

    @ivar address: its address, with port 0 if the proxy does not say the port; L{None} if it does not tell.
    @ivar scheme: C{http} or C{https}, if it says that.
    """

    address: IPv4Address | IPv6Address | None
    scheme: str | None = None


def forwarded(value: str) -> Iterator[Hop]:
    """
    The hops in C{Forwarded}, from the right.

    @param value: all headers of that name, in their order, with commas between them.
    @raise Malformed: when a hop is reached that can't be read.
    """
    for element in _elements(value):
        said: dict[str, str] = {}
        at = 0
        while at < len(element):
            found = _PARAMETER.match(element, at)
            if found is None or found["name"].lower() in said:
                raise Malformed(element)
            at = found.end()
            quoted = found["quoted"]
            text = found["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            said[found["name"].lower()] = text
        yield Hop(_address(said.get("for", "unknown")), said.get("proto", "").lower() or None)


def x_forwarded_for(value: str) -> Iterator[Hop]:
    """
    The hops in C{X-Forwarded-For}, from the right.

    @param value: as of L{forwarded}.
    @raise Malformed: likewise.
    """
    for element in reversed(value.split(",")):
        if element.strip():
            yield Hop(_address(element.strip()))


def _elements(value: str) -> Iterator[str]:
    end, is_quoted = len(value), False
    for at in range(len(value) - 1, -2, -1):
        if at < 0 or (value[at] == "," and not is_quoted):
            element = value[at + 1 : end].strip()
            end = at
            if element:
                yield element
        elif value[at] == '"':
            is_quoted = not is_quoted


def _address(node: str) -> IPv4Address | IPv6Address | None:
    if _HIDDEN.fullmatch(node):
        return None
    found = _ADDRESS.fullmatch(node)
    if found is None or int(found["port"] or 0) > 65535:
        raise Malformed(node)
    try:
        ip = plain_ip(found["six"] or found["four"] or found["bare"])
    except ValueError as e:
        raise Malformed(node) from e
    kind = IPv4Address if ip.version == 4 else IPv6Address
    return kind("TCP", str(ip), int(found["port"] or 0))
