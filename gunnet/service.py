"""
One relay, put together: a whole process has one (L{gunnet.tap}), and any program on Twisted as many as it
likes. They have nothing in common but what they are given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any

from autobahn.websocket import USES_NVX
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from gunnet import __version__
from gunnet.access.gate import Gate
from gunnet.access.policies import Policies
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
from gunnet.turns import MeshService, Verifier
from gunnet.verifier import ThreadVerifier
from gunnet.web.resource import RelaySite, Root

DRAIN_SECONDS = 0.4
"""How long those who wrote last are kept connected to get their acks."""
GOODBYE_SECONDS = 0.3
"""How long peers have for their part of the closing handshake."""


class RelayService(MultiService):
    """
    A relay as a service, to be added to any other. L{startService} builds its parts, L{_build} being the list
    of them in their order, and L{stopService} takes them down in stages. It can be started again then.

    @ivar settings: what it is asked to be.
    @ivar root: all that it has on the web, while it runs; else L{None}. L{gunnet.web.mount.GunResource} puts
        that into another site.
    """

    log = Logger()

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        random: Random,
        *,
        store: Store | Callable[[], Store] | None = None,
        policies: Policies | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        """
        @param reactor: for everything that waits, listens or connects.
        @param random: for ids and delays; one that can't be foretold, where strangers connect.
        @param store: where the graph is kept, in place of what the settings say. A store that is handed in
            belongs to the program, which closes it when the relay has stopped, and has nobody else write to
            it until then. A callable is called at each start, and what it gives is closed at the stop.
        @param policies: who may use it, beside what the settings say.
        @param verifier: verifies signatures; of relays that share one, the program stops it. The default has
            as many threads as there are processors, once there is something to verify.
        @raise gunnet.settings.SettingsError: C{policies} and C{settings} exclude each other.
        """
        super().__init__()
        self.settings = settings
        self.root: Root | None = None
        self._reactor = reactor
        self._random = random
        self._given_store = store
        self._policies = policies or Policies()
        self._policies.check(settings.access, multicast=settings.multicast is not None)
        self._given_verifier = verifier
        self._stopping: list[Deferred[None]] | None = None  # who waits for the end of a stop under way

    def startService(self) -> None:
        """
        Build and start the parts.

        @raise Exception: one of them could not start, for instance L{gunnet.store.interface.StoreError},
            L{gunnet.settings.SettingsError} or L{twisted.internet.error.CannotListenError}; the others are
            stopped again, of which L{stopService} tells the end.
        @raise RuntimeError: it runs, or has not stopped yet.
        """
        if self.running or self._stopping is not None:
            raise RuntimeError("this relay runs" if self.running else "this relay has not stopped yet")
        super().startService()
        try:
            self._prepare()
        except BaseException:
            Service.stopService(self)
            raise
        try:
            root = self._build()
        except BaseException:
            Service.stopService(self)
            self._stopping = []
            self._ends(self.writer.stop())
            raise
        try:
            for part in self._parts():
                part.setServiceParent(self)
        except BaseException:
            self.stopService()
            raise
        self.root = root
        self._introduce()

    def _prepare(self) -> None:
        """What reads files, and at last opens the store."""
        settings, reactor = self.settings, self._reactor
        self.gate = Gate(settings.access, settings.limits, reactor, self._random.randbytes, self._policies)
        self.trust = Trust(settings.tls.authorities)
        self.ice, self.watched = ice_servers(settings.rtc, reactor)
        given = self._given_store
        if given is None:
            self.store, closes = open_store(settings), True
        elif callable(given):
            self.store, closes = given(), True
        else:
            self.store, closes = given, False
        self.writer = StoreWriter(self.store, reactor, closes=closes)

    def _build(self) -> Root:
        """All other parts, none of which does anything yet."""
        settings, reactor, random = self.settings, self._reactor, self._random
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
        self.mapped = self._mapped(relay)
        self._own_verifier = ThreadVerifier(reactor, os.cpu_count() or 1)
        self.verifier = self._given_verifier or self._own_verifier
        self.mesh = MeshService(relay, self.writer, reactor, self.verifier)
        self.gate.guard(self.mesh)
        self.links = Links()
        counters = relay.counters
        self.clients = Clients(Trusted(settings.front.trusted), settings.limits.forwarded_hops, counters)
        self.tls = TlsService(settings.tls, settings.acme, settings.data, reactor, random, counters)
        self.tls.open()
        self.showing = Showing(settings, self.mesh, reactor, lambda: self.listeners, self.tls)
        root = self._root()
        site = RelaySite(root, reactor)
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
        self.room = self._room()
        for url in settings.peers:
            self.dialers.configure(url)
        return root

    def _parts(self) -> list[Service]:
        rooms = [] if self.room is None else [self.room]
        before = [self.mesh, *self.listeners, self.tls, *self.redirect, self.dialers]
        return [*before, *self.multicast, *self.peers_from, *self._watchers, *rooms, *self.showing.services]

    def _root(self) -> Root:
        settings = self.settings
        factory = ServerFactory(self.mesh, self.links, self._reactor)
        data = settings.data if self._given_store is None else None
        door = self.gate.door(data, self.mesh.relay.counters)
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
        return [*self.gate.services, *self.watched, *self.mapped]

    def _mapped(self, relay: Relay) -> list[Service]:
        folder = self.settings.data
        if self._given_store is not None or folder is None or not MappedPages.possible():
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
        if self._given_store is not None:
            self.log.info("data in {place}", place=self.store.place)
        elif self.settings.data is None:
            self.log.info("data in memory only")
        else:
            self.log.info("data in {place}", place=os.path.abspath(self.settings.data))
        if self.settings.access.needs_token:
            self.log.info("no multicast: who connects needs a token, and there it could not be asked for")

    def reload(self) -> None:
        """Read keys and certificates again, if they have changed. A handler of a signal may call this."""
        if self.running:
            self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        self.tls.look()
        if any(each.startswith("ssl:") for each in self.settings.listen):
            self.log.warn("TLS: what an ssl: endpoint has is read at the start only; --tls-key is read again")

    def stopService(self) -> Deferred[None]:
        """
        Accept nothing more; store and acknowledge what was heard; say goodbye to the peers; close the store.
        May be called more than once, and at any time.

        @return: fires when all of that is done.
        """
        ended: Deferred[None] = Deferred()
        if self._stopping is not None:
            self._stopping.append(ended)
            return ended
        if not self.running:
            return succeed(None)
        self._stopping = [ended]
        self.root = None
        Service.stopService(self)
        self.showing.readiness.stopping = True
        first = (*self.listeners, self.tls, *self.redirect, *self.multicast, *self.peers_from)
        done = _all_stopped([*first, *self._watchers])
        done.addCallback(self._drain)
        done.addCallback(self._leave)
        done.addCallback(lambda _: _all_stopped(self.showing.services))
        done.addCallback(lambda _: self._own_verifier.stop())
        done.addCallback(lambda _: self.writer.stop())
        self._ends(done)
        return ended

    def _ends(self, done: Deferred[Any]) -> None:
        done.addErrback(lambda failure: self.log.failure("the relay did not stop well", failure))
        done.addCallback(self._forget)

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
        ended, self._stopping = self._stopping or [], None
        for each in ended:
            each.callback(None)


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


def _all_stopped(parts: Iterable[Service]) -> Deferred[None]:
    """Stop those that run: after a start that failed, some never did, which not each of them takes."""
    return _all([maybeDeferred(part.stopService) for part in parts if part.running])


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
