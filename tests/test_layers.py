"""
The house has one direction: core, ports, shell, command line, plugin. Each imports only from those before it.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

import gunnet

PACKAGE = os.path.dirname(os.path.abspath(gunnet.__file__))

CORE = (
    *("gunnet.acyclic", "gunnet.limits", "gunnet.counters"),
    *("gunnet.wire", "gunnet.graph", "gunnet.sea", "gunnet.mesh"),
)
PORTS = ("gunnet.transport.interface", "gunnet.store.interface")
COMMAND_LINE = ("gunnet.tap", "gunnet.cli", "gunnet.__main__")
FORBIDDEN_IN_CORE = (
    *("twisted", "autobahn", "zope", "treq", "lmdb"),
    *(
        "asyncio",
        "socket",
        "time",
        "datetime",
        "random",
        "secrets",
        "os",
        "threading",
        "subprocess",
        "pathlib",
    ),
)
ALLOWED_IN_CORE = {
    # (module, what it imports): why
    ("gunnet.wire.ids", "random"): "for the type of what is passed in",
    ("gunnet.mesh.relay", "random"): "for the type of what is passed in",
}
DEFAULT_REACTOR = "gunnet.client.aio"
"""Who takes the reactor of the process too, for a program that makes a client and gives none."""

ENTROPY = "gunnet.sea.entropy"
"""
The one module that throws dice: programs that make keys, or encrypt, need not bring random bytes along.
"""
WITH_ENTROPY = (
    "gunnet.sea",
    "gunnet.sea.encryption",
    "gunnet.sea.hashing",
    "gunnet.sea.pairs",
    "gunnet.sea.users",
)
"""Who may import it: what makes something new. What decides does not, C{cryptography} apart."""

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
LONGER: dict[str, str] = {
    # module, or module.function: why it is longer
}


def modules() -> dict[str, ast.Module]:
    """Every module of gunnet by its name, parsed."""
    found = {}
    for folder, _, names in os.walk(PACKAGE):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                dotted = os.path.relpath(path, os.path.dirname(PACKAGE))[:-3].replace(os.sep, ".")
                with open(path, encoding="utf-8") as file:
                    found[dotted.removesuffix(".__init__")] = ast.parse(file.read(), path)
    return found


def imports(name: str, tree: ast.Module) -> Iterator[str]:
    """
    The full names of what a module imports, wherever it does so, except for types only: what a type checker
    alone reads binds nobody.
    """
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[: -node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.dump(child.test) == ast.dump(
            ast.Name("TYPE_CHECKING", ast.Load())
        ):
            running: list[ast.AST] = [*child.orelse]
        else:
            running = [child]
        for each in running:
            yield each
            yield from _running(each)


def within(name: str, groups: tuple[str, ...]) -> bool:
    """Whether a name is one of the groups, or inside of one."""
    return any(name == group or name.startswith(group + ".") for group in groups)


class LayersTests(SynchronousTestCase):
    """Each module against the direction."""

    def setUp(self) -> None:
        self.modules = modules()

    def importing(self) -> Iterator[tuple[str, str]]:
        """All (module, what it imports)."""
        for name, tree in self.modules.items():
            for imported in imports(name, tree):
                yield name, imported

    def test_all_are_seen(self) -> None:
        """The walk finds what it is about."""
        for name in (*CORE, *PORTS, *COMMAND_LINE, "gunnet.store.lmdb", "gunnet.service"):
            self.assertIn(name, self.modules)
        self.assertIn(("gunnet.transport.websocket", "gunnet.transport.link.Links"), set(self.importing()))

    def test_imports_in_all_places(self) -> None:
        """Neither functions nor conditions nor dots hide an import; only a type checker's don't count."""
        source = """
def f():
    import time
if x:
    from os import path as p, sep
if TYPE_CHECKING:
    import socket
else:
    import random
from . import codec
from ..store import lmdb
"""
        found = set(imports("gunnet.wire.message", ast.parse(source)))
        expected = {"time", "os.path", "os.sep", "random", "gunnet.wire.codec", "gunnet.store.lmdb"}
        self.assertEqual(found, expected)

    def test_core(self) -> None:
        """The core does no I/O, reads no clock and throws no dice, and knows of the shell only the ports."""
        for name, imported in self.importing():
            if not within(name, CORE + PORTS):
                continue
            top = imported.split(".")[0]
            if (name, top) not in {*ALLOWED_IN_CORE, (ENTROPY, "secrets")}:
                self.assertNotIn(top, FORBIDDEN_IN_CORE, name)
            if top == "gunnet":
                self.assertTrue(within(imported, CORE + PORTS), f"{name} imports {imported}")

    def test_core_throws_no_dice(self) -> None:
        """Where C{random} is imported for its type, that type is all that is taken."""
        for name, imported in self.importing():
            if (name, imported.split(".")[0]) in ALLOWED_IN_CORE:
                self.assertEqual(imported, "random.Random", name)

    def test_deciding_needs_no_entropy(self) -> None:
        """What verifies and decides has no way to random bytes: only what makes new things has."""
        for name, imported in self.importing():
            if within(name, CORE) and name not in WITH_ENTROPY:
                makers = (ENTROPY, *(maker for maker in WITH_ENTROPY if maker != "gunnet.sea"))
                self.assertFalse(within(imported, makers), f"{name} imports {imported}")

    def test_rooms_of_the_core(self) -> None:
        """Inside the core the direction is the data's: wire, graph, sea, mesh."""
        before = {
            "gunnet.wire": ("gunnet.graph", "gunnet.sea", "gunnet.mesh", *PORTS),
            "gunnet.graph": ("gunnet.sea", "gunnet.mesh", "gunnet.transport"),
            "gunnet.sea": ("gunnet.mesh", *PORTS),
            "gunnet.limits": ("gunnet",),
            "gunnet.counters": ("gunnet",),
            "gunnet.acyclic": ("gunnet",),
        }
        for name, imported in self.importing():
            for room, later in before.items():
                if within(name, (room,)):
                    self.assertFalse(within(imported, later), f"{name} imports {imported}")

    def test_rooms_of_the_shell(self) -> None:
        """Stores and transports don't know one another, nor what puts them together."""
        others = {
            "gunnet.store": ("gunnet.transport", "gunnet.web", "gunnet.turns", "gunnet.mesh"),
            "gunnet.transport": ("gunnet.store", "gunnet.web"),
        }
        for name, imported in self.importing():
            for room, foreign in others.items():
                if within(name, (room,)):
                    self.assertFalse(within(imported, foreign), f"{name} imports {imported}")
            if not within(name, (*COMMAND_LINE, "gunnet.service", "gunnet.testing")):
                self.assertFalse(within(imported, ("gunnet.service",)), f"{name} imports {imported}")

    def test_command_line(self) -> None:
        """Nothing imports the command line, and only it takes the reactor of the process; one may."""
        for name, imported in self.importing():
            if name not in COMMAND_LINE:
                foreign = (*COMMAND_LINE, *(() if name == DEFAULT_REACTOR else ("twisted.internet.reactor",)))
                self.assertFalse(within(imported, foreign), f"{name} imports {imported}")

    def test_light(self) -> None:
        """Who imports gunnet alone loads nothing for it."""
        loaded = "import sys, gunnet; print(sorted({'twisted', 'gunnet.client'} & {*sys.modules}))"
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(PACKAGE)}
        said = subprocess.run(
            [sys.executable, "-c", loaded], env=environment, capture_output=True, check=True
        )
        self.assertEqual(said.stdout.strip(), b"[]")

    def test_named_imports(self) -> None:
        """No stars: who reads a module sees where each name is from."""
        for name, imported in self.importing():
            self.assertFalse(imported.endswith(".*"), f"{name} imports {imported}")


class SizeTests(SynchronousTestCase):
    """What is too long to be read at one go."""

    def test_modules(self) -> None:
        """Modules."""
        for name, tree in modules().items():
            lines = max((getattr(node, "end_lineno", 0) or 0 for node in ast.walk(tree)), default=0)
            if name not in LONGER:
                self.assertLessEqual(lines, MODULE_LINES_MAX, name)

    def test_functions(self) -> None:
        """Functions."""
        for name, tree in modules().items():
            for node in ast.walk(tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    if f"{name}.{node.name}" not in LONGER:
                        self.assertLessEqual(lines, FUNCTION_LINES_MAX, f"{name}.{node.name}")
