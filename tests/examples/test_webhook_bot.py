"""
C{examples/webhook_bot.py}, and a webhook that is not always there.
"""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from tests.examples.running import Example
from tests.interop import node
from tests.interop.children import until
from tests.interop.clients import Page
from tests.interop.relays import GunnetRelay


class Hook(Resource):
    """
    A webhook.

    @ivar codes: what the next answers are; 200 when there are no more.
    @ivar posted: (code, body, signature) of each request.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[int] = []
        self.posted: list[tuple[int, bytes, str | None]] = []

    def render_POST(self, request: Request) -> bytes:
        code = self.codes.pop(0) if self.codes else 200
        content: Any = request.content
        self.posted.append((code, content.read(), request.getHeader("x-signature")))
        request.setResponseCode(code)
        return b""


class WebhookBotTests(TestCase):
    """A bot between a relay and a webhook."""

    timeout = 90

    async def setUp(self) -> None:
        self.hook = Hook()
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.port: Any = await endpoint.listen(Site(self.hook))
        self.addCleanup(lambda: self.port.stopListening())
        self.relay = GunnetRelay(self)
        await self.relay.start()
        page = Page(self, node.GUN_VERSIONS[0])
        page.spawn()
        await page.ready()
        self.writer = await page.client(self.relay.url)

    async def taken(self, wanted: dict[str, Any]) -> None:
        """Wait until the webhook has taken this as the newest."""

        async def there() -> bool:
            taken = [body for code, body, _ in self.hook.posted if code == 200]
            return bool(taken) and json.loads(taken[-1]) == {"soul": "room", "node": wanted}

        await until(20, lambda: f"{wanted}: {self.hook.posted} {self.bot.report()}", there)

    async def put(self, key: str, value: Any) -> None:
        self.assertIsNone((await self.writer.get("room", key).put(value)).err)

    async def test_mirror(self) -> None:
        """It posts what there is and what changes, again where that fails, signed, and at last the newest."""
        secret = self.mktemp()
        with open(secret, "w", encoding="ascii") as file:
            file.write("north\n")
        await self.put("title", "one")
        url = f"http://127.0.0.1:{self.port.getHost().port}/"
        self.bot = Example(self, "webhook_bot", self.relay.url, "room", url, "--secret-file", secret)
        await self.taken({"title": "one"})
        self.hook.codes = [503, 429]
        await self.put("title", "two")
        await self.bot.says(r"not posted \(status 503\), again in 0.5 s")
        await self.put("more", 3)
        await self.taken({"title": "two", "more": 3})
        for _, body, signature in self.hook.posted:
            expected = hmac.new(b"north", body, sha256).hexdigest()
            self.assertEqual(signature, f"sha256={expected}")
        before = len(self.hook.posted)
        host = self.port.getHost()
        await self.port.stopListening()
        await self.put("title", "four")
        await self.bot.says("not posted .*refused")
        endpoint = TCP4ServerEndpoint(reactor, host.port, interface="127.0.0.1")
        self.port = await endpoint.listen(Site(self.hook))
        await self.taken({"title": "four", "more": 3})
        self.hook.codes = [400]
        await self.put("title", "not wanted")
        await self.bot.says("status 400")
        await self.put("title", "five")
        await self.taken({"title": "five", "more": 3})
        self.assertEqual([code for code, *_ in self.hook.posted[before:]], [200, 400, 200])
        await self.bot.stop()
        await self.relay.stop()
