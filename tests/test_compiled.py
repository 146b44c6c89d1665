"""
Tests for what says whether gunnet is compiled, and for the list of what is (C{setup.py}).
"""

from __future__ import annotations

import ast
import os

from twisted.trial.unittest import SynchronousTestCase

import gunnet
from gunnet.compiled import how, is_compiled

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def hot() -> list[str]:
    """The files that C{setup.py} compiles."""
    with open(os.path.join(ROOT, "setup.py"), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOT":
            folders = ast.literal_eval(node.value)
            return [f"{folder}/{name}.py" for folder, names in folders.items() for name in names.split()]
    raise AssertionError("setup.py has no HOT")


class CompiledTests(SynchronousTestCase):
    """The installed gunnet, pure or not."""

    def test_one_of_two(self) -> None:
        """It is what the file of a hot module is."""
        from gunnet.mesh import relay

        self.assertEqual(is_compiled(), not str(relay.__file__).endswith(".py"))
        self.assertEqual(how(), "compiled" if is_compiled() else "pure Python")

    def test_wish(self) -> None:
        """Where tests want it compiled (C{tox -e compiled}), it is; else these test pure Python."""
        self.assertEqual(is_compiled(), "GUNNET_TEST_COMPILED" in os.environ)


class HotTests(SynchronousTestCase):
    """What may be compiled."""

    def trees(self) -> dict[str, ast.Module]:
        """The hot modules, parsed."""
        found = {}
        for name in hot():
            path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(gunnet.__file__))), name)
            with open(path, encoding="utf-8") as file:
                found[name] = ast.parse(file.read())
        return found

    def test_plain_classes(self) -> None:
        """None has a class of msgspec or Automat: these are made in ways that mypyc does not know."""
        for name, tree in self.trees().items():
            bases = [
                ast.unparse(base)
                for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef)
                for base in node.bases
            ]
            self.assertNotIn("msgspec.Struct", bases, name)
            self.assertNotIn("Protocol", bases, name)

    def test_no_lazy_expressions(self) -> None:
        """None returns or keeps a generator expression: compiled, it is a list, made at once."""
        for name, tree in self.trees().items():
            for node in ast.walk(tree):
                if isinstance(node, (ast.Return, ast.Assign)) and isinstance(node.value, ast.GeneratorExp):
                    self.fail(f"{name}:{node.lineno}")
