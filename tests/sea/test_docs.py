"""The example in C{docs/security.md} runs, and its table of functions is true."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea

PAGE = Path(__file__).parent.parent.parent / "docs" / "security.md"


class PageTests(SynchronousTestCase):
    """What the page says."""

    def test_example(self) -> None:
        """It runs as printed."""
        examples = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        self.assertEqual(len(examples), 1)
        exec(compile(examples[0], str(PAGE), "exec"), {})

    def test_table(self) -> None:
        """Each function that it names is there."""
        rows = re.findall(r"^\| (`[a-z_]+.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
        names = {name for row in rows for name in re.findall(r"`([a-z_]+)[(`]", row)}
        self.assertLessEqual({"pair", "sign", "verify_put", "recall", "unpacked"}, names)
        self.assertLessEqual(names, set(sea.__all__))
