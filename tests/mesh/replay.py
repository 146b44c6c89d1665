"""
Replays a recorded conversation of gun.js (C{tests/frames}) with a L{Relay} in place of the recorded one, and
says where the two differ.

Before they are compared, messages are brought to a form without what can't be equal: ids that the relay made
(also C{%}, the id of a next chunk), its process id, and C{><}, which gun.js writes before it knows whom it
tells (see L{Replay} for what is checked of it). gun.js's stray C{FOO} is dropped. Order and timing are free,
and so is how messages are packed into frames.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gunnet.store.memory import MemoryStore
from gunnet.testing import Client, Conversation, Message, messages

FRAMES = Path(__file__).resolve().parent.parent / "frames"
_DIRECT = " datachannel"
"""Clients talk to one another on their WebRTC channels too, and no relay hears that."""

Said = tuple[str, Message]
"""(to whom, a message in comparable form)."""


@dataclass
class Trace:
    """
    A recorded conversation.

    @ivar events: C{t} (ms), and C{who}, C{dir} and C{raw}, or a C{note}.
    @ivar start: when it began, milliseconds since 1970, so that its states are not in the future.
    """

    name: str
    axe: bool
    events: list[dict[str, Any]]
    start: float
    said_ids: frozenset[str]


def load(name: str, ahead_ms: float = 0.0) -> Trace:
    """
    Read a trace.

    @param ahead_ms: by how much its latest state lies in the future on purpose.
    """
    content = json.loads((FRAMES / f"{name}.json").read_text("utf-8"))
    events = [event for event in content["frames"] if not event.get("who", "").endswith(_DIRECT)]
    said = [event for event in events if event.get("dir") == ">"]
    ids = {
        found for event in said for found in re.findall(r'"#":"([^"]*)"', event["raw"].replace('\\"', '"'))
    }
    starts = [
        float(state) - event["t"]
        for event in said
        for state in re.findall(r":(17\d{11}(?:\.\d+)?)", event["raw"])
    ]
    start = max(starts, default=1.795e12) - ahead_ms + 1
    return Trace(name, bool(content["axe"]), events, start, frozenset(ids))


@dataclass
class Heard:
    """
    What one client heard.

    @ivar comparable: in the form that is compared.
    @ivar raw: the same messages as they came.
    """

    comparable: list[Message] = field(default_factory=list)
    raw: list[Message] = field(default_factory=list)

    def add(self, trace: Trace, message: Message) -> None:
        """One more message."""
        self.comparable.append(comparable(trace, message))
        self.raw.append(message)


def comparable(trace: Trace, message: Message) -> Message:
    """C{message} without what can't be equal."""
    form = {name: value for name, value in message.items() if name not in ("FOO", "><")}
    for name in ("#", "@"):
        if name in form and (not isinstance(form[name], str) or form[name] not in trace.said_ids):
            form[name] = "*"
    if isinstance(form.get("%"), str):
        form["%"] = "*"
    if form.get("dam") == "?" and "pid" in form and form["#"] == "*":
        form["pid"] = "*"
    return form


def _key(said: Said) -> tuple[str, str]:
    return said[0], json.dumps(said[1], sort_keys=True)


class Replay:
    """
    Feeds what the clients of a trace said to a relay of ours.

    @ivar missing: what the recorded relay said and ours did not.
    @ivar extra: what ours said and the recorded one did not.
    @ivar strangers_told: names in a C{><} of ours that belong to nobody in the conversation.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._store = MemoryStore(1 << 26)
        self._clients: dict[str, Client] = {}
        self._recorded: dict[str, Heard] = {}
        self._ours: dict[str, Heard] = {}
        self.strangers_told: set[str] = set()
        self.talk = self._open(trace.start)
        for event in trace.events:
            self.talk.advance(max(0.0, trace.start + event["t"] - self.talk.now))
            if "note" in event:
                self._obey(event["note"])
            else:
                self._play(event["who"], event["dir"], event["raw"])
        self.talk.advance(2_000)
        self._collect()
        self.missing, self.extra = self._compare()

    def _open(self, start: float) -> Conversation:
        return Conversation(axe=self._trace.axe, store=self._store, start=start, seed=2)

    def _obey(self, note: str) -> None:
        """Some notes tell of what happened to the relay."""
        if note.startswith(("relay killed", "relay restarted")):
            self._collect()
            self._clients.clear()
            self.talk = self._open(self.talk.now)
        elif note.startswith("data folder removed"):
            self.talk.writer.error = "the folder is gone"

    def _play(self, who: str, direction: str, raw: str) -> None:
        client = self._clients.get(who)
        if client is None:
            client = self._clients[who] = self.talk.connect(who)
        self._collect()
        if direction == ">":
            client.say(self._translated(raw))
        else:
            heard = self._recorded.setdefault(who, Heard())
            for message in _items(raw):
                heard.add(self._trace, message)

    def _collect(self) -> None:
        for who, client in self._clients.items():
            heard = self._ours.setdefault(who, Heard())
            for message in client.take():
                heard.add(self._trace, message)
                told = message.get("><", "").split(",") if message.get("><") else []
                self.strangers_told.update(set(told) - self._names())

    def _names(self) -> set[str]:
        return {client.peer.name for client in self._clients.values() if client.peer is not None}

    def _translated(self, raw: str) -> str:
        """What a client said, with those ids of ours that stand for the recorded relay's."""
        for who, heard in self._recorded.items():
            for index, message in enumerate(heard.raw):
                quoted = json.dumps(message.get("#"))
                if heard.comparable[index].get("#") == "*" and quoted[0] == '"' and quoted in raw:
                    ours = self._counterpart(who, heard, index)
                    if ours is not None:
                        raw = raw.replace(quoted, json.dumps(ours))
        return raw

    def _counterpart(self, who: str, heard: Heard, index: int) -> str | None:
        """The id of our message that stands for a recorded one: the same, or one with the same cells."""
        ours = self._ours.get(who, Heard())
        form = heard.comparable[index]
        same = [mine["#"] for mine, other in zip(ours.raw, ours.comparable, strict=True) if other == form]
        nth = heard.comparable[:index].count(form)
        if nth < len(same):
            return str(same[nth])
        cells = _cells(form)
        alike = [mine["#"] for mine in ours.raw if cells & _cells(mine) and "@" not in mine]
        return str(alike[-1]) if alike else None

    def _compare(self) -> tuple[list[Said], list[Said]]:
        recorded = [(who, form) for who, heard in self._recorded.items() for form in heard.comparable]
        ours = [(who, form) for who, heard in self._ours.items() for form in heard.comparable]
        return _without(recorded, ours), _without(ours, recorded)


def _without(these: list[Said], those: list[Said]) -> list[Said]:
    left = Counter(map(_key, those))
    rest = []
    for said in these:
        if left[_key(said)]:
            left[_key(said)] -= 1
        else:
            rest.append(said)
    return rest


def _cells(message: Message) -> set[tuple[str, str]]:
    graph = message.get("put") or {}
    return {(soul, key) for soul, node in graph.items() for key in node if key != "_"}


def _items(raw: str) -> list[Message]:
    """The messages of a recorded frame, which need not be strict JSON: C{-Infinity} is."""
    try:
        return messages(raw.encode("utf-8"))
    except ValueError:
        content = json.loads(raw)
        return content if isinstance(content, list) else [content]
