"""Tests for L{gunnet.sea.certificates}: what an owner allows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.graph.match import matches
from gunnet.sea.certificates import EXPIRED, NOT_ALLOWED, Certificate
from tests.sea.given import ALICE, ANYTHING, BOB, MINE, RECORDED, T, attempt
from tests.wire.javascript import VECTORS, checked

CAROL = sea.pair()
ALLOWED = ""


class MatchTests(SynchronousTestCase):
    """What a client matches."""

    def test_recorded(self) -> None:
        """All as recorded."""
        for case in VECTORS["match"]["cases"]:
            lex = None if case["lex"] == "(undefined)" else case["lex"]
            self.assertEqual(matches(case["text"], lex), case["out"], case)

    def test_halves(self) -> None:
        """A prefix may end within a character."""
        self.assertTrue(matches("\U0001f600", {"*": "\ud83d"}))
        self.assertFalse(matches("\U0001f600", {"<": "\ud83c"}))

    @checked
    @given(ANYTHING, ANYTHING)
    def test_anything(self, text: Any, operand: Any) -> None:
        """What is no text neither matches nor is matched."""
        for mark in ("=", "*", ">", "<"):
            if not isinstance(operand, str):
                self.assertFalse(matches("a", {mark: operand}))
            matches(text, {mark: operand, "<": operand})
        self.assertFalse(matches(text, operand) and text != operand and not isinstance(operand, dict))


class CertifyTests(SynchronousTestCase):
    """Making certificates."""

    def test_recorded(self) -> None:
        """Those recorded verify; those made here say the same, byte for byte but for the signature."""
        for case in RECORDED["certify"]["cases"]:
            made = sea.certify(case["certificants"], case["policy"], ALICE, **case["opt"])
            self.assertEqual(made.split('"s":')[0], case["result"].split('"s":')[0])
            for text in (made, case["result"]):
                self.assertEqual(sea.read_certificate(text, ALICE.pub).terms, json.loads(text[3:])["m"])
                self.assertRaises(sea.NotCertified, sea.read_certificate, text, BOB.pub)

    def test_forms(self) -> None:
        """Certificants and policies of each form (C{sea/certify.js}), names in order."""
        bob, carol = BOB.pub, CAROL.pub
        for certificants, policy, options, expected in (
            (BOB, "inbox", {}, {"c": bob, "w": "inbox"}),
            (BOB.as_dict(), {"=": "a"}, {}, {"c": bob, "w": {"=": "a"}}),
            ([BOB], "inbox", {}, {"c": bob, "w": "inbox"}),
            ([BOB, carol], ["a", {"*": "b"}], {}, {"c": [bob, carol], "w": ["a", {"*": "b"}]}),
            (["x", "*"], "inbox", {}, {"c": "*", "w": "inbox"}),
            ("a*b", "inbox", {"expiry": 5.5}, {"c": "*", "e": 5.5, "w": "inbox"}),
            (bob, {"read": "r", "write": "w"}, {}, {"c": bob, "r": "r", "w": "w"}),
            (bob, {"read": "r"}, {}, {"c": bob, "r": "r"}),
            (
                bob,
                {">": "b", "+": "*"},
                {"block": {"read": "x", "write": {"#": "y"}}},
                {"c": bob, "rb": "x", "w": {"+": "*", ">": "b"}, "wb": {"#": "y"}},
            ),
        ):
            text = sea.certify(certificants, policy, ALICE, **options)
            self.assertEqual(text.split(',"s":')[0], 'SEA{"m":' + json.dumps(expected, separators=(",", ":")))

    def test_refused(self) -> None:
        """Without certificants or a policy there is no certificate."""
        for certificants in (None, "", [], [5], ["a", None], {}, 5, [""]):
            self.assertRaises(sea.BadData, sea.certify, certificants, "inbox", ALICE)
        for policy in (None, "", [], {}, {"-": 1}, 5):
            self.assertRaises(sea.BadData, sea.certify, BOB, policy, ALICE)
        for options in (
            {"expiry": "5"},
            {"expiry": float("inf")},
            {"expiry": True},
            {"block": 5},
            {"block": {}},
        ):
            self.assertRaises(sea.BadData, sea.certify, BOB, "inbox", ALICE, **options)


class CheckTests(SynchronousTestCase):
    """What a certificate allows (sections 24 and 33.9)."""

    def said(
        self,
        terms: dict[str, Any],
        path: str = "inbox",
        key: str = "k",
        *,
        state: float = T,
        stored: dict[tuple[str, str], Any] | None = None,
    ) -> str:
        """What is said to Bob, L{ALLOWED} if he may write."""
        soul = f"{MINE}/{path}" if path else MINE
        try:
            Certificate(ALICE.pub, terms).check(BOB.pub, soul, key, state, lambda *at: (stored or {}).get(at))
        except sea.NotCertified as error:
            return str(error)
        return ALLOWED

    def test_who(self) -> None:
        """One, anybody, or a list, which npm's gun.js does not read."""
        for certificants, expected in (
            (BOB.pub, ALLOWED),
            ("*", ALLOWED),
            ([CAROL.pub, BOB.pub], ALLOWED),
            (["*"], ALLOWED),
            (CAROL.pub, NOT_ALLOWED),
            (BOB.pub + "x", NOT_ALLOWED),
            ([CAROL.pub], NOT_ALLOWED),
            ([BOB.pub + "x", 5], NOT_ALLOWED),
            ({BOB.pub: 1}, NOT_ALLOWED),
            (None, NOT_ALLOWED),
        ):
            self.assertEqual(self.said({"c": certificants, "w": {"*": "inbox"}}), expected, certificants)

    def test_expiry(self) -> None:
        """The state decides; what is no number is no end."""
        for expiry, expected in (
            (T, ALLOWED),
            (T - 1, EXPIRED),
            (str(T - 1) + "ms", EXPIRED),
            ("1" + "0" * 400, ALLOWED),
            (10**400, ALLOWED),
            ("soon", ALLOWED),
            (None, ALLOWED),
        ):
            self.assertEqual(self.said({"c": "*", "w": {"*": "inbox"}, "e": expiry}), expected, expiry)

    def test_where(self) -> None:
        """Policies of each form."""
        both = {"#": {"*": "inbox"}, ".": {"*": "m"}}
        for policy, path, key, expected in (
            ("inbox/k", "inbox", "k", ALLOWED),
            ("k", "", "k", ALLOWED),
            ("inbox", "inbox", "k", NOT_ALLOWED),
            ({"*": "inbox"}, "inbox", "k", ALLOWED),
            ({"*": "inbox"}, "", "inbox", ALLOWED),
            ({"*": "inbox"}, "out", "k", NOT_ALLOWED),
            ({"*": "inbox/k"}, "inbox", "k2", ALLOWED),
            ({"#": {"*": "inbox"}}, "inbox/a", "k", ALLOWED),
            ({"#": {"*": "inbox"}}, "", "inbox", ALLOWED),
            ({"#": "inbox"}, "inbox", "k", ALLOWED),
            ({"#": "inbox"}, "inbox/a", "k", NOT_ALLOWED),
            ({".": {"*": "m"}}, "any", "m1", ALLOWED),
            ({".": {"*": "m"}}, "m", "k", NOT_ALLOWED),
            (both, "inbox", "m1", ALLOWED),
            (both, "inbox", "k", NOT_ALLOWED),
            (both, "out", "m1", NOT_ALLOWED),
            (["a", {"*": "inbox"}], "inbox", "k", ALLOWED),
            ([], "inbox", "k", NOT_ALLOWED),
            ([None, 5], "inbox", "k", NOT_ALLOWED),
            (None, "inbox", "k", NOT_ALLOWED),
            ({"+": "*"}, "inbox", "k", NOT_ALLOWED),
        ):
            self.assertEqual(self.said({"c": "*", "w": policy}, path, key), expected, (policy, path, key))

    def test_name_in_path(self) -> None:
        """With C{+} the writer's key must be in path or key; the first policy that fits decides."""
        named = {"*": "inbox", "+": "*"}
        missing = f'Path "inbox" or key "k" must contain string "{BOB.pub}".'
        self.assertEqual(self.said({"c": "*", "w": named}), missing)
        self.assertEqual(self.said({"c": "*", "w": [named, {"*": "inbox"}]}), missing)
        self.assertEqual(self.said({"c": "*", "w": [{"*": "inbox"}, named]}), ALLOWED)
        self.assertEqual(self.said({"c": "*", "w": named}, key=BOB.pub), ALLOWED)
        self.assertEqual(self.said({"c": "*", "w": named}, path=f"inbox/{BOB.pub}"), ALLOWED)
        self.assertEqual(self.said({"c": "*", "w": named}, path="", key="inbox"), ALLOWED)

    def test_block(self) -> None:
        """Who is blocked may not write; what is not there blocks nobody."""
        blocked = f"Certificant {BOB.pub} blocked."
        signed = sea.sign_value(f"{MINE}/block", BOB.pub, True, T, ALICE)
        link = sea.sign_value(MINE, "block", {"#": f"{MINE}/elsewhere"}, T, ALICE)
        for block, stored, expected in (
            ("block", {}, ALLOWED),
            ("block", {(f"{MINE}/block", BOB.pub): signed}, blocked),
            ("block", {(f"{MINE}/block", BOB.pub): 1}, blocked),
            ("block", {(f"{MINE}/block", BOB.pub): "1"}, ALLOWED),
            ("block", {(f"{MINE}/block", BOB.pub): False}, ALLOWED),
            ("block", {(f"{MINE}/block", CAROL.pub): True}, ALLOWED),
            ("block", {(MINE, "block"): link, (f"{MINE}/elsewhere", BOB.pub): True}, blocked),
            ("~other.graph/block", {("~other.graph/block", BOB.pub): True}, blocked),
            ({"#": "block"}, {("block", BOB.pub): True}, blocked),
            (5, {}, ALLOWED),
        ):
            self.assertEqual(self.said({"c": "*", "w": {"*": "inbox"}, "wb": block}, stored=stored), expected)

    @checked
    @given(ANYTHING, ANYTHING)
    def test_anything(self, value: Any, other: Any) -> None:
        """Whatever an owner has signed, and whatever is stored, a certificate allows or does not."""
        self.said({"c": value, "w": other, "e": value, "wb": other})
        self.said({"c": "*", "w": {"*": "inbox", "+": value}, "e": other, "wb": value})
        self.said({"c": "*", "w": [{"#": value, ".": other}, value, {"*": "inbox"}], "wb": {"#": other}})
        stored = {(MINE, "b"): value, (f"{MINE}/b", BOB.pub): other}
        self.said({"c": "*", "w": {"*": "inbox"}, "wb": "b"}, stored=stored)
        attempt(
            lambda: sea.read_certificate(value, other),
            lambda: sea.certify(value, other, ALICE),
            lambda: sea.certify("*", "w", ALICE, expiry=value, block=other),
        )


class PutTests(SynchronousTestCase):
    """Values by others in the graph of a user."""

    def verified(self, value: Any, soul: str = f"{MINE}/inbox", key: str = "m1", state: float = T) -> Any:
        """What a value says, if it may stand there."""
        return sea.verify_put(soul, key, value, state, lambda _soul, _key: None).value

    def test_recorded(self) -> None:
        """The recorded one is allowed, there and at that state only."""
        case = RECORDED["certified_put"]
        value, place = case["wire_value"], (case["soul"], case["key"], case["state"])
        self.assertEqual(self.verified(value, *place), "hi")
        self.assertRaises(sea.NotVerified, self.verified, value, case["soul"], "m2", case["state"])
        self.assertRaises(sea.NotVerified, self.verified, value, *place[:2], case["state"] + 1)

    def test_own(self) -> None:
        """Made here, it has the recorded form."""
        certificate = sea.certify(BOB, {"*": "inbox"}, ALICE)
        value = sea.sign_value(f"{MINE}/inbox", "m1", "hi", T, BOB, certificate=certificate)
        self.assertEqual(list(json.loads(value)), list(json.loads(RECORDED["certified_put"]["wire_value"])))
        self.assertEqual(self.verified(value), "hi")
        for wrong in (
            sea.certify(CAROL, {"*": "inbox"}, ALICE),
            sea.certify(BOB, {"*": "outbox"}, ALICE),
            sea.certify(BOB, {"*": "inbox"}, BOB),
            sea.certify(BOB, {"*": "inbox"}, ALICE, expiry=T - 1),
            sea.sign({"c": "*"}, ALICE),
            sea.sign("text", ALICE),
        ):
            value = sea.sign_value(f"{MINE}/inbox", "m1", "hi", T, BOB, certificate=wrong)
            self.assertRaises(sea.NotCertified, self.verified, value)

    def test_account(self) -> None:
        """The property C{pub} is not signed, and the owner's key."""
        self.assertEqual(self.verified(ALICE.pub, MINE, "pub"), ALICE.pub)
        self.assertRaises(sea.NotVerified, self.verified, BOB.pub, MINE, "pub")
        self.assertRaises(sea.NotVerified, self.verified, ALICE.pub, f"{MINE}/x", "pub")
        signed = sea.sign_value(MINE, "pub", ALICE.pub, T, ALICE)
        self.assertRaises(sea.NotVerified, self.verified, signed, MINE, "pub")

    def test_no_owner(self) -> None:
        """What nobody owns is not signed; what no key owns can't be."""
        value = sea.sign_value("plain", "k", 1, T, ALICE)
        self.assertRaises(sea.NotVerified, self.verified, value, "plain", "k")
        self.assertRaises(sea.BadKey, self.verified, value, "chat~room/x", "k")
