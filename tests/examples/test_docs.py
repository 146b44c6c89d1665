"""
What the documents print of the examples is what the examples say.
"""

from __future__ import annotations

import ast
import re

from twisted.trial.unittest import SynchronousTestCase

from tests.examples.running import EXAMPLES

DOCUMENTS = ("docs/embedding.md", "README.md")
_BLOCK = re.compile(r"(?:<!-- examples/(?P<name>\w+\.py) -->\n)?```python\n(?P<code>.*?)```", re.DOTALL)


class DocsTests(SynchronousTestCase):
    """Each block of Python."""

    def read(self, path: str) -> str:
        return (EXAMPLES.parent / path).read_text(encoding="utf-8")

    def test_taken_from_examples(self) -> None:
        """It stands in the example that is named before it, line by line; README has others, too."""
        for document in DOCUMENTS:
            blocks = list(_BLOCK.finditer(self.read(document)))
            named = [block for block in blocks if block["name"] is not None]
            self.assertTrue(named, document)
            if document != "README.md":
                self.assertEqual(named, blocks, document)
            for block in named:
                self.assertIn(block["code"], self.read(f"examples/{block['name']}"), document)

    def test_all_are_listed(self) -> None:
        """The page lists every example, and no other; each says how it is run, and has a test."""
        names = sorted(path.name for path in EXAMPLES.glob("*.py"))
        listed = sorted(re.findall(r"\]\(\.\./examples/(\w+\.py)\)", self.read("docs/embedding.md")))
        self.assertEqual(listed, names)
        for name in names:
            told = ast.get_docstring(ast.parse(self.read(f"examples/{name}"))) or ""
            self.assertIn(f"python {name}", told)
            self.assertTrue((EXAMPLES.parent / "tests" / "examples" / f"test_{name}").exists(), name)
