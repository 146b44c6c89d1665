"""
Replays a recorded conversation of gun.js (C{tests/frames}) with a L{Relay} in place of the recorded one, and
says where the two differ.

Before they are compared, messages are brought to a form without what can't be equal: ids that the relay made
(also C{%}, the id of a next chunk), its process id, and C{><}, which gun.js writes before it knows whom it
tells (see L{Replay} for what is checked of it). gun.js's stray C{FOO} is dropped. Order and timing are free,
and so is how messages are packed into frames.

Our relay asks a client back that did not say C{hi} (L{gunnet.mesh.askback}), and gun.js does not. That is
kept apart from the comparison if it repeats what the client asked over the same link, once, or asks for a
node, and one property of it, to which a link led that crossed there; else it counts as something that only
ours said.

Some recorded relays dialled others (C{UP1} in the traces), or each other (C{R2} dialled C{R1}; a client
C{A@R1} is one of C{R1}). Ours dial the same, but at the start. What they say there of themselves
(L{gunnet.mesh.relays}) is kept apart too, if they say it to whom they have dialled.
Where a relay closed a link, that is compared as a message C{{"closed": true}}.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gunnet.graph.lex import Query, read_get
from gunnet.limits import Limits
from gunnet.store.memory import MemoryStore
from gunnet.testing import Client, Conversation, Message, messages
from gunnet.transport.memory import join

FRAMES = Path(__file__).resolve().parent.parent / "frames"
_DIRECT = " datachannel"
"""Clients talk to one another on their WebRTC channels too, and no relay hears that."""

_DIALLED = re.compile(r'(\S+) accepted a connection, .*"host":"([^"]+)"')
_CLOSED = re.compile(r"(\S+) socket closed (?:code=)?1005\b")
CLOSED: dict[str, Any] = {"closed": True}

DIALLED_WHEN_TOLD = ("64-dam-opt.axe",)
"""Traces in which a relay dials because a client told it to; ours do not."""

Said = tuple[str, Message]
"""(to whom, a message in comparable form)."""


@dataclass
class Trace:
    """
    A recorded conversation.

    @ivar events: C{t} (ms), and C{who}, C{dir} and C{raw}, or a C{note}.
    @ivar start: when it began, milliseconds since 1970, so that its states are not in the future.
    @ivar said_ids: the ids of what clients said.
    @ivar upstreams: whom the relay dialled, and as what.
    @ivar relays: the names of the relays, in the order in which each is dialled by the next; none if there is
        but one.
    """

    name: str
    axe: bool
    events: list[dict[str, Any]]
    start: float
    said_ids: frozenset[str]
    upstreams: dict[str, str]
    relays: list[str]


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
    dialled = [found for event in events if (found := _DIALLED.match(event.get("note", "")))]
    upstreams = {found[1]: f"http://{found[2]}/gun" for found in dialled}
    relays = sorted({event["who"].partition("@")[2] for event in events if "@" in event.get("who", "")})
    return Trace(name, bool(content["axe"]), events, start, frozenset(ids), upstreams, relays)


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


@dataclass
class Asked:
    """
    What one client asked over its link.

    @ivar queries: for what it may be asked back.
    @ivar linked: the souls to which links led that it was told or said.
    @ivar said_hi: whether it said that it is no client that is back.
    """

    queries: set[Query] = field(default_factory=set)
    linked: set[str] = field(default_factory=set)
    said_hi: bool = False
    _taken: set[tuple[str, bool]] = field(default_factory=set)

    def add(self, message: Message) -> None:
        """The client said one more message."""
        self.said_hi = self.said_hi or message.get("dam") == "hi"
        query = read_get(message.get("get"), Limits())
        if query is not None:
            self.queries.add(query)
        self.crossed(message)

    def crossed(self, message: Message) -> None:
        """The client said a message, or was told it."""
        graph = message.get("put")
        nodes = graph.values() if isinstance(graph, dict) else ()
        for node in [node for node in nodes if isinstance(node, dict)]:
            values = [value for key, value in node.items() if key != "_" and isinstance(value, dict)]
            self.linked.update([value["#"] for value in values if isinstance(value.get("#"), str)])

    def takes_back(self, message: Message) -> bool:
        """Whether C{message} asks the client for what it asked, or what that leads to, for the first time."""
        query = None if "@" in message else read_get(message.get("get"), Limits())
        if self.said_hi or query is None:
            return False
        if query in self.queries:
            self.queries.remove(query)
            return True
        if query.soul not in self.linked or not (query.is_whole_node or query.key):
            return False
        taken = (query.soul, query.is_whole_node)
        if taken in self._taken:
            return False
        self._taken.add(taken)
        return True


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
    @ivar asked_back: what clients were asked back for.
    @ivar hellos: what our relay said of itself to whom it dialled.
    @ivar faults: how often something went wrong in our relays.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._store = MemoryStore(1 << 26)
        self._clients: dict[str, Client] = {}
        self._recorded: dict[str, Heard] = {}
        self._ours: dict[str, Heard] = {}
        self._asked: dict[str, Asked] = {}
        self.strangers_told: set[str] = set()
        self.asked_back: list[Said] = []
        self.hellos: list[Said] = []
        self._others: dict[str, Conversation] = {}
        self.talk = self._open(trace.start)
        for event in trace.events:
            self.talk.advance(max(0.0, trace.start + event["t"] - self.talk.now))
            if "note" in event:
                self._obey(event["note"])
            else:
                self._play(event["who"], event["dir"], event["raw"])
        self.talk.advance(2_000)
        self._collect()
        self._note_closed()
        self.missing, self.extra = self._compare()
        self.faults = sum(talk.counters["faults"] for talk in (self.talk, *self._others.values()))

    def said_to(self, who: str) -> list[Message]:
        """What our relay said to a client, but for asking back."""
        return list(self._ours[who].raw)

    def _open(self, start: float) -> Conversation:
        trace = self._trace
        talk = Conversation(axe=trace.axe, store=self._store, start=start, seed=2)
        if trace.name not in DIALLED_WHEN_TOLD:
            self._clients.update({who: talk.connect(who, url) for who, url in trace.upstreams.items()})
        before = talk
        for seed, name in enumerate(trace.relays[1:], 3):
            other = self._others[name] = Conversation(axe=trace.axe, seed=seed, clock=talk.clock)
            join(other.mesh, before.mesh, talk.clock, url=f"http://{name}.example/gun")
            before = other
        return talk

    def _connect(self, who: str) -> Client:
        """A client comes to its relay."""
        self._clients[who] = client = self._others.get(who.partition("@")[2], self.talk).connect(who)
        return client

    def _obey(self, note: str) -> None:
        """Some notes tell of what happened to the relay, or what it did."""
        closed = _CLOSED.match(note)
        if closed is not None:
            self._recorded.setdefault(closed[1], Heard()).add(self._trace, CLOSED)
        if note.startswith(("relay killed", "relay restarted")):
            self._collect()
            self._clients.clear()
            self._asked.clear()
            self.talk = self._open(self.talk.now)
        elif note.startswith("data folder removed"):
            self.talk.writer.error = "the folder is gone"

    def _play(self, who: str, direction: str, raw: str) -> None:
        client = self._clients.get(who)
        if client is None and who not in self._trace.upstreams:
            client = self._connect(who)
        self._collect()
        if direction == ">":
            if client is None:
                return
            raw = self._translated(raw)
            for message in _objects(raw):
                self._asked.setdefault(who, Asked()).add(message)
            client.say(raw)
        else:
            heard = self._recorded.setdefault(who, Heard())
            for message in _items(raw):
                heard.add(self._trace, message)

    def _collect(self) -> None:
        for who, client in self._clients.items():
            heard = self._ours.setdefault(who, Heard())
            for message in self._without_asked_back(who, self._without_hellos(who, client.take())):
                heard.add(self._trace, message)
                told = message.get("><", "").split(",") if message.get("><") else []
                self.strangers_told.update(set(told) - self._names())

    def _note_closed(self) -> None:
        for who, client in self._clients.items():
            if client.link.dropped is not None:
                self._ours.setdefault(who, Heard()).add(self._trace, CLOSED)

    def _without_hellos(self, who: str, said: list[Message]) -> list[Message]:
        if who not in self._trace.upstreams:
            return said
        self.hellos += [(who, message) for message in said if message.get("dam") == "relay"]
        return [message for message in said if message.get("dam") != "relay"]

    def _without_asked_back(self, who: str, said: list[Message]) -> list[Message]:
        if who in self._trace.upstreams:
            return said
        asked = self._asked.setdefault(who, Asked())
        for message in said:
            asked.crossed(message)
        back = [message for message in said if message.get("#") not in self._trace.said_ids]
        back = [message for message in back if asked.takes_back(message)]
        self.asked_back += [(who, message) for message in back]
        ids = [message["#"] for message in back]
        return [
            message
            for message in said
            if message.get("#") not in ids
            and not (message.get("@") in ids and set(message) == {"#", "@", "##"})
        ]

    def _names(self) -> set[str]:
        names: set[str] = set()
        for client in self._clients.values():
            if client.peer is not None:
                names |= {client.peer.name, client.peer.pid or ""}
        for talk in (self.talk, *self._others.values()):
            names.add(talk.relay.pid)
        return names.union(f"http://{name}.example/gun" for name in self._others)

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


def _objects(raw: str) -> list[Message]:
    """The messages that a client said, as far as they are objects of JSON."""
    try:
        content = json.loads(raw)
        items = content if isinstance(content, list) else [content]
        items = [json.loads(item) if isinstance(item, str) else item for item in items]
    except ValueError:
        return []
    return [item for item in items if isinstance(item, dict)]
