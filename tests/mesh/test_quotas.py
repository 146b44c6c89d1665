"""
Tests for L{gunnet.mesh.quotas}: how much users may keep.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.quotas import NO_ROOM_PREFIX, NO_ROOM_USER, Usage, usage_of, user_of, weight
from gunnet.store.interface import Store
from gunnet.testing import Conversation, put

ALICE, BOB = sea.pair(), sea.pair()
LONG = "x" * 2000


class QuotaCase(SynchronousTestCase):
    """A relay with quotas, and one client."""

    def begin(self, store: Store | None = None, **limits: Any) -> None:
        self.talk = Conversation(limits=replace(Limits(), **limits), store=store)
        self.counters = self.talk.relay.counters
        self.quotas = self.talk.relay.checks.quotas
        self.client = self.talk.connect("client")
        self.client.take()
        self.number = 0

    def say(self, message: dict[str, Any]) -> Any:
        """What comes of a put: C{True}, or the first C{err}."""
        self.client.say(message)
        answers = [each for each in self.client.take() if each.get("@") == message["#"]]
        return answers[0].get("err", answers[0].get("ok"))

    def signed(self, pair: sea.Pair, key: str, value: Any, by: sea.Pair | None = None) -> Any:
        """Put a value into the account of C{pair}."""
        self.number += 1
        self.talk.advance(1.0)
        certificate = None if by is None else sea.certify(by, {"*": "in"}, pair)
        soul = f"~{pair.pub}/in"
        graph = sea.sign_node(soul, {key: value}, self.talk.now, by or pair, certificate=certificate)
        return self.say({"#": f"s{self.number}", "put": graph})

    def public(self, soul: str, **values: Any) -> Any:
        self.number += 1
        self.talk.advance(1.0)
        return self.say(put(f"p{self.number}", soul, values, self.talk.now))


class UserTests(QuotaCase):
    """Quotas of users."""

    def test_off(self) -> None:
        """By default nothing is counted."""
        self.begin()
        self.assertIs(True, self.signed(ALICE, "a", LONG))
        self.assertEqual(0, len(self.quotas.usage))

    def test_user_bytes(self) -> None:
        """Who has no room left is refused with a reason; others have theirs, and the public has none."""
        self.begin(user_bytes=5000)
        self.assertIs(True, self.signed(ALICE, "a", LONG))
        self.assertIs(True, self.signed(ALICE, "b", LONG))
        self.assertEqual(NO_ROOM_USER, self.signed(ALICE, "c", LONG))
        self.assertEqual(1, self.counters["user_bytes_refused"])
        self.assertIs(True, self.signed(BOB, "a", LONG))
        self.assertIs(True, self.public("room", a="x" * 9000))

    def test_making_room(self) -> None:
        """What makes nothing larger always has room, and what was deleted gives some."""
        self.begin(user_bytes=5000)
        for key in "ab":
            self.assertIs(True, self.signed(ALICE, key, LONG))
        self.assertIs(True, self.signed(ALICE, "a", LONG.replace("x", "y")))
        self.assertEqual(NO_ROOM_USER, self.signed(ALICE, "c", LONG))
        self.assertIs(True, self.signed(ALICE, "a", None))
        self.assertIs(True, self.signed(ALICE, "c", LONG))

    def test_together(self) -> None:
        """Of a put, what there is room for may stand, and in any case what makes nothing larger."""
        self.begin(user_bytes=5000)
        self.assertIs(True, self.signed(ALICE, "a", LONG))
        self.talk.advance(1.0)
        soul = f"~{ALICE.pub}/in"
        values = {"b": LONG, "c": LONG, "a": LONG.replace("x", "y"), "d": "small"}
        graph = sea.sign_node(soul, values, self.talk.now, ALICE)
        self.assertEqual(NO_ROOM_USER, self.say({"#": "many", "put": graph}))
        kept = {key: self.talk.store.cell(soul, key) for key in "abcd"}
        self.assertEqual(["a", "b", "d"], [key for key, cell in kept.items() if cell is not None])
        assert kept["a"] is not None
        self.assertIn(b"yyy", kept["a"][1])
        self.assertEqual(1, self.counters["user_bytes_refused"])

    def test_others(self) -> None:
        """What others write into somebody's graph is kept for its owner."""
        self.begin(user_bytes=5000)
        for key in "ab":
            self.assertIs(True, self.signed(ALICE, key, LONG[:1500], by=BOB))
        self.assertEqual(NO_ROOM_USER, self.signed(ALICE, "c", LONG, by=BOB))
        self.assertIs(True, self.signed(BOB, "a", LONG))

    def test_exact(self) -> None:
        """What is counted is what is stored, also after a restart."""
        self.begin(user_bytes=50_000)
        for number in range(30):
            self.signed(ALICE, f"k{number % 7}", "x" * (number * 97 % 500))
            self.signed(BOB, f"k{number % 3}", None if number % 4 else "y" * number)
        store, usage = self.talk.store, self.quotas.usage
        cells = list(self.talk.relay._graph.stored())
        for pair in (ALICE, BOB):
            total = sum(weight(*cell) for cell in cells if user_of(cell[0]) == pair.pub)
            self.assertEqual(total, usage.of(pair.pub))
            self.assertLess(0, total)
        before = usage.top(9)
        self.begin(store, user_bytes=50_000)
        self.assertEqual(before, self.quotas.usage.top(9))
        self.assertEqual(before, usage_of(cells, Limits(), Counters()).top(9))

    def test_alias(self) -> None:
        """An alias is nobody's."""
        self.assertIsNone(user_of("~@alice"))
        self.assertIsNone(user_of("room"))
        self.assertEqual(ALICE.pub, user_of(f"chat~{ALICE.pub}/x"))


class PrefixTests(QuotaCase):
    """Quotas of what begins alike."""

    def test_prefix_bytes(self) -> None:
        """All quotas that a soul comes under hold; of a put, what there is room for is stored."""
        self.begin(prefix_bytes=(("room/", 3000), ("", 9000)))
        self.assertIs(True, self.public("room/1", a=LONG))
        self.assertEqual(NO_ROOM_PREFIX, self.public("room/2", a=LONG))
        self.assertEqual(1, self.counters["prefix_bytes_refused"])
        self.assertIs(True, self.public("other", a=LONG))
        graph = put("x", "room/3", {"a": LONG}, self.talk.now)
        graph["put"] |= put("y", "hall", {"a": "small"}, self.talk.now)["put"]
        self.assertEqual(NO_ROOM_PREFIX, self.say(graph))
        self.assertIsNotNone(self.talk.store.cell("hall", "a"))
        self.assertIsNone(self.talk.store.cell("room/3", "a"))
        self.assertEqual(NO_ROOM_PREFIX, self.public("more", a="x" * 6000))

    def test_due(self) -> None:
        """Each write with a future state has room while it waits; whether it has is looked at again then."""
        self.begin(prefix_bytes=(("room/", 3000),), user_bytes=5000)
        later, graph = self.talk.now + 1000, {}
        for number in range(3):
            graph |= put("x", f"room/{number}", {"a": LONG}, later)["put"]
        mine = f"~{ALICE.pub}/in"
        for soul, node in graph.items():
            self.client.say({"#": f"at {soul}", "put": {soul: node}})
        for key in "abc":
            self.client.say({"#": f"at {key}", "put": sea.sign_node(mine, {key: LONG}, later, ALICE)})
        self.assertEqual([], self.client.take())
        self.talk.advance(1001)
        said = {each["@"]: each.get("err", each.get("ok")) for each in self.client.take()}
        self.assertEqual([True, NO_ROOM_PREFIX, NO_ROOM_PREFIX], [said[f"at room/{at}"] for at in range(3)])
        self.assertEqual([True, True, NO_ROOM_USER], [said[f"at {key}"] for key in "abc"])


class UsageTests(SynchronousTestCase):
    """The table."""

    def test_users(self) -> None:
        """Users beyond the bound share counters: none seems to have less than it has."""
        counters = Counters()
        usage = Usage(Limits(users=2), counters)
        for number in range(50):
            usage.add(f"u{number}", 10 + number)
        self.assertEqual(2, len(usage))
        self.assertEqual(48, counters["users_exceeded"])
        for number in range(50):
            self.assertGreaterEqual(usage.of(f"u{number}"), 10 + number)
        usage.add("u9", -19)
        self.assertEqual([("u1", 11)], usage.top(1))
