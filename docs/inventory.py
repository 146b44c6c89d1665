"""
Writes an inventory (C{objects.inv}) of what the docstrings link to outside of gunnet, so that pydoctor, for
which a link that leads nowhere is an error, can check them without a network.
"""

from __future__ import annotations

import importlib
import sys
import zlib

MODULES = {
    "builtins": "https://docs.python.org/3/library/functions.html",
    "random": "https://docs.python.org/3/library/random.html",
    "msgspec": "https://jcristharif.com/msgspec/api.html",
    "twisted.application.internet": "https://docs.twisted.org/en/stable/api/",
    "twisted.internet.defer": "https://docs.twisted.org/en/stable/api/",
    "twisted.internet.error": "https://docs.twisted.org/en/stable/api/",
    "twisted.internet.interfaces": "https://docs.twisted.org/en/stable/api/",
    "twisted.python.usage": "https://docs.twisted.org/en/stable/api/",
}


LIBRARY = "https://docs.python.org/3/library"
TYPES = {"bytearray", "bytes", "dict", "frozenset", "list", "memoryview", "range", "set", "str", "tuple"}
CONSTANTS = {"False", "None", "NotImplemented", "True"}


def place(module: str, page: str, name: str) -> str:
    """Where C{name} is described."""
    found = getattr(importlib.import_module(module), name)
    if module == "builtins":
        is_exception = isinstance(found, type) and issubclass(found, BaseException)
        kinds = {"stdtypes": name in TYPES, "constants": name in CONSTANTS, "exceptions": is_exception}
        kind = next((kind for kind, fits in kinds.items() if fits), "functions")
        return f"{LIBRARY}/{kind}.html#{name}"
    if not module.startswith("twisted."):
        return f"{page}#{module}.{name}"
    home = getattr(found, "__module__", module)
    return f"{page}{module if '._' in home else home}.{name}.html"


def lines() -> list[str]:
    """One line for each name."""
    found = []
    for module, page in MODULES.items():
        for name in dir(importlib.import_module(module)):
            full = name if module == "builtins" else f"{module}.{name}"
            found.append(f"{full} py:class 1 {place(module, page, name).removeprefix('https://')} -")
    return found


def main(path: str) -> None:
    """Write it."""
    head = "# Sphinx inventory version 2\n# Project: outside\n# Version: 0\n# zlib\n"
    with open(path, "wb") as file:
        file.write(head.encode() + zlib.compress("\n".join([*lines(), ""]).encode()))


if __name__ == "__main__":
    main(sys.argv[1])
