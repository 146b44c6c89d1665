"""
Command lines with one argument.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.python.usage import Options


class OptionsOfOne(Options):
    """Options of a command whose one argument may stand before them or behind them."""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Take the command line."""
        options = list(options or ())
        if options and not options[0].startswith("-"):
            options.append(options.pop(0))
        super().parseOptions(options)
