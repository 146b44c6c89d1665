"""
What is to be measured: plain data.
"""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("chat", "presence", "big-sets", "deep-gets", "signed")
"""What the mixed workload is made of."""


@dataclass(frozen=True)
class Plan:
    """
    One workload and its sizes.

    @ivar workload: its name.
    @ivar url: of the relay.
    @ivar peers: clients that ask; for C{connect}, connections.
    @ivar outstanding: messages that each of them has under way, when there is no rate; for C{fan-out}, puts
        that have not reached all subscribers; for C{connect}, handshakes at a time.
    @ivar rate: messages per second of all together; L{None} for as many as possible.
    @ivar seconds: how long is measured; C{warmup_seconds} pass before, C{drain_seconds} at most behind it.
    @ivar count: end when so many have ended, however long that takes; L{None} to go by time.
    @ivar subscribers: of the one writer.
    @ivar by_acks: for C{fan-out}, C{outstanding} are puts that are not acknowledged.
    @ivar slow_readers: further subscribers, which read nothing.
    @ivar idle_seconds: how long connections are left alone.
    @ivar name: what souls begin with.
    @ivar nodes: how many there are to get; for C{mixed}, members of a set. C{stored}: they are there already,
        for C{put} too; C{shared}: each peer gets any of them.
    @ivar properties: of a node; C{value_bytes}: of a value.
    @ivar kinds: of the mixed workload, out of L{KINDS}.
    @ivar seed: for what is random about a workload (but not for ids and names: a relay knows the last ones).
    @ivar pid: of the relay, if it runs on this machine and its use of it is wanted.
    """

    workload: str
    url: str
    peers: int = 10
    outstanding: int = 20
    rate: float | None = None
    seconds: float = 5.0
    warmup_seconds: float = 1.0
    drain_seconds: float = 10.0
    count: int | None = None
    subscribers: int = 50
    by_acks: bool = False
    slow_readers: int = 0
    idle_seconds: float = 5.0
    name: str = "bench"
    nodes: int = 1_000
    stored: bool = False
    shared: bool = False
    properties: int = 1
    value_bytes: int = 32
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    pid: int | None = None
