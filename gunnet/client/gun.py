"""
A client: GUN's chain API for Python.
"""

from __future__ import annotations

import random as dice
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, overload

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore

from gunnet.client import aio
from gunnet.client.chain import Chain
from gunnet.client.errors import BadValue
from gunnet.client.node import LocalNode
from gunnet.client.planning import check
from gunnet.client.root import Root
from gunnet.client.user import User, pub_of
from gunnet.client.values import checked_key, is_link, own_soul
from gunnet.client.waiting import Waiting
from gunnet.client.writes import Put
from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.sea.keys import Keys

if TYPE_CHECKING:
    from gunnet.turns import MeshService


class WithMesh(Protocol):
    """A relay in this process."""

    mesh: MeshService


class Gun(Service):
    """
    A client, which starts at once and lasts until L{close}.

    It has a node of its own (L{gunnet.client.node}) that holds what was asked for and written, so that all
    works without a peer, too; or it is a peer of a relay in the same process. As a C{Service} it may be given
    to an application by C{setServiceParent}, which then closes it.

    @ivar root: what its chains share; not for programs.
    """

    name = None

    def __init__(
        self,
        peers: str | Iterable[str] = (),
        *,
        data: str | None = None,
        authorities: str | Iterable[str] = (),
        relay: WithMesh | None = None,
        reactor: Any = None,
        random: dice.Random | None = None,
        limits: Limits | None = None,
    ) -> None:
        """
        @param peers: URLs of relays, C{ws}, C{wss}, C{http} or C{https}. Links to them are kept.
        @param data: the folder of the store, which no other process may have; L{None} for memory.
        @param authorities: a PEM file, or several, of authorities that are believed about peers at C{wss} and
            C{https}, apart from those of the system.
        @param relay: a L{gunnet.service.RelayService} that is running, to be a peer of in place of a node of
            its own; C{peers}, C{data}, C{authorities} and C{limits} are not given then.
        @param reactor: the default is that of Twisted, or, where it does not run and an event loop of asyncio
            does, one on that loop.
        @param random: for ids; the default can't be foretold.
        @param limits: the bounds.
        @raise gunnet.store.interface.StoreError: the store can't be used.
        @raise gunnet.settings.SettingsError: a peer has a URL that none can have, or a file of authorities
            can't be read.
        @raise Busy: the relay takes no more peers.
        @raise ValueError: the relay is not running.
        """
        if relay is not None and (peers or data is not None or authorities or limits is not None):
            raise TypeError("a relay has its peers, data, authorities and limits: give either it or those")
        self._loop: aio.LoopReactor | None = None
        if reactor is None:
            reactor, self._loop = aio.reactor_here()
        random = random or dice.SystemRandom()
        self._node: LocalNode | None = None
        self._closing: list[Waiting[None]] | None = None
        try:
            if relay is None:
                believed = _several(authorities)
                self._node = LocalNode(_several(peers), data, believed, limits or Limits(), reactor, random)
            mesh = self._node.mesh if self._node is not None else _running(relay)
            self.root = Root(mesh, reactor, random)
            if self._node is not None:
                self.root.writes.on_write = self._node.unsent.add
                self.root.writes.on_refused = self._node.unsent.forget
        except BaseException:
            self._give_back_loop()
            raise
        self._user = User(self)
        self.running = True
        self._at_end: Any = None
        if self._loop is None and IReactorCore.providedBy(reactor):
            self._at_end = reactor.addSystemEventTrigger("before", "shutdown", self._shut_down)

    # The graph

    def get(self, soul: str | int | dict[str, Any]) -> Chain:
        """
        The node of a soul.

        @param soul: text, not empty; an integer is written out. Or a link, C{{"#": soul}}.
        @raise BadValue: it is none of these.
        """
        if is_link(soul):
            assert isinstance(soul, dict)
            return Chain(self, None, soul["#"])
        return Chain(self, None, checked_key(soul))

    def put(self, node: dict[str, Any], *, peer: bool = False, timeout: float | None = None) -> Put:
        """
        Put a node, whose soul is that of C{{"_": {"#": soul}}} in it, or a new one.

        @return: as of L{Chain.put}; its C{chain} is the node.
        @raise BadValue: it is no C{dict}, or something in it can't be put.
        """
        if not isinstance(node, dict) or is_link(node):
            raise BadValue("Data at root of graph must be a node (a dict).")
        soul = own_soul(node) or self.root.new_soul()
        check(node, (soul,))
        return self.root.put(soul, node, self.get(soul), peer=peer, timeout=timeout)

    @overload
    def user(self) -> User: ...

    @overload
    def user(self, pub: str | Keys) -> Chain: ...

    def user(self, pub: str | Keys | None = None) -> Chain:
        """
        Without anything, the L{User} of this client.

        @param pub: the public key of a user, with or without C{~}, or a pair: then the chain at the space of
            that one, for reading, and for writing with a certificate.
        @raise NotAuthenticated: there is no public key in it.
        """
        return self._user if pub is None else self.get(f"~{pub_of(pub)}")

    def back(self, levels: int = 1) -> Gun:
        """Where all chains come from is this."""
        return self

    # The client

    def opt(self, *, peers: str | Iterable[str] = ()) -> Gun:
        """
        Add peers.

        @param peers: URLs, as at the start.
        @return: this client.
        @raise gunnet.settings.SettingsError: no peer can have such a URL.
        @raise TypeError: this client is a peer of a relay, which has its own.
        """
        self.root.check_open()
        if self._node is None:
            raise TypeError("the relay has its own peers")
        for url in _several(peers):
            self._node.add_peer(url)
        return self

    @property
    def counters(self) -> Counters:
        """What was refused, dropped or went wrong, by name (L{gunnet.counters})."""
        return self.root.counters

    @property
    def linked(self) -> int:
        """How many peers are linked just now."""
        return self.root.linked

    def startService(self) -> None:
        """Twisted starts the application: this has started already."""

    def stopService(self) -> Deferred[None]:
        """Twisted stops the application: L{close}."""
        return self.close()

    def close(self) -> Waiting[None]:
        """
        Store what was put, tell it to the peers that are linked, and free all that is held. What waits for
        something fails with L{gunnet.client.errors.Closed}. May be called twice.

        @return: fires when that is done.
        """
        done: Waiting[None] = Waiting()
        if self._closing is not None:
            if self.running:
                self._closing.append(done)
            else:
                done.callback(None)
            return done
        self._closing = [done]
        if self._at_end is not None:
            self.root.reactor.removeSystemEventTrigger(self._at_end)
        stopped = self.root.close()
        if self._node is not None:
            node = self._node
            stopped.addCallback(lambda _: node.stop())
        stopped.addCallback(lambda _: self._closed())
        return done

    def _shut_down(self) -> Waiting[None]:
        """The reactor stops."""
        self._at_end = None
        return self.close()

    def _closed(self) -> None:
        self.running = False
        self._give_back_loop()
        waiting, self._closing = self._closing or [], []
        for done in waiting:
            done.callback(None)

    def _give_back_loop(self) -> None:
        if self._loop is not None:
            self._loop.release()
            self._loop = None

    async def __aenter__(self) -> Gun:
        """It has started already."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()


def _several(given: str | Iterable[str]) -> Iterable[str]:
    return [given] if isinstance(given, str) else given


def _running(relay: WithMesh | None) -> MeshService:
    mesh: MeshService | None = getattr(relay, "mesh", None)
    if mesh is None or not mesh.running:
        raise ValueError("the relay is not running: start it first")
    return mesh
