"""
A simulated relay: the real core and service, a process that can crash, a disk that keeps what was committed,
and links that are dialled for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from twisted.internet.defer import Deferred

from gunnet.graph.lex import ALL
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.relay import Relay
from gunnet.simulate.clock import ProcessClock, VirtualClock
from gunnet.simulate.links import Ear, End
from gunnet.simulate.network import Attempt, Network
from gunnet.store.interface import Cell, Store
from gunnet.store.memory import MemoryStore
from gunnet.turns import MeshService

REDIAL_SECONDS_MIN = 2.0
REDIAL_SECONDS_MAX = 60.0
STEADY_SECONDS = 10.0
"""As L{gunnet.transport.dialer} does it."""

RelayMaker = Callable[..., Relay]
"""What makes a relay: L{Relay}, or something that takes the same."""


class SlowWriter:
    """L{gunnet.turns.Writer} whose commits take their time; until they have ended, nothing is written."""

    def __init__(self, store: Store, clock: ProcessClock, seconds: Callable[[], float]) -> None:
        """
        @param seconds: how long the next commit takes.
        """
        self._store = store
        self._clock = clock
        self._seconds = seconds

    def commit(self, cells: list[tuple[str, str, Cell]]) -> Deferred[None]:
        """See L{gunnet.turns.Writer.commit}."""
        done: Deferred[None] = Deferred()
        self._clock.callLater(self._seconds(), self._end, cells, done)
        return done

    def _end(self, cells: list[tuple[str, str, Cell]], done: Deferred[None]) -> None:
        self._store.commit(cells)
        done.callback(None)


class MeshEar:
    """
    Joins one end of a link to a mesh.

    @ivar peer: whose link it is, while it is open.
    """

    __slots__ = ("_lost", "_mesh", "_upstream", "peer")

    def __init__(
        self, mesh: MeshService, upstream: Peer | None = None, lost: Callable[[str], None] | None = None
    ) -> None:
        """
        @param upstream: if the link was dialled, what the mesh gave for it.
        @param lost: told when it is gone.
        """
        self.peer: Peer | None = None
        self._mesh = mesh
        self._upstream = upstream
        self._lost = lost

    def opened(self, end: End) -> bool:
        """See L{Ear.opened}."""
        self.peer = self._mesh.meet(end, self._upstream)
        return self.peer is not None

    def heard(self, end: End, frame: bytes) -> None:
        """See L{Ear.heard}."""
        if self.peer is not None:
            self._mesh.hear(self.peer, frame)

    def lost(self, end: End, reason: str) -> None:
        """See L{Ear.lost}."""
        peer, self.peer = self.peer, None
        if peer is not None:
            self._mesh.lose(peer, reason)
        if self._lost is not None:
            self._lost(reason)

    def choked(self, end: End) -> None:
        """See L{Ear.choked}."""
        if self.peer is not None:
            self._mesh.pause(self.peer)

    def drained(self, end: End) -> None:
        """See L{Ear.drained}."""
        if self.peer is not None:
            self._mesh.resume(self.peer)


class Dialer:
    """Keeps a link to one url, as L{gunnet.transport.dialer.Dialer} does."""

    def __init__(
        self,
        caller: str,
        url: str,
        mesh: MeshService,
        network: Network,
        clock: ProcessClock,
        random: Random,
        *,
        lossy: bool,
    ) -> None:
        self._caller = caller
        self._url = url
        self._mesh = mesh
        self._network = network
        self._clock = clock
        self._random = random
        self._lossy = lossy
        self._pause = REDIAL_SECONDS_MIN
        self._opened_at = 0.0
        self._attempt: Attempt | None = None
        self._end: End | None = None
        self._running = True
        self._dial()

    def _dial(self) -> None:
        if self._running:
            ear = _DialledEar(self, self._mesh, self._mesh.dial(self._url))
            self._attempt = self._network.dial(self._caller, self._url, ear, self.failed, lossy=self._lossy)

    def opened(self, end: End) -> None:
        """There is a link."""
        self._end = end
        self._opened_at = self._clock.seconds()

    def failed(self, reason: str) -> None:
        """There is none, or none any more: try again later, and ever later."""
        if self._end is not None and self._clock.seconds() - self._opened_at >= STEADY_SECONDS:
            self._pause = REDIAL_SECONDS_MIN
        self._end = None
        self._clock.callLater(self._pause * self._random.uniform(0.75, 1.0), self._dial)
        self._pause = min(2 * self._pause, REDIAL_SECONDS_MAX)

    def stop(self) -> None:
        """Hang up, and dial no more."""
        self._running = False
        if self._attempt is not None:
            self._attempt.given_up = True
        if self._end is not None:
            self._end.drop("not wanted any more")

    def abandon(self) -> None:
        """The process is no more."""
        self._running = False
        if self._attempt is not None:
            self._attempt.given_up = True


class _DialledEar(MeshEar):
    __slots__ = ("_dialer",)

    def __init__(self, dialer: Dialer, mesh: MeshService, upstream: Peer) -> None:
        super().__init__(mesh, upstream, dialer.failed)
        self._dialer = dialer

    def opened(self, end: End) -> bool:
        self._dialer.opened(end)
        return super().opened(end)


class RelayNode:
    """
    One relay in the simulation.

    @ivar name: for traces.
    @ivar url: where it listens.
    @ivar store: its disk.
    @ivar upstreams: the urls that it dials, and whether over datagrams.
    @ivar relay: the core of the process that runs; L{None} while none does.
    @ivar mesh: the service around it.
    @ivar wiped: the ticks at which it lost its disk.
    @ivar deaths: counters of processes that have crashed.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        clock: VirtualClock,
        seed: str,
        *,
        upstreams: dict[str, bool] | None = None,
        axe: bool = True,
        limits: Limits | None = None,
        make: RelayMaker = Relay,
        commit_seconds: tuple[float, float] = (0.001, 0.020),
        new_store: Callable[[int], MemoryStore] = MemoryStore,
    ) -> None:
        """
        @param seed: of all its dice, with its name.
        @param make: makes the core.
        @param commit_seconds: a commit takes between these.
        @param new_store: makes an empty disk of so many bytes.
        """
        self.name = name
        self.url = f"ws://{name}/gun"
        self.upstreams = upstreams or {}
        self.relay: Relay | None = None
        self.mesh: MeshService | None = None
        self.wiped: list[int] = []
        self.deaths: list[dict[str, int]] = []
        self.limits = limits or Limits()
        self.store = new_store(self.limits.memory_bytes)
        self._new_store = new_store
        self._network = network
        self._clock = clock
        self._seed = f"{seed}/{name}"
        self._axe = axe
        self._make = make
        self._commit_seconds = commit_seconds
        self._lives = 0
        self._leaving = False
        self._process: ProcessClock | None = None
        self._dialers: dict[str, Dialer] = {}

    def start(self) -> None:
        """Start a process: with a new pid, on the disk as it is."""
        self._lives += 1
        random = Random(f"{self._seed}/{self._lives}")
        self._process = process = ProcessClock(self._clock)
        relay = self._make(store=self.store, random=random, limits=self.limits, axe=self._axe)
        low, high = self._commit_seconds
        writer = SlowWriter(self.store, process, lambda: random.uniform(low, high))
        self.relay = relay
        self.mesh = MeshService(relay, writer, process)
        self._random = random
        self.mesh.dialling = self
        self.mesh.startService()
        self._network.listen(self.url, self)
        for url in self.upstreams:
            self.dial(url, guarded=False)

    def crash(self, *, wipe: bool = False, notice: float = 0.5) -> None:
        """
        End the process at once. What was not committed is lost.

        @param wipe: whether the disk is lost too.
        @param notice: who is linked to it learns within so many seconds.
        """
        assert self._process is not None
        assert self.relay is not None
        self._process.alive = False
        self.deaths.append(dict(self.relay.counters))
        self.relay = self.mesh = None
        self._network.unlisten(self.url)
        for dialer in self._dialers.values():
            dialer.abandon()
        self._dialers.clear()
        self._network.kill(self.name, notice)
        if wipe:
            self.store = self._new_store(self.limits.memory_bytes)
            self.wiped.append(self._clock.tick)

    def accept(self) -> Ear:
        """See L{gunnet.simulate.network.Listener.accept}."""
        assert self.mesh is not None
        return MeshEar(self.mesh)

    # What the mesh asks for

    def dial(self, url: str, *, guarded: bool) -> None:
        """See L{gunnet.turns.Dialling.dial}."""
        if self._leaving or url in self._dialers:
            return
        if self.mesh is not None and self._process is not None:
            self._dialers[url] = Dialer(
                self.name,
                url,
                self.mesh,
                self._network,
                self._process,
                self._random,
                lossy=self.upstreams.get(url, False),
            )

    def busy(self, url: str) -> None:
        """See L{gunnet.turns.Dialling.busy}. Here relays always have room."""

    def hang_up(self, url: str, *, guarded: bool = False) -> None:
        """See L{gunnet.turns.Dialling.hang_up}."""
        dialer = self._dialers.pop(url, None)
        if dialer is not None:
            dialer.stop()

    def leave(self) -> None:
        """Dial nobody any more, and close what was dialled."""
        self._leaving = True
        for url in list(self._dialers):
            self.hang_up(url)

    @property
    def counters(self) -> dict[str, int]:
        """What all its processes have counted."""
        total: dict[str, int] = {}
        lives = [*self.deaths, dict(self.relay.counters)] if self.relay is not None else self.deaths
        for counters in lives:
            for name, times in counters.items():
                total[name] = total.get(name, 0) + times
        return total

    def cells(self) -> Iterator[tuple[str, str, Cell]]:
        """All that is on its disk."""
        for soul in self.store.souls(ALL):
            for key, cell in self.store.node(soul, ALL):
                yield soul, key, cell
