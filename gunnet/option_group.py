"""
Options that belong together: what they set, and how their texts are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Read = Callable[[str], Any]
"""Gives what a text says, or raises L{gunnet.settings_error.SettingsError}."""


@dataclass(frozen=True)
class OptionGroup:
    """
    Options for the fields of one part of L{gunnet.settings.Settings}. Each is an option of the command line,
    an environment variable (L{environment_name}) and a name in the configuration file.

    @ivar fields: option to the field that it sets, and how its text is read.
    @ivar lists: likewise, for options that may be repeated; what they set is a tuple.
    @ivar flags: option to the field that it sets to true.
    @ivar limits: option to the field of L{gunnet.limits.Limits} that it sets, likewise.
    @ivar lists_of_limits: options that may be repeated, and set a limit in a way of their own.
    """

    fields: Mapping[str, tuple[str, Read]] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, Read]] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, tuple[str, Read]] = field(default_factory=dict)
    lists_of_limits: Mapping[str, Read] = field(default_factory=dict)

    def chosen(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """
        The fields that were said.

        @param said: option name to value, of the right type.
        """
        one = {name: field for name, (field, _) in {**self.fields, **self.lists}.items()}
        return {field: said[name] for name, field in {**one, **self.flags}.items() if name in said}

    def chosen_limits(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The limits that were said, but for those of C{lists_of_limits}, by their names there."""
        return {field: said[name] for name, (field, _) in self.limits.items() if name in said}


def environment_name(option: str) -> str:
    """The environment variable that says the same as C{option}."""
    return "GUNNET_" + option.upper().replace("-", "_")
