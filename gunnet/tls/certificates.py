"""
The certificates that this relay shows.
"""

from __future__ import annotations

from collections.abc import Callable

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from gunnet.tls.contexts import server_context
from gunnet.tls.pairs import Pair


class _Held:
    """One of them, and the context with it."""

    def __init__(self, pair: Pair, choose: Callable[[bytes | None], SSL.Context | None]) -> None:
        self.pair = pair
        self.names = frozenset(pair.names)
        self.context = server_context(pair, choose)


@implementer(IOpenSSLServerConnectionCreator)
class Certificates:
    """
    Makes the TLS half of each connection that comes in. What is shown is chosen by the name that is asked
    for (SNI, RFC 6066, 3); the first of all is for whoever asks for none of them. While there is none, every
    handshake is refused.

    What changes here counts for the next handshake; connections that are open stay as they are.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._none = server_context(None)

    def put(self, source: str, pair: Pair) -> None:
        """
        Show this from now on, in place of what came from the same source before.

        @param source: any name. The order is that in which sources came first.
        @raise gunnet.settings_error.SettingsError: OpenSSL has no use for it; what came before stays.
        """
        self._held[source] = _Held(pair, self.context_for)

    def shown(self) -> dict[str, Pair]:
        """
        What is shown, by its first name or else its source; of several with one name, what ends first.
        """
        found: dict[str, Pair] = {}
        for source, held in self._held.items():
            name = next(iter(held.pair.names), source)
            if name not in found or held.pair.ends < found[name].ends:
                found[name] = held.pair
        return found

    def context_for(self, name: bytes | None) -> SSL.Context:
        """
        What to show to who asks for C{name}: what has that very name, what has it by a C{*}, the first.

        @param name: as it came over the wire.
        """
        wanted = (name or b"").decode("ascii", "replace").lower()
        if wanted:
            for held in self._held.values():
                if wanted in held.names:
                    return held.context
            for held in self._held.values():
                if held.pair.fits(wanted):
                    return held.context
        first = next(iter(self._held.values()), None)
        return self._none if first is None else first.context

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Twisted wants one for a connection that has come in."""
        return SSL.Connection(self.context_for(None))
