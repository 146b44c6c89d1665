"""
Tests for the plugin that makes C{twist gun}.
"""

from __future__ import annotations

import ast
import os

from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

import gunnet
from gunnet import tap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(gunnet.__file__)))


class PluginTests(SynchronousTestCase):
    """The plugin."""

    def test_found(self) -> None:
        """Twisted finds it once, and through it the options and the service."""
        [plugin] = [found for found in getPlugins(IServiceMaker) if found.tapname == "gun"]
        self.assertIs(plugin.options, tap.Options)
        self.assertIs(plugin.makeService, tap.makeService)

    def test_light(self) -> None:
        """It imports nothing of gunnet, since every C{twist} command loads it."""
        with open(os.path.join(ROOT, "twisted", "plugins", "gunnet_plugin.py"), encoding="utf-8") as file:
            tree = ast.parse(file.read())
        imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        self.assertEqual(imported, ["twisted.application.service"])
        self.assertFalse([node for node in ast.walk(tree) if isinstance(node, ast.Import)])

    def test_shadows_nothing(self) -> None:
        """No C{__init__.py} beside it: in a wheel it would overwrite Twisted's own."""
        for folder in ("twisted", os.path.join("twisted", "plugins")):
            self.assertFalse(os.path.exists(os.path.join(ROOT, folder, "__init__.py")))

    test_shadows_nothing.skip = (  # type: ignore[attr-defined]
        None
        if os.path.exists(os.path.join(ROOT, "setup.cfg"))
        else "gunnet is installed, this is about the checkout"
    )
