"""
A tap on a link: stands between a relay and whoever dials it, passes every byte on, and keeps the messages.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IDelayedCall, IListeningPort, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.interop.children import Overdue
from tests.interop.clients import Listening
from tests.interop.relays import HOST, Relay

Message = dict[str, Any]

_TEXT = 1

AGAIN_SECONDS = 0.1
"""So long after the relay refused a connection it is tried again, by a tap that has patience."""


@dataclass(frozen=True)
class Said:
    """
    One message.

    @ivar link: on which link, numbered from 1.
    @ivar up: whether the one who dialled said it; else the relay did.
    """

    link: int
    up: bool
    message: Message

    @property
    def kind(self) -> str:
        """C{dam}, C{put}, C{get}, C{ack} or C{other}; an answer with data is a C{put}."""
        for kind in ("dam", "put", "get"):
            if kind in self.message:
                return kind
        return "ack" if "@" in self.message else "other"

    def tells(self, soul: str, key: str) -> bool:
        """Whether it has a value for that key."""
        return (soul, key) in [(soul_, key_) for soul_, key_, _ in self.writes()]

    def writes(self) -> list[tuple[str, str, float]]:
        """
        @return: (soul, key, state) of what is put.
        """
        graph = self.message.get("put") or {}
        return [(soul, key, state) for soul, node in graph.items() for key, state in node["_"][">"].items()]

    def __str__(self) -> str:
        return f"{self.link} {'>' if self.up else '<'} {str(self.message)[:400]}"


class Frames:
    """
    Reads one direction of a WebSocket: the HTTP head, then frames.

    @ivar texts: the text messages that are complete.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._bytes = b""
        self._in_head = True
        self._parts = b""

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        self._bytes += data
        if self._in_head:
            _head, end, rest = self._bytes.partition(b"\r\n\r\n")
            if not end:
                return
            self._in_head = False
            self._bytes = rest
        while self._take_frame():
            pass

    def _take_frame(self) -> bool:
        data = self._bytes
        if len(data) < 2:
            return False
        size, at = data[1] & 0x7F, 2
        if size > 125:
            at += 2 if size == 126 else 8
            size = int.from_bytes(data[2:at], "big")
        mask = b""
        if data[1] & 0x80:
            mask, at = data[at : at + 4], at + 4
        if len(data) < at + size:
            return False
        self._bytes = data[at + size :]
        self._take(data[0], _unmasked(data[at : at + size], mask))
        return True

    def _take(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode > _TEXT:
            return
        if first & 0x70:
            raise AssertionError("the link is compressed, which the tap cannot read")
        self._parts += payload
        if first & 0x80:
            self.texts.append(self._parts.decode("utf-8"))
            self._parts = b""


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    if not mask or not payload:
        return payload
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Tap:
    """
    A place to dial in front of a relay, for as long as the test runs; the relay may come and go.

    @ivar url: what is to be dialled in place of the relay's.
    @ivar heard: every message, as L{Said}.
    @ivar patience_seconds: how long one who dials waits here for a relay that does not listen. May be set.
    """

    patience_seconds = 0.0

    def __init__(self, test: TestCase, relay: Relay) -> None:
        self.relay = relay
        self.heard = Listening(lambda: f"at the tap before {relay.name}: {self.report()}")
        self._held = False
        self._sides: set[_Side] = set()
        numbers = itertools.count(1)
        factory = Factory.forProtocol(lambda: _Side(self, next(numbers), up=True))
        self._port: IListeningPort = reactor.listenTCP(0, factory, interface=HOST)
        self.url = f"http://{HOST}:{self._port.getHost().port}/gun"
        test.addCleanup(self.close)

    def close(self) -> Deferred[None] | None:
        """Cut all, and listen no more."""
        self.hold()
        stopped: Deferred[None] | None = self._port.stopListening()
        return stopped

    def hold(self) -> None:
        """Cut all links, and let no new ones through before L{release}."""
        self._held = True
        for side in list(self._sides):
            side.abort()

    def release(self) -> None:
        """Let links through again."""
        self._held = False

    def said(self, *, up: bool, kind: str | None = None) -> list[Message]:
        """
        @return: what one side said, of one L{Said.kind} or of all.
        """
        return [said.message for said in self.heard.events if said.up is up and kind in (None, said.kind)]

    def report(self) -> str:
        """
        @return: what was said last, for a failure message.
        """
        lines = [f"    {said}"[:220] for said in self.heard.events]
        return f"{len(lines)} messages, the last:\n" + "\n".join(lines[-30:])

    def is_held(self) -> bool:
        """Whether links are cut."""
        return self._held

    def add(self, side: _Side) -> None:
        """A connection is there."""
        self._sides.add(side)

    def remove(self, side: _Side) -> None:
        """A connection is gone."""
        self._sides.discard(side)


async def quiet(taps: list[Tap], *, seconds: float, at_most: float) -> None:
    """
    Wait until nothing was put, asked or acknowledged at any tap for C{seconds}.

    @raise Overdue: it does not end within C{at_most} seconds.
    """

    def count() -> int:
        return sum(said.kind != "dam" for tap in taps for said in tap.heard.events)

    deadline = reactor.seconds() + at_most
    before = count()
    since = reactor.seconds()
    while reactor.seconds() - since < seconds:
        await deferLater(reactor, 0.05)
        if count() != before:
            before, since = count(), reactor.seconds()
        if reactor.seconds() > deadline:
            reports = "\n".join(f"before {tap.relay.name}, {tap.report()}" for tap in taps)
            raise Overdue(f"not quiet within {at_most} s: {reports}")


class _Side(Protocol):
    """One of the two connections of a link; what comes here goes out at the other."""

    transport: ITCPTransport

    def __init__(self, tap: Tap, link: int, *, up: bool, other: _Side | None = None) -> None:
        self._tap = tap
        self._link = link
        self._up = up
        self._other = other
        self._early: list[bytes] = []
        self._frames = Frames()
        self._lost = False
        self._give_up_at = 0.0
        self._again: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._tap.add(self)
        self.transport.setTcpNoDelay(True)
        if not self._up:
            return
        if self._tap.is_held():
            self.abort()
            return
        self._give_up_at = reactor.seconds() + self._tap.patience_seconds
        self._connect()

    def _connect(self) -> None:
        endpoint = TCP4ClientEndpoint(reactor, HOST, self._tap.relay.port)
        connecting = connectProtocol(endpoint, _Side(self._tap, self._link, up=False, other=self))
        connecting.addCallbacks(self._connected, self._refused)

    def _refused(self, _: Failure) -> None:
        if self._lost or reactor.seconds() >= self._give_up_at:
            self.abort()
        else:
            self._again = reactor.callLater(AGAIN_SECONDS, self._connect)

    def _connected(self, other: _Side) -> None:
        self._other = other
        if self._lost:
            other.abort()
        for data in self._early:
            other.transport.write(data)
        self._early.clear()

    def dataReceived(self, data: bytes) -> None:
        if self._other is None:
            self._early.append(data)
        else:
            self._other.transport.write(data)
        self._frames.feed(data)
        for text in self._frames.texts:
            for message in _messages(text):
                self._tap.heard.add(Said(self._link, self._up, message))
        self._frames.texts.clear()

    def abort(self) -> None:
        """Cut it."""
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self._tap.remove(self)
        if self._again is not None and self._again.active():
            self._again.cancel()
        if self._other is not None and not self._other._lost:
            self._other.abort()


def _messages(text: str) -> list[Message]:
    content = json.loads(text)
    items = content if isinstance(content, list) else [content]
    return [json.loads(item) if isinstance(item, str) else item for item in items]
