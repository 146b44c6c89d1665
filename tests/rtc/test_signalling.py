"""
Tests for L{gunnet.rtc.signalling}: who offers to whom, who answers, and what comes of silence and nonsense.
"""

from __future__ import annotations

from itertools import count
from typing import Any, TypeVar

from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.rtc import signalling
from gunnet.rtc.effects import Accept, Add, Close, Connect, Say
from gunnet.rtc.events import Failed, Joined, Left, Refused
from gunnet.rtc.signalling import AGAIN_MS, ALONE_MS, CONNECT_MS, YIELD_MS, Signalling
from gunnet.wire import jstext

START = 1_800_000_000_000.0
SOUL = "/RTC/lobby<?99"
SDP = "v=0\r\ns=-\r\n"
CANDIDATE = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}

E = TypeVar("E")


class SignallingCase(SynchronousTestCase):
    """One member, C{me}, of a room."""

    limits = Limits(rtc_peers=3, rtc_candidates=4, rtc_signal_bytes=2_000)

    def setUp(self) -> None:
        numbers = count(1)
        self.counters = Counters()
        self.now = START
        self.room = Signalling("me", "lobby", self.limits, self.counters, lambda: f"id{next(numbers)}")
        self.room.start(self.now)
        self.start = self.said()

    def said(self) -> list[dict[str, Any]]:
        return [jstext.parse(each.text) for each in self.took(Say)]

    def took(self, kind: type[E]) -> list[E]:
        """The effects of one kind since the last time; the others are lost."""
        return [each for each in self.room.take() if isinstance(each, kind)]

    def hear(self, size: int = 500, **message: Any) -> None:
        self.room.hear(
            {key.replace("id", "#").replace("re", "@"): value for key, value in message.items()},
            size,
            self.now,
        )

    def announced(self, pid: Any, *, state: Any = START + 1, update: str = "update") -> None:
        node = {"_": {"#": SOUL, ">": {"+": state}}, "+": pid}
        self.hear(id=update, put={SOUL: node})

    def signal(self, pid: Any, number: str = "theirs", re: str = "id2", **rtc: Any) -> None:
        self.hear(id=number, re=re, ok={"rtc": {**rtc, "id": pid}})

    def offer(self, pid: str, number: str = "theirs") -> None:
        self.signal(pid, number, offer={"type": "offer", "sdp": SDP})

    def answer(self, pid: str) -> None:
        self.signal(pid, answer={"type": "answer", "sdp": SDP})

    def advance(self, milliseconds: float) -> None:
        """Let time pass, with each thing when it is due."""
        end = self.now + milliseconds
        while self.room.next_at <= end:
            self.now = max(self.now, self.room.next_at)
            self.room.pass_time(self.now)
        self.now = end

    def connect(self, pid: str) -> int:
        """Open a channel to a member that has just come."""
        self.announced(pid)
        [connect] = self.took(Connect)
        self.room.described(connect.key, SDP)
        self.answer(pid)
        self.assertTrue(self.room.opened(connect.key))
        return connect.key


class MeetTests(SignallingCase):
    """How it goes when all is well."""

    def test_announce(self) -> None:
        """Who comes says hi, puts its process id, and asks who else is announced."""
        hi, put, get = self.start
        self.assertEqual(hi["dam"], "hi")
        self.assertEqual(put["put"][SOUL], {"_": {"#": SOUL, ">": {"+": START}}, "+": "me"})
        self.assertEqual(put["ok"], {"@": 3, "/": 0})
        self.assertEqual(get["get"], {"#": SOUL, ".": "+"})

    def test_offer(self) -> None:
        """Somebody comes: we offer, as an ack of the update; answer and candidates go to that connection."""
        self.announced("you", update="update1")
        [connect] = self.took(Connect)
        self.assertEqual((connect.pid, connect.offer), ("you", None))
        self.room.described(connect.key, SDP)
        [message] = self.said()
        self.assertEqual(message["@"], "update1")
        self.assertEqual(message["ok"], {"rtc": {"offer": {"type": "offer", "sdp": SDP}, "id": "me"}})
        self.signal("you", candidate=CANDIDATE)
        self.assertEqual(self.room.take(), [], "a candidate waits for the answer")
        self.answer("you")
        self.signal("you", candidate=CANDIDATE)
        self.assertEqual(
            self.room.take(),
            [Accept(connect.key, SDP), Add(connect.key, CANDIDATE), Add(connect.key, CANDIDATE)],
        )
        self.assertTrue(self.room.opened(connect.key))
        self.assertEqual(self.room.take(), [Joined("you")])
        self.assertEqual(list(self.room.open), ["you"])

    def test_answer(self) -> None:
        """Somebody offers: we answer, as an ack of the offer; line ends that were mangled are mended."""
        self.signal("you", "offer1", offer={"type": "offer", "sdp": "v=0\\r\\ns=-\\r\\n"})
        self.signal("you", candidate=CANDIDATE)
        connect, add = self.room.take()
        self.assertEqual(connect, Connect(1, "you", SDP))
        self.assertEqual(add, Add(1, CANDIDATE))
        self.room.described(1, SDP)
        [message] = self.said()
        self.assertEqual(message["@"], "offer1")
        self.assertEqual(message["ok"], {"rtc": {"answer": {"type": "answer", "sdp": SDP}, "id": "me"}})

    def test_leave(self) -> None:
        """A member goes; when the last one has gone, we announce ourselves again."""
        key = self.connect("you")
        self.room.take()
        self.room.ended(key, "gone", self.now)
        self.assertEqual(self.room.take(), [Close(key, "gone"), Left("you", "gone")])
        self.advance(AGAIN_MS)
        [message] = self.said()
        self.assertEqual(message["put"][SOUL]["+"], "me")

    def test_alone(self) -> None:
        """Who is alone announces itself again, with pauses that grow; who is not does not."""
        self.advance(AGAIN_MS)
        first = self.said()
        self.advance(AGAIN_MS)
        self.assertEqual([len(first), len(self.said())], [1, 0])
        self.advance(10 * ALONE_MS)
        self.assertIn(len(self.said()), range(10, 16))
        self.connect("you")
        self.room.take()
        self.advance(10 * ALONE_MS)
        self.assertEqual(self.room.take(), [])

    def test_not_news(self) -> None:
        """Who was announced before we came is not offered to, nor are we, nor those that we have."""
        self.announced("old", state=START - 1)
        self.announced("me")
        self.connect("you")
        self.room.take()
        self.announced("you", state=START + 50)
        self.assertEqual(self.took(Connect), [])

    def test_new_connection(self) -> None:
        """A member that we are connected to offers again: the new connection takes over when it is open."""
        old = self.connect("you")
        self.room.take()
        self.offer("you")
        [connect] = self.took(Connect)
        self.assertEqual(list(self.room.open), ["you"])
        self.assertTrue(self.room.opened(connect.key))
        self.assertEqual(self.room.take(), [Close(old, "it has a new connection")])
        self.assertFalse(self.room.opened(old))


class AgainTests(SignallingCase):
    """An offer that did not arrive."""

    def test_offer_again(self) -> None:
        """Who is announced again has not heard our offer, and is told it again on the new way back."""
        self.announced("you", update="update1")
        self.announced("you", update="update2", state=START + 2)
        [connect] = self.took(Connect)
        self.room.described(connect.key, SDP)
        [first] = self.said()
        self.assertEqual(first["@"], "update2")
        self.announced("you", update="update3", state=START + 3)
        [second] = self.said()
        self.assertEqual((second["@"], second["ok"]), ("update3", first["ok"]))
        self.assertNotEqual(second["#"], first["#"])
        self.answer("you")
        self.room.take()
        self.announced("you", update="update4", state=START + 4)
        self.assertEqual(self.room.take(), [])

    def test_same_offer(self) -> None:
        """Who gets the same offer twice answers it once; another one replaces it."""
        self.offer("you", "o1")
        self.offer("you", "o2")
        self.assertEqual(len(self.took(Connect)), 1)
        self.signal("you", "o3", offer={"type": "offer", "sdp": SDP + "a=x"})
        self.assertEqual(len(self.took(Connect)), 1)


class BothOfferTests(SignallingCase):
    """Two that see each other at the same time."""

    def test_greater_yields(self) -> None:
        """The one with the greater process id takes its offer back, and answers."""
        self.announced("bob")
        [mine] = self.took(Connect)
        self.room.described(mine.key, SDP)
        self.room.take()
        self.offer("bob")
        close, connect = self.room.take()
        self.assertEqual(close, Close(mine.key, "it made an offer itself"))
        assert isinstance(connect, Connect)
        self.assertEqual((connect.pid, connect.offer), ("bob", SDP))

    def test_lesser_waits(self) -> None:
        """The other one waits for the answer that it gets."""
        self.announced("you")
        self.offer("you")
        [mine] = self.took(Connect)
        self.advance(YIELD_MS - 1)
        self.answer("you")
        self.assertEqual(self.took(Accept), [Accept(mine.key, SDP)])
        self.advance(YIELD_MS)
        self.assertEqual(self.took(Close), [])

    def test_lesser_waits_in_vain(self) -> None:
        """gun.js does not take its offer back: it is answered after a while, with its candidates."""
        self.announced("you")
        [mine] = self.took(Connect)
        self.offer("you", "their offer")
        self.signal("you", re="the announcement", candidate=CANDIDATE)
        self.assertEqual(self.room.take(), [])
        self.advance(YIELD_MS)
        close, connect, add = self.room.take()
        self.assertEqual(close, Close(mine.key, "it made an offer itself"))
        assert isinstance(connect, Connect)
        self.assertEqual((connect.pid, connect.offer), ("you", SDP))
        self.assertEqual(add, Add(connect.key, CANDIDATE))
        self.room.described(connect.key, SDP)
        self.assertEqual(self.said()[0]["@"], "their offer")

    def test_own_fails(self) -> None:
        """If our own comes to nothing meanwhile, the other one is answered at once."""
        self.announced("you")
        [mine] = self.took(Connect)
        self.offer("you")
        self.room.ended(mine.key, "no", self.now)
        self.assertEqual(len(self.took(Connect)), 1)


class FaultTests(SignallingCase):
    """What goes wrong is told, and the room goes on."""

    def failed(self) -> list[Failed]:
        return self.took(Failed)

    def test_no_answer(self) -> None:
        """Who does not answer is given up."""
        self.announced("you")
        self.room.take()
        self.advance(CONNECT_MS)
        close, failed = self.room.take()[:2]
        self.assertIsInstance(close, Close)
        self.assertEqual(failed, Failed("you", "no answer to our offer"))
        self.assertEqual(self.counters["rtc_connections_failed"], 1)
        self.connect("you")

    def test_too_long(self) -> None:
        """So is who answers and is not reached."""
        self.offer("you")
        self.room.take()
        self.advance(CONNECT_MS - 1)
        self.assertEqual(self.failed(), [])
        self.advance(1)
        self.assertEqual(self.failed(), [Failed("you", "it took too long to connect")])
        self.assertFalse(self.room.opened(1), "that comes too late")

    def test_malformed(self) -> None:
        """Nonsense is told and counted, and does no harm."""
        for rtc, why in (
            ({"offer": "v=0"}, "a malformed offer"),
            ({"offer": {"type": "offer", "sdp": "hello"}}, "a malformed offer"),
            ({"offer": {"type": "answer", "sdp": SDP}}, "a malformed offer"),
        ):
            self.signal("you", **rtc)
            self.assertEqual(self.room.take(), [Failed("you", why)])
        for bad in (7, "", "x" * 200, None):
            self.signal(bad, offer={"type": "offer", "sdp": SDP})
            self.assertEqual([each.why for each in self.failed()], ["a message without a process id"])
        self.hear(id="a", re="b", ok={"rtc": [1]})
        self.assertEqual(len(self.failed()), 1)
        self.assertEqual(self.counters["rtc_signals_malformed"], 8)
        self.announced("you")
        self.signal("you", candidate="x")
        self.assertEqual(self.failed(), [Failed("you", "a malformed candidate")])
        self.signal("you", answer={"sdp": SDP})
        close, failed = self.room.take()
        self.assertEqual(
            (close, failed), (Close(1, "a malformed answer"), Failed("you", "a malformed answer"))
        )

    def test_malformed_announcements(self) -> None:
        """So are announcements, which are passed over."""
        for pid, state in (
            (7, START + 1),
            ("", START + 1),
            ("you", "soon"),
            ("you", None),
            (None, START + 1),
        ):
            self.announced(pid, state=state)
        for put in ({SOUL: 1}, {SOUL: {"+": "you"}}, {SOUL: {"_": [], "+": "you"}}, 5):
            self.hear(id="a", put=put)
        self.hear(put={SOUL: {"_": {">": {"+": START + 1}}, "+": "you"}})
        self.assertEqual(self.room.take(), [])

    def test_unexpected(self) -> None:
        """An answer that nobody waits for, and a candidate of nobody, are passed over."""
        self.answer("you")
        self.signal("you", candidate=CANDIDATE)
        self.offer("you")
        self.room.take()
        self.answer("you")
        self.assertEqual(self.room.take(), [])
        self.assertEqual(self.counters["rtc_signals_unexpected"], 3)

    def test_own(self) -> None:
        """What we said ourselves does not concern us, nor what has no id."""
        self.offer("me")
        self.hear(re="b", ok={"rtc": {"offer": {"type": "offer", "sdp": SDP}, "id": "you"}})
        self.assertEqual(self.room.take(), [])

    def test_refused(self) -> None:
        """The graph does not take the announcement: that is told, and it is tried again."""
        announcement = self.start[1]["#"]
        self.hear(id="a", re=announcement, err="Soul missing public key")
        self.assertEqual(self.room.take(), [Refused("Soul missing public key")])
        self.assertEqual(self.counters["rtc_announcements_refused"], 1)
        self.advance(ALONE_MS)
        self.assertTrue(self.said())

    def test_unknown_keys(self) -> None:
        """What is told of connections that are closed is of no account."""
        self.room.described(9, SDP)
        self.room.ended(9, "gone", self.now)
        self.assertFalse(self.room.opened(9))
        self.assertEqual(self.room.take(), [])


class BoundTests(SignallingCase):
    """The bounds."""

    def test_rtc_peers(self) -> None:
        """There is room for C{rtc_peers}, whoever offers; who is there may come again."""
        self.connect("a")
        self.announced("b")
        self.offer("c")
        self.room.take()
        self.announced("d")
        self.offer("e")
        self.assertEqual(self.room.take(), [Failed("d", "too many members"), Failed("e", "too many members")])
        self.assertEqual(self.counters["rtc_peers_refused"], 2)
        self.offer("a")
        self.assertEqual(len(self.took(Connect)), 1)

    def test_rtc_signal_bytes(self) -> None:
        """A larger message is not looked at."""
        ok = {"rtc": {"offer": {"type": "offer", "sdp": SDP}, "id": "you"}}
        self.hear(2_001, id="a", re="b", ok=ok)
        self.assertEqual(self.room.take(), [Failed("you", "a message of 2001 bytes is too large")])
        self.assertEqual(self.counters["rtc_signal_bytes_refused"], 1)
        self.hear(2_000, id="a", re="b", ok=ok)
        self.assertEqual(len(self.took(Connect)), 1)

    def test_rtc_candidates(self) -> None:
        """More candidates than C{rtc_candidates} for one connection are passed over."""
        self.offer("you")
        for _ in range(6):
            self.signal("you", candidate=CANDIDATE)
        self.assertEqual(len(self.took(Add)), 4)
        self.assertEqual(self.counters["rtc_candidates_refused"], 2)


class PurityTests(SynchronousTestCase):
    """It decides, and does nothing else."""

    def test_imports(self) -> None:
        """Nothing of the shell is imported."""
        with open(signalling.__file__, encoding="utf-8") as file:
            source = file.read()
        for word in ("twisted", "asyncio", "aiortc", "import time", "import random"):
            self.assertNotIn(word, source)
