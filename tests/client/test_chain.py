"""
L{gunnet.client.chain}: one client by itself, but for the end.
"""

from __future__ import annotations

import math
from typing import Any

from gunnet.client import BadValue, Closed, Gun, PutRefused
from gunnet.client.listeners import LOCAL_SECONDS, RESTLESS
from gunnet.client.nodes import LACK_SECONDS
from tests.client.bench import BenchTestCase


class PutTests(BenchTestCase):
    """What may be put, and where it goes."""

    def test_values(self) -> None:
        """All that JSON has but lists is read as it was put."""
        gun = self.gun()
        for value in ("text", "", "\ud800", True, False, 0, -1, 1.5, 1 << 53, None):
            self.result(gun.get("a").get("b").put(value))
            self.assertEqual(self.result(gun.get("a").get("b")), value)
            self.assertIs(type(self.result(gun.get("a").get("b"))), type(value))

    def test_refused_values(self) -> None:
        """What GUN has no place for is refused at once, and says where it stands; nothing is put."""
        gun = self.gun()
        bad: list[tuple[Any, str]] = [
            ([1], "list at a.b: there are no lists in GUN, use set() or a dict"),
            ({"c": {"d": (1,)}}, "tuple at a.b.c.d"),
            (math.inf, "inf at a.b is no number"),
            ((1 << 53) + 1, "9007199254740993 at a.b"),
            (b"bytes", "bytes at a.b"),
            ({"": 1}, "'' at a.b is no key"),
            ({"c": 1, 1.5: 2}, "1.5 at a.b is no key"),
        ]
        for value, text in bad:
            error = self.assertRaises(BadValue, gun.get("a").get("b").put, value)
            self.assertIn(text, str(error))
        self.assertEqual(gun.counters["puts_served"], 0)

    def test_root_must_be_a_node(self) -> None:
        """A soul can't be text or a link (gun.js src/put.js)."""
        gun = self.gun()
        for value in ("text", None, {"#": "b"}):
            self.assertRaises(BadValue, gun.get("a").put, value)
            self.assertRaises(BadValue, gun.put, value)

    def test_nested(self) -> None:
        """A node in a node gets the path as its soul."""
        gun = self.gun()
        self.result(gun.get("a").put({"b": {"c": 1, "d": {"e": "x"}}, "f": 2}))
        self.assertEqual(self.result(gun.get("a")), {"b": {"#": "a/b"}, "f": 2})
        self.assertEqual(self.result(gun.get("a/b")), {"c": 1, "d": {"#": "a/b/d"}})
        self.assertEqual(self.result(gun.get("a").get("b").get("d").get("e")), "x")

    def test_path(self) -> None:
        """A put far down makes the nodes on its way."""
        gun = self.gun()
        self.result(gun.get("a").get("b").get("c").put(1))
        self.assertEqual(self.result(gun.get("a")), {"b": {"#": "a/b"}})
        self.assertEqual(self.result(gun.get("a/b").get("c")), 1)
        self.assertEqual(self.result(gun.get("a").get("b").soul()), "a/b")

    def test_link_stays(self) -> None:
        """Where a node is linked already, that one is put to."""
        gun = self.gun()
        self.result(gun.get("a").get("b").put({"#": "other"}))
        self.result(gun.get("a").put({"b": {"c": 1}}))
        self.result(gun.get("a").get("b").get("d").put(2))
        self.assertEqual(self.result(gun.get("other")), {"c": 1, "d": 2})

    def test_own_soul(self) -> None:
        """A node may say its soul."""
        gun = self.gun()
        self.result(gun.get("a").put({"b": {"_": {"#": "mine"}, "c": 1}}))
        self.assertEqual(self.result(gun.get("mine")), {"c": 1})

    def test_reference(self) -> None:
        """A chain as a value is a link to where it leads."""
        gun = self.gun()
        self.result(gun.get("a").put({"b": {"c": 1}}))
        self.result(gun.get("d").put({"e": gun.get("a").get("b"), "f": gun.get("a")}))
        self.assertEqual(self.result(gun.get("d")), {"e": {"#": "a/b"}, "f": {"#": "a"}})

    def test_cycle(self) -> None:
        """A dict that holds itself links to itself."""
        gun = self.gun()
        node: dict[str, Any] = {"name": "x"}
        node["self"] = node
        self.result(gun.get("a").put(node))
        self.assertEqual(self.result(gun.get("a").get("self").get("self").get("name")), "x")

    def test_root_put(self) -> None:
        """Put at the root, a node gets a soul that nobody has."""
        gun = self.gun()
        puts = [gun.put({"n": 1}), gun.put({"n": 2}), gun.put({"_": {"#": "mine"}, "n": 3})]
        souls = [self.result(put.chain.soul()) for put in puts]
        self.assertEqual(len(set(souls)), 3)
        self.assertEqual(souls[2], "mine")
        self.assertEqual(self.result(gun.get(souls[1])), {"n": 2})

    def test_refused_by_node(self) -> None:
        """What the own node refuses fails, and is not seen any more; what stood before is."""
        gun = self.gun()
        self.result(gun.get("a").get("b").put(1))
        seen = self.heard(gun.get("a").get("b"))
        self.talk.advance(10)
        text = self.failure(gun.get("a").put({"b": 2, "k" * 5_000: 3}), PutRefused)
        self.assertIn("Invalid graph", text)
        self.assertEqual([value for value, _ in seen], [1, 2, 1])

    def test_refused_new(self) -> None:
        """The same, where nothing stood before."""
        gun = self.gun()
        seen = self.heard(gun.get("a").get("b"))
        self.failure(gun.get("a").put({"b": 2, "k" * 5_000: 3}), PutRefused)
        self.assertEqual([value for value, _ in seen], [2, None])

    def test_states_rise(self) -> None:
        """Of two puts in one millisecond, the later one stands."""
        gun = self.gun()
        first, second = gun.get("a").get("b").put("z"), gun.get("a").get("b").put("a")
        self.result(first)
        self.result(second)
        self.assertEqual(self.result(gun.get("a").get("b")), "a")

    def test_repr(self) -> None:
        """A chain shows where it is."""
        self.assertEqual(repr(self.gun().get("a").get("b").map()), "<chain 'a' b each>")


class GetTests(BenchTestCase):
    """Where a chain leads."""

    def test_keys(self) -> None:
        """Integers are keys; nothing and other things are none."""
        gun = self.gun()
        self.result(gun.get(1).get(2).put(3))
        self.assertEqual(self.result(gun.get("1").get("2")), 3)
        for key in ("", None, 1.5, True, [], {"a": 1}, {".": {}}):
            self.assertRaises(BadValue, gun.get, key)
            self.assertRaises(BadValue, gun.get("a").get, key)

    def test_link(self) -> None:
        """A link leads to its node."""
        gun = self.gun()
        self.result(gun.get("a").get("b").put(1))
        self.assertEqual(self.result(gun.get({"#": "a"}).get("b")), 1)
        self.assertEqual(self.result(gun.get("x").get("y").get({"#": "a"}).get("b")), 1)

    def test_back(self) -> None:
        """Back goes to where a chain came from; the client is at the end."""
        gun = self.gun()
        chain = gun.get("a").get("b").get("c")
        self.assertEqual(repr(chain.back()), repr(gun.get("a").get("b")))
        self.assertEqual(repr(chain.back(2)), repr(gun.get("a")))
        for levels in (-1, 3, 9):
            self.assertIs(chain.back(levels), gun)
        self.assertIs(gun.back(), gun)

    def test_meta(self) -> None:
        """The metadata of a node: its soul and states."""
        gun = self.gun()
        self.result(gun.get("a").get("b").put({"c": 1}))
        meta = self.result(gun.get("a").get("b").meta())
        assert meta is not None
        self.assertEqual(meta["#"], "a/b")
        self.assertEqual([*meta[">"]], ["c"])
        self.assertLess(meta[">"]["c"], self.talk.now)
        self.assertIsNone(self.result(gun.get("a").get("b").get("c").meta()))
        self.assertIsNone(self.result(gun.get("nothing").meta()))

    def test_ends(self) -> None:
        """Nothing comes after a map with a function, and only map() after a LEX."""
        gun = self.gun()
        self.assertRaises(BadValue, gun.get("a").map(lambda value, key: value).get, "b")
        self.assertRaises(BadValue, gun.get("a").map(lambda value, key: value).map)
        self.assertRaises(BadValue, gun.get("a").get({"*": "b"}).get, "b")
        self.assertRaises(BadValue, gun.get("a").map().put, 1)
        self.assertIn("many places", self.failure(gun.get("a").map().soul(), BadValue))


class OnTests(BenchTestCase):
    """C{on}."""

    def test_now_and_later(self) -> None:
        """The value there is, then each change, but nothing twice."""
        gun = self.gun()
        place = gun.get("a").get("b")
        self.result(place.put(1))
        seen = self.heard(place)
        self.assertEqual(seen, [])
        self.talk.advance(10)
        self.assertEqual(seen, [(1, "b")])
        self.result(place.put(2))
        self.result(gun.get("a").get("c").put(9))
        self.result(place.put(None))
        self.assertEqual(seen, [(1, "b"), (2, "b"), (None, "b")])

    def test_unknown(self) -> None:
        """Of what is not known nothing is told, until it is."""
        gun = self.gun()
        seen = self.heard(gun.get("a").get("b"))
        self.talk.advance(60_000)
        self.assertEqual(seen, [])
        self.result(gun.get("a").get("b").put(1))
        self.assertEqual(seen, [(1, "b")])

    def test_node(self) -> None:
        """A node is told whole each time; with C{change}, what has changed."""
        gun = self.gun()
        self.result(gun.get("a").put({"b": 1, "c": 2}))
        whole, changes = self.heard(gun.get("a")), self.heard(gun.get("a"), change=True)
        self.talk.advance(10)
        self.result(gun.get("a").put({"c": 3}))
        self.assertEqual(whole, [({"b": 1, "c": 2}, "a"), ({"b": 1, "c": 3}, "a")])
        self.assertEqual(changes, [({"b": 1, "c": 2}, "a"), ({"c": 3}, "a")])

    def test_links(self) -> None:
        """Links are followed, when they change, too, and when there are none any more."""
        gun = self.gun()
        self.result(gun.get("x").put({"n": "x"}))
        self.result(gun.get("y").put({"n": "y"}))
        self.result(gun.get("a").get("b").put(gun.get("x")))
        node, name = self.heard(gun.get("a").get("b")), self.heard(gun.get("a").get("b").get("n"))
        self.talk.advance(10)
        self.result(gun.get("a").get("b").put(gun.get("y")))
        self.result(gun.get("x").put({"n": "x2"}))
        self.result(gun.get("y").put({"n": "y2"}))
        self.result(gun.get("a").get("b").put("no node"))
        self.result(gun.get("y").put({"n": "y3"}))
        told = [({"n": "x"}, "b"), ({"n": "y"}, "b"), ({"n": "y2"}, "b"), ("no node", "b")]
        self.assertEqual(node, told)
        self.assertEqual(name, [("x", "n"), ("y", "n"), ("y2", "n")])

    def test_failing_callback(self) -> None:
        """A callback that raises is logged and counted; others and later calls are as ever."""
        gun = self.gun()
        calls = []

        def fail(value: Any, key: str) -> None:
            calls.append(value)
            raise RuntimeError("not mine")

        gun.get("a").get("b").on(fail)
        seen = self.heard(gun.get("a").get("b"))
        for value in (1, 2):
            self.result(gun.get("a").get("b").put(value))
        self.assertEqual([value for value, _ in seen], [1, 2])
        self.assertEqual(calls, [1, 2])
        self.assertEqual(gun.counters["client_callbacks_failed"], 2)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_off(self) -> None:
        """C{off} ends what listens here and further on, and the questions to the node with it."""
        gun = self.gun()
        here, there = self.heard(gun.get("a").get("b")), self.heard(gun.get("a"))
        other = self.heard(gun.get("c"))
        self.talk.advance(10)
        gun.get("a").get("b").off()
        self.result(gun.get("a").get("b").put(1))
        self.assertEqual((here, len(there)), ([], 1))
        gun.get("a").off()
        self.result(gun.get("a").get("b").put(2))
        self.assertEqual(len(there), 1)
        self.result(gun.get("c").put({"d": 1}))
        self.assertEqual(len(other), 1)
        gun.get("c").off()
        self.talk.advance(10)
        self.assertEqual(len(gun.root.nodes), 0)
        assert gun._node is not None
        self.assertEqual(gun._node.mesh.relay.health()["subscriptions"], 0)

    def test_off_one(self) -> None:
        """C{off} of one callback leaves the others."""
        gun = self.gun()
        seen: list[Any] = []

        def listen(value: Any, key: str) -> None:
            seen.append(value)

        place = gun.get("a").get("b")
        others = self.heard(place)
        place.on(listen).off(listen)
        self.result(place.put(1))
        self.assertEqual((seen, others), ([], [(1, "b")]))

    def test_off_inside(self) -> None:
        """A callback may end itself, and others."""
        gun = self.gun()
        place = gun.get("a").map()
        seen: list[str] = []

        def listen(value: Any, key: str) -> None:
            seen.append(key)
            place.off()

        place.on(listen)
        self.result(gun.get("a").put({"b": 1, "c": 2}))
        self.assertEqual(seen, ["b"])


class OnceTests(BenchTestCase):
    """C{once}, and awaiting."""

    def test_property(self) -> None:
        """What is known is there in no time."""
        gun = self.gun()
        self.result(gun.get("a").get("b").put(1))
        calls: list[tuple[Any, str]] = []
        self.assertEqual(self.result(gun.get("a").get("b").once(lambda *call: calls.append(call)), 0), 1)
        self.assertEqual(calls, [(1, "b")])

    def test_node(self) -> None:
        """A node is taken for whole once nothing more came of it for 99 ms, or as long as is said."""
        gun = self.gun()
        self.result(gun.get("a").put({"b": 1}))
        for wait, milliseconds in ((None, 99), (0.5, 500)):
            once = gun.get("a").once(wait=wait)
            self.talk.advance(milliseconds - 1)
            self.assertNoResult(once)
            gun.get("a").put({"c": milliseconds})
            self.talk.advance(milliseconds - 1)
            self.assertNoResult(once)
            self.assertEqual(self.result(once, 2), {"b": 1, "c": milliseconds})

    def test_node_in_parts(self) -> None:
        """While more of an answer is announced, it is waited for, however slow it is."""
        gun = self.gun()
        self.result(gun.get("a").put({f"k{number}": "x" * 90_000 for number in range(9)}))
        line = gun.root._line
        arriving, send = [], line.send
        line.send = lambda *frames: arriving.extend(frames)  # type: ignore[method-assign]
        once, items, seen = gun.get("a").once(), gun.get("a").map().once(), self.heard(gun.get("a"))
        self.talk.advance(1_000)
        self.assertGreater(len(arriving), 2)
        while arriving:
            self.assertNoResult(once)
            self.assertNoResult(items)
            send(arriving.pop(0))
            self.talk.advance(3_000)
        self.assertEqual((len(self.result(once)), len(self.result(items)), len(seen[-1][0])), (9, 9, 9))

    def test_parts_that_do_not_come(self) -> None:
        """If the rest of an answer does not come, what came is given in the end; if it fails, at once."""
        for ends, milliseconds in ((b'{"#":"e","@":"%b","err":"broken"}', 200), (None, 9_000)):
            gun = self.gun()
            line = gun.root._line
            once = gun.get("a").once()
            [asked] = gun.root.nodes._asked
            part = b'{"#":"p%d","@":"%b","%%":"next","put":{"a":{"_":{"#":"a",">":{"b":1}},"b":1}}}'
            line.send(part % (milliseconds, asked.encode()))
            if ends is not None:
                line.send(ends % asked.encode())
            self.talk.advance(milliseconds - 150)
            self.assertNoResult(once)
            self.assertEqual(self.result(once, 200), {"b": 1})

    def test_restless_node(self) -> None:
        """A node that never rests is taken as it is, after a while."""
        gun = self.gun()
        self.result(gun.get("a").put({"b": 0}))
        once = gun.get("a").once(wait=0.1)
        for count in range(RESTLESS):
            self.assertNoResult(once)
            gun.get("a").put({"b": count})
            self.talk.advance(99)
        self.assertEqual(self.result(once, 100), {"b": RESTLESS - 1})

    def test_node_that_is_watched(self) -> None:
        """Of a node that is watched anyway nothing more is to come."""
        gun = self.gun()
        self.result(gun.get("a").put({"b": 1}))
        self.heard(gun.get("a"))
        self.talk.advance(500)
        self.assertEqual(self.result(gun.get("a"), 0), {"b": 1})

    def test_nothing(self) -> None:
        """Without peers it is known at once that there is nothing, on any way."""
        gun = self.gun()
        for chain in (gun.get("a"), gun.get("a").get("b"), gun.get("a").get("b").get("c")):
            calls: list[tuple[Any, str]] = []
            self.assertIsNone(self.result(chain.once(lambda *call, calls=calls: calls.append(call)), 1))
            self.assertEqual(len(calls), 1)
        self.result(gun.get("a").get("b").put("no node"))
        self.assertIsNone(self.result(gun.get("a").get("b").get("c"), 1))

    def test_lack(self) -> None:
        """A peer that says nothing is waited for, for nine seconds, or as long as is said."""
        gun = self.gun()
        node = gun._node
        assert node is not None
        deaf = self.talk.connect("deaf")
        deaf.close()
        node.mesh.meet(deaf.link, node.mesh.dial("ws://deaf.example/"))
        self.talk.advance(1_000)
        once, short = gun.get("a").once(), gun.get("a").once(wait=0.2)
        self.talk.advance(199)
        self.assertNoResult(short)
        self.assertIsNone(self.result(short, 2 + 1000 * LOCAL_SECONDS))
        self.talk.advance(LACK_SECONDS * 1000 - 300)
        self.assertNoResult(once)
        self.assertIsNone(self.result(once, 100))

    def test_cancel(self) -> None:
        """Who waits no more ends the question."""
        gun = self.gun()
        node = gun._node
        assert node is not None
        node.mesh.dial("ws://away.example/")
        once = gun.get("a").once()
        once.cancel()
        self.failureResultOf(once)
        self.talk.advance(10)
        self.assertEqual(len(gun.root.nodes), 0)


class MapTests(BenchTestCase):
    """C{map} and C{set}."""

    def people(self) -> Gun:
        """A client with a set of two nodes and something else."""
        gun = self.gun()
        self.result(gun.get("alice").put({"name": "Alice", "age": 1}))
        self.result(gun.get("bob").put({"name": "Bob"}))
        for item in (gun.get("alice"), {"#": "bob"}, "text"):
            self.result(gun.get("people").set(item))
        return gun

    def test_set(self) -> None:
        """Nodes stand in a set under their souls, anything else under a new key."""
        gun = self.people()
        people = self.result(gun.get("people"))
        self.assertEqual({people.pop("alice")["#"], people.pop("bob")["#"]}, {"alice", "bob"})
        self.assertEqual([*people.values()], ["text"])
        put = gun.get("people").set({"name": "Carol"})
        self.result(put)
        soul = self.result(put.chain.soul())
        self.assertEqual(self.result(gun.get("people").get(soul)), {"name": "Carol"})
        self.result(put.chain.get("age").put(3))
        self.assertEqual(self.result(gun.get(soul).get("age")), 3)

    def test_set_of_prepared(self) -> None:
        """A node that says its soul keeps it; a chain whose soul is to be found is added then."""
        gun = self.gun()
        self.result(gun.get("s").set({"_": {"#": "mine"}, "n": 1}))
        self.result(gun.get("a").put({"b": {"n": 2}}))
        self.result(gun.get("s").set(gun.get("a").get("b")))
        self.assertEqual(self.result(gun.get("s").map()), {"mine": {"n": 1}, "a/b": {"n": 2}})

    def test_on(self) -> None:
        """Each item, now and later; nodes are followed, and what is deleted is C{None}."""
        gun = self.people()
        seen = self.heard(gun.get("people").map())
        self.talk.advance(10)
        found = {key: value for value, key in seen}
        self.assertEqual(found["alice"], {"name": "Alice", "age": 1})
        self.assertEqual(found["bob"], {"name": "Bob"})
        self.assertEqual(len(found), 3)
        del seen[:]
        self.result(gun.get("alice").put({"age": 2}))
        self.result(gun.get("people").get("bob").put(None))
        self.result(gun.get("bob").put({"name": "Robert"}))
        self.result(gun.get("people").set({"_": {"#": "carol"}, "name": "Carol"}))
        self.assertEqual(seen[0], ({"name": "Alice", "age": 2}, "alice"))
        self.assertEqual(seen[1], (None, "bob"))
        self.assertEqual(seen[2:], [({"name": "Carol"}, "carol")])

    def test_further(self) -> None:
        """A way may go on behind a map."""
        gun = self.people()
        self.assertEqual(sorted(value for value, _ in self._names(gun)), ["Alice", "Bob"])
        names = gun.get("people").map().get("name")
        self.assertEqual(self.result(names), {"alice": "Alice", "bob": "Bob"})
        seen: list[str] = []
        names.once(lambda value, key: seen.append(value))
        self.talk.advance(500)
        self.assertEqual(sorted(seen), ["Alice", "Bob"])
        self.result(gun.get("all").set(gun.get("people")))
        every = self.result(gun.get("all").map().map().get("name"))
        self.assertEqual(every, {("people", "alice"): "Alice", ("people", "bob"): "Bob"})
        self.assertEqual(self.result(gun.get("nothing").map()), {})

    def _names(self, gun: Gun) -> list[tuple[Any, str]]:
        seen = self.heard(gun.get("people").map().get("name"))
        self.talk.advance(10)
        return seen

    def test_function(self) -> None:
        """A function says what is told, and nothing where it gives nothing; where it fails, it is logged."""
        gun = self.people()

        def grown(value: Any, key: str) -> Any:
            return value["name"].upper() if value.get("age") else None

        seen = self.heard(gun.get("people").map(grown))
        self.talk.advance(10)
        self.assertEqual(seen, [("ALICE", "alice")])
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        self.assertEqual(gun.counters["client_callbacks_failed"], 1)

    def test_once(self) -> None:
        """C{map().once(callback)}: each item once, also those that come later; awaited, all there are."""
        gun = self.people()
        seen: list[str] = []
        gun.get("people").map().once(lambda value, key: seen.append(key))
        self.talk.advance(200)
        self.assertEqual(len(seen), 3)
        self.result(gun.get("alice").put({"age": 9}))
        self.result(gun.get("people").get("dave").put("late"))
        self.assertEqual(seen[3:], ["dave"])
        gun.get("people").map().off()
        self.result(gun.get("people").get("erin").put("too late"))
        self.assertEqual(len(seen), 4)
        self.assertEqual(self.result(gun.get("people").map())["alice"], {"name": "Alice", "age": 9})


class LexTests(BenchTestCase):
    """LEX."""

    def letters(self) -> Gun:
        """A client with a node of some keys."""
        gun = self.gun()
        self.result(gun.get("n").put({key: key.upper() for key in ("a", "ab", "abc", "b", "c")}))
        return gun

    def test_part(self) -> None:
        """A LEX gives a part of a node."""
        gun = self.letters()
        for lex, keys in (
            ({".": {"*": "ab"}}, ["ab", "abc"]),
            ({"*": "ab"}, ["ab", "abc"]),
            ({".": {">": "ab", "<": "b"}}, ["ab", "abc", "b"]),
            ({".": {"*": ""}, "%": 1}, ["a"]),
            ({".": {"*": "", "-": 1}, "%": 1}, ["c"]),
        ):
            self.assertEqual(sorted(self.result(gun.get("n").get(lex))), keys, lex)

    def test_map(self) -> None:
        """In front of map(), or in it, a LEX selects items, also those that come later."""
        for select in (lambda node: node.get({".": {"*": "ab"}}).map(), lambda node: node.map({"*": "ab"})):
            gun = self.letters()
            chain = select(gun.get("n"))
            seen = self.heard(chain)
            self.talk.advance(10)
            self.assertEqual([key for _, key in seen], ["ab", "abc"])
            del seen[:]
            self.result(gun.get("n").put({"abd": 1, "b": 2}))
            self.assertEqual(seen, [(1, "abd")])
            chain.off()
            self.result(gun.get("n").put({"abd": 3}))
            self.assertEqual(len(seen), 1)

    def test_exact(self) -> None:
        """C{=} is one key."""
        gun = self.letters()
        self.assertEqual(self.result(gun.get("n").get({".": {"=": "ab"}})), {"ab": "AB"})


class CloseTests(BenchTestCase):
    """The end."""

    def test_close(self) -> None:
        """What was put is stored; who waits is told; nothing is left on the clock, and nothing more done."""
        gun = self.gun()
        node = gun._node
        assert node is not None
        node.mesh.dial("ws://away.example/")
        once, deep = gun.get("a").once(), gun.get("a").get("b").get("c").put(1)
        put = gun.get("z").get("y").put(1)
        seen = self.heard(gun.get("a"))
        stream = gun.get("a").stream()
        calls: list[Any] = []
        only_called = gun.get("a").once(lambda *call: calls.append(call))
        closed = gun.close()
        self.failure(once, Closed)
        self.assertNoResult(only_called)
        self.assertEqual(calls, [])
        self.failure(deep, Closed)
        self.assertIsNone(self.successResultOf(put))
        self.successResultOf(closed)
        self.successResultOf(gun.close())
        self.assertFalse(gun.running)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(gun.counters["cells_stored"], 1)
        for use in (
            lambda: gun.get("a").once(),
            lambda: gun.get("a").on(print),
            lambda: gun.get("a").put({"b": 1}),
            lambda: gun.opt(peers="ws://localhost/gun"),
        ):
            self.assertRaises(Closed, use)
        self.assertEqual(seen, [])
        self.assertTrue(stream._ended)

    def test_service(self) -> None:
        """In an application, it ends with that."""
        from twisted.application.service import MultiService

        gun = self.gun()
        application = MultiService()
        gun.setServiceParent(application)
        application.startService()
        self.result(gun.get("a").get("b").put(1))
        self.successResultOf(application.stopService())
        self.assertRaises(Closed, gun.get("a").once)
