"""
Listening that either begins at once or fails at once, as that of all endpoints here does.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.python.failure import Failure


def listen(
    endpoint: IStreamServerEndpoint, factory: IProtocolFactory, begun: Callable[[IListeningPort], object]
) -> None:
    """
    Listen.

    @param begun: called with what listens.
    @raise twisted.internet.error.CannotListenError: for instance because the port is taken.
    """
    failures: list[Failure] = []
    endpoint.listen(factory).addCallbacks(begun, failures.append)
    if failures:
        failures[0].raiseException()
