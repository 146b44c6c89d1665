"""
Finding out why a STUN or TURN server was of no use: aiortc goes on without it and says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aioice.turn import create_turn_endpoint
from aiortc.rtcicetransport import parse_stun_turn_uri

from gunnet.rtc.ice import IceServer

PROBE_SECONDS = 5.0
AGAIN_SECONDS = 60.0
"""The same server is not looked into again before that."""


class Probes:
    """What was found out, in the thread of the loop."""

    def __init__(self, failed: Callable[[str, str], None]) -> None:
        """
        @param failed: told the URL of a server, and why it is of no use.
        """
        self._failed = failed
        self._looked: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self, servers: Sequence[IceServer], kinds: frozenset[str]) -> None:
        """
        Addresses were looked for.

        @param servers: with these; aiortc uses the first STUN and the first TURN server only.
        @param kinds: what kinds were found: C{host}, C{srflx} with STUN, C{relay} with TURN.
        """
        stun = next((each for each in servers if each.url.startswith("stun")), None)
        turn = next((each for each in servers if each.url.startswith("turn")), None)
        if stun is not None and "srflx" not in kinds and self._is_due(stun.url):
            self._failed(stun.url, "it does not answer")
        if turn is not None and "relay" not in kinds and self._is_due(turn.url):
            task = asyncio.ensure_future(self._probe(turn))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_due(self, url: str) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._looked.get(url, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return False
        self._looked[url] = now
        return True

    async def _probe(self, server: IceServer) -> None:
        """Ask a TURN server once more, and mind what it says."""
        parts = parse_stun_turn_uri(server.url)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                transport, _ = await create_turn_endpoint(
                    asyncio.DatagramProtocol,
                    (parts["host"], parts["port"]),
                    server.username,
                    server.credential,
                    ssl=parts["scheme"] == "turns" or None,
                    transport=parts["transport"],
                )
            transport.close()
            why = "it answered too late"
        except TimeoutError:
            why = "it does not answer"
        except Exception as e:
            why = f"it refuses us: {' '.join(str(e).split()) or type(e).__name__}"
        self._failed(server.url, why)
