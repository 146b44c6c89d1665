"""
Load, as C{gunnet bench} makes it: in a process of its own, on the other processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.relays import LOAD_CORE, Running, environment

Result = dict[str, Any]


def start(relay: Running | None, *arguments: str) -> subprocess.Popen[str]:
    """
    Start C{gunnet bench}.

    @param relay: against which; L{None} for the one that does nothing.
    """
    against = ["--only-ceiling"] if relay is None else ["--url", relay.url, "--pid", str(relay.pid)]
    bench = [sys.executable, "-m", "gunnet", "bench", *arguments, *against, "--json", "-"]
    pinned = ["taskset", "-c", str(LOAD_CORE), *bench]
    return subprocess.Popen(
        pinned, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def result_of(bench: subprocess.Popen[str]) -> Result:
    """
    Wait for its end. @return: what it found.

    @raise RuntimeError: it can't measure.
    """
    text, complaint = bench.communicate()
    if not text:
        raise RuntimeError(complaint.strip())
    found: list[Result] = json.loads(text)
    return found[-1]


def measure(relay: Running | None, *arguments: str) -> Result:
    """Run C{gunnet bench}, to its end."""
    return result_of(start(relay, *arguments))


def rate(result: Result) -> float:
    """Operations per second."""
    return float(result["rows"][0]["rate"])


def milliseconds(result: Result, name: str) -> float:
    """A percentile of the latencies."""
    return float(result["rows"][0]["milliseconds"][name])
