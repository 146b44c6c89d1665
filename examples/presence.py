"""
A presence board: who is online. Everybody who is puts a heartbeat into the graph, and whoever has not for
three beats is not. Who leaves in an orderly way is gone at once.

Run a relay, and then as many of these as like::

    pip install gunnet
    gunnet relay --port 8765 --data gundata
    python presence.py http://127.0.0.1:8765/gun --board office --name alice --beat 10
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react

from gunnet import Gun

BEATS_MISSED = 3


class Board:
    """
    One node, with a property for everybody: when they last said that they are there, in milliseconds since
    1970; or L{None} if they said that they go.
    """

    def __init__(self, gun: Gun, name: str, beat: float, reactor: Any) -> None:
        """
        @param beat: how often everybody says so, seconds.
        """
        self._node = gun.get(f"presence/{name}")
        self._beat = beat
        self._reactor = reactor
        self._heard: dict[str, float] = {}  # when a beat of theirs came, by our own clock
        self._shown: list[str] | None = None

    def watch(self) -> LoopingCall:
        """Print who is online, whenever that changes."""
        self._node.map().on(self._hear)
        looking = LoopingCall(self._show)
        looking.clock = self._reactor
        looking.start(self._beat / 2, now=False)
        return looking

    def _hear(self, beat: Any, name: str) -> None:
        now = self._reactor.seconds()
        if isinstance(beat, (int, float)) and not isinstance(beat, bool):
            # What is found at first may be old. Later ones are new, whatever the clock of the other says.
            age = 0.0 if name in self._heard else max(0.0, now - beat / 1000)
            self._heard[name] = now - age
        else:
            self._heard.pop(name, None)
        self._show()

    def _show(self) -> None:
        oldest = self._reactor.seconds() - BEATS_MISSED * self._beat
        online = sorted(name for name, heard in self._heard.items() if heard > oldest)
        if online != self._shown:
            self._shown = online
            print(f"online: {', '.join(online) or 'nobody'}", flush=True)

    def be_there(self, name: str) -> LoopingCall:
        """Put a heartbeat, now and again and again."""
        beating = LoopingCall(lambda: self._put(name, round(self._reactor.seconds() * 1000)))
        beating.clock = self._reactor
        beating.start(self._beat)
        return beating

    def leave(self, name: str) -> Deferred[Any]:
        """Say that C{name} is not there any more."""
        return self._put(name, None)

    def _put(self, name: str, beat: int | None) -> Deferred[Any]:
        done: Deferred[Any] = self._node.get(name).put(beat)
        return done.addErrback(lambda failure: print(failure.getErrorMessage(), flush=True))


async def main(reactor: Any, *arguments: str) -> None:
    """Be online until the process is told to end."""
    parser = ArgumentParser(description="Who is online.")
    parser.add_argument("url")
    parser.add_argument("--board", default="office")
    parser.add_argument("--name", help="be online under this name; without one only watch")
    parser.add_argument("--beat", type=float, default=10.0, help="seconds")
    options = parser.parse_args(arguments)

    gun = Gun([options.url], reactor=reactor)
    board = Board(gun, options.board, options.beat, reactor)
    board.watch()
    beating = board.be_there(options.name) if options.name else None

    async def end() -> None:
        if beating is not None:
            beating.stop()
            await board.leave(options.name)
        await gun.close()

    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(end()))
    await Deferred()


if __name__ == "__main__":
    import sys

    react(main, sys.argv[1:])
