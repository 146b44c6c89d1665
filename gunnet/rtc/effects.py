"""
What comes of signalling: what to say, and which connections to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gunnet.rtc.events import Event

Fields = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """Say something to the mesh. @ivar text: JSON."""

    text: bytes


@dataclass(frozen=True)
class Connect:
    """
    Begin a connection.

    @ivar key: what it is called from now on.
    @ivar pid: of whom it is to.
    @ivar offer: its SDP, which is to be answered; L{None} if we are to offer.
    """

    key: int
    pid: str
    offer: str | None


@dataclass(frozen=True)
class Accept:
    """Give a connection the answer to its offer. @ivar key: which one. @ivar answer: SDP."""

    key: int
    answer: str


@dataclass(frozen=True)
class Add:
    """
    Give a connection an address to try.

    @ivar key: which one.
    @ivar candidate: C{candidate}, C{sdpMid}, C{sdpMLineIndex}, as a browser writes them; not checked yet.
    """

    key: int
    candidate: Fields


@dataclass(frozen=True)
class Close:
    """Close a connection. @ivar key: which one. @ivar why: one line."""

    key: int
    why: str


Effect = Say | Connect | Accept | Add | Close | Event
