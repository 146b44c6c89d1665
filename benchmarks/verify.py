"""
How fast signatures are verified, beside the real SEA on Node, each on one core; and what signed puts cost
those who sign nothing::

    python -m benchmarks.verify [--rounds 5] [--seconds 3] [--no-latency]

Both do the same work: a signed value, as a put has it, goes through the whole firewall. It looks at the soul,
parses the value, builds the text that was signed, verifies and unpacks it.

Node and gun.js come as for the interoperation tests. Rounds are interleaved, so that whatever else the
machine does meets both; ratios of one run are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import statistics
import subprocess
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

from benchmarks.relays import GUNNET, LOAD_CORE, RELAY_CORE, running
from gunnet import sea
from gunnet.counters import Counters
from gunnet.graph.node import PutCell
from gunnet.limits import Limits
from gunnet.sea.firewall import Check, Firewall, Judgement, Rules, verify
from gunnet.wire import jstext
from tests.interop import node

HERE = Path(__file__).resolve().parent
VALUES = 200
OUTSTANDING = 200
"""Signed puts that one client has under way at once; there are L{SIGNERS} of these."""
SIGNERS = 5


STATE = 1_800_000_000_000.0


def signed_cells() -> list[PutCell]:
    """Signed values as they stand in a put: as text of JSON."""
    pair = sea.pair()
    soul, names = f"~{pair.pub}", [f"key{at}" for at in range(VALUES)]
    texts = [sea.sign_value(soul, name, f"value {at}", STATE, pair) for at, name in enumerate(names)]
    return [(soul, name, STATE, jstext.stringify(text)) for name, text in zip(names, texts, strict=True)]


def ours(seconds: float) -> float:
    """
    Values per second that pass the whole firewall, in this process. None is remembered from the time before:
    nothing is learned here.
    """
    cells, firewall = signed_cells(), Firewall(Limits(), Counters(), Rules())
    done, begun = 0, time.perf_counter()
    while (took := time.perf_counter() - begun) < seconds:
        for cell in cells[:20]:
            check = firewall.judge(cell, STATE)
            assert isinstance(check, Check)
            assert verify(check) is Judgement.ALLOWED
        done += 20
    return done / took


def theirs(seconds: float) -> float:
    """The same through the real firewall of SEA in Node."""
    kit = node.kit()
    command = [kit.node, str(HERE / "verify.js"), kit.gun(node.GUN_VERSIONS[0]), str(seconds), "50"]
    pinned = ["taskset", "-c", str(RELAY_CORE), *command]
    return float(subprocess.run(pinned, capture_output=True, text=True, check=True).stdout)


class Client(WebSocketClientProtocol):  # type: ignore[misc]
    """Says puts and waits for their acks."""

    def onOpen(self) -> None:
        """See Autobahn."""
        self.waiting: dict[str, asyncio.Future[None]] = {}
        self.factory.opened.set_result(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """See Autobahn."""
        content = jstext.parse(payload)
        for message in content if isinstance(content, list) else [content]:
            done = self.waiting.pop(message.get("@", ""), None)
            if done is not None and not done.done():
                assert "err" not in message, message
                done.set_result(None)

    async def put(self, soul: str, key: str, value: Any, state: float) -> float:
        """Put a value. @return: how long the ack took, in milliseconds."""
        name = f"{random.getrandbits(48):x}"
        graph = {soul: {"_": {"#": soul, ">": {key: state}}, key: value}}
        done = self.waiting[name] = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        self.sendMessage(jstext.stringify({"#": name, "put": graph}))
        await done
        return 1000 * (time.perf_counter() - begun)


async def connect(url: str) -> Client:
    """Dial a relay."""
    loop = asyncio.get_running_loop()
    factory = WebSocketClientFactory(url)
    factory.protocol, factory.opened = Client, loop.create_future()
    await loop.create_connection(factory, factory.host, factory.port)
    client: Client = await factory.opened
    return client


def signed_puts(count: int) -> list[tuple[str, str, str, float]]:
    """Made before the clock runs, so that the load generator has little to do."""
    pair, state = sea.pair(), time.time() * 1000
    soul = f"~{pair.pub}"
    names = [f"k{random.getrandbits(40):x}" for _ in range(count)]
    return [(soul, name, sea.sign_value(soul, name, "hello", state, pair), state) for name in names]


async def saturate(url: str, seconds: float, puts: list[tuple[str, str, str, float]]) -> float:
    """@return: signed puts acknowledged per second."""
    signers = [await connect(url) for _ in range(SIGNERS)]
    end, signed = time.perf_counter() + seconds, 0

    async def sign(client: Client) -> None:
        nonlocal signed
        while puts and time.perf_counter() < end:
            await client.put(*puts.pop())
            signed += 1

    await asyncio.gather(*[sign(client) for client in signers for _ in range(OUTSTANDING)])
    assert puts, "the load ran out of signed puts"
    for client in signers:
        client.sendClose()
    return signed / seconds


def sign_beside(url: str, seconds: float, puts: list[tuple[str, str, str, float]], rate: Connection) -> None:
    """
    In a process of its own, so that its work is not in the latencies; on the same core, so nicer than who
    measures them.
    """
    os.nice(10)
    rate.send(asyncio.run(saturate(url, seconds, puts)))


async def latencies(url: str, seconds: float) -> list[float]:
    """@return: how long unsigned puts took, milliseconds."""
    probe = await connect(url)
    end, took = time.perf_counter() + seconds, []
    while time.perf_counter() < end:
        took.append(await probe.put(f"room{random.getrandbits(30)}", "x", 1, time.time() * 1000))
        await asyncio.sleep(0.002)
    probe.sendClose()
    return took


def with_relay(seconds: float, puts: list[tuple[str, str, str, float]]) -> tuple[list[float], float]:
    """
    Measure against a relay that is pinned to a core of its own.

    @param puts: what is said beside; it goes on for a second longer at either end.
    @return: (how long unsigned puts took, milliseconds; signed puts acknowledged per second).
    """
    with running(GUNNET) as relay:
        asyncio.run(latencies(relay.url, 0.2))
        if not puts:
            return asyncio.run(latencies(relay.url, seconds)), 0.0
        forks = multiprocessing.get_context("fork")
        rate, theirs = forks.Pipe(duplex=False)
        beside = forks.Process(target=sign_beside, args=(relay.url, seconds + 2, puts, theirs))
        beside.start()
        time.sleep(1)
        took = asyncio.run(latencies(relay.url, seconds))
        beside.join()
        return took, float(rate.recv())


def percentile(values: list[float], part: float) -> float:
    """The value below which C{part} of them are."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--no-latency", action="store_true", help="only the first table")
    options = parser.parse_args()
    os.sched_setaffinity(0, {RELAY_CORE})
    rates: dict[str, list[float]] = {"gunnet": [], "gun.js": []}
    for _ in range(options.rounds):
        rates["gunnet"].append(ours(options.seconds))
        rates["gun.js"].append(theirs(options.seconds))
    print("| verifications per second, one core | median | least | most |\n|---|---|---|---|")
    for name, found in rates.items():
        print(f"| {name} | {statistics.median(found):,.0f} | {min(found):,.0f} | {max(found):,.0f} |")
    ratios = [mine / other for mine, other in zip(rates["gunnet"], rates["gun.js"], strict=True)]
    least, most = min(ratios), max(ratios)
    print(f"| ratio, round by round | {statistics.median(ratios):.1f} | {least:.1f} | {most:.1f} |\n")
    if options.no_latency:
        return
    os.sched_setaffinity(0, {LOAD_CORE})
    print("| unsigned put to ack, ms | p50 | p99 | signed puts/s beside it |\n|---|---|---|---|")
    all_quiet, all_loud = [], []
    for _ in range(options.rounds):
        puts = signed_puts(int(12_000 * (options.seconds + 2)))
        quiet, _ = with_relay(options.seconds, [])
        loud, rate = with_relay(options.seconds, puts)
        all_quiet += quiet
        all_loud += loud
        for name, took, beside in (("alone", quiet, 0.0), ("beside signed puts", loud, rate)):
            p50, p99 = (percentile(took, part) for part in (0.5, 0.99))
            print(f"| {name} | {p50:.2f} | {p99:.2f} | {beside:,.0f} |")
    added = percentile(all_loud, 0.5) / percentile(all_quiet, 0.5) - 1
    print(f"| all rounds: p50 grows by | {100 * added:.0f} % | | |")


if __name__ == "__main__":
    main()
