"""
Clients and a relay without a network, on one clock.
"""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gunnet.client import Gun
from gunnet.client.chain import Chain
from gunnet.testing import Conversation
from gunnet.transport.memory import LinkEnd, join

T = TypeVar("T")

RELAY = "memory:"


class BenchTestCase(SynchronousTestCase):
    """
    @ivar talk: a relay, and the clock.
    @ivar guns: the clients that were made.
    """

    def setUp(self) -> None:
        self.talk = Conversation()
        self.clock = self.talk.clock
        self.guns: list[Gun] = []

    def gun(self, **options: Any) -> Gun:
        """A client that is not linked to anything."""
        gun = Gun(reactor=self.clock, random=Random(1_000 + len(self.guns)), **options)
        self.guns.append(gun)
        return gun

    def link(self, gun: Gun, url: str = RELAY) -> LinkEnd:
        """Link a client to the relay. @return: its end, to be dropped."""
        node = gun._node
        assert node is not None
        end, _ = join(node.mesh, self.talk.mesh, self.clock, url=url)
        self.talk.advance(1_000)
        return end

    def linked(self, **options: Any) -> Gun:
        """A client that is linked to the relay."""
        gun = self.gun(**options)
        self.link(gun)
        return gun

    def result(self, waiting: Deferred[T] | Chain, milliseconds: float = 1_000) -> T:
        """What something fires with, within so long."""
        deferred: Any = waiting.once() if isinstance(waiting, Chain) else waiting
        self.talk.advance(milliseconds)
        return self.successResultOf(deferred)

    def failure(self, waiting: Deferred[Any], *kinds: type[Exception], milliseconds: float = 1_000) -> str:
        """The text of the error that something fails with, within so long."""
        self.talk.advance(milliseconds)
        return str(self.failureResultOf(waiting, *kinds).value)

    def heard(self, chain: Chain, **options: Any) -> list[tuple[Any, str]]:
        """A list to which each call of C{on} is added: (value, key)."""
        calls: list[tuple[Any, str]] = []
        chain.on(lambda value, key: calls.append((value, key)), **options)
        return calls
