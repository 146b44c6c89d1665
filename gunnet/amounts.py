"""
Numbers as operators write them.
"""

from __future__ import annotations

import re

from gunnet.settings_error import SettingsError

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def size(text: str) -> int:
    """
    Read a number of bytes: C{4096}, C{64K}, C{10M}, C{2G} (of 1024 each; C{KiB} and C{KB} are also C{K}).

    @raise SettingsError: it isn't one.
    """
    found = re.fullmatch(r"\s*(\d{1,18})\s*([KMG]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if found is None:
        raise SettingsError(f"{text!r} is not a number of bytes, like 65536, 64K, 10M or 2G")
    return int(found[1]) * _UNITS[found[2].upper()]


def port(text: str) -> int:
    """
    Read a TCP port.

    @raise SettingsError: it isn't one.
    """
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > 65535:
        raise SettingsError(f"{text!r} is not a port number")
    return int(text)


def number(text: str) -> int:
    """
    Read a whole number.

    @raise SettingsError: it isn't one.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise SettingsError(f"{text!r} is not a whole number")
    return int(text)
