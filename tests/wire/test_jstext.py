"""Tests for L{gunnet.wire.jstext}: JSON text as JavaScript writes and reads it."""

from __future__ import annotations

import contextlib
import json
import math
import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.wire import jstext
from tests.wire.javascript import (
    FINITE,
    VECTORS,
    checked,
    from_units,
    json_text,
    json_values,
    number_text,
    same,
    string_text,
    texts,
)

HARD_NUMBERS = {
    0.0: "0",
    5e-324: "5e-324",
    2.2250738585072014e-308: "2.2250738585072014e-308",
    1.7976931348623157e308: "1.7976931348623157e+308",
    1e-7: "1e-7",
    1.5e-7: "1.5e-7",
    9.999999e-7: "9.999999e-7",
    1e-6: "0.000001",
    1.5e-6: "0.0000015",
    1e-5: "0.00001",
    0.001: "0.001",
    0.1 + 0.2: "0.30000000000000004",
    1 / 3: "0.3333333333333333",
    123456789.12345679: "123456789.12345679",
    999999999999999.9: "999999999999999.9",
    9999999999999998.0: "9999999999999998",
    1e15: "1000000000000000",
    1e16: "10000000000000000",
    1.2e16: "12000000000000000",
    12345678901234567000.0: "12345678901234567000",
    1e20: "100000000000000000000",
    123456789012345680000.0: "123456789012345680000",
    999999999999999900000.0: "999999999999999900000",
    1e21: "1e+21",
    1.5e21: "1.5e+21",
    -1e21: "-1e+21",
    1e22: "1e+22",
    1e23: "1e+23",
    -1e-7: "-1e-7",
    -123.456: "-123.456",
    1795374119540.001: "1795374119540.001",
    1795375327350.0051: "1795375327350.0051",
    4294967295.0: "4294967295",
    float(2**63): "9223372036854776000",
}


class NumberTests(SynchronousTestCase):
    """Numbers are written as JavaScript writes them."""

    def test_recorded(self) -> None:
        """Each number that gun.js was asked to write comes out the same."""
        for case in VECTORS["json_text"]["numbers"]:
            value = float(case["value"])
            self.assertEqual(jstext.number(value), case["text"])
            if value == int(value):
                self.assertEqual(jstext.number(int(value)), case["text"])

    def test_states(self) -> None:
        """The states of gun.js's clock, fractions of a millisecond included, keep their text and order."""
        sample = VECTORS["state"]["sample"]
        self.assertEqual(sorted(set(sample)), sample)
        for state in sample:
            text = jstext.number(float(state))
            self.assertEqual(jstext.canonical(text.encode()), text.encode())
            self.assertEqual((float(text), text), (state, repr(state)))

    def test_hard(self) -> None:
        """The ends of the ranges and the changes of notation are right."""
        for value, text in HARD_NUMBERS.items():
            self.assertEqual(jstext.number(value), text)
        self.assertEqual(jstext.number(-0.0), "0")

    def test_integers(self) -> None:
        """A whole number beyond 2^53 is rounded to a double, as in JavaScript; smaller ones are exact."""
        self.assertEqual(jstext.number(2**53 - 1), "9007199254740991")
        self.assertEqual(jstext.number(-(2**53)), "-9007199254740992")
        self.assertEqual(jstext.number(2**53 + 1), "9007199254740992")
        self.assertEqual(jstext.number(-(2**53) - 3), "-9007199254740996")
        self.assertEqual(jstext.number(10**21), "1e+21")
        self.assertEqual(jstext.number(10**308), "1e+308")

    def test_not_finite(self) -> None:
        """What JSON can't say is refused, and so is a whole number that no double reaches."""
        for value in (math.inf, -math.inf, math.nan, 10**400, -(10**400)):
            self.assertRaises(ValueError, jstext.number, value)

    @checked
    @given(FINITE)
    def test_reads_back(self, value: float) -> None:
        """What is written reads back as the same double, and is what the standard's steps give."""
        text = jstext.number(value)
        self.assertEqual(float(text), value)
        self.assertEqual(text, number_text(value))

    @checked
    @given(st.binary(min_size=8, max_size=8))
    def test_any_bits(self, bits: bytes) -> None:
        """So it is for doubles of any bits."""
        (value,) = struct.unpack("<d", bits)
        if math.isfinite(value):
            self.assertEqual(jstext.number(value), number_text(value))

    @checked
    @given(st.integers(-(2**80), 2**80))
    def test_any_integer(self, value: int) -> None:
        """A whole number is written as its nearest double is."""
        self.assertEqual(jstext.number(value), number_text(float(value)))


class StringTests(SynchronousTestCase):
    """Strings are escaped where JavaScript escapes them, and nowhere else."""

    def test_recorded(self) -> None:
        """Each string that gun.js was asked to write comes out the same."""
        for case in VECTORS["json_text"]["strings"]:
            self.assertEqual(jstext.string(from_units(case["utf16"])), case["text"].encode("utf-8"))

    def test_control_characters(self) -> None:
        """Below U+0020 five have a short form; the others take four lower-case digits."""
        self.assertEqual(jstext.string("\b\t\n\f\r"), b'"\\b\\t\\n\\f\\r"')
        for code in set(range(32)) - {8, 9, 10, 12, 13}:
            self.assertEqual(jstext.string(chr(code)), b'"\\u%04x"' % code)
        self.assertEqual(jstext.string("\x7f\x80\u2028\u2029/"), '"\x7f\x80\u2028\u2029/"'.encode())

    def test_lone_surrogates(self) -> None:
        """A lone surrogate is escaped, a pair is one character, wherever in the text they stand."""
        self.assertEqual(jstext.string("a\ud83d"), b'"a\\ud83d"')
        self.assertEqual(jstext.string("\ude00\ud83db"), b'"\\ude00\\ud83db"')
        self.assertEqual(jstext.string("\ud83d\ude00"), '"\U0001f600"'.encode())
        self.assertEqual(jstext.string('"\ud800"\n'), b'"\\"\\ud800\\"\\n"')

    @checked
    @given(texts())
    def test_as_the_standard(self, text: str) -> None:
        """Any text is what the standard's steps give, and reads back."""
        written = jstext.string(text)
        self.assertEqual(written, string_text(text).encode("utf-8"))
        self.assertEqual(jstext.parse(written), text)
        self.assertEqual(json.loads(written), text)


class ParseTests(SynchronousTestCase):
    """Text is read as strictly as JavaScript reads it."""

    def test_refused(self) -> None:
        """What C{JSON.parse} refuses is refused."""
        for text in (
            b"",
            b" ",
            b"NaN",
            b"Infinity",
            b"-Infinity",
            b'{"a":NaN}',
            b"[-Infinity]",
            b"nul",
            b"True",
            b"nullx",
            b'"\x00"',
            b'"\x1f"',
            b'"a\nb"',
            b'"\\q"',
            b'"\\u12"',
            b'"\\u12g4"',
            b"'a'",
            b'"a',
            b'"\\',
            b"01",
            b"1.",
            b".5",
            b"+1",
            b"-",
            b"1e",
            b"0x10",
            b"1_0",
            b"--1",
            b"1 2",
            b"12abc",
            b"{",
            b"}",
            b"[",
            b"[1,]",
            b"[1 2]",
            b"[,]",
            b'{"a":1,}',
            b'{"a"}',
            b'{"a":}',
            b"{a:1}",
            b'{"a":1}}',
            b"{} x",
            b"[1]]",
            b"// c\n1",
            b"\xa01",
            b"\x0b1",
            b"\x00",
        ):
            self.assertRaises(jstext.NotJSON, jstext.parse, text)
            self.assertRaises(jstext.NotJSON, jstext.parse_slowly, text)

    def test_not_utf8(self) -> None:
        """A byte order mark, UTF-16, and what is not UTF-8 are refused; surrogates have to be escaped."""
        for text in (
            b"\xef\xbb\xbf1",
            "{}".encode("utf-16"),
            "{}".encode("utf-16-le"),
            b'"\xff"',
            b'"\xc3"',
            b'"\xc0\x80"',
            b'"\xed\xa0\x80"',
            b'"\xf4\x90\x80\x80"',
        ):
            self.assertRaises(jstext.NotJSON, jstext.parse, text)
            self.assertRaises(jstext.NotJSON, jstext.parse_slowly, text)

    def test_too_deep(self) -> None:
        """Nesting without end is refused and nothing worse; some is taken."""
        for depth in (100_000, 200_000):
            for text in (b"[" * depth, b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
                self.assertRaises(jstext.NotJSON, jstext.parse, text)
        deep = b"[" * 100 + b"]" * 100
        self.assertEqual(jstext.stringify(jstext.parse(deep)), deep)

    def test_is_deeper(self) -> None:
        """Brackets in text are no nesting, whatever is escaped there, and nesting is not hidden by them."""
        for within in (b"[" * 200, b'\\"' + b"[" * 200, b"[" * 200 + b"\\\\", b'\\\\\\"' + b"{" * 200):
            self.assertFalse(jstext.is_deeper(b'{"a":"' + within + b'"}', 100), within)
        for around in (b'"\\"",', b'"\\\\",', b'"]]]]",', b'"\\"]]]]\\"",'):
            text = b"[" + (around + b"[") * 100 + b"]" * 101
            self.assertTrue(jstext.is_deeper(text, 100), around)
            self.assertFalse(jstext.is_deeper(text, 101), around)

    def test_is_deeper_in_time(self) -> None:
        """Text that does not end takes no longer than other text."""
        for end in (b"", b"\\"):
            jstext.is_deeper(b"[" * 101 + b'"' + b'\\"' * 1_000_000 + end, 100)

    def test_too_long_integer(self) -> None:
        """An integer whose digits would take long to count is refused; one beyond all doubles is read."""
        self.assertRaises(jstext.NotJSON, jstext.parse, b"1" * 5_000)
        self.assertRaises(jstext.NotJSON, jstext.parse, b'{"a":[-' + b"9" * 5_000 + b"]}")
        self.assertEqual(jstext.parse(b"1" + b"0" * 400), 10**400)

    def test_taken(self) -> None:
        """What C{JSON.parse} takes is taken: white space, escapes, lone surrogates, names twice."""
        self.assertEqual(jstext.parse(b' \t\r\n{ "a" : [ 1 , 2 ] } \n'), {"a": [1, 2]})
        self.assertEqual(jstext.parse(b'"\\ud800"'), "\ud800")
        self.assertEqual(jstext.parse(b'{"\\udc00":"\\ud83d\\ud83d\\ude00"}'), {"\udc00": "\ud83d\U0001f600"})
        self.assertEqual(jstext.parse(b'"\\ud83d\\u0041"'), "\ud83dA")
        self.assertEqual(jstext.parse(b'"\\/\\u0000\\u001b\xef\xbb\xbf"'), "/\x00\x1b\ufeff")
        self.assertEqual(jstext.parse(b'{"a":1,"b":2,"a":3}'), {"a": 3, "b": 2})
        self.assertEqual(jstext.parse(b"1e400"), math.inf)
        self.assertEqual(jstext.parse(b'{"__proto__":null,"":true}'), {"__proto__": None, "": True})

    @checked
    @given(st.lists(st.sampled_from([0x61, 0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000, 0]), max_size=6))
    def test_escapes(self, codes: list[int]) -> None:
        """Escapes are read as the code units they are, in whatever order they come."""
        text = '"' + "".join(f"\\u{code:04X}" for code in codes) + '"'
        self.assertEqual(jstext.parse(text.encode("ascii")), from_units(codes))

    @checked
    @given(json_values())
    def test_fast_and_slow(self, value: object) -> None:
        """Both ways to read agree with what was written, escaped or not."""
        text = jstext.stringify(value)
        self.assertTrue(same(jstext.parse(text), jstext.parse_slowly(text)))
        self.assertEqual(jstext.stringify(jstext.parse(text)), text)
        escaped = json.dumps(jstext.parse(text), indent=1).encode("ascii")
        self.assertEqual(jstext.stringify(jstext.parse(escaped)), text)

    @checked
    @given(json_values(), st.data())
    def test_broken(self, value: object, data: st.DataObject) -> None:
        """Text with a character changed is refused in both ways or reads the same in both."""
        text = jstext.stringify(value).decode("utf-8")
        at = data.draw(st.integers(0, len(text) - 1))
        text = (
            text[:at]
            + data.draw(st.sampled_from(['"', "\\", "{", "]", ",", "e", "0", "-", ".", "\x00", " ", ""]))
            + text[at + 1 :]
        )
        try:
            slowly = jstext.parse_slowly(text.encode("utf-8"))
        except jstext.NotJSON:
            self.assertRaises(jstext.NotJSON, jstext.parse, text.encode("utf-8"))
        else:
            self.assertTrue(same(jstext.parse(text.encode("utf-8")), slowly))

    def test_text(self) -> None:
        """Text may have lone surrogates unescaped, as JavaScript takes it, but not behind a backslash."""
        for text in ('["a",1]', '"\ud800"', '{"\udfff":"\\ud800"}', '"\\u00e9"'):
            self.assertTrue(same(jstext.parse_text(text), json.loads(text)), text)
        for text in ("", "{", "NaN", '"\\\ud800"', "\ud800", '"\x00\ud800"', "\ufeff1"):
            self.assertRaises(jstext.NotJSON, jstext.parse_text, text)

    def test_is_index(self) -> None:
        """Names of an array's items are whole numbers below 2^32 - 1, as they are written."""
        for name in ("0", "9", "10", "4294967294"):
            self.assertTrue(jstext.is_index(name), name)
        for name in ("", "00", "01", "-1", "1.0", "4294967295", "99999999999", "\u0663", "a", " 1"):
            self.assertFalse(jstext.is_index(name), name)


class StringifyTests(SynchronousTestCase):
    """Values are written without spaces, in the order they have or in that of their names."""

    @checked
    @given(json_values(), st.booleans())
    def test_as_the_standard(self, value: object, sort: bool) -> None:
        """Any value is what the standard's steps give."""
        self.assertEqual(jstext.stringify(value, sort=sort), json_text(value, sort=sort).encode("utf-8"))

    def test_sorted_at_every_depth(self) -> None:
        """Names are in order of UTF-16 code units at every depth: an emoji is before U+E000."""
        value = {"b": [{"z": 1, "\ue000": 2, "\U0001f600": 3}], "_": 1, "B": True, "10": 1, "9": None}
        self.assertEqual(
            jstext.stringify(value, sort=True),
            '{"10":1,"9":null,"B":true,"_":1,"b":[{"z":1,"\U0001f600":3,"\ue000":2}]}'.encode(),
        )

    def test_refused(self) -> None:
        """What is not finite or nested without end is refused with C{ValueError}."""
        self.assertRaises(ValueError, jstext.stringify, {"a": [math.inf]})
        self.assertRaises(ValueError, jstext.stringify, {"a": 10**400})
        for depth in range(300, 1_000, 100):
            text = b"[" * depth + b"]" * depth
            with contextlib.suppress(jstext.NotJSON):
                self.assertEqual(jstext.stringify(jstext.parse(text)), text)
            with contextlib.suppress(jstext.NotJSON):
                self.assertEqual(jstext.canonical(text), text)


class CanonicalTests(SynchronousTestCase):
    """One value is put into the one form in which it is compared, hashed and signed."""

    def test_recorded(self) -> None:
        """Each spelling of a number that gun.js was given comes out as it did there."""
        for case in VECTORS["json_text"]["reparse"]:
            text = case["in"].encode("ascii")
            if "Infinity" in case["out"]:
                self.assertRaises(ValueError, jstext.canonical, text)
            else:
                self.assertEqual(jstext.canonical(text), case["out"].encode("ascii"))

    def test_spellings(self) -> None:
        """Of many ways to write a value one is left."""
        for text, canonical in {
            b"-0": b"0",
            b"0": b"0",
            b"-1": b"-1",
            b"10.0": b"10",
            b"1E+1": b"10",
            b"999999999999999": b"999999999999999",
            b"1234567890123456789": b"1234567890123456800",
            b'"\\u0061\\/"': b'"a/"',
            b'"\\ud83d\\ude00"': '"\U0001f600"'.encode(),
            b'"\\uD800"': b'"\\ud800"',
            b'"\\u000A"': b'"\\n"',
            b'"\\u007f"': b'"\x7f"',
            b"true": b"true",
            b"false": b"false",
            b"null": b"null",
            b'{ "#" : "\\u0061" }': b'{"#":"a"}',
        }.items():
            self.assertEqual(jstext.canonical(text), canonical)

    @checked
    @given(json_values())
    def test_as_parsed_and_written(self, value: object) -> None:
        """It is C{stringify(parse(text))}, and to do it twice changes nothing."""
        for text in (jstext.stringify(value), json.dumps(value).encode("ascii")):
            canonical = jstext.canonical(text)
            self.assertEqual(canonical, jstext.stringify(jstext.parse(text)))
            self.assertEqual(jstext.canonical(canonical), canonical)
