"""
Serving gets: subscribe, answer from what is known, and have others asked (gun.js C{src/root.js}, C{get}).
"""

from __future__ import annotations

from gunnet.counters import Counters
from gunnet.graph.answer import Selection, is_hash_of
from gunnet.graph.lex import Query
from gunnet.graph.merge import Graph
from gunnet.limits import Limits
from gunnet.mesh.group import DATAGRAM_PARTS
from gunnet.mesh.interest import Interest
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, read_told
from gunnet.mesh.questions import Questions
from gunnet.mesh.routes import Question
from gunnet.mesh.subscriptions import Subscriptions
from gunnet.store.interface import StoreError
from gunnet.wire.jstext import string
from gunnet.wire.message import Message

LONG_NAMES = 256
"""
What a get asks for is remembered, so that who answers it is subscribed too; not if it is longer than this,
for the id memory is bounded by count.
"""

NOT_READ = "Error: The relay could not read this."


class Stream:
    """A long answer under way. @ivar next_id: the id that the last chunk announced for the next one."""

    __slots__ = ("next_id", "question", "selection")

    def __init__(self, question: Question, selection: Selection, next_id: str) -> None:
        self.question = question
        self.selection = selection
        self.next_id = next_id


class Gets:
    """Answers questions."""

    def __init__(
        self,
        graph: Graph,
        peers: Peers,
        subscriptions: Subscriptions,
        interest: Interest,
        questions: Questions,
        limits: Limits,
        counters: Counters,
        *,
        axe: bool,
    ) -> None:
        """
        @param axe: whether questions go to those who may know; else they go to everybody.
        """
        self._graph = graph
        self._peers = peers
        self._subscriptions = subscriptions
        self._interest = interest
        self._questions = questions
        self._limits = limits
        self._counters = counters
        self._axe = axe
        self._unfinished: dict[str, Peer] = {}

    @property
    def asking(self) -> tuple[int, int]:
        """How many gets are being offered to other peers, and how many bytes they have."""
        return len(self._questions), self._questions.size

    @property
    def next_at(self) -> float | None:
        """When L{run} is to be called next, in milliseconds."""
        times = (self._questions.next_at, self._interest.next_at)
        return min([at for at in times if at is not None], default=None)

    def serve(self, question: Question, message: Message, text: bytes, now: float) -> None:
        """
        Answer a question, and ask others.

        @param text: the message as it may be forwarded.
        @param now: in milliseconds.
        """
        self._counters.count("gets_served")
        query = question.query
        answered = query is not None and self._answer(question, query)
        if not answered:
            self._say_nothing(question)
        if query is None or message.private or message.private_too:
            return
        if query.length > LONG_NAMES:
            question.query = None
        seen = read_told(message.told)
        if self._axe:
            self._questions.ask(question, query, text, seen, answered, now)
        else:
            self._questions.flood(question, query, text, seen, now)

    def subscribe(self, question: Question) -> bool:
        """
        Subscribe who asks. A relay above is told every change anyway, so it need not be, unless it knows that
        we ask others on its behalf; then it also says when that is to end.

        @return: whether it is subscribed now and was not before.
        """
        peer, query = question.peer, question.query
        if query is None or peer.is_group:  # that hears every change anyway
            return False
        if peer.above and not peer.bridged and peer.link is not None and peer.link.reliable:
            return False
        soul = query.soul
        return self._subscriptions.add(peer, query, None if soul is None else self._graph.hot.same_name(soul))

    def serve_again(self, question: Question) -> None:
        """
        Answer a question that has come by another way too. A gunnet relay is to be subscribed, and waits for
        an answer; but whom else it could be asked of has been asked.
        """
        query = question.query
        self.subscribe(question)
        if query is None or not self._answer(question, query):
            self._say_nothing(question)

    def _say_nothing(self, question: Question) -> None:
        if question.peer.is_group:  # somebody else there may have it
            return
        self._peers.say(
            question.peer, b'{"#":"%b","@":%b}' % (self._peers.new_id().encode(), string(question.id))
        )

    def answered_by(self, peer: Peer, question: Question) -> None:
        """
        C{peer} gave data for C{question}: it is subscribed to the same, as with gun.js. Gunnet relays ask for
        what they want.
        """
        query = question.query
        one_who_asks = peer.url is None and not peer.is_gunnet and not peer.is_group
        if query is not None and query.soul is not None and one_who_asks:
            self._subscriptions.add(peer, query)

    def _answer(self, question: Question, query: Query) -> bool:
        """@return: whether there is anything to answer with."""
        selection = Selection(self._graph, query)
        try:
            chunk = selection.chunk(self._answer_bytes(question.peer))
        except StoreError:
            self._cannot_read(question)
            return True
        if chunk is None:
            return False
        next_id = "" if selection.ended else self._peers.new_id()
        self._say_chunk(question, self._peers.new_id(), chunk, next_id)
        if next_id:
            question.peer.streams.append(Stream(question, selection, next_id))
            self._unfinished[question.peer.id] = question.peer
        return True

    def _answer_bytes(self, peer: Peer) -> int:
        """How large a chunk may be, roughly: to a group each is a datagram."""
        limits = self._limits
        return limits.datagram_bytes // DATAGRAM_PARTS if peer.is_group else limits.answer_bytes

    def _say_chunk(self, question: Question, chunk_id: str, chunk: tuple[bytes, int], next_id: str) -> None:
        put, digest = chunk
        asked = question.digest
        if asked is None:
            question.got_from_us(digest)
        elif is_hash_of(asked, put, digest):
            self._counters.count("answers_known_already")
            if question.peer.is_gunnet:
                self._say_nothing(question)
            return
        more = b'"%%":"%b",' % next_id.encode() if next_id else b""
        self._peers.say(
            question.peer,
            b'{"#":"%b","##":%d,"@":%b,%b"put":%b}'
            % (chunk_id.encode(), digest, string(question.id), more, put),
        )

    def _cannot_read(self, question: Question) -> None:
        self._counters.count("store_reads_failed")
        if question.peer.is_group:
            return
        self._peers.say(
            question.peer,
            b'{"#":"%b","@":%b,"err":%b}'
            % (self._peers.new_id().encode(), string(question.id), string(NOT_READ)),
        )

    def waiting(self) -> list[Peer]:
        """The peers to which there is more to say than fitted into one turn."""
        peers = [peer for peer in self._unfinished.values() if peer.up and not peer.paused]
        return peers + self._interest.waiting()

    def continue_with(self, peer: Peer, now: float) -> None:
        """Say some more to C{peer}: the next chunk of its oldest long answer, or questions to a source."""
        if peer.streams and peer.outbox.size <= self._limits.answer_bytes:
            self._continue(peer, peer.streams[0])
        if not peer.streams:
            self._unfinished.pop(peer.id, None)
        self._interest.continue_with(peer, now)

    def run(self, now: float) -> None:
        """Ask others what is due."""
        self._questions.run(now)
        self._interest.run(now)

    def forget(self, peer: Peer) -> None:
        """The link of C{peer} is gone."""
        self._unfinished.pop(peer.id, None)
        self._questions.forget(peer)
        self._interest.forget(peer)

    def _continue(self, peer: Peer, stream: Stream) -> None:
        try:
            chunk = stream.selection.chunk(self._answer_bytes(peer))
        except StoreError:
            self._cannot_read(stream.question)
            peer.streams.pop(0)
            return
        chunk_id = stream.next_id
        if stream.selection.ended or chunk is None:
            peer.streams.pop(0)
            stream.next_id = ""
        else:
            stream.next_id = self._peers.new_id()
        if chunk is not None:
            self._say_chunk(stream.question, chunk_id, chunk, stream.next_id)
