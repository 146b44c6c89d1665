"""
A chat room in terminals: a relay, and as many people as like. Those who come later see what was said before.

Run the relay in one terminal, and somebody in each of the others. Type, and end with Ctrl-D::

    pip install gunnet
    python chat.py relay --port 8765 --data chatdata
    python chat.py join http://127.0.0.1:8765/gun --room garden --name alice
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from random import SystemRandom
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from gunnet import Gun, RelayService, Settings

SHOWN_BEFORE = 20
"""So much of what was said before is shown to who comes."""


class Terminal(LineOnlyReceiver):
    """Takes what is typed, line by line."""

    delimiter = b"\n"

    def __init__(self, typed: Callable[[str], object]) -> None:
        self.ended: Deferred[None] = Deferred()
        self._typed = typed

    def lineReceived(self, line: bytes) -> None:
        """A line was typed."""
        text = line.decode("utf-8", "replace").strip()
        if text:
            self._typed(text)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Ctrl-D."""
        self.ended.callback(None)


class Room:
    """A set of messages, each a node with C{who}, C{what} and C{when} (milliseconds since 1970)."""

    def __init__(self, gun: Gun, name: str, reactor: Any) -> None:
        self._messages = gun.get(f"chat/{name}")
        self._reactor = reactor
        self._shown: set[str] = set()

    async def enter(self) -> None:
        """Show the last of what was said, and from now on all that is."""
        known = await self._messages.map().once()
        complete = [(key, message) for key, message in known.items() if is_complete(message)]
        complete.sort(key=lambda item: item[1]["when"])
        self._shown.update(key for key, _ in complete[:-SHOWN_BEFORE])
        for key, message in complete[-SHOWN_BEFORE:]:
            self._show(message, key)
        self._messages.map().on(self._show)

    def _show(self, message: Any, key: str) -> None:
        if is_complete(message) and key not in self._shown:
            self._shown.add(key)
            print(f"{message['who']}: {message['what']}", flush=True)

    def say(self, who: str, what: str) -> None:
        """Say something. It reaches the others as soon as there is a relay."""
        when = round(self._reactor.seconds() * 1000)
        said = self._messages.set({"who": who, "what": what, "when": when})
        said.addErrback(lambda failure: print(f"not said: {failure.getErrorMessage()}", flush=True))


def is_complete(message: Any) -> bool:
    """Whether C{message} is one: anybody can put anything into a room, and some of it may come later."""
    return (
        isinstance(message, dict)
        and isinstance(message.get("who"), str)
        and isinstance(message.get("what"), str)
        and isinstance(message.get("when"), (int, float))
    )


async def relay(reactor: Any, options: Namespace) -> None:
    """Run a relay until the process is told to end."""
    settings = Settings(listen=(f"tcp:{options.port}:interface=127.0.0.1",), data=options.data)
    service = RelayService(settings, reactor, SystemRandom())
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    print(f"relay at http://127.0.0.1:{options.port}/gun", flush=True)
    await Deferred()


async def join(reactor: Any, options: Namespace) -> None:
    """Be in the room until the input ends."""
    gun = Gun([options.url], reactor=reactor)
    reactor.addSystemEventTrigger("before", "shutdown", gun.close)
    room = Room(gun, options.room, reactor)
    await room.enter()
    terminal = Terminal(lambda text: room.say(options.name, text))
    StandardIO(terminal, reactor=reactor)
    print(f"in {options.room} as {options.name}", flush=True)
    await terminal.ended
    await gun.close()


def main(reactor: Any, *arguments: str) -> Deferred[None]:
    """Do what the command line says."""
    parser = ArgumentParser(description="A chat room.")
    commands = parser.add_subparsers(required=True)
    serving = commands.add_parser("relay", help="run a relay for chats")
    serving.add_argument("--port", type=int, default=8765)
    serving.add_argument("--data", help="folder for the data; without one it is kept in memory")
    serving.set_defaults(command=relay)
    joining = commands.add_parser("join", help="talk")
    joining.add_argument("url")
    joining.add_argument("--room", default="garden")
    joining.add_argument("--name", required=True)
    joining.set_defaults(command=join)
    options = parser.parse_args(arguments)
    return Deferred.fromCoroutine(options.command(reactor, options))


if __name__ == "__main__":
    import sys

    react(main, sys.argv[1:])
