"""Tests for L{gunnet.sea.puts}: signed values, owners, and content addressed by its hash."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.sea.puts import signed_text
from gunnet.sea.signatures import sign_text
from tests.sea.given import ALICE, ANYTHING, BOB, KEY_TEXTS, MINE, RECORDED, T, attempt, flipped
from tests.wire.javascript import FINITE, checked, json_text, same, texts

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | FINITE
    | texts()
    | st.builds(lambda s: {"#": s}, texts(min_size=1))
)
"""What a graph can hold."""


class RecordedTests(SynchronousTestCase):
    """What gun.js put."""

    def test_put_signatures(self) -> None:
        """Each recorded value verifies, and the text that is signed is the recorded one."""
        for case in RECORDED["put_signatures"]["cases"]:
            place = case["soul"], case["key"]
            self.assertEqual(signed_text(*place, case["value"], case["state"]).decode(), case["signed_text"])
            signed = sea.verify_value(*place, case["wire_value"], case["state"], ALICE.pub)
            self.assertTrue(same(signed.value, case["value"]), case)
            self.assertEqual(signed.signature, case["signature"])
            self.assertEqual(signed.signer, ALICE.pub)
            self.assertTrue(same(sea.unpacked(case["wire_value"]), case["value"]))
            mine = sea.sign_value(*place, case["value"], case["state"], ALICE)
            self.assertEqual(mine.split('"~":')[0], case["wire_value"].split('"~":')[0])

    def test_verify_negative(self) -> None:
        """All that gun.js was seen to refuse is refused."""
        case = RECORDED["put_signatures"]["cases"][0]
        soul, key, value, state = (case[name] for name in ("soul", "key", "wire_value", "state"))
        tries: dict[str, tuple[Any, ...]] = {
            "value changed": (soul, key, value.replace("world", "WORLD"), state, ALICE.pub),
            "state changed": (soul, key, value, state + 1, ALICE.pub),
            "key changed": (soul, "hello2", value, state, ALICE.pub),
            "other public key": (soul, key, value, state, BOB.pub),
            "truncated signature": (soul, key, value[:-8] + '"}', state, ALICE.pub),
        }
        self.assertEqual(set(tries), {entry["what"] for entry in RECORDED["verify_negative"]})
        for what, arguments in tries.items():
            with self.assertRaises(sea.NotVerified, msg=what):
                sea.verify_value(*arguments)
        self.assertRaises(sea.NotVerified, sea.verify_value, soul + "/x", key, value, state, ALICE.pub)

    def test_opt_pub(self) -> None:
        """Souls are owned as recorded."""
        for case in RECORDED["opt_pub"]["cases"]:
            self.assertEqual(sea.owner_of(case["soul"]), case["out"], case)


class ValueTests(SynchronousTestCase):
    """Signing values."""

    @checked
    @given(texts(), texts(min_size=1), VALUES, FINITE.filter(bool))
    def test_any(self, path: str, key: str, value: Any, state: float) -> None:
        """What is signed verifies there, at that state, and nowhere else."""
        soul = f"{MINE}/{path}"
        text = sea.sign_value(soul, key, value, state, ALICE)
        signed = sea.verify_value(soul, key, text, state, ALICE.pub)
        self.assertTrue(same(signed.value, value))
        expected = json_text({"#": soul, ".": key, ":": value, ">": state})
        self.assertEqual(signed_text(soul, key, value, state).decode(), expected)
        for place in (
            (soul + "x", key, text, state),
            (soul, key + "x", text, state),
            (soul, key, text, state * 2),
        ):
            self.assertRaises(sea.NotVerified, sea.verify_value, *place, ALICE.pub)
        changed = json.dumps({**json.loads(text), "~": flipped(json.loads(text)["~"], 7)})
        self.assertRaises(sea.NotVerified, sea.verify_value, soul, key, changed, state, ALICE.pub)

    def test_order_inside(self) -> None:
        """An object where a value should be verifies with its names as they came and in order."""
        value = {"z": 1, "a": 2}
        for text in (
            signed_text(MINE, "k", value, T),
            signed_text(MINE, "k", {"a": 2, "z": 1}, T),
        ):
            put = json.dumps({":": value, "~": sign_text(text, ALICE)})
            self.assertEqual(sea.verify_value(MINE, "k", put, T, ALICE.pub).value, value)

    def test_refused(self) -> None:
        """What a graph can't hold is not signed, nor what gun.js could not verify."""
        for value in ([], {}, {"#": ""}, {"#": 5}, {"#": "a", "b": 1}, float("nan"), b"", object()):
            self.assertRaises(sea.BadData, sea.sign_value, MINE, "k", value, T, ALICE)
        for place in (
            ("", "k", 1, T),
            (MINE, "", 1, T),
            (MINE, "k", 1, 0),
            (MINE, "k", 1, "5"),
            (None, "k", 1, T),
        ):
            self.assertRaises(sea.BadData, sea.sign_value, *place, ALICE)
        self.assertRaises(sea.BadData, sea.sign_value, MINE, "k", 1, T, ALICE, certificate="SEA{}")

    def test_not_signed(self) -> None:
        """What is no signed value is not verified, and unpacked as it is."""
        for value in (
            None,
            True,
            5,
            "text",
            '"text"',
            "[]",
            "{}",
            '{":":1}',
            '{"~":"AAAA"}',
            '{":":1,"~":""}',
            {"#": "s"},
        ):
            self.assertRaises(sea.NotVerified, sea.read_signed, value)
            self.assertRaises(sea.NotVerified, sea.verify_value, MINE, "k", value, T, ALICE.pub)
            self.assertEqual(sea.unpacked(value), value)
        signed = sea.sign("text", ALICE)
        self.assertRaises(sea.NotVerified, sea.verify_value, MINE, "k", signed, T, ALICE.pub)

    def test_signer_without_certificate(self) -> None:
        """What somebody else signed is not believed without a certificate, though gun.js does."""
        put = json.loads(sea.sign_value(MINE, "k", "hi", T, BOB))
        for extra in (
            {"*": BOB.pub},
            {"*": BOB.pub, "+": {}},
            {"*": BOB.pub, "+": {"m": 1, "s": ""}},
            {"*": 5},
        ):
            value = json.dumps({**put, **extra})
            self.assertRaises(sea.NotVerified, sea.verify_value, MINE, "k", value, T, ALICE.pub)
        own = json.loads(sea.sign_value(MINE, "k", "hi", T, ALICE))
        for extra in ({"*": ALICE.pub}, {"*": None}, {"*": ""}, {"+": {"m": 1, "s": "x"}}):
            value = json.dumps({**own, **extra})
            self.assertEqual(sea.verify_value(MINE, "k", value, T, ALICE.pub).signer, ALICE.pub)

    @checked
    @given(ANYTHING, ANYTHING, ANYTHING, ANYTHING | st.just(T), ANYTHING | KEY_TEXTS)
    def test_anything(self, soul: Any, key: Any, value: Any, state: Any, owner: Any) -> None:
        """It is right, or it raises L{sea.SEAError}: nothing else, whatever is passed in."""
        dressed = json.dumps({":": 1, "~": "AAAA", "*": ALICE.pub, "+": {"m": 1, "s": "AAAA"}})
        attempt(
            lambda: sea.verify_value(soul, key, value, state, owner),
            lambda: sea.verify_value(MINE, "k", dressed, state, owner),
            lambda: sea.verify_value(MINE, "k", value, T, ALICE.pub),
            lambda: sea.sign_value(soul, key, value, state, owner),
            lambda: sea.sign_value(MINE, "k", value, T, ALICE, certificate=owner),
            lambda: sea.verify_put(soul, key, value, state, lambda _soul, _key: owner),
            lambda: sea.unpacked(value),
            lambda: sea.content_hash(value),
            lambda: sea.is_content("x", value),
        )


class ContentTests(SynchronousTestCase):
    """Content that is addressed by its hash."""

    def test_recorded(self) -> None:
        """Hashes are those of work with SHA-256; keys may have them as base64 or in hexadecimal."""
        for case in RECORDED["work"]["cases"]:
            if case["opt"] == {"name": "SHA-256"}:
                self.assertEqual(sea.content_hash(case["data"]), case["out"])
                self.assertTrue(sea.is_content(case["out"], case["data"]))
                self.assertTrue(sea.is_content("a#b#" + case["out"], case["data"]))
        name = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
        for key in (name, name.upper(), "#" + name):
            self.assertTrue(sea.is_content(key, "hello world"))
            self.assertFalse(sea.is_content(key, "hello WORLD"))
        base64 = sea.content_hash("hello world")
        for key in ("", name[:-1], name + "0", base64.rstrip("="), base64 + "#", base64.replace("+", "-")):
            self.assertFalse(sea.is_content(key, "hello world"), key)
