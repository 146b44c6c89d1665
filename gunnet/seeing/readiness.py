"""
Whether clients are to be sent here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from gunnet.mesh.relay import Relay

Certificates = Callable[[], Mapping[str, float]]
"""Gives each certificate in use, by a name for people, and when it expires, in seconds since 1970."""


class Listening(Protocol):
    """Something that listens: L{gunnet.listener.Listener}."""

    name: str | None

    @property
    def port(self) -> object:
        """What listens; L{None} if nothing does."""


class Readiness:
    """
    Knows why not, if not.

    @ivar stopping: whether it is about to end. May be set.
    """

    def __init__(self, relay: Relay, listeners: Callable[[], Iterable[Listening]]) -> None:
        """
        @param listeners: gives all that clients connect to.
        """
        self.stopping = False
        self._relay = relay
        self._listeners = listeners

    def reasons(self) -> list[str]:
        """Why clients are not to be sent here; nothing if they are."""
        if self.stopping:
            return ["the relay is stopping"]
        reasons = [
            f"not listening on {(listener.name or '').partition(':')[2]}"
            for listener in self._listeners()
            if listener.port is None
        ]
        stuck = self._relay.figures.stuck
        if stuck is not None:
            reasons.append(f"writes can't be stored: {stuck}")
        return reasons
