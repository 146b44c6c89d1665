"""
Relays to be measured: processes of their own, on one processor, each with a new data folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

from tests.interop import node
from tests.interop.relays import HOST, free_port

GUNNET, GUN_JS = "gunnet", "gun.js"
RELAY_CORE, LOAD_CORE = 0, 1
START_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Running:
    """A relay that runs."""

    kind: str
    url: str
    pid: int


def environment() -> dict[str, str]:
    """This one's, with the checkout before all."""
    path = os.pathsep.join(filter(None, [str(node.CHECKOUT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def command(kind: str, port: int, data: str, *options: str) -> list[str]:
    """The command line of a relay: defaults, but for what keeps it to itself, and for C{options} of ours."""
    if kind == GUNNET:
        relay = [sys.executable, "-m", "gunnet", "relay", "--host", HOST, "--port", str(port), "--data", data]
        return [*relay, "--no-multicast", *options]
    kit = node.kit()
    settings = {"host": HOST, "port": port, "data": data, "axe": True, "peers": []}
    return [kit.node, str(node.HERE / "relay.js"), kit.gun(node.GUN_VERSIONS[0]), json.dumps(settings)]


@contextmanager
def running(kind: str, *options: str) -> Iterator[Running]:
    """
    Run a relay, pinned to L{RELAY_CORE}, and take its data away afterwards.

    @param options: more of the command line, for a relay of ours.
    @raise RuntimeError: it does not start.
    """
    port = free_port()
    folder = tempfile.mkdtemp(prefix="benchmark-")
    pinned = ["taskset", "-c", str(RELAY_CORE), *command(kind, port, os.path.join(folder, "data"), *options)]
    relay = subprocess.Popen(pinned, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(kind, relay, f"http://{HOST}:{port}/healthz")
        yield Running(kind, f"ws://{HOST}:{port}/gun", relay.pid)
    finally:
        relay.terminate()
        try:
            relay.wait(20)
        except subprocess.TimeoutExpired:
            relay.kill()
            relay.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(kind: str, relay: subprocess.Popen[bytes], url: str) -> None:
    late = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < late and relay.poll() is None:
        try:
            with urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"{kind} does not start")
