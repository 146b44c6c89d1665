"""
What a process on this machine uses (Linux: C{/proc}).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Usage:
    """
    @ivar cpu_seconds: processor time of all its threads so far.
    @ivar memory_bytes: what of it is in memory now; C{file_bytes}, what of that are pages of files, which the
        system takes back when others need memory.
    """

    cpu_seconds: float
    memory_bytes: int
    file_bytes: int


def usage_of(pid: int, proc: str = "/proc") -> Usage | None:
    """What a process uses; L{None} if there is none, or no way to know."""
    try:
        fields = Path(proc, str(pid), "stat").read_text("utf-8").rpartition(")")[2].split()
        pages = Path(proc, str(pid), "statm").read_text("utf-8").split()[1:3]
    except (OSError, IndexError):
        return None
    ticks = int(fields[11]) + int(fields[12])
    resident, files = (int(count) * os.sysconf("SC_PAGE_SIZE") for count in pages)
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), resident, files)
