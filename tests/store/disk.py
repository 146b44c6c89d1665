"""
What tests of the store on disk have in common.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gunnet.store.interface import Store
from gunnet.store.lmdb import LmdbStore

ROOT = str(Path(__file__).parents[2])


class LmdbCase(SynchronousTestCase):
    """Makes stores, and closes them when the test ends."""

    def open_store(self, path: str, bytes_max: int = 1 << 40) -> LmdbStore:
        store = LmdbStore(path, bytes_max)
        self.addCleanup(store.close)
        return store

    def new_store(self) -> Store:
        return self.open_store(self.mktemp())

    def start_python(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """Run C{script} in another process, its output piped."""
        child = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert child.stdout is not None
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child
