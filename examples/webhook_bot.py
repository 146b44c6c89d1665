"""
A bot that mirrors one node to a webhook: whenever the node changes, all of it is posted as JSON. If that
fails it is tried again, ever less often; what has changed meanwhile is in the next try, so that the other
side ends with the newest, and is not flooded when it comes back.

    pip install gunnet
    python webhook_bot.py http://127.0.0.1:8765/gun room https://hooks.example/room --secret-file secret

With a secret, a header C{X-Signature: sha256=…} has the HMAC of the body, in hexadecimal.
"""

from __future__ import annotations

import hmac
import json
from argparse import ArgumentParser
from hashlib import sha256
from pathlib import Path
from typing import Any

import treq
from twisted.internet.task import deferLater, react

from gunnet import Gun

TRY_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5
PAUSE_SECONDS_MAX = 300.0


class Webhook:
    """What is posted to."""

    def __init__(self, url: str, secret: bytes | None, reactor: Any) -> None:
        self._url = url
        self._secret = secret
        self._reactor = reactor

    async def post(self, body: bytes) -> str | None:
        """
        Try once.

        @return: why to try again; L{None} if there is no need, or no use.
        """
        headers: dict[bytes | str, bytes | str] = {"Content-Type": "application/json"}
        if self._secret is not None:
            headers["X-Signature"] = f"sha256={hmac.new(self._secret, body, sha256).hexdigest()}"
        try:
            response = await treq.post(
                self._url,
                data=body,
                headers=headers,
                timeout=TRY_SECONDS,
                persistent=False,
                reactor=self._reactor,
            )
            await treq.content(response)
        except Exception as e:  # whatever it is: no name, no connection, no answer in time
            return f"{type(e).__name__}: {e}"
        if response.code >= 500 or response.code in (408, 425, 429):
            return f"status {response.code}"
        print(f"posted, status {response.code}", flush=True)
        return None


async def mirror(gun: Gun, soul: str, webhook: Webhook, reactor: Any) -> None:
    """Post the node whenever it changes, for ever."""
    node = gun.get(soul)
    posted = None
    async for newest, _ in node.stream():
        pause = FIRST_PAUSE_SECONDS
        while newest != posted:
            body = json.dumps({"soul": soul, "node": newest}, separators=(",", ":")).encode()
            why = await webhook.post(body)
            if why is None:
                posted = newest
                break
            print(f"not posted ({why}), again in {pause:g} s", flush=True)
            await deferLater(reactor, pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)
            newest = await node.once()


async def main(reactor: Any, *arguments: str) -> None:
    """Mirror until the process is told to end."""
    parser = ArgumentParser(description="Mirrors one node to a webhook.")
    parser.add_argument("url", help="of the relay")
    parser.add_argument("soul", help="of the node")
    parser.add_argument("webhook", help="URL to post to")
    parser.add_argument("--secret-file", type=Path, help="file with a secret to sign with")
    options = parser.parse_args(arguments)

    secret = options.secret_file.read_bytes().strip() if options.secret_file else None
    gun = Gun([options.url], reactor=reactor)
    reactor.addSystemEventTrigger("before", "shutdown", gun.close)
    print(f"mirroring {options.soul}", flush=True)
    await mirror(gun, options.soul, Webhook(options.webhook, secret, reactor), reactor)


if __name__ == "__main__":
    import sys

    react(main, sys.argv[1:])
