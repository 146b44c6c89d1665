"""
The room's own place in the mesh: to the relay it is one more client.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from gunnet.mesh.peer import Peer
from gunnet.turns import MeshService


class LocalLink:
    """
    L{gunnet.transport.interface.Link} to what is in the same process.

    @ivar name: how logs call it.
    """

    reliable = True

    def __init__(
        self,
        name: str,
        mesh: MeshService,
        reactor: IReactorTime,
        hear: Callable[[bytes], None],
        lost: Callable[[str], None],
    ) -> None:
        """
        @param hear: told each frame that the relay says, in a later turn.
        @param lost: told why the relay has ended it.
        """
        self.name = name
        self._mesh = mesh
        self._reactor = reactor
        self._hear = hear
        self._lost = lost
        self._peer: Peer | None = None
        self._closed = False

    def join(self) -> bool:
        """Become a peer of the relay. @return: whether there was room."""
        self._peer = self._mesh.meet(self)
        return self._peer is not None

    def say(self, text: bytes) -> None:
        """Tell the relay something."""
        if self._peer is not None:
            self._mesh.hear(self._peer, text)

    def leave(self, why: str) -> None:
        """Be a peer no more."""
        self._closed = True
        peer, self._peer = self._peer, None
        if peer is not None:
            self._mesh.lose(peer, why)

    # What the mesh calls

    def send(self, *frames: bytes) -> None:
        """Bring some frames over."""
        self._reactor.callLater(0, self._deliver, frames)

    def _deliver(self, frames: tuple[bytes, ...]) -> None:
        for frame in frames:
            if not self._closed:
                self._hear(frame)

    def drop(self, reason: str) -> None:
        """The relay has had enough."""
        self._reactor.callLater(0, self._dropped, reason)

    def _dropped(self, reason: str) -> None:
        if not self._closed:
            self.leave(reason)
            self._lost(reason)

    def pause_reading(self) -> None:
        """There is too little to hold back."""

    def resume_reading(self) -> None:
        """As before."""
