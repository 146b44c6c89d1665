"""
One relay with four peers: one is honest, one subscribes, one is a relay, and one says what it should not.
"""

from __future__ import annotations

from typing import Any

from gunnet.graph.lex import ALL
from gunnet.limits import Limits
from gunnet.testing import Conversation, Message
from tests.hostile.kinds import ANSWERED, COMPLAINT, INVALID, OK, SILENCE, Kind, souls_in

UPSTREAM = "wss://up.example/gun"
Cells = dict[tuple[str, str], tuple[float, bytes]]


TABLES = ("peers", "subscriptions", "ids", "pending_bytes", "deferred", "unacked_bytes", "unchecked_puts")
"""What C{health} tells of tables that are empty when everybody has gone."""


class Stage:
    """
    A relay, and who is there when something hostile is said.

    @ivar others: all but who says it.
    """

    def __init__(self, kind: Kind, *, axe: bool) -> None:
        self.talk = Conversation(axe=axe, limits=kind.limits or Limits())
        self.honest = self.talk.connect("honest", pid="honest", hi=True)
        self.subscriber = self.talk.connect("subscriber", pid="subscriber", hi=True)
        self.relay = self.talk.connect("relay", UPSTREAM, pid="relay")
        self.eve = self.talk.connect("eve", pid="eve", hi=True)
        self.others = [self.honest, self.subscriber, self.relay]
        for number, message in enumerate(kind.before):
            self.honest.say(message)
            assert not [each for each in self.honest.take() if "err" in each], f"before {number}"
        said = [*kind.said, *([kind.twin] if kind.twin else [])]
        for number, soul in enumerate(sorted(souls_in(said) - {kind.asked}, key=ascii)):
            if len(soul) < 1_000:
                self.subscriber.say({"#": f"sub{number}", "get": {"#": soul}})
        self.talk.advance(500)
        if kind.asked is not None:
            self.subscriber.say({"#": "question", "get": {"#": kind.asked}})
            self.talk.advance(100)
        for client in (*self.others, self.eve):
            client.take()

    def cells(self) -> Cells:
        """The graph: in the store, and what the relay knows of it beside that."""
        stored = {
            (soul, key): cell
            for soul in self.talk.store.souls(ALL)
            for key, cell in self.talk.store.node(soul, ALL)
        }
        graph = self.talk.relay._graph
        known = {(soul, key): cell for soul in graph.souls(ALL) for key, cell in graph.cells(soul)}
        assert known == stored, "something waits to be stored"
        for (soul, key), cell in stored.items():
            assert graph.known(soul, key) == cell, "memory differs from the store"
        return stored

    def say(self, said: Any) -> list[str]:
        """
        Have the hostile one say something.

        @return: what it is answered: texts of C{err}, L{OK}, and complaints.
        """
        if isinstance(said, dict) and said.get("@") == ANSWERED:
            said = {**said, "@": "question"}
        self.eve.say(said)
        self.talk.advance(2_000)
        return [answer for message in self.eve.take() for answer in _answer(message)]

    def told(self) -> dict[str, list[Message]]:
        """What the others were told since the last call; not what relays say of themselves."""
        return {
            client.name: [message for message in client.take() if message.get("dam") != "relay"]
            for client in self.others
        }

    def is_alive(self) -> bool:
        """Whether the hostile one can go on talking."""
        self.eve.say({"#": "still there?", "get": {"#": "nothing here"}})
        self.talk.advance(100)
        return self.eve.link.dropped is None and bool(self.eve.answers("still there?"))

    def leave(self) -> dict[str, object]:
        """Everybody goes, and time passes. @return: of what is left, what is not nothing."""
        for client in (*self.others, self.eve):
            client.close()
        self.talk.relay.retire(UPSTREAM)
        self.talk.advance(200_000)
        health = self.talk.relay.health()
        left = {name: health[name] for name in TABLES if health[name]}
        checks = self.talk.relay.checks
        left |= {name: value for name, value in (("checks", checks.size), ("souls", checks._souls)) if value}
        left |= {"faults": self.talk.counters["faults"]} if self.talk.counters["faults"] else {}
        return left


def _answer(message: Message) -> list[str]:
    if message.get("dam") == "!":
        return [f"{message['err']}{COMPLAINT}"]
    if "@" in message and "err" in message:
        return [str(message["err"])]
    if "@" in message and "ok" in message:
        return [OK]
    return []


def is_as_expected(answers: list[str], expected: str | tuple[str, ...]) -> bool:
    """Whether these are the answers that a L{Kind} says."""
    each = (expected,) if isinstance(expected, str) else expected
    said = [INVALID if answer.startswith(INVALID) else answer for answer in answers]
    return sorted(said) == sorted(text for text in each if text != SILENCE)


def values_in(messages: list[Message]) -> Cells:
    """All that stands in the puts of messages."""
    found: Cells = {}
    for message in messages:
        for soul, node in (message.get("put") or {}).items():
            for key, value in node.items():
                if key != "_":
                    found[(soul, key)] = (node["_"][">"][key], value)
    return found
