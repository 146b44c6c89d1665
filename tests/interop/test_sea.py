"""
L{gunnet.sea} and the real SEA, both ways: what one has signed, encrypted, certified or created, the other
reads.

The cases are random. The seed is printed; C{GUNNET_SEA_SEED} gives it again.
"""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.wire import jstext
from tests.interop import node
from tests.sea.given import alike, flipped
from tests.wire.javascript import HARD_CHARACTERS, joined

CASES = 1_000
WORKS = 20
USERS = 8
NODE_SECONDS_MAX = 60
STATE = 1_700_000_000_000.0
ABSENT = object()
"""What stands for C{undefined}."""


class Cases:
    """Random values of all kinds."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def text(self, shortest: int = 0) -> str:
        """Text with control characters, characters beyond U+FFFF and halves of such."""
        letters = [
            self.dice.choice(HARD_CHARACTERS)
            if self.dice.random() < 0.4
            else chr(self.dice.choice((self.dice.randrange(32, 127), self.dice.randrange(0x110000))))
            for _ in range(self.dice.randrange(shortest, 12))
        ]
        text = joined("".join(letters))
        return text if len(text) >= shortest else "x" * shortest

    def number(self) -> float | int:
        """A number: whole, broken, tiny, huge, and minus zero."""
        return self.dice.choice(
            (
                -0.0,
                self.dice.randrange(-1000, 1000),
                self.dice.randrange(-(2**70), 2**70),
                self.dice.uniform(-1, 1),
                self.dice.randrange(10**15) / 1000,
                self.dice.uniform(1, 10) * 10.0 ** self.dice.randrange(-320, 308),
                5e-324,
                1.7976931348623157e308,
                1e21,
                1e-7,
            )
        )

    def scalar(self) -> Any:
        """Anything but objects and lists."""
        return self.dice.choice(
            (self.text, self.text, self.number, lambda: self.dice.choice((None, True, False)))
        )()

    def value(self) -> Any:
        """What a graph can hold."""
        return {"#": self.text(1)} if self.dice.random() < 0.15 else self.scalar()

    def data(self, depth: int = 3) -> Any:
        """Any JSON, and text of it."""
        kind = self.dice.random()
        if kind < 0.1 and depth == 3:
            text = jstext.stringify(self.data(2)).decode()
            return self.dice.choice(("", "SEA", " ")) + text
        if kind < 0.5 or not depth:
            return self.scalar()
        inner = [self.data(depth - 1) for _ in range(self.dice.randrange(4))]
        if kind < 0.65:
            return inner
        names = [self.dice.choice((self.text(), str(self.dice.randrange(12)), "b", "a")) for _ in inner]
        return dict(zip(names, inner, strict=True))

    def state(self) -> float:
        """A state, with fractions or not."""
        return STATE + self.dice.choice((self.dice.randrange(10**9), self.dice.randrange(10**12) / 999))


class SeaCase(SynchronousTestCase):
    """Node, and what it is asked."""

    timeout = 3 * NODE_SECONDS_MAX
    version: ClassVar[str] = node.GUN_VERSIONS[0]
    mode: ClassVar[str] = "page"

    def setUp(self) -> None:
        self.kit = node.kit()
        self.seed = int(os.environ.get("GUNNET_SEA_SEED") or secrets.randbelow(10**9))
        print(f"{self.id()}: GUNNET_SEA_SEED={self.seed}", file=sys.__stdout__, flush=True)
        self.cases = Cases(self.seed)

    def ask(self, commands: list[dict[str, Any]]) -> list[Any]:
        """What the real SEA answers."""
        said = subprocess.run(
            [self.kit.node, os.path.join(node.HERE, "sea.js"), self.kit.gun(self.version), self.mode],
            input=jstext.stringify(commands),
            capture_output=True,
            timeout=NODE_SECONDS_MAX,
            check=False,
        )
        self.assertEqual(said.returncode, 0, said.stderr[-2000:].decode("utf-8", "replace"))
        answers = jstext.parse(said.stdout)
        self.assertEqual(len(answers), len(commands))
        return [answer.get("answer", ABSENT) for answer in answers]

    def pairs(self) -> list[sea.Pair]:
        """Pairs made on both sides."""
        theirs = self.ask([{"do": "pair"}] * 4)
        return [*map(sea.Pair.of, theirs), *(sea.pair() for _ in range(4))]

    def assertAlike(self, found: Any, expected: Any, case: Any) -> None:
        """They are the same to JavaScript."""
        if found is ABSENT or expected is ABSENT or not alike(found, expected):
            self.fail(f"seed {self.seed}: {found!r} is not {expected!r}: {case!r}")


class Primitives(SeaCase):
    """Signing, encrypting and the rest, L{CASES} times each."""

    def test_sign(self) -> None:
        """Signed data, also changed."""
        pairs = self.pairs()
        cases = [(self.data(), self.cases.dice.choice(pairs)) for _ in range(CASES)]
        signed = self.ask([{"do": "sign", "data": data, "pair": pair.as_dict()} for data, pair in cases])
        for (data, pair), answer in zip(cases, signed, strict=True):
            self.assertAlike(sea.verify(answer["text"], pair.pub), answer.get("again", ABSENT), data)
            mine = sea.sign(self.in_order(data), pair)
            self.assertEqual(self.message(mine), self.message(answer["text"]), f"seed {self.seed}")
            self.assertRaises(sea.NotVerified, sea.verify, self.changed(answer["text"]), pair.pub)
        mine = [sea.sign(self.in_order(data), pair) for data, pair in cases]
        for change in (str, self.changed):
            asked = [
                {"do": "verify", "data": change(text), "pub": pair.pub}
                for text, (_, pair) in zip(mine, cases, strict=True)
            ]
            for text, answer, (data, pair) in zip(mine, self.ask(asked), cases, strict=True):
                if change is str:
                    self.assertAlike(answer, sea.verify(text, pair.pub), data)
                else:
                    self.assertIs(answer, ABSENT, f"seed {self.seed}: {data!r}")

    def data(self) -> Any:
        """Data that the other side reads as it is."""
        return self.cases.data()

    def in_order(self, data: Any) -> Any:
        """C{data} as it must be signed here, to be verified there."""
        return data

    def message(self, text: str) -> str:
        """C{text} without the signature, which is never the same."""
        return text.rpartition(',"s":')[0]

    def changed(self, text: str) -> str:
        """C{text} with another signature."""
        return flipped(text, len(text) - 2 - self.cases.dice.randrange(4, 80))

    def test_values(self) -> None:
        """Signed values, also with another state."""
        pairs = self.pairs()
        cases = []
        for _ in range(CASES):
            pair = self.cases.dice.choice(pairs)
            soul = f"~{pair.pub}{self.cases.dice.choice(('', '/' + self.cases.text()))}"
            cases.append((soul, self.cases.text(1), self.cases.value(), self.cases.state(), pair))
        names = ("soul", "key", "value", "state")
        asked = [
            {"do": "signValue", **dict(zip(names, case, strict=False)), "pair": case[4].as_dict()}
            for case in cases
        ]
        for (soul, key, value, state, pair), text in zip(cases, self.ask(asked), strict=True):
            signed = sea.verify_value(soul, key, text, state, pair.pub)
            self.assertAlike(signed.value, value, (soul, key, state))
            self.assertRaises(sea.NotVerified, sea.verify_value, soul, key, text, state + 1, pair.pub)
        asked = []
        for soul, key, value, state, pair in cases:
            text = sea.sign_value(soul, key, value, state, pair)
            command = {"do": "verifyValue", "soul": soul, "key": key, "value": text, "pub": pair.pub}
            asked += [{**command, "state": state}, {**command, "state": state + 1}]
        answers = self.ask(asked)
        for at, case in enumerate(cases):
            self.assertAlike(answers[2 * at], case[2], case)
            self.assertIs(answers[2 * at + 1], ABSENT, f"seed {self.seed}: {case!r}")

    def test_encrypt(self) -> None:
        """Encrypted data, with any text as the key."""
        cases = [(self.data(), self.cases.text(1)) for _ in range(CASES)]
        sealed = self.ask([{"do": "encrypt", "data": data, "key": key} for data, key in cases])
        for (data, key), answer in zip(cases, sealed, strict=True):
            self.assertAlike(sea.decrypt(answer["text"], key), answer["again"], data)
            self.assertRaises(sea.NotDecrypted, sea.decrypt, answer["text"], key + "x")
        mine = [sea.encrypt(data, key) for data, key in cases]
        asked = [
            {"do": "decrypt", "data": text, "key": key} for text, (_, key) in zip(mine, cases, strict=True)
        ]
        for (data, key), text, answer in zip(cases, mine, self.ask(asked), strict=True):
            self.assertAlike(answer, sea.decrypt(text, key), data)

    def test_secret(self) -> None:
        """Secrets of many pairs."""
        pairs = self.pairs()
        pairs += [sea.pair() for _ in range(24)]
        cases = [(self.cases.dice.choice(pairs), self.cases.dice.choice(pairs)) for _ in range(CASES)]
        asked = [{"do": "secret", "epub": other.epub, "pair": pair.as_dict()} for other, pair in cases]
        for (other, pair), answer in zip(cases, self.ask(asked), strict=True):
            self.assertEqual(answer, sea.secret(other, pair), f"seed {self.seed}")
            self.assertEqual(answer, sea.secret(pair.epub, other), f"seed {self.seed}")

    def test_certify(self) -> None:
        """Certificates say the same, and verify."""
        pairs = self.pairs()
        cases = []
        for _ in range(CASES):
            many = self.cases.dice.sample(pairs, self.cases.dice.randrange(1, 4))
            certificants = self.cases.dice.choice(("*", many[0].pub, [pair.pub for pair in many]))
            options: dict[str, Any] = {}
            if self.cases.dice.random() < 0.5:
                options["expiry"] = self.cases.state()
            if self.cases.dice.random() < 0.5:
                options["block"] = self.cases.text(1)
            cases.append((certificants, self.policy(), self.cases.dice.choice(pairs), options))
        asked = [
            {
                "do": "certify",
                "certificants": who,
                "policy": policy,
                "authority": pair.as_dict(),
                "opt": options,
            }
            for who, policy, pair, options in cases
        ]
        theirs = self.ask(asked)
        mine = [sea.certify(who, policy, pair, **options) for who, policy, pair, options in cases]
        asked = [
            {"do": "verify", "data": text, "pub": case[2].pub} for text, case in zip(mine, cases, strict=True)
        ]
        for case, text, my_text, read in zip(cases, theirs, mine, self.ask(asked), strict=True):
            terms = sea.read_certificate(text, case[2].pub).terms
            self.assertAlike(sea.read_certificate(my_text, case[2].pub).terms, terms, case)
            self.assertAlike(read, terms, case)

    def policy(self) -> Any:
        """Something that may be written."""
        lex = {self.cases.dice.choice("*=><"): self.cases.text(1)}
        choices = (self.cases.text(1), lex, {**lex, "+": "*"}, {"#": lex, ".": {"*": "m"}}, [lex, "inbox"])
        return self.cases.dice.choice(choices)

    def test_work(self) -> None:
        """Work of any text, and L{CASES} hashes of any data."""
        cases: list[tuple[Any, Any, dict[str, Any]]] = [
            (self.data(), self.cases.text(1), {}) for _ in range(WORKS)
        ]
        cases += [
            (self.data(), self.cases.text(1), {"iterations": 3, "length": 256, "encode": "hex"})
            for _ in range(WORKS)
        ]
        for _ in range(CASES):
            name = self.cases.dice.choice(("SHA-256", "SHA-256", "sha-1", "SHA-384", "SHA-512"))
            encode = self.cases.dice.choice(("base64", "hex", "utf8"))
            cases.append((self.data(), None, {"name": name, "encode": encode}))
        asked = [{"do": "work", "data": data, "salt": salt, "opt": options} for data, salt, options in cases]
        for (data, salt, options), answer in zip(cases, self.ask(asked), strict=True):
            mine = sea.work(self.in_order(data), salt, **options)
            self.assertEqual(mine, answer, f"seed {self.seed}: {data!r} {salt!r} {options}")


class Users(SeaCase):
    """Accounts and what their owners put, through whole clients."""

    def test_created_there(self) -> None:
        """Accounts that clients created are opened here, also after a change of passphrase there."""
        names = [(f"user {self.cases.text()}", "pass " + self.cases.text(4)) for _ in range(USERS)]
        created = self.ask([{"do": "create", "alias": alias, "pass": word} for alias, word in names])
        for (alias, word), answer in zip(names, created, strict=True):
            keys = sea.auth(alias, word, answer["graph"])
            self.assertEqual(keys, sea.Pair.of(answer["pair"]))
            values = sea.read_node(answer["graph"][f"~{keys.pub}"])
            self.assertEqual((values["alias"], values["epub"]), (alias, keys.epub))
            self.assertRaises(sea.NotAuthenticated, sea.auth, alias, word + "x", answer["graph"])
        asked = [
            {"do": "changed", "alias": alias, "pass": word, "change": word + "2", "graph": answer["graph"]}
            for (alias, word), answer in zip(names, created, strict=True)
        ]
        for (alias, word), before, graph in zip(names, created, self.ask(asked), strict=True):
            self.assertEqual(sea.auth(alias, word + "2", graph), sea.Pair.of(before["pair"]))
            self.assertRaises(sea.NotAuthenticated, sea.auth, alias, word, graph)

    def test_created_here(self) -> None:
        """Accounts that were created here are opened by clients, also with several of one alias."""
        asked, expected = [], []
        for _ in range(USERS // 2):
            alias = f"user {self.cases.text()}"
            graph: dict[str, Any] = {}
            for number in range(2):
                keys, account = sea.create(alias, f"passphrase {number}", STATE)
                node_of_alias = graph.get(f"~@{alias}", {"_": {"#": f"~@{alias}", ">": {}}})
                added = account.pop(f"~@{alias}")
                node_of_alias["_"][">"].update(added["_"][">"])
                graph |= {**account, f"~@{alias}": {**added, **node_of_alias}}
                asked.append({"do": "auth", "alias": alias, "pass": f"passphrase {number}", "graph": graph})
                expected.append(keys)
            change = sea.change_passphrase(keys, "something else", STATE + 1)[f"~{keys.pub}"]
            account = graph[f"~{keys.pub}"]
            states = {**account["_"][">"], **change["_"][">"]}
            changed = {**account, **change, "_": {**account["_"], ">": states}}
            graph = {**graph, f"~{keys.pub}": changed}
            asked.append({"do": "auth", "alias": alias, "pass": "something else", "graph": graph})
            expected.append(keys)
        for answer, keys in zip(self.ask(asked), expected, strict=True):
            self.assertEqual(sea.Pair.of(answer), keys, f"seed {self.seed}")

    def test_put_there(self) -> None:
        """What clients put, with a certificate too, is verified here."""
        owner = sea.pair()
        certificates = [
            sea.certify("*", {"*": "inbox"}, owner),
            self.ask(
                [
                    {
                        "do": "certify",
                        "certificants": "*",
                        "policy": {"*": "inbox"},
                        "authority": owner.as_dict(),
                    }
                ]
            )[0],
        ]
        for certificate in certificates:
            pair = sea.pair()
            values = {self.key(): self.cases.scalar() for _ in range(40)}
            command = {"do": "put", "pair": pair.as_dict(), "values": values, "owner": owner.pub}
            [graph] = self.ask([{**command, "certificate": certificate, "keys": ["m1", "m2"]}])
            found = sea.read_node(graph[f"~{pair.pub}/data"])
            self.assertAlike(found, values, values)
            self.assertEqual(sea.read_node(graph[f"~{owner.pub}/inbox"]), {"m1": "hi m1", "m2": "hi m2"})
            self.assertEqual(sea.read_node(graph[f"~{owner.pub}"]), {"inbox": {"#": f"~{owner.pub}/inbox"}})

    def key(self) -> str:
        """A key that gun.js can put: it takes some characters and names for something else."""
        return "k" + "".join(letter for letter in self.cases.text(1) if letter not in "\x1b/")

    def test_put_here(self) -> None:
        """What is signed here, with a certificate too, clients take; what is not verified they don't."""
        owner, other = sea.pair(), sea.pair()
        certificate = sea.certify([other], [{"#": {"*": "inbox"}, ".": {"*": "m"}}, {"*": "inbox"}], owner)
        values = {self.key(): self.cases.value() for _ in range(60)}
        signed = sea.sign_node(f"~{owner.pub}/data", values, STATE, owner)
        inbox = sea.sign_node(
            f"~{owner.pub}/inbox", {"m": "hi", "n": None}, STATE, other, certificate=certificate
        )
        [graph] = self.ask([{"do": "take", "graph": {**signed, **inbox}}])
        self.assertAlike(graph, {**signed, **inbox}, values)
        bad = sea.sign_node(f"~{owner.pub}/data", {"k": 1}, STATE, other)
        self.assertEqual(self.ask([{"do": "take", "graph": bad, "patience": 50}]), [{}])


class PrimitivesOfRelays(Primitives):
    """
    The same with what gun's own relay loads.

    Its YSON reads some JSON as something else (lists in objects; text with brackets in it, though that is no
    JSON), so that is left out; and it verifies, and hashes, only what has its names in order.
    """

    mode = "relay"

    def data(self) -> Any:
        """Scalars, and objects of them in objects."""
        data = self.cases.data()
        if isinstance(data, str):
            return "t" + data.translate(dict.fromkeys(map(ord, '{}[]"')))
        return self.readable(data)

    def readable(self, data: Any) -> Any:
        """C{data} without lists, and without names that look like array indexes."""
        if isinstance(data, list):
            return {f"n{number}": self.readable(item) for number, item in enumerate(data)}
        if isinstance(data, dict):
            return {f"n{name}": self.readable(item) for name, item in data.items()}
        return data

    def in_order(self, data: Any) -> Any:
        """C{data} with its names in order."""
        return jstext.parse(jstext.stringify(data, sort=True))
