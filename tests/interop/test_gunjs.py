"""
Interoperation tests: what applications do with the real gun.js, through relays in processes of their own.

With C{GUNNET_INTEROP_RELAY=gunjs}, the same scenarios hold gun's own relay to account (C{docs/interop.md}).
"""

from __future__ import annotations

import itertools
import time
from typing import Any

from twisted.internet.defer import Deferred

from tests.interop.clients import MISSING, Client, Stream, same
from tests.interop.relays import Relay
from tests.interop.scenario import Scenarios, all_ok, gunjs_fails, has_numbers

WORDS = {"banana": "b", "cherry": "c", "naan": "n1", "nachos": "n2", "nan": "n3", "nectar": "n4", "zest": "z"}

TEXTS = {
    "latin": "é ñ ß",
    "cjk": "日本語",
    "astral": "😀𝒳🏳️\u200d🌈",
    "right to left": "שלום \u202e",
    "line separators": "a\u2028b\u2029c\r\nd",
    "escapes": '"\\/\b\f\n\r\t\x00\x7f',
    "looks like JSON": '{"#":"x"}',
    "looks signed": 'SEA{"m":1,"s":"x"}',
    "path": "../../etc/passwd%2F",
}

TORN_TEXTS = {
    "high surrogate alone": "cut \ud83d",
    "low surrogate alone": "\ude00 cut",
    "surrogates the wrong way round": "\ude00\ud83d",
}

VALUES: dict[str, Any] = {
    "zero": 0,
    "minus": -7,
    "fraction": 0.1,
    "third": 1 / 3,
    "huge": 1.7976931348623157e308,
    "tiny": 5e-324,
    "beyond 2^53": 2**60,
    "exponent": 1e21,
    "small exponent": 1e-7,
    "true": True,
    "false": False,
    "null": None,
    "digits": "5",
    "empty": "",
    "long": "x" * 1_000_000,
}


class LiveData(Scenarios):
    """Clients of one relay."""

    async def test_both_ways(self) -> None:
        """Clients that watch one key see what the other puts, at once."""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        at_alice, at_bob = [await client.get("room", "title").on() for client in (alice, bob)]
        await all_ok(alice.get("room", "title").put("from alice"))
        await at_bob.shows("from alice")
        await all_ok(bob.get("room", "title").put("from bob"))
        await at_alice.shows("from bob")
        await all_ok(bob.get("room", "title").put(None))
        await at_alice.shows(None)

    async def test_watching_before_there_is_data(self) -> None:
        """A client that asked before anybody had an answer is told when it comes, also of a whole node."""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        node = await bob.get("later").on()
        key = await bob.get("later", "name").on()
        self.assertIs(await bob.get("later").once(), MISSING)
        await all_ok(alice.get("later").put({"name": "x", "age": 3}))
        await key.shows("x")
        await node.shows({"name": "x", "age": 3})

    async def test_deep_paths(self) -> None:
        """Nested objects and long chains of keys become linked nodes which the other client can walk."""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        at_alice, at_bob = [await client.get("a", "b", "c", "d").on() for client in (alice, bob)]
        await all_ok(alice.get("a", "b", "c").put({"d": 1, "e": {"f": {"g": "deep"}}}))
        await at_bob.shows(1)
        self.assertEqual(await bob.get("a", "b", "c", "e", "f", "g").once(), "deep")
        await all_ok(bob.get("a", "b", "c", "d").put(2))
        await at_alice.shows(2)
        (fresh,) = await self.clients(relay)
        self.assertEqual(await fresh.get("a", "b", "c", "e", "f").once(), {"g": "deep"})

    async def test_set(self) -> None:
        """500 items of a set reach a client that listens by map(), and one that comes afterwards."""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        live = await bob.get("list").map()
        await all_ok(*(alice.get("list").set({"number": number}) for number in range(500)))
        (fresh,) = await self.clients(relay)
        late = await fresh.get("list").map()
        for stream in (live, late):
            await has_numbers(stream, 500)

    async def test_missing(self) -> None:
        """once() of what is not there calls back promptly, for a node and for a key of one that is there."""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        await all_ok(alice.get("here").put({"yes": 1}))
        start = time.monotonic()
        self.assertIs(await bob.get("nowhere").once(), MISSING)
        self.assertIs(await bob.get("nowhere", "key").once(), MISSING)
        self.assertIs(await bob.get("here", "no").once(), MISSING)
        self.assertLess(time.monotonic() - start, 3)

    async def test_equal_states(self) -> None:
        """
        Of two values with one state the greater JSON text wins everywhere, whichever came first.

        Nobody here asks while somebody else holds the lesser value: gun.js takes an answer to its own get
        even if that loses a tie.
        """
        relay = await self.relay()
        alice, carol = await self.clients(relay, relay)
        state = time.time() * 1000 - 60_000
        # gun's own relay acks no put from ahead of its clock, be it a part of a millisecond.
        later = itertools.count(int(state) + 1)
        fence = await carol.get("tie", "fence").on()
        ranked: list[tuple[Any, Any]] = [("apple", "pear"), (10, 5), ("text", 5), (False, None), (None, True)]
        for lesser, greater in ranked:
            for first, second in ((lesser, greater), (greater, lesser)):
                place = ("tie", f"{first} then {second}")
                at_alice = await alice.get(*place).on()
                await all_ok(alice.get(*place).put(first, state=state))
                bob = await alice.page.client(relay.url)
                # gun's own relay acks no write that loses, but what comes after it on the same socket.
                await bob.get(*place).tell(second, state=state)
                await all_ok(bob.get("tie", "fence").put(place[1], state=next(later)))
                # A listener that gun gets while it still works on a put that it heard misses that put.
                await fence.shows(place[1])
                await bob.close()
                await at_alice.shows(greater)
                await (await carol.get(*place).on()).shows(greater)

    async def test_burst(self) -> None:
        """1000 small puts at once are all acked, and all there."""
        relay = await self.relay()
        (alice,) = await self.clients(relay)
        await all_ok(*(alice.get("burst", f"key{number}").put(number) for number in range(1000)))
        (fresh,) = await self.clients(relay)
        stream = await fresh.get("burst").on()
        expected = {f"key{number}": number for number in range(1000)}
        await stream.until(lambda: bool(stream.events) and stream.events[-1].value == expected)

    async def test_write_before_connecting(self) -> None:
        """What a client puts and asks while its first connection is still being made is not lost."""
        relay = await self.relay()
        (alice,) = await self.clients(relay)
        await all_ok(alice.get("early", "theirs").put("there already"))
        bob = await alice.page.client(relay.url, held=True)
        seen = await bob.get("early", "theirs").on()
        waiting = Deferred.fromCoroutine(bob.get("early", "mine").put("written offline"))
        await bob.release()
        await seen.shows("there already")
        self.assertIsNone((await waiting).err)
        await (await alice.get("early", "mine").on()).shows("written offline")

    @gunjs_fails("nobody acks without a store (13.5)")
    async def test_without_store(self) -> None:
        """A relay that keeps nothing on disk still acks, answers and tells."""
        relay = await self.relay(store=False)
        alice, bob = await self.clients(relay, relay)
        at_bob = await bob.get("memory", "key").on()
        await all_ok(alice.get("memory", "key").put(1))
        await at_bob.shows(1)
        (fresh,) = await self.clients(relay)
        self.assertEqual(await fresh.get("memory").once(), {"key": 1})


class Values(Scenarios):
    """What may be in a value or a name comes out as it went in."""

    async def check(self, relay: Relay, client: Client, expected: dict[str, Any]) -> None:
        """Read all as single keys with one client, and as a whole node with a fresh one."""
        for key, value in expected.items():
            await (await client.get("values", key).on()).shows(value)
        (fresh,) = await self.clients(relay)
        whole = await fresh.get("values").on()
        await whole.until(lambda: bool(whole.events) and same(whole.events[-1].value, expected))

    async def check_there_and_after(self, expected: dict[str, Any]) -> None:
        """Put all, read it through another client, and again when the relay was killed and is back."""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        await all_ok(*(alice.get("values", key).put(value) for key, value in expected.items()))
        await self.check(relay, bob, expected)
        await relay.kill()
        await relay.start()
        (fresh,) = await self.clients(relay)
        await self.check(relay, fresh, expected)

    async def test_values(self) -> None:
        """Numbers, truth values, null and long text."""
        await self.check_there_and_after(VALUES)

    async def test_texts(self) -> None:
        """Any text, as a value and as a key."""
        await self.check_there_and_after({text: text for text in TEXTS.values()})

    async def test_torn_texts(self) -> None:
        """Text that was cut between two surrogates, as a value and as a key."""
        await self.check_there_and_after({text: text for text in TORN_TEXTS.values()})

    async def test_texts_as_souls(self) -> None:
        """Any text, as a soul. (A number sign makes a soul a content hash, to SEA.)"""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        texts = [text for text in (*TEXTS.values(), *TORN_TEXTS.values()) if "#" not in text]
        await all_ok(*(alice.get(text).put({"number": number}) for number, text in enumerate(texts)))
        for number, text in enumerate(texts):
            await (await bob.get(text).on()).shows({"number": number})

    async def test_delete(self) -> None:
        """Null takes the place of a value, and a later value takes its place."""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        await all_ok(alice.get("thing").put({"kept": 1, "gone": 2}))
        live = await bob.get("thing").on()
        await live.shows({"kept": 1, "gone": 2})
        await all_ok(alice.get("thing", "gone").put(None))
        await live.shows({"kept": 1, "gone": None})
        await all_ok(bob.get("thing", "gone").put("back"))
        (fresh,) = await self.clients(relay)
        self.assertEqual(await fresh.get("thing").once(), {"kept": 1, "gone": "back"})


class Queries(Scenarios):
    """LEX: asking for some of the keys of a node."""

    async def ask(self, relay: Relay, query: dict[str, Any]) -> dict[str, Any]:
        """
        @return: what a fresh client is given that asks for nothing else, before a later question is answered.
        """
        (client,) = await self.clients(relay)
        found = await client.get("words", query).map(once=True)
        await found.until(lambda: bool(found.events))
        await (await client.get("fence", "key").on()).shows("there")
        return found.latest

    async def test_queries(self) -> None:
        """Prefix and range, with a budget that is large enough, bring exactly what matches."""
        relay = await self.relay()
        (alice,) = await self.clients(relay)
        await all_ok(alice.get("words").put(WORDS), alice.get("fence", "key").put("there"))
        for lex, matching in (
            ({"*": "na"}, {"naan", "nachos", "nan"}),
            ({">": "banana", "<": "cherry"}, {"banana", "cherry"}),
            ({">": "nb", "<": "o"}, {"nectar"}),
            ({"*": "ne"}, {"nectar"}),
        ):
            found = await self.ask(relay, {".": lex, "%": 5000})
            self.assertEqual(found, {key: WORDS[key] for key in matching}, lex)

    async def test_small_budget(self) -> None:
        """With a small budget, or none, fewer come, but at least one, and only what matches."""
        relay = await self.relay()
        (alice,) = await self.clients(relay)
        await all_ok(alice.get("words").put(WORDS), alice.get("fence", "key").put("there"))
        for query in ({".": {"*": "na"}}, {".": {"*": "na"}, "%": 1}):
            found = await self.ask(relay, query)
            self.assertTrue(found)
            self.assertLessEqual(
                found.items(), {key: WORDS[key] for key in ("naan", "nachos", "nan")}.items()
            )


class Users(Scenarios):
    """SEA: accounts and signed data."""

    password = "correct horse battery"

    async def test_account(self) -> None:
        """A user made on one client can log in on another, and what they write there, all can read."""
        relay = await self.relay()
        (alice,) = await self.clients(relay)
        (elsewhere,) = await self.clients(relay)
        pub = await alice.create("alice", self.password)
        await alice.auth("alice", self.password)
        await all_ok(alice.user("profile").put({"name": "Alice"}))
        self.assertEqual(await elsewhere.auth("alice", self.password), pub)
        self.assertEqual(await elsewhere.user("profile", "name").once(), "Alice")
        live = await alice.user("profile", "name").on()
        await all_ok(elsewhere.user("profile", "name").put("Alice L."))
        await live.shows("Alice L.")
        (stranger,) = await self.clients(relay)
        self.assertEqual(await stranger.get("~" + pub, "profile", "name").once(), "Alice L.")

    async def test_wrong_password(self) -> None:
        """Who does not know the password is told so, and not kept waiting."""
        relay = await self.relay()
        (alice,) = await self.clients(relay)
        await alice.create("alice", self.password)
        (stranger,) = await self.clients(relay)
        answer = await stranger.do("auth", alias="alice", **{"pass": "some other password"})
        self.assertIn("Wrong user or password", answer["err"])


class Interruptions(Scenarios):
    """Connections that break and relays that stop. (gun redials once, 2 s after a loss, and never again.)"""

    async def check_live(self, alice: Client, bob: Client, at_bob: Stream, text: str) -> None:
        """What either of two clients writes to the watched key, the other sees."""
        at_alice = await alice.get("room", "title").on()
        await all_ok(alice.get("room", "title").put(f"alice: {text}"))
        await at_bob.shows(f"alice: {text}")
        await all_ok(bob.get("room", "title").put(f"bob: {text}"))
        await at_alice.shows(f"bob: {text}")

    async def test_offline(self) -> None:
        """A client that was offline while another wrote is told when it is back, and of what comes then."""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        at_bob = await bob.get("room", "title").on()
        whole = await bob.get("room").on()
        await self.check_live(alice, bob, at_bob, "before")
        await bob.hold()
        await all_ok(alice.get("room").put({"title": "while bob was away", "more": 1}))
        await bob.release()
        await at_bob.shows("while bob was away")
        await whole.shows({"title": "while bob was away", "more": 1})
        await self.check_live(alice, bob, at_bob, "after")

    async def test_restart(self) -> None:
        """When the relay restarts, its clients come back by themselves, and so does what they were told."""
        relay = await self.relay()
        alice, bob = await self.clients(relay, relay)
        at_bob = await bob.get("room", "title").on()
        await self.check_live(alice, bob, at_bob, "before")
        await relay.restart()
        for client in (alice, bob):
            await client.linked(2)
        await self.check_live(alice, bob, at_bob, "after")

    async def test_data_stays(self) -> None:
        """What was acked is there for a fresh client after a stop, and after a kill."""
        relay = await self.relay()
        expected = {}
        for round_, end in enumerate((relay.stop, relay.kill, relay.stop)):
            (alice,) = await self.clients(relay)
            await all_ok(
                alice.get("kept", f"round {round_}").put(round_), alice.get("nest").put({"a": {"b": round_}})
            )
            expected[f"round {round_}"] = round_
            await end()
            await relay.start()
            (fresh,) = await self.clients(relay)
            self.assertEqual(await fresh.get("kept").once(), expected)
            self.assertEqual(await fresh.get("nest", "a", "b").once(), round_)


class TwoRelays(Scenarios):
    """Clients of different relays, one of which dials the other."""

    async def joined(self) -> tuple[Relay, Relay]:
        """
        @return: two relays; the second dials the first.
        """
        upper = await self.relay(name="upper")
        return upper, await self.relay(name="lower", peers=(upper.url,))

    @gunjs_fails("with AXE it never dials its peers (defect 10)", axe=True)
    async def test_both_ways(self) -> None:
        """Clients of either relay see what the other puts, at once, and what it had put before they asked."""
        upper, lower = await self.joined()
        alice, bob = await self.clients(upper, lower)
        await all_ok(alice.get("early", "upper").put("before"), bob.get("early", "lower").put("before"))
        await (await alice.get("early", "lower").on()).shows("before")
        await (await bob.get("early", "upper").on()).shows("before")
        at_alice, at_bob = [await client.get("room", "title").on() for client in (alice, bob)]
        for count in range(3):
            await all_ok(alice.get("room", "title").put(f"alice {count}"))
            await at_bob.shows(f"alice {count}")
            await all_ok(bob.get("room", "title").put(f"bob {count}"))
            await at_alice.shows(f"bob {count}")

    @gunjs_fails("it redials at most once, and asks nothing again (defects 10 and 11)")
    async def test_restart(self) -> None:
        """The link between relays comes back after the dialled one restarts, with what was written then."""
        upper, lower = await self.joined()
        alice, bob = await self.clients(upper, lower)
        at_bob = await bob.get("room", "title").on()
        await all_ok(alice.get("room", "title").put("before"))
        await at_bob.shows("before")
        await upper.restart()
        await alice.linked(2)
        await all_ok(alice.get("room", "title").put("after"))
        await at_bob.shows("after", 30)


for scenarios in (LiveData, Values, Queries, Users, Interruptions, TwoRelays):
    globals().update(scenarios.test_cases())
del scenarios
