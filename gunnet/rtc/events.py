"""
What happens in a room, for programs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Track:
    """
    What a member sends: a picture or sound.

    @ivar pid: the member's.
    @ivar id: the track's own name.
    @ivar kind: C{audio} or C{video}.
    @ivar source: gives an aiortc C{MediaStreamTrack} of it, another one each time; to be called, and used, in
        the thread of the loop only.
    """

    pid: str
    id: str
    kind: str
    source: Callable[[], Any]


@dataclass(frozen=True)
class Joined:
    """The channel to a member is open, and it is a peer of the mesh. @ivar pid: its process id."""

    pid: str


@dataclass(frozen=True)
class Left:
    """The channel to a member is gone. @ivar pid: its process id. @ivar why: one line."""

    pid: str
    why: str


@dataclass(frozen=True)
class Failed:
    """
    No channel to a member came about, or something that it said was of no use.

    @ivar pid: its process id; empty if even that is unknown.
    @ivar why: one line.
    """

    pid: str
    why: str


@dataclass(frozen=True)
class Refused:
    """The graph did not take our announcement; it is tried again. @ivar why: what it said."""

    why: str


@dataclass(frozen=True)
class ServerFailed:
    """
    A STUN or TURN server was of no use; connections are tried without it.

    @ivar url: which one.
    @ivar why: one line.
    """

    url: str
    why: str


@dataclass(frozen=True)
class TrackAdded:
    """A member sends a track. @ivar pid: its process id. @ivar track: what it sends."""

    pid: str
    track: Track


@dataclass(frozen=True)
class TrackEnded:
    """A member has ended a track. @ivar pid: its process id. @ivar track: what it sent."""

    pid: str
    track: Track


Event = Joined | Left | Failed | Refused | ServerFailed | TrackAdded | TrackEnded
"""What is told to those who listen to a room."""
