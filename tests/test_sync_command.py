"""Tests for L{gunnet.sync_command} and C{gunnet sync}, without ports."""

from __future__ import annotations

import contextlib
import io
import os
from random import Random
from typing import Any

from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gunnet import cli
from gunnet.graph.lex import ALL
from gunnet.limits import Limits
from gunnet.store.interface import Cell
from gunnet.store.lmdb import LmdbStore
from gunnet.store.memory import MemoryStore
from gunnet.sync_command import Comparing, NotEqual, Options, Report
from gunnet.testing import START, Conversation
from gunnet.transport.link import Links
from gunnet.transport.websocket import ServerFactory
from tests.mesh.test_sync import changed, some

Known = dict[tuple[str, str], Cell]
URL = "http://there:8765/gun"


class Wire(StringTransport):
    """What one protocol writes, the other one reads a turn later."""

    def __init__(self, clock: Any) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", "127.0.0.1", 1))
        self.clock = clock
        self.reader: Any = None
        self.other: Wire
        self.gone = False

    def write(self, data: bytes) -> None:
        """Send."""
        if not self.gone:
            self.clock.callLater(0, self._arrive, data)

    def writeSequence(self, data: Any) -> None:
        """Send."""
        self.write(b"".join(data))

    def _arrive(self, data: bytes) -> None:
        if not self.other.gone:
            self.other.reader.dataReceived(data)

    def loseConnection(self) -> None:
        """Close, both ways."""
        self._end()
        self.clock.callLater(0, self.other._end)

    abortConnection = loseConnection

    def _end(self) -> None:
        if not self.gone:
            self.gone = True
            self.clock.callLater(0, self.reader.connectionLost, Failure(error.ConnectionDone()))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Not of interest here."""


@implementer(IStreamClientEndpoint)
class ToRelay:
    """Connects to a relay in this process, through its WebSocket."""

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.links = Links()

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        """Connect."""
        server = ServerFactory(self.talk.mesh, self.links, self.talk.clock)
        ours, theirs = Wire(self.talk.clock), Wire(self.talk.clock)
        ours.other, theirs.other = theirs, ours
        ours.reader, theirs.reader = factory.buildProtocol(None), server.buildProtocol(None)
        theirs.reader.makeConnection(theirs)
        ours.reader.makeConnection(ours)
        return succeed(ours.reader)


@implementer(IStreamClientEndpoint)
class Nowhere:
    """Nobody listens here."""

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        """Fail."""
        return fail(error.ConnectionRefusedError())


def known(store: Any) -> Known:
    """What a store has."""
    return {(soul, key): cell for soul in store.souls(ALL) for key, cell in store.node(soul, ALL)}


class _Kept(MemoryStore):
    """A store that can be looked at when it was closed."""

    def close(self) -> None:
        """Keep what is there."""


def filled(cells: Known) -> _Kept:
    """A store with some cells."""
    store = _Kept(1 << 30)
    if cells:
        store.commit([(*name, cell) for name, cell in cells.items()])
    return store


class CompareTests(SynchronousTestCase):
    """A whole run, on a virtual clock."""

    def setUp(self) -> None:
        self.there = filled({})
        self.talk = Conversation(store=self.there, seed=7)

    def compare(self, store: MemoryStore, *, timeout: float | None = None, endpoint: Any = None) -> Report:
        """Do it."""
        comparing = Comparing(store, URL, self.talk.clock, Random(1), endpoint=endpoint or ToRelay(self.talk))
        done = comparing.run(timeout)
        self.talk.advance(120_000)
        report = self.successResultOf(done)
        assert isinstance(report, Report)
        return report

    def fill(self, cells: Known) -> None:
        """The relay knows some cells."""
        self.there.commit([(*name, cell) for name, cell in cells.items()])

    def test_both_ways(self) -> None:
        """Both have everything in the end, and the report says what went over."""
        cells = some(500)
        ours, theirs = changed(cells, Random(1), 30), changed(cells, Random(2), 30)
        self.fill(theirs)
        store = filled(ours)
        report = self.compare(store)
        self.assertEqual(known(store), known(self.there))
        self.assertTrue(report.is_gunnet)
        self.assertGreater(report.sent, 0)
        self.assertGreater(report.received, 0)
        self.assertGreater(min(report.bytes_out, report.bytes_in, report.rounds), 0)
        self.assertLess(report.seconds, 60)
        again = self.compare(store)
        self.assertEqual((again.sent, again.received, again.rounds), (0, 0, 1))

    def test_refused_link(self) -> None:
        """Where nobody listens, that is said at once."""
        comparing = Comparing(filled({}), URL, self.talk.clock, Random(1), endpoint=Nowhere())
        done = comparing.run(None)
        self.talk.advance(1_000)
        why = self.failureResultOf(done, NotEqual).getErrorMessage()
        self.assertIn(URL, why)
        self.assertIn("refused", why)

    def test_not_taken(self) -> None:
        """Cells that the relay does not take are no reason to go on for ever."""
        future = {("s", "k"): (START + Limits().ahead_ms * 2, b"1")}
        comparing = Comparing(filled(future), URL, self.talk.clock, Random(1), endpoint=ToRelay(self.talk))
        done = comparing.run(None)
        self.talk.advance(120_000)
        self.assertIn("they still differ", self.failureResultOf(done, NotEqual).getErrorMessage())

    def test_timeout(self) -> None:
        """After the timeout it gives up."""
        self.fill(some(10))
        self.patch(self.talk.relay, "hear", lambda peer, frame, now: 1)
        comparing = Comparing(filled({}), URL, self.talk.clock, Random(1), endpoint=ToRelay(self.talk))
        done = comparing.run(3.0)
        self.talk.advance(10_000)
        self.assertEqual(self.failureResultOf(done, NotEqual).getErrorMessage(), "not equal after 3 s")

    def test_gunjs(self) -> None:
        """A relay that does not say that it is a gunnet relay is asked for each node."""
        cells = some(50)
        ours, theirs = changed(cells, Random(1), 10), changed(cells, Random(2), 10)
        self.fill(theirs)
        dam = self.talk.relay._dam
        del dam.verbs["relay"]
        store = filled(ours)
        report = self.compare(store)
        self.assertFalse(report.is_gunnet)
        self.assertGreater(report.sent, 0)
        souls = {soul for soul, _ in known(store)}
        self.assertEqual(
            known(store), {name: cell for name, cell in known(self.there).items() if name[0] in souls}
        )
        self.assertIn("questions", str(report))


class CommandTests(SynchronousTestCase):
    """The command line."""

    def refused(self, *arguments: str) -> tuple[int, str]:
        """@return: the exit status, and what is on standard error."""
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            status = cli.main(["sync", *arguments])
        return status, errors.getvalue()

    def test_options(self) -> None:
        """The URL may stand before the options or behind them."""
        for arguments in (["ws://a/gun", "--data", "d"], ["--data", "d", "ws://a/gun"]):
            options = Options()
            options.parseOptions([*arguments])
            self.assertEqual((options["url"], options["data"]), ("ws://a/gun", "d"))
        options.parseOptions(["ws://a/gun", "--timeout", "7"])
        self.assertEqual(options["timeout"], 7.0)

    def test_mistakes(self) -> None:
        """Mistakes are one line, and status 2."""
        for arguments in (
            [],
            ["a", "b"],
            ["ftp://a"],
            ["ws://a/gun", "--timeout", "soon"],
            ["ws://a/gun", "--bogus"],
            ["ws://a/gun", "--config", "/nonexistent.toml"],
        ):
            with self.subTest(arguments=arguments):
                status, errors = self.refused(*arguments)
                self.assertEqual(status, 2)
                self.assertEqual(errors.count("\n"), 1, errors)
        with self.assertRaises(UsageError):
            Options().parseOptions(["nonsense"])

    def test_no_store(self) -> None:
        """Without a store there is nothing to do."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write("no-store = true\n")
        status, errors = self.refused("ws://a/gun", "--config", path)
        self.assertEqual(status, 2)
        self.assertIn("without a store", errors)

    def test_in_use(self) -> None:
        """While a relay runs on the folder, it says that the relay does it by itself."""
        path = os.path.abspath(self.mktemp())
        store = LmdbStore(path, 1 << 20)
        self.addCleanup(store.close)
        status, errors = self.refused("ws://a/gun", "--data", path)
        self.assertEqual(status, 1)
        self.assertEqual(errors.count("\n"), 1)
        self.assertIn(path, errors)
        self.assertIn("compares itself", errors)

    def test_unreadable(self) -> None:
        """A folder that is none is one line, too."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8"):
            pass
        status, errors = self.refused("ws://a/gun", "--data", path)
        self.assertEqual(status, 1)
        self.assertIn(path, errors)
