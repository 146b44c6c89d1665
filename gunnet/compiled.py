"""
Whether this gunnet is compiled: the hot modules may be (C{setup.py}), and do the same either way.
"""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from typing import TYPE_CHECKING


def is_compiled() -> bool:
    """Whether the hot modules are machine code."""
    spec = find_spec("gunnet.mesh.relay")
    return spec is not None and (spec.origin or "").endswith(tuple(EXTENSION_SUFFIXES))


def how() -> str:
    """The same, for people."""
    return "compiled" if is_compiled() else "pure Python"


if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_):
        """
        What mypyc is to know of a class; nothing happens when the program runs. C{acyclic} ones the garbage
        collector does not look at: none of them may be all that keeps something alive which leads to it.
        """
        return lambda described: described
