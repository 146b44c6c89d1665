"""
What an idle link weighs, which is for the most part what Autobahn keeps for each.

Autobahn sets some ninety attributes on a protocol. With more than thirty, Python gives each object a
dictionary of its own (3.3 KiB) in place of one layout for all. So here they have slots; options, which are
the same for all links, are looked up at the factory; and what only the handshake needs goes with it.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.websocket.protocol import TrafficStats
from autobahn.websocket.utf8validator import Utf8Validator

HANDSHAKE = (
    "_transport_details",
    "_wskey",
    "http_headers",
    "http_request_data",
    "http_request_host",
    "http_request_params",
    "http_request_path",
    "http_request_uri",
    "http_response_data",
    "http_status_line",
    "websocket_extensions",
    "websocket_extensions_in_use",
    "websocket_origin",
    "websocket_protocol_in_use",
    "websocket_protocols",
)
"""What Autobahn keeps of the handshake, and nobody looks at after it: 2 KiB."""

KEPT = (
    "_isMessageCompressed",
    "_perMessageCompress",
    "autoPingPending",
    "autoPingPendingCall",
    "autoPingPendingSent",
    "autoPingPendingSeq",
    "autoPingTimeoutCall",
    "closeHandshakeTimeoutCall",
    "closedByMe",
    "control_frame_data",
    "current_frame",
    "current_frame_masker",
    "data",
    "droppedByMe",
    "failedByMe",
    "frame_data",
    "frame_length",
    "inside_message",
    "is_closed",
    "is_open",
    "localCloseCode",
    "localCloseReason",
    "message_data",
    "message_data_total_length",
    "message_is_binary",
    "openHandshakeTimeoutCall",
    "peer",
    "remoteCloseCode",
    "remoteCloseReason",
    "send_queue",
    "send_state",
    "state",
    "trackedTimings",
    "trafficStats",
    "triggered",
    "utf8validateIncomingCurrentMessage",
    "utf8validateLast",
    "wasClean",
    "wasCloseHandshakeTimeout",
    "wasMaxFramePayloadSizeExceeded",
    "wasMaxMessagePayloadSizeExceeded",
    "wasNotCleanReason",
    "wasOpenHandshakeTimeout",
    "wasServerConnectionDropTimeout",
    "wasServingFlashSocketPolicyFile",
    "websocket_version",
)
"""What else Autobahn sets. One that is missing here costs memory, and nothing else."""

_NOTHING_TO_SEND = ()
_ALL_LINKS = TrafficStats()  # which nobody reads


class LightServerProtocol(WebSocketServerProtocol):
    """
    Autobahn's protocol of a server, at a quarter of its weight.

    @ivar client: the address of the client, until the handshake is done.
    """

    __slots__ = (*HANDSHAKE, *KEPT, "_validator", "client")

    client: Any
    _validator: Utf8Validator | None
    send_queue: Any

    @property
    def utf8validator(self) -> Any:
        """
        What checks the text of a message that comes in pieces. Made when there is one, for most links never
        have any.
        """
        if self._validator is None:
            self._validator = Utf8Validator()
        return self._validator

    @utf8validator.setter
    def utf8validator(self, made: Any) -> None:
        self._validator = None

    def onMessageEnd(self) -> None:
        """A message is complete."""
        self._validator = None

    def lighten(self) -> None:
        """The handshake is done: what was for it only can go."""
        for name in HANDSHAKE:
            if hasattr(self, name):
                delattr(self, name)
        self.client = None
        self.trafficStats = _ALL_LINKS
        self.send_queue = _NOTHING_TO_SEND  # only a write in little pieces would use it


for _option in WebSocketServerProtocol.CONFIG_ATTRS:
    # Autobahn copies to each link those that it does not have.
    setattr(LightServerProtocol, _option, property(attrgetter(f"factory.{_option}")))
