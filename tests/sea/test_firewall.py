"""
Tests for L{gunnet.sea.firewall}: which values may stand where.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.counters import Counters
from gunnet.graph.expiry import is_expired, lifetime
from gunnet.limits import Limits
from gunnet.sea.certificates import nothing_stored
from gunnet.sea.firewall import (
    NO_ALIAS,
    NO_DATA,
    NOT_A_WRITER,
    UNVERIFIED,
    WRONG_ACCOUNT,
    WRONG_ALIAS,
    WRONG_HASH,
    Check,
    Firewall,
    Judgement,
    Permitted,
    Rules,
    Verdict,
    verify,
)
from gunnet.wire import jstext

NOW = 1_800_000_000_000.0
ALICE, BOB, EVE = sea.pair(), sea.pair(), sea.pair()
SOUL = f"~{ALICE.pub}"

ALLOWED = Judgement.ALLOWED


def text(value: Any) -> bytes:
    """A value as it stands in a cell."""
    return jstext.stringify(value)


class FirewallTests(SynchronousTestCase):
    """Base: a firewall without rules of an operator."""

    rules = Rules()

    def setUp(self) -> None:
        """Have one."""
        self.counters = Counters()
        self.firewall = Firewall(Limits(), self.counters, self.rules)

    def verdict(
        self, soul: str, key: str, value: Any, state: float = NOW, read: sea.ReadValue = nothing_stored
    ) -> Verdict:
        """What becomes of a value, once what is to be verified is."""
        outcome = self.firewall.judge((soul, key, state, text(value)), NOW)
        if isinstance(outcome, Check):
            check, outcome = outcome, verify(outcome)
            self.firewall.learn(check, outcome)
        return self.firewall.conclude(outcome, read)


class RuleTests(FirewallTests):
    """What needs no signature."""

    def test_anybodys(self) -> None:
        """All other souls take anything, and the firewall is not concerned."""
        for soul in ("room", "a/b", "x@y", "<7", "?"):
            self.assertFalse(self.firewall.concerns(soul), soul)
            self.assertEqual(ALLOWED, self.verdict(soul, "x", "anything"))
        for soul in ("~x", "a~b", "#", "a#b", "a<?9"):
            self.assertTrue(self.firewall.concerns(soul), soul)

    def test_aliases(self) -> None:
        """An alias links to accounts by their souls, and the list of aliases to them."""
        alias = sea.alias_soul("alice")
        self.assertEqual(ALLOWED, self.verdict(alias, SOUL, {"#": SOUL}))
        self.assertEqual(WRONG_ALIAS, self.verdict(alias, SOUL, {"#": f"~{EVE.pub}"}))
        self.assertEqual(WRONG_ALIAS, self.verdict(alias, SOUL, "text"))
        self.assertEqual(WRONG_ALIAS, self.verdict(alias, SOUL, True))
        for nothing in (None, False, 0, ""):
            self.assertEqual(NO_ALIAS, self.verdict(alias, SOUL, nothing))
            self.assertEqual(NO_DATA, self.verdict("~@", "alice", nothing))
        self.assertEqual(ALLOWED, self.verdict("~@", "alice", {"#": alias}))
        self.assertEqual(WRONG_ALIAS, self.verdict("~@", "alice", {"#": "~@eve"}))

    def test_account(self) -> None:
        """An account says its own key, unsigned."""
        self.assertEqual(ALLOWED, self.verdict(SOUL, "pub", ALICE.pub))
        for value in (EVE.pub, None, True, {"#": SOUL}):
            self.assertEqual(WRONG_ACCOUNT, self.verdict(SOUL, "pub", value))
        self.assertEqual(UNVERIFIED, self.verdict(f"{SOUL}/below", "pub", ALICE.pub))

    def test_content(self) -> None:
        """A soul with # holds what its keys are the hashes of."""
        key = sea.content_hash("hello")
        for name in (key, f"pre#{key}"):
            self.assertEqual(ALLOWED, self.verdict("#", name, "hello"))
            self.assertEqual(ALLOWED, self.verdict("a#b", name, "hello"))
            self.assertEqual(WRONG_HASH, self.verdict("#", name, "HELLO"))
        self.assertEqual(WRONG_HASH, self.verdict("#", "x", None))

    def test_expired(self) -> None:
        """A soul with <? holds nothing older than so many seconds, and then what its other rules say."""
        self.assertEqual(ALLOWED, self.verdict("chat<?60", "x", 1, NOW - 59_000))
        self.assertEqual(Judgement.EXPIRED, self.verdict("chat<?60", "x", 1, NOW - 61_000))
        self.assertEqual(UNVERIFIED, self.verdict(f"{SOUL}/chat<?60", "x", 1))
        self.assertEqual(Judgement.EXPIRED, self.verdict(f"{SOUL}/chat<?60", "x", 1, NOW - 61_000))

    def test_lifetime(self) -> None:
        """Seconds are read as JavaScript's parseFloat does; 0 and nonsense are for ever."""
        for soul, seconds in (
            ("a<?99", 99.0),
            ("a<?1.5x", 1.5),
            ("a<? 2e1", 20.0),
            ("a<?.5", 0.5),
            ("a<?-3", -3.0),
            ("a<?0", None),
            ("a<?x", None),
            ("a<?", None),
            ("a<?1e999", None),
            ("a<9", None),
            ("a<?3<?9", 3.0),
        ):
            self.assertEqual(seconds, lifetime(soul), soul)
        self.assertFalse(is_expired("a", 0.0, NOW))
        self.assertTrue(is_expired("a<?-3", NOW, NOW))
        self.assertTrue(is_expired("a<?-3", NOW + 9_000, NOW), "it would be as soon as it counts")
        self.assertFalse(is_expired("a<?3", NOW + 9_000, NOW))


class SignatureTests(FirewallTests):
    """What is owned is signed by its owner."""

    def put(self, value: Any, *, by: sea.Pair = ALICE, soul: str = SOUL, key: str = "name") -> str:
        """A signed value."""
        return sea.sign_value(soul, key, value, NOW, by)

    def test_signed(self) -> None:
        """Any value, and only there: another soul, key, state or owner needs another signature."""
        for value in ("hello", 1.5, None, True, {"#": "room"}):
            self.assertEqual(ALLOWED, self.verdict(SOUL, "name", self.put(value)), value)
        signed = self.put("hello")
        self.assertEqual(UNVERIFIED, self.verdict(f"{SOUL}/a", "name", signed))
        self.assertEqual(UNVERIFIED, self.verdict(SOUL, "other", signed))
        self.assertEqual(UNVERIFIED, self.verdict(SOUL, "name", signed, NOW - 1))
        self.assertEqual(UNVERIFIED, self.verdict(f"~{EVE.pub}", "name", signed))
        self.assertEqual(UNVERIFIED, self.verdict(SOUL, "name", self.put("hello", by=EVE)))

    def test_not_signed(self) -> None:
        """Nothing else may stand there."""
        for value in ("hello", 1, None, True, {"#": "x"}, "SEA{}", json.dumps({":": 1}), json.dumps([1])):
            self.assertEqual(UNVERIFIED, self.verdict(SOUL, "name", value), value)
        self.assertEqual(UNVERIFIED, self.verdict("chat~room/x", "name", "hello"))

    def test_known(self) -> None:
        """What was verified is not verified again, and neither is what failed."""
        signed, forged = self.put("hello"), self.put("hello", by=EVE)
        for value, verdict in ((signed, ALLOWED), (forged, UNVERIFIED)):
            self.assertEqual(verdict, self.verdict(SOUL, "name", value))
            self.assertEqual(verdict, self.firewall.judge((SOUL, "name", NOW, text(value)), NOW))
            self.assertIsInstance(self.firewall.judge((SOUL, "name", NOW + 1, text(value)), NOW), Check)
        self.assertEqual((2, 2), (self.counters["verifications_known"], len(self.firewall)))

    def test_verified(self) -> None:
        """No more than the bound is remembered; what was not needed in the last half of it goes."""
        self.firewall = Firewall(Limits(verified=4), self.counters, Rules())
        values = [self.put(number) for number in range(4)]
        for number in (0, 1, 2, 0, 3):
            self.verdict(SOUL, "name", values[number])
            self.assertLessEqual(len(self.firewall), 4)
        self.assertEqual((1, 3), (self.counters["verified_evicted"], len(self.firewall)))
        self.assertGreater(self.firewall.memory_bytes, 300)
        again = [self.firewall.judge((SOUL, "name", NOW, text(values[at])), NOW) for at in (1, 3, 2)]
        self.assertEqual([True, False, False], [isinstance(each, Check) for each in again])


class HoleTests(FirewallTests):
    """The five holes that gun.js has here, each closed."""

    def test_ownership_bypass(self) -> None:
        """Signed by somebody else, who says so, without a certificate: anybody could write anywhere."""
        signed = json.loads(sea.sign_value(SOUL, "name", "hi", NOW, EVE))
        value = json.dumps({**signed, "*": EVE.pub}, separators=(",", ":"))
        self.assertEqual(UNVERIFIED, self.verdict(SOUL, "name", value))
        for certificate in ({}, {"m": {"c": "*", "w": "name"}}, {"s": "x"}, "SEA{}", None, True):
            value = json.dumps({**signed, "*": EVE.pub, "+": certificate}, separators=(",", ":"))
            self.assertEqual(UNVERIFIED, self.verdict(SOUL, "name", value), certificate)

    def test_object_signature(self) -> None:
        """One signature over the text [object Object] stands for no value."""
        signature = json.loads(sea.sign("[object Object]", ALICE).removeprefix("SEA"))["s"]
        value = json.dumps({":": "hi", "~": signature}, separators=(",", ":"))
        self.assertEqual(UNVERIFIED, self.verdict(SOUL, "name", value))

    def test_key_policy(self) -> None:
        """Of a policy with a path and a key, the key counts too."""
        policy = {"#": {"*": "inbox"}, ".": {"*": "m"}}
        certificate = sea.certify(BOB, policy, ALICE)
        soul = f"{SOUL}/inbox"
        for key, verdict in (("m1", ALLOWED), ("other", "Certificate verification fail.")):
            value = sea.sign_value(soul, key, "hi", NOW, BOB, certificate=certificate)
            self.assertEqual(verdict, self.verdict(soul, key, value))

    def test_bad_certificate_is_told(self) -> None:
        """A certificate for or by somebody else gets an error, where gun.js is silent."""
        soul = f"{SOUL}/inbox"
        for certificate in (sea.certify(EVE, {"*": "inbox"}, ALICE), sea.certify(BOB, {"*": "inbox"}, EVE)):
            value = sea.sign_value(soul, "m", "hi", NOW, BOB, certificate=certificate)
            self.assertEqual("Certificate verification fail.", self.verdict(soul, "m", value))

    def test_never_absent(self) -> None:
        """No relay is without it: C{mesh.checks} imports it, and nothing is caught there."""
        from gunnet.mesh import checks

        self.assertIs(Firewall, checks.Firewall)


class CertificateTests(FirewallTests):
    """What an owner allows others to write."""

    def setUp(self) -> None:
        """Bob may write below inbox."""
        super().setUp()
        self.soul = f"{SOUL}/inbox"
        self.certificate = sea.certify(BOB, {"*": "inbox"}, ALICE, expiry=NOW + 1, block="blocked")

    def value(self, state: float = NOW) -> str:
        """Something that Bob writes."""
        return sea.sign_value(self.soul, "m", "hi", state, BOB, certificate=self.certificate)

    def test_allowed(self) -> None:
        """As long as the state is not later than it says."""
        self.assertEqual(ALLOWED, self.verdict(self.soul, "m", self.value()))
        late = self.value(NOW + 2)
        self.assertEqual("Certificate expired.", self.verdict(self.soul, "m", late, NOW + 2))

    def test_blocked(self) -> None:
        """The owner's list of those that are blocked is looked at each time, also of what was verified."""
        value = self.value()
        stored: dict[tuple[str, str], Any] = {}
        self.assertEqual(ALLOWED, self.verdict(self.soul, "m", value))
        stored[(f"{SOUL}/blocked", BOB.pub)] = sea.sign_value(f"{SOUL}/blocked", BOB.pub, True, NOW, ALICE)
        known = self.firewall.judge((self.soul, "m", NOW, text(value)), NOW)
        self.assertIsInstance(known, Permitted)
        verdict = self.verdict(self.soul, "m", value, read=lambda *name: stored.get(name))
        self.assertEqual(f"Certificant {BOB.pub} blocked.", verdict)


class SignedOnlyTests(FirewallTests):
    """No public space (C{secure} in gun.js)."""

    rules = Rules(signed_only=True)

    def test_rules(self) -> None:
        """What nobody owns is refused; accounts, aliases and content are not."""
        self.assertTrue(self.firewall.concerns("room"))
        self.assertEqual("Soul missing public key at 'x'.", self.verdict("room", "x", 1))
        self.assertEqual(ALLOWED, self.verdict("#", sea.content_hash("hi"), "hi"))
        self.assertEqual(ALLOWED, self.verdict(sea.alias_soul("alice"), SOUL, {"#": SOUL}))
        self.assertEqual(ALLOWED, self.verdict(SOUL, "x", sea.sign_value(SOUL, "x", 1, NOW, ALICE)))


class WriterTests(FirewallTests):
    """Only some may write."""

    rules = Rules(writers=frozenset({ALICE.pub, BOB.pub}))

    def test_owners(self) -> None:
        """An account of theirs is theirs; others are refused before anything is verified."""
        self.assertEqual(ALLOWED, self.verdict(SOUL, "pub", ALICE.pub))
        self.assertEqual(ALLOWED, self.verdict(SOUL, "x", sea.sign_value(SOUL, "x", 1, NOW, ALICE)))
        soul = f"~{EVE.pub}"
        self.assertEqual(NOT_A_WRITER, self.verdict(soul, "pub", EVE.pub))
        value = text(sea.sign_value(soul, "x", 1, NOW, EVE))
        self.assertEqual(NOT_A_WRITER, self.firewall.judge((soul, "x", NOW, value), NOW))

    def test_certificants(self) -> None:
        """Who writes counts, not in whose graph."""
        for owner, writer, verdict in (
            (ALICE, BOB, ALLOWED),
            (EVE, BOB, ALLOWED),
            (ALICE, EVE, NOT_A_WRITER),
        ):
            soul = f"~{owner.pub}/inbox"
            certificate = sea.certify("*", {"*": "inbox"}, owner)
            value = sea.sign_value(soul, "m", 1, NOW, writer, certificate=certificate)
            self.assertEqual(verdict, self.verdict(soul, "m", value))

    def test_others(self) -> None:
        """Where nobody signs, nobody of them does; an alias may lead to one of them."""
        self.assertEqual(NOT_A_WRITER, self.verdict("room", "x", 1))
        self.assertEqual(NOT_A_WRITER, self.verdict("#", sea.content_hash("hi"), "hi"))
        self.assertEqual(ALLOWED, self.verdict("~@alice", SOUL, {"#": SOUL}))
        self.assertEqual(NOT_A_WRITER, self.verdict("~@eve", f"~{EVE.pub}", {"#": f"~{EVE.pub}"}))
        self.assertEqual(NOT_A_WRITER, self.verdict(SOUL, "x", "not signed"))
