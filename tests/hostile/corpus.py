"""
The corpus: every kind of hostile input, by family.
"""

from __future__ import annotations

from functools import cache

from tests.hostile import certificates, places, said, shapes, signatures, signed
from tests.hostile.kinds import Kind

FAMILIES = {
    **signatures.FAMILIES,
    **signed.FAMILIES,
    **certificates.FAMILIES,
    **places.FAMILIES,
    **shapes.FAMILIES,
    **said.FAMILIES,
}


@cache
def kinds(family: str) -> list[Kind]:
    """The kinds of one family."""
    return FAMILIES[family]()
