"""
What is passed on from peer to peer: answers and acks to whoever asked, and with AXE off everything to all.
"""

from __future__ import annotations

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.gets import Gets
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, read_told, told
from gunnet.mesh.puts import Puts
from gunnet.mesh.routes import Origin, OwnQuestion, Push, Question, Route
from gunnet.store.interface import StoreError
from gunnet.wire import jstext
from gunnet.wire.dup import Dup
from gunnet.wire.message import Message, rewrite, says_anything


class Forward:
    """Finds whom a message concerns."""

    def __init__(
        self, peers: Peers, puts: Puts, gets: Gets, dup: Dup[Route], limits: Limits, counters: Counters
    ) -> None:
        self._peers = peers
        self._puts = puts
        self._gets = gets
        self._dup = dup
        self._limits = limits
        self._counters = counters

    def asker(self, message: Message, digest: str | None) -> Peer | None:
        """Whom a message with a C{put} answers: L{None} if nobody, or one who has that answer already."""
        if message.re is None:
            return None
        route = self._dup.renew(message.re)
        if isinstance(route, Question):
            if digest is not None and digest == route.digest:
                self._counters.count("answers_known_already")
                return None
            return route.peer
        return route.peer if isinstance(route, Origin) else None

    def put(
        self,
        origin: Origin,
        message: Message,
        text: bytes,
        digest: str | None,
        asker: Peer | None,
        news: bool,
        *,
        flood: bool,
    ) -> None:
        """
        Pass a put on that was taken in: an answer to its asker, another one, if it is news, to everybody
        with C{flood}, as is an answer to a question of our own. With AXE its news went to the subscribers.
        """
        if message.re is not None:
            route = self._dup.find(message.re)
            if isinstance(route, Question):
                self._gets.answered_by(origin.peer, route)
                if route.digest is None:
                    route.digest = digest
            elif isinstance(route, OwnQuestion) and flood and news:
                self._to_all(origin.peer, message, rewrite(text, {}, without=("@", "##")))
            if asker is not None and asker is not origin.peer:
                self._peers.say(asker, self._corrected(message, text) if origin.lost_tie else text)
        elif flood and news and not (message.private or message.private_too):
            self._to_all(origin.peer, message, text)

    def _corrected(self, message: Message, text: bytes) -> bytes:
        """
        An answer in which something has lost a tie, with what stands in its place: gun.js lets an answer to
        its own get overwrite a greater value of the same state.
        """
        try:
            put = self._puts.standing(bytes(message.put))
        except StoreError:
            return text
        self._counters.count("answers_corrected")
        return rewrite(text, {"put": put, "##": b"%d" % jstext.string_hash(put)})

    def _to_all(self, source: Peer, message: Message, text: bytes) -> None:
        seen = read_told(message.told)
        peers = [
            peer for peer in self._peers.up.values() if peer is not source and not peer.is_named_in(seen)
        ]
        away = [peer for peer in self._peers.upstreams.values() if not peer.up]
        if not peers and not away:
            return
        changes = {"><": told(peers)}
        ok = _hop(bytes(message.ok), self._peers.near) if message.ok else None
        if ok is not None:
            changes["ok"] = ok
        text = rewrite(text, changes)
        for peer in peers + away:
            self._peers.say(peer, text)

    def ack(self, message: Message, text: bytes, digest: str | None) -> None:
        """Pass on an answer without C{put} to whom it answers (gun.js C{src/mesh.js}, C{say})."""
        route = self._dup.renew(message.re)
        carries_signal = b'"rtc"' in bytes(message.ok)
        if carries_signal and route is not None:
            self._dup.pin(message.re, route)
            self._dup.pin(message.id, self._dup.find(message.id) or route)
        if route is None:
            self._counters.count("acks_unroutable")
        elif isinstance(route, Push):
            self._map_ack(route, message, carries_signal)
        elif isinstance(route, Origin):
            if carries_signal:
                self._peers.say(route.peer, text)
            else:
                self._puts.late_ack(route, text)
        elif isinstance(route, Question):
            if route.digest is None or message.ok or message.err or digest is not None:
                self._peers.say(route.peer, text)
        elif isinstance(route, Peer):
            self._peers.say(route, text)

    def _map_ack(self, push: Push, message: Message, carries_signal: bool) -> None:
        """
        An ack of an update goes to every put that is in it. It keeps its id, so that a WebRTC offer can be
        answered; but no peer may get one id twice.
        """
        result = b"".join(
            [
                b',"%b":%b' % (name, bytes(value))
                for name, value in ((b"ok", message.ok), (b"err", message.err))
                if value
            ]
        )
        reached: set[str] = set()
        for origin in push.origins:
            ack_id = self._peers.new_id() if origin.peer.id in reached else message.id
            reached.add(origin.peer.id)
            text = b'{"#":%b,"@":%b%b}' % (jstext.string(ack_id), jstext.string(origin.id), result)
            if carries_signal:
                self._peers.say(origin.peer, text)
            else:
                self._puts.late_ack(origin, text)

    def other(self, peer: Peer, message: Message, text: bytes, now: float) -> None:
        """A message of a kind that only its applications know goes to everybody else, at a bounded rate."""
        if message.private or message.private_too or not says_anything(text):
            self._counters.count("messages_empty")
        elif not peer.may_broadcast(now, self._limits.broadcasts):
            self._counters.count("broadcasts_refused")
        else:
            self._counters.count("broadcasts_forwarded")
            self._to_all(peer, message, text)


def _hop(text: bytes, near: int) -> bytes | None:
    """
    C{ok} of a put as it goes one hop further: one ack fewer is wanted (gun.js C{src/mesh.js}, C{say}).

    @return: L{None} if it stays as it is.
    """
    try:
        ok = jstext.parse(text)
        if isinstance(ok, dict) and type(ok.get("@")) in (int, float):
            return jstext.stringify({**ok, "@": ok["@"] - 1, "/": near})
    except ValueError:
        pass
    return None
