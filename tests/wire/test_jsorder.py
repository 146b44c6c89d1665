"""Tests for L{gunnet.wire.jstext}: text order and hashes as JavaScript has them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.answer import client_hash
from gunnet.wire import jstext
from tests.wire.javascript import VECTORS, checked, from_units, hash_of, joined, json_text, texts, units


class OrderTests(SynchronousTestCase):
    """Names sort by UTF-16 code unit."""

    def test_astral(self) -> None:
        """A character above U+FFFF sorts by its first surrogate: after U+D7FF and before U+E000."""
        names = ["a", "\ud7ff", "\U0001f600", "\U0010ffff", "\ue000", "\uffff"]
        self.assertEqual(sorted(set(names), key=jstext.order_key), names)
        self.assertNotEqual(sorted(names), names)

    def test_bytes(self) -> None:
        """ASCII stays as it is; no byte is above 0xEF; the empty text has the lowest key."""
        self.assertEqual(jstext.order_key("a_b\x00"), b"a_b\x00")
        self.assertEqual(jstext.order_key("\U0001f600"), b"\xed\xa0\xbd\xed\xb8\x80")
        self.assertEqual(max(jstext.order_key("\U0010ffff\uffff")), 0xEF)
        self.assertEqual(jstext.order_key(""), b"")

    def test_no_such_key(self) -> None:
        """Bytes that are nobody's key are refused."""
        for key in (b"\xff", b"\xc3", b"a\x80"):
            self.assertRaises(UnicodeDecodeError, jstext.from_order_key, key)

    @checked
    @given(texts())
    def test_round_trip(self, text: str) -> None:
        """The key gives the text back, lone surrogates included."""
        key = jstext.order_key(text)
        self.assertEqual(jstext.from_order_key(key), text)
        self.assertTrue(all(byte < 0xF0 for byte in key))

    @checked
    @given(st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010) | st.characters(), max_size=6))
    def test_unpaired_pairs(self, text: str) -> None:
        """Two halves that were put side by side have the key of the character they make."""
        self.assertEqual(jstext.order_key(text), jstext.order_key(joined(text)))
        self.assertEqual(jstext.from_order_key(jstext.order_key(text)), joined(text))

    @checked
    @given(texts(), texts(), st.integers(0, 12))
    def test_same_order(self, left: str, right: str, cut: int) -> None:
        """Keys are in the order of UTF-16, for texts that are alike and for those that are not."""
        for one, other in ((left, right), (left, left[:cut] + right), (left, left[:cut])):
            key, other_key = jstext.order_key(one), jstext.order_key(other)
            self.assertEqual(key < other_key, units(one) < units(other))
            self.assertEqual(key == other_key, units(one) == units(other))

    @checked
    @given(texts(), texts())
    def test_prefix(self, text: str, more: str) -> None:
        """A text that begins with another has a key that begins with the other's: stores seek prefixes so."""
        whole = text + "a" + more
        self.assertTrue(jstext.order_key(whole).startswith(jstext.order_key(text)))


class HashTests(SynchronousTestCase):
    """C{String.hash} of gun.js, unit by unit."""

    def test_recorded(self) -> None:
        """Each text that gun.js was asked to hash has the same hash, lone surrogates included."""
        cases = VECTORS["string_hash"]["cases"]
        self.assertGreater(len(cases), 20)
        for case in cases:
            text = case["in"]
            self.assertTrue(text.startswith(from_units(case["utf16"])))
            wide = text.encode("utf-16-le", "surrogatepass")
            self.assertEqual(jstext.hash_by_run(memoryview(wide).cast("H")), case["out"])
            self.assertEqual(jstext.hash_by_unit(wide, 2), case["out"])
            self.assertEqual(hash_of(text), case["out"])
            if not any("\ud800" <= letter <= "\udfff" for letter in text):
                self.assertEqual(jstext.string_hash(text.encode("utf-8")), case["out"])

    def test_long(self) -> None:
        """Long texts are hashed whole, whatever pieces the code works in."""
        vectors = VECTORS["string_hash"]
        self.assertEqual(jstext.string_hash(b"x" * 100_000), vectors["big"]["out"])
        continued = vectors["continued"]
        text = (continued["first"] + continued["then"]).encode()
        self.assertEqual(jstext.string_hash(text), continued["whole"])
        self.assertEqual(continued["h2"], continued["whole"])
        for size in (4_095, 4_096, 4_097, 8_191, 8_192, 8_193, 12_300):
            for letter in ("\x00", "~", "\xff", "\uffff"):
                text = (letter * size).encode("utf-8")
                self.assertEqual(jstext.string_hash(text), hash_of(letter * size))

    @checked
    @given(texts(max_size=60), st.integers(0, 300))
    def test_as_by_hand(self, text: str, times: int) -> None:
        """Any text has the hash that adding unit by unit gives."""
        quoted = jstext.string(text * times)
        by_hand = hash_of(quoted.decode("utf-8"))
        self.assertEqual(jstext.string_hash(quoted), by_hand)
        wide = quoted.decode("utf-8").encode("utf-16-le")
        self.assertEqual(jstext.hash_by_unit(wide, 2), by_hand)
        self.assertEqual(jstext.hash_by_run(memoryview(wide).cast("H")), by_hand)
        if quoted.isascii():
            self.assertEqual([by_hand] * 2, [jstext.hash_by_unit(quoted, 1), jstext.hash_by_run(quoted)])


class PutHashTests(SynchronousTestCase):
    """C{##} of a put, as relays and as clients take it."""

    def test_relay_form(self) -> None:
        """Relays sort every name by UTF-16 unit."""
        for case in VECTORS["put_hash"]["cases"]:
            text = jstext.stringify(case["put"], sort=True)
            self.assertEqual(text, case["relay_json"].encode("utf-8"))
            self.assertEqual(jstext.string_hash(text), case["relay_hash"])

    def test_client_form(self) -> None:
        """Clients have names that look like array indexes first; it does not matter which form is given."""
        for case in VECTORS["put_hash"]["cases"]:
            for text in (case["relay_json"], case["client_json"], json.dumps(case["put"])):
                self.assertEqual(client_hash(text.encode("utf-8")), case["client_hash"])

    def test_what_looks_like_an_index(self) -> None:
        """Only canonical numbers below 2^32 - 1 are taken for indexes."""
        names = [
            "9",
            "10",
            "4294967294",
            "-1",
            "00",
            "01",
            "1.5",
            "1e3",
            "4294967295",
            "99999999999",
            "_",
            "\u0664",
        ]
        put = {"s": dict.fromkeys(reversed(names), 1)}
        ordered = ",".join(f'"{name}":1' for name in names)
        self.assertEqual(client_hash(json.dumps(put).encode()), hash_of(f'{{"s":{{{ordered}}}}}'))

    @checked
    @given(st.dictionaries(texts(), st.dictionaries(texts(), texts(), max_size=4), max_size=4))
    def test_without_indexes(self, put: dict[str, dict[str, str]]) -> None:
        """Where no name looks like an index, both forms have one hash."""
        put = {f"s{soul}": {f"k{key}": value for key, value in node.items()} for soul, node in put.items()}
        text = jstext.stringify(put, sort=True)
        self.assertEqual(text, json_text(put, sort=True).encode("utf-8"))
        self.assertEqual(client_hash(text), jstext.string_hash(text))
