"""
The real gun.js, driven from Python: C{driver.js} in a Node process is a page, and a page holds clients.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.children import Child, Overdue, within

ANSWER_SECONDS_MAX = 15.0

Key = str | dict[str, Any]
"""A key on a chain, or a LEX query."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""What JavaScript calls undefined: data that is not there. (None is null, and is data.)"""


@dataclass(frozen=True)
class Ack:
    """
    What a put callback was given.

    @ivar ok: any JSON value; gun counts it as success if there is no C{err}.
    """

    ok: Any
    err: str | None


@dataclass(frozen=True)
class Seen:
    """One call of a callback of C{on}, C{once} or C{map}."""

    key: str
    value: Any


def _bare(value: Any) -> Any:
    """
    @return: a node without its metadata; any other value as it is.
    """
    return {key: inner for key, inner in value.items() if key != "_"} if isinstance(value, dict) else value


def _seen(message: dict[str, Any]) -> Seen:
    return Seen(message.get("key", ""), _bare(message.get("value", MISSING)))


class Listening:
    """
    Something that is told of events and lets tests wait for them.

    @ivar events: all of them, the oldest first.
    """

    def __init__(self, what: Callable[[], str]) -> None:
        self.events: list[Any] = []
        self._what = what
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def add(self, event: Any) -> None:
        """Take one event, and look whether somebody waits for it."""
        self.events.append(event)
        for item in list(self._waiting):
            condition, fired = item
            if condition():
                self._waiting.remove(item)
                fired.callback(None)

    async def until(self, condition: Callable[[], bool], seconds: float = ANSWER_SECONDS_MAX) -> None:
        """
        Wait until C{condition} is true; it is looked at now and after each event.

        @raise Overdue: after C{seconds}.
        """
        if condition():
            return
        item: tuple[Callable[[], bool], Deferred[None]] = (
            condition,
            Deferred(lambda _: self._waiting.remove(item)),
        )
        self._waiting.append(item)
        await within(seconds, self._what, item[1])


class Stream(Listening):
    """
    The values that one C{on} or C{map} tells.

    @ivar latest: the last value for each key.
    """

    def __init__(self, what: Callable[[], str]) -> None:
        super().__init__(
            lambda: f"{what()}; {len(self.events)} events, the last: {str(self.events[-5:])[:500]}"
        )
        self.latest: dict[str, Any] = {}

    def add(self, event: Seen) -> None:
        """Take one event."""
        self.latest[event.key] = event.value
        super().add(event)

    async def shows(self, value: Any, seconds: float = ANSWER_SECONDS_MAX) -> None:
        """Wait until C{value} is the newest one."""
        try:
            await self.until(lambda: bool(self.events) and same(self.events[-1].value, value), seconds)
        except Overdue as overdue:
            raise Overdue(f"awaiting {value!r:.80}: {overdue}") from None


def same(one: Any, other: Any) -> bool:
    """
    @return: whether two values are the same in JavaScript: numbers are doubles, and true is not 1.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int) and isinstance(other, int):
        return float(one) == float(other)
    return bool(one == other)


class Page:
    """
    One Node process with gun loaded as in a browser, and the clients in it. They share gun's module, as the
    instances on one web page do.
    """

    def __init__(
        self, test: TestCase, version: str, inside: Sequence[str] = (), env: Mapping[str, str] = {}
    ) -> None:
        """
        @param version: one of L{node.GUN_VERSIONS}.
        @param inside: what the command line begins with, if it is to run elsewhere.
        @param env: what its environment has more than ours.
        """
        self._env = {**os.environ, **env}
        self._test = test
        self._kit = node.kit()
        driver = [self._kit.node, str(node.HERE / "driver.js"), self._kit.gun(version), self._kit.ws]
        self._command = [*inside, *driver]
        self.child = Child(f"gun {version} page", self._hear)
        self._numbers = itertools.count(1)
        self._answers: dict[int, Deferred[Any]] = {}
        self._streams: dict[int, Stream] = {}
        self._clients: dict[str, Client] = {}
        self._ready: Deferred[None] = Deferred()

    def spawn(self) -> None:
        """Start the process."""
        self.child.start(self._test, self._command, self._env)

    async def ready(self) -> None:
        """Wait until gun is loaded."""
        await within(ANSWER_SECONDS_MAX, lambda: f"the page is ready. {self.child.report()}", self._ready)

    async def client(self, *urls: str, held: bool = False, socket: dict[str, Any] | None = None) -> Client:
        """
        @param held: whether it is offline at first, see L{Client.release}.
        @param socket: options for its WebSockets, such as C{localAddress} and C{headers}.
        @return: a new client which dials these relays.
        """
        client = Client(self, f"client{next(self._numbers)}")
        self._clients[client.name] = client
        await self.call("open", client=client.name, peers=list(urls), held=held, socket=socket or {})
        return client

    async def call(self, do: str, *, seconds: float = ANSWER_SECONDS_MAX, **fields: Any) -> Any:
        """
        Have C{driver.js} carry out one command.

        @return: its answer.
        """
        number = next(self._numbers)
        answer = self._answers[number] = Deferred()
        # ASCII only: Node also ends lines at U+2028.
        self.child.write(json.dumps({"n": number, "do": do, **fields}).encode("ascii"))
        what = f"{do} {str(fields)[:200]}"
        return await within(seconds, lambda: f"{what} is answered. {self.child.report()}", answer)

    def stream(self, what: str) -> tuple[int, Stream]:
        """
        @return: a new stream, and the number by which C{driver.js} is to call it.
        """
        number = next(self._numbers)
        stream = self._streams[number] = Stream(lambda: f"{what}. {self.child.report()}")
        return number, stream

    def _hear(self, line: bytes) -> None:
        message = json.loads(line)
        kind = message.get("event")
        if kind == "data":
            self._streams[message["stream"]].add(_seen(message))
        elif kind == "link":
            self._clients[message["client"]].links.add((message["state"], message["url"]))
        elif kind == "ready":
            self._ready.callback(None)
        elif "error" in message:
            self._answers.pop(message["n"]).errback(AssertionError(message["error"]))
        else:
            self._answers.pop(message["n"]).callback(message["answer"])


class Client:
    """
    One gun client.

    @ivar links: what its sockets did: C{("dial", url)}, C{("open", url)}, C{("closed", url)}.
    """

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.links = Listening(lambda: f"{name}: {self.links.events}. {page.child.report()}")

    def get(self, *path: Key) -> Chain:
        """
        @return: what C{gun.get(a).get(b)...} gives.
        """
        return Chain(self, "gun", path)

    def user(self, *path: Key) -> Chain:
        """
        @return: what C{gun.user().get(a).get(b)...} gives: the data of the user who is logged in.
        """
        return Chain(self, "user", path)

    async def do(self, command: str, **fields: Any) -> Any:
        """Have C{driver.js} carry out one command for this client."""
        return await self.page.call(command, client=self.name, **fields)

    def opened(self) -> int:
        """
        @return: how many sockets were opened so far.
        """
        return sum(state == "open" for state, _ in self.links.events)

    async def linked(self, times: int = 1) -> None:
        """Wait until sockets were opened that many times."""
        await self.links.until(lambda: self.opened() >= times)

    async def hold(self) -> None:
        """Go offline: sockets break, and new ones do not get through before L{release}."""
        await self.do("hold")
        await self.links.until(lambda: bool(self.links.events) and self.links.events[-1][0] != "open")

    async def stall(self) -> None:
        """Keep the sockets that are open, but let new ones wait for L{release}: a relay may take its time."""
        await self.do("stall")

    async def release(self) -> None:
        """Go online again."""
        await self.do("release")

    async def close(self) -> None:
        """Go away for good."""
        await self.do("close")

    async def create(self, alias: str, password: str) -> str:
        """
        Make a new user, who is then logged in.

        @return: the public key.
        """
        return self._pub(await self.do("create", alias=alias, **{"pass": password}))

    async def auth(self, alias: str, password: str) -> str:
        """
        Log a user in, from what the relay knows.

        @return: the public key.
        """
        return self._pub(await self.do("auth", alias=alias, **{"pass": password}))

    @staticmethod
    def _pub(answer: dict[str, Any]) -> str:
        if answer["err"] is not None:
            raise AssertionError(f"gun said: {answer['err']}")
        return str(answer["pub"])


class Chain:
    """A place in the graph, as gun's own chains name it."""

    def __init__(self, client: Client, root: str, path: tuple[Key, ...]) -> None:
        self._client = client
        self._where: dict[str, Any] = {"root": root, "path": list(path)}

    async def put(self, value: Any, *, state: float | None = None) -> Ack:
        """
        @param state: the state to write with, milliseconds since 1970; else gun's clock.
        @return: the first ack.
        """
        return Ack(**await self._put(value, state, acked=True))

    async def tell(self, value: Any, *, state: float | None = None) -> None:
        """Put without a callback, as most applications do: whether it is acked nobody knows."""
        await self._put(value, state, acked=False)

    async def set(self, value: Any) -> Ack:
        """Add an item to a set."""
        return Ack(**await self._client.do("set", value=value, **self._where))

    async def once(self, *, wait_ms: int | None = None) -> Any:
        """
        @param wait_ms: how long gun waits for more before it calls back; else its default, 99.
        @return: the value, a node without its metadata, or L{MISSING}.
        """
        given = {} if wait_ms is None else {"wait": wait_ms}
        return _seen(await self._client.do("once", **given, **self._where)).value

    async def on(self) -> Stream:
        """
        @return: the values from now on.
        """
        return await self._watch(each=False, single=False)

    async def map(self, *, once: bool = False) -> Stream:
        """
        @param once: C{map().once()} in place of C{map().on()}.
        @return: the items from now on, by key.
        """
        return await self._watch(each=True, single=once)

    async def off(self) -> None:
        """Listen no longer."""
        await self._client.do("off", **self._where)

    async def _put(self, value: Any, state: float | None, *, acked: bool) -> Any:
        given = {} if state is None else {"state": state}
        return await self._client.do("put", value=value, acked=acked, **given, **self._where)

    async def _watch(self, **how: bool) -> Stream:
        number, stream = self._client.page.stream(f"{self._client.name} watches {self._where['path']}")
        await self._client.do("watch", stream=number, **how, **self._where)
        return stream
