"""
Tests for L{gunnet.bench.peer}: one client.
"""

from __future__ import annotations

import json
from random import Random

from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gunnet.bench.frames import CLOSE, PING, accept_of, frame, payloads
from gunnet.bench.peer import BenchError, Peer


class PeerTests(SynchronousTestCase):
    """A client whose relay is the test."""

    def setUp(self) -> None:
        self.peer = Peer("wss://relay.example/gun?token=x", Random(1))
        self.transport = StringTransport()
        self.heard: list[bytes] = []
        self.lost: list[str] = []
        self.peer.heard = self.heard.append
        self.peer.lost = self.lost.append
        self.peer.makeConnection(self.transport)
        self.request = self.transport.value()
        self.transport.clear()

    def accept(self, rest: bytes = b"") -> bytes:
        """What a relay answers."""
        fields = dict(line.split(b": ", 1) for line in self.request.split(b"\r\n")[1:-2])
        accept = accept_of(fields[b"Sec-WebSocket-Key"])
        return b"HTTP/1.1 101 Any\r\nServer: x\r\nsec-websocket-accept:" + accept + b"\r\n\r\n" + rest

    def said(self) -> list[dict[str, object]]:
        """What the peer has said, parsed."""
        found = [json.loads(payload) for payload in payloads(self.transport.value(), masked=True)]
        self.transport.clear()
        return found

    def test_handshake(self) -> None:
        """It asks as the standard has it, and takes the answer byte by byte, with frames right behind it."""
        self.assertTrue(self.request.startswith(b"GET /gun?token=x HTTP/1.1\r\nHost: relay.example\r\n"))
        for byte in self.accept(frame(b"[]", masked=False)):
            self.peer.dataReceived(bytes((byte,)))
        self.assertIs(self.successResultOf(self.peer.opened), self.peer)
        self.assertEqual(self.heard, [frame(b"[]", masked=False)])

    def test_refused(self) -> None:
        """What is no upgrade is told with its reason, and the connection closed."""
        self.peer.dataReceived(b"HTTP/1.1 503 Busy\r\n\r\nlater")
        self.assertIn("503 Busy", str(self.failureResultOf(self.peer.opened, BenchError).value))
        self.assertTrue(self.transport.disconnecting)

    def test_no_websocket(self) -> None:
        """A wrong C{Sec-WebSocket-Accept} is no WebSocket server."""
        self.peer.dataReceived(b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: x\r\n\r\n")
        self.failureResultOf(self.peer.opened, BenchError)

    def test_lost_before(self) -> None:
        """So is a connection that is lost before."""
        self.peer.connectionLost()
        self.failureResultOf(self.peer.opened, BenchError)

    def test_why(self) -> None:
        """A reason that says more than that it is lost is told."""
        self.peer.connectionLost(Failure(ValueError("certificate verify failed")))
        self.assertIn("certificate", str(self.failureResultOf(self.peer.opened, BenchError).value))

    def test_asked(self) -> None:
        """It says who it is, and that it has nothing; but only to questions."""
        self.peer.dataReceived(self.accept())
        self.peer.dataReceived(frame(b'{"#":"a","dam":"?","pid":"r"}', masked=False))
        [reply] = self.said()
        self.assertEqual((reply["@"], reply["dam"]), ("a", "?"))
        self.peer.dataReceived(
            frame(b'[{"#":"b","get":{"#":"s"}},{"#":"c","@":"d","dam":"?"}]', masked=False)
        )
        [reply] = self.said()
        self.assertEqual((reply["@"], len(reply)), ("b", 2))

    def test_ping(self) -> None:
        """A ping has its pong, masked."""
        self.peer.dataReceived(self.accept(frame(b"abc", masked=False, opcode=PING)))
        self.assertEqual(self.transport.value(), frame(b"abc", masked=True, opcode=10))

    def test_lost(self) -> None:
        """A link that the relay closes is lost, once, and with the code."""
        self.peer.dataReceived(self.accept(frame(b"\x03\xf5full", masked=False, opcode=CLOSE)))
        self.peer.connectionLost()
        self.assertEqual(self.lost, ["closed with 1013 full"])

    def test_bad_frame(self) -> None:
        """So is one on which something else than frames comes."""
        self.peer.dataReceived(self.accept(b"\xff\xff"))
        self.assertEqual(len(self.lost), 1)

    def test_closed_here(self) -> None:
        """One that is closed from here is not."""
        self.peer.dataReceived(self.accept())
        self.peer.close()
        self.peer.connectionLost()
        self.assertEqual(self.lost, [])
