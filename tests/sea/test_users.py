"""Tests for L{gunnet.sea.users}: accounts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.sea import users
from gunnet.sea.puts import unpacked
from tests.sea.given import ALICE, ANYTHING, BOB, MINE, Counting, T, attempt
from tests.wire.javascript import checked

FRAMES = Path(__file__).parent.parent / "frames" / "43-user-create-auth.noaxe.json"
PASS = "password1"


def recorded_graph() -> dict[str, Any]:
    """All nodes that two real clients put, joined."""
    graph: dict[str, Any] = {}
    for frame in json.loads(FRAMES.read_text("utf-8"))["frames"]:
        if "raw" in frame:
            messages = json.loads(frame["raw"])
            for message in messages if isinstance(messages, list) else [messages]:
                for soul, node in (message.get("put") or {}).items():
                    known = graph.setdefault(soul, {"_": {"#": soul, ">": {}}})
                    known["_"][">"].update(node["_"][">"])
                    known.update({key: value for key, value in node.items() if key != "_"})
    return graph


class AccountTests(SynchronousTestCase):
    """Creating accounts and opening them."""

    def test_recorded(self) -> None:
        """The account that a real client created is opened, and what it put is read."""
        graph = recorded_graph()
        keys = sea.auth("alice", PASS, graph)
        soul = f"~{keys.pub}"
        self.assertEqual(sea.account_souls(graph["~@alice"]), [soul])
        values = sea.read_node(graph[soul])
        self.assertEqual((values["alias"], values["epub"], values["pub"]), ("alice", keys.epub, keys.pub))
        self.assertEqual(values["profile"], {"#": f"{soul}/profile"})
        self.assertEqual((values["n"], values["t"], values["o"]), (42, True, None))
        self.assertEqual(sea.read_node(graph[f"{soul}/profile"]), {"name": "Alice A"})
        self.assertRaises(sea.NotAuthenticated, sea.auth, "alice", "password2", graph)

    def test_create(self) -> None:
        """What creating puts has the recorded form, and is opened again."""
        keys, graph = sea.create("alice", PASS, T)
        soul = f"~{keys.pub}"
        self.assertEqual(graph["~@alice"], {"_": {"#": "~@alice", ">": {soul: T}}, soul: {"#": soul}})
        account = graph[soul]
        self.assertEqual(account["_"], {"#": soul, ">": dict.fromkeys(("alias", "epub", "auth", "pub"), T)})
        self.assertEqual(account["pub"], keys.pub)
        sealed = json.loads(unpacked(account["auth"]))
        self.assertEqual((list(sealed), list(sealed["ek"])), (["ek", "s"], ["ct", "iv", "s"]))
        self.assertRegex(sealed["s"], r"\A[0-9A-Za-z]{64}\Z")
        self.assertEqual(sea.auth("alice", PASS, graph), keys)
        self.assertEqual(sea.auth("alice", PASS, json.loads(json.dumps(graph))), keys)

    def test_given(self) -> None:
        """With keys and random bytes given, all but the signatures is given."""
        once, again = (sea.create("a", PASS, T, pair=ALICE, random=Counting())[1] for _ in range(2))
        self.assertEqual(unpacked(once[MINE]["auth"]), unpacked(again[MINE]["auth"]))
        keys, _ = sea.create("a", PASS, T, random=Counting())
        self.assertEqual(keys, sea.pair(random=Counting()))

    def test_change_passphrase(self) -> None:
        """After a change the new passphrase opens it and the old one does not."""
        keys, graph = sea.create("alice", PASS, T)
        soul = f"~{keys.pub}"
        change = sea.change_passphrase(keys, "other pass", T + 1)
        self.assertEqual(set(change[soul]), {"_", "auth"})
        graph[soul]["auth"] = change[soul]["auth"]
        self.assertRaises(sea.NotAuthenticated, sea.auth, "alice", PASS, graph)
        self.assertRaises(sea.NotAuthenticated, sea.auth, "alice", "other pass", graph)
        graph[soul]["_"][">"]["auth"] = T + 1
        self.assertEqual(sea.auth("alice", "other pass", graph), keys)

    def test_several(self) -> None:
        """Of several accounts with one alias the passphrase finds its own, whatever others added."""
        one, graph = sea.create("alice", PASS, T, pair=ALICE)
        other, more = sea.create("alice", "something else", T, pair=BOB)
        graph["~@alice"].update(more["~@alice"])
        graph |= {f"~{BOB.pub}": more[f"~{BOB.pub}"], "~not.there": {}}
        graph["~@alice"] |= {"~not.there": {"#": "~not.there"}, "x": {"#": "y"}, "z": 5}
        self.assertEqual(sea.auth("alice", "something else", graph), other)
        self.assertEqual(sea.auth("alice", PASS, graph), one)

    def test_forged(self) -> None:
        """An account is believed only if it is signed by its key, and its private keys are those of it."""
        _, graph = sea.create("alice", PASS, T, pair=ALICE)
        _, foreign = sea.create("alice", PASS, T, pair=BOB)
        mixed = {**graph, MINE: {**graph[MINE], "auth": foreign[f"~{BOB.pub}"]["auth"]}}
        self.assertRaises(sea.NotAuthenticated, sea.auth, "alice", PASS, mixed)
        resigned = sea.sign_value(MINE, "auth", unpacked(foreign[f"~{BOB.pub}"]["auth"]), T, ALICE)
        mixed[MINE]["auth"] = resigned
        self.assertRaises(sea.NotAuthenticated, sea.auth, "alice", PASS, mixed)

    def test_accounts_max(self) -> None:
        """No more than L{users.ACCOUNTS_MAX} accounts of an alias are tried."""
        self.patch(users, "ACCOUNTS_MAX", 1)
        _, graph = sea.create("alice", PASS, T, pair=ALICE)
        links = {f"~{BOB.pub}": {"#": f"~{BOB.pub}"}, MINE: {"#": MINE}}
        graph["~@alice"] = {"_": {"#": "~@alice", ">": dict.fromkeys(links, T)}, **links}
        self.assertRaises(sea.NotAuthenticated, sea.auth, "alice", PASS, graph)

    def test_refused(self) -> None:
        """No alias, a short passphrase, keys that are none: nothing is created."""
        for alias, passphrase in (("", PASS), (None, PASS), ("a", "1234567"), ("a", None), (5, PASS)):
            self.assertRaises(sea.BadData, sea.create, alias, passphrase, T)
        self.assertRaises(sea.BadKey, sea.create, "a", PASS, T, pair={"pub": ALICE.pub})
        self.assertRaises(sea.BadKey, sea.create, "a", PASS, T, pair={**ALICE.as_dict(), "priv": BOB.priv})
        for state in (0, None, "5", float("nan")):
            self.assertRaises(sea.BadData, sea.create, "a", PASS, state, pair=ALICE)

    def test_remember(self) -> None:
        """What is kept for a session is what gun.js keeps."""
        kept = sea.remember(ALICE)
        self.assertEqual(kept["recall"], "true")
        self.assertEqual(list(json.loads(kept["pair"])), ["pub", "epub", "priv", "epriv"])
        self.assertEqual(sea.recall(kept), ALICE)
        for storage in ({}, {"recall": "true"}, {"pair": "{"}, {"pair": "{}"}, {"pair": None}, None):
            self.assertRaises(sea.NotAuthenticated, sea.recall, storage)


class NodeTests(SynchronousTestCase):
    """Nodes in the graph of a user."""

    def test_sign_node(self) -> None:
        """What is signed is read; what is not verified is left out."""
        values = {"name": "Alice", "age": 5.5, "gone": None, "friend": {"#": "~x.y"}}
        graph = sea.sign_node(f"{MINE}/profile", values, T, ALICE)
        node = graph[f"{MINE}/profile"]
        self.assertEqual(sea.read_node(node), values)
        node["age"] = 6
        node["more"] = sea.sign_value(f"{MINE}/profile", "more", 1, T, ALICE)
        del values["age"]
        self.assertEqual(sea.read_node(node), values)

    def test_certificate(self) -> None:
        """With a certificate others write there too."""
        certificate = sea.certify(BOB, {"*": "inbox"}, ALICE, block="block")
        graph = sea.sign_node(f"{MINE}/inbox", {"m": "hi"}, T, BOB, certificate=certificate)
        node = graph[f"{MINE}/inbox"]
        self.assertEqual(sea.read_node(node), {"m": "hi"})
        self.assertEqual(sea.read_node(node, lambda _soul, key: key == BOB.pub), {})

    @settings(checked, max_examples=60)
    @given(ANYTHING, ANYTHING)
    def test_anything(self, value: Any, other: Any) -> None:
        """It is right, or it raises L{sea.SEAError}: nothing else, whatever is passed in."""
        attempt(
            lambda: sea.read_node(value),
            lambda: sea.read_node({"_": value}),
            lambda: sea.read_node({"_": {"#": value, ">": other}, "k": value}),
            lambda: sea.read_node(
                {"_": {"#": MINE, ">": {"k": value, "pub": value}}, "k": other, "pub": other}
            ),
            lambda: sea.account_souls(value),
            lambda: sea.auth(value, other, other),
            lambda: sea.auth("a", "password", {"~@a": value}),
            lambda: sea.auth("a", "password", {"~@a": {MINE: {"#": MINE}}, MINE: value}),
            lambda: sea.create(value, other, T, pair=ALICE),
            lambda: sea.create("a", "short", value, pair=other),
            lambda: sea.sign_node(MINE, {"k": value}, T, ALICE, certificate=other),
            lambda: sea.remember(value),
            lambda: sea.recall(value),
            lambda: sea.recall({"pair": value}),
        )
