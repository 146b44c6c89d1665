"""
What the command line, the environment and the configuration file say, each read by itself.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gunnet import settings
from gunnet.access import options as access
from gunnet.front import options as front
from gunnet.option_group import OptionGroup, environment_name
from gunnet.rtc import options as rtc
from gunnet.seeing import options as seeing
from gunnet.tls import options as tls

Values = dict[str, Any]
"""What one source says: option name to value, already of the right type."""

GROUPS: tuple[OptionGroup, ...] = (access.GROUP, rtc.GROUP, tls.GROUP, tls.ACME, front.GROUP, seeing.GROUP)
"""The options of the parts that have their own."""

_FLAGS = {"no-store": "store", "no-axe": "axe", "no-multicast": "multicast-on", "no-sync": "sync"}

_TYPES: dict[str, Callable[[str], Any]] = {
    "port": settings.port,
    "host": access.text,
    "path": access.text,
    "peers-from": access.text,
    "gossip": access.text,
    "max-peers": settings.number,
    "data": access.text,
    "max-message": settings.size,
    "multicast": settings.multicast_group,
    "multicast-ttl": settings.number,
    "max-data": settings.size,
    "gun-js": access.text,
    **{name: read for group in GROUPS for name, (_, read) in {**group.fields, **group.limits}.items()},
}
_LISTS: dict[str, Callable[[str], Any]] = {
    "listen": str,
    "peer": str,
    "gossip-allow": str,
    "multicast-interface": str,
    **{name: read for group in GROUPS for name, (_, read) in group.lists.items()},
    **{name: read for group in GROUPS for name, read in group.lists_of_limits.items()},
}
_ENVIRONMENT = {
    "PORT": "port",
    "PEERS_FROM": "peers-from",
    **{environment_name(name): name for group in GROUPS for name in (*group.fields, *group.limits)},
}
_ENVIRONMENT_LISTS = {
    "PEERS": "peer",
    "HTTPS_KEY": "tls-key",
    "HTTPS_CERT": "tls-cert",
    **{environment_name(name): name for group in GROUPS for name in (*group.lists, *group.lists_of_limits)},
}
_GROUP_FLAGS = {name for group in GROUPS for name in group.flags}
_ENVIRONMENT_FLAGS = {"MULTICAST": "multicast-on", "AXE": "axe", "RAD": "store"}
_ENVIRONMENT_FLAGS |= {environment_name(name): name for name in _GROUP_FLAGS}


def lists() -> tuple[str, ...]:
    """The options that may be repeated."""
    return tuple(_LISTS)


def from_options(options: Mapping[str, Any]) -> Values:
    """The command line. @raise SettingsError: a mistake, with its option."""
    said = {name: _typed(name, options[name], f"--{name}") for name in _TYPES if options[name] is not None}
    said |= {name: _all_typed(name, options[name], f"--{name}") for name in _LISTS if options[name]}
    said |= {name: True for name in _GROUP_FLAGS if options[name]}
    if "multicast" in said:
        said["multicast-on"] = True
    return said | {name: False for flag, name in _FLAGS.items() if options[flag]}


def from_environment(environment: Mapping[str, str]) -> Values:
    """The environment. @raise SettingsError: a mistake, with its variable."""
    said: Values = {}
    for variable, name in _ENVIRONMENT.items():
        if environment.get(variable):
            said[name] = _typed(name, environment[variable], variable)
    for variable, name in _ENVIRONMENT_FLAGS.items():
        text = environment.get(variable, "").strip().lower()
        if text:
            if text not in ("true", "false", "1", "0"):
                raise settings.SettingsError(f"{variable}: {text!r} is neither true nor false")
            said[name] = text in ("true", "1")
    for variable, name in _ENVIRONMENT_LISTS.items():
        values = [value.strip() for value in environment.get(variable, "").split(",") if value.strip()]
        if values:
            said[name] = _all_typed(name, values, variable)
    return said


def from_file(path: str) -> Values:
    """The configuration file. @raise SettingsError: a mistake, with its place."""
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except OSError as e:
        raise settings.SettingsError(f"--config {path}: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise settings.SettingsError(f"--config {path}: not TOML: {e}") from e
    said: Values = {}
    for name, value in found.items():
        place = f"{path}: {name}"
        if name == "multicast":  # true, false or where
            said["multicast-on"] = value is not False
            if isinstance(value, bool):
                continue
        flag = _FLAGS.get(name, name)
        if flag in _FLAGS.values() or flag in _GROUP_FLAGS:
            if not isinstance(value, bool):
                raise settings.SettingsError(f"{place}: {value!r} is neither true nor false")
            said[flag] = value if name == flag else not value
        elif name in _LISTS:
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
                raise settings.SettingsError(f"{place}: neither text nor a list of texts")
            said[name] = _all_typed(name, values, place)
        elif name in _TYPES:
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                raise settings.SettingsError(f"{place}: {value!r} is neither text nor a whole number")
            said[name] = _typed(name, str(value), place)
        else:
            raise settings.SettingsError(f"{path}: there is no option {name!r}")
    return said


def _all_typed(name: str, texts: Iterable[str], place: str) -> tuple[Any, ...]:
    try:
        return tuple(_LISTS[name](text) for text in texts)
    except settings.SettingsError as e:
        raise settings.SettingsError(f"{place}: {e}") from e


def _typed(name: str, text: str, place: str) -> Any:
    try:
        return _TYPES[name](text)
    except settings.SettingsError as e:
        raise settings.SettingsError(f"{place}: {e}") from e
