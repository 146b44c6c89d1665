"""
Tests for the table in C{docs/transports.md}: what it says is backed by tests that exist.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

CHECKOUT = Path(__file__).resolve().parent.parent
TABLE = CHECKOUT / "docs" / "transports.md"
COLUMNS = ["transport", "reaches", "needs", "limits", "encrypted"]


class TableTests(SynchronousTestCase):
    """The table, cell by cell."""

    def test_each_cell_is_backed(self) -> None:
        """Each cell names at least one test, and each test that is named is there."""
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in TABLE.read_text("utf-8").splitlines()
            if line.startswith("|")
        ]
        self.assertEqual(COLUMNS, rows[0])
        self.assertGreaterEqual(len(rows), 4)
        for name, *cells in rows[2:]:
            self.assertEqual(len(COLUMNS) - 1, len(cells), name)
            for cell in cells:
                named = re.findall(r"`tests\.[\w.]+`", cell)
                self.assertTrue(named, f"{name}: {cell} names no test")
                for test in named:
                    self.assertTrue(exists(test.strip("`")), f"{name}: there is no {test}")

    def test_missing_test(self) -> None:
        """A test that is not there is found out."""
        own = "tests.test_transports_table.TableTests"
        self.assertTrue(exists(f"{own}.test_missing_test"))
        self.assertFalse(exists(f"{own}.test_other"))
        self.assertFalse(exists("tests.test_nowhere.TableTests.test_missing_test"))


def exists(test: str) -> bool:
    """
    Look for a test without importing it, as some modules need what is not here.

    @param test: C{tests.module.Class.test_method}.
    """
    *module, wanted, method = test.split(".")
    file = CHECKOUT.joinpath(*module).with_suffix(".py")
    if not file.exists():
        return False
    return any(
        isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name == method
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == wanted
        for function in node.body
    )
