"""Tests for L{gunnet.sea.signatures}: who said it."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.sea.signatures import as_der, sign_text
from gunnet.sea.text import json_text, parsed
from tests.sea.given import ALICE, ANYTHING, BOB, KEY_TEXTS, RECORDED, alike, attempt, flipped
from tests.wire.javascript import checked, json_values, same, texts

HALVES = st.binary(min_size=32, max_size=32) | st.builds(
    lambda digits, place: digits.rjust(place, b"\0").ljust(32, b"\0"),
    st.binary(max_size=4),
    st.integers(0, 32),
)
"""32 bytes of any kind, and with many zeros before and behind."""


class RecordedTests(SynchronousTestCase):
    """What gun.js signed."""

    def test_sign(self) -> None:
        """Everything recorded verifies, as text, without C{SEA}, as an object, and for that key only."""
        for case in RECORDED["sign"]["cases"]:
            text = case["result"]
            for form in (text, text[3:], json.loads(text[3:])):
                self.assertTrue(same(sea.verify(form, ALICE.pub), case["verify"]), case)
            self.assertRaises(sea.NotVerified, sea.verify, text, BOB.pub)
            mine = sea.sign(case["data"], ALICE)
            self.assertEqual(mine.split('"s":')[0], text.split('"s":')[0])
            self.assertTrue(same(sea.verify(mine, ALICE), case["verify"]))

    def test_text_signed(self) -> None:
        """What is signed is the recorded text: a signature made of that text is one of the data."""
        for case in RECORDED["sign"]["cases"]:
            signature = sign_text(case["text_hashed"].encode(), ALICE)
            data = parsed(case["data"])
            self.assertTrue(same(sea.verify({"m": data, "s": signature}, ALICE), case["verify"]))

    def test_key_order(self) -> None:
        """Objects verify whether their names were signed as they came or in order; no other order does."""
        recorded = RECORDED["key_order"]
        for way in ("signed_native", "signed_with_yson"):
            self.assertEqual(sea.verify(recorded[way], ALICE), recorded["data"])
        self.assertEqual(json_text(recorded["data"]).decode(), recorded["native_text"])
        self.assertEqual(json_text(recorded["data"], sort=True).decode(), recorded["yson_text"])
        other = {"m": {"a": {"y": 2, "b": 3}, "z": 1}, "s": recorded["signed_native"]["s"]}
        self.assertRaises(sea.NotVerified, sea.verify, other, ALICE)

    def test_pair(self) -> None:
        """Pairs are written as recorded."""
        for keys in RECORDED["pairs"].values():
            self.assertEqual(sea.Pair.of(keys).as_dict(), {name: keys[name] for name in keys})
        self.assertNotIn(ALICE.priv, repr(ALICE))
        self.assertNotIn(ALICE.epriv, repr(ALICE))


class SignTests(SynchronousTestCase):
    """Signing and verifying."""

    @checked
    @given(json_values() | texts())
    def test_any_data(self, data: Any) -> None:
        """Whatever JSON is signed is what verifying gives, text that is JSON being what it says."""
        text = sea.sign(data, ALICE)
        self.assertTrue(alike(sea.verify(text, ALICE.pub), json_value(data)), text)

    @checked
    @given(json_values(), st.integers(0, 84))
    def test_changed(self, data: Any, at: int) -> None:
        """With another signature nothing verifies."""
        signed = json.loads(sea.sign(data, ALICE)[3:])
        changed = {**signed, "s": flipped(signed["s"], at)}
        self.assertRaises(sea.NotVerified, sea.verify, changed, ALICE)

    def test_signed_already(self) -> None:
        """What one has signed is not signed again; what somebody else has is, as an object."""
        text = sea.sign("hello", ALICE)
        self.assertEqual(sea.sign(text, ALICE), text)
        self.assertEqual(sea.sign(json.loads(text[3:]), ALICE), text)
        again = sea.sign(text, BOB)
        self.assertEqual(sea.verify(again, BOB), json.loads(text[3:]))
        self.assertIsInstance(sea.verify(sea.sign(sea.sign(0, ALICE), ALICE), ALICE), dict)

    def test_index_names(self) -> None:
        """Names that look like array indexes come first, as JavaScript has them."""
        text = sea.sign('{"b":1,"10":2,"9":3,"01":4}', ALICE)
        self.assertTrue(text.startswith('SEA{"m":{"9":3,"10":2,"b":1,"01":4},'))

    def test_numbers(self) -> None:
        """Digits that a double does not hold are not signed, so they are not given either."""
        signed = json.loads(sea.sign(12345678901234567890, ALICE)[3:])
        for number in (12345678901234567890, 12345678901234567891):
            self.assertEqual(sea.verify({**signed, "m": number}, ALICE), 12345678901234567000)
        self.assertRaises(sea.NotVerified, sea.verify, {**signed, "m": 12345678901234567168 + 4096}, ALICE)

    def test_base64(self) -> None:
        """The signature is what C{atob} takes: white space and missing padding yes, base64url no."""
        signed = json.loads(sea.sign("hello", ALICE)[3:])
        bare = signed["s"].rstrip("=")
        for form in (bare, f" {bare[:9]}\n\t{bare[9:]}=="):
            self.assertEqual(sea.verify({"m": "hello", "s": form}, ALICE), "hello")
        for form in (bare + "=", bare + "===", bare[:-1], bare[:-2] + "-_", "", "AAAA", None, 5, [1, 2]):
            self.assertRaises(sea.NotVerified, sea.verify, {"m": "hello", "s": form}, ALICE)

    def test_lone_surrogates(self) -> None:
        """In text they are signed as U+FFFD, in JSON escaped."""
        signed = json.loads(sea.sign("a\ud800", ALICE)[3:])
        self.assertEqual(sea.verify({**signed, "m": "a\ufffd"}, ALICE), "a\ufffd")
        signed = json.loads(sea.sign(["a\ud800"], ALICE)[3:])
        self.assertRaises(sea.NotVerified, sea.verify, {**signed, "m": ["a\ufffd"]}, ALICE)


class FallbackTests(SynchronousTestCase):
    """What gun.js believes of old data, and this does not."""

    def test_object_object(self) -> None:
        """A signature over the text C{[object Object]} is one of that text only, and of no object."""
        signature = sign_text(b"[object Object]", ALICE)
        self.assertEqual(sea.verify({"m": "[object Object]", "s": signature}, ALICE), "[object Object]")
        for message in ({}, {"a": 1}, {"#": "s", ".": "k", ":": 1, ">": 1}):
            self.assertRaises(sea.NotVerified, sea.verify, {"m": message, "s": signature}, ALICE)
        value = json.dumps({":": "forged", "~": signature})
        self.assertRaises(sea.NotVerified, sea.verify_value, f"~{ALICE.pub}", "k", value, 5, ALICE.pub)

    def test_latin_1(self) -> None:
        """The bytes of a signature as characters are no signature."""
        signed = json.loads(sea.sign("hello", ALICE)[3:])
        from_bytes = sea.work("hello", name="SHA-256", encode="utf8")
        for form in (from_bytes, "".join(map(chr, range(64)))):
            self.assertRaises(sea.NotVerified, sea.verify, {**signed, "s": form}, ALICE)


class HostileTests(SynchronousTestCase):
    """Anything of any type."""

    @checked
    @given(ANYTHING, ANYTHING | KEY_TEXTS)
    def test_anything(self, data: Any, key: Any) -> None:
        """It is right, or it raises L{sea.SEAError}: nothing else, whatever is passed in."""
        attempt(
            lambda: sea.verify(data, key),
            lambda: sea.verify(data, ALICE),
            lambda: sea.sign(data, key),
            lambda: sea.sign(data, ALICE),
        )

    def test_deep(self) -> None:
        """What is nested too deeply is refused, or taken for text."""
        deep: Any = []
        for _ in range(100_000):
            deep = [deep]
        self.assertRaises(sea.BadData, sea.sign, deep, ALICE)
        self.assertRaises(sea.NotVerified, sea.verify, {"m": deep, "s": "A" * 86}, ALICE)
        text = "[" * 100_000
        self.assertEqual(sea.verify(sea.sign(text, ALICE), ALICE), text)
        while deep:
            deep = deep.pop()
        for depth in range(100, 1_100, 50):
            text = "[" * depth + "]" * depth
            value = f'{{":":{text},"~":"AAAA"}}'
            attempt(
                lambda text=text: sea.verify(sea.sign(text, ALICE), ALICE),
                lambda text=text: sea.decrypt(sea.encrypt(text, "key"), "key"),
                lambda text=text: sea.verify({"m": parsed(text), "s": "A" * 86}, ALICE),
                lambda value=value: sea.verify_put(f"~{ALICE.pub}", "k", value, 1, print),
            )

    def test_too_large(self) -> None:
        """A number beyond a double is no data."""
        for data in (10**400, float("inf"), float("nan"), "1e400"):
            self.assertRaises(sea.BadData, sea.sign, data, ALICE)


class DERTests(SynchronousTestCase):
    """Signatures the way the library wants them."""

    @given(HALVES, HALVES)
    @example(bytes(32), bytes(32))
    @example(b"\xff" * 32, b"\x7f" + bytes(31))
    @example(b"\x80" + bytes(31), bytes(31) + b"\x80")
    @example(bytes(31) + b"\x7f", b"\0\x80" + bytes(30))
    @example(b"\0" * 16 + b"\x01" + bytes(15), b"\0\0\x7f" + b"\xff" * 29)
    def test_as_library(self, r: bytes, s: bytes) -> None:
        """They are what the library itself makes of r and s: 0, leading zeros and high bits included."""
        numbers = (int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        self.assertEqual(as_der(r + s), encode_dss_signature(*numbers))


def json_value(data: Any) -> Any:
    """What SEA takes data for: text that is JSON, perhaps after C{SEA}, for what it says."""
    if not isinstance(data, str):
        return data
    data = data[3:] if data.startswith("SEA{") else data
    try:
        return json.loads(data, parse_constant=lambda name: data)
    except ValueError:
        return data
