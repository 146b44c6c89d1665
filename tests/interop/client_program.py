"""
Programs with a client, for L{tests.interop.test_client}: C{python client_program.py WHAT URL DATA}. Each says
on stdout how far it is.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import types
from contextlib import suppress
from typing import Any, NoReturn

WAIT_SECONDS_MAX = 20.0


class _NoReactor(types.ModuleType):
    """In place of the reactor of the process: whoever uses it ends the program."""

    running = False

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        print(f"somebody used the reactor of the process: {name}", flush=True)
        os._exit(3)


def say(text: Any) -> None:
    """Tell the test."""
    print(text, flush=True)


async def write(url: str, data: str) -> None:
    """Write without a link, and live on until killed."""
    from gunnet import Gun

    gun = Gun(url, data=data)
    await gun.get("offline").put({"text": "kept", "number": 7})
    await gun.get("offline").get("text").put("kept again")
    say("stored")
    await asyncio.sleep(WAIT_SECONDS_MAX)


async def forward(url: str, data: str) -> None:
    """Start again, and wait until a peer has what was written."""
    from gunnet import Gun

    async with Gun(url, data=data) as gun:
        say(await gun.get("offline").get("text"))
        node = gun._node
        assert node is not None
        for _ in range(int(WAIT_SECONDS_MAX / 0.05)):
            if not len(node.unsent):
                break
            await asyncio.sleep(0.05)
        say(len(node.unsent))


async def use(url: str, data: str) -> None:
    """Do what needs links, look-ups, TLS, threads and timers."""
    from gunnet.client import Gun, NotAuthenticated, PutRefused

    async with Gun(url, data=data) as one, Gun(url) as other:
        seen = asyncio.Event()
        other.get("aio").get("n").on(lambda value, key: seen.set())
        await one.get("aio").get("n").put(os.getpid(), peer=True, timeout=WAIT_SECONDS_MAX)
        await asyncio.wait_for(seen.wait(), WAIT_SECONDS_MAX)
        assert await other.get("aio").get("n") == os.getpid()
        assert await asyncio.gather(other.get("aio").get("n").once(), other.get("no").get("n").once()) == [
            os.getpid(),
            None,
        ]
        async for value, key in other.get("aio").map().stream():
            assert (value, key) == (os.getpid(), "n")
            break
        try:
            await one.user().auth("nobody", "no passphrase")
            raise AssertionError("logged in")
        except NotAuthenticated:
            pass
        await one.user().create(f"user{os.getpid()}{data}", "a passphrase")
        await one.user().get("x").put({"y": 1})
        try:
            await asyncio.wait_for(one.get("a").put({"k" * 5_000: 1}), WAIT_SECONDS_MAX)
            raise AssertionError("not refused")
        except PutRefused:
            pass
        with suppress(TimeoutError):
            await asyncio.wait_for(one.get("cancelled").get("x").once(wait=WAIT_SECONDS_MAX), 0.001)


async def leave(url: str, data: str) -> None:
    """End without closing anything, with threads at work."""
    from gunnet import Gun

    gun = Gun(url, data=data)
    await gun.user().create("somebody", "a passphrase")
    say("left")


def twisted(url: str, data: str) -> None:
    """The same on Twisted's reactor, which stops: that closes the client."""
    from twisted.internet import reactor
    from twisted.internet.defer import ensureDeferred

    from gunnet import Gun

    gun = Gun(url, data=data)

    async def use() -> None:
        await gun.get("a").get("b").put(1)
        gun.get("a").get("b").put(2)
        reactor.stop()  # type: ignore[attr-defined]

    reactor.callWhenRunning(lambda: ensureDeferred(use()))  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
    say(gun.running)


def open_files() -> int:
    """How many files are open."""
    return len(os.listdir("/proc/self/fd"))


def twice(url: str, data: str) -> None:
    """Two event loops, one after the other, in a process where no reactor can be used."""
    import twisted.internet

    poison = _NoReactor("twisted.internet.reactor")
    sys.modules["twisted.internet.reactor"] = twisted.internet.reactor = poison  # type: ignore[attr-defined]
    files = []
    for number in range(3):
        asyncio.run(use(url, f"{data}-{number}"))
        gc.collect()
        files.append(open_files())
        assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
    assert files[0] == files[1] == files[2], files
    say("done")


if __name__ == "__main__":
    what, *where = sys.argv[1:]
    if what in ("twice", "twisted"):
        {"twice": twice, "twisted": twisted}[what](*where)
    else:
        asyncio.run({"write": write, "forward": forward, "leave": leave}[what](*where))
