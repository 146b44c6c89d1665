"""
When certificates are to be had from an ACME authority: at the start those that are missing, and each again in
time before it ends. A failure costs nothing but time: what is shown stays, and it is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from threading import Thread
from typing import Any, Protocol, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from gunnet.counters import Counters
from gunnet.settings_error import SettingsError
from gunnet.tls.acme_folder import AcmeFolder, new_key
from gunnet.tls.certificates import Certificates
from gunnet.tls.pairs import Pair

DAY = 24 * 3600.0
RENEW_SECONDS = 30 * DAY
"""So long before its end a certificate is renewed, or when a third of its life is left, if that is less."""
RETRY_SECONDS_MIN = 120.0
"""Authorities bear about five failures in an hour."""
RETRY_SECONDS_MAX = 6 * 3600.0
LOOK_AGAIN_SECONDS = 12 * 3600.0
"""At the latest: clocks may be set, and machines sleep."""

T = TypeVar("T")
InThread = Callable[..., Deferred[Any]]


class Authority(Protocol):
    """What is asked, in a thread: L{gunnet.tls.acme_client.AcmeClient}."""

    def begin(self, name: str, key: bytes) -> Any:
        """Ask for a certificate."""

    def finish(self, order: Any) -> bytes:
        """Get it."""


class Answers(Protocol):
    """Where what the authority wants to see is shown."""

    def put(self, name: str, token: str, answer: str) -> None:
        """Show it."""

    def drop(self, name: str, token: str) -> None:
        """Show it no more."""


class _Name:
    """
    One host name.

    @ivar due: when something is to be done about it, in seconds since 1970.
    """

    def __init__(self) -> None:
        self.due = 0.0
        self.retry_seconds = RETRY_SECONDS_MIN


class Renewals(Service):
    """Gets certificates, one after the other."""

    name = "acme"
    log = Logger()

    def __init__(
        self,
        names: tuple[str, ...],
        folder: AcmeFolder,
        authority: Authority,
        answers: Answers,
        certificates: Certificates,
        reactor: Any,
        random: Random,
        counters: Counters,
        *,
        in_thread: InThread | None = None,
    ) -> None:
        """
        @param certificates: get what comes of it, each by its name.
        @param random: for the pauses.
        @param in_thread: calls something in a thread; fires with what it gives. Cancelling it waits for
            nothing.
        """
        self._names = {name: _Name() for name in names}
        self._folder = folder
        self._authority = authority
        self._answers = answers
        self._certificates = certificates
        self._reactor = reactor
        self._random = random
        self._counters = counters
        self._in_thread = in_thread or in_daemon(reactor)
        self._next: IDelayedCall | None = None
        self._under_way: Deferred[None] | None = None

    def open(self) -> None:
        """
        Show what is there from an earlier time.

        @raise SettingsError: the folder can't be used.
        """
        self._folder.open()
        for name, state in self._names.items():
            try:
                pair = self._folder.read(name, self._reactor.seconds())
                if pair is not None:
                    self._show(name, pair)
            except SettingsError as e:
                self.log.warn("{why}; a new one is asked for", why=str(e))
                state.due = 0.0

    # Twisted calls

    def startService(self) -> None:
        """Get what is missing, and go on looking."""
        super().startService()
        self._look()

    def stopService(self) -> None:
        """Ask no more. What is under way is left to itself."""
        super().stopService()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._under_way is not None:
            self._under_way.cancel()

    # Looking

    def _look(self) -> None:
        self._next = None
        self._under_way = Deferred.fromCoroutine(self._round())
        self._under_way.addErrback(self._fault)
        self._under_way.addBoth(self._again)

    async def _round(self) -> None:
        for name, state in self._names.items():
            if state.due <= self._reactor.seconds():
                await self._get(name, state)

    def _fault(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("ACME went wrong", failure)

    def _again(self, _: object) -> None:
        self._under_way = None
        if self.running:
            wait = min(state.due for state in self._names.values()) - self._reactor.seconds()
            self._next = self._reactor.callLater(max(1.0, min(wait, LOOK_AGAIN_SECONDS)), self._look)

    async def _get(self, name: str, state: _Name) -> None:
        self.log.info("ACME: asking for a certificate for {name}", name=name)
        try:
            pair = await self._new(name)
            self._show(name, pair)
        except CancelledError:
            raise
        except Exception as e:
            seconds = state.retry_seconds * self._random.uniform(0.75, 1.0)
            state.retry_seconds = min(state.retry_seconds * 2, RETRY_SECONDS_MAX)
            state.due = self._reactor.seconds() + seconds
            self._counters.count("acme_failures")
            self.log.error(
                "ACME: no certificate for {name}: {why}; what was there before stays, "
                "it is tried again in {seconds:.0f} seconds",
                name=name,
                why=" ".join((str(e) or type(e).__name__).split()),
                seconds=seconds,
            )
        else:
            self._counters.count("acme_certificates")
            self.log.info(
                "ACME: a certificate for {name}, which holds until {ends}",
                name=name,
                ends=pair.chain[0].not_valid_after_utc,
            )

    async def _new(self, name: str) -> Pair:
        key = new_key()
        order = await self._in_thread(self._authority.begin, name, key)
        try:
            for challenge in order.challenges:
                self._answers.put(name, challenge.token, challenge.answer)
            chain = await self._in_thread(self._authority.finish, order)
        finally:
            for challenge in order.challenges:
                self._answers.drop(name, challenge.token)
        return self._folder.write(name, key, chain, self._reactor.seconds())

    def _show(self, name: str, pair: Pair) -> None:
        self._certificates.put(name, pair)
        before = min(RENEW_SECONDS, (pair.ends - pair.begins) / 3)
        state = self._names[name]
        state.due = pair.ends - before * self._random.uniform(1.0, 1.05)
        state.retry_seconds = RETRY_SECONDS_MIN


def in_daemon(reactor: Any) -> InThread:
    """
    Calls in threads that don't keep the process when it ends, as those of the reactor's pool do: an authority
    may take minutes.
    """

    def call(what: Callable[..., T], *args: Any) -> Deferred[T]:
        result: Deferred[T] = Deferred()

        def fire(found: T | Failure) -> None:
            if not result.called:
                result.callback(found)

        def work() -> None:
            found: Any
            try:
                found = what(*args)
            except Exception:
                found = Failure()
            with suppress(Exception):  # nobody may be there any more
                reactor.callFromThread(fire, found)

        Thread(target=work, name="gunnet-acme", daemon=True).start()
        return result

    return call
