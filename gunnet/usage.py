"""
Command lines of the commands beside the relay's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from twisted.python import usage

from gunnet import __version__
from gunnet.compiled import how


class Options(usage.Options):
    """Options of a command of ours."""

    def opt_version(self) -> NoReturn:
        """Print the version and exit"""
        print(f"gunnet {__version__} ({how()})")
        raise SystemExit(0)


class OptionsOfOne(Options):
    """Options of a command whose one argument may stand before them or behind them."""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Take the command line."""
        options = list(options or ())
        if options and not options[0].startswith("-"):
            options.append(options.pop(0))
        super().parseOptions(options)
