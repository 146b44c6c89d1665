"""
What was written here and no peer has acknowledged: names of cells, which outlast the process if the store
does.

While a link stands, the mesh itself says again what gets lost (L{gunnet.mesh.unacked}). It remembers that in
memory and within a bound; this is the rest: what was written before a restart, or too much for that bound. It
is told to each peer whose link is new, a page at a time, as it stands by then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol, runtime_checkable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from gunnet.client.errors import Busy
from gunnet.client.values import Cell
from gunnet.mesh.peer import Peer
from gunnet.mesh.relay import Relay
from gunnet.turns import Writer

Name = tuple[str, str]

UNSENT_MAX = 200_000
"""So many cells may wait for a peer to have them."""

PAGE = 500
"""So many of them one peer is told before it has acknowledged some."""

FLUSH_SECONDS = 1.0
"""So long after an ack the record says so on the disk; until then, a restart only says something again."""


@runtime_checkable
class UnsentStore(Protocol):
    """
    A store that keeps the record.

    @ivar unsent: the names; of these, each commit records those that are in it. What is not in it any more is
        to be in C{sent}.
    @ivar sent: names that the next commit takes out of the record.
    """

    unsent: dict[Name, None]
    sent: deque[Name]


class Unsent:
    """The record, and telling peers what is in it."""

    _log = Logger()

    def __init__(
        self, relay: Relay, store: UnsentStore | None, writer: Writer, reactor: IReactorTime
    ) -> None:
        """
        @param store: keeps the record; L{None} if nothing outlasts the process.
        @param writer: commits to it.
        """
        self._relay = relay
        self._links = relay.relay_links
        self._store = store
        self._writer = writer
        self._reactor = reactor
        self._names: dict[Name, None] = {} if store is None else store.unsent
        self._feeds: dict[Peer, _Feed] = {}
        self._flush: IDelayedCall | None = None
        self._links.on_up.append(self._up)
        self._links.on_down.append(self._down)
        self._links.unacked.on_acked.append(self._acked)

    def __len__(self) -> int:
        """How many cells no peer has yet."""
        return len(self._names)

    def add(self, cells: Iterable[Cell]) -> None:
        """
        These are about to be written. Without any peer, nothing is recorded.

        @raise Busy: too many wait already.
        """
        if not self._links.upstreams:
            return
        names = [cell[:2] for cell in cells]
        if len(self._names) + len(names) > UNSENT_MAX:
            self._relay.counters.count("client_unsent_refused")
            raise Busy(f"{len(self._names)} values wait for a peer to have them")
        for name in names:
            self._names[name] = None

    def forget(self, cells: Iterable[Cell]) -> None:
        """These were not taken by the local node."""
        for cell in cells:
            self._forget(cell[:2])

    def _forget(self, name: Name) -> None:
        if self._names.pop(name, name) is None and self._store is not None:
            self._store.sent.append(name)
            if self._flush is None:
                self._flush = self._reactor.callLater(FLUSH_SECONDS, self._write)

    def _up(self, peer: Peer) -> None:
        feed = self._feeds[peer] = _Feed(list(self._names))
        self._go_on(peer, feed)

    def _down(self, peer: Peer) -> None:
        self._feeds.pop(peer, None)

    def _acked(self, peer: Peer, names: list[Name], refused: bool) -> None:
        if not refused:
            for name in names:
                self._forget(name)
        feed = self._feeds.get(peer)
        if feed is not None:
            feed.under_way.difference_update(names)
            self._go_on(peer, feed)

    def _go_on(self, peer: Peer, feed: _Feed) -> None:
        page: list[Name] = []
        for name in islice(feed.names, PAGE - len(feed.under_way)):
            if name in self._names:
                if self._links.known(*name) is None:
                    self._forget(name)
                else:
                    page.append(name)
        if page:
            feed.under_way.update(page)
            self._links.unacked.owe(peer, page)

    def _write(self) -> Deferred[None]:
        """Have the record say what has been acknowledged."""
        self._flush = None
        return self._writer.commit([]).addErrback(
            lambda failure: self._log.failure("the record of what is unsent was not updated", failure)
        )

    def stop(self) -> Deferred[None]:
        """
        The local node has stopped. What is acknowledged from now on is only said again another time.

        @return: fires when the record is as it should be.
        """
        self._links.on_up.remove(self._up)
        self._links.on_down.remove(self._down)
        self._links.unacked.on_acked.remove(self._acked)
        if self._flush is None:
            return succeed(None)
        self._flush.cancel()
        return self._write()


class _Feed:
    """
    What one peer is still told.

    @ivar names: what is left.
    @ivar under_way: what it has not answered.
    """

    def __init__(self, names: list[Name]) -> None:
        self.names: Iterator[Name] = iter(names)
        self.under_way: set[Name] = set()
