"""
What is told of a connection: first in the thread of the loop (L{gunnet.rtc.connection}), then in that of the
reactor (L{gunnet.rtc.connections}).
"""

from __future__ import annotations

from typing import Protocol


class Told(Protocol):
    """What both are told. C{key} is what the connection is called."""

    def described(self, key: int, sdp: str) -> None:
        """It has its offer, or its answer, with all candidates."""

    def opened(self, key: int, message_bytes: int) -> None:
        """Its channel is open, and takes messages of so many bytes."""

    def heard(self, key: int, data: bytes) -> None:
        """A message came: UTF-8."""

    def sent(self, key: int, total: int) -> None:
        """Of all that was to be sent, so many bytes have gone, but for a few."""

    def ended(self, key: int, why: str) -> None:
        """It is gone, or came to nothing. Once."""

    def complain(self, key: int, why: str) -> None:
        """Something that the other side said was of no use."""

    def tracks_refused(self, key: int) -> None:
        """The other side offered more tracks than it may send."""
