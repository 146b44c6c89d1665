"""
What every transport gives the mesh: a link.

WebSocket in and out, memory, multicast (and later WebRTC) all look like this; the mesh knows
nothing else about them.
"""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """
    One connection to one peer, as the mesh sees it. All calls come from the reactor thread.

    @ivar name: how logs call this link, for example C{"ws 127.0.0.1:51724"}.
    """

    name: str

    @property
    def reliable(self) -> bool:
        """Whether all that is sent arrives, in order, as long as the link stands."""
        ...

    def send(self, *frames: bytes) -> None:
        """
        Write some frames of UTF-8 JSON text, in order. Never blocks and never raises; on a link that has gone
        it does nothing.
        """

    def drop(self, reason: str) -> None:
        """Close the link now; C{reason} (English, one line) goes to the log and, if it can, to the peer."""

    def pause_reading(self) -> None:
        """Take no more bytes from the peer until L{resume_reading}. May be called twice in a row."""

    def resume_reading(self) -> None:
        """Go on reading. May be called when nothing was paused."""
