"""
Tests for L{gunnet.bench.frames}: what comes in, cut anywhere, is what was sent.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gunnet.bench.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    FrameError,
    FrameReader,
    accept_of,
    frame,
    header,
    payloads,
)


def read(reader: FrameReader, *pieces: bytes, masked: bool = False) -> list[tuple[int, bytes]]:
    """All payloads, with their opcodes."""
    found = []
    for piece in pieces:
        for opcode, chunk in reader.feed(piece):
            if opcode == TEXT:
                found += [(TEXT, payload) for payload in payloads(chunk, masked=masked)]
            else:
                found.append((opcode, chunk))
    return found


def part(payload: bytes, opcode: int, *, fin: bool) -> bytes:
    """A frame that may be a fragment."""
    whole = frame(payload, masked=False, opcode=opcode)
    return bytes((whole[0] & (0xFF if fin else 0x7F),)) + whole[1:]


class ReadTests(SynchronousTestCase):
    """A L{FrameReader}."""

    def test_any_cut(self) -> None:
        """Wherever it is cut in two, the same comes out, of a server and of a client."""
        sizes = (0, 1, 125, 126, 300)
        for masked in (False, True):
            data = b"".join(frame(b"x" * size, masked=masked) for size in sizes)
            data += frame(b"ping", masked=masked, opcode=PING) + frame(b"last", masked=masked)
            expected = [*((TEXT, b"x" * size) for size in sizes), (PING, b"ping"), (TEXT, b"last")]
            for at in range(len(data) + 1):
                found = read(FrameReader(masked=masked), data[:at], data[at:], masked=masked)
                self.assertEqual(found, expected, at)
            single = [data[at : at + 1] for at in range(len(data))]
            self.assertEqual(read(FrameReader(masked=masked), *single, masked=masked), expected)

    def test_whole_read(self) -> None:
        """What is read in whole frames is handed on as it came, not copied."""
        data = b"".join(frame(b"x" * size, masked=False) for size in range(200))
        [(opcode, chunk)] = FrameReader(masked=False).feed(data)
        self.assertEqual(opcode, TEXT)
        self.assertIs(chunk, data)

    def test_long(self) -> None:
        """Lengths of eight bytes."""
        long = b"y" * 70_000
        data = frame(long, masked=False) + frame(b"z", masked=False)
        pieces = [data[at : at + 999] for at in range(0, len(data), 999)]
        self.assertEqual(read(FrameReader(masked=False), *pieces), [(TEXT, long), (TEXT, b"z")])

    def test_fragments(self) -> None:
        """A message in parts, with a ping between them, is one."""
        data = part(b"on", TEXT, fin=False) + part(b"!", PING, fin=True)
        data += part(b"", CONTINUATION, fin=False) + part(b"e", CONTINUATION, fin=True)
        data += part(b"bin", BINARY, fin=False) + part(b"ary", CONTINUATION, fin=True)
        expected = [(PING, b"!"), (TEXT, b"one"), (BINARY, b"binary")]
        self.assertEqual(read(FrameReader(masked=False), data), expected)

    def test_refused(self) -> None:
        """What no server may send."""
        fragment = part(b"a", TEXT, fin=False)
        bad = {
            "masked": frame(b"a", masked=True),
            "reserved bits": b"\xc1\x00",
            "unknown opcode": b"\x83\x00",
            "unknown control": b"\x8b\x00",
            "ping in parts": part(b"a", PING, fin=False),
            "long ping": header(126, masked=False, opcode=PING) + b"a" * 126,
            "continues nothing": part(b"a", CONTINUATION, fin=True),
            "two at once": fragment + part(b"a", TEXT, fin=False),
            "huge": b"\x81\x7f" + (1 << 40).to_bytes(8, "big"),
        }
        for what, data in bad.items():
            with self.assertRaises(FrameError, msg=what):
                FrameReader(masked=False).feed(data)
        self.assertRaises(FrameError, FrameReader(masked=True).feed, frame(b"a", masked=False))

    def test_huge_in_parts(self) -> None:
        """A message is bounded in fragments too."""
        self.patch(__import__("gunnet.bench.frames", fromlist=["x"]), "MESSAGE_BYTES_MAX", 10)
        reader = FrameReader(masked=False)
        reader.feed(part(b"a" * 6, TEXT, fin=False))
        self.assertRaises(FrameError, reader.feed, part(b"a" * 6, CONTINUATION, fin=True))


class HandshakeTests(SynchronousTestCase):
    """The rest."""

    def test_accept(self) -> None:
        """The example of RFC 6455."""
        self.assertEqual(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")

    def test_close(self) -> None:
        """A close has its code."""
        data = frame(b"\x03\xe8bye", masked=False, opcode=CLOSE)
        self.assertEqual(read(FrameReader(masked=False), data), [(CLOSE, b"\x03\xe8bye")])
