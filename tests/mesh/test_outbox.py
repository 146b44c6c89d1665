"""
Tests for L{gunnet.mesh.outbox}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.mesh.outbox import Outbox
from gunnet.testing import messages


def outbox_of(*texts: bytes) -> Outbox:
    """An outbox in which C{texts} wait."""
    outbox = Outbox()
    for text in texts:
        outbox.add(text)
    return outbox


class OutboxTests(SynchronousTestCase):
    """What waits, and how it is packed."""

    def test_empty(self) -> None:
        """Nothing waits: no frame."""
        self.assertEqual([], outbox_of().frames(100))

    def test_alone(self) -> None:
        """A message that is alone is a frame as it is, however large."""
        self.assertEqual([b'{"a":1}'], outbox_of(b'{"a":1}').frames(100))
        self.assertEqual([b'{"a":1}'], outbox_of(b'{"a":1}').frames(1))

    def test_array(self) -> None:
        """Several share an array."""
        self.assertEqual([b'[{"a":1},{"b":2}]'], outbox_of(b'{"a":1}', b'{"b":2}').frames(100))

    def test_pack_bytes(self) -> None:
        """An array is closed before the text in it would exceed the limit, and not earlier."""
        text = b'{"a":1}'
        three = 3 * len(text) + 2
        self.assertEqual(1, len(outbox_of(text, text, text).frames(three)))
        self.assertEqual([b'[{"a":1},{"a":1}]', text], outbox_of(text, text, text).frames(three - 1))

    def test_large_goes_alone(self) -> None:
        """A message larger than the limit has a frame of its own, in its place."""
        large = b'{"a":"%b"}' % (b"x" * 50)
        frames = outbox_of(b'{"b":1}', b'{"c":1}', large, b'{"d":1}').frames(30)
        self.assertEqual([b'[{"b":1},{"c":1}]', large, b'{"d":1}'], frames)

    def test_size(self) -> None:
        """The size is that of what waits, at every step."""
        outbox = outbox_of(b"{}", b'{"a":1}')
        self.assertEqual(9, outbox.size)
        outbox.drop_oldest()
        self.assertEqual((7, 1), (outbox.size, len(outbox)))
        outbox.frames(100)
        self.assertEqual((0, 0), (outbox.size, len(outbox)))
        outbox.add(b"{}")
        outbox.clear()
        self.assertEqual((0, 0), (outbox.size, len(outbox)))

    @given(st.lists(st.integers(0, 40), max_size=40), st.integers(1, 120))
    def test_nothing_is_lost(self, sizes: list[int], pack_bytes: int) -> None:
        """All that is put in comes out once, in order; only a lone message exceeds the limit."""
        texts = [b'{"n":%d,"x":"%b"}' % (number, b"x" * size) for number, size in enumerate(sizes)]
        frames = outbox_of(*texts).frames(pack_bytes)
        self.assertEqual(
            list(range(len(sizes))), [message["n"] for frame in frames for message in messages(frame)]
        )
        for frame in frames:
            self.assertTrue(frame[:1] == b"{" or len(frame) <= pack_bytes + 2)
