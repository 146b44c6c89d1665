"""
What a figure was measured on.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from pathlib import Path

import gunnet
from gunnet.compiled import how
from tests.interop import node


def machine() -> str:
    """One line."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    cpu = found[1] if found else platform.machine()
    kit = node.kit()
    node_version = subprocess.run([kit.node, "--version"], capture_output=True, text=True, check=True).stdout
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {cpu} with {os.cpu_count()} processors, "
        f"Linux {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}, Node {node_version.strip().lstrip('v')}, "
        f"gun {node.GUN_VERSIONS[0]}, gunnet {gunnet.__version__} ({commit()}), {how()}"
    )


def commit() -> str:
    """Of the checkout, and whether anything is changed in it."""
    git = ["git", "-C", str(node.CHECKOUT)]
    try:
        name = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return "no checkout"
    return name.stdout.strip() + (" and changes" if changed.stdout.strip() else "")


def load_average() -> str:
    """What else it had to do. It should be little."""
    return Path("/proc/loadavg").read_text("utf-8").split()[0]
