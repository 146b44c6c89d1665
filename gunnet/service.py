"""
One relay, put together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from random import Random
from typing import Any

from autobahn.websocket import USES_NVX
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gunnet import __version__
from gunnet.access.gate import Gate
from gunnet.compiled import how
from gunnet.front.clients import Clients
from gunnet.front.redirect import PlainHttp, Redirect
from gunnet.front.trusted import Trusted
from gunnet.listener import Listener, https_port
from gunnet.mesh.relay import Relay
from gunnet.mesh.urls import AllowRule
from gunnet.rtc.room import Room
from gunnet.rtc.secret import ice_servers
from gunnet.seeing.showing import Showing
from gunnet.settings import Settings
from gunnet.store.interface import Store
from gunnet.store.mapped import MappedPages, mapped_pages
from gunnet.store.memory import MemoryStore
from gunnet.store.writer import StoreWriter
from gunnet.tls.outgoing import Trust
from gunnet.tls.service import TlsService
from gunnet.transport.dialers import Dialers
from gunnet.transport.link import Links
from gunnet.transport.neighbours import Beacon
from gunnet.transport.websocket import ServerFactory
from gunnet.turns import MeshService
from gunnet.verifier import ThreadVerifier
from gunnet.web.resource import RelaySite, Root

DRAIN_SECONDS = 0.4
"""How long those who wrote last are kept connected to get their acks."""
GOODBYE_SECONDS = 0.3
"""How long peers have for their part of the closing handshake."""


class RelayService(MultiService):
    """
    A relay as a service. L{startService} is the list of its parts, in the order in which they are built, and
    L{stopService} takes them down in stages.
    """

    log = Logger()

    def __init__(self, settings: Settings, reactor: Any, random: Random) -> None:
        """
        @param reactor: for everything that waits, listens or connects.
        @param random: for ids and delays; one that can't be foretold, where strangers connect.
        """
        super().__init__()
        self.settings = settings
        self._reactor = reactor
        self._random = random

    def startService(self) -> None:
        """
        Build and start the parts.

        @raise Exception: one of them could not start, for instance L{gunnet.store.interface.StoreError} or
            L{twisted.internet.error.CannotListenError}; the others are stopped again.
        """
        settings, reactor, random = self.settings, self._reactor, self._random
        super().startService()
        self.gate = Gate(settings.access, settings.limits, reactor, random.randbytes)
        self.trust = Trust(settings.tls.authorities)
        self.store = open_store(settings)
        self.writer = StoreWriter(self.store, reactor)
        allowed = AllowRule(settings.gossip_allow)
        relay = Relay(
            store=self.store,
            random=random,
            limits=settings.limits,
            axe=settings.axe,
            sync=settings.sync,
            gossip=settings.gossip,
            allowed=allowed,
            rules=self.gate.rules,
        )
        self.pages = self._pages(relay)
        self.verifier = ThreadVerifier(reactor, os.cpu_count() or 1)
        self.mesh = MeshService(relay, self.writer, reactor, self.verifier)
        self.gate.guard(self.mesh)
        self.ice, self.watched = ice_servers(settings.rtc, reactor)
        self.links = Links()
        counters = relay.counters
        self.clients = Clients(Trusted(settings.front.trusted), settings.limits.forwarded_hops, counters)
        self.tls = TlsService(settings.tls, settings.acme, settings.data, reactor, random, counters)
        self.showing = Showing(settings, self.mesh, reactor, lambda: self.listeners, self.tls)
        site = RelaySite(self._root(), reactor)
        self.listeners = [
            Listener(each, settings, site, reactor, counters, self.tls) for each in settings.listen
        ]
        self.dialers = Dialers(
            self.mesh, self.links, reactor, random, allowed=allowed, ended=self.mesh.retire, trust=self.trust
        )
        self.mesh.dialling = self.dialers
        self.peers_from = self._peers_from(allowed)
        self.redirect = self._redirect()
        self.multicast = self._multicast()
        self.room: Room | None = None
        try:
            self.tls.open()
            self.room = self._room()
            for url in settings.peers:
                self.dialers.configure(url)
            for part in self._parts():
                part.setServiceParent(self)
        except BaseException:
            self.stopService()
            raise
        self._introduce()

    def _parts(self) -> list[Service]:
        rooms = [] if self.room is None else [self.room]
        before = [self.mesh, *self.listeners, self.tls, *self.redirect, self.dialers]
        return [*before, *self.multicast, *self.peers_from, *self._watchers, *rooms, *self.showing.services]

    def _root(self) -> Root:
        settings = self.settings
        factory = ServerFactory(self.mesh, self.links, self._reactor)
        door = self.gate.door(settings.data, self.mesh.relay.counters)
        return Root(
            factory,
            settings.path,
            settings.gun_js,
            door,
            self.gate.users,
            self.ice,
            self.clients,
            self.showing.pages,
            self.tls.certificates,
        )

    def _room(self) -> Room | None:
        name = self.settings.rtc.room
        return None if name is None else Room(name, self.mesh, self._reactor, self._random, self.ice)

    @property
    def _watchers(self) -> list[Service]:
        return [*self.gate.services, *self.watched, *self.pages]

    def _pages(self, relay: Relay) -> list[Service]:
        folder = self.settings.data
        if folder is None or not MappedPages.possible():
            return []
        return [mapped_pages(folder, relay.limits.mapped_bytes, relay.counters, self._reactor)]

    def _peers_from(self, allowed: AllowRule) -> list[Service]:
        settings, relay = self.settings, self.mesh.relay
        if settings.peers_from is None:
            return []
        from gunnet.peers_from import PeersFrom  # treq takes its time to load

        return [
            PeersFrom(
                settings.peers_from,
                self.dialers.set_listed,
                self._reactor,
                self._random,
                relay.counters,
                relay.limits,
                allowed=allowed,
                trust=self.trust,
            )
        ]

    def _redirect(self) -> list[Service]:
        """Plain HTTP, sent to the first of the listeners that has TLS on TCP."""
        settings = self.settings
        if settings.front.redirect is None:
            return []
        port = partial(https_port, self.listeners)
        redirect = Redirect(self.clients, port, settings.access.allow_host)
        if settings.front.redirect == settings.acme.http and self.tls.has_http:
            self.tls.fallback = redirect
            return []
        return [PlainHttp(settings.front.redirect, RelaySite(redirect, self._reactor), self._reactor)]

    def _multicast(self) -> list[Service]:
        if self.settings.multicast is None:
            return []
        from gunnet.transport.multicast import MulticastService

        return [
            MulticastService(
                self.settings.multicast,
                self.mesh,
                self.dialers,
                self._reactor,
                self._random,
                where=self._where,
            )
        ]

    def _where(self) -> Beacon:
        """Where others on the local network can link to us."""
        for listener in self.listeners:
            port = listener.open_port
            if port is not None:
                return Beacon(port=port, path=self.settings.path, secure=listener.secure)
        return Beacon()

    def _introduce(self) -> None:
        nvx = "on" if USES_NVX else "off"
        self.log.info("gunnet {version}, {how}, NVX {nvx}", version=__version__, how=how(), nvx=nvx)
        for listener in self.listeners:
            listener.introduce()
        if self.settings.data is None:
            self.log.info("data in memory only")
        else:
            self.log.info("data in {place}", place=os.path.abspath(self.settings.data))
        if self.settings.access.needs_token:
            self.log.info("no multicast: who connects needs a token, and there it could not be asked for")

    def reload(self) -> None:
        """Read keys and certificates again, if they have changed. A handler of a signal may call this."""
        self._reactor.callFromThread(self.tls.look)

    def stopService(self) -> Deferred[None]:
        """
        Accept nothing more; store and acknowledge what was heard; say goodbye to the peers; close the store.

        @return: fires when all of that is done.
        """
        Service.stopService(self)
        self.showing.readiness.stopping = True
        first = (*self.listeners, self.tls, *self.redirect, *self.multicast, *self.peers_from)
        done = _all(maybeDeferred(part.stopService) for part in (*first, *self._watchers))
        done.addCallback(self._drain)
        done.addCallback(self._leave)
        done.addCallback(lambda _: _all(maybeDeferred(part.stopService) for part in self._watchers))
        done.addCallback(lambda _: _all(maybeDeferred(part.stopService) for part in self.showing.services))
        done.addCallback(lambda _: self.verifier.stop())
        done.addCallback(lambda _: self.writer.stop())
        done.addErrback(lambda failure: self.log.failure("the relay did not stop well", failure))
        done.addCallback(self._forget)
        return done

    def _drain(self, _: object) -> Deferred[None]:
        self.links.deafen()
        if self.room is not None:
            self.room.deafen()
        self._stored = self.mesh.stopService()
        return _at_most(DRAIN_SECONDS, self._stored, self._reactor)

    def _leave(self, _: object) -> Deferred[None]:
        gone = self.links.goodbye(self._reactor, GOODBYE_SECONDS)
        rooms = [] if self.room is None else [self.room.stopService()]
        return _all([gone, self._stored, maybeDeferred(self.dialers.stopService), *rooms])

    def _forget(self, _: object) -> None:
        for part in list(self):
            part.disownServiceParent()


def open_store(settings: Settings) -> Store:
    """
    Open the store that the settings ask for.

    @raise gunnet.store.interface.StoreError: it can't be used.
    """
    if settings.data is None:
        return MemoryStore(settings.limits.memory_bytes)
    from gunnet.store.lmdb import LmdbStore  # not loaded by those who don't store

    return LmdbStore(settings.data, settings.data_bytes_max)


def _all(deferreds: Iterable[Deferred[Any]]) -> Deferred[None]:
    """Fires when all have; failures are logged, and are nobody's reason to stop halfway."""
    waiting: Deferred[Any] = DeferredList([deferred.addErrback(_log_failure) for deferred in deferreds])
    return waiting.addCallback(lambda _: None)


def _log_failure(failure: Failure) -> None:
    RelayService.log.failure("a part of the relay did not stop well", failure)


def _at_most(seconds: float, wanted: Deferred[None], reactor: Any) -> Deferred[None]:
    """A Deferred that fires with C{wanted}, or after C{seconds}. C{wanted} goes on in any case."""
    first: Deferred[None] = Deferred()
    late = reactor.callLater(seconds, first.callback, None)

    def fired(result: Any) -> Any:
        if late.active():
            late.cancel()
            first.callback(None)
        return result

    wanted.addBoth(fired)
    return first
