"""
Checks what the wheel has installed. Run by itself with C{python -I}, in an environment that has nothing else.
"""

from __future__ import annotations

import importlib.metadata
import pathlib
import sys

import gunnet

HERE = pathlib.Path(__file__).resolve().parent.parent


def main() -> str | None:
    """What is wrong, if anything is."""
    installed = pathlib.Path(gunnet.__file__).resolve().parent
    if HERE in installed.parents and ".tox" not in installed.parts:
        return f"this is the checkout: {installed}"
    files = {str(file) for file in importlib.metadata.files("gunnet") or ()}
    wanted = {"twisted/plugins/gunnet_plugin.py"}
    wanted |= {str(path.relative_to(HERE)) for path in (HERE / "gunnet").rglob("*.py")}
    wanted |= {str(path.relative_to(HERE)) for path in (HERE / "gunnet").rglob("py.typed")}
    if missing := wanted - files:
        return f"not in the wheel: {', '.join(sorted(missing))}"
    foreign = {name for name in files if not name.startswith(("gunnet", "twisted/plugins/", "../../../bin/"))}
    if foreign or "twisted/__init__.py" in files or "twisted/plugins/__init__.py" in files:
        return f"does not belong in the wheel: {', '.join(sorted(foreign)) or 'an __init__.py of twisted'}"
    return None


if __name__ == "__main__":
    sys.exit(main())
