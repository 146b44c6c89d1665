"""
C{docs/client.md} has every public name.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import gunnet.client
from gunnet.client import Chain, Gun, GunError, Stream, User
from gunnet.client.listeners import ONCE_SECONDS, RESTLESS
from gunnet.client.nodes import LACK_SECONDS
from gunnet.client.planning import DEPTH_MAX
from gunnet.client.root import CONNECT_SECONDS
from gunnet.client.stream import STREAM_ITEMS
from gunnet.client.unsent import UNSENT_MAX
from gunnet.client.writes import WRITES_MAX

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"


class DocsTests(SynchronousTestCase):
    """The page."""

    def setUp(self) -> None:
        self.text = PAGE.read_text(encoding="utf-8")
        self.names = {
            word for code in re.findall(r"`([^`\n]+)`", self.text) for word in re.findall(r"\w+", code)
        }

    def test_names(self) -> None:
        """What C{gunnet.client} gives."""
        self.assertEqual([*sorted(gunnet.client.__all__)], gunnet.client.__all__)
        self.assertEqual(set(gunnet.client.__all__) - self.names, set())

    def test_errors(self) -> None:
        """Every error is given, and on the page."""
        errors = {error.__name__ for error in (GunError, *GunError.__subclasses__())}
        self.assertEqual(errors - set(gunnet.client.__all__), set())

    def test_members(self) -> None:
        """The members of the classes, but for what Twisted's C{Service} and others have."""
        for kind in (Gun, Chain, User, Stream):
            members = {name for name in vars(kind) if not name.startswith("_")}
            members -= {"name", "startService", "stopService", "root", "listener"}
            self.assertEqual(members - self.names, set(), kind.__name__)

    def test_figures(self) -> None:
        """The figures on the page are those of the code."""
        for figure in (
            f"for {ONCE_SECONDS} s",
            f"after {RESTLESS} times",
            f"after {LACK_SECONDS:.0f} s",
            f"first {CONNECT_SECONDS:.0f} s",
            f"acks: {WRITES_MAX:,}",
            f"no peer has: {UNSENT_MAX:,}",
            f"in a put: {DEPTH_MAX}",
            f"limit={STREAM_ITEMS}",
        ):
            self.assertIn(figure, self.text)
