"""
The node of a client: a relay that nobody connects to, with links to the peers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from gunnet.client.unsent import Unsent, UnsentStore
from gunnet.limits import Limits
from gunnet.mesh.relay import Relay
from gunnet.settings import websocket_url
from gunnet.store.interface import Store
from gunnet.store.memory import MemoryStore
from gunnet.store.writer import StoreWriter
from gunnet.transport.dialers import Dialers
from gunnet.transport.link import Links
from gunnet.turns import MeshService
from gunnet.verifier import ThreadVerifier

if TYPE_CHECKING:
    from gunnet.tls.outgoing import Trust

DATA_BYTES_MAX = 1 << 36
GOODBYE_SECONDS = 0.3
"""How long peers have for their part of the closing handshake."""


class LocalNode:
    """
    A leaf of the mesh: it has what the chain asked for and wrote, asks its peers for that and tells them
    that, and compares no graphs.

    @ivar mesh: drives it.
    @ivar unsent: what no peer has yet.
    """

    _log = Logger()

    def __init__(
        self,
        peers: Iterable[str],
        data: str | None,
        authorities: Iterable[str],
        limits: Limits,
        reactor: Any,
        random: Random,
    ) -> None:
        """
        @param data: the folder of its store; L{None} for memory.
        @param authorities: PEM files of those that are believed about peers, apart from the system's.
        @raise gunnet.store.interface.StoreError: the store can't be used.
        @raise gunnet.settings.SettingsError: a peer has a URL that none can have, or a file of authorities
            can't be read.
        """
        urls = [url for url in dict.fromkeys(peers) if websocket_url(url)]
        trust = _trust(authorities)
        self._reactor = reactor
        store = open_store(data, limits)
        self._writer = StoreWriter(store, reactor)
        relay = Relay(store=store, random=random, limits=limits, sync=False)
        relay.relay_links.be_leaf()
        has_threads = IReactorFromThreads.providedBy(reactor)
        self._verifier = ThreadVerifier(reactor, os.cpu_count() or 1) if has_threads else None
        self.mesh = MeshService(relay, self._writer, reactor, self._verifier)
        self._links = Links()
        self._dialers = Dialers(self.mesh, self._links, reactor, random, ended=self.mesh.retire, trust=trust)
        self.mesh.dialling = self._dialers
        kept = store if isinstance(store, UnsentStore) else None
        self.unsent = Unsent(relay, kept, self._writer, reactor)
        for url in urls:
            self.add_peer(url)
        self.mesh.startService()
        self._dialers.startService()

    def add_peer(self, url: str) -> None:
        """
        Keep a link to C{url} from now on.

        @raise gunnet.settings.SettingsError: no peer can have it.
        """
        websocket_url(url)
        self._dialers.configure(url)
        self.mesh.dial(url)  # so that what is said before the first link waits for it

    def stop(self) -> Deferred[None]:
        """
        Store what was put, tell it to the peers that are linked, take leave of them and close the store.

        @return: fires when all that is done, and no thread is left.
        """
        done: Deferred[Any] = self.mesh.stopService()
        done.addCallback(lambda _: self.unsent.stop())
        done.addCallback(lambda _: self._links.goodbye(self._reactor, GOODBYE_SECONDS))
        done.addCallback(lambda _: DeferredList([maybeDeferred(self._dialers.stopService)]))
        done.addErrback(self._failed)
        done.addCallback(lambda _: self._free())
        done.addErrback(self._failed)
        return done

    def _free(self) -> Deferred[None]:
        if self._verifier is not None:
            self._verifier.stop()
        return self._writer.stop()

    def _failed(self, failure: Any) -> None:
        self._log.failure("the client did not stop well", failure)


def _trust(authorities: Iterable[str]) -> Trust | None:
    files = tuple(authorities)
    if not files:
        return None
    from gunnet.tls.outgoing import Trust  # OpenSSL takes its time to load

    return Trust(files)


def open_store(data: str | None, limits: Limits) -> Store:
    """
    Open the store of a client.

    @raise gunnet.store.interface.StoreError: it can't be used.
    """
    if data is None:
        return MemoryStore(limits.memory_bytes)
    from gunnet.client.store import LmdbClientStore

    return LmdbClientStore(data, DATA_BYTES_MAX)
