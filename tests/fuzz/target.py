"""
The target: a relay with four peers, who do what an input says.
"""

from __future__ import annotations

import json
from typing import Any

from gunnet.graph.lex import ALL
from gunnet.limits import Limits
from gunnet.sea.firewall import Rules
from gunnet.testing import Client, Conversation
from gunnet.wire import jstext
from tests.fuzz.choices import HEAD, RAW, STEPS, Choices, records
from tests.fuzz.grammar import Grammar
from tests.fuzz.oracle import Cell, Graph, cells_in, fault_of, is_blocked, is_newer, is_too_old
from tests.hostile.kinds import ALICE, BOB
from tests.hostile.stage import TABLES

STEPS_MAX = 60
PAUSES = (0, 1, 9, 30, 500, 5_000, 70_000)
NARROW = Limits(
    *(),
    message_bytes=3_000,
    batch_messages=5,
    depth=20,
    turn_messages=2,
    inbox_messages=4,
    put_cells=6,
    dup_ids=60,
    deferred_cells=3,
    pending_bytes=6_000,
    cache_bytes=4_000,
    cache_node_bytes=1_000,
    subscriptions=12,
    peer_subscriptions=6,
    outbox_bytes=20_000,
    unchecked_cells=2,
    unchecked_bytes=2_000,
    check_batch=1,
    verified=4,
    questions=3,
    question_sharers=1,
    ask_back_names=5,
    unacked_bytes=2_000,
    upstream_souls=5,
    interests_unanswered=3,
    interests_idle=3,
    summary_bytes=2_000,
    streams=2,
    answer_bytes=500,
    late_acks=1,
    pack_bytes=600,
    peers=5,
)
UPSTREAM = "wss://up.example/gun"
RULES = (Rules(), Rules(), Rules(signed_only=True), Rules(writers=frozenset({ALICE.pub, BOB.pub})))


class Wrong(AssertionError):
    """Something that must hold does not."""


class World:
    """A relay, and what is known of it."""

    def __init__(self, head: bytes) -> None:
        choices = Choices(head)
        self.limits = NARROW if choices.one_in(2) else Limits()
        self.talk = Conversation(axe=not choices.one_in(2), limits=self.limits)
        firewall = self.talk.relay.checks.firewall
        firewall.rules = self.rules = choices.of(RULES)
        self.grammar = Grammar()
        self.clients: list[Client | None] = [None] * 4
        self.graph: Graph = {}
        self.read: dict[Client, int] = {}
        for which in range(4):
            self.connect(which)

    def connect(self, which: int) -> None:
        """Have a peer come: two browsers, one that does not say who it is, and one that is dialled."""
        url = UPSTREAM if which == 3 else None
        self.clients[which] = client = self.talk.connect(
            f"c{which}", url, pid=f"p{which}" if which < 2 else None, hi=which == 0
        )
        self.read[client] = 0
        if client.peer is None:
            self.clients[which] = None

    def leave(self, which: int) -> None:
        """Have a peer go."""
        client = self.clients[which]
        if client is not None:
            client.close()
            self.look_at_frames(client)
            self.clients[which] = None

    def step(self, record: bytes, text: bytes) -> None:
        """Do what one record says."""
        choices = Choices(record)
        kind, which = choices.below(STEPS), choices.byte() % 4
        talk = self.talk
        now = talk.now
        failed = talk.counters["commits_failed"]
        client = self.clients[which]
        if client is not None and client.link.dropped is not None:
            self.leave(which)
            client = None
        if client is None:
            self.connect(which)
        elif kind == RAW:
            self.say(client, text)
        elif kind < 14:
            self.say(client, jstext.stringify(self.grammar.message(choices, now)))
        elif kind == 14:
            both = [self.grammar.message(choices, now) for _ in range(2)]
            self.say(client, jstext.stringify([both[0], jstext.stringify(both[1]).decode()]))
        elif kind == 15:
            with talk.one_turn():
                for other in self.clients:
                    if other is not None and other.link.dropped is None:
                        self.say(other, jstext.stringify(self.grammar.message(choices, now)))
        elif kind < 19:
            talk.advance(choices.of(PAUSES))
        elif kind == 19:
            self.leave(which)
        else:
            self.disturb(kind, client)
        self.look(now, reverted=talk.counters["commits_failed"] > failed)

    def disturb(self, kind: int, client: Client) -> None:
        """Something with the transport, or the store."""
        writer = self.talk.writer
        if kind == 20:
            client.choke()
        elif kind == 21:
            client.drain()
        elif kind == 22:
            writer.error = "no space" if writer.error is None else None
        else:
            writer.holding = not writer.holding
            self.release()

    def release(self) -> None:
        """End the commits that are held."""
        while self.talk.writer.held:
            self.talk.writer.release()
            self.talk.settle()

    def say(self, client: Client, frame: bytes) -> None:
        """Transports only pass on what is UTF-8."""
        try:
            frame.decode("utf-8")
        except UnicodeDecodeError:
            return
        client.say(frame)

    # What must hold

    def look(self, now: float, *, reverted: bool) -> None:
        """
        @param now: when the step began.
        @param reverted: whether something could not be stored, and is not known any more.
        """
        if self.talk.counters["faults"]:
            raise Wrong("a fault")
        graph = self.talk.relay._graph
        seen = {(soul, key): cell for soul in graph.souls(ALL) for key, cell in graph.cells(soul)}
        for name, cell in seen.items():
            old = self.graph.get(name)
            stored = self.talk.store.cell(*name)
            if reverted and not is_newer(cell, old):
                old = stored  # what had not been stored is forgotten, and something older may have come since
            if cell not in (old, stored if reverted else old):
                self.look_at_cell(*name, cell, old, now, seen)
        if not reverted and not set(self.graph) <= set(seen):
            raise Wrong(f"gone: {set(self.graph) - set(seen)}")
        self.graph = seen
        for client in self.clients:
            if client is not None:
                self.look_at_frames(client)
        self.look_at_bounds()

    def look_at_cell(
        self, soul: str, key: str, cell: Cell, old: Cell | None, now: float, seen: Graph
    ) -> None:
        """A cell that is new. @param seen: the graph with it."""
        state, value = cell
        self.grammar.stood.append((soul, key, state, value))
        del self.grammar.stood[:-8]
        fault = fault_of(soul, key, state, value, signed_only=self.rules.signed_only)
        if fault is not None:
            raise Wrong(f"{fault}: {soul!r} {key!r} {cell}")
        if state > self.talk.now or not is_newer(cell, old):
            raise Wrong(f"HAM would not: {soul!r} {key!r} {cell} over {old}")
        if b'\\"wb' in value and all(is_blocked(soul, key, cell, graph) for graph in (self.graph, seen)):
            raise Wrong(f"blocked: {soul!r} {key!r} {cell}")
        if is_too_old(soul, state, now):
            raise Wrong(f"too old: {soul!r} {key!r} {cell}")
        if jstext.stringify(json.loads(value)) != value:
            raise Wrong(f"not as JavaScript writes it: {value!r}")

    def look_at_frames(self, client: Client) -> None:
        """What a peer was told since it was looked at."""
        frames = client.link.frames
        for frame in frames[self.read[client] :]:
            content = json.loads(frame.decode("utf-8"), parse_constant=_refuse)
            for message in content if isinstance(content, list) else [content]:
                self.look_at_message(message)
        self.read[client] = len(frames)

    def look_at_message(self, message: Any) -> None:
        """A message that was said."""
        if not isinstance(message, dict) or not isinstance(message.get("#"), str):
            raise Wrong(f"no message: {message!r}")
        self.grammar.ids.append(message["#"])
        self.grammar.told.append(message)
        del self.grammar.ids[:-12], self.grammar.told[:-12]
        for soul, key, state, value in cells_in(message) if "dam" not in message else ():
            fault = fault_of(soul, key, state, jstext.canonical(value), signed_only=self.rules.signed_only)
            if fault is not None:
                raise Wrong(f"said, {fault}: {soul!r} {key!r} {state} {value!r}")

    def look_at_bounds(self) -> None:
        """No table is longer than it may be, and none has less than nothing."""
        relay, limits = self.talk.relay, self.limits
        checks = relay.checks
        for name, is_now, most in (
            ("ids", len(relay._dup), limits.dup_ids + 3),
            ("subscriptions", len(relay._subscriptions), limits.subscriptions),
            ("deferred", relay._puts.deferred, limits.deferred_cells),
            ("verified", len(checks.firewall), limits.verified),
            ("pending_bytes", relay._graph.pending_bytes, limits.pending_bytes + 6 * limits.message_bytes),
            ("unchecked_bytes", checks.size, limits.unchecked_bytes + limits.message_bytes),
            ("unacked_bytes", relay._unacked.size, limits.unacked_bytes),
        ):
            if not 0 <= is_now <= most:
                raise Wrong(f"{name}: {is_now}, at most {most}")

    def end(self) -> None:
        """Everybody goes, and nothing is left but the graph."""
        talk = self.talk
        talk.writer.error, talk.writer.holding = None, False
        self.release()
        talk.advance(200)
        for which in range(4):
            self.leave(which)
        talk.relay.retire(UPSTREAM)
        talk.advance(200_000)
        health = talk.relay.health()
        next_at = talk.relay._puts.next_at
        if next_at is not None and next_at > talk.now:
            health["deferred"] = 0  # what waits there is still to come
        left = {name: health[name] for name in TABLES if health[name]}
        if left or talk.counters["faults"] or talk.relay.checks.size or talk.relay.checks._souls:
            raise Wrong(f"left: {left}, faults {talk.counters['faults']}")


def run(data: bytes) -> None:
    """
    Do what an input says.

    @raise Exception: if something does not hold.
    """
    world = World(data[:HEAD])
    for record, text in records(data)[:STEPS_MAX]:
        world.step(record, text)
    world.end()


def _refuse(name: str) -> Any:
    raise Wrong(f"{name} is not JSON")
