"""
A relay that does nothing with what it hears but what a client must see: it acknowledges puts, answers gets
from one node that it made up, and tells subscribers. What a load reaches against this is what the load itself
can do: with no relay it would be much faster.

It runs as a process of its own, so that it has a processor of its own::

    python -m gunnet.bench.null_relay

It prints the port it listens on, and ends with its standard input.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.python.failure import Failure

from gunnet.bench.frames import CLOSE, PING, TEXT, FrameReader, accept_of, frame, header, payloads

_MESSAGE = re.compile(rb'\{"#":"([^"]+)","(put|get)":\{(?:"#":)?"([^"]+)"')


class _Put(msgspec.Struct):
    put: dict[str, msgspec.Raw] = {}


_PUT = msgspec.json.Decoder(_Put)
_CHANGE = re.compile(rb'">":\{("[^"]+"):(\d+)\}\},"[^"]+":("[^"]*")\}')
_STATE = b"1700000000000"


class NullRelay(Factory):
    """
    Makes the links; knows who subscribed to what.
    """

    noisy = False

    def __init__(self, properties: int) -> None:
        """
        @param properties: of the node that is the answer to every get; 0 to answer with what was put there
            first, which costs more.
        """
        self.nodes: dict[bytes, bytes] | None = None if properties else {}
        self.subscribers: dict[bytes, set[NullLink]] = {}
        keys = [b"key%d" % at for at in range(properties)]
        states = b",".join(b'"%b":%b' % (key, _STATE) for key in keys)
        values = b",".join(b'"%b":"%b"' % (key, b"v" * 32) for key in keys)
        self.node = (b'","put":{"', b'":{"_":{"#":"', b'",">":{' + states + b"}}," + values + b"}}}")

    def buildProtocol(self, addr: object) -> NullLink:
        """A link."""
        return NullLink(self)


class NullLink(Protocol):
    """
    One client's.
    """

    transport: Any

    def __init__(self, relay: NullRelay) -> None:
        self._relay = relay
        self._head: bytes | None = b""
        self._frames = FrameReader(masked=True)

    def dataReceived(self, data: bytes) -> None:
        """Twisted has bytes for us."""
        if self._head is not None:
            self._head += data
            if b"\r\n\r\n" in self._head:
                self._shake_hands(self._head)
                self._head = None
            return
        for opcode, chunk in self._frames.feed(data):
            if opcode == TEXT:
                self._hear(chunk)
            elif opcode == PING:
                self.transport.write(frame(chunk, masked=False, opcode=10))
            elif opcode == CLOSE:
                self.transport.write(frame(chunk[:2], masked=False, opcode=CLOSE))
                self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client is gone."""
        for subscribers in self._relay.subscribers.values():
            subscribers.discard(self)

    def _shake_hands(self, head: bytes) -> None:
        found = re.search(rb"(?i)\r\nsec-websocket-key: *([^\r ]+)", head)
        key = found[1] if found else b""
        self.transport.setTcpNoDelay(True)
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_of(key) + b"\r\n\r\n"
        )

    def _hear(self, chunk: bytes) -> None:
        answers, wanted, nodes = [], self._relay.subscribers, self._relay.nodes
        told: set[bytes] = set()
        if nodes is not None:
            _remember(chunk, nodes)
        for name, kind, soul in _MESSAGE.findall(chunk):
            if kind == b"put":
                text = b'{"#":"aaaaaaaaa","@":"%b","ok":true}' % name
                if soul in wanted:
                    told.add(soul)
            else:
                wanted.setdefault(soul, set()).add(self)
                if nodes is None:
                    text = (b'{"#":"aaaaaaaaa","@":"%b' % name) + soul.join(self._relay.node)
                else:
                    put = b',"put":{"%b":%b}' % (soul, nodes[soul]) if soul in nodes else b""
                    text = b'{"#":"aaaaaaaaa","@":"%b"%b}' % (name, put)
            answers.append(header(len(text), masked=False) + text)
        if answers:
            self.transport.write(b"".join(answers))
        for soul in told:
            self._tell(chunk, soul)

    def _tell(self, chunk: bytes, soul: bytes) -> None:
        """
        What one read brought is told in one frame: as one change of the node, as relays do it, if all are
        changes of one property each; else put by put.
        """
        puts = _bodies(chunk, soul)
        changes = _CHANGE.findall(chunk)
        if len(changes) == len(puts):
            states = b",".join([b"%b:%b" % (key, state) for key, state, _ in changes])
            values = b",".join([b"%b:%b" % (key, value) for key, _, value in changes])
            head = b'{"#":"aaaaaaaaa","put":{"%b":{"_":{"#":"%b",">":{' % (soul, soul)
            whole = frame(head + states + b"}}," + values + b"}}}", masked=False)
        else:
            whole = frame(b"[" + b",".join(puts) + b"]", masked=False)
        for link in self._relay.subscribers[soul]:
            link.transport.write(whole)


def _remember(chunk: bytes, nodes: dict[bytes, bytes]) -> None:
    for payload in payloads(chunk, masked=True):
        for soul, node in _PUT.decode(payload).put.items():
            nodes.setdefault(soul.encode(), bytes(node))


def _bodies(chunk: bytes, soul: bytes) -> list[bytes]:
    return [text for text in payloads(chunk, masked=True) if b'"put":{"' + soul in text]


class _UntilTheEnd(Protocol):
    """Standard input: when it ends, so does the relay."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It has ended."""
        self.ended.callback(None)


def main(reactor: Any, properties: str = "5") -> Deferred[None]:
    """Listen, until standard input ends."""
    port = reactor.listenTCP(0, NullRelay(int(properties)), backlog=4096, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    ending = _UntilTheEnd()
    StandardIO(ending, reactor=reactor)
    return ending.ended


if __name__ == "__main__":
    react(main, sys.argv[1:])
