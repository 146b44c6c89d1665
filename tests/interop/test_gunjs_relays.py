"""
Interoperation tests with gun's own relays: topologies of both kinds, with real clients on the outer relays.

A gun.js relay does not dial its peers until it has something to broadcast, so it is kicked; and when it was
left by a relay that it had dialled, it dials once more at most, after 2 s, and asks nothing again. On a busy
machine a relay takes longer than that to start, so the tap lets it wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from twisted.trial.unittest import TestCase

from tests.crash.raw import RawPeer
from tests.interop import node
from tests.interop.children import Overdue
from tests.interop.clients import Client, Stream, same
from tests.interop.relays import GunJsRelay, GunnetRelay, Relay
from tests.interop.scenario import Scenarios, all_ok, has_numbers
from tests.interop.tap import Said, Tap, quiet

MODES = {
    "axe": (True, True),
    "flood": (False, False),
    "axe_with_flood": (True, False),
    "flood_with_axe": (False, True),
}
"""Of our relays and of gun's: whether they route by AXE."""

LINKED_SECONDS = 30.0
"""
How long it may take until relays that dial each other are linked: four attempts of ours, since on a machine
that stands still for a moment the first ones may fail, and the pause between them doubles.
"""

UPDATE_SECONDS = 3.0
"""How long an update may take through all the relays."""

REUNION_SECONDS = 8.0
"""How long both sides' edits may take to meet once the relay between is back; ours redial after 2 to 4 s."""

QUIET_SECONDS = 1.0
QUIET_SECONDS_MAX = 10.0
"""After the last write, a link is to be silent for so long, within so long."""

OUR_UPDATES_MAX = 1
ANSWERS_MAX = 6
"""
How often one write may cross one link in one direction, while that stands: as an update of ours, and in
answers to one get or as an update of gun's relays. Everybody who knows it answers, gun.js relays twice (from
memory and from disk), and with AXE they say an update again when a write to the same key comes soon after it.
"""


class Topologies(Scenarios):
    """
    Relays of both kinds in a row, C{west} to C{east}.

    @cvar theirs_axe: whether gun's relays route by AXE.
    """

    names_relays = True
    newest_only = True
    theirs_axe: ClassVar[bool]

    @classmethod
    def test_cases(cls) -> dict[str, type]:
        """See L{Scenarios.test_cases}; multiplied over the modes of both kinds."""
        made = {}
        version = node.versions()[0]
        for mode, (axe, theirs_axe) in MODES.items():
            name = f"{cls.__name__}_{version.rpartition('.')[2]}_{mode}"
            own: dict[str, Any] = {"version": version, "axe": axe, "theirs_axe": theirs_axe}
            own |= {"__module__": cls.__module__, "__doc__": cls.__doc__}
            made[name] = type(name, (cls, TestCase), own)
        return made

    def setUp(self) -> None:
        """See L{Scenarios.setUp}."""
        super().setUp()
        self.taps: dict[Tap, Relay] = {}

    def ours(self, name: str, *dialled: Relay) -> Relay:
        """
        @return: a relay of ours, not started.
        """
        return self.dials(self.stopped_relay(kind=GunnetRelay, name=name), *dialled)

    def theirs(self, name: str, *dialled: Relay) -> Relay:
        """
        @return: a relay of gun's, not started.
        """
        return self.dials(self.stopped_relay(kind=GunJsRelay, axe=self.theirs_axe, name=name), *dialled)

    def dials(self, relay: Relay, *dialled: Relay) -> Relay:
        """
        Have C{relay} dial others, through taps.

        @return: C{relay}.
        """
        for other in dialled:
            tap = Tap(self, other)
            self.taps[tap] = relay
            relay.peers += (tap.url,)
        return relay

    async def started(self, *relays: Relay) -> None:
        """Start them, and wait until all that was tapped is linked, and who accepted has heard a name."""
        for relay in relays:
            await relay.start()
        for relay in relays:
            if isinstance(relay, GunJsRelay) and relay.peers:
                await kick(relay)
        for tap, dialler in self.taps.items():
            try:
                await linked(tap)
            except Overdue as overdue:
                reports = [relay.report() for relay in (dialler, tap.relay)]
                raise Overdue("\n".join([f"{dialler.name} is not linked: {overdue}", *reports])) from None

    async def shows(self, stream: Stream, value: Any) -> None:
        """Wait until C{value} is the newest, as long as an update may take."""
        await self.until(stream, lambda newest: same(newest, value), f"{value!r}", UPDATE_SECONDS)

    async def has(self, stream: Stream, values: dict[str, Any], seconds: float = UPDATE_SECONDS) -> None:
        """Wait until a node has these values, and maybe others."""

        def complete(newest: Any) -> bool:
            return isinstance(newest, dict) and values.items() <= newest.items()

        await self.until(stream, complete, f"{values}", seconds)

    async def until(
        self, stream: Stream, condition: Callable[[Any], bool], what: str, seconds: float
    ) -> None:
        """Wait until the newest value fulfils C{condition}; else tell what was said at the taps."""
        try:
            await stream.until(lambda: bool(stream.events) and condition(stream.events[-1].value), seconds)
        except Overdue as overdue:
            reports = [
                f"from {dialler.name} to {tap.relay.name}, {tap.report()}"
                for tap, dialler in self.taps.items()
            ]
            raise Overdue("\n".join([f"awaiting {what}: {overdue}", *reports])) from None

    async def check(self, west: Relay, east: Relay) -> tuple[Client, Client]:
        """
        All that applications rely on, between a client on either end.

        @return: the clients.
        """
        alice, bob = await self.clients(west, east)
        await self.check_earlier(alice, bob)
        await self.check_live(alice, bob)
        await self.check_shapes(alice, bob)
        await self.check_user(alice, bob)
        return alice, bob

    async def check_earlier(self, alice: Client, bob: Client) -> None:
        """What was put first is there for who asks later, on either side, and what comes after it too."""
        await all_ok(alice.get("early", "west").put("before"), bob.get("early", "east").put("before"))
        at_alice = await alice.get("early", "east").on()
        at_bob = await bob.get("early", "west").on()
        await self.shows(at_alice, "before")
        await self.shows(at_bob, "before")
        await all_ok(alice.get("early", "west").put("after"))
        await self.shows(at_bob, "after")
        await all_ok(bob.get("early", "east").put("after"))
        await self.shows(at_alice, "after")

    async def check_live(self, alice: Client, bob: Client, soul: str = "room") -> None:
        """Who watches sees what the other side puts, at once; also null."""
        at_alice, at_bob = [await client.get(soul, "title").on() for client in (alice, bob)]
        for value in ("one", 2, None, True):
            await all_ok(alice.get(soul, "title").put(value))
            await self.shows(at_bob, value)
            await all_ok(bob.get(soul, "title").put(f"not {value}"))
            await self.shows(at_alice, f"not {value}")

    async def check_shapes(self, alice: Client, bob: Client) -> None:
        """Nested objects and sets go both ways."""
        deep = await bob.get("deep", "a", "b").on()
        await all_ok(alice.get("deep").put({"a": {"b": 1, "c": {"d": "e"}}}))
        await self.shows(deep, 1)
        back = await alice.get("deep", "a", "b").on()
        await all_ok(bob.get("deep", "a").put({"b": 2}))
        await self.shows(back, 2)
        items = await bob.get("items").map()
        own = await alice.get("items").map()
        await all_ok(*[alice.get("items").set({"number": number}) for number in range(4)])
        await has_numbers(items, 4)
        await all_ok(bob.get("items").set({"number": 4}))
        await has_numbers(own, 5)

    async def check_user(self, alice: Client, bob: Client) -> None:
        """Signed data comes through unchanged: a user made on one side logs in on the other."""
        pub = await alice.create("alice", "correct horse battery")
        await alice.auth("alice", "correct horse battery")
        await all_ok(alice.user("profile").put({"name": "Alice"}))
        await self.shows(await bob.get("~" + pub, "profile", "name").on(), "Alice")
        self.assertEqual(await bob.auth("alice", "correct horse battery"), pub)
        await all_ok(bob.user("profile", "name").put("Alice L."))
        await self.shows(await alice.user("profile", "name").on(), "Alice L.")

    async def check_quiet(self) -> None:
        """The links fall silent, and no write went over one of them again and again."""
        await quiet(list(self.taps), seconds=QUIET_SECONDS, at_most=QUIET_SECONDS_MAX)
        for tap, dialler in self.taps.items():
            for up, sender in ((True, dialler), (False, tap.relay)):
                updates_max = ANSWERS_MAX if isinstance(sender, GunJsRelay) else OUR_UPDATES_MAX
                for (link, asked, write), said in crossings(tap, up=up).items():
                    if len(said) > (ANSWERS_MAX if asked else updates_max):
                        lines = "\n".join(map(str, said))
                        self.fail(f"{sender.name} said {write} {len(said)} times on link {link}:\n{lines}")

    async def check_reunion(self, middle: Relay, alice: Client, bob: Client) -> None:
        """
        The relay between is killed; what both sides write meanwhile meets when it is back. That takes time,
        so it is left out where ours and theirs differ in mode.
        """
        if self.axe is not self.theirs_axe:
            await self.check_quiet()
            return
        at_alice, at_bob = [await client.get("room").on() for client in (alice, bob)]
        await all_ok(alice.get("room").put({"last": "before"}))
        for stream in (at_alice, at_bob):
            await self.has(stream, {"last": "before"})
        await middle.kill()
        await all_ok(
            alice.get("room").put({"west": "meanwhile", "both": "west"}),
            bob.get("room").put({"east": "meanwhile"}),
        )
        await all_ok(bob.get("room").put({"both": "east"}))
        await middle.start()
        for stream in (at_alice, at_bob):
            await self.has(
                stream, {"west": "meanwhile", "east": "meanwhile", "both": "east"}, REUNION_SECONDS
            )
        await all_ok(alice.get("room").put({"last": "from alice"}))
        await self.has(at_bob, {"last": "from alice"})
        await all_ok(bob.get("room").put({"last": "from bob"}))
        await self.has(at_alice, {"last": "from bob"})
        await self.check_quiet()

    async def test_ours_between_theirs(self) -> None:
        """Ours dials two of theirs."""
        west, east = self.theirs("west"), self.theirs("east")
        middle = self.ours("middle", west, east)
        await self.started(west, east, middle)
        await self.check_reunion(middle, *await self.check(west, east))

    async def test_theirs_dials_ours_dials_theirs(self) -> None:
        """Ours dials one of theirs, and is dialled by the other."""
        west = self.theirs("west")
        middle = self.ours("middle", west)
        east = self.theirs("east", middle)
        await self.started(west, middle, east)
        alice, bob = await self.check(west, east)
        if self.axe is not self.theirs_axe:
            await self.check_quiet()
            return
        for tap in self.taps:
            tap.patience_seconds = LINKED_SECONDS
        await middle.restart()
        await kick(east)
        for tap in self.taps:
            await linked(tap, times=2)
        await self.check_live(alice, bob, "new room")
        await self.check_quiet()

    async def test_theirs_between_ours(self) -> None:
        """Both of ours dial theirs."""
        middle = self.theirs("middle")
        west, east = self.ours("west", middle), self.ours("east", middle)
        await self.started(middle, west, east)
        await self.check_reunion(middle, *await self.check(west, east))

    async def test_chain(self) -> None:
        """Ours dials ours, which dials theirs."""
        east = self.theirs("east")
        middle = self.ours("middle", east)
        west = self.ours("west", middle)
        await self.started(east, middle, west)
        await self.check_reunion(middle, *await self.check(west, east))

    async def test_ring(self) -> None:
        """Two of ours dial each other and theirs."""
        top = self.theirs("top")
        west, east = self.ours("west", top), self.ours("east", top)
        self.dials(west, east)
        self.dials(east, west)
        await self.started(top, west, east)
        alice, bob = await self.check(west, top)
        await self.check_reunion(east, alice, bob)


async def kick(relay: Relay) -> None:
    """
    Have a gun.js relay dial its peers: it does so when it broadcasts something, and with AXE that is only a
    message of no known kind.
    """
    peer = await RawPeer.dial(relay)
    peer.say({"hello": 1})
    await peer.ask({"get": {"#": "kicked"}})  # else it may not have been read
    await peer.close()


async def linked(tap: Tap, times: int = 1) -> None:
    """Wait until who dials has answered the greeting, over the link of that number."""

    def answered() -> bool:
        dams = [said for said in tap.heard.events if said.link >= times and said.message.get("dam") == "?"]
        greetings = {said.message["#"] for said in dams if not said.up}
        return any(said.up and said.message.get("@") in greetings for said in dams)

    await tap.heard.until(answered, LINKED_SECONDS)


def crossings(tap: Tap, *, up: bool) -> dict[Any, list[Said]]:
    """
    @return: the messages with which each write went over each link in one direction, by C{(number of the
        link, id of the get, (soul, key, state))}; the id is C{""} for updates.
    """
    found: dict[Any, list[Said]] = {}
    for said in tap.heard.events:
        if said.up is up and said.kind == "put":
            for write in said.writes():
                found.setdefault((said.link, said.message.get("@", ""), write), []).append(said)
    return found


globals().update(Topologies.test_cases())
