"""
Tests for L{gunnet.rtc.connection}, as far as no network is needed: nonsense from the other side. The rest is
in L{tests.interop.test_webrtc_peers}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.rtc.connections import Connections

try:
    from gunnet.rtc.connection import Connection, Names
    from gunnet.rtc.offers import MESSAGE_BYTES, Offers, ours
except ImportError:
    raise SkipTest("needs aiortc: pip install 'gunnet[webrtc]'") from None

TRACK = "m=video 9 UDP/TLS/RTP/SAVPF 97\r\na=mid:0\r\n"
SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


class Told:
    """L{gunnet.rtc.connection.Listener} that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.told.append((name, *arguments))


class InlineLoop:
    """L{gunnet.rtc.loop.LoopThread} in the thread of the test."""

    running = True

    def start(self) -> None:
        """Nothing."""

    def call(self, what: Callable[..., object], *arguments: Any) -> None:
        what(*arguments)

    back = call


class ConnectionTests(SynchronousTestCase):
    """One connection that never gets anywhere."""

    def run_with(self, use: Callable[[Connection], object], tracks_max: int = 2) -> list[tuple[Any, ...]]:
        """What is told when C{use} is done with a connection."""
        listener = Told()

        async def run() -> None:
            names = Names("me", "you", lambda: "id")
            connection = Connection(1, names, [], listener, tracks_max=tracks_max)
            use(connection)
            await connection.gone()
            connection.end("the test is over")
            await connection.gone()

        asyncio.run(run())
        return listener.told

    def test_malformed_offer(self) -> None:
        """An offer that can't be read ends it, once, with why."""
        for sdp in ("v=0\r\nm=\r\n", SDP + "m=application x\r\n", SDP):
            told = self.run_with(lambda connection, sdp=sdp: connection.answer(sdp))  # type: ignore[misc]
            ended = [each for each in told if each[0] == "ended"]
            self.assertEqual(len(ended), 1)
            self.assertRegex(
                ended[0][2], "^a malformed offer: |^we could not answer the offer: |^the test is over"
            )

    def test_malformed_answer(self) -> None:
        """So does an answer; this one comes without an offer."""
        told = self.run_with(lambda connection: connection.accept(SDP))
        self.assertEqual(told[0][:2], ("ended", 1))
        self.assertIn("a malformed answer: ", told[0][2])

    def test_malformed_candidates(self) -> None:
        """A candidate that can't be read is told, and the end of candidates is none."""

        def use(connection: Connection) -> None:
            for candidate in (
                "nonsense",
                "candidate:1 x udp 1 a b typ host",
                "candidate:1 1 udp 1 192.0.2.1 9 typ host",
            ):
                connection.add({"candidate": candidate})
            connection.add({"candidate": ""})

        told = self.run_with(use)
        self.assertEqual([each[0] for each in told], ["complain"] * 3 + ["ended"])
        self.assertIn("a malformed candidate: ", told[0][2])

    def test_rtc_tracks(self) -> None:
        """An offer of more tracks than C{rtc_tracks} is refused."""
        told = self.run_with(lambda connection: connection.answer(SDP + 3 * TRACK))
        self.assertEqual(told[0], ("tracks_refused", 1))
        self.assertEqual(told[1], ("ended", 1, "a malformed offer: more than 2 tracks"))

    def test_rtc_tracks_counted(self) -> None:
        """That comes to the room, which counts C{rtc_tracks_refused}."""
        counters, told = Counters(), Told()
        told.tracks_refused = lambda key: counters.count("rtc_tracks_refused")  # type: ignore[method-assign]

        async def run() -> None:
            connections = Connections("me", InlineLoop(), told, lambda: "id", Limits(rtc_tracks=2))  # type: ignore[arg-type]
            connections.connect(1, "you", SDP + 3 * TRACK, [])
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
            connections.close(1, "over")

        asyncio.run(run())
        self.assertEqual(counters["rtc_tracks_refused"], 1)
        self.assertEqual([each[0] for each in told.told], ["ended"])

    def test_after_the_end(self) -> None:
        """What comes after the end is of no account."""

        def use(connection: Connection) -> None:
            connection.end("over")
            connection.end("again")
            connection.offer()
            connection.add({"candidate": "nonsense"})
            connection.send([b"{}"])
            self.assertIsNone(connection.send_track(None))  # type: ignore[arg-type]

        self.assertEqual(self.run_with(use), [("ended", 1, "over")])


class OffersTests(SynchronousTestCase):
    """What is about tracks, among what comes over a channel."""

    def setUp(self) -> None:
        self.said: list[bytes] = []
        self.checked: list[str] = []
        names = Names("me", "you", lambda: "id")
        self.offers = Offers(None, names, self.check, self.said.append)  # type: ignore[arg-type]

    def check(self, sdp: str) -> None:
        self.checked.append(sdp)
        raise ValueError("no more")

    def run_step(self, step: Callable[[], Awaitable[None]] | None) -> None:
        async def run() -> None:
            assert step is not None
            await step()

        asyncio.run(run())

    def test_rest(self) -> None:
        """All else goes to the mesh."""
        for frame in (
            b'{"#":"1","rtc":1}',
            b'{"#":"1","ok":{"rtc":1}}',
            b'{"rtc"',
            b'{"@":"x","ok":{"rtc":{}}}',
        ):
            rest = self.offers.hear(frame)
            self.assertEqual((rest.messages, rest.step), ([frame], None))
        rest = self.offers.hear(b'[{"#":"1","get":{"#":"a"}},{"#":"2","dam":"rtc","ok":{"rtc":{}}}]')
        self.assertEqual(rest.messages, [b'{"#":"1","get":{"#":"a"}}'])
        self.assertIsNotNone(rest.step)

    def test_malformed(self) -> None:
        """An offer that is none is the other side's mistake, as is one that asks too much."""
        rest = self.offers.hear(b'{"#":"2","dam":"rtc","ok":{"rtc":{"offer":7}}}')
        self.assertRaises(ValueError, self.run_step, rest.step)
        offer = b'{"#":"2","dam":"rtc","ok":{"rtc":{"offer":{"type":"offer","sdp":"v=0"}}}}'
        self.assertRaises(ValueError, self.run_step, self.offers.hear(offer).step)
        self.assertEqual((self.checked, self.said), (["v=0"], []))

    def test_message_size(self) -> None:
        """Our descriptions say how large a message may be."""
        self.assertEqual(
            ours("v=0\r\na=max-message-size:65536\r\n"), f"v=0\r\na=max-message-size:{MESSAGE_BYTES}\r\n"
        )
