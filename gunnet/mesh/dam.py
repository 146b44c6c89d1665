"""
The mesh's own verbs (C{dam}), which concern one link and are never forwarded (gun.js C{src/mesh.js}).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.relays import Relays
from gunnet.wire.jstext import parse, string

TOO_BIG = "Message too big!"
NOT_JSON = "DAM JSON parse error."


Verb = Callable[[Peer, dict[str, Any], float], None]
"""Takes a message of one verb: (who said it, its fields parsed, milliseconds since 1970)."""


class Dam:
    """
    Greets, answers greetings, complains, and hands other verbs to whoever understands them.

    @ivar verbs: who takes which verb.
    """

    def __init__(self, pid: str, peers: Peers, relays: Relays, limits: Limits, counters: Counters) -> None:
        self._pid = pid
        self._peers = peers
        self._relays = relays
        self._limits = limits
        self._counters = counters
        self.verbs: dict[str, Verb] = {"?": self._hear_greeting, "!": self._hear_error, "hi": self._hear_hi}

    def greet(self, peer: Peer) -> None:
        """Tell an accepted peer who we are, and ask who it is."""
        self._say_pid(peer, b"")

    def complain(self, peer: Peer, error: str) -> None:
        """Tell C{peer} that what it sent could not be taken as a message; but no group."""
        if peer.is_group:
            return
        self._counters.count("complaints_sent")
        self._peers.say(
            peer, b'{"#":"%b","dam":"!","err":%b}' % (self._peers.new_id().encode(), string(error))
        )

    def hear(self, peer: Peer, verb: object, text: bytes, now: float) -> None:
        """
        Take a message with C{dam}.

        @param text: the message.
        @param now: milliseconds since 1970.
        """
        take = self.verbs.get(verb) if isinstance(verb, str) else None
        if take is None or peer.is_group:
            # What concerns one link can't be meant for a group;
            # service and tag would let strangers steer this relay, rtc is for browsers, and all others are
            # unknown to gun.js too, which says nothing.
            self._counters.count("verbs_ignored")
            return
        fields = parse(text)
        assert isinstance(fields, dict)
        take(peer, fields, now)

    def _hear_error(self, _peer: Peer, _fields: dict[str, Any], _now: float) -> None:
        self._counters.count("errors_heard")

    def _hear_hi(self, peer: Peer, _fields: dict[str, Any], _now: float) -> None:
        peer.said_hi = True

    def _hear_greeting(self, peer: Peer, fields: dict[str, Any], _now: float) -> None:
        pid = fields.get("pid")
        if isinstance(pid, str) and 0 < len(pid) <= self._limits.id_units:
            if pid == self._pid:
                self._counters.count("peers_self")
                self._peers.drop(peer, "it is this relay itself")
                self._relays.met_itself(peer)
                return
            peer.life.named(pid)
        if fields.get("@") is None:
            self._say_pid(peer, b'"@":%b,' % string(fields["#"]))
        if peer.pid is not None:
            self._relays.named(peer)

    def _say_pid(self, peer: Peer, answers: bytes) -> None:
        self._peers.say(
            peer,
            b'{"#":"%b",%b"dam":"?","pid":%b}' % (self._peers.new_id().encode(), answers, string(self._pid)),
        )
