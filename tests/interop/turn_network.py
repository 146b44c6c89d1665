"""
Three network namespaces: two members that can't see each other, and a middle that both see, where a relay and
coturn run. Nothing of the machine's own network is touched, and all of it is gone when the test ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence

from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.namespaces import ip, require_namespaces

HOW_TO_ENABLE = (
    "To run the tests with coturn, be root with the right to make network namespaces, "
    "and `apt-get install coturn iproute2`."
)

SIDES = ("a", "b")


def turnserver() -> str:
    """
    @return: coturn's executable.
    @raise SkipTest: there is none here, or no network namespaces, and nobody insists.
    @raise AssertionError: there is none, but C{CI} or C{GUNNET_REQUIRE_INTEROP} insists.
    """
    require_namespaces()
    found = shutil.which("turnserver")
    if found is None:
        raise node.unavailable("coturn was not found", HOW_TO_ENABLE)
    return found


class TurnNetwork:
    """
    The namespaces C{a}, C{b} and C{middle}.

    The middle has an address of its own for each of the others (L{middle}), and one on a link that leads
    nowhere, C{10.97.0.1}, where coturn relays: both sides have a route to it, but none to each other.
    """

    shared = "10.97.0.1"

    def __init__(self, test: TestCase) -> None:
        self._prefix = f"gunnet-{os.getpid()}-"
        test.addCleanup(self.remove)
        ip("netns", "add", self._prefix + "middle")
        for number, side in enumerate(SIDES):
            ip("netns", "add", self._prefix + side)
            # fmt: off
            ip("-n", self._prefix + "middle", "link", "add", f"to-{side}",
                     "type", "veth", "peer", "name", "eth0", "netns", self._prefix + side)
            # fmt: on
            self._up("middle", f"to-{side}", f"10.98.{number}.1/24")
            self._up(side, "eth0", f"10.98.{number}.2/24")
            self._up(side, "lo")
            route = ("route", "add", f"{self.shared}/32", "via", f"10.98.{number}.1")
            ip("-n", self._prefix + side, *route)
        self._up("middle", "lo", f"{self.shared}/32")

    def within(self, name: str, command: Sequence[str]) -> list[str]:
        """
        @param name: C{a}, C{b} or C{middle}.
        @return: a command line that runs C{command} there.
        """
        return ["ip", "netns", "exec", self._prefix + name, *command]

    def remove(self) -> None:
        """Delete them. What still runs there goes on without a network."""
        for name in ("middle", *SIDES):
            with contextlib.suppress(AssertionError):
                ip("netns", "del", self._prefix + name)

    def _up(self, name: str, device: str, address: str | None = None) -> None:
        if address is not None:
            ip("-n", self._prefix + name, "address", "add", address, "dev", device)
        ip("-n", self._prefix + name, "link", "set", device, "up")
