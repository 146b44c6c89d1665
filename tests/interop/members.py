"""
Members of a WebRTC room that are no browsers: gunnet's own, in processes of their own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.children import Child, until
from tests.interop.clients import Listening

ROOM = "lobby"
MEET_SECONDS_MAX = 40.0


class Member:
    """
    C{member.py} in a process of its own, in the room L{ROOM}.

    @ivar said: the lines it has written, as JSON.
    """

    def __init__(
        self,
        test: TestCase,
        relay: str,
        within: Callable[[list[str]], list[str]] = list,
        **wanted: Any,
    ) -> None:
        """
        @param relay: the URL of the relay that it dials.
        @param within: gives the command line that runs another one elsewhere.
        @param wanted: what else C{member.py} takes.
        """
        self.said = Listening(lambda: f"{self.said.events[-8:]} {self.child.report()}")
        self.child = Child("member", lambda line: self.said.add(json.loads(line)))
        settings = json.dumps({"room": ROOM, "peers": [relay], **wanted})
        script = [sys.executable, str(node.HERE / "member.py"), settings]
        self.child.start(test, within(script), environment())

    async def heard(self, event: str, seconds: float = MEET_SECONDS_MAX) -> dict[str, Any]:
        """
        @return: the first event of that name, when it has come.
        """

        def found() -> list[dict[str, Any]]:
            return [said for said in self.said.events if said.get("event") == event]

        await self.said.until(lambda: bool(found()), seconds)
        return found()[0]

    async def hears(self, key: str, value: str) -> None:
        """Wait until it knows of a write."""
        await self.said.until(lambda: {"heard": [key, value]} in self.said.events)

    def tell(self, key: str, value: str) -> None:
        """Have it write a key."""
        self.child.write(json.dumps({"tell": [key, value]}).encode())

    async def logs(self, text: str) -> None:
        """Wait for a line in its log."""

        async def found() -> bool:
            return any(text in line for line in self.child.output)

        await until(10, lambda: f"{text!r} is logged. {self.child.report()}", found)


def environment() -> dict[str, str]:
    """
    @return: one in which the package of this checkout is found.
    """
    path = os.pathsep.join(filter(None, [str(node.CHECKOUT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
