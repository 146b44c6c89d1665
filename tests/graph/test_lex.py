"""Tests for L{gunnet.graph.lex}: what a get asks for."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.lex import ALL, ONE, Query, Span, cost, read_get, write_get
from gunnet.limits import Limits
from gunnet.store.layout import bounds
from gunnet.wire import jstext
from tests.graph.nodes import LIMITS
from tests.wire.javascript import VECTORS, checked, joined, json_text, json_values, texts, units

EVERYTHING: tuple[Any, ...] = ({"*": ""}, {}, {"-": 1}, {"%": 5})
"""LEX objects that match nothing in clients and mean every name to a relay (section 14.6)."""

DEVIATIONS: dict[str, bool] = {
    # Prefix and range both hold here; the client's match leaves the range out.
    '{"*":"app",">":"b"}': False,
    # "*" overrides "=", as in a relay's storage.
    '{"=":"x","*":"app"}': True,
    '{"=":"","*":"app"}': True,
}

CHANGES = st.text("ab\ud83d\ude00\ue000\U0001f600", max_size=3).map(joined)
"""Names that are alike, with halves of characters among them."""


def slowly_holds(span: Span, name: str) -> bool:
    """What L{Span.holds} says, unit by unit."""
    place = units(name)
    if place[: len(units(span.prefix))] != units(span.prefix):
        return False
    if span.first is not None and units(span.first) > place:
        return False
    return span.last is None or place <= units(span.last)


class SpanTests(SynchronousTestCase):
    """Runs of names."""

    def test_all(self) -> None:
        """Every name is in the span of all."""
        for name in ("", "a", "\x00", "\uffff", "\U0010ffff", "\ud800"):
            self.assertTrue(ALL.holds(name))

    def test_bounds(self) -> None:
        """Both ends are inclusive, and in UTF-16 order."""
        span = Span(first="b", last="d")
        self.assertEqual(
            [name for name in ("a", "b", "ba", "c", "d", "da", "e") if span.holds(name)],
            ["b", "ba", "c", "d"],
        )
        span = Span(first="\U0001f600", last="\ue000")
        self.assertTrue(span.holds("\U0010ffff"))
        self.assertTrue(span.holds("\ue000"))
        self.assertFalse(span.holds("\uffff"))
        self.assertFalse(Span(first="b", last="a").holds("a"))

    def test_half_a_character(self) -> None:
        """A prefix that ends within a character holds the names that go on with its other half."""
        self.assertTrue(Span("x\ud83d").holds("x\U0001f600"))
        self.assertFalse(Span("x\ud83d").holds("x\U0010ffff"))
        self.assertTrue(Span("x\ud83d").holds("x\ud83dy"))

    @checked
    @given(CHANGES, CHANGES, st.none() | CHANGES, st.none() | CHANGES)
    def test_any(self, name: str, prefix: str, first: str | None, last: str | None) -> None:
        """Any span holds what the slow truth says, and stores, which seek in order keys, find the same."""
        for span in (Span(prefix, first, last), Span(prefix), Span("", first, last)):
            held = span.holds(name)
            self.assertEqual(held, slowly_holds(span, name))
            low, high = bounds(span)
            self.assertEqual(held, low <= jstext.order_key(name) < high)


class CostTests(SynchronousTestCase):
    """What a value takes of a budget."""

    def test_some(self) -> None:
        """A string costs its UTF-16 length, everything else nine."""
        for text, units_cost in {
            '""': 0,
            '"v-apple"': 7,
            '"é☃"': 2,
            '"\U0001f600"': 2,
            '"\\ud800"': 1,
            '"\\n\\"\\\\"': 3,
            '"\\u0000"': 1,
            "null": 9,
            "true": 9,
            "false": 9,
            "0": 9,
            "1795374119540.001": 9,
            '{"#":"a long soul, longer than nine"}': 9,
        }.items():
            self.assertEqual(cost(text.encode()), units_cost, text)

    @checked
    @given(texts(max_size=20))
    def test_any_text(self, text: str) -> None:
        """So it is for any text."""
        self.assertEqual(cost(jstext.string(text)), len(units(text)) // 2)


class MatchTests(SynchronousTestCase):
    """What clients match."""

    def test_recorded(self) -> None:
        """Names match as in C{String.match} of gun.js, but for L{DEVIATIONS} and L{EVERYTHING}."""
        deviations = 0
        for case in VECTORS["match"]["cases"]:
            text, lex, expected = case["text"], case["lex"], case["out"]
            if not isinstance(text, str) or not text:
                continue
            query = read_get({"#": "s", ".": lex, "%": 1_000}, LIMITS)
            assert query is not None
            wanted = DEVIATIONS.get(json_text(lex), True if lex in EVERYTHING else expected)
            deviations += wanted != expected
            self.assertEqual(_selects(query, text), wanted, case)
        self.assertEqual(deviations, 7)


class ReadGetTests(SynchronousTestCase):
    """Questions of every form (section 14.1)."""

    def ask(self, get: str) -> Query | None:
        """Read a question."""
        return read_get(json.loads(get), LIMITS)

    def test_plain(self) -> None:
        """A soul alone asks for the whole node, a soul with a key for one property."""
        for get in (
            '{"#":"s"}',
            '{"#":"s",".":""}',
            '{"#":"s",".":null}',
            '{"#":"s",".":5}',
            '{"#":"s",".":true}',
            '{"#":"s",".":["x"]}',
            '{"#":{"=":"s"}}',
            '{"#":"s","-":1}',
            '{"#":"s","%":0}',
            '{"#":"s","%":"x"}',
        ):
            query = self.ask(get)
            self.assertEqual(query, Query("s"), get)
            assert query is not None
            self.assertTrue(query.is_whole_node)
        for get in (
            '{"#":"s",".":"k"}',
            '{"#":{"=":"s"},".":"k"}',
            '{"#":"s",".":{"=":"k"}}',
            '{"#":"s",".":"k","%":5}',
        ):
            query = self.ask(get)
            self.assertEqual(query, Query("s", key="k"), get)
            assert query is not None
            self.assertFalse(query.is_whole_node)

    def test_nonsense(self) -> None:
        """A question without a usable soul is a miss (trace 26)."""
        for get in (
            "{}",
            "null",
            '"uf"',
            '{"#":""}',
            '{"#":5}',
            '{"#":null}',
            '{".":"x"}',
            "[]",
            "5",
            "true",
            '{"#":[]}',
            '{"#":true}',
            '{"#":{}}',
            '{"#":{"=":""}}',
            '{"#":{"-":1}}',
            '{"#":{"%":5}}',
            '{"#":{"=":null}}',
            '{"#":["s"]}',
        ):
            self.assertIsNone(self.ask(get), get)

    def test_traces(self) -> None:
        """Each question of the recorded conversations 06, 07, 22 and 38 is read as what was meant."""
        every = Span()
        for get, query in {
            # 06
            '{"#":"fruit",".":{"*":"ap"}}': Query("fruit", keys=Span("ap"), budget=ONE),
            '{"#":"fruit",".":{"*":"ap"},"%":1000}': Query("fruit", keys=Span("ap"), budget=1000),
            '{"#":"fruit",".":{"=":"banana"}}': Query("fruit", key="banana"),
            '{"#":"fruit",".":{">":"b","<":"d"}}': Query("fruit", keys=Span("", "b", "d"), budget=ONE),
            '{"#":"fruit",".":{">":"b","<":"d"},"%":99}': Query("fruit", keys=Span("", "b", "d"), budget=99),
            '{"#":"fruit",".":{">":"c"},"%":1000}': Query("fruit", keys=Span("", "c"), budget=1000),
            '{"#":"fruit",".":{"<":"c"},"%":1000}': Query("fruit", keys=Span("", None, "c"), budget=1000),
            '{"#":"fruit",".":{"*":"b",">":"bl"},"%":99}': Query("fruit", keys=Span("b", "bl"), budget=99),
            '{"#":"fruit",".":{"*":""},"%":1000}': Query("fruit", keys=every, budget=1000),
            '{"#":"fruit",".":{"*":""},"%":20}': Query("fruit", keys=every, budget=20),
            '{"#":"fruit",".":{"*":"","-":1},"%":20}': Query("fruit", keys=every, budget=20, reverse=True),
            '{"#":"fruit",".":{">":"b","<":"d","-":1},"%":1000}':
                Query("fruit", keys=Span("", "b", "d"), budget=1000, reverse=True),
            '{"#":"fruit","-":1,".":{"*":""},"%":10}': Query("fruit", keys=every, budget=10, reverse=True),
            '{"#":"fruit","%":20}': Query("fruit", budget=20),
            '{"#":"fruit","%":20,"-":1}': Query("fruit", budget=20, reverse=True),
            '{"#":"fruit",".":{"*":""},"%":100001}': Query("fruit", budget=100_000),
            '{"#":"fruit",".":{"*":""},"%":"50"}': Query("fruit", budget=50),
            '{"#":"fruit",".":{}}': Query("fruit"),
            '{"#":"fruit",".":{},"%":1000}': Query("fruit", budget=1000),
            '{"#":"fruit",".":{"*":"ap","%":1000}}': Query("fruit", keys=Span("ap"), budget=ONE),
            # 07
            '{"#":{"*":"chat/"}}': Query(None, souls=Span("chat/"), budget=ONE),
            '{"#":{"*":"chat/"},"%":1000}': Query(None, souls=Span("chat/"), budget=1000),
            '{"#":{"*":"chat/","-":1},"%":10}': Query(None, souls=Span("chat/"), budget=10, reverse=True),
            '{"#":{">":"chat/2","<":"dog"},"%":9}': Query(None, souls=Span("", "chat/2", "dog"), budget=9),
            '{"#":{">":"d"},"%":1000}': Query(None, souls=Span("", "d"), budget=1000),
            '{"#":{"<":"chat/2"},"%":1000}': Query(None, souls=Span("", None, "chat/2"), budget=1000),
            '{"#":{"=":"dog"}}': Query("dog"),
            '{"#":{"=":"dog"},".":"who"}': Query("dog", key="who"),
            '{"#":{"*":"chat/"},".":"who","%":1000}': Query(None, souls=Span("chat/"), budget=1000),
            '{"#":{"*":""},"%":1000}': Query(None, souls=every, budget=1000),
            '{"#":{"=":"dog"},".":{"*":"w"}}': Query("dog", keys=Span("w"), budget=ONE),
            # 38
            '{"#":"pr",".":{"*":"ap",">":"apr"},"%":1000}': Query("pr", keys=Span("ap", "apr"), budget=1000),
            '{"#":"pr",".":{"*":"a","<":"pz"},"%":99}': Query("pr", keys=Span("a", None, "pz"), budget=99),
            '{"#":"pr",".":{"=":"apple","*":"b"},"%":1000}': Query("pr", keys=Span("b"), budget=1000),
            '{"#":"pr",".":{">":"apricot","<":"apricot"},"%":1000}':
                Query("pr", keys=Span("", "apricot", "apricot"), budget=1000),
            '{"#":"pr",".":{"*":5},"%":1000}': Query("pr", keys=Span("5"), budget=1000),
            '{"#":"pr",".":{"*":null},"%":1000}': Query("pr", budget=1000),
            '{"#":"pr",".":{"*":null}}': Query("pr", budget=ONE),
            '{"#":"pr",".":{"=":""},"%":1000}': Query("pr", budget=1000),
            '{"#":"pr",".":{"=":""}}': Query("pr"),
            '{"#":"pr",".":{"-":1},"%":1000}': Query("pr", budget=1000, reverse=True),
            '{"#":"pr",".":{"-":1}}': Query("pr"),
        }.items():  # fmt: skip
            self.assertEqual(self.ask(get), query, get)

    def test_numbers_as_names(self) -> None:
        """A number in a LEX is read as JavaScript writes it; one that JSON can't say bounds nothing."""
        self.assertEqual(self.ask('{"#":{"=":5.0}}'), Query("5"))
        self.assertEqual(self.ask('{"#":"s",".":{"=":1e21}}'), Query("s", key="1e+21"))
        self.assertEqual(
            self.ask('{"#":"s",".":{">":1,"<":2.50},"%":9}'), Query("s", keys=Span("", "1", "2.5"), budget=9)
        )
        for huge in ("1e400", "1" + "0" * 400):
            self.assertEqual(self.ask(f'{{"#":"s",".":{{"<":{huge}}},"%":9}}'), Query("s", budget=9))
        self.assertEqual(self.ask('{"#":"s",".":{"*":true},"%":9}'), Query("s", budget=9))

    def test_budgets(self) -> None:
        """C{%} is a number above zero, or text of one; more than the limit is cut down to it."""
        for text, budget in {
            "1": 1.0,
            "0.5": 0.5,
            "100000": 1e5,
            "100001": 1e5,
            "1e400": 1e5,
            "1" + "0" * 400: 1e5,
            '"7"': 7.0,
            '"7.5"': 7.5,
            '" 8 "': 8.0,
            '"1e3"': 1e3,
            "0": None,
            "-1": None,
            "-1e400": None,
            '""': None,
            '"x"': None,
            '"-3"': None,
            '"NaN"': None,
            "true": None,
            "null": None,
            "[]": None,
            "{}": None,
            '"' + "9" * 5_000 + '"': 1e5,
        }.items():
            self.assertEqual(self.ask(f'{{"#":"s","%":{text}}}'), Query("s", budget=budget), text)
        query = read_get({"#": "s", "%": 1_000}, Limits(lex_characters=50))
        self.assertEqual(query, Query("s", budget=50))

    def test_reverse_needs_a_budget(self) -> None:
        """Without a budget there is no end to begin from; a soul LEX always has one."""
        self.assertEqual(
            self.ask('{"#":"s",".":{"-":1,"*":"a"}}'), Query("s", keys=Span("a"), budget=ONE, reverse=True)
        )
        self.assertEqual(
            self.ask('{"#":{"*":"a"},"-":1}'), Query(None, souls=Span("a"), budget=ONE, reverse=True)
        )
        self.assertEqual(self.ask('{"#":"s","-":1,".":{}}'), Query("s"))

    @checked
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "#": json_values(max_leaves=3)
                | texts()
                | st.dictionaries(st.sampled_from("=*><-%"), json_values(max_leaves=2)),
                ".": json_values(max_leaves=3)
                | texts()
                | st.dictionaries(st.sampled_from("=*><-%"), json_values(max_leaves=2)),
                "%": json_values(max_leaves=2),
                "-": json_values(max_leaves=2),
            },
        )
        | json_values()
    )
    def test_anything(self, get: Any) -> None:
        """Whatever is asked is a question that can be answered, or a miss."""
        query = read_get(get, LIMITS)
        if query is None:
            return
        self.assertNotEqual(query.soul, "")
        self.assertNotEqual(query.key, "")
        if query.soul is None:
            self.assertIsNone(query.key)
            self.assertIsNotNone(query.budget)
        else:
            self.assertEqual(query.souls, ALL)
        if query.key is not None:
            self.assertEqual((query.keys, query.budget, query.reverse), (ALL, None, False))
        if query.budget is None:
            self.assertFalse(query.reverse)
        else:
            self.assertTrue(0 <= query.budget <= LIMITS.lex_characters)
        self.assertEqual(query, read_get(jstext.parse(write_get(query)), LIMITS))


class WriteGetTests(SynchronousTestCase):
    """What is asked of others; that it reads the same is looked at above."""

    def test_some(self) -> None:
        """The texts, in the order in which gun.js would have the fields."""
        for query, text in (
            (Query("s"), '{"#":"s"}'),
            (Query("s", budget=500.0, reverse=True), '{"#":"s","%":500,"-":1}'),
            (Query('"', key="é"), '{"#":"\\"",".":"é"}'),
            (Query("s", keys=Span("a", "b", "c"), budget=ONE), '{"#":"s",".":{"*":"a",">":"b","<":"c"}}'),
            (Query("s", budget=ONE), '{"#":"s",".":{"*":""}}'),
            (Query(None, Span("a"), budget=9.0), '{"#":{"*":"a"},"%":9}'),
            (Query(None, ALL, budget=ONE), '{"#":{"*":""}}'),
        ):
            self.assertEqual(text.encode("utf-8"), write_get(query))
            self.assertEqual(query, read_get(jstext.parse(write_get(query)), LIMITS))

    def test_no_budget(self) -> None:
        """Spans without a budget can't be asked for; what is read asks for one name of them."""
        for query in (Query("s", keys=Span("a")), Query(None, Span(first="a", last=""))):
            read = read_get(jstext.parse(write_get(query)), LIMITS)
            self.assertEqual(Query(query.soul, query.souls, keys=query.keys, budget=ONE), read)


def _selects(query: Query, key: str) -> bool:
    """Whether C{query} asks for a property."""
    return key == query.key if query.key is not None else query.keys.holds(key)
