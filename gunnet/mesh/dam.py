"""
The mesh's own verbs (C{dam}), which concern one link and are never forwarded (gun.js C{src/mesh.js}).
"""

from __future__ import annotations

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.wire.jstext import string
from gunnet.wire.message import Message

TOO_BIG = "Message too big!"
NOT_JSON = "DAM JSON parse error."


class Dam:
    """Greets, answers greetings, and complains."""

    def __init__(self, pid: str, peers: Peers, limits: Limits, counters: Counters) -> None:
        self._pid = pid
        self._peers = peers
        self._limits = limits
        self._counters = counters

    def greet(self, peer: Peer) -> None:
        """Tell an accepted peer who we are, and ask who it is."""
        self._say_pid(peer, b"")

    def complain(self, peer: Peer, error: str) -> None:
        """Tell C{peer} that what it sent could not be taken as a message."""
        self._counters.count("complaints_sent")
        self._peers.say(
            peer, b'{"#":"%b","dam":"!","err":%b}' % (self._peers.new_id().encode(), string(error))
        )

    def hear(self, peer: Peer, message: Message, message_id: str) -> None:
        """Take a message with C{dam}."""
        if message.dam == "?":
            self._hear_greeting(peer, message, message_id)
        elif message.dam == "!":
            self._counters.count("errors_heard")
        else:
            # hi opens a socket; mob, opt, service and tag would let strangers steer this relay; rtc is for
            # browsers; all others are unknown to gun.js too, which says nothing.
            self._counters.count("verbs_ignored")

    def _hear_greeting(self, peer: Peer, message: Message, message_id: str) -> None:
        pid = message.pid
        if isinstance(pid, str) and 0 < len(pid) <= self._limits.id_units:
            if pid == self._pid:
                self._counters.count("peers_self")
                self._peers.drop(peer, "it is this relay itself")
                return
            peer.life.named(pid)
        if message.re is None:
            self._say_pid(peer, b'"@":%b,' % string(message_id))

    def _say_pid(self, peer: Peer, answers: bytes) -> None:
        self._peers.say(
            peer,
            b'{"#":"%b",%b"dam":"?","pid":%b}' % (self._peers.new_id().encode(), answers, string(self._pid)),
        )
