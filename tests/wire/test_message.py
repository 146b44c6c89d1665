"""Tests for L{gunnet.wire.message}: frames taken apart, messages read, and put together again."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.wire import jstext, message
from gunnet.wire.message import NOTHING, Message, read, rewrite, split
from tests.wire.javascript import checked, json_values, same, texts

WIRE_NAMES = {field.encode_name: field.name for field in msgspec.structs.fields(Message)}
RAW = ("put", "get", "ok", "err", "DBG", "_", "$")


def values(read_message: Message) -> dict[str, Any]:
    """The fields of a message by wire name, raw ones parsed, those that are missing left out."""
    found = {}
    for wire_name, name in WIRE_NAMES.items():
        value = getattr(read_message, name)
        if isinstance(value, msgspec.Raw):
            if value:
                found[wire_name] = jstext.parse(bytes(value))
        elif value is not None:
            found[wire_name] = value
    return found


def fields_of(value: dict[str, Any]) -> dict[str, Any]:
    """What L{values} should give for a message."""
    return {
        name: value[name] for name in WIRE_NAMES if name in value and (name in RAW or value[name] is not None)
    }


def messages() -> st.SearchStrategy[dict[str, Any]]:
    """Objects with fields that messages have and fields that they have not, and anything in them."""
    names = st.sampled_from(list(WIRE_NAMES)) | st.sampled_from(["id", "FOO", "", "__proto__"]) | texts()
    return st.dictionaries(names, json_values(max_leaves=4), max_size=6)


def has_infinity(text: bytes) -> bool:
    """Whether a JSON text has a number that is too large for a double."""
    numbers: list[float] = []
    try:
        json.loads(text, parse_float=lambda digits: numbers.append(float(digits)))
    except ValueError:
        return False
    return any(map(math.isinf, numbers))


class ReadTests(SynchronousTestCase):
    """One message is read into the fields that a relay acts on."""

    def test_fields(self) -> None:
        """Each field of the envelope finds its place."""
        text = (
            b'{"#":"id1","@":"id0","##":-5,"><":"a,b","put":{"s": 1},"get":{"#":"s"},"ok":{"@":9,"/":2},'
            b'"err":"no","dam":"?","pid":"p","NTS":1,"nts":true}'
        )
        got, forward = read(text)
        self.assertEqual(forward, text)
        self.assertEqual((got.id, got.re, got.digest, got.told), ("id1", "id0", -5, "a,b"))
        self.assertEqual((got.dam, got.pid, got.private, got.private_too), ("?", "p", 1, True))
        self.assertEqual(bytes(got.put), b'{"s": 1}')
        self.assertEqual(bytes(got.get), b'{"#":"s"}')
        self.assertEqual(bytes(got.ok), b'{"@":9,"/":2}')
        self.assertEqual(bytes(got.err), b'"no"')

    def test_nothing(self) -> None:
        """An object without fields is a message; what is missing is L{None} or empty."""
        got, text = read(b"{}")
        self.assertEqual(text, b"{}")
        for name in WIRE_NAMES.values():
            self.assertFalse(getattr(got, name))
        self.assertIs(type(got.put), type(NOTHING))

    def test_unknown_fields(self) -> None:
        """What is not known stays in the text, in its place and spelling."""
        text = b'{"#":"a","zeta": 1.0 ,"alpha":{"b":1,"a":[3,1]},"opt":{"cert":"c"},"put":{"uf":{}}}'
        got, forward = read(text)
        self.assertEqual(forward, text)
        self.assertEqual(values(got), {"#": "a", "put": {"uf": {}}})

    def test_private_fields(self) -> None:
        """C{_}, C{$} and C{DBG} go, whatever is in them; all the rest stays, in order."""
        for name in ("_", "$", "DBG"):
            for value in ("1", "null", "false", '""', '{"s":[1]}'):
                text = f'{{"b":1,"{name}":{value},"#":"a","é":{{"{name}":2}}}}'
                got, forward = read(text.encode())
                self.assertEqual(forward.decode(), f'{{"b":1,"#":"a","é":{{"{name}":2}}}}')
                self.assertEqual(got.id, "a")

    def test_odd_types(self) -> None:
        """Any JSON value may stand in any field: reading takes it as it is."""
        for value in (None, True, False, 0, -1, 1.5, 10**25, "", "x", "\ud800", [], [1], {}, {"a": 1}):
            for wire_name, name in WIRE_NAMES.items():
                got, _ = read(json.dumps({wire_name: value, "x": 1}).encode())
                found = getattr(got, name)
                if isinstance(found, msgspec.Raw):
                    found = jstext.parse(bytes(found))
                self.assertTrue(same(found, value), (wire_name, value, found))

    def test_twice(self) -> None:
        """Of a field that stands there twice the last counts."""
        for extra in ("", ',"x":"\\ud800"'):
            got, _ = read(f'{{"#":"a","put":1,"#":"b","put":[2]{extra}}}'.encode())
            self.assertEqual((got.id, bytes(got.put)), ("b", b"[2]"))

    def test_names_of_attributes(self) -> None:
        """Only the wire's names count, not those that the fields have here."""
        for extra in ("", ',"x":"\\ud800"'):
            text = '{"id":"a","re":"b","digest":1,"told":"c","trace":1,"meta":1,"chain":1' + extra + "}"
            got, forward = read(text.encode())
            self.assertEqual(values(got), {})
            self.assertEqual(forward, text.encode())

    def test_lone_surrogates(self) -> None:
        """A lone surrogate anywhere is no fault, and travels on escaped."""
        text = '{"#":"\\ud83d","put":{"a\\udc00":"\\ude00é"},"\\ud800":"\\ud83d\\ude00"}'
        got, forward = read(text.encode())
        self.assertEqual(got.id, "\ud83d")
        self.assertEqual(jstext.parse(bytes(got.put)), {"a\udc00": "\ude00é"})
        self.assertEqual(
            forward.decode(), '{"#":"\\ud83d","put":{"a\\udc00":"\\ude00é"},"\\ud800":"\U0001f600"}'
        )
        self.assertEqual(jstext.parse(rewrite(forward, {"><": b'"a"'})), {**jstext.parse(forward), "><": "a"})

    def test_refused(self) -> None:
        """What JavaScript would not parse, and a number that JSON can't say again, is refused."""
        for text in (
            b"{",
            b"{bad}",
            b"{]",
            b'{"a":}',
            b'{"#":"m","get":{"#":"x"}',
            b'{"#":"m","get":{"#":"x"}}}',
            b'{"#":"m","get":{"#":"x"},}',
            b'{"#":"m" "get":{"#":"x"}}',
            b'{"#":"m","get":{"#":"x","%":12abc}}',
            b'{"x":NaN}',
            b'{"put":{"s":-Infinity}}',
            b'{"#":"a\nb"}',
            b'{"x":"\x1f"}',
            b'{"x":"\\x"}',
            b"{} {}",
            b"\xef\xbb\xbf{}",
            b'{"#":"\xff"}',
            b'{"#":1e400}',
            b'{"#":' + b"1" * 5_000 + b"}",
            b'{"x":' * 100_000 + b"1" + b"}" * 100_000,
            b'{"x":"\\ud800","y":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        ):
            self.assertRaises(jstext.NotJSON, read, text)

    def test_deep(self) -> None:
        """However deep it is nested, a message is read or refused, on both ways."""
        refused = 0
        for depth in range(100, 1_100, 50):
            nested = b"[" * depth + b"]" * depth
            for text in (
                b'{"x":%b}',
                b'{"x":"\\ud800","put":%b}',
                b'{"_":1,"x":%b}',
                b'{"_":1,"\\ud800":%b}',
            ):
                try:
                    _, forward = read(text % nested)
                except jstext.NotJSON:
                    refused += 1
                else:
                    self.assertIn(nested, forward)
        self.assertGreater(refused, 0)

    @checked
    @given(messages(), st.booleans())
    def test_fast_and_slow(self, fields: dict[str, Any], ascii_only: bool) -> None:
        """Both ways to read give the same fields and the same text to forward."""
        text = json.dumps(fields).encode() if ascii_only else jstext.stringify(fields)
        fast, fast_text = read(text)
        slow, slow_text = message._read_slowly(text)
        wanted = fields_of(jstext.parse(text))
        self.assertTrue(same(values(fast), wanted))
        self.assertTrue(same(values(slow), wanted))
        kept = {name: value for name, value in jstext.parse(text).items() if name not in ("_", "$", "DBG")}
        self.assertTrue(same(jstext.parse(fast_text), kept))
        self.assertTrue(same(jstext.parse(rewrite(slow_text, {})), kept))

    def test_infinity(self) -> None:
        """A number that JavaScript reads as infinity is no value of a field, and passed on elsewhere."""
        self.assertRaises(jstext.NotJSON, read, b'{"#":1e999}')
        text = b'{"#":"a","x":1e999}'
        self.assertEqual(read(text)[1], text)

    @checked
    @given(messages(), st.data())
    def test_broken(self, fields: dict[str, Any], data: st.DataObject) -> None:
        """With a character changed, both ways refuse or both read the same."""
        whole = jstext.stringify(fields).decode("utf-8")
        at = data.draw(st.integers(1, len(whole) - 1))
        put = data.draw(
            st.sampled_from(['"', "\\", "{", "}", "[", "]", ",", ":", "7", "-", ".", "\n", " ", ""])
        )
        text = (whole[:at] + put + whole[at + 1 :]).encode()
        try:
            slow, slow_text = message._read_slowly(text)
        except jstext.NotJSON:
            if has_infinity(text):  # as 1e999, which is JSON: where nobody looks at it, it may be passed on
                with contextlib.suppress(jstext.NotJSON):
                    json.loads(read(text)[1])
            else:
                self.assertRaises(jstext.NotJSON, read, text)
        else:
            fast, fast_text = read(text)
            self.assertTrue(same(values(fast), values(slow)))
            self.assertTrue(same(jstext.parse(fast_text), jstext.parse(rewrite(slow_text, {}))))


class RewriteTests(SynchronousTestCase):
    """A message is put together again with some fields changed."""

    def test_changes(self) -> None:
        """A field that is there is replaced in its place, another is added, the rest keeps its spelling."""
        text = b'{ "#":"a", "><":"x", "put": {"s": 1.0}, "DBG":1, "_":2, "$":3 }'
        self.assertEqual(
            rewrite(text, {"><": b'"y,z"', "##": b"-7"}), b'{"#":"a","><":"y,z","put":{"s": 1.0},"##":-7}'
        )
        self.assertEqual(rewrite(b"{}", {}), b"{}")

    def test_names(self) -> None:
        """Names are written as JavaScript writes them, lone surrogates included."""
        for text in ('{"\\u0000\\"é\U0001f600":1}', '{"\\ud800":"\\udc00x","é":1}'):
            self.assertEqual(rewrite(text.encode(), {}), text.encode())

    def test_deep(self) -> None:
        """What is nested without end is refused and nothing worse."""
        for depth in [*range(900, 1_000, 10), 5_000]:
            with contextlib.suppress(jstext.NotJSON):
                self.assertIn(b"[" * depth, rewrite(b'{"x":%b}' % (b"[" * depth + b"]" * depth), {}))

    @checked
    @given(messages(), st.dictionaries(texts(), json_values(max_leaves=3), max_size=3), st.booleans())
    def test_any(self, fields: dict[str, Any], changes: dict[str, Any], ascii_only: bool) -> None:
        """What comes out has the changes, what was there besides, and nothing private."""
        text = json.dumps(fields).encode() if ascii_only else jstext.stringify(fields)
        wanted = {name: value for name, value in fields.items() if name not in ("_", "$", "DBG")}
        wanted.update(changes)
        written = rewrite(text, {name: jstext.stringify(value) for name, value in changes.items()})
        self.assertTrue(same(jstext.parse(written), jstext.parse(jstext.stringify(wanted))))


class SplitTests(SynchronousTestCase):
    """A frame is one message or an array of them (sections 2.1 to 2.4, traces 09 and 12)."""

    def test_one(self) -> None:
        """An object is one message, as it is; whether it is JSON shows when it is read."""
        for frame in (b'{"#":"a"}', b"{}", b"{bad}", b"{"):
            self.assertEqual(split(frame), [frame])

    def test_array(self) -> None:
        """An array is its messages in order, each in its own spelling."""
        self.assertEqual(split(b'[{"#":"a", "x":1.0},{"#":"b"}]'), [b'{"#":"a", "x":1.0}', b'{"#":"b"}'])
        self.assertEqual(split(b'[ {"#":"a"} ,\n{} ]'), [b'{"#":"a"}', b"{}"])
        self.assertEqual(len(split(b"[" + b",".join([b"{}"] * 5_000) + b"]")), 5_000)

    def test_strings(self) -> None:
        """An item may be a string that holds a message; both kinds may be mixed."""
        frame = b'["{\\"#\\":\\"a\\",\\"get\\":{\\"#\\":\\"b1\\"}}",{"#":"b"},"{\\"#\\":\\"\\u00e9\\"}"]'
        self.assertEqual(split(frame), [b'{"#":"a","get":{"#":"b1"}}', b'{"#":"b"}', '{"#":"é"}'.encode()])
        self.assertEqual(split(b'["{bad}","{"]'), [b"{bad}", b"{"])

    def test_no_messages(self) -> None:
        """Items of other kinds are skipped: null, numbers, other strings, nested arrays."""
        frame = b'[null,1,-2.5e3,true,false,"x",""," {}","[{}]","1",{},[{"#":"a"}],[],{"#":"b"}]'
        self.assertEqual(split(frame), [b"{}", b'{"#":"b"}'])

    def test_keep_alive(self) -> None:
        """An empty array says nothing."""
        for frame in (b"[]", b"[ ]", b"[\n]"):
            self.assertEqual(split(frame), [])

    def test_ignored(self) -> None:
        """What begins with neither bracket nor brace is no message and no fault, a leading space included."""
        for frame in (
            b"",
            b"hello",
            b"123",
            b"null",
            b'"str"',
            b'"{}"',
            b"]",
            b"}",
            b' {"#":"a"}',
            b' [{"#":"a"}]',
            b"\n[{}]",
            b"\xef\xbb\xbf{}",
            b"\x00{}",
            b"\xff",
        ):
            self.assertEqual(split(frame), [])

    def test_refused(self) -> None:
        """An array that JavaScript would not parse is refused whole."""
        for frame in (
            b"[",
            b"[}",
            b"[1,2,",
            b"[{]",
            b"[}]",
            b'[{"#":"a"}',
            b'[{"#":"a"},]',
            b'[{"#":"a"}]]',
            b"[NaN]",
            b"[{} {}]",
            b'["\n"]',
            b"[" * 100_000,
            b"[" * 100_000 + b"]" * 100_000,
            b'["\\ud800",1e400]',
            b'["\xff"]',
            b'["{\xff}"]',
        ):
            self.assertRaises(jstext.NotJSON, split, frame)

    def test_lone_surrogates(self) -> None:
        """A lone surrogate in one message leaves the others whole."""
        frame = b'[{"#":"a\\ud800"},{"#":"b"},"{\\"#\\":\\"c\\"}","{\\"#\\":\\"\\ud800\\"}"]'
        self.assertEqual(split(frame), [b'{"#":"a\\ud800"}', b'{"#":"b"}', b'{"#":"c"}', b'{"#":"\\ud800"}'])

    def test_deep(self) -> None:
        """However deep an item is nested, the frame is taken apart or refused."""
        for depth in range(100, 1_100, 50):
            nested = b'{"x":' + b"[" * depth + b"]" * depth + b"}"
            for frame in (b"[%b]", b'["\\ud800",%b]'):
                try:
                    self.assertEqual(split(frame % nested), [nested])
                except jstext.NotJSON:
                    self.assertGreater(depth, 100)

    @checked
    @given(
        st.lists(st.tuples(json_values(max_leaves=3) | messages(), st.booleans()), max_size=6), st.booleans()
    )
    def test_any(self, items: list[tuple[Any, bool]], ascii_only: bool) -> None:
        """Of any array, the objects come out, and those that stand in strings."""
        frame_items, wanted = [], []
        for value, as_text in items:
            text = jstext.stringify(value).decode()
            frame_items.append(text if as_text else value)
            if isinstance(value, dict):
                wanted.append(value)
            elif isinstance(value, str) and value.startswith("{") and not as_text:
                return
        frame = json.dumps(frame_items).encode() if ascii_only else jstext.stringify(frame_items)
        found = [jstext.parse(text) for text in split(frame)]
        self.assertTrue(same(found, [jstext.parse(jstext.stringify(value)) for value in wanted]))
