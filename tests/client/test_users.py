"""
L{gunnet.client.user}.
"""

from __future__ import annotations

from typing import Any

from gunnet import sea
from gunnet.client import AliasTaken, Busy, Gun, NotAuthenticated, PutRefused
from gunnet.client.user import User
from gunnet.sea.errors import BadData, BadKey, NotDecrypted
from tests.client.bench import BenchTestCase

ALICE, BOB = sea.pair(), sea.pair()
PASSPHRASE = "correct horse"


class UserTestCase(BenchTestCase):
    """With accounts."""

    def user(self, pair: sea.Pair, *, linked: bool = True) -> User:
        """Somebody who is logged in."""
        gun = self.linked() if linked else self.gun()
        return self.result(gun.user().auth(pair))


class AccountTests(UserTestCase):
    """Accounts."""

    def test_create_and_auth(self) -> None:
        """An account made by one client is opened by another."""
        first, second = self.linked(), self.linked()
        user = first.user()
        self.assertIsNone(user.is_)
        self.assertIs(self.result(user.create("alice", PASSPHRASE)), user)
        self.assertEqual(user.is_, {"pub": user.pair.pub, "epub": user.pair.epub, "alias": "alice"})
        other = self.result(second.user().auth("alice", PASSPHRASE))
        self.assertEqual(other.pair, user.pair)
        self.assertIs(second.user(), other)

    def test_wrong(self) -> None:
        """A wrong passphrase, or an alias that nobody has, opens nothing."""
        gun = self.gun()
        self.result(gun.user().create("alice", PASSPHRASE))
        gun.user().leave()
        for alias, passphrase in (("alice", "wrong horse"), ("nobody", PASSPHRASE)):
            text = self.failure(gun.user().auth(alias, passphrase), NotAuthenticated)
            self.assertEqual(text, "Wrong user or password.")
            self.assertIsNone(gun.user().is_)

    def test_refused(self) -> None:
        """An alias that is taken or none, a short passphrase, and a pair that is none."""
        gun = self.gun()
        self.result(gun.user().create("alice", PASSPHRASE))
        user = gun.user().leave()
        self.failure(user.create("alice", "another passphrase"), AliasTaken)
        self.failure(user.create("bob", "short"), BadData)
        self.failure(user.create("", PASSPHRASE), BadData)
        bad: Any = {"pub": "x"}
        self.failure(user.auth(bad), BadKey)
        self.assertIsNone(user.is_)
        self.result(user.create("bob", PASSPHRASE))

    def test_one_at_a_time(self) -> None:
        """While one is being made or opened, another is not."""
        user = self.gun().user()
        first = user.create("alice", PASSPHRASE)
        self.failure(user.auth("alice", PASSPHRASE), Busy)
        self.result(first)

    def test_own_pair(self) -> None:
        """An account for keys that exist, and logging in with them alone."""
        user = self.gun().user()
        self.result(user.create("alice", PASSPHRASE, pair=ALICE))
        self.assertEqual(user.pair, ALICE)
        self.result(user.leave().auth(ALICE))
        self.assertEqual(user.is_, {"pub": ALICE.pub, "epub": ALICE.epub, "alias": ALICE.pub})

    def test_change(self) -> None:
        """A new passphrase opens the account, the old one does not."""
        user = self.gun().user()
        self.result(user.create("alice", PASSPHRASE))
        self.result(user.leave().auth("alice", PASSPHRASE, change="battery staple"))
        self.failure(user.leave().auth("alice", PASSPHRASE), NotAuthenticated)
        self.result(user.auth("alice", "battery staple"))


class SpaceTests(UserTestCase):
    """What users own."""

    def test_put(self) -> None:
        """What is put in the own space is signed, and read without the signatures, by everybody."""
        alice, other = self.user(ALICE), self.linked()
        self.result(alice.get("profile").put({"name": "Alice", "inner": {"n": 1}}))
        soul = f"~{ALICE.pub}/profile"
        self.assertEqual(self.result(alice.get("profile").soul()), soul)
        self.assertIn(b'\\"~\\":', self.talk.relay.relay_links.known(soul, "name")[1])
        expected = {"name": "Alice", "inner": {"#": f"{soul}/inner"}}
        for place in (alice.get("profile"), other.user(ALICE.pub).get("profile"), other.get(soul)):
            self.assertEqual(self.result(place), expected)
        for given in (ALICE, f"~{ALICE.pub}", {"pub": ALICE.pub}):
            self.assertEqual(self.result(other.user(given).get("profile").get("inner").get("n")), 1)
        self.assertRaises(NotAuthenticated, other.user, 7)
        error = self.assertRaises(NotAuthenticated, other.user, {"priv": ALICE.priv, "epriv": ALICE.epriv})
        self.assertNotIn(ALICE.priv, str(error))

    def test_on_and_map(self) -> None:
        """All that a chain can, it can there."""
        alice = self.user(ALICE)
        seen = self.heard(alice.get("n"))
        self.result(alice.get("n").put(1))
        self.result(alice.get("n").put(None))
        self.assertEqual(seen, [(1, "n"), (None, "n")])
        self.result(alice.get("list").set({"x": 1}))
        items = self.result(alice.get("list").map())
        self.assertEqual([*items.values()], [{"x": 1}])
        self.assertTrue(all(soul.startswith(f"~{ALICE.pub}/") for soul in items))
        self.result(alice.put({"about": "me"}))
        self.assertEqual(self.result(alice)["about"], "me")
        self.assertIn("about", self.result(alice.map()))

    def test_not_logged_in(self) -> None:
        """Without a user there is no own space, and nobody else's is written to."""
        gun = self.gun()
        user = gun.user()
        for use in (
            lambda: user.get("a"),
            lambda: user.map(),
            lambda: user.put({"a": 1}),
            lambda: user.on(print),
            lambda: user.pair,
            lambda: user.encrypt(1),
            lambda: gun.user(ALICE.pub).get("a").put(1),
        ):
            self.assertRaises(NotAuthenticated, use)
        self.result(user.auth(BOB))
        self.assertRaises(NotAuthenticated, gun.user(ALICE.pub).get("a").put, 1)
        self.failure(gun.get("a").put({"b": {"_": {"#": f"~{ALICE.pub}/x"}, "c": 1}}), NotAuthenticated)
        user.leave()
        self.assertRaises(NotAuthenticated, user.get, "a")

    def test_forged(self) -> None:
        """What is not signed by the owner is refused by the own node, and seen by nobody."""
        gun = self.gun()
        soul = f"~{ALICE.pub}/x"
        graph = {soul: {"_": {"#": soul, ">": {"a": 1}}, "a": "forged"}}
        self.failure(gun.root.put_graph(graph), PutRefused)
        self.assertIsNone(self.result(gun.get(soul).get("a")))

    def test_certificate(self) -> None:
        """With a certificate of the owner another user writes what that allows, and no more."""
        alice, bob = self.user(ALICE), self.user(BOB)
        cert = alice.certify(BOB.pub, {"*": "inbox"})
        inbox = bob._gun.user(ALICE.pub).get("inbox")
        self.result(inbox.get(BOB.pub).put("hello", cert=cert))
        self.assertEqual(self.result(alice.get("inbox").get(BOB.pub)), "hello")
        self.failure(bob._gun.user(ALICE.pub).get("diary").get("x").put("no", cert=cert), PutRefused)

    def test_encrypted(self) -> None:
        """What is encrypted is read by the user, or by two."""
        alice, bob, eve = self.user(ALICE), self.user(BOB), self.user(sea.pair())
        self.result(alice.get("secret").put(alice.encrypt({"a": 1})))
        self.result(alice.get("shared").put(alice.encrypt("for bob", BOB.epub)))
        theirs = bob._gun.user(ALICE.pub)
        self.assertEqual(alice.decrypt(self.result(alice.get("secret"))), {"a": 1})
        shared = self.result(theirs.get("shared"))
        self.assertEqual(bob.decrypt(shared, ALICE.epub), "for bob")
        self.assertEqual(alice.decrypt(shared, BOB.epub), "for bob")
        self.assertRaises(NotDecrypted, eve.decrypt, shared, ALICE.epub)

    def test_items_of_who_is_logged_in(self) -> None:
        """While somebody is logged in, new nodes are theirs, as in gun.js."""
        gun: Gun = self.gun()
        self.result(gun.user().auth(ALICE))
        put = gun.get("public").set({"n": 1})
        self.result(put)
        self.assertTrue(self.result(put.chain.soul()).startswith(f"~{ALICE.pub}/"))
        self.assertEqual(self.result(put.chain), {"n": 1})
