"""
Two relays in one process, with different settings and ports, and linked to each other. One is given its store
and its rule as objects, in place of names of files and modules.

Run it, and connect a GUN app to either of the addresses that it prints::

    pip install gunnet
    python two_relays.py --port 8765 --other-port 8766
"""

from __future__ import annotations

from argparse import ArgumentParser
from random import SystemRandom
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from gunnet import Policies, RelayService, Settings
from gunnet.mesh.asks import Ask
from gunnet.store.memory import MemoryStore


async def polite(ask: Ask) -> Any:
    """The rule of one of the relays: whether what somebody puts may stand."""
    if any(b"darn" in value for soul, key, state, value in ask.cells):
        return {"action": "reject", "err": "not in this house"}
    return True


def make_relays(reactor: Any, port: int, other_port: int) -> MultiService:
    """The two, as parts of one service."""
    random = SystemRandom()
    polite_one = RelayService(
        Settings(listen=(f"tcp:{port}:interface=127.0.0.1",)),
        reactor,
        random,
        store=MemoryStore(64 << 20),
        policies=Policies(rule=polite),
    )
    other = RelayService(
        Settings(
            listen=(f"tcp:{other_port}:interface=127.0.0.1",),
            peers=(f"ws://127.0.0.1:{port}/gun",),
            data=None,
        ),
        reactor,
        random,
    )
    both = MultiService()
    for relay in (polite_one, other):
        relay.setServiceParent(both)
    return both


async def main(reactor: Any, *arguments: str) -> None:
    """Run them until the process is told to end."""
    parser = ArgumentParser(description="Two relays in one process.")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--other-port", type=int, default=8766)
    options = parser.parse_args(arguments)

    both = make_relays(reactor, options.port, options.other_port)
    both.startService()
    reactor.addSystemEventTrigger("before", "shutdown", both.stopService)
    for port in (options.port, options.other_port):
        print(f"http://127.0.0.1:{port}/gun", flush=True)
    await Deferred()


if __name__ == "__main__":
    import sys

    react(main, sys.argv[1:])
