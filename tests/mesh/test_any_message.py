"""
Messages that nobody should send, and what holds whatever is sent.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.testing import START, Client, Conversation

MESSAGES = 3_000
SEEDS = (1, 2, 3, 4)
UPSTREAM = "wss://up.example/gun"

ATOMS: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e308,
        5,
        "",
        "a",
        "room",
        "m1",
        "_",
        "#",
        ".",
        ">",
        "<",
        "*",
        "=",
        "%",
        "-",
    ),
    *("\ud800", "😀", "__proto__", "constructor", "x" * 130, "1", "10", 12345, {}, [], "undefined"),
]
SOULS = ["room", "a", "b", "__proto__", "s\ud800", "😀", "\x00", "\x1b"]
KEYS = ["t", "x", "y", "1", "10", "__proto__", "\ud800", "z\x1b"]
VALUES: list[Any] = [None, True, 1, 2.5, "s", "\ud83d", "é😀", {"#": "room"}]
LEX: list[Any] = ["t", "x", {"*": ""}, {"*": "1"}, {">": "a", "<": "z", "-": 1}, {}, {"=": ""}]


class Chaos:
    """Clients that say anything, out of a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.talk = Conversation(axe=seed % 2 == 0)
        self.clients = [self.talk.connect(f"c{number}") for number in range(5)]
        self.upstream: Client | None = None
        self.ids = [""]

    def value(self, depth: int = 0) -> Any:
        """Any JSON value."""
        kind = self.dice.random()
        if kind < 0.6 or depth > 3:
            return self.dice.choice(ATOMS)
        if kind < 0.8:
            return [self.value(depth + 1) for _ in range(self.dice.randrange(3))]
        return {str(self.dice.choice(ATOMS)): self.value(depth + 1) for _ in range(self.dice.randrange(4))}

    def node(self, soul: str) -> dict[str, Any]:
        """A node, some of its states in the future."""
        keys = self.dice.sample(KEYS, self.dice.randrange(1, 4))
        now = self.talk.now
        states = {
            key: self.dice.choice([now - self.dice.randrange(9), 1, 3.5, now + 5, now + 1e9]) for key in keys
        }
        return {"_": {"#": soul, ">": states}, **{key: self.dice.choice(VALUES) for key in keys}}

    def message(self) -> dict[str, Any]:
        """A message that makes sense, more or less."""
        dice = self.dice
        said: dict[str, Any] = {"#": f"m{dice.randrange(dice.choice([50, 10**9]))}"}
        kind = dice.random()
        if kind < 0.35:
            said["put"] = {soul: self.node(soul) for soul in dice.sample(SOULS, dice.randrange(1, 3))}
        elif kind < 0.6:
            said["get"] = {"#": dice.choice([*SOULS, {"*": ""}, {"*": "r"}, {">": "a"}])}
            if dice.random() < 0.6:
                said["get"]["."] = dice.choice(LEX)
            if dice.random() < 0.5:
                said["get"]["%"] = dice.choice([1, 20, 1000, "50", -1, 1e300])
        elif kind < 0.7:
            said.update(dam=dice.choice(["?", "!", "hi", "mob", "opt", 5]), pid=dice.choice(["p1", None, 5]))
        for name, chance, values in (
            ("@", 0.3, [f"m{dice.randrange(50)}", *self.ids[-20:]]),
            ("##", 0.2, [5, "5", -7, 1.5, True, {}]),
            ("ok", 0.2, [True, {"@": 9, "/": 2}, {"rtc": {}}, 5]),
            ("><", 0.2, ["a,b", 5, "c1"]),
            (dice.choice(["_", "$", "DBG", "FOO", "NTS", "nts", "err"]), 0.1, ATOMS),
            (dice.choice(["#", "@", "put", "get", "dam", "##", "><", "ok", "pid"]), 0.15, [self.value()]),
        ):
            if dice.random() < chance:
                said[name] = dice.choice(values)
        return said

    def frame(self) -> bytes:
        """A frame, now and then with one character that is not what it was."""
        content: Any = self.message()
        if self.dice.random() < 0.1:
            content = [content, json.dumps(self.message()), self.value()]
        text = json.dumps(content)
        if self.dice.random() < 0.05:
            at = self.dice.randrange(len(text))
            text = text[:at] + self.dice.choice('{}[]",:\\\x00 1') + text[at + 1 :]
        return text.encode("utf-8")

    def step(self) -> None:
        """Somebody says something, comes or goes; a commit fails; time passes."""
        dice, talk = self.dice, self.talk
        which = dice.randrange(len(self.clients))
        if dice.random() < 0.01:
            self.clients[which].close()
            self.clients[which] = talk.connect(f"c{which}")
        if dice.random() < 0.02:
            if self.upstream is None:
                self.upstream = talk.connect("up", UPSTREAM)
            else:
                self.upstream.close()
                self.upstream = None
        talk.writer.error = "no space" if dice.random() < 0.1 else None
        speaker = self.upstream if self.upstream is not None and dice.random() < 0.1 else self.clients[which]
        speaker.say(self.frame())
        self.ids += [str(heard.get("#")) for client in self.clients for heard in client.take()]
        del self.ids[:-50]
        talk.advance(dice.choice([0, 0, 1, 30, 5_000]))


class AnyMessageTests(SynchronousTestCase):
    """Whatever is said, in whatever order."""

    def test_chaos(self) -> None:
        """
        Nothing fails, nobody is dropped, each frame that goes out is JSON, and when all is quiet and
        everybody has gone, nothing is left but the graph.
        """
        for seed in SEEDS:
            chaos = Chaos(seed)
            for _ in range(MESSAGES):
                chaos.step()
            talk = chaos.talk
            talk.writer.error = None
            for client in [*chaos.clients, *([chaos.upstream] if chaos.upstream else [])]:
                self.assertIsNone(client.link.dropped, f"seed {seed}")
                client.close()
            talk.advance(200_000)
            self.assertEqual(0, talk.counters["faults"], f"seed {seed}")
            self.assertGreater(talk.counters["cells_stored"], 100, f"seed {seed}")
            self.assertGreater(talk.counters["commits_failed"], 10, f"seed {seed}")
            self.assertGreater(talk.now, START)
            health = talk.relay.health()
            left = {name: health[name] for name in ("peers", "subscriptions", "ids", "pending_bytes")}
            self.assertEqual(dict.fromkeys(left, 0), left, f"seed {seed}")
            self.flushLoggedErrors()
