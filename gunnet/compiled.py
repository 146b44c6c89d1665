"""
Whether this gunnet is compiled: the hot modules may be (C{setup.py}), and do the same either way.
"""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec


def is_compiled() -> bool:
    """Whether the hot modules are machine code."""
    spec = find_spec("gunnet.mesh.relay")
    return spec is not None and (spec.origin or "").endswith(tuple(EXTENSION_SUFFIXES))


def how() -> str:
    """The same, for people."""
    return "compiled" if is_compiled() else "pure Python"
