"""
Tests for L{gunnet.transport.text_frames} and L{gunnet.transport.incoming}: the short way of whole text frames
against Autobahn's, on the same bytes.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from unittest.mock import patch

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gunnet.limits import Limits
from gunnet.transport import incoming
from gunnet.transport.text_frames import take_texts
from tests.transport.doubles import BINARY, CLOSE, PING, PONG, TEXT, RecordingMesh, Wire, frame

LIMITS = Limits(message_bytes=70_000, frame_bytes=80_000)
SEED = 20_201_241
ROUNDS = 600


def masked(payload: bytes, mask: bytes, kind: int = TEXT, *, last: bool = True) -> bytes:
    """A frame with a mask that is not zero."""
    head = frame(b"", kind, last=last, claim=len(payload))[:-4]
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


class TakeTests(SynchronousTestCase):
    """Bytes into texts."""

    def test_lengths(self) -> None:
        """Texts of all forms of length, with and without a mask, and what is longer is left alone."""
        for length in (0, 1, 125, 126, 127, 999, 1_001, 65_535):
            text = b"x" * length
            for data in (frame(text), masked(text, b"\x01\x02\x03\xff")):
                self.assertEqual(take_texts(data + data, masked=True), ([text, text], 2 * len(data), True))
        self.assertEqual(take_texts(frame(b"x" * 65_536), masked=True), ([], 0, False))
        self.assertEqual(take_texts(frame(b"x" * 11), masked=True, longest=10), ([], 0, False))
        self.assertEqual(take_texts(b"\x81\x01a\x81\x00", masked=False), ([b"a", b""], 5, True))

    def test_in_part(self) -> None:
        """Wherever a frame is cut, its beginning waits, and the frames before it are taken."""
        first = frame(b"first")
        for second in (frame(b"second"), masked("zweite \u20ac".encode() * 99, b"abcd")):
            for cut in range(len(second)):
                self.assertEqual(take_texts(first + second[:cut], masked=True), ([b"first"], 11, True), cut)

    def test_unusual(self) -> None:
        """Everything else stays where it begins."""
        first = frame(b"first")
        for other in (
            frame(b"", PING),
            frame(b"", PONG),
            frame(b"\x03\xe8", CLOSE),
            frame(b"{}", BINARY),
            frame(b"{}", last=False),
            frame(b"{}", 0),
            b"\xc1" + frame(b"{}")[1:],
            b"\xa1" + frame(b"{}")[1:],
            b"\x91" + frame(b"{}")[1:],
            b"\x81\x02{}",
            b"\x81\xfe\x00\x7d\0\0\0\0" + b"x" * 125,
            b"\x81\xff\0\0\0\0\0\0\0\x05\0\0\0\0hello",
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
            frame(b"\xff"),
            frame(b"\xed\xa0\x80"),
            frame("\u20ac".encode()[:2]),
        ):
            self.assertEqual(take_texts(first + other + first, masked=True), ([b"first"], 11, False), other)
        self.assertEqual(take_texts(frame(b"{}"), masked=False), ([], 0, False))


class SameTests(SynchronousTestCase):
    """A corpus of frames, good and bad, by both ways."""

    def chunks(self, dice: Random) -> list[bytes]:
        """What a peer may send, in the pieces in which it arrives."""
        data = b"".join([_some_frame(dice) for _ in range(dice.randrange(1, 12))])
        if dice.random() < 0.2:
            at = dice.randrange(len(data))
            data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
        if dice.random() < 0.3:
            # Nothing ends in the middle of a frame: Autobahn refuses what is no UTF-8 before it is complete.
            data = data[: dice.randrange(len(data))] + b"x" * 81_000
        longest = dice.choice((1, 3, 50, 1_400, 100_000))
        pieces = []
        while data:
            size = dice.randint(1, longest) if len(data) < 3_000 else max(1_400, longest)
            pieces.append(data[:size])
            data = data[size:]
        return pieces

    def told(self, chunks: list[bytes]) -> tuple[list[object], bytes, bool]:
        """@return: (what the mesh was told, what was answered, whether the connection was closed)."""
        mesh = RecordingMesh(LIMITS)
        wire = Wire(mesh, MemoryReactorClock()).open()
        for chunk in chunks:
            if not wire.transport.gone:
                wire.raw(chunk)
        calls: list[object] = [call for call in mesh.calls if call[0].startswith("hear")]
        self.assertEqual(wire.links.partial_bytes, len(wire.link._text) + len(wire.link._rest))
        wire.transport.lose()
        self.assertEqual(wire.links.partial_bytes, 0)
        return calls, wire.transport.value(), wire.transport.gone

    def test_same(self) -> None:
        """
        What the mesh hears and what the peer is answered is the same, close codes and their reasons too:
        whatever came, and in whatever pieces.
        """
        closed = heard = 0
        for seed in range(SEED, SEED + ROUNDS):
            chunks = self.chunks(Random(seed))
            taken = self.told(chunks)
            with patch.object(incoming, "take_texts", lambda data, masked, longest: ([], 0, False)):
                expected = self.told(chunks)
            self.assertEqual(taken[0], expected[0], f"seed {seed}")
            self.assertEqual(_without_index(taken[1]), _without_index(expected[1]), f"seed {seed}")
            heard += len(taken[0])
            closed += b"\x88" in taken[1]
        self.assertGreater(heard, ROUNDS)
        self.assertGreater(closed, ROUNDS // 4)


class RestTests(SynchronousTestCase):
    """The beginning of a frame that waits."""

    def setUp(self) -> None:
        self.mesh = RecordingMesh(LIMITS)
        self.clock = MemoryReactorClock()

    def test_many_at_once(self) -> None:
        """All frames that were read at once are heard in one go, and the rest when it is there."""
        wire = Wire(self.mesh, self.clock).open()
        wire.raw(frame(b"1") + frame(b"2") + frame(b"3")[:-1])
        self.assertEqual(self.mesh.heard(), [b"1", b"2"])
        self.assertEqual(wire.links.partial_bytes, 6)
        wire.raw(frame(b"3")[-1:] + frame(b"4"))
        self.assertEqual(self.mesh.heard(), [b"1", b"2", b"3", b"4"])
        self.assertEqual(wire.links.partial_bytes, 0)

    def test_bound(self) -> None:
        """What waits counts as held, and whose makes it too much is dropped."""
        self.mesh.relay.limits = replace(LIMITS, partial_bytes=100)
        wire = Wire(self.mesh, self.clock).open()
        wire.raw(frame(b"x" * 200)[:60])
        self.assertEqual(wire.got(), [])
        wire.raw(b"x" * 60)
        self.assertEqual(wire.got(), [(CLOSE, b"")])
        self.assertEqual(self.mesh.relay.counters["partial_bytes_exceeded"], 1)
        self.assertEqual(wire.links.partial_bytes, 0)

    def test_after_leaving(self) -> None:
        """Once the link is to be closed nothing is heard, and the close of the peer is seen."""
        wire = Wire(self.mesh, self.clock).open()
        wire.link.drop("bad manners")
        wire.raw(frame(b"late") + frame(b"", CLOSE))
        self.assertEqual(self.mesh.heard(), [])
        self.assertTrue(wire.transport.gone or wire.transport.disconnecting)


def _without_index(answer: bytes) -> bytes:
    """Autobahn says at which byte text is no UTF-8, and fails before the rest of a frame has come."""
    return answer.partition(b"payload octet index")[0]


def _some_frame(dice: Random) -> bytes:
    mask = dice.choice((b"\0\0\0\0", dice.randbytes(4)))
    kind = dice.choices((TEXT, BINARY, 0, PING, PONG, CLOSE, 3, 11), (70, 4, 4, 6, 4, 2, 1, 1))[0]
    text = dice.choice((b"{}", b"[]", '{"\u20ac":"\U0001f600"}'.encode(), b"", b"\xff\xfe", b"x"))
    if kind == CLOSE:
        text = dice.choice((b"", b"\x03", b"\x03\xe8bye", b"\x03\xe8\xff", b"\x00\x01", b"\x13\x88"))
    elif kind == TEXT and dice.random() < 0.3:
        text = b"x" * dice.choice((124, 125, 126, 1_000, 1_001, 65_535, 65_536, 70_001, 80_001))
    data = masked(text, mask, kind, last=dice.random() < 0.95)
    if dice.random() < 0.03:
        data = bytes([data[0] | dice.choice((0x10, 0x20, 0x40))]) + data[1:]
    if dice.random() < 0.02:
        data = data[:1] + bytes([data[1] & 0x7F]) + data[2:]
    if dice.random() < 0.02:
        data = b"\x81\xfe\0\x05" + mask + b"hello"
    return data
