"""
A headless Chromium with pages on which the unmodified gun.js and its C{lib/webrtc.js} run.

It is driven by the Chrome DevTools Protocol over a pair of pipes (C{--remote-debugging-pipe}): JSON, each
message ended by a zero byte. That needs no library, no port and no driver of the browser's version.

Environment:
  - C{GUNNET_CHROMIUM}: the executable; else the first of L{NAMES} on the path.
  - C{CI} or C{GUNNET_REQUIRE_INTEROP=1}: where there is none, fail instead of skipping.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.children import Child, within

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_ENABLE = (
    "To run the tests in a browser, `apt-get install chromium`, or name a Chromium in GUNNET_CHROMIUM."
)

HEARD, SAID = 4, 3
"""The file descriptors that the browser writes to and reads from."""

ANSWER_SECONDS_MAX = 30.0

ORIGIN = "http://localhost:1"
"""Where the pages seem to come from: a place that browsers trust, as https. Requests are answered here."""

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    # Pages that nobody looks at must not be slowed down.
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    # Names that end in .local stand for addresses otherwise, and need multicast DNS to find them; and pages
    # from afar would have to ask somebody before they connect to addresses near by.
    "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,"
    "LocalNetworkAccessChecksWebRTC",
    # It complains about a desktop that is not there.
    "--log-level=3",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
)

SCRIPTS = ("gun.js", "lib/webrtc.js")
PAGE = "<!DOCTYPE html><title>page</title>" + "".join(
    f'<script src="/{script}"></script>' for script in SCRIPTS
)


def chromium() -> str:
    """
    @return: the executable.
    @raise SkipTest: there is none here and nobody insists.
    @raise AssertionError: the same, but C{CI} or C{GUNNET_REQUIRE_INTEROP} insists.
    """
    named = os.environ.get("GUNNET_CHROMIUM")
    for name in [named] if named else NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise node.unavailable("no Chromium was found", HOW_TO_ENABLE)


class Browser(Child):
    """
    One Chromium with a profile of its own, gone with all its processes when the test ends.

    @ivar version: of gun, one of L{node.GUN_VERSIONS}.
    """

    def __init__(self, test: TestCase, version: str = node.GUN_VERSIONS[0]) -> None:
        super().__init__("chromium")
        self.version = version
        self._folder = Path(node.kit().gun(version))
        self._executable = chromium()
        self._test = test
        self._numbers = itertools.count(1)
        self._answers: dict[int, Deferred[Any]] = {}
        self._partial[HEARD] = b""
        self._profile = tempfile.mkdtemp(prefix="gunnet-chromium-")

    async def open(self) -> None:
        """Start it, and wait until it answers."""
        command = [self._executable, *OPTIONS, f"--user-data-dir={self._profile}", "about:blank"]
        self._test.addCleanup(shutil.rmtree, self._profile, ignore_errors=True)
        fds: Any = {0: "w", 1: "r", 2: "r", SAID: "w", HEARD: "r"}
        reactor.spawnProcess(self, command[0], command, env=dict(os.environ), childFDs=fds)
        self._test.addCleanup(self.close)
        await self.call("Browser.getVersion")

    async def close(self) -> None:
        """Have it end with all its processes, or kill it."""
        if self.status is None:
            self._say("Browser.close")
            try:
                await within(5, "chromium ends", self.ended())
            except AssertionError:
                await self.destroy()

    async def page(self) -> Page:
        """
        @return: a page with gun loaded, which shares nothing with the others, as in another browser.
        """
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"])
        await page.load()
        return page

    async def call(self, method: str, *, session: str | None = None, **fields: Any) -> Any:
        """
        Have one command of the protocol carried out.

        @param session: the page's; L{None} for the browser itself.
        @return: its result.
        @raise AssertionError: it was refused, or is not answered.
        """
        number = self._say(method, session, **fields)
        answer = self._answers[number] = Deferred()
        return await within(
            ANSWER_SECONDS_MAX, lambda: f"{method} {str(fields)[:300]} is answered. {self.report()}", answer
        )

    def _say(self, method: str, session: str | None = None, **fields: Any) -> int:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": fields}
        if session:
            message["sessionId"] = session
        self.transport.writeToChild(SAID, json.dumps(message).encode() + b"\0")
        return number

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Cut what it says into messages."""
        if childFD != HEARD:
            super().childDataReceived(childFD, data)
            return
        *messages, self._partial[HEARD] = (self._partial[HEARD] + data).split(b"\0")
        for text in messages:
            self._hear_message(json.loads(text))

    def processEnded(self, reason: Any) -> None:
        """Nobody will be answered any more."""
        self._partial[HEARD] = b""
        super().processEnded(reason)

    def _hear_message(self, message: dict[str, Any]) -> None:
        method, fields = message.get("method"), message.get("params", {})
        if method == "Fetch.requestPaused":
            self._serve(message["sessionId"], fields)
        elif method == "Runtime.consoleAPICalled":
            said = " ".join(str(each.get("value", each.get("description"))) for each in fields["args"])
            self._keep(f"console: {said[:500]}".encode())
        elif method == "Runtime.exceptionThrown":
            self._keep(f"exception: {str(fields['exceptionDetails'])[:500]}".encode())
        answer = self._answers.pop(message.get("id", 0), None)
        if answer is None:
            return
        if "error" in message:
            answer.errback(AssertionError(f"chromium: {message['error']}. {self.report()}"))
        else:
            answer.callback(message["result"])

    def _serve(self, session: str, paused: dict[str, Any]) -> None:
        """Answer a request for L{PAGE} or a file of gun's package."""
        path = paused["request"]["url"].removeprefix(ORIGIN).partition("#")[0]
        script = path.strip("/") in SCRIPTS
        body = (self._folder / path.strip("/")).read_bytes() if script else PAGE.encode()
        kind = "text/javascript" if script else "text/html"
        self._say(
            "Fetch.fulfillRequest",
            session,
            requestId=paused["requestId"],
            responseCode=200,
            responseHeaders=[{"name": "Content-Type", "value": f"{kind}; charset=utf-8"}],
            body=base64.b64encode(body).decode(),
        )


class Page:
    """One page of a browser, with gun and C{lib/webrtc.js} in it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self._session = session

    async def load(self) -> None:
        """Fetch page and scripts, and wait for them."""
        for method in ("Page.enable", "Runtime.enable"):
            await self._call(method)
        await self._call("Fetch.enable", patterns=[{"urlPattern": f"{ORIGIN}/*"}])
        await self.go(f"{ORIGIN}/")

    async def go(self, url: str) -> None:
        """Fetch another page with gun in it, and wait for its scripts."""
        await self._call("Page.navigate", url=url)
        await self.run(
            "while (document.readyState !== 'complete' || !window.Gun)"
            "    await new Promise(wake => setTimeout(wake, 10))"
        )

    async def run(self, script: str, **names: Any) -> Any:
        """
        Run the body of an async function.

        @param names: JSON values that it finds under these names.
        @return: what it returns, by way of JSON.
        @raise AssertionError: it has thrown, or does not end.
        """
        given = "".join(f"const {name} = {json.dumps(value)};" for name, value in names.items())
        said = await self._call(
            "Runtime.evaluate",
            expression=f"(async () => {{ {given} {script} }})()",
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in said:
            raise AssertionError(f"the page threw: {said['exceptionDetails']}. {self.browser.report()}")
        return said["result"].get("value")

    async def _call(self, method: str, **fields: Any) -> Any:
        return await self.browser.call(method, session=self._session, **fields)
