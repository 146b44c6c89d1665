"""Tests for L{gunnet.sea.encryption}, L{gunnet.sea.hashing} and L{gunnet.sea.keys}."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.sea import hashing, keys
from gunnet.sea.encryption import encrypted
from gunnet.sea.text import digest, from_base64, from_utf8, utf8
from tests.sea.given import ALICE, ANYTHING, BOB, KEY_TEXTS, RECORDED, Counting, alike, attempt, flipped
from tests.sea.test_signatures import json_value
from tests.wire.javascript import checked, json_values, texts


class EncryptTests(SynchronousTestCase):
    """What only some may read."""

    def test_recorded(self) -> None:
        """What gun.js encrypted is decrypted with the recorded AES key, and made again of the same salt."""
        for case in RECORDED["encrypt"]["cases"]:
            key = ALICE if case["key"].startswith("pair alice") else case["key"]
            self.assertEqual(sea.decrypt(case["result"], key), case["decrypts_to"])
            fields = json.loads(case["result"][3:])
            salt, iv = from_base64(fields["s"]), from_base64(fields["iv"])
            self.assertEqual((len(salt), len(iv)), (case["salt_bytes"], case["iv_bytes"]))
            text = key if isinstance(key, str) else key.epriv
            self.assertEqual(digest(utf8(text + salt.decode("latin-1"))).hex(), case["aes_key_hex"])
            pieces = iter([salt, iv])
            again = sea.encrypt(case["data"], key, random=lambda _count, pieces=pieces: next(pieces))
            self.assertEqual(again, case["result"])

    @checked
    @given(json_values() | texts(), texts(min_size=1))
    def test_any(self, data: Any, key: str) -> None:
        """What is encrypted is decrypted by that key, and by no other."""
        text = sea.encrypt(data, key)
        expected = json_value(data)
        if isinstance(expected, str):
            expected = from_utf8(utf8(data))
            expected = json_value(expected)
        self.assertTrue(alike(sea.decrypt(text, key), expected), (data, expected))
        self.assertTrue(alike(sea.decrypt(json.loads(text[3:]), key), expected))
        self.assertRaises(sea.NotDecrypted, sea.decrypt, text, key + "x")

    def test_changed(self) -> None:
        """Nothing of it can be changed."""
        fields = encrypted("hello", "key", Counting())
        for name, text in fields.items():
            self.assertRaises(sea.NotDecrypted, sea.decrypt, {**fields, name: flipped(text, 3)}, "key")
            self.assertRaises(sea.NotDecrypted, sea.decrypt, {**fields, name: ""}, "key")

    def test_byte_order_mark(self) -> None:
        """In front it is lost, as it is in gun.js."""
        self.assertEqual(sea.decrypt(sea.encrypt("\ufeff5", "key"), "key"), 5)

    def test_secret(self) -> None:
        """A secret is as recorded, both ways."""
        self.assertEqual(sea.secret(BOB.epub, ALICE), RECORDED["secret"]["ab"])
        self.assertEqual(sea.secret(ALICE, BOB), RECORDED["secret"]["ba"])
        self.assertEqual(sea.secret(ALICE.as_dict(), BOB.as_dict()), RECORDED["secret"]["ba"])

    @checked
    @given(ANYTHING, ANYTHING | KEY_TEXTS)
    def test_anything(self, data: Any, key: Any) -> None:
        """It is right, or it raises L{sea.SEAError}: nothing else, whatever is passed in."""
        attempt(
            lambda: sea.decrypt(data, key),
            lambda: sea.decrypt(data, "key"),
            lambda: sea.encrypt(data, key),
            lambda: sea.secret(data, key),
            lambda: sea.secret(key, ALICE),
            lambda: sea.work(data, key, iterations=1),
            lambda: sea.work(data, name=key),
            lambda: sea.work("", "salt", iterations=key, length=data),
            lambda: sea.work("", name="SHA-256", encode=data),
        )


class WorkTests(SynchronousTestCase):
    """Work and hashes."""

    def test_recorded(self) -> None:
        """All as recorded."""
        for case in RECORDED["work"]["cases"]:
            self.assertEqual(sea.work(case["data"], case["salt"], **case["opt"]), case["out"], case)

    def test_salt(self) -> None:
        """Of a pair it is the epub; without one it is drawn."""
        once = {"iterations": 1}
        self.assertEqual(sea.work("x", ALICE, **once), sea.work("x", ALICE.epub, **once))
        self.assertEqual(sea.work("x", ALICE.as_dict(), **once), sea.work("x", ALICE.epub, **once))
        self.assertNotEqual(sea.work("x", **once), sea.work("x", **once))
        self.assertEqual(sea.work("x", random=Counting(), **once), sea.work("x", random=Counting(), **once))

    def test_bounds(self) -> None:
        """There is an end to the time and the room that work may take."""
        for options in (
            {"iterations": hashing.ROUNDS_MAX + 1},
            {"iterations": 0},
            {"length": hashing.BITS_MAX + 8},
            {"length": 12},
            {"name": "SHA-3"},
            {"name": "scrypt"},
            {"encode": "base32"},
        ):
            self.assertRaises(sea.BadData, sea.work, "x", "salt", **options)


class KeyTests(SynchronousTestCase):
    """Keys and pairs."""

    def test_pair(self) -> None:
        """New pairs work, and differ unless the random bytes don't."""
        one, other = sea.pair(), sea.pair()
        self.assertNotEqual(one, other)
        self.assertEqual(sea.verify(sea.sign("x", one), one.pub), "x")
        self.assertEqual(sea.secret(one.epub, other), sea.secret(other.epub, one))
        self.assertEqual(sea.pair(random=Counting()), sea.pair(random=Counting()))
        self.assertNotEqual(sea.pair(random=Counting()), sea.pair(random=Counting("other")))

    def test_out_of_range(self) -> None:
        """Bytes that are no number of the curve are drawn again."""
        draws = iter([bytes(32), b"\xff" * 32, bytes(31) + b"\x01", bytes(31) + b"\x02"])
        drawn = sea.pair(random=lambda _count: next(draws))
        self.assertEqual(drawn.priv, "A" * 42 + "E")
        self.assertEqual(drawn.epriv, "A" * 42 + "I")

    def test_one_name(self) -> None:
        """Other spellings of a key, which WebCrypto takes, are none: certificates go by names."""
        x, y = ALICE.pub.split(".")
        spare = next(letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        for pub in (
            f"{x}=.{y}=",
            f"{x}.{y}.z",
            f"{x}.{y[:-1]}p",
            ALICE.pub.replace("-", "+").replace("_", "/"),
            f"{x}.{x}",
            f"{x}.{spare * 43}",
            f"{x}{y}.",
            "",
            ALICE.pub + "\n",
        ):
            self.assertRaises(sea.BadKey, sea.verify, sea.sign("x", ALICE), pub)

    def test_not_together(self) -> None:
        """A private key and a public one must belong together."""
        for mixed in (
            {**ALICE.as_dict(), "priv": BOB.priv},
            {**ALICE.as_dict(), "priv": "A" * 43},
            {**ALICE.as_dict(), "priv": "x"},
            {**ALICE.as_dict(), "priv": None},
        ):
            self.assertRaises(sea.BadKey, sea.sign, "x", mixed)
        self.assertRaises(sea.BadKey, sea.secret, BOB.epub, {**ALICE.as_dict(), "epriv": BOB.epriv})

    def test_public_keys_max(self) -> None:
        """Parsed keys are kept, L{keys.PUBLIC_KEYS_MAX} at most; what is no key is not."""
        self.assertEqual(keys._public_key.cache_info().maxsize, keys.PUBLIC_KEYS_MAX)
        self.assertIs(keys.public_key(ALICE.pub), keys.public_key(ALICE.pub))
        size = keys._public_key.cache_info().currsize
        for number in range(9):
            self.assertRaises(sea.BadKey, keys.public_key, f"{number}.x")
        self.assertEqual(keys._public_key.cache_info().currsize, size)
