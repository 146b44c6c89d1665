"""
What scenarios with relays and gun clients stand on, and how they are multiplied over gun versions and modes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.trial.unittest import SkipTest, TestCase

from tests.interop import node
from tests.interop.clients import Ack, Client, Page, Stream
from tests.interop.relays import GunJsRelay, Relay, relay_kind
from tests.interop.tap import Tap

if TYPE_CHECKING:
    _Base = TestCase
else:
    _Base = object

Test = TypeVar("Test", bound=Callable[..., Any])


def gunjs_fails(why: str, *, axe: bool | None = None) -> Callable[[Test], Test]:
    """
    Mark a scenario that gun's own relay fails, so that the others can be checked against it.

    @param why: its defect.
    @param axe: the only mode it fails in; else both.
    """

    def mark(test: Test) -> Test:
        test.gunjs_fails = (why, axe)  # type: ignore[attr-defined]
        return test

    return mark


def skip_what_gunjs_fails(test: TestCase, *, axe: bool = True) -> None:
    """
    Skip a test that is marked by L{gunjs_fails}, if gun's own relay is what the environment asks for.

    @param axe: the mode it is about to run in.
    """
    why, only_axe = getattr(getattr(test, test._testMethodName), "gunjs_fails", (None, None))
    if why is not None and relay_kind() is GunJsRelay and only_axe in (None, axe):
        raise SkipTest(f"gun's own relay: {why}")


async def all_ok(*puts: Coroutine[Deferred[Any], Any, Ack]) -> None:
    """
    Wait for puts that are under way at the same time.

    @raise AssertionError: one was not acked with success.
    """
    try:
        acks: list[Ack] = await gatherResults(
            [Deferred.fromCoroutine(put) for put in puts], consumeErrors=True
        )
    except FirstError as first:
        first.subFailure.raiseException()
        raise
    refused = [ack for ack in acks if ack.err is not None or not ack.ok]
    if refused:
        raise AssertionError(
            f"{len(refused)} of {len(acks)} puts not acked with success, the first: {refused[0]}"
        )


async def has_numbers(items: Stream, count: int) -> None:
    """Wait until the items of a set have come, of which each has a C{number}: 0 up to C{count}."""

    def complete() -> bool:
        nodes = [item for item in items.latest.values() if isinstance(item, dict)]
        return {item.get("number") for item in nodes} >= set(range(count))

    await items.until(complete, 30)


class Scenarios(_Base):
    """
    Interoperation tests: real gun.js, real ports, real processes. Subclasses are turned into test cases by
    C{globals().update(Name.test_cases())}, one for each gun version and relay mode.

    @cvar version: the gun of the clients.
    @cvar axe: whether the relays route by AXE; otherwise they flood.
    @cvar names_relays: whether it says itself of which kind each relay is, whatever the environment asks for.
    @cvar newest_only: whether one gun version is enough, the newest.
    @cvar pages: how many pages a test uses; they start while its first relay does.
    """

    timeout = 60
    names_relays: ClassVar[bool] = False
    newest_only: ClassVar[bool] = False
    pages: ClassVar[int] = 1
    version: ClassVar[str]
    axe: ClassVar[bool]
    _spare: list[Page]

    @classmethod
    def test_cases(cls) -> dict[str, type]:
        """
        @return: the test cases by name, such as C{LiveData_1241_axe}.
        """
        made = {}
        for version in node.versions()[: 1 if cls.newest_only else None]:
            for mode, axe in (("axe", True), ("flood", False)):
                name = f"{cls.__name__}_{version.rpartition('.')[2]}_{mode}"
                own = {"version": version, "axe": axe, "__module__": cls.__module__, "__doc__": cls.__doc__}
                made[name] = type(name, (cls, TestCase), own)
        return made

    def setUp(self) -> None:
        """Skip where Node is missing, and what gun's own relay is known to fail."""
        node.kit()
        skip_what_gunjs_fails(self, axe=self.axe)
        if self.names_relays and relay_kind() is GunJsRelay:
            raise SkipTest("it needs relays of ours")
        self._spare = [self._spawn() for _ in range(self.pages)]

    async def relay(
        self,
        *,
        kind: type[Relay] | None = None,
        axe: bool | None = None,
        peers: tuple[str, ...] = (),
        name: str = "relay",
        store: bool = True,
    ) -> Relay:
        """
        @param kind: else the one the environment asks for.
        @param axe: whether it routes by AXE; else as the test case has it.
        @return: a running relay.
        """
        relay = self.stopped_relay(kind=kind, axe=axe, peers=peers, name=name, store=store)
        await relay.start()
        return relay

    def stopped_relay(
        self,
        *,
        kind: type[Relay] | None = None,
        axe: bool | None = None,
        peers: tuple[str, ...] = (),
        name: str = "relay",
        store: bool = True,
    ) -> Relay:
        """
        @return: a relay that is still to be started; others can be told its url.
        """
        axe = self.axe if axe is None else axe
        return (kind or relay_kind())(self, axe=axe, peers=peers, name=name, store=store)

    async def page(self) -> Page:
        """
        @return: a new Node process with gun in it.
        """
        page = self._spare.pop(0) if self._spare else self._spawn()
        await page.ready()
        return page

    async def clients(self, *relays: Relay | Tap) -> list[Client]:
        """
        @return: one client for each relay named, on one new page; connected, through a tap if one is named.
        """
        page = await self.page()
        clients = [await page.client(relay.url) for relay in relays]
        for client in clients:
            await client.linked()
        return clients

    def _spawn(self) -> Page:
        page = Page(self, self.version)
        page.spawn()
        return page
