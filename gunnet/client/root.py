"""
What all chains of one client share.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from gunnet.client.errors import Closed
from gunnet.client.line import Line
from gunnet.client.listeners import Listener, On, Once
from gunnet.client.nodes import Nodes
from gunnet.client.paths import Item, Leaf, Step, Wire, follow
from gunnet.client.planning import check_owner, plan, signed, snapshot
from gunnet.client.states import States
from gunnet.client.values import is_link
from gunnet.client.waiting import Waiting
from gunnet.client.writes import Put, Writes
from gunnet.graph.lex import Query
from gunnet.mesh.peer import Peer
from gunnet.sea.keys import Pair
from gunnet.sea.puts import owner_of, unpacked
from gunnet.turns import MeshService
from gunnet.verifier import start_pool
from gunnet.wire.ids import id_source
from gunnet.wire.jstext import parse

if TYPE_CHECKING:
    from gunnet.client.chain import Chain

T = TypeVar("T")

CONNECT_SECONDS = 2.0
"""So long after the start a first peer is waited for before it counts that none is linked."""

UUID_LETTERS = 12
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Root:
    """
    The chain's side of one client.

    @ivar reactor: for all that waits.
    @ivar limits: the bounds; C{counters}: what was refused or went wrong.
    @ivar nodes: what is watched; C{writes}: what was put.
    @ivar states: gives the states of writes.
    @ivar pair: the keys of who is logged in.
    """

    def __init__(self, mesh: MeshService, reactor: Any, random: Random) -> None:
        """
        @param mesh: the local node.
        @raise gunnet.client.errors.Busy: it takes no more peers.
        """
        relay = mesh.relay
        self._mesh = mesh
        self.reactor = reactor
        self.limits, self.counters = relay.limits, relay.counters
        self.states = States(reactor.seconds)
        self.pair: Pair | None = None
        self.closed = False
        self._links = relay.relay_links
        self._new_id = id_source(random)
        self._pool: ThreadPool | None = None
        self._listeners: dict[str, dict[Listener, tuple[Step, ...]]] = {}
        self._line = Line(mesh, reactor, self._new_id, self._hear)
        common = (self._line.say, self._new_id, reactor)
        self.nodes = Nodes(*common, self.limits, self.counters)
        self.writes = Writes(*common, self.nodes, self.limits, self.counters)
        self.nodes.lacking = self._lacking
        self.writes.linked = lambda: self.linked
        self._line.on_reopened = self._reopened
        self._line.open()
        self._links.on_up.append(self._peer_up)
        self._links.on_down.append(self._peer_down)
        self._links.unacked.on_acked.append(self._acked)
        self._connecting: IDelayedCall | None = reactor.callLater(CONNECT_SECONDS, self._connect_ends)

    # The local node

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("@") is None or not self.writes.hear(message):
            self.nodes.hear(message)

    def _reopened(self) -> None:
        self.nodes.ask_all()
        self.writes.say_again()

    @property
    def linked(self) -> int:
        """How many peers are linked just now."""
        return sum([peer.up for peer in self._links.upstreams])

    def _lacking(self) -> tuple[int, bool]:
        linked = self.linked
        return linked, not linked and self._connecting is not None and bool(self._links.upstreams)

    def _peer_up(self, _peer: Peer) -> None:
        self._soon(self.nodes.ask_unknown)

    def _peer_down(self, _peer: Peer) -> None:
        self._soon(self.nodes.look_again)

    def _acked(self, _peer: Peer, names: list[tuple[str, str]], refused: bool) -> None:
        if not refused:
            self._soon(lambda: self.writes.acked(names))

    def _soon(self, do: Callable[[], None]) -> None:
        """Do something when the turn of the relay is over."""
        self.reactor.callLater(0, lambda: None if self.closed else do())

    def _connect_ends(self) -> None:
        self._connecting = None
        self.nodes.look_again()

    # Reading

    def listen(self, listener: Listener, soul: str, steps: tuple[Step, ...]) -> None:
        """
        Have a listener follow a path.

        @raise Closed: the client is closed.
        @raise gunnet.client.errors.Busy: too much is watched.
        """
        self.check_open()
        listener.followed = follow(self.nodes, soul, steps, listener, self.limits)
        self._keep(listener, soul, steps)

    def _keep(self, listener: Listener, soul: str, steps: tuple[Step, ...]) -> None:
        listener.on_stop = lambda stopped: self._forget(soul, stopped)
        self._listeners.setdefault(soul, {})[listener] = steps

    def _forget(self, soul: str, listener: Listener) -> None:
        at_soul = self._listeners.get(soul)
        if at_soul is not None:
            at_soul.pop(listener, None)
            if not at_soul:
                del self._listeners[soul]

    def off(self, soul: str, steps: tuple[Step, ...], callback: Callable[[Any, str], Any] | None) -> None:
        """Stop those who listen to a path, or to what is behind it; only C{callback} if there is one."""
        for listener, path in list(self._listeners.get(soul, {}).items()):
            is_it = callback is None or (isinstance(listener, On) and listener.callback == callback)
            if path[: len(steps)] == steps and is_it and not isinstance(listener, Once | _Fetch):
                listener.stop()

    def fetch_node(self, soul: str) -> Waiting[Any]:
        """A node as it stands on the wire; fires with L{None} if there is none."""
        once = Once(self.reactor)
        self.listen(once, soul, (Wire(),))
        return once.done

    async def soul_at(self, soul: str, key: str) -> str | None:
        """The soul to which (soul, key) links, L{None} if it does not."""
        found, value = self._known(soul, key)
        if not found and self._lacking() != (0, False):
            await self._fetch(soul, key)
            found, value = self._known(soul, key)
        return str(value["#"]) if is_link(value) else None

    def _known(self, soul: str, key: str) -> tuple[bool, Any]:
        """(whether something is known here of (soul, key), what)."""
        value: Any = None
        fresh = {cell[1]: cell[3] for cell in self.writes.own(soul)}
        if key in fresh:
            value = fresh[key]
        else:
            cell = self._links.known(soul, key)
            if cell is None:
                return False, None
            value = parse(cell[1])
        return True, value if owner_of(soul) is None else unpacked(value)

    def _fetch(self, soul: str, key: str) -> Deferred[None]:
        """Have the local node learn of (soul, key), if there is anything."""
        self.check_open()
        fetch = _Fetch()
        fetch.followed = Leaf(self.nodes, Query(soul, key=key), fetch, key, (), wire=True)
        self._keep(fetch, soul, ())
        return fetch.done

    # Writing

    def put(
        self,
        soul: str,
        value: dict[str, Any],
        chain: Chain,
        *,
        peer: bool = False,
        timeout: float | None = None,
        cert: str | None = None,
    ) -> Put:
        """
        Put a node that has passed L{gunnet.client.planning.check}.

        @raise Closed: the client is closed.
        @raise gunnet.client.errors.Busy: too many puts wait for their acks.
        @raise gunnet.client.errors.NotAuthenticated: the soul is a user's, and who is logged in can't put
            there.
        """
        self.check_open()
        self.writes.check_room()
        check_owner(soul, self.pair, cert)
        done = Put()
        done.chain = chain
        state, pair, node = self.states(), self.pair, snapshot(value)

        async def put() -> None:
            cells = signed(await plan(soul, node, state, self.soul_at), pair, cert)
            self.check_open()
            self.writes.write(cells, done, peer=peer, timeout=timeout)

        Deferred.fromCoroutine(put()).addErrback(done.errback)
        return done

    def put_graph(self, graph: dict[str, dict[str, Any]]) -> Waiting[None]:
        """Put a graph that stands as on the wire."""
        self.check_open()
        self.writes.check_room()
        done: Waiting[None] = Waiting()
        cells = [
            (soul, key, node["_"][">"][key], value)
            for soul, node in graph.items()
            for key, value in node.items()
            if key != "_"
        ]
        self.writes.write(cells, done, peer=False, timeout=None)
        return done

    def uuid(self) -> str:
        """
        A name that nobody has used (gun.js C{src/root.js}, C{opt.uuid}).
        """
        letters = ""
        number = int(self.states() * 1000)
        while number:
            number, digit = divmod(number, 36)
            letters = _DIGITS[digit] + letters
        return letters + (self._new_id() + self._new_id())[:UUID_LETTERS]

    def new_soul(self) -> str:
        """The soul of a new node: while somebody is logged in, theirs (gun.js C{sea/user.js})."""
        return self.uuid() if self.pair is None else f"~{self.pair.pub}/{self.uuid()}"

    # Work, and the end

    def work(self, do: Callable[[], T]) -> Deferred[T]:
        """Do something that takes its time beside the reactor, where that has threads."""
        self.check_open()
        if not IReactorFromThreads.providedBy(self.reactor):
            return maybeDeferred(do)
        if self._pool is None:
            self._pool = start_pool(1, "gunnet-client")
        return deferToThreadPool(self.reactor, self._pool, do)

    def later(self, do: Callable[[], None]) -> None:
        """Do something in a turn of its own. May be called in any thread, where the reactor has threads."""
        if IReactorFromThreads.providedBy(self.reactor):
            self.reactor.callFromThread(do)
        else:
            self.reactor.callLater(0, do)

    def check_open(self) -> None:
        """
        @raise Closed: the client is closed, or the relay that it is a peer of has stopped, which never goes
            on: what it would be asked nobody would answer.
        """
        if self.closed:
            raise Closed("the client is closed")
        if not self._mesh.running:
            raise Closed("the relay has stopped: make another client when it runs again")

    def close(self) -> Deferred[None]:
        """
        Begin nothing more, tell whoever waits, have stored what was put, and leave the local node.

        @return: fires when that is done.
        """
        self.closed = True
        for listeners in list(self._listeners.values()):
            for listener in list(listeners):
                listener.close()
        return self.writes.drain().addCallback(lambda _: self._leave())

    def _leave(self) -> None:
        self._links.on_up.remove(self._peer_up)
        self._links.on_down.remove(self._peer_down)
        self._links.unacked.on_acked.remove(self._acked)
        if self._connecting is not None:
            self._connecting.cancel()
        self._line.close()
        if self._pool is not None:
            self._pool.stop()


class _Fetch(Listener):
    """Waits until it is known whether there is something."""

    def __init__(self) -> None:
        super().__init__()
        self.done: Deferred[None] = Deferred()

    def found(self, key: str, value: Any, keys: set[str] | None, since: float, item: Item) -> None:
        self._finish()

    def missing(self, key: str) -> None:
        self._finish()

    def _finish(self) -> None:
        self.stop()
        if not self.done.called:
            self.done.callback(None)

    def close(self) -> None:
        self.stop()
        if not self.done.called:
            self.done.errback(Closed("the client was closed meanwhile"))
