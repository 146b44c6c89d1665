"""
The C{_} of a node on the wire, as msgspec decodes it. Apart from L{gunnet.graph.node}, because classes of
msgspec can't be compiled (docs/performance.md).
"""

from __future__ import annotations

import msgspec


class Meta(msgspec.Struct):
    """
    What C{_} holds.

    @ivar soul: C{#}.
    @ivar states: C{>}, key to state in milliseconds.
    """

    soul: str = msgspec.field(name="#")
    states: dict[str, float] = msgspec.field(name=">")
