"""
Where a relay listens: a Twisted endpoint each, with TLS on it or not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger

from gunnet.counters import Counters
from gunnet.front.proxy_protocol import ProxyFactory
from gunnet.front.socket_file import place_of
from gunnet.front.trusted import Trusted
from gunnet.front.wanted import HAPROXY
from gunnet.listening import listen
from gunnet.settings import Settings, SettingsError
from gunnet.tls.service import TlsService
from gunnet.tls.ssl_endpoint import server_endpoint

BACKLOG = 1024
"""So many connections may wait for the reactor to accept them; of more, some have to dial again."""


class Listener(Service):
    """
    One address that the relay listens on.

    @ivar port: what listens, when it does.
    @ivar secure: whether it speaks TLS.
    """

    log = Logger()

    def __init__(
        self,
        description: str,
        settings: Settings,
        site: IProtocolFactory,
        reactor: Any,
        counters: Counters,
        tls: TlsService | None = None,
    ) -> None:
        """
        @param description: a Twisted endpoint string.
        @param site: what answers.
        @param tls: put under what does not say C{ssl:} itself; L{None} for nothing.
        """
        self.setName(f"listen:{description}")
        self.port: IListeningPort | None = None
        self.secure = False
        self._description = description
        self._settings = settings
        self._site = site
        self._reactor = reactor
        self._counters = counters
        self._place = place_of(description.removeprefix(HAPROXY))
        self._tls = tls

    def startService(self) -> None:
        """
        Listen.

        @raise CannotListenError: for instance because the port is taken.
        @raise SettingsError: the endpoint string is of no use, or a key or certificate in it.
        """
        super().startService()
        try:
            endpoint = server_endpoint(self._reactor, _with_backlog(self._place.endpoint))
        except LookupError as e:  # what systemd should have passed on
            raise SettingsError(f"can't listen on {self._description!r}: there is no such socket") from e
        except (ValueError, TypeError, AttributeError, OSError) as e:  # AttributeError: a domain of systemd
            raise SettingsError(f"can't listen on {self._description!r}: {e}") from e
        factory = self._site
        self.secure = self._description.startswith("ssl:")
        if self._tls is not None and self._tls.enabled and not self.secure:
            factory = self._tls.wrap(factory)
            self.secure = True
        front, limits = self._settings.front, self._settings.limits
        if front.proxied(self._description):
            trusted = Trusted(front.trusted)
            factory = ProxyFactory(factory, trusted, limits.proxy_header_bytes, self._counters, self._reactor)
        with self._place.cleared():
            listen(endpoint, factory, self._begun)

    @property
    def open_port(self) -> int | None:
        """The TCP port, if others than this machine, and proxies, can reach it."""
        address: Any = self.port.getHost() if self.port is not None else None
        if not isinstance(address, (IPv4Address, IPv6Address)) or ip_address(address.host).is_loopback:
            return None
        if self._settings.front.proxied(self._description):
            return None
        return int(address.port)

    def _begun(self, port: IListeningPort) -> None:
        self.port = port
        self._place.opened(port)

    def introduce(self) -> None:
        """Log the address."""
        address = self.port.getHost() if self.port is not None else None
        self.log.info(
            "listening on {scheme}://{address}{path}",
            scheme="https" if self.secure else "http",
            address=_address(address) or self._description,
            path=self._settings.path,
        )

    def stopService(self) -> Deferred[Any]:
        """Listen no more. Links that are open stay so."""
        super().stopService()
        self._place.closing()
        port, self.port = self.port, None
        return succeed(None) if port is None else maybeDeferred(port.stopListening)


def https_port(listeners: Iterable[Listener]) -> int | None:
    """The TCP port of the first of C{listeners} that speaks TLS now."""
    for listener in listeners:
        address: Any = listener.port.getHost() if listener.port is not None else None
        if listener.secure and isinstance(address, (IPv4Address, IPv6Address)):
            return int(address.port)
    return None


def _with_backlog(description: str) -> str:
    """An endpoint string that lets more dial at once than Twisted's 50, unless it says how many itself."""
    has_one = not description.startswith(("tcp:", "ssl:", "unix:")) or ":backlog=" in description
    return description if has_one else f"{description}:backlog={BACKLOG}"


def _address(address: Any) -> str | None:
    """How URLs write it, or nginx, which has one for UNIX sockets."""
    if isinstance(address, UNIXAddress):
        return f"unix:{os.fsdecode(address.name or b'')}:"
    host = getattr(address, "host", None)
    if host is None:
        return None
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
