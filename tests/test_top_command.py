"""
Tests for L{gunnet.top_command}: who keeps most.
"""

from __future__ import annotations

import io

from twisted.trial.unittest import SynchronousTestCase

from gunnet import cli, sea
from gunnet.limits import Limits
from gunnet.store.interface import StoreError
from gunnet.store.lmdb import LmdbStore
from gunnet.top_command import top

ALICE, BOB = sea.pair().pub, sea.pair().pub


class TopTests(SynchronousTestCase):
    """A folder with two users."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        store = LmdbStore(self.path, 1 << 24)
        cells = [(f"~{ALICE}/{number}", "k", (1.0, b'"%d"' % number)) for number in range(5)]
        cells += [
            (f"~{BOB}/x", "k", (1.0, b'"%s"' % (b"x" * 9000))),
            ("room", "k", (1.0, b'"' + b"x" * 99 + b'"')),
        ]
        store.commit(cells)
        store.close()

    def test_top(self) -> None:
        """Those who keep most come first."""
        lines = top(self.path, 10, Limits())
        self.assertEqual([BOB, ALICE], [line.split()[1] for line in lines])
        self.assertEqual(9000 + 2 + len(f"~{BOB}/x") + 1, int(lines[0].split()[0].replace(",", "")))
        self.assertEqual(1, len(top(self.path, 1, Limits())))
        self.assertIn("more than 1 users", top(self.path, 10, Limits(users=1))[-1])

    def test_command(self) -> None:
        """As a command, with its mistakes in one line."""
        out, err = io.StringIO(), io.StringIO()
        self.patch(cli.sys, "stdout", out)
        self.patch(cli.sys, "stderr", err)
        self.assertEqual(0, cli.main(["top", "--data", self.path, "-n", "1"]))
        self.assertIn(BOB, out.getvalue())
        for arguments, status in ((["--data", "nowhere"], 1), (["--count", "x"], 2), (["--bogus"], 2)):
            self.assertEqual(status, cli.main(["top", *arguments]), arguments)
        self.assertEqual(3, err.getvalue().count("\n"))

    def test_refused(self) -> None:
        """A folder without data stays as it was."""
        self.assertRaises(StoreError, top, self.mktemp(), 1, Limits())
