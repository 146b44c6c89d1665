"""
The shortest program that others hear, browsers among them: what is in the room, and whatever comes later.

Run a relay, and it::

    pip install gunnet
    gunnet relay
    python hello.py
"""

import asyncio

from gunnet import Gun


async def main() -> None:
    async with Gun("http://localhost:8765/gun", data="mydata") as gun:
        await gun.get("room").set("hello from Python")
        async for text, _ in gun.get("room").map().stream():
            print(text)


asyncio.run(main())
