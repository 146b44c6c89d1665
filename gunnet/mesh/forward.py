"""
What is passed on from peer to peer: answers and acks to whoever asked, and with AXE off everything to all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gunnet.counters import Counters
from gunnet.graph.answer import is_hash_of
from gunnet.limits import Limits
from gunnet.mesh.gets import Gets
from gunnet.mesh.interest import Interest
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, read_told, told
from gunnet.mesh.puts import Puts
from gunnet.mesh.questions import Questions
from gunnet.mesh.routes import Origin, OwnQuestion, Push, Question, Route
from gunnet.store.interface import StoreError
from gunnet.wire import jstext
from gunnet.wire.dup import Dup
from gunnet.wire.message import Message, answer_name, rewrite, says_anything


class Forward:
    """Finds whom a message concerns."""

    def __init__(
        self,
        peers: Peers,
        puts: Puts,
        gets: Gets,
        interest: Interest,
        questions: Questions,
        dup: Dup[Route],
        limits: Limits,
        counters: Counters,
    ) -> None:
        self._peers = peers
        self._puts = puts
        self._gets = gets
        self._interest = interest
        self._questions = questions
        self._dup = dup
        self._limits = limits
        self._counters = counters

    def is_known_answer(self, message: Message, digest: str, peer: Peer) -> bool:
        """Whether somebody gave the same answer to the same question before, and it was not refused."""
        if message.dam is not None or message.re is None:
            return False
        name = answer_name(message, digest)
        if self._dup.renew(name) is not None:
            self._counters.count("answers_duplicate")
            return True
        if not message.put:
            self._dup.remember(name, peer)
        return False

    def askers(self, message: Message, digest: str | None) -> Sequence[Origin | Question]:
        """What a message with a C{put} answers, but for questions of those who have that answer already."""
        if message.re is None:
            return ()
        route = self._dup.renew(message.re)
        if isinstance(route, Question):
            askers = [other for other in _askers(route) if digest is None or digest != other.digest]
            if not askers:
                self._counters.count("answers_known_already")
            return askers
        return (route,) if isinstance(route, Origin) else ()

    def knowing(
        self, message: Message, digest: str | None, askers: Sequence[Origin | Question]
    ) -> Collection[Peer]:
        """
        Who has what is in an answer or gets it anyway: its C{askers}, and those that asked with its hash.
        """
        route = None if message.re is None else self._dup.find(message.re)
        if not isinstance(route, Question) or digest is None or len(askers) == len(_askers(route)):
            return [asker.peer for asker in askers]
        try:
            text = jstext.stringify(jstext.parse(bytes(message.put)), sort=True)
        except ValueError:
            return [asker.peer for asker in askers]
        is_true = is_hash_of(digest, text, jstext.string_hash(text))
        return [asker.peer for asker in (_askers(route) if is_true else askers)]

    def put(
        self,
        origin: Origin,
        message: Message,
        text: bytes,
        digest: str | None,
        askers: Sequence[Origin | Question],
        news: bool,
        now: float,
        *,
        flood: bool,
    ) -> list[Peer]:
        """
        Pass a put on that was taken in: an answer to its askers, another one, if it is news, to everybody
        with C{flood}, as is an answer to a question of our own. With AXE its news went to the subscribers.

        @return: to whom it went as one of everybody.
        """
        if message.re is not None:
            route = self._dup.find(message.re)
            self._note_answer(origin.peer, route, digest, now, data=True)
            if isinstance(route, Question):
                self._gets.answered_by(origin.peer, route)
            elif isinstance(route, OwnQuestion) and flood and news:
                return self._to_all(origin.peer, message, rewrite(text, {}, without=("@", "##")))
            if askers:
                text = self._corrected(message, text) if origin.lost_tie else text
                self._answer(origin.peer, text, route, askers)
            for asker in askers:
                if isinstance(asker, Question) and asker.digest is None:
                    asker.got_from_others(digest)
        elif flood and news and not (message.private or message.private_too):
            return self._to_all(origin.peer, message, text)
        return []

    def repeated(self, peer: Peer, message: Message, now: float) -> None:
        """C{peer} has answered a question in the same way as somebody before."""
        if message.re is not None:
            self._note_answer(peer, self._dup.find(message.re), None, now, data=True)

    def _note_answer(
        self, peer: Peer, route: Route | None, digest: str | None, now: float, *, data: bool
    ) -> bool:
        """@return: whether it is the first answer of C{peer} to a question that it was asked."""
        if isinstance(route, Question):
            if route.query is not None:
                self._interest.answered(peer, hash(route.query))
            return self._questions.answered(peer, route, digest, now, data=data)
        if isinstance(route, OwnQuestion):
            self._interest.answered(peer, route.what)
        return False

    def _answer(
        self, source: Peer, text: bytes, route: Route | None, askers: Sequence[Origin | Question]
    ) -> None:
        """
        Pass an answer on to all C{askers} but C{source}: as it is to the one whose question it names, under
        an id of our own to those who asked the same.
        """
        rest: bytes | None = None
        for asker in askers:
            if asker.peer is source:
                continue
            if asker is route:
                self._peers.say(asker.peer, text)
                continue
            if rest is None:
                rest = rewrite(text, {}, without=("#", "@"))[1:]
            comma = b"" if rest == b"}" else b","
            self._peers.say(
                asker.peer,
                b'{"#":"%b","@":%b%b%b'
                % (self._peers.new_id().encode(), jstext.string(asker.id), comma, rest),
            )

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

    def _to_all(self, source: Peer, message: Message, text: bytes) -> list[Peer]:
        seen = read_told(message.told)
        # A link that has said nothing yet may be that of a relay that is dialled too, and told there.
        minds_silent = bool(message.put) and bool(self._peers.upstreams)
        peers = [
            peer
            for peer in self._peers.up.values()
            if peer is not source
            and (peer.joined or not minds_silent)
            and not peer.is_shadow
            and not peer.is_named_in(seen)
        ]
        group = self._peers.group.hearer(source) if message.put else None
        if not peers and group is None:
            return []
        changes = {"><": told(peers)}
        ok = _hop(bytes(message.ok), self._peers.near) if message.ok else None
        if ok is not None:
            changes["ok"] = ok
        text = rewrite(text, changes)
        for peer in peers if group is None else (*peers, group):
            self._peers.say(peer, text)
        return peers

    def ack(self, peer: Peer, message: Message, text: bytes, digest: str | None, now: float) -> None:
        """Pass on an answer without C{put} to whom it answers (gun.js C{src/mesh.js}, C{say})."""
        route = self._dup.renew(message.re)
        carries_signal = b'"rtc"' in bytes(message.ok)
        if carries_signal and route is not None:
            self._dup.pin(message.re, route)
            self._dup.pin(message.id, self._dup.find(message.id) or route)
        if route is None:
            self._counters.count("acks_unroutable")
        elif peer.is_group and not isinstance(route, Push) and peer in (route, getattr(route, "peer", None)):
            self._counters.count("acks_unwanted")  # whoever it concerns has heard it too
        elif isinstance(route, Push):
            self._map_ack(route, message, carries_signal)
        elif isinstance(route, Origin):
            if carries_signal:
                self._peers.say(route.peer, text)
            else:
                self._puts.late_ack(route, text)
        elif isinstance(route, Question):
            self._pass_on_miss(peer, route, message, text, digest, now)
        elif isinstance(route, OwnQuestion):
            self._note_answer(peer, route, digest, now, data=False)
        elif isinstance(route, Peer):
            self._peers.say(route, text)

    def _pass_on_miss(
        self, peer: Peer, route: Question, message: Message, text: bytes, digest: str | None, now: float
    ) -> None:
        """
        That a peer has nothing, or failed, is told to those who have nothing either. Gunnet relays know by
        now that we have nothing, and do not wait for others.
        """
        is_first = self._note_answer(peer, route, digest, now, data=False)
        says_more = bool(message.ok or message.err) or digest is not None
        askers = [
            asker
            for asker in (_askers(route) if is_first else [route])
            if says_more or (asker.digest is None and not asker.peer.is_gunnet)
        ]
        if not message.ok:
            askers = [asker for asker in askers if not asker.peer.is_group]
        self._answer(peer, text, route, askers)

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
        if message.private or message.private_too or peer.is_group or not says_anything(text):
            self._counters.count("messages_empty")
        elif not peer.may_broadcast(now, self._limits.broadcasts):
            self._counters.count("broadcasts_refused")
        else:
            self._counters.count("broadcasts_forwarded")
            self._to_all(peer, message, text)


def _askers(question: Question) -> list[Question]:
    if question.asking is None:
        return [question]
    return question.asking.askers or [question]


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
