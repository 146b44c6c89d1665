"""
Which relays this one links to, and why.

A URL may be dialled for several reasons at once: the operator configured it, the list of C{--peers-from} has
it, other relays told of it, it was heard on the local network. It has one L{Dialer} all the same, which ends
with the last of the reasons. Apart from reasons, the core may suspend a link that it has no use for at the
moment.

What an operator configured may lead anywhere. What has no such reason is guarded: its address is looked at
when the connection is made, since a name may resolve to any address, and to another one each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from zope.interface import directlyProvides, providedBy

from gunnet.mesh.urls import AllowRule, read_url
from gunnet.transport.dialer import REDIAL_SECONDS_MAX, Dialer
from gunnet.transport.dialer import endpoint_of as host_of
from gunnet.transport.link import Links

if TYPE_CHECKING:
    from gunnet.tls.outgoing import Trust
    from gunnet.turns import MeshService

GUARDED_REDIAL_SECONDS_MAX = 600.0
"""A relay that only others named, and that does not answer, need not be tried each minute."""


class Reason(Enum):
    """Why a relay is dialled."""

    CONFIGURED = "configured"
    LISTED = "listed"
    TOLD = "told"
    LOCAL = "local"


_NEAR = {Reason.CONFIGURED, Reason.LOCAL}
"""These may lead anywhere: the operator said so, or the URL has an address, which was looked at."""


class AddressRefused(Exception):
    """A guarded link would have led to an address that is not public."""


class _Line:
    """
    One URL, and what is known about it here.

    @ivar suspended: whether the core wants no link for now.
    """

    def __init__(self, dialer: Dialer) -> None:
        self.dialer = dialer
        self.reasons: set[Reason] = set()
        self.suspended = False

    @property
    def wanted(self) -> bool:
        """Whether there should be a link."""
        return bool(self.reasons) and not self.suspended


class Dialers(Service):
    """
    Keeps the links to other relays: L{gunnet.turns.Dialling}, and more.

    Not a C{MultiService}: its parts come and go, some of them while they are told to stop.
    """

    name = "dialers"
    log = Logger()

    def __init__(
        self,
        mesh: MeshService,
        links: Links,
        reactor: Any,
        random: Random,
        *,
        allowed: AllowRule | None = None,
        ended: Callable[[str], None] | None = None,
        endpoint_of: Callable[[str, IReactorTime], IStreamClientEndpoint] | None = None,
        trust: Trust | None = None,
    ) -> None:
        """
        @param allowed: where guarded links may lead.
        @param ended: called with a URL when there is no reason for it any more, and its link is gone.
        @param endpoint_of: where a URL is, in place of its host.
        @param trust: whom to believe about that.
        """
        self._mesh = mesh
        self._links = links
        self._reactor = reactor
        self._random = random
        self._allowed = allowed or AllowRule()
        self._ended = ended or _nothing
        self._endpoint_of = endpoint_of or partial(host_of, trust=trust)
        self._lines: dict[str, _Line] = {}

    # Who wants what

    def configure(self, url: str) -> None:
        """The operator wants a link to C{url}, for ever."""
        self._want(url, Reason.CONFIGURED)

    def set_listed(self, urls: Iterable[str]) -> None:
        """
        The list has these URLs now: link to those that are new in it, and hang up on those that have left it
        unless there is another reason for them.
        """
        self._set(urls, Reason.LISTED)

    def set_local(self, urls: Iterable[str]) -> set[str]:
        """
        These URLs were heard on the local network, each with the very address that it was heard from: link to
        them, and hang up on others likewise.

        @return: those that there is no other reason for.
        """
        self._set(urls, Reason.LOCAL)
        return {line.dialer.url for line in self._lines.values() if line.reasons == {Reason.LOCAL}}

    def _set(self, urls: Iterable[str], reason: Reason) -> None:
        wanted = {self._key(url): url for url in urls}
        for key, line in list(self._lines.items()):
            if reason in line.reasons and key not in wanted:
                self._unwant(key, reason)
        for key, url in wanted.items():
            if key not in self._lines or reason not in self._lines[key].reasons:
                self._want(url, reason)

    def dial(self, url: str, *, guarded: bool) -> None:
        """
        The core wants a link to C{url}.

        @param guarded: it does so because others told it. Otherwise this ends what L{hang_up} began, and does
            nothing for a URL that nobody has a reason for.
        """
        if guarded:
            self._want(url, Reason.TOLD)
        line = self._lines.get(self._key(url))
        if line is not None and line.suspended:
            line.suspended = False
            self._settle(url)

    def hang_up(self, url: str, *, guarded: bool = False) -> None:
        """
        The core wants no link to C{url}.

        @param guarded: as in L{dial}: what others told is a reason no more; other reasons stay. Otherwise the
            link is suspended whatever the reasons are, until L{dial}.
        """
        key = self._key(url)
        if guarded:
            self._unwant(key, Reason.TOLD)
        elif key in self._lines:
            self._lines[key].suspended = True
            self._settle(key)

    def busy(self, url: str) -> None:
        """The relay at C{url} said that it is full, as gun.js says it: by C{mob}, and no close code."""
        line = self._lines.get(self._key(url))
        if line is not None:
            line.dialer.busy()

    def reasons(self) -> dict[str, list[str]]:
        """Why what is dialled, by URL."""
        return {
            line.dialer.url: sorted(reason.value for reason in line.reasons) for line in self._lines.values()
        }

    # Twisted calls

    def startService(self) -> None:
        """Dial what there are reasons for."""
        super().startService()
        for key in list(self._lines):
            self._settle(key)

    def stopService(self) -> Deferred[Any]:
        """
        Dial no more, and cut the links that are still there.

        @return: fires when they are gone.
        """
        super().stopService()
        return DeferredList([line.dialer.stopService() for line in list(self._lines.values())])

    # Lines

    def _key(self, url: str) -> str:
        """One and the same for all spellings of a URL."""
        found = read_url(url, len(url))
        return url if found is None else found.text

    def _want(self, url: str, reason: Reason) -> None:
        key = self._key(url)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(self._new_dialer(url, key, reason))
        line.reasons.add(reason)
        self._settle(key)

    def _new_dialer(self, url: str, key: str, reason: Reason) -> Dialer:
        guard: Any = _Guard(self._reactor, lambda address: self._may_connect(key, address))
        near = reason in _NEAR
        return Dialer(
            url,
            self._mesh,
            self._links,
            self._reactor,
            self._random,
            self._endpoint_of(url, guard),
            redial_seconds_max=REDIAL_SECONDS_MAX if near else GUARDED_REDIAL_SECONDS_MAX,
        )

    def _may_connect(self, key: str, address: str) -> bool:
        line = self._lines.get(key)
        if line is None:
            return False
        return not line.reasons.isdisjoint(_NEAR) or self._allowed.allows_address(address)

    def _unwant(self, key: str, reason: Reason) -> None:
        line = self._lines.get(key)
        if line is not None:
            line.reasons.discard(reason)
            self._settle(key)

    def _settle(self, url: str) -> None:
        """Have the dialer do what is wanted now. If it is still ending an old link, it does that first."""
        key = self._key(url)
        line = self._lines[key]
        if line.wanted:
            if self.running and not line.dialer.running:
                line.dialer.startService()
            return
        reason = "not needed for now" if line.reasons else "no reason for this link any more"
        line.dialer.hang_up(reason).addCallback(lambda _: self._settled(key))

    def _settled(self, key: str) -> None:
        line = self._lines.get(key)
        if line is not None and not line.reasons:
            del self._lines[key]
            self._ended(line.dialer.url)


class _Guard:
    """
    A reactor that connects only where it may. By the time that C{HostnameEndpoint} asks for a connection it
    has resolved the name, so what is looked at is the very address that would be connected to.
    """

    def __init__(self, reactor: Any, allows: Callable[[str], bool]) -> None:
        self._reactor = reactor
        self._allows = allows
        directlyProvides(self, providedBy(reactor))

    def connectTCP(self, host: str, *args: Any, **fields: Any) -> Any:
        """
        Connect.

        @raise AddressRefused: not there.
        """
        if not self._allows(host):
            raise AddressRefused(f"{host} is no public address")
        return self._reactor.connectTCP(host, *args, **fields)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


def _nothing(_url: str) -> None:
    pass
