"""
Every bound of a client, reached, and its counter.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred

from gunnet.client import BadValue, Busy, Closed, Gun, unsent, writes
from gunnet.client.line import REOPEN_SECONDS
from gunnet.client.planning import DEPTH_MAX
from gunnet.limits import Limits
from gunnet.service import RelayService
from gunnet.settings import Settings, SettingsError
from tests.client.bench import BenchTestCase


class BoundTests(BenchTestCase):
    """Bounds."""

    def test_wants(self) -> None:
        """So many things are watched at most; ending one makes room."""
        gun = self.gun(limits=replace(Limits(), peer_subscriptions=3))
        for name in "abc":
            gun.get(name).on(print)
        self.assertRaises(Busy, gun.get("d").on, print)
        self.assertEqual(gun.counters["client_wants_refused"], 1)
        gun.get("a").off()
        gun.get("d").on(print)

    def test_wants_behind_links(self) -> None:
        """The same while following links: what can't be followed is logged, and the rest is."""
        gun = self.gun(limits=replace(Limits(), peer_subscriptions=3))
        for name in "abc":
            self.result(gun.get(name).put({"n": name}))
            self.result(gun.get("set").set(gun.get(name)))
        seen = self.heard(gun.get("set").map())
        self.talk.advance(100)
        self.assertEqual([key for _, key in seen], ["a", "b"])
        self.assertEqual(gun.counters["client_wants_refused"], 1)

    def test_writes(self) -> None:
        """So many puts wait for acks at most."""
        self.patch(writes, "WRITES_MAX", 3)
        gun = self.gun()
        node = gun._node
        assert node is not None
        puts = [gun.get("a").get(name).put(1) for name in "abc"]
        self.assertRaises(Busy, gun.get("a").get("d").put, 1)
        self.assertEqual(gun.counters["client_writes_refused"], 1)
        for put in puts:
            self.result(put)
        self.result(gun.get("a").get("d").put(1))

    def test_message_bytes(self) -> None:
        """A put that is larger than a message may be."""
        gun = self.gun(limits=replace(Limits(), message_bytes=1024))
        self.failure(gun.get("a").get("b").put("x" * 1024), BadValue)
        self.assertEqual(gun.counters["message_bytes_refused"], 1)

    def test_depth(self) -> None:
        """Nodes nested too deeply."""
        node: dict[str, Any] = {"end": 1}
        for _ in range(DEPTH_MAX):
            node = {"n": node}
        gun = self.gun()
        self.assertRaises(BadValue, gun.get("a").put, node)
        self.result(gun.get("a").put(node["n"]))

    def test_unsent(self) -> None:
        """So many values wait for a peer at most."""
        self.patch(unsent, "UNSENT_MAX", 2)
        gun = self.gun()
        node = gun._node
        assert node is not None
        node.mesh.dial("memory:")
        for name in "ab":
            self.result(gun.get("a").get(name).put(1))
        self.failure(gun.get("a").get("c").put(1), Busy)
        self.assertEqual(gun.counters["client_unsent_refused"], 1)
        self.link(gun)
        self.result(gun.get("a").get("c").put(1))

    def test_stream(self) -> None:
        """In a stream the newest value of each key waits, of so many keys."""
        gun = self.gun()
        stream = gun.get("a").map().stream(limit=2)
        for key, value in (("b", 1), ("c", 1), ("b", 2), ("d", 1)):
            self.result(gun.get("a").get(key).put(value))
        self.assertEqual((stream.dropped, gun.counters["client_stream_items_evicted"]), (1, 1))
        taken = [self.result(ensureDeferred(stream.__anext__())) for _ in range(2)]
        self.assertEqual(taken, [(2, "b"), (1, "d")])


class StreamTests(BenchTestCase):
    """L{gunnet.client.stream}."""

    def test_items(self) -> None:
        """Behind a map, what is newest of each item waits, though the last key is the same."""
        gun = self.gun()
        stream = gun.get("people").map().get("name").stream()
        for soul in ("alice", "bob"):
            self.result(gun.get("people").get(soul).put({"name": soul}))
        taken = [self.result(ensureDeferred(stream.__anext__())) for _ in range(2)]
        self.assertEqual(taken, [("alice", "name"), ("bob", "name")])

    def test_iterate(self) -> None:
        """A stream is iterated until its chain is told off."""
        gun = self.gun()
        taken: list[tuple[Any, str]] = []

        async def read() -> None:
            async for each in gun.get("a").get("b").stream():
                taken.append(each)

        done = ensureDeferred(read())
        for value in (1, 2):
            self.result(gun.get("a").get("b").put(value))
        self.assertEqual(taken, [(1, "b"), (2, "b")])
        self.assertNoResult(done)
        gun.get("a").get("b").off()
        self.result(done)

    def test_one_reader(self) -> None:
        """A stream is for one reader."""
        stream = self.gun().get("a").stream()
        first = ensureDeferred(stream.__anext__())
        self.failureResultOf(ensureDeferred(stream.__anext__()), RuntimeError)
        stream.close()
        self.failureResultOf(first, StopAsyncIteration)

    def test_left(self) -> None:
        """A stream that is left, or closed, listens no more."""
        gun = self.gun()

        async def read() -> None:
            async for _ in gun.get("a").get("b").stream():
                return

        async def close() -> None:
            async with gun.get("a").get("c").stream():
                pass
            await gun.get("a").get("d").stream().aclose()

        done = ensureDeferred(read())
        self.result(gun.get("a").get("b").put(1))
        self.result(done)
        self.result(ensureDeferred(close()))
        self.talk.advance(1)
        self.assertEqual(len(gun.root.nodes), 0)

    def test_collected(self) -> None:
        """
        A stream that nobody has any more is ended in a turn of its own: garbage is collected at any time, by
        any thread, in the middle of what the local node does, too.
        """
        gun = self.gun()
        stream = gun.get("a").get("b").stream()
        self.talk.advance(10)
        said: list[bytes] = []
        self.patch(gun.root._line, "say", said.append)
        self.patch(gun.root.nodes, "_say", said.append)
        del stream
        self.assertEqual((len(gun.root.nodes), said), (1, []))
        self.talk.advance(1)
        self.assertEqual((len(gun.root.nodes), len(said)), (0, 1))

    def test_collected_later(self) -> None:
        """Nor is it anybody's affair after the client was closed."""
        gun = self.gun()
        stream = gun.get("a").get("b").stream()
        self.result(gun.close())
        del stream
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LineTests(BenchTestCase):
    """L{gunnet.client.line}."""

    def test_dropped(self) -> None:
        """If the own node drops the link, it is opened again; nothing is lost."""
        gun = self.gun()
        seen = self.heard(gun.get("a").get("b"))
        self.result(gun.get("a").get("b").put(1))
        line = gun.root._line
        line.drop("a fault")
        put = gun.get("a").get("b").put(2)
        self.talk.advance(REOPEN_SECONDS * 1000 + 10)
        self.successResultOf(put)
        self.result(gun.get("a").get("b").put(3))
        self.assertEqual([value for value, _ in seen], [1, 2, 3])

    def test_held(self) -> None:
        """While the node does not read, what is said waits."""
        gun = self.gun()
        line = gun.root._line
        line.pause_reading()
        put = gun.get("a").get("b").put(1)
        self.talk.advance(100)
        self.assertNoResult(put)
        line.resume_reading()
        self.result(put)

    def test_faulty_message(self) -> None:
        """What the chain fails on is logged and counted, and the next message is heard."""
        gun = self.gun()
        seen = self.heard(gun.get("a").get("b"))
        self.talk.advance(10)
        gun.root._line.send(b'{"#":"x","put":{"a":{"b":1}}}')
        self.result(gun.get("a").get("b").put(1))
        self.assertEqual((len(seen), gun.counters["client_faults"]), (1, 1))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)


class RelayTests(BenchTestCase):
    """A chain at a relay in the same process."""

    def test_relay(self) -> None:
        """It is a peer of the relay like any other."""
        bot, other = self.gun(relay=self.talk), self.linked()
        seen = self.heard(bot.get("a").get("b"))
        self.result(other.get("a").get("b").put(1))
        self.result(bot.get("c").get("d").put(2))
        self.assertEqual((seen, self.result(other.get("c").get("d"))), ([(1, "b")], 2))
        closed = bot.close()
        self.talk.advance(10)
        self.successResultOf(closed)
        self.result(other.get("a").get("b").put(3))
        self.assertEqual(len(seen), 1)

    def test_either(self) -> None:
        """A relay has what a client would be given."""
        own = ({"peers": "ws://a.example/"}, {"data": "x"}, {"authorities": "x"}, {"limits": Limits()})
        for options in own:
            self.assertRaises(TypeError, self.gun, relay=self.talk, **options)
        self.assertRaises(TypeError, self.gun(relay=self.talk).opt, peers="ws://a.example/")

    def test_authorities(self) -> None:
        """Of a file of authorities that is none, one is told before anything is opened."""
        data, missing = self.mktemp(), self.mktemp()
        error = self.assertRaises(SettingsError, self.gun, data=data, authorities=missing)
        self.assertIn(missing, str(error))
        self.assertFalse(os.path.exists(data))

    def test_relay_stopped(self) -> None:
        """When the relay has stopped, what is asked of the chain fails, and does not wait for ever."""
        relay = RelayService(Settings(listen=(), data=None), self.clock, Random(1))
        relay.startService()
        bot = self.gun(relay=relay)
        seen = self.heard(bot.get("a").get("b"))
        self.result(bot.get("a").get("b").put(1))
        stopped = relay.stopService()
        self.talk.advance(2_000)
        self.successResultOf(stopped)
        for ask in (
            lambda: bot.get("a").get("b").put(2),
            lambda: bot.get("a").get("c").once(),
            lambda: bot.get("a").get("b").stream(),
        ):
            self.assertIn("the relay has stopped", str(self.assertRaises(Closed, ask)))
        self.assertEqual(seen, [(1, "b")])
        self.result(bot.close())

    def test_not_running(self) -> None:
        """A relay is to be started first."""
        relay = RelayService(Settings(data=None), self.clock, Random(1))
        self.assertRaises(ValueError, self.gun, relay=relay)

    def test_full(self) -> None:
        """A relay that takes no more peers."""
        from gunnet.testing import Conversation

        full = Conversation(clock=self.clock, limits=replace(Limits(), peers=1))
        self.gun(relay=full)
        self.assertRaises(Busy, self.gun, relay=full)


class AwaitTests(BenchTestCase):
    """L{gunnet.client.waiting}."""

    def test_chain(self) -> None:
        """Chains and puts are awaited in coroutines of Twisted."""
        gun = self.gun()

        async def use() -> Any:
            await gun.get("a").get("b").put(1)
            return await gun.get("a").get("b")

        self.assertEqual(self.result(ensureDeferred(use())), 1)

    def test_task(self) -> None:
        """And in tasks of asyncio, with results and errors."""
        gun = self.gun()
        put = gun.get("a").get("b").put(1)
        self.talk.advance(100)
        refused = gun.get("a").put({"k" * 5_000: 3})
        self.talk.advance(100)

        async def use() -> str:
            await put
            try:
                await refused
            except Exception as error:
                return type(error).__name__
            return "nothing"

        self.assertEqual(asyncio.run(use()), "PutRefused")

    def test_task_cancelled(self) -> None:
        """A task that waits may be cancelled, or give up; nothing is left of it."""
        gun = self.gun()
        node = gun._node
        assert node is not None
        node.mesh.dial("ws://away.example/")

        async def use() -> list[str]:
            waits = [asyncio.ensure_future(_of(gun.get(name).once())) for name in "ab"]
            await asyncio.sleep(0)
            waits[0].cancel()
            ends = []
            for wait, seconds in zip(waits, (1.0, 0.001), strict=True):
                try:
                    await asyncio.wait_for(wait, seconds)
                except (TimeoutError, asyncio.CancelledError) as error:
                    ends.append(type(error).__name__)
            return ends

        self.assertEqual(asyncio.run(use(), debug=True), ["CancelledError", "TimeoutError"])
        self.talk.advance(10)
        self.assertEqual(len(gun.root.nodes), 0)

    def test_begun_in_task(self) -> None:
        """A coroutine of Twisted that is begun in a task is driven by Twisted all the same."""
        gun = self.gun()

        async def use() -> Any:
            put = gun.get("a").get("b").get("c").put({"d": 1})
            self.talk.advance(5_000)
            return await put

        self.assertIsNone(asyncio.run(use()))

    def test_is_a_deferred(self) -> None:
        """What is waited for is a Deferred."""
        gun: Gun = self.gun()
        self.assertIsInstance(gun.get("a").get("b").put(1), Deferred)
        self.assertIsInstance(gun.get("a").once(), Deferred)


async def _of(waiting: Deferred[Any]) -> Any:
    return await waiting
