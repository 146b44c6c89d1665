"""
Test doubles, for gunnet's own tests and for those of programs that use it: a whole relay on a virtual clock,
with clients that are lists of messages.

Nothing here sleeps, opens a socket or starts a thread, and ids come from a seed, so a test that failed once
fails again::

    talk = Conversation()
    alice, bob = talk.connect("alice"), talk.connect("bob")
    bob.say({"#": "get1", "get": {"#": "room"}})
    alice.say(put("put1", "room", {"title": "hello"}, state=talk.now))
    assert bob.take()[-1]["put"]["room"]["title"] == "hello"

Two relays are joined with L{gunnet.transport.memory.join}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.relay import Relay
from gunnet.sea.firewall import Check, Outcome, Rules
from gunnet.store.interface import Cell, Store, StoreError
from gunnet.store.memory import MemoryStore
from gunnet.turns import MeshService
from gunnet.verifier import verify_all
from gunnet.wire import jstext

START = 1_800_000_000_000.0
"""When a L{Conversation} begins if nothing else is said: milliseconds since 1970, in January 2027."""

Message = dict[str, Any]


def put(message_id: str, soul: str, values: Mapping[str, Any], state: float, **fields: Any) -> Message:
    """
    A put of one node.

    @param values: key to value: L{None}, L{bool}, a number, L{str} or a link C{{"#": soul}}.
    @param state: of every value, in milliseconds.
    @param fields: more fields of the message, for instance C{ok}.
    """
    meta = {"#": soul, ">": dict.fromkeys(values, state)}
    return {"#": message_id, "put": {soul: {"_": meta, **values}}, **fields}


class MemoryLink:
    """
    L{gunnet.transport.interface.Link} that keeps what is written to it.

    @ivar name: how logs call it.
    @ivar frames: all that was sent, in order.
    @ivar reading: whether the relay takes bytes from the peer; L{False} after C{pause_reading}.
    @ivar dropped: why the relay closed the link; L{None} while it has not.
    @ivar reliable: whether the relay may take what it sends for arrived; may be set.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: list[bytes] = []
        self.reading = True
        self.dropped: str | None = None
        self.reliable = True

    def send(self, *frames: bytes) -> None:
        """Keep C{frames}, unless the link was closed."""
        if self.dropped is None:
            self.frames.extend(frames)

    def drop(self, reason: str) -> None:
        """Keep C{reason}; the first one counts."""
        if self.dropped is None:
            self.dropped = reason

    def pause_reading(self) -> None:
        """Be told not to read."""
        self.reading = False

    def resume_reading(self) -> None:
        """Be told to go on reading."""
        self.reading = True


class MemoryWriter:
    """
    L{gunnet.turns.Writer} without threads. Commits are done at once, until they are held or made to fail.

    @ivar held: commits that were begun and neither done nor failed, oldest first.
    @ivar holding: whether commits wait for L{release}; may be set.
    @ivar error: why each commit fails from now on; L{None}, as at first, if it does not. May be set.
    @ivar commits: the cells of each commit that was done.
    """

    def __init__(self, store: Store) -> None:
        self.held: list[tuple[list[tuple[str, str, Cell]], Deferred[None]]] = []
        self.holding = False
        self.error: str | None = None
        self.commits: list[list[tuple[str, str, Cell]]] = []
        self._store = store

    def commit(self, cells: list[tuple[str, str, Cell]]) -> Deferred[None]:
        """See L{gunnet.turns.Writer.commit}."""
        if self.holding:
            done: Deferred[None] = Deferred()
            self.held.append((cells, done))
            return done
        if self.error is not None:
            return fail(StoreError(self.error))
        self._write(cells)
        return succeed(None)

    def release(self) -> None:
        """End the oldest commit that is held: it fails if L{error} is set, else it is done."""
        cells, done = self.held.pop(0)
        if self.error is not None:
            done.errback(StoreError(self.error))
        else:
            self._write(cells)
            done.callback(None)

    def _write(self, cells: list[tuple[str, str, Cell]]) -> None:
        self._store.commit(cells)
        self.commits.append(cells)


class MemoryVerifier:
    """
    L{gunnet.turns.Verifier} without threads. Signatures are verified at once, until they are held.

    @ivar holding: whether they wait for L{release}; may be set.
    @ivar held: batches that wait, oldest first.
    """

    def __init__(self) -> None:
        self.holding = False
        self.held: list[tuple[list[Check], Deferred[list[Outcome]]]] = []

    def verify(self, checks: list[Check]) -> Deferred[list[Outcome]]:
        """See L{gunnet.turns.Verifier.verify}."""
        done: Deferred[list[Outcome]] = Deferred()
        self.held.append((checks, done))
        if not self.holding:
            self.release()
        return done

    def release(self) -> None:
        """Verify the oldest batch that is held."""
        checks, done = self.held.pop(0)
        done.callback(verify_all(checks))


class Client:
    """
    Whoever is on the other end of a L{MemoryLink}. Made by L{Conversation.connect}.

    @ivar name: of the link.
    @ivar link: the link.
    @ivar peer: what the relay knows of this client; L{None} if it refused the link.
    """

    def __init__(self, talk: Conversation, name: str, upstream: Peer | None) -> None:
        self.name = name
        self.link = MemoryLink(name)
        self._talk = talk
        self._taken = 0
        self._parsed = 0
        self._heard: list[Message] = []
        self.peer = talk.mesh.meet(self.link, upstream)

    def say(self, said: Message | list[Any] | str | bytes) -> None:
        """
        Send one frame, and let the relay do what follows of it at once.

        @param said: a message, several (as one array), or the text of a frame.
        """
        assert self.peer is not None, f"{self.name} was refused"
        if isinstance(said, str):
            frame = said.encode("utf-8")
        elif isinstance(said, bytes):
            frame = said
        else:
            frame = jstext.stringify(said)
        self._talk.mesh.hear(self.peer, frame)
        self._talk.settle()

    @property
    def heard(self) -> list[Message]:
        """All messages that were sent to this client, in order, out of their frames."""
        for frame in self.link.frames[self._parsed :]:
            self._heard += messages(frame)
        self._parsed = len(self.link.frames)
        return list(self._heard)

    def take(self) -> list[Message]:
        """The messages that came since the last call."""
        heard = self.heard
        taken, self._taken = heard[self._taken :], len(heard)
        return taken

    def answers(self, message_id: str) -> list[Message]:
        """All messages that answer C{message_id}."""
        return [message for message in self.heard if message.get("@") == message_id]

    def choke(self) -> None:
        """Read no more, so that the relay's transport reports a full buffer."""
        assert self.peer is not None
        self._talk.mesh.pause(self.peer)

    def drain(self) -> None:
        """Read again: the transport reports that its buffer is empty."""
        assert self.peer is not None
        self._talk.mesh.resume(self.peer)
        self._talk.settle()

    def close(self, reason: str = "closed by the test") -> None:
        """Close the link from this end, or take note that the relay closed it."""
        if self.peer is not None:
            self._talk.mesh.lose(self.peer, reason)
            self._talk.settle()


class Conversation:
    """
    One relay, its clients, and a clock that only moves when it is told to.

    @ivar clock: the virtual reactor.
    @ivar store: where the graph is kept.
    @ivar writer: does the commits.
    @ivar verifier: verifies signatures.
    @ivar relay: the core.
    @ivar mesh: the service that drives it.
    """

    def __init__(
        self,
        *,
        axe: bool = True,
        limits: Limits | None = None,
        store: Store | None = None,
        seed: int = 1,
        pid: str | None = None,
        clock: Clock | None = None,
        start: float = START,
        rules: Rules | None = None,
    ) -> None:
        """
        @param rules: what may be written (L{gunnet.sea.firewall}).
        @param store: the default is a L{MemoryStore}. Give the C{store} of an earlier conversation to see
            what a relay does after a restart.
        @param seed: of the ids.
        @param clock: shared with another conversation; the default is a new one that stands at C{start}.
        @param start: milliseconds since 1970.
        """
        limits = limits or Limits()
        if clock is None:
            clock = Clock()
            clock.advance(start / 1000)
        self.clock = clock
        self.store: Store = MemoryStore(limits.memory_bytes) if store is None else store
        self.writer = MemoryWriter(self.store)
        self.verifier = MemoryVerifier()
        self.relay = Relay(
            store=self.store, random=Random(seed), pid=pid, limits=limits, axe=axe, rules=rules
        )
        self.mesh = MeshService(self.relay, self.writer, clock, self.verifier)
        self.mesh.startService()
        self._collecting = False

    @property
    def now(self) -> float:
        """The time, in milliseconds since 1970."""
        return self.clock.seconds() * 1000

    @property
    def counters(self) -> Counters:
        """What the relay has counted."""
        return self.relay.counters

    def connect(
        self, name: str, url: str | None = None, *, pid: str | None = None, hi: bool = False
    ) -> Client:
        """
        Open a link.

        @param name: for logs.
        @param url: the link is one that the relay has dialled, to this URL.
        @param pid: have the client tell its process id, as gun.js does; else it stays unknown.
        @param hi: have it say C{hi}, as a page that boots does; else it may be one that lost its link, and is
            asked back (L{gunnet.mesh.askback}).
        """
        client = Client(self, name, None if url is None else self.mesh.dial(url))
        self.settle()
        if pid is not None:
            client.say({"#": f"hello {name}", "@": "?", "dam": "?", "pid": pid})
        if hi:
            client.say({"#": f"hi {name}", "dam": "hi"})
        return client

    def settle(self) -> None:
        """Let the relay do all that is due now."""
        if not self._collecting:
            self.clock.advance(0)

    def advance(self, milliseconds: float) -> None:
        """Let time pass, and the relay do each thing when it falls due."""
        end = self.clock.seconds() + milliseconds / 1000
        while (calls := self.clock.getDelayedCalls()) and calls[0].getTime() <= end:
            self.clock.advance(max(0.0, calls[0].getTime() - self.clock.seconds()))
        self.clock.advance(max(0.0, end - self.clock.seconds()))

    @contextmanager
    def one_turn(self) -> Iterator[None]:
        """What clients say within comes to the relay in one turn of its reactor."""
        self._collecting = True
        try:
            yield
        finally:
            self._collecting = False
            self.settle()


def messages(frame: bytes) -> list[Message]:
    """The messages of a frame that a relay has sent: one, or an array of them."""
    content = jstext.parse(frame)
    return content if isinstance(content, list) else [content]
