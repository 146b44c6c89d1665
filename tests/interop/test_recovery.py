"""
Interoperation tests: what was written while a link was down is not lost. Unmodified gun.js clients say
nothing of it when they are back, they only ask again for what they watch. They dial once, 2 s after the loss;
here that dial waits for the relay, which may be slow to start on a busy machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.interop.clients import Client, Stream, same
from tests.interop.relays import GunJsRelay, GunnetRelay, Relay
from tests.interop.scenario import Scenarios, all_ok, gunjs_fails, has_numbers
from tests.interop.tap import Tap, quiet

MEET_SECONDS = 2.0
"""How long the edits of two clients may take to meet, from when both are back."""

REDIAL_SECONDS = 8.0
"""How long it may take a relay to come back to another that was away: it redials after 2 to 4 s."""

COMPARE_SECONDS = 10.0
"""How long two relays may take to find out, unasked, what only one of them has."""

QUIET_SECONDS = 1.0
QUIET_SECONDS_MAX = 8.0

NO_ASK_BACK = "it does not ask back, and clients do not send again"


class Clients(Scenarios):
    """Two clients on pages of their own, and their relay."""

    newest_only = True
    pages = 3

    async def prepare(self) -> tuple[Relay, list[Client], list[Stream]]:
        """
        @return: a relay, two clients on two pages, and what each sees of the same node.
        """
        relay = await self.relay()
        clients = [*await self.clients(relay), *await self.clients(relay)]
        streams = [await client.get("room").on() for client in clients]
        await all_ok(clients[0].get("room").put({"title": "before", "both": "before"}))
        await all_see(streams, {"title": "before", "both": "before"})
        return relay, clients, streams

    async def write_apart(self, clients: list[Client]) -> dict[str, Any]:
        """
        Each client writes a key of its own, and both write the same.

        @return: the node that comes of it.
        """
        alice, bob = clients
        now = time.time() * 1000
        await alice.get("room", "alice").tell("was here")
        await bob.get("room", "bob").tell("was here")
        await alice.get("room", "both").tell("alice, later", state=now)
        await bob.get("room", "both").tell("bob, earlier", state=now - 50)
        return {"title": "before", "alice": "was here", "bob": "was here", "both": "alice, later"}

    async def check_met(self, relay: Relay, streams: list[Stream], expected: dict[str, Any]) -> None:
        """Both clients have all, and so does the relay, also for who comes then."""
        await all_see(streams, expected, MEET_SECONDS)
        (fresh,) = await self.clients(relay)
        self.assertEqual(await fresh.get("room").once(), expected)
        await relay.restart()
        (after,) = await self.clients(relay)
        self.assertEqual(await after.get("room").once(), expected, "after one more restart")

    async def check_away(self, meanwhile: Callable[[Relay], None] = lambda _: None) -> None:
        """The relay is killed, both clients write, and it comes back in time for their one dial."""
        relay, clients, streams = await self.prepare()
        for client in clients:
            await client.stall()
        await relay.kill()
        await all_closed(clients)
        expected = await self.write_apart(clients)
        meanwhile(relay)
        await relay.start()
        await all_back(clients)
        await self.check_met(relay, streams, expected)

    @gunjs_fails(NO_ASK_BACK)
    async def test_killed(self) -> None:
        """The relay was killed and started again."""
        await self.check_away()

    @gunjs_fails(NO_ASK_BACK)
    async def test_lost_disk(self) -> None:
        """The relay comes back without its data: what its clients hold is there again, edits and all."""
        await self.check_away(lambda relay: relay.lose_disk())

    @gunjs_fails(NO_ASK_BACK)
    async def test_one_cut_off(self) -> None:
        """One client was cut off alone; the other wrote too, and was acked."""
        relay, (alice, bob), streams = await self.prepare()
        await alice.hold()
        now = time.time() * 1000
        await all_ok(bob.get("room").put({"bob": "was here", "both": "bob, earlier"}, state=now - 50))
        await alice.get("room", "alice").tell("was here")
        await alice.get("room", "both").tell("alice, later", state=now)
        await alice.release()
        await alice.linked(2)
        await self.check_met(
            relay,
            streams,
            {"title": "before", "alice": "was here", "bob": "was here", "both": "alice, later"},
        )

    async def test_fresh_page_is_not_asked(self) -> None:
        """A page that boots is not asked for what it asks; after it was cut off it is, once for each."""
        relay = await self.relay()
        (alice,) = await self.clients(relay)
        await all_ok(alice.get("room").put({"title": "one"}), alice.get("hall").put({"title": "two"}))
        await alice.close()
        tap = Tap(self, relay)
        (bob,) = await self.clients(tap)
        room, title = await bob.get("room").on(), await bob.get("hall", "title").on()
        await room.shows({"title": "one"})
        await title.shows("two")
        await quiet([tap], seconds=QUIET_SECONDS, at_most=QUIET_SECONDS_MAX)
        self.assertEqual([], tap.said(up=False, kind="get"), "asked back though it said hi")
        if isinstance(relay, GunJsRelay):
            return
        tap.hold()
        await all_closed([bob])
        tap.release()
        await bob.linked(2)
        await quiet([tap], seconds=QUIET_SECONDS, at_most=QUIET_SECONDS_MAX)
        asked = [(get["get"], "##" in get) for get in tap.said(up=False, kind="get")]
        expected = [({"#": "room"}, True), ({"#": "hall", ".": "title"}, True)]
        self.assertCountEqual(expected, asked, tap.report())
        answers = [put for put in tap.said(up=True, kind="put") if "@" in put]
        self.assertEqual([], answers, "what is equal crossed the wire")


class Behind(Scenarios):
    """What lies behind links, which gun.js does not ask for again."""

    newest_only = True
    pages = 3

    @gunjs_fails(NO_ASK_BACK)
    async def test_lost_disk_of_many_nodes(self) -> None:
        """The same for what was watched in other ways: keys, nested nodes and sets."""
        relay = await self.relay()
        tap = Tap(self, relay)
        (alice,), (bob,) = await self.clients(relay), await self.clients(tap)
        await all_ok(
            alice.get("deep").put({"a": {"b": 1}}),
            alice.get("keyed").put({"one": 1, "two": 2}),
            *[alice.get("items").set({"number": number}) for number in range(3)],
        )
        await (await bob.get("deep", "a", "b").on()).shows(1)
        await (await bob.get("keyed", "one").on()).shows(1)
        items = await bob.get("items").map()
        await has_numbers(items, 3)
        await alice.close()
        await bob.hold()
        await relay.kill()
        relay.lose_disk()
        await relay.start()
        await bob.release()
        await bob.linked(2)
        await quiet([tap], seconds=QUIET_SECONDS, at_most=MEET_SECONDS + QUIET_SECONDS)
        await bob.close()
        (fresh,) = await self.clients(relay)
        await (await fresh.get("deep", "a", "b").on()).shows(1, MEET_SECONDS)
        await (await fresh.get("keyed", "one").on()).shows(1, MEET_SECONDS)
        again = await fresh.get("items").map()
        await again.until(lambda: same(again.latest, items.latest), MEET_SECONDS)

    @gunjs_fails(NO_ASK_BACK)
    async def test_nested(self) -> None:
        """
        What lies behind a link, gun.js does not even ask for again; it is found from what leads there. Edits
        meet, and what is written afterwards goes both ways too.
        """
        relay = await self.relay()
        (alice,), (bob,) = await self.clients(relay), await self.clients(relay)
        await all_ok(alice.get("deep").put({"a": {"b": 1, "c": {"d": 1}}}))
        paths = (("deep", "a", "b"), ("deep", "a", "c", "d"))
        at_alice = [await alice.get(*path).on() for path in paths]
        at_bob = [await bob.get(*path).on() for path in paths]
        await all_see([*at_alice, *at_bob], 1)
        await alice.stall()
        await bob.stall()
        await relay.kill()
        await all_closed([alice, bob])
        await alice.get(*paths[0]).tell(2)
        await bob.get(*paths[1]).tell(2)
        await relay.start()
        await all_back([alice, bob])
        await all_see([*at_alice, *at_bob], 2, MEET_SECONDS)
        await all_ok(alice.get(*paths[1]).put(3), bob.get(*paths[0]).put(3))
        await all_see([*at_alice, *at_bob], 3, MEET_SECONDS)
        (fresh,) = await self.clients(relay)
        for path in paths:
            await (await fresh.get(*path).on()).shows(3)

    @gunjs_fails(NO_ASK_BACK)
    async def test_nothing_new(self) -> None:
        """
        A page that wrote nothing is told nothing that it did not ask for, and says no more than what shows
        that it has it; it hears what is written from then on.
        """
        relay = await self.relay()
        tap = Tap(self, relay)
        (alice,), (bob,) = await self.clients(relay), await self.clients(tap)
        await all_ok(alice.get("deep").put({"a": {"b": 1, "c": {"d": 1}}, "other": {"x": 1}}))
        streams = [await bob.get(*path).on() for path in (("deep", "a", "b"), ("deep", "a", "c", "d"))]
        await all_see(streams, 1)
        tap.hold()
        await all_closed([bob])
        tap.release()
        await bob.linked(2)
        await quiet([tap], seconds=QUIET_SECONDS, at_most=QUIET_SECONDS_MAX)
        again = [said for said in tap.heard.events if said.link == 2]
        answers = [said.writes() for said in again if said.up and said.kind == "put"]
        names = [(soul, key) for writes in answers for soul, key, _ in writes]
        self.assertEqual([("deep/a", "b"), ("deep/a/c", "d")], names, tap.report())
        told = [said for said in again if not said.up and said.kind == "put" and "@" not in said.message]
        self.assertEqual([], told, "it was told what it has")
        for value in (2, 3):
            await all_ok(alice.get("deep", "a", "b").put(value), alice.get("deep", "a", "c", "d").put(value))
            await all_see(streams, value, MEET_SECONDS)


class Links(Scenarios):
    """Two relays, of which ours dials the other, and the link between them."""

    names_relays = True
    newest_only = True

    async def check_upper_killed(self, kind: type[Relay]) -> None:
        """What is written below while the upper relay is away is there for its clients when it is back."""
        upper = await self.relay(name="upper", kind=kind)
        lower = await self.relay(name="lower", kind=GunnetRelay, peers=(upper.url,))
        alice, bob = await self.clients(upper, lower)
        at_alice, at_bob = [await client.get("room").on() for client in (alice, bob)]
        await all_ok(bob.get("room").put({"title": "before", "both": "before"}))
        await all_see([at_alice, at_bob], {"title": "before", "both": "before"})
        await alice.stall()
        await upper.kill()
        await all_closed([alice])
        await all_ok(bob.get("room").put({"title": "while it was away"}), bob.get("unseen").put({"a": 1}))
        await upper.start()
        await all_back([alice])
        expected = {"title": "while it was away", "both": "before"}
        await all_see([at_alice, at_bob], expected, REDIAL_SECONDS)
        await (await alice.get("unseen", "a").on()).shows(1)
        await all_ok(alice.get("room").put({"both": "from above"}))
        await all_see([at_alice, at_bob], {**expected, "both": "from above"})
        await lower.stop()
        (fresh,) = await self.clients(upper)
        self.assertEqual(await fresh.get("room").once(), {**expected, "both": "from above"})
        self.assertEqual(await fresh.get("unseen").once(), {"a": 1})

    async def test_ours_killed(self) -> None:
        """The upper relay is ours too."""
        await self.check_upper_killed(GunnetRelay)

    async def test_theirs_killed(self) -> None:
        """The upper relay is gun's."""
        await self.check_upper_killed(GunJsRelay)

    async def test_link_cut(self) -> None:
        """Neither relay ends, but the link between them is cut while both sides write."""
        upper = await self.relay(name="upper", kind=GunnetRelay)
        tap = Tap(self, upper)
        lower = await self.relay(name="lower", kind=GunnetRelay, peers=(tap.url,))
        alice, bob = await self.clients(upper, lower)
        streams = [await client.get("room").on() for client in (alice, bob)]
        await all_ok(bob.get("room").put({"title": "before"}))
        await all_see(streams, {"title": "before"})
        tap.hold()
        await all_ok(alice.get("room").put({"upper": 1}), bob.get("room").put({"lower": 2}))
        await all_ok(alice.get("unseen").put({"upper": 1}), bob.get("unseen").put({"lower": 2}))
        tap.release()
        await all_see(streams, {"title": "before", "upper": 1, "lower": 2}, REDIAL_SECONDS)
        for client in (alice, bob):
            await all_see([await client.get("unseen").on()], {"upper": 1, "lower": 2}, MEET_SECONDS)
        await all_ok(alice.get("room").put({"title": "after"}))
        await all_see(streams, {"title": "after", "upper": 1, "lower": 2})

    async def test_halves(self) -> None:
        """
        Two relays with different halves of a node, from before they knew each other, have all of it once
        they are linked, without anybody asking.
        """
        upper = await self.relay(name="upper", kind=GunnetRelay)
        lower = await self.relay(name="lower", kind=GunnetRelay)
        alice, bob = await self.clients(upper, lower)
        now = time.time() * 1000
        await all_ok(
            alice.get("half").put({"upper": 1, "both": "older"}, state=now - 20),
            alice.get("only above").put({"x": 1}),
            bob.get("half").put({"lower": 2, "both": "newer"}, state=now - 10),
            bob.get("only below").put({"y": 2}),
        )
        await alice.close()
        await bob.close()
        await lower.stop()
        tap = Tap(self, upper)
        lower.peers = (tap.url,)
        await lower.start()
        wanted = {
            (False, "half", "upper"),
            (False, "only above", "x"),
            (True, "half", "lower"),
            (True, "half", "both"),
            (True, "only below", "y"),
        }

        def exchanged() -> bool:
            events = tap.heard.events
            return all(any(s.up is up and s.tells(soul, key) for s in events) for up, soul, key in wanted)

        await tap.heard.until(exchanged, COMPARE_SECONDS)
        await quiet([tap], seconds=QUIET_SECONDS, at_most=QUIET_SECONDS_MAX)
        lower.peers = ()
        await lower.restart()
        for client in await self.clients(upper, lower):
            self.assertEqual(await client.get("half").once(), {"upper": 1, "lower": 2, "both": "newer"})
            self.assertEqual(await client.get("only above").once(), {"x": 1})
            self.assertEqual(await client.get("only below").once(), {"y": 2})

    async def test_halves_with_theirs(self) -> None:
        """The same when the upper relay is gun's, for nodes that ours has a part of: it is asked by gets."""
        upper = await self.relay(name="upper", kind=GunJsRelay)
        lower = await self.relay(name="lower", kind=GunnetRelay)
        alice, bob = await self.clients(upper, lower)
        await all_ok(
            alice.get("half").put({"upper": 1}),
            bob.get("half").put({"lower": 2}),
            bob.get("only below").put({"y": 2}),
        )
        await alice.close()
        await bob.close()
        await lower.stop()
        tap = Tap(self, upper)
        lower.peers = (tap.url,)
        await lower.start()

        def exchanged() -> bool:
            events = tap.heard.events
            return all(
                any(said.up is up and said.tells(soul, key) for said in events)
                for up, soul, key in (
                    (False, "half", "upper"),
                    (True, "half", "lower"),
                    (True, "only below", "y"),
                )
            )

        await tap.heard.until(exchanged, COMPARE_SECONDS)
        await quiet([tap], seconds=QUIET_SECONDS, at_most=QUIET_SECONDS_MAX)
        lower.peers = ()
        await lower.restart()
        for client in await self.clients(upper, lower):
            self.assertEqual(await client.get("half").once(), {"upper": 1, "lower": 2})
            self.assertEqual(await client.get("only below").once(), {"y": 2})


async def all_see(streams: list[Stream], value: Any, seconds: float = 15.0) -> None:
    """Wait until all streams show C{value}."""
    deadline = time.monotonic() + seconds
    for stream in streams:
        await stream.shows(value, max(0.01, deadline - time.monotonic()))


async def all_closed(clients: list[Client]) -> None:
    """Wait until all clients have noticed that the link is down."""
    for client in clients:
        links = client.links
        await links.until(lambda events=links.events: any(state == "closed" for state, _ in events))


async def all_back(clients: list[Client]) -> None:
    """Let clients that were stalled dial, and wait until they are linked again."""
    for client in clients:
        await client.release()
    for client in clients:
        await client.linked(2)


for scenarios in (Clients, Behind, Links):
    globals().update(scenarios.test_cases())
del scenarios
