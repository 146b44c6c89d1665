"""
C{examples/hello.py}: two of them hear one another.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.examples.running import EXAMPLES, Example
from tests.interop.relays import GunnetRelay


class HelloTests(TestCase):
    """As it is printed, but for the port of the relay and the greeting."""

    timeout = 60

    def hello(self, relay: GunnetRelay, greeting: str) -> Example:
        folder = Path(os.path.abspath(self.mktemp()))
        folder.mkdir()
        text = (EXAMPLES / "hello.py").read_text(encoding="utf-8")
        text = text.replace("http://localhost:8765/gun", relay.url)
        text = text.replace('"mydata"', repr(str(folder / "mydata"))).replace("hello from Python", greeting)
        (folder / "hello.py").write_text(text, encoding="utf-8")
        return Example(self, str(folder / "hello"))

    async def test_two(self) -> None:
        """Each prints what it said itself and what the other said."""
        relay = GunnetRelay(self)
        await relay.start()
        first = self.hello(relay, "one is here")
        await first.says("one is here")
        second = self.hello(relay, "two is here")
        for example in (first, second):
            await example.says("one is here")
            await example.says("two is here")
            await example.child.end("INT", 10)
        await relay.stop()
