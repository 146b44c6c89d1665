"""
What mypyc is to know of a class, where the program is compiled (C{setup.py}): C{@mypyc_attr(acyclic=True)}.

The garbage collector does not look at objects of such a class, which is worth it where there are hundreds of
thousands. None of them may be all that keeps something alive which leads to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_):
        """Nothing, when the program runs."""
        return lambda described: described
