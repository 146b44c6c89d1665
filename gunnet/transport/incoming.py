"""
What comes in on a WebSocket link: bytes become messages for the mesh.

Whole text frames, nearly all that comes, are taken straight out of what was read
(L{gunnet.transport.text_frames}). Autobahn gets everything else, and hands it on piece by piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunnet.transport.text_frames import LENGTH_MAX, is_utf8, take_texts

if TYPE_CHECKING:
    from gunnet.mesh.peer import Peer

_Autobahn: Any = object
"""What it is mixed into: Autobahn's protocol, of either end."""


class Incoming(_Autobahn):  # type: ignore[misc]
    """The half of L{gunnet.transport.link.WebSocketLink} that hears."""

    _peer: Peer | None = None
    _leaving: str | None = None  # why we closed it
    _text: bytes | bytearray = b""  # of the message under way
    _rest: bytes = b""  # of what was read: the beginning of a text frame

    def drop(self, reason: str) -> None:
        """Close the link."""
        raise NotImplementedError

    def _fault(self, doing: str) -> None:
        raise NotImplementedError

    def dataReceived(self, data: bytes) -> None:
        """Twisted has bytes for us."""
        try:
            data = self._hear_texts(data)
            if data:
                self._dataReceived(data)
        except Exception:
            self._fault("reading")

    def _hear_texts(self, data: bytes) -> bytes:
        """
        Hear what C{data} has of whole text frames.

        @return: what is for Autobahn: all from the first other frame on, or from the middle of one.
        """
        if self._rest:
            data = self._rest + data
            self._keep_rest(b"")
        if self.state != self.STATE_OPEN or self.inside_message or self.current_frame or self.data:
            return data
        longest = min(LENGTH_MAX, self.maxFramePayloadSize, self.factory.mesh.relay.limits.message_bytes)
        texts, at, may_wait = take_texts(data, masked=self.factory.isServer, longest=longest)
        if texts and not self._unheard:
            self._heard(self.factory.mesh.hear(self._peer, *texts))
            if self.autoPingTimeoutCall:
                self._cancelAutoPingTimeoutCall()  # as for frames that Autobahn sees
        rest = data[at:]
        if may_wait and not self._unheard:
            self._keep_rest(rest)
            return b""
        return rest

    def _keep_rest(self, rest: bytes) -> None:
        self.factory.links.partial_bytes += len(rest) - len(self._rest)
        self._rest = rest
        if rest:
            self._mind_partial_bytes()

    def onMessageBegin(self, is_binary: bool) -> None:
        """A message begins."""
        super().onMessageBegin(is_binary)
        self._forget_text()

    def onMessageFrameData(self, chunk: bytes) -> None:
        """
        Some bytes of a message. The length of its frame is known by now, so what is too long is never kept.

        One chunk stays as it is; more are gathered in one buffer, for a list of very small ones would weigh
        many times their length.
        """
        relay, links = self.factory.mesh.relay, self.factory.links
        if self._unheard or self.message_data_total_length > relay.limits.message_bytes:
            self._forget_text()
            return
        if not self._text:
            self._text = chunk
        else:
            if not isinstance(self._text, bytearray):
                self._text = bytearray(self._text)
            self._text += chunk
        links.partial_bytes += len(chunk)
        self._mind_partial_bytes()

    def _mind_partial_bytes(self) -> None:
        relay = self.factory.mesh.relay
        if self.factory.links.partial_bytes > relay.limits.partial_bytes:
            relay.counters.count("partial_bytes_exceeded")
            self._forget_all()
            self.drop("too much is held of messages that have come in part")

    def _forget_text(self) -> None:
        self.factory.links.partial_bytes -= len(self._text)
        self._text = b""

    def onMessageFrameEnd(self) -> None:
        """Nothing is done by frames."""

    def onMessageEnd(self) -> None:
        """A message is complete."""
        super().onMessageEnd()
        text = self._text
        self._forget_text()
        if self._unheard:
            return
        mesh = self.factory.mesh
        try:
            if self.message_data_total_length > mesh.relay.limits.message_bytes:
                mesh.hear_oversized(self._peer)
            elif self.message_is_binary and not is_utf8(text):
                mesh.relay.counters.count("binary_frames_ignored")
            else:
                self._heard(mesh.hear(self._peer, bytes(text)))
        except Exception:
            self._fault("serving a frame")

    def _heard(self, messages: int) -> None:
        """So many messages were heard at once."""

    @property
    def _unheard(self) -> bool:
        return self._peer is None or self._leaving is not None or self.failedByMe

    def _forget_all(self) -> None:
        self._forget_text()
        self._keep_rest(b"")
