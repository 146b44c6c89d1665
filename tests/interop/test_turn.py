"""
Members of a room who can only meet by way of a TURN server: coturn, in network namespaces.
"""

from __future__ import annotations

import base64
import hmac
import os
import sys
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from tests.interop.children import Child, until
from tests.interop.members import Member, environment
from tests.interop.turn_network import TurnNetwork, turnserver

SECRET = "north"
TURN = f"turn:{TurnNetwork.shared}:3478?transport=udp"
RELAY = f"ws://{TurnNetwork.shared}:8765/gun"
READY_SECONDS_MAX = 30.0


def credentials(expires: float, secret: str = SECRET) -> str:
    """
    @return: the URL of the TURN server, with credentials.
    """
    name = str(int(expires))
    password = base64.b64encode(hmac.digest(secret.encode(), name.encode(), "sha1")).decode()
    return TURN.replace("turn:", f"turn:{name}:{password}@")


class TurnTests(TestCase):
    """Two members that have no route to each other, and what there is in the middle."""

    timeout = 120

    def setUp(self) -> None:
        """Skip where that can't be done."""
        self.turnserver = turnserver()
        self.spaces = TurnNetwork(self)

    async def start_relay(self) -> Child:
        """
        @return: a relay in the middle, which both members dial.
        """
        relay = Child("relay")
        # fmt: off
        command = [sys.executable, "-m", "gunnet", "relay", "--host", TurnNetwork.shared, "--port", "8765",
                   "--no-store", "--no-multicast"]
        # fmt: on
        relay.start(self, self.spaces.within("middle", command), environment())
        await self.says(relay, "listening")
        return relay

    async def start_coturn(self) -> Child:
        """
        @return: a TURN server in the middle.
        """
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        coturn = Child("coturn")
        # fmt: off
        command = [self.turnserver, "-n", "--listening-ip", TurnNetwork.shared, "--listening-port", "3478",
                   "--relay-ip", TurnNetwork.shared, "--use-auth-secret", "--static-auth-secret", SECRET,
                   "--realm", "gunnet", "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout",
                   "--simple-log", "--relay-threads", "1", "--verbose",
                   "--userdb", str(folder.resolve() / "turndb"), "--pidfile", str(folder.resolve() / "pid")]
        # fmt: on
        coturn.start(self, self.spaces.within("middle", command), dict(os.environ))
        await self.says(coturn, "listener opened on")
        return coturn

    async def says(self, child: Child, text: str) -> None:
        """Wait for some words of a subprocess."""

        async def said() -> bool:
            if child.status is not None:
                raise AssertionError(f"it has ended. {child.report()}")
            return any(text in line for line in child.output)

        await until(READY_SECONDS_MAX, lambda: f"{text!r}. {child.report()}", said)

    def member(self, place: str, **rtc: Any) -> Member:
        """
        @return: one in the namespace C{place}.
        """
        return Member(self, RELAY, lambda command: self.spaces.within(place, command), **rtc)

    async def members(self, *kinds: dict[str, Any]) -> list[Member]:
        """
        @return: one member in C{a}, and one in C{b}.
        """
        members = [self.member(place, **rtc) for place, rtc in zip("ab", kinds, strict=True)]
        await gatherResults(
            [Deferred.fromCoroutine(member.heard("Ready", READY_SECONDS_MAX)) for member in members]
        )
        return members

    async def begin(self) -> Child:
        """
        @return: the relay; coturn runs too.
        """
        relay, _ = await gatherResults(
            [Deferred.fromCoroutine(each) for each in (self.start_relay(), self.start_coturn())]
        )
        return relay

    def by_secret(self) -> dict[str, Any]:
        """
        @return: settings of a member that makes its credentials itself.
        """
        file = Path(self.mktemp())
        file.write_text(SECRET + "\n")
        return {"turn_servers": [TURN], "turn_secret_file": str(file.resolve())}

    async def test_through_turn(self) -> None:
        """They meet, and go on through coturn when the relay has gone."""
        relay = await self.begin()
        one, other = await self.members(self.by_secret(), self.by_secret())
        await gatherResults([Deferred.fromCoroutine(each.heard("Joined")) for each in (one, other)])
        await relay.end("KILL", 10)
        for number in range(3):
            one.tell(f"one {number}", "there")
            await other.hears(f"one {number}", "there")
            other.tell(f"other {number}", "back")
            await one.hears(f"other {number}", "back")

    async def refused(self, url: str, why: str) -> None:
        """Two with a server of no use don't meet and are told; with a good one, they do."""
        relay = await self.begin()
        bad = {"ice_servers": [url]}
        one, other = await self.members(bad, bad)
        event = await one.heard("ServerFailed")
        self.assertEqual(TURN, event["url"])
        self.assertIn(why, event["why"])
        await one.logs(f"{TURN} is of no use")
        self.assertNotIn("Joined", [said.get("event") for said in one.said.events])
        await other.child.end("KILL", 10)
        good = self.member("b", **self.by_secret())
        await gatherResults([Deferred.fromCoroutine(each.heard("Joined")) for each in (one, good)])
        await relay.end("KILL", 10)
        one.tell("still", "here")
        await good.hears("still", "here")

    async def test_expired_credentials(self) -> None:
        """Credentials of yesterday: an event and a line in the log, and the room goes on."""
        await self.refused(credentials(time.time() - 86_400), "401")

    async def test_wrong_credentials(self) -> None:
        """Credentials that were made with another secret: the same."""
        await self.refused(credentials(time.time() + 3600, "south"), "401")

    async def test_no_server(self) -> None:
        """No TURN server where it should be: the same."""
        await self.start_relay()
        one, _ = await self.members(self.by_secret(), self.by_secret())
        event = await one.heard("ServerFailed")
        self.assertEqual((TURN, "it does not answer"), (event["url"], event["why"]))
        await one.logs(f"{TURN} is of no use: it does not answer")
        self.assertNotIn("Joined", [said.get("event") for said in one.said.events])
        await self.start_coturn()
        for each in await self.members(self.by_secret(), self.by_secret()):
            await each.heard("Joined")
