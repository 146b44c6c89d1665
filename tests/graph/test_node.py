"""Tests for L{gunnet.graph.node}: puts, checked and taken apart."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.node import InvalidGraph, PutCell, PutRefused, read_put
from gunnet.limits import Limits
from gunnet.wire import jstext
from tests.graph.nodes import LIMITS, SPELLINGS, put_of, put_text
from tests.wire.javascript import VECTORS, json_text

ERROR = "Error: Invalid graph!"
S = 1795375262906


def read(put: Any, limits: Limits = LIMITS) -> list[PutCell]:
    """The cells of a put."""
    return read_put(put.encode() if isinstance(put, str) else json.dumps(put).encode(), limits)


class Refusals(SynchronousTestCase):
    """A test case that can say how a put is refused."""

    def assert_refused(self, put: Any, error: str, limits: Limits = LIMITS) -> None:
        """The whole put is refused with this text."""
        refusal = self.assertRaises(InvalidGraph, read, put, limits)
        self.assertEqual(str(refusal), ERROR + error)
        self.assertIsInstance(refusal, PutRefused)


class ErrorTests(Refusals):
    """Each fault has the text that gun.js makes for it (sections 13.1 to 13.3; trace 13)."""

    def test_no_node(self) -> None:
        """A soul has a node, which is an object."""
        value: Any
        for value in (None, 1, "text", True, [], [1]):
            self.assert_refused({"s": value}, " 's...' no node.")
        self.assert_refused({"a soul with a long name": None}, " 'a soul wi...' no node.")
        self.assert_refused({"": {"_": {"#": "", ">": {"x": 1}}, "x": 1}}, " '...' no node.")

    def test_no_meta(self) -> None:
        """A node has a C{_}, which is an object."""
        self.assert_refused({"s": {"x": 1}}, " 's...' no meta.")
        self.assert_refused({"s": {}}, " 's...' no meta.")
        value: Any
        for value in (None, 1, "v4", [], True):
            self.assert_refused({"s": {"_": value, "x": 1}}, " 's...' no meta.")

    def test_soul_not_same(self) -> None:
        """The soul within is the soul without."""
        value: Any
        for value in ("t", "S", "", None, 5, {"#": "s"}, ["s"]):
            self.assert_refused({"s": {"_": {"#": value, ">": {"x": S}}, "x": 1}}, " 's...' soul not same.")
        self.assert_refused({"s": {"_": {">": {"x": S}}, "x": 1}}, " 's...' soul not same.")
        self.assert_refused({"5": {"_": {"#": 5, ">": {"x": S}}, "x": 1}}, " '5...' soul not same.")

    def test_no_states(self) -> None:
        """There is a table of states."""
        self.assert_refused({"s": {"_": {"#": "s"}, "x": 1}}, " 's...' no state.")
        value: Any
        for value in (None, 1, "text", [], True):
            self.assert_refused({"s": {"_": {"#": "s", ">": value}, "x": 1}}, " 's...' no state.")

    def test_no_state(self) -> None:
        """Each property has a state."""
        self.assert_refused({"s": {"_": {"#": "s", ">": {}}, "x": 1}}, " 'x...' on 's...' no state.")
        self.assert_refused(
            {"s": {"_": {"#": "s", ">": {"y": S}}, "long property name": 1}},
            " 'long prop...' on 's...' no state.",
        )

    def test_bad_state(self) -> None:
        """A state that is no finite number is none."""
        for value in ("null", '"5"', "true", "false", "[]", "[1]", "{}", "1e400", "-1e400", "1" + "0" * 309):
            put = f'{{"s":{{"_":{{"#":"s",">":{{"x":{value}}}}},"x":1}}}}'
            self.assert_refused(put, " 'x...' on 's...' no state.")

    def test_good_states(self) -> None:
        """Negative states, zero, fractions, huge ones and whatever a double can be are states."""
        for text in (
            "0",
            "-0",
            "-5",
            "-1.5",
            "1795374119540.001",
            "1e3",
            "1.0",
            "5e-324",
            "1e308",
            "123456789012345678901234567890",
            "9007199254740993",
        ):
            ((_, _, state, _),) = read(f'{{"s":{{"_":{{"#":"s",">":{{"x":{text}}}}},"x":1}}}}')
            self.assertIs(type(state), float)
            self.assertEqual(state, float(text))

    def test_bad_value(self) -> None:
        """A value that is neither plain nor a link is refused with what it was."""
        for value, error in (
            ({"a": 1}, "bad object '[object O...' "),
            ({}, "bad object '[object O...' "),
            ([], "bad object '...' "),
            ([1], "bad object '1...' "),
            ([1, "a", [2, 3]], "bad object '1,a,2,3...' "),
            ({"#": "t", "y": 1}, "bad object '[object O...' "),
            ({"#": ""}, "bad object '[object O...' "),
            ({"#": 5}, "bad object '[object O...' "),
            ({"#": None}, "bad object '[object O...' "),
            ({"#": {"*": "x"}}, "bad object '[object O...' "),
        ):
            self.assert_refused(put_of({"s": {"x": value}}), f" 'x...' on 's...' {error}")
        for text, name in (("1e400", "Infinity"), ("-1e400", "-Infinity"), ("-" + "9" * 400, "-Infinity")):
            put = put_text("s", [("x", S, text)]).decode()
            self.assert_refused(put, f" 'x...' on 's...' bad number '{name[:9]}...' ")

    def test_not_a_graph(self) -> None:
        """What is no graph at all is refused; the single form is one node short."""
        self.assert_refused('"text"', " 'text...' no node.")
        self.assert_refused("5", " '5...' no node.")
        self.assert_refused("[1]", " '1...' no node.")
        self.assert_refused("null", " 'null...' no node.")
        self.assert_refused("1e400", " 'Infinity...' no node.")
        self.assert_refused({"#": "s", ".": "x", ":": 1, ">": S}, " '#...' no node.")
        for text in (
            "{",
            "",
            "{NaN}",
            '{"s":NaN}',
            '{"s":{"_":{"#":"s",">":{"x":1}},"x":"\n"}}',
            "1" * 5_000,
        ):
            self.assert_refused(text, " not JSON.")

    def test_nothing(self) -> None:
        """A put without properties is none, and no fault."""
        self.assertEqual(read({}), [])
        self.assertEqual(read({"s": {"_": {"#": "s", ">": {}}}}), [])
        self.assertEqual(read({"s": {"_": {"#": "s", ">": {"x": None, "y": "?"}}}}), [])

    def test_whole_put(self) -> None:
        """One fault anywhere refuses all, also when it comes last or after good nodes (section 13.2)."""
        good = {"_": {"#": "mix", ">": {"a": S, "b": S, "c": S}}, "a": 1, "b": 2, "c": 3}
        self.assertEqual(len(read({"mix": good})), 3)
        for key in "abc":
            self.assert_refused(
                {"mix": {**good, key: {"no": 1}}}, f" '{key}...' on 'mix...' bad object '[object O...' "
            )
        self.assert_refused({"mix": good, "t": None}, " 't...' no node.")
        self.assert_refused({"t": {"x": 1}, "mix": good}, " 't...' no meta.")

    def test_first_fault(self) -> None:
        """The first fault in the order of the message is told."""
        bad = {"_": {"#": "s", ">": {"x": S, "z": S}}, "x": [], "y": 1, "z": {}}
        self.assert_refused({"s": bad}, " 'x...' on 's...' bad object '...' ")
        self.assert_refused({"t": None, "s": bad}, " 't...' no node.")

    def test_deep(self) -> None:
        """However deep a value is nested, the put is refused as any other."""
        for depth in [*range(100, 1_100, 50), 5_000]:
            for nested in ("[" * depth + "]" * depth, '{"#":' * depth + '"a"' + "}" * depth):
                put = f'{{"s":{{"_":{{"#":"s",">":{{"x":1}}}},"x":{nested}}}}}'
                self.assertRaises(InvalidGraph, read, put)


class ValueTests(Refusals):
    """What may be a value."""

    def test_recorded(self) -> None:
        """Each value that gun.js was asked about is taken or refused as it did."""
        cases = VECTORS["valid"]["cases"]
        self.assertEqual(len(cases), 17)
        for case in cases:
            put = put_of({"s": {"k": case["value"]}})
            if case["out"] is True:
                self.assertEqual(read(put), [("s", "k", 1.0, jstext.stringify(case["value"]))])
            elif case["out"]:
                self.assertEqual(read(put), [("s", "k", 1.0, jstext.stringify({"#": case["out"]}))])
            else:
                self.assertRaises(InvalidGraph, read, put)
        for name in VECTORS["valid"]["not_json"]:
            self.assertRaises(InvalidGraph, read, f'{{"s":{{"_":{{"#":"s",">":{{"x":1}}}},"x":{name}}}}}')

    def test_spellings(self) -> None:
        """Values are taken in the one form that JavaScript writes."""
        for text in SPELLINGS:
            ((_, _, _, value),) = read(put_text("s", [("k", 1, text)]).decode())
            self.assertEqual(value, json_text(json.loads(text)).encode())

    def test_order(self) -> None:
        """The cells come in the order of the message."""
        put = '{"b":{"_":{"#":"b",">":{"z":1,"a":2}},"z":1,"a":2},"a":{"y":3,"_":{">":{"y":3},"#":"a"}}}'
        self.assertEqual(read(put), [("b", "z", 1, b"1"), ("b", "a", 2, b"2"), ("a", "y", 3, b"3")])

    def test_twice(self) -> None:
        """Of a name that stands there twice the last counts: soul, meta, key, state and link."""
        meta = '"_":{"#":"t","#":"s",">":{"x":7},">":{"x":1,"x":2}}'
        put = f'{{"s":null,"s":{{"_":null,{meta},"x":[],"x":{{"#":1,"#":"l"}}}}}}'
        self.assertEqual(read(put), [("s", "x", 2.0, b'{"#":"l"}')])
        put = put.replace('"l"', '"l\\ud800"')
        self.assertEqual(read(put), [("s", "x", 2.0, b'{"#":"l\\ud800"}')])

    def test_extra_meta(self) -> None:
        """What else stands in C{_} is not minded."""
        put = {"s": {"_": {"#": "s", ">": {"x": 1}, "put": [1], "": None}, "x": 1}}
        self.assertEqual(read(put), [("s", "x", 1.0, b"1")])


class NameTests(Refusals):
    """Souls and keys are any text (sections 12.1, 29.42)."""

    def test_poison(self) -> None:
        """Names that are something else in other languages are names here."""
        for name in (
            "__proto__",
            "constructor",
            "toString",
            "hasOwnProperty",
            "#",
            ">",
            ".",
            "undefined",
            "null",
            "0",
        ):
            put = put_of({name: {name: "v0"}}, S)
            self.assertEqual(read(put), [(name, name, float(S), b'"v0"')])

    def test_characters(self) -> None:
        """Control characters, separators of other stores, lone surrogates and all planes are taken."""
        for name in (
            "\x00",
            "a\x00b",
            "\x1b",
            "p\x1bq",
            "\x1f",
            "\n",
            "/",
            "..",
            " ",
            "\ud800",
            "\U0001f600",
            "\uffff",
        ):
            self.assertEqual(read(put_of({name: {name: 1}})), [(name, name, 1.0, b"1")])

    def test_reserved(self) -> None:
        """C{_} can't be a key, and neither can the empty text."""
        self.assert_refused({"pk": {"_": "v4"}}, " 'pk...' no meta.")
        put = {"pk": {"_": {"#": "pk", ">": {"a": S, "": S}}, "a": 1, "": "v3"}}
        self.assert_refused(put, " '...' on 'pk...' 0 length key!")
        self.assertEqual(read(put_of({"_": {"__": 1}})), [("_", "__", 1.0, b"1")])

    def test_longest(self) -> None:
        """A soul and a key of L{Limits.name_bytes} are taken, one byte more is not, however it is made up."""
        for letter, size in (("x", 1), ("é", 2), ("☃", 3), ("\ud800", 3), ("\U0001f600", 4)):
            longest = letter * (4_096 // size) + "x" * (4_096 % size)
            for soul, key in ((longest, "k"), ("s", longest), (longest, longest)):
                self.assertEqual(read(put_of({soul: {key: 1}})), [(soul, key, 1.0, b"1")])
            error = f"name of 4097 bytes, limit {LIMITS.name_bytes}."
            for more in (longest + "x", "x" + longest):
                self.assert_refused(put_of({more: {"k": 1}}), f" 'k...' on '{more[:9]}...' {error}")
                self.assert_refused(put_of({"s": {more: 1}}), f" '{more[:9]}...' on 's...' {error}")
                self.assert_refused(put_of({"s": {"a": 1, more: 1}}), f" '{more[:9]}...' on 's...' {error}")

    def test_very_long(self) -> None:
        """Names of 100 kB are refused with a short text."""
        for letter in ("x", "\U0001f600"):
            name = letter * 100_000
            for nodes in ({name: {"k": 1}}, {"s": {name: 1}}):
                refusal = self.assertRaises(InvalidGraph, read, put_of(nodes))
                self.assertLess(len(str(refusal)), 120)

    def test_other_limit(self) -> None:
        """The limit is the one that is set."""
        limits = Limits(name_bytes=10)
        self.assertEqual(len(read(put_of({"x" * 10: {"y" * 10: 1}}), limits)), 1)
        for nodes in ({"x" * 11: {"y": 1}}, {"x": {"é" * 6: 1}}, {"x": {"\U0001f600" * 3: 1}}):
            self.assertRaises(InvalidGraph, read, put_of(nodes), limits)

    def test_cells_bound(self) -> None:
        """L{Limits.put_cells} properties are taken in one put, over all its nodes, and not one more."""
        limits = Limits(put_cells=5)
        nodes = {"s": dict.fromkeys("abc", 1), "t": dict.fromkeys("ab", 1)}
        self.assertEqual(len(read(put_of(nodes), limits)), 5)
        nodes["t"]["c"] = 1
        self.assert_refused(put_of(nodes), " 6 properties in one put, limit 5.", limits)
        many = put_of({"s": {f"k{number}": 1 for number in range(LIMITS.put_cells + 1)}})
        self.assert_refused(many, " 50001 properties in one put, limit 50000.")
