"""
What scenarios with relays and gun clients stand on, and how they are multiplied over gun versions and modes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from twisted.trial.unittest import SkipTest, TestCase

from tests.interop import node
from tests.interop.clients import Client, Page
from tests.interop.relays import GunJsRelay, Relay, relay_kind

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


class Scenarios(_Base):
    """
    Interoperation tests: real gun.js, real ports, real processes. Subclasses are turned into test cases by
    C{globals().update(Name.test_cases())}, one for each gun version and relay mode.

    @cvar version: the gun of the clients.
    @cvar axe: whether the relays route by AXE; otherwise they flood.
    """

    timeout = 60
    version: ClassVar[str]
    axe: ClassVar[bool]
    # The first page of a test starts while its relay does.
    _spare: Page | None

    @classmethod
    def test_cases(cls) -> dict[str, type]:
        """
        @return: the test cases by name, such as C{LiveData_1241_axe}.
        """
        made = {}
        for version in node.versions():
            for mode, axe in (("axe", True), ("flood", False)):
                name = f"{cls.__name__}_{version.rpartition('.')[2]}_{mode}"
                own = {"version": version, "axe": axe, "__module__": cls.__module__, "__doc__": cls.__doc__}
                made[name] = type(name, (cls, TestCase), own)
        return made

    def setUp(self) -> None:
        """Skip where Node is missing, and what gun's own relay is known to fail."""
        node.kit()
        skip_what_gunjs_fails(self, axe=self.axe)
        self._spare = self._spawn()

    async def relay(self, *, peers: tuple[str, ...] = (), name: str = "relay", store: bool = True) -> Relay:
        """
        @return: a running relay, of the kind the environment asks for.
        """
        relay = relay_kind()(self, axe=self.axe, peers=peers, name=name, store=store)
        await relay.start()
        return relay

    async def page(self) -> Page:
        """
        @return: a new Node process with gun in it.
        """
        page, self._spare = self._spare or self._spawn(), None
        await page.ready()
        return page

    async def clients(self, *relays: Relay) -> list[Client]:
        """
        @return: one client for each relay named, on one new page; connected.
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
