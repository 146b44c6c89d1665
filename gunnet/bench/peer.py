"""
One client's link to the relay.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import urlsplit

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from gunnet.bench.frames import CLOSE, PING, TEXT, FrameError, FrameReader, accept_of, frame, payloads
from gunnet.settings import websocket_url
from gunnet.wire.ids import id_source

_HEAD_BYTES_MAX = 16_384


class BenchError(Exception):
    """It can't be measured. C{str()} of it is one line that says why."""


class Peer(Protocol):
    """
    A WebSocket client that keeps up with whatever a relay says. To what a relay asks its clients it answers
    as gun.js does when it has nothing: who it is, and that there is nothing.

    @ivar heard: called with each chunk of whole text frames. May be set.
    @ivar opened: fires with this when the link is up; fails with L{BenchError}.
    @ivar lost: called when an open link is gone without being closed from here. May be set.
    @ivar bytes_in: all that came, and C{bytes_out}, all that went.
    """

    transport: Any

    def __init__(self, url: str, random: Random) -> None:
        self.heard: Callable[[bytes], None] = _nothing
        self.lost: Callable[[str], None] = _nothing
        self.opened: Deferred[Peer] = Deferred()
        self.bytes_in = self.bytes_out = 0
        self._url = url
        self._key = b64encode(random.randbytes(16))
        self._new_id = id_source(random)
        self._pid = self._new_id()
        self._head: bytes | None = b""
        self._closing = False
        self._frames = FrameReader(masked=False)

    def connectionMade(self) -> None:
        """Ask for the upgrade."""
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        parts = urlsplit(websocket_url(self._url))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.transport.write(
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {self._key.decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode("ascii")
        )

    def write(self, frames: bytes) -> None:
        """Write whole frames."""
        self.bytes_out += len(frames)
        self.transport.write(frames)

    def say(self, message: bytes) -> None:
        """Write one message."""
        self.write(frame(message, masked=True))

    def close(self) -> None:
        """Close the link."""
        self._closing = True
        self.transport.write(frame(b"\x03\xe8", masked=True, opcode=CLOSE))
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Twisted has bytes for us."""
        self.bytes_in += len(data)
        if self._head is not None:
            data = self._shake_hands(self._head + data)
        try:
            parts = self._frames.feed(data)
        except FrameError as e:
            self._fail(str(e))
            return
        for opcode, chunk in parts:
            if opcode == TEXT:
                self.heard(chunk)
                if b'"dam"' in chunk or b'"get":' in chunk:
                    self._answer(chunk)
            elif opcode == PING:
                self.write(frame(chunk, masked=True, opcode=10))
            elif opcode == CLOSE:
                code = int.from_bytes(chunk[:2], "big") if len(chunk) > 1 else 1005
                self._fail(f"closed with {code} {chunk[2:].decode('utf-8', 'replace')}".rstrip())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The link is gone."""
        self._fail("lost" if reason.check(ConnectionDone, ConnectionLost) else reason.getErrorMessage())

    def _fail(self, why: str) -> None:
        if self._closing:
            return
        self._closing = True
        self.transport.loseConnection()
        if self._head is None:
            self.lost(why)
        else:
            self.opened.errback(BenchError(f"{self._url}: {why}"))

    def _shake_hands(self, head: bytes) -> bytes:
        """@return: what came behind the head of the answer."""
        text, end, rest = head.partition(b"\r\n\r\n")
        if not end and len(text) < _HEAD_BYTES_MAX:
            self._head = head
            return b""
        status, *lines = text.split(b"\r\n")
        fields = {
            name.strip().lower(): value.strip() for name, _, value in (x.partition(b":") for x in lines)
        }
        if status.split(b" ")[1:2] != [b"101"]:
            self._fail(f"answered {status[:80].decode('ascii', 'replace')}")
            return b""
        if fields.get(b"sec-websocket-accept") != accept_of(self._key):
            self._fail("is no WebSocket server")
            return b""
        self._head = None
        self.opened.callback(self)
        return rest

    def _answer(self, chunk: bytes) -> None:
        for message in messages(chunk):
            if not isinstance(asked := message.get("#"), str) or "@" in message:
                continue
            reply: dict[str, Any] = {"#": self._new_id(), "@": asked}
            if message.get("dam") == "?":
                self.say(msgspec.json.encode({**reply, "dam": "?", "pid": self._pid}))
            elif "get" in message:
                self.say(msgspec.json.encode(reply))


def messages(chunk: bytes) -> Iterator[dict[str, Any]]:
    """The messages in a chunk of whole text frames, one by one and slowly."""
    for payload in payloads(chunk):
        try:
            content = msgspec.json.decode(payload)
        except msgspec.DecodeError:
            continue  # relays of gun.js say such things as -Infinity
        for message in content if isinstance(content, list) else [content]:
            if isinstance(message, dict):
                yield message


def _nothing(_: object) -> None:
    """Nobody cares."""
