"""
C{gunnet sync}: opens a data folder, links to one relay, and lets the two graphs become one.

It is a relay without listeners (L{gunnet.mesh.relay}) which compares itself with its only upstream until
nothing is left to be said.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater, react
from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from gunnet import settings
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.plain_course import PlainOutcome
from gunnet.mesh.relay import Relay
from gunnet.mesh.relays import NOT_GUNNET_MS
from gunnet.mesh.sessions import Outcome
from gunnet.mesh.sync import BUSY, CROSSED
from gunnet.store.interface import Store, StoreError
from gunnet.store.writer import StoreWriter
from gunnet.transport.dialer import Dialer
from gunnet.transport.interface import Link
from gunnet.transport.link import Links
from gunnet.turns import MeshService, Writer
from gunnet.usage import OptionsOfOne

LOOK_SECONDS = 0.02
GOODBYE_SECONDS = 0.3
AGAIN_SECONDS = 1.0
IDLE_PASSES = 8
"""After so many comparisons that found something and brought nothing, they will not become equal."""


class Options(OptionsOfOne):
    """What C{gunnet sync} understands."""

    synopsis = "Usage: gunnet sync URL [options]"
    longdesc = (
        "Compares the graph in a data folder with that of the relay at URL, and puts each what the other has "
        "newer. A relay of gun.js can't be asked what else it has: with one, it is about the nodes in the "
        "folder. The exit status is 0 if both are equal in the end."
    )
    optParameters = [
        ["data", None, None, f"Folder of the data [default: ./{settings.DATA}]"],
        ["max-data", None, None, f"Largest data folder [default: {settings.DATA_BYTES_MAX >> 30}G]"],
        ["config", None, None, "TOML file with the options of the relay whose folder it is"],
        ["timeout", None, None, "Give up after so many seconds [default: as long as it goes on]"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["tls-ca"] = []

    def opt_tls_ca(self, path: str) -> None:
        """PEM file of authorities to believe about that relay, with the system's (may be repeated)"""
        self["tls-ca"].append(path)

    def parseArgs(self, *urls: str) -> None:
        """Take the URL."""
        if len(urls) != 1:
            raise UsageError("the URL of one relay is wanted; gunnet sync --help tells more")
        [url] = urls
        try:
            settings.websocket_url(url)
        except settings.SettingsError as e:
            raise UsageError(str(e)) from e
        self["url"] = url

    def postOptions(self) -> None:
        """Check the rest."""
        if self["timeout"] is not None:
            try:
                self["timeout"] = float(settings.number(self["timeout"]))
            except settings.SettingsError as e:
                raise UsageError(f"--timeout: {e}") from e


class NotEqual(Exception):
    """The graphs are not known to be equal. C{str()} of it is one line that says why."""


@dataclass
class Report:
    """
    What was done.

    @ivar sent: cells put to the relay; C{received}: cells that came from it and were stored.
    @ivar bytes_out: all that went over the link; likewise C{bytes_in}.
    @ivar rounds: answers to comparisons, or, of a gun.js relay, nodes that were asked for.
    """

    sent: int = 0
    received: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    rounds: int = 0
    seconds: float = 0.0
    is_gunnet: bool = False

    def __str__(self) -> str:
        rounds = "rounds" if self.is_gunnet else "questions"
        return (
            f"{self.sent} cells sent, {self.received} received; {self.bytes_out} bytes out, "
            f"{self.bytes_in} in; {self.rounds} {rounds}, {self.seconds:.1f} s"
        )


class _CountedLink:
    """A link whose bytes are counted."""

    def __init__(self, link: Link, report: Report) -> None:
        self.name = link.name
        self.reliable = link.reliable
        self.reliable = link.reliable
        self._link = link
        self._report = report
        self.drop = link.drop
        self.pause_reading = link.pause_reading
        self.resume_reading = link.resume_reading

    def send(self, *frames: bytes) -> None:
        """Write some frames."""
        self._report.bytes_out += sum(map(len, frames))
        self._link.send(*frames)


class _CountedMesh(MeshService):
    """A mesh whose bytes are counted."""

    def __init__(self, relay: Relay, writer: Writer, reactor: Any, report: Report) -> None:
        super().__init__(relay, writer, reactor)
        self._report = report

    def meet(self, link: Link, peer: Peer | None = None) -> Peer | None:
        """See L{MeshService.meet}."""
        return super().meet(_CountedLink(link, self._report), peer)

    def hear(self, peer: Peer, *frames: bytes) -> int:
        """See L{MeshService.hear}."""
        self._report.bytes_in += sum(map(len, frames))
        return super().hear(peer, *frames)

    def wake(self) -> None:
        """Have a turn: something was asked of the relay directly."""
        self._soon()


class _Dialer(Dialer):
    """
    @ivar why: why there is no link, L{None} before it was tried.
    """

    why: str | None = None

    def _closed(self, reason: str) -> None:
        self.why = reason
        super()._closed(reason)


class Comparing:
    """
    The whole of the command, without its reactor.

    @ivar report: what was done so far.
    """

    def __init__(
        self,
        store: Store,
        url: str,
        reactor: Any,
        random: Random,
        *,
        limits: Limits | None = None,
        endpoint: IStreamClientEndpoint | None = None,
        writer: StoreWriter | None = None,
    ) -> None:
        """
        @param endpoint: where the relay is, if not at C{url}.
        """
        self.reactor = reactor
        self.report = Report()
        self._writer = writer or StoreWriter(store, reactor)
        self._relay = Relay(store=store, random=random, limits=limits)
        self._mesh = _CountedMesh(self._relay, self._writer, reactor, self.report)
        self._links = Links()
        self._dialer = _Dialer(url, self._mesh, self._links, reactor, random, endpoint)
        self._peer = self._mesh.dial(url)
        self._url = url

    def run(self, timeout_seconds: float | None) -> Deferred[Report]:
        """
        Do it, and close everything.

        @return: fires when both are equal; fails with L{NotEqual}.
        """
        begun = self.reactor.seconds()
        self._mesh.startService()
        self._dialer.startService()
        done = Deferred.fromCoroutine(self._reconcile())
        late = None
        if timeout_seconds is not None:
            late = self.reactor.callLater(timeout_seconds, done.cancel)

        def ended(result: Any) -> Deferred[Any]:
            if late is not None and late.active():
                late.cancel()
            elif late is not None and isinstance(result, Failure):
                result = Failure(NotEqual(f"not equal after {timeout_seconds:.0f} s"))
            return Deferred.fromCoroutine(self._close()).addCallback(lambda _: result)

        def reported(_: object) -> Report:
            self.report.received = self._relay.counters["cells_stored"]
            self.report.seconds = self.reactor.seconds() - begun
            return self.report

        return done.addBoth(ended).addCallback(reported)

    async def _reconcile(self) -> None:
        peer, dialer = self._peer, self._dialer
        await self._until(lambda: peer.up or dialer.why is not None)
        self._check_link()
        stranger_at = self.reactor.seconds() + NOT_GUNNET_MS / 1000
        await self._until(
            lambda: peer.is_gunnet or self.reactor.seconds() >= stranger_at or not peer.up,
        )
        self._check_link()
        self.report.is_gunnet = peer.is_gunnet
        idle = 0
        while idle < IDLE_PASSES:
            stored, sent = self._relay.counters["cells_stored"], self.report.sent
            if await (self._compare() if peer.is_gunnet else self._compare_plainly()):
                return
            if self._relay.counters["cells_stored"] == stored:
                idle += 1
                if self.report.sent == sent:
                    await deferLater(self.reactor, AGAIN_SECONDS)
        raise NotEqual("they still differ: one side does not take what the other has")

    def _check_link(self) -> None:
        if not self._peer.up:
            raise NotEqual(f"no link to {self._url}: {self._dialer.why or 'refused'}")

    async def _compare(self) -> bool:
        """One session. @return: whether both were equal."""
        ended: Deferred[Outcome] = Deferred()
        self._relay.sync.begin(self._peer, self.reactor.seconds() * 1000, ended.callback)
        self._mesh.wake()
        outcome = await ended
        self.report.sent += outcome.sent
        self.report.rounds += outcome.rounds
        if outcome.error not in (None, BUSY, CROSSED):
            raise NotEqual(f"{self._url}: {outcome.error}")
        return outcome.equal

    async def _compare_plainly(self) -> bool:
        """Ask for all nodes. @return: whether they were equal."""
        ended: Deferred[PlainOutcome] = Deferred()
        self._relay.plain.begin(self._peer, ended.callback)
        self._mesh.wake()
        outcome = await ended
        self.report.sent += outcome.sent
        self.report.rounds += outcome.souls
        if outcome.error is not None:
            raise NotEqual(f"{self._url}: {outcome.error}")
        return outcome.newer + outcome.received + outcome.unanswered == 0

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await deferLater(self.reactor, LOOK_SECONDS)

    async def _close(self) -> None:
        await maybeDeferred(self._mesh.stopService)
        gone = self._links.goodbye(self.reactor, GOODBYE_SECONDS)
        await maybeDeferred(self._dialer.stopService)
        await gone
        await self._writer.stop()


def run(compare: Callable[[Any], Comparing], timeout_seconds: float | None) -> str | None:
    """
    Run the reactor until it has ended, and print what was done.

    @param compare: given the reactor, makes what is to be run.
    @return: one line on what went wrong; L{None} if both are equal.
    """
    errors = ["interrupted"]

    def begin(reactor: Any) -> Deferred[None]:
        return compare(reactor).run(timeout_seconds).addCallbacks(succeeded, failed)

    def succeeded(report: Report) -> None:
        errors.clear()
        print(f"equal: {report}")

    def failed(failure: Failure) -> None:
        if failure.check(NotEqual, StoreError) is None:
            failure.printTraceback()
        errors[:] = [failure.getErrorMessage()]

    with suppress(SystemExit):
        react(begin, ())
    return errors[0] if errors else None
