"""
A raw peer: GUN frames over a WebSocket, without gun. It keeps no graph, so what it reads is what the relay
says.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint

from tests.interop.children import within
from tests.interop.relays import HOST, Relay

Message = dict[str, Any]

ANSWER_SECONDS_MAX = 20.0


class _Socket(WebSocketClientProtocol):
    """Hands what happens on one WebSocket to its L{RawPeer}."""

    peer_: RawPeer

    def onOpen(self) -> None:
        self.peer_.opened.callback(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.peer_.hear(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.peer_.lost.callback(None)


class RawPeer:
    """
    One connection to a relay.

    @ivar lost: fires when the connection is gone.
    """

    def __init__(self) -> None:
        self.opened: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()
        self._socket: Any = None
        self._answers: dict[str, Callable[[Message], None]] = {}
        # All of one length: gun's own relay makes ids for the parts of a put by adding digits to its id.
        prefix = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=6))
        self._ids = (f"{prefix}{number:06}" for number in itertools.count())

    @classmethod
    async def dial(cls, relay: Relay) -> RawPeer:
        """
        @return: a peer whose connection is open.
        """
        peer = cls()
        factory = WebSocketClientFactory(f"ws://{HOST}:{relay.port}/gun")
        factory.protocol = _Socket
        peer._socket = await TCP4ClientEndpoint(reactor, HOST, relay.port).connect(factory)
        peer._socket.peer_ = peer
        await within(ANSWER_SECONDS_MAX, f"the WebSocket opens. {relay.report()}", peer.opened)
        return peer

    async def close(self) -> None:
        """Hang up, unless the relay did."""
        self._socket.dropConnection(abort=True)
        await within(ANSWER_SECONDS_MAX, "the WebSocket closes", self.lost)

    def say(self, message: Message, answered: Callable[[Message], None] | None = None) -> str:
        """
        Send one message, under a new id.

        @param answered: called with each answer to it.
        @return: the id.
        """
        id_ = next(self._ids)
        if answered is not None:
            self._answers[id_] = answered
        self._socket.sendMessage(json.dumps({"#": id_, **message}, separators=(",", ":")).encode("ascii"))
        return id_

    def forget(self, id_: str) -> None:
        """Take no more answers to the message with that id."""
        self._answers.pop(id_, None)

    async def ask(self, message: Message) -> Message:
        """
        @return: the first answer to C{message}.
        """
        answer: Deferred[Message] = Deferred()
        id_ = self.say(message, lambda heard: None if answer.called else answer.callback(heard))
        try:
            return await within(ANSWER_SECONDS_MAX, f"an answer to {str(message)[:200]}", answer)
        finally:
            self.forget(id_)

    async def put(self, soul: str, key: str, value: Any, state: float) -> Message:
        """
        @return: the ack to one write.
        """
        return await self.ask({"put": {soul: node(soul, {key: (value, state)})}})

    async def value(self, soul: str, key: str) -> Any:
        """
        @return: what the relay answers for one key; L{None} if it has nothing.
        """
        answer = await self.ask({"get": {"#": soul, ".": key}})
        return answer.get("put", {}).get(soul, {}).get(key)

    def hear(self, frame: bytes) -> None:
        """Take one frame: a message, or an array of messages and of texts of messages."""
        heard = json.loads(frame)
        for item in heard if isinstance(heard, list) else [heard]:
            message = json.loads(item) if isinstance(item, str) else item
            answered = self._answers.get(message.get("@", ""))
            if answered is not None:
                answered(message)


def node(soul: str, cells: dict[str, tuple[Any, float]]) -> Message:
    """
    @param cells: values and states by key.
    @return: the node as puts have it.
    """
    states = {key: state for key, (_, state) in cells.items()}
    return {"_": {"#": soul, ">": states}, **{key: value for key, (value, _) in cells.items()}}
