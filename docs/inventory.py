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


def lines() -> list[str]:
    """One line for each name."""
    found = []
    for module, page in MODULES.items():
        for name in dir(importlib.import_module(module)):
            full = name if module == "builtins" else f"{module}.{name}"
            found.append(f"{full} py:class 1 {page} -")
    return found


def main(path: str) -> None:
    """Write it."""
    head = "# Sphinx inventory version 2\n# Project: outside\n# Version: 0\n# zlib\n"
    with open(path, "wb") as file:
        file.write(head.encode() + zlib.compress("\n".join([*lines(), ""]).encode()))


if __name__ == "__main__":
    main(sys.argv[1])
