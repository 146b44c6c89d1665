"""
What a get asks for, read. Apart from the reading (L{gunnet.graph.lex}), because classes of msgspec can't be
compiled (docs/performance.md).
"""

from __future__ import annotations

import msgspec

from gunnet.wire.jstext import order_key


class Span(msgspec.Struct, frozen=True):
    """
    A run of names in UTF-16 order: those that start with C{prefix} and lie between C{first} and C{last}.

    @ivar first: the lowest name, inclusive, or L{None}.
    @ivar last: the highest name, inclusive, or L{None}.
    """

    prefix: str = ""
    first: str | None = None
    last: str | None = None

    def holds(self, name: str) -> bool:
        """Whether C{name} is in the span."""
        place = order_key(name)
        if not place.startswith(order_key(self.prefix)):
            return False
        if self.first is not None and place < order_key(self.first):
            return False
        return self.last is None or place <= order_key(self.last)


ALL = Span()
"""Every name."""

ONE = 0.0
"""The budget that is reached by the first name: what a LEX without C{%} gets."""


class Query(msgspec.Struct, frozen=True):
    """
    What a get asks for.

    @ivar soul: the soul, or L{None} where C{souls} says which.
    @ivar souls: the souls, if the question names no single one.
    @ivar key: the one property asked for, or L{None} where C{keys} says which.
    @ivar keys: the properties, if the question names no single one.
    @ivar budget: in characters; L{None} for no limit.
    @ivar reverse: whether the budget is spent from the end; without one there is no end to begin from.
    """

    soul: str | None
    souls: Span = ALL
    key: str | None = None
    keys: Span = ALL
    budget: float | None = None
    reverse: bool = False

    @property
    def is_whole_node(self) -> bool:
        """Whether it asks for all of one node."""
        return self.soul is not None and self.key is None and self.keys == ALL and self.budget is None

    @property
    def length(self) -> int:
        """The characters of all names in it."""
        length = len(self.soul or "") + len(self.key or "")
        if self.souls is not ALL or self.keys is not ALL:
            for span in (self.souls, self.keys):
                length += len(span.prefix) + len(span.first or "") + len(span.last or "")
        return length


class PlainGet(msgspec.Struct, forbid_unknown_fields=True):
    """
    What nearly all gets are on the wire.

    @ivar soul: C{#}.
    @ivar key: C{.}, L{None} for all of the node.
    """

    soul: str = msgspec.field(name="#")
    key: str | None = msgspec.field(name=".", default=None)
