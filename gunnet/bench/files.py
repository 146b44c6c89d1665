"""
How many files, and so links, this process may have open.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

from gunnet.bench.peer import BenchError


def raise_file_limit(wanted: int, say: Callable[[str], None]) -> None:
    """
    See to it that so many files can be open.

    @param say: told when that was changed.
    @raise BenchError: this user may not have so many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchError(f"{wanted:,} open files are needed, and {hard:,} allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else hard, hard))
    say(f"open files: {soft:,} allowed before, {wanted:,} needed")
