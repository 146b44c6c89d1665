"""
Who makes a request: the one place where that is decided.

It is the address of the connection, or, if that is a proxy that is trusted, the one that it names; and so
on, as long as that one is trusted too. With keep-alive, requests of many clients come over one connection of
a proxy, so it is asked for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IAddress
from twisted.web.http import Request

from gunnet.counters import Counters
from gunnet.front.forwarded import Hop, Malformed, forwarded, x_forwarded_for
from gunnet.front.trusted import Trusted

_FORWARDED = b"forwarded"
_FOR = b"x-forwarded-for"
_PROTO = b"x-forwarded-proto"


class Disagreement(Exception):
    """
    C{Forwarded} and C{X-Forwarded-For} name different clients. A proxy that writes one of them passes on the
    other as its client made it up, and which is which can't be told.
    """


class Clients:
    """Knows them."""

    def __init__(self, trusted: Trusted, hops_max: int, counters: Counters) -> None:
        """
        @param hops_max: L{gunnet.limits.Limits.forwarded_hops}.
        """
        self._trusted = trusted
        self._hops_max = hops_max
        self._counters = counters

    def identify(self, request: Request) -> None:
        """
        Have C{request.getClientAddress()} say who makes it.

        @raise Disagreement: that can't be said.
        """
        values = {name: _value(request, name) for name in (_FORWARDED, _FOR)}
        if not any(values.values()):
            return
        peer = request.getClientAddress()
        if not self._trusted.has(peer):
            self._counters.count("forwarded_ignored")
            return
        found = [
            self._walk(peer, hops(values[name]))
            for name, hops in ((_FORWARDED, forwarded), (_FOR, x_forwarded_for))
            if values[name]
        ]
        if len({getattr(client, "host", None) for client in found}) > 1:
            self._counters.count("forwarded_disagreements")
            raise Disagreement("Forwarded and X-Forwarded-For name different clients")
        request.client = found[0]

    def _walk(self, peer: IAddress, hops: Iterable[Hop]) -> IAddress:
        client = peer
        try:
            for number, hop in enumerate(hops):
                if number == self._hops_max:
                    self._counters.count("forwarded_hops_exceeded")
                    break
                if hop.address is None:
                    break
                client = hop.address
                if not self._trusted.has(client):
                    break
        except Malformed:
            self._counters.count("forwarded_malformed")
        return client

    def is_secure(self, request: Request) -> bool:
        """
        Whether TLS protects a request on its way to us, or to a proxy that is trusted and says so. To be
        asked before L{identify}.
        """
        if request.isSecure():
            return True
        if not self._trusted.has(request.getClientAddress()):
            return False
        last = _value(request, _PROTO).rpartition(",")[2].strip().lower()
        if last:
            return last == "https"
        try:
            hop = next(forwarded(_value(request, _FORWARDED)), None)
        except Malformed:
            return False
        return hop is not None and hop.scheme == "https"


def _value(request: Request, name: bytes) -> str:
    lines = request.requestHeaders.getRawHeaders(name, [])
    return ",".join(line.decode("latin-1") for line in lines)
