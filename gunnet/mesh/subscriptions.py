"""
Who is subscribed to what (gun.js C{lib/axe.js}).

A get subscribes the peer that asks to what it selects, until the peer says that it no longer wants it, or its
link ends: a property, a whole node, the properties of a node within a L{Span}, or all nodes within one. How
much of it was asked for at once (C{%}) does not matter.

Single names are found by looking them up, and so are prefixes, once for each length that there is. Spans with
bounds are tested one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gunnet.counters import Counters
from gunnet.graph.lex import ALL, Query, Span
from gunnet.limits import Limits
from gunnet.mesh.peer import Interest, Peer
from gunnet.wire.jstext import order_key

Table = dict[Peer, None]
"""
Peers, as the keys. One of a single peer is the same for all that it alone is subscribed to, as most is wanted
by one peer only and a table weighs more than all else of a subscription; so it is never changed.
"""

_SUBSCRIPTION_BYTES = 200


class Subscriptions:
    """
    A bounded table of who is subscribed to what.

    @ivar size: characters of all names in it; a name counts for each peer.
    @ivar on_unwanted: called with each thing that loses a subscriber when nobody is left, or only gunnet
        relays, which may want it for nobody but us.
    """

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._whole: dict[str | Span, Table] = {}
        self._parts: dict[str | Span, dict[str | Span, Table]] = {}
        self._alone: dict[Peer, Table] = {}
        self._souls = _Spans(limits)
        self._keys: dict[str | Span, _Spans] = {}
        self._count = 0
        self.size = 0
        self.on_unwanted: Callable[[Query], None] | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def memory_bytes(self) -> int:
        """Roughly what they take."""
        return _SUBSCRIPTION_BYTES * self._count + self.size

    def add(self, peer: Peer, query: Query, soul: str | None = None) -> bool:
        """
        Subscribe C{peer}, unless a bound is reached: then it still gets answers, but no updates.

        @param soul: that of C{query}, as a text that is in memory anyway; L{None} if there is none.
        @return: whether it is subscribed now and was not before.
        """
        selected, key = _selected(query)
        if soul is not None:
            selected = soul
        interest = _interest(selected, key)
        if interest in peer.subscriptions:
            return False
        limits = self._limits
        size = _length(selected) + _length(key)
        if len(peer.subscriptions) >= limits.peer_subscriptions:
            self._counters.count("peer_subscriptions_refused")
        elif self._count >= limits.subscriptions or self.size + size > limits.subscription_bytes:
            self._counters.count("subscriptions_refused")
        elif not self._has_room(selected, key):
            self._counters.count("spans_refused")
        else:
            self._enter(peer, selected, key)
            peer.subscriptions[interest] = None
            self._count += 1
            self.size += size
            return True
        return False

    def _has_room(self, soul: str | Span, key: str | Span | None) -> bool:
        """Whether what is a span can be had among those that are looked through for each change."""
        if isinstance(soul, Span) and not self._souls.has_room_for(soul):
            return False
        spans = self._keys.get(soul)
        return not isinstance(key, Span) or spans is None or spans.has_room_for(key)

    def _enter(self, peer: Peer, soul: str | Span, key: str | Span | None) -> None:
        table = self._table(soul, key)
        if table is None:
            alone = self._alone.get(peer)
            if alone is None:
                alone = self._alone[peer] = {peer: None}
            self._keep(soul, key, alone)
        elif len(table) == 1:
            self._keep(soul, key, {**table, peer: None})
        else:
            table[peer] = None

    def _table(self, soul: str | Span, key: str | Span | None) -> Table | None:
        """Who is subscribed to exactly that."""
        if key is None:
            return self._whole.get(soul)
        keys = self._parts.get(soul)
        return None if keys is None else keys.get(key)

    def _keep(self, soul: str | Span, key: str | Span | None, table: Table) -> None:
        """Have a table where there is none, or another one."""
        if isinstance(soul, Span) and soul not in self._whole and soul not in self._parts:
            self._souls.add(soul)
        if key is None:
            self._whole[soul] = table
            return
        keys = self._parts.get(soul)
        if keys is None:
            keys = self._parts[soul] = {}
        if isinstance(key, Span) and key not in keys:
            spans = self._keys.get(soul)
            if spans is None:
                spans = self._keys[soul] = _Spans(self._limits)
            spans.add(key)
        keys[key] = table

    def _drop(self, soul: str | Span, key: str | Span | None) -> None:
        """Have no table any more."""
        if key is None:
            del self._whole[soul]
        else:
            keys = self._parts[soul]
            del keys[key]
            if not keys:
                del self._parts[soul]
        if isinstance(soul, Span) and soul not in self._whole and soul not in self._parts:
            self._souls.remove(soul)
        if isinstance(key, Span):
            spans = self._keys[soul]
            spans.remove(key)
            if not len(spans):
                del self._keys[soul]

    def end(self, peer: Peer, query: Query) -> bool:
        """
        C{peer} no longer wants what it once asked for.

        @return: whether it was subscribed to exactly that.
        """
        interest = _interest(*_selected(query))
        if interest not in peer.subscriptions:
            return False
        del peer.subscriptions[interest]
        self._leave(peer, interest)
        return True

    def forget(self, peer: Peer) -> None:
        """End all subscriptions of C{peer}."""
        for interest in peer.subscriptions:
            self._leave(peer, interest)
        peer.subscriptions.clear()
        self._alone.pop(peer, None)

    def _leave(self, peer: Peer, interest: Interest) -> None:
        soul, key = (interest, None) if isinstance(interest, str) else interest
        self._count -= 1
        self.size -= _length(soul) + _length(key)
        table = self._table(soul, key)
        if table is not None and len(table) > 1:
            del table[peer]
            unwanted = all(peer.is_gunnet for peer in table)
        else:
            self._drop(soul, key)
            unwanted = True
        if unwanted and self.on_unwanted is not None:
            self.on_unwanted(_query(soul, key))

    def wants(self, query: Query) -> bool:
        """Whether anybody is subscribed to exactly what C{query} selects."""
        return self._table(*_selected(query)) is not None

    def is_wanted_without(self, query: Query, peer: Peer) -> bool:
        """Whether anybody but C{peer} is subscribed to exactly what C{query} selects."""
        table = self._table(*_selected(query))
        return table is not None and (len(table) > 1 or peer not in table)

    def exactly(self, query: Query) -> list[Peer]:
        """Who is subscribed to exactly what C{query} selects."""
        return list(self._table(*_selected(query)) or ())

    def is_wanted_by_client(self, query: Query) -> bool:
        """Whether anybody but gunnet relays is subscribed to exactly what C{query} selects."""
        return any(not peer.is_gunnet for peer in self.exactly(query))

    def queries_of(self, soul: str) -> list[Query]:
        """What of one soul somebody is subscribed to, each once."""
        whole = [_query(soul, None)] if soul in self._whole else []
        return whole + [_query(soul, key) for key in self._parts.get(soul, ())]

    def queries(self) -> list[Query]:
        """What somebody is subscribed to, each once, without regard to budgets."""
        whole = [_query(soul, None) for soul in self._whole]
        return whole + [_query(soul, key) for soul, keys in self._parts.items() for key in keys]

    def may_be_wanted(self, soul: str) -> bool:
        """Whether somebody may be subscribed to something of a soul; if not, surely nobody is."""
        return soul in self._whole or soul in self._parts or len(self._souls) > 0

    def tables(self, soul: str, key: str) -> list[Table]:
        """
        The peers subscribed to a cell, as they are kept: the same tables for all cells that the same peers
        are subscribed to in the same way. A peer may be in more than one.
        """
        found: list[Table] = []
        self._add_tables(found, soul, key)
        if len(self._souls):
            for span in self._souls.that_hold(soul):
                self._add_tables(found, span, key)
        return found

    def _add_tables(self, found: list[Table], soul: str | Span, key: str) -> None:
        whole = self._whole.get(soul)
        if whole is not None:
            found.append(whole)
        keys = self._parts.get(soul)
        if keys is not None:
            part = keys.get(key)
            if part is not None:
                found.append(part)
            if soul in self._keys:
                found += [keys[span] for span in self._keys[soul].that_hold(key)]

    def to(self, soul: str, key: str) -> Iterator[Peer]:
        """The peers subscribed to a cell; one may come more than once."""
        for table in self.tables(soul, key):
            yield from table

    def to_soul(self, soul: str) -> Iterator[Peer]:
        """The peers subscribed to anything of a soul; one may come more than once."""
        names: list[str | Span] = [soul, *self._souls.that_hold(soul)]
        for name in names:
            yield from self._whole.get(name, ())
            for table in self._parts.get(name, {}).values():
                yield from table


class _Spans:
    """A bounded set of spans that tells which of them hold a name."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._prefixes: dict[bytes, dict[Span, tuple[bytes, bytes | None]]] = {}
        self._lengths: dict[int, int] = {}
        self._count = 0
        self._with_bounds = 0

    def __len__(self) -> int:
        return self._count

    def has_room_for(self, span: Span) -> bool:
        """Whether C{span} is in the set, or may be added."""
        prefix = order_key(span.prefix)
        if span in self._prefixes.get(prefix, ()):
            return True
        limits = self._limits
        if len(prefix) not in self._lengths and len(self._lengths) >= limits.span_lengths:
            return False
        return not _has_bounds(span) or self._with_bounds < limits.spans

    def add(self, span: Span) -> None:
        """Add a span that is not in the set."""
        prefix = order_key(span.prefix)
        first = b"" if span.first is None else order_key(span.first)
        last = None if span.last is None else order_key(span.last)
        self._prefixes.setdefault(prefix, {})[span] = (first, last)
        self._lengths[len(prefix)] = self._lengths.get(len(prefix), 0) + 1
        self._count += 1
        self._with_bounds += _has_bounds(span)

    def remove(self, span: Span) -> None:
        """Remove a span that is in the set."""
        prefix = order_key(span.prefix)
        spans = self._prefixes[prefix]
        del spans[span]
        if not spans:
            del self._prefixes[prefix]
        self._lengths[len(prefix)] -= 1
        if not self._lengths[len(prefix)]:
            del self._lengths[len(prefix)]
        self._count -= 1
        self._with_bounds -= _has_bounds(span)

    def that_hold(self, name: str) -> Iterator[Span]:
        """The spans in which C{name} is, as L{Span.holds} has it."""
        place = order_key(name)
        for length in self._lengths:
            if length <= len(place):
                for span, (first, last) in self._prefixes.get(place[:length], {}).items():
                    if first <= place and (last is None or place <= last):
                        yield span


def _has_bounds(span: Span) -> bool:
    return span.first is not None or span.last is not None


def _interest(soul: str | Span, key: str | Span | None) -> Interest:
    return soul if key is None and isinstance(soul, str) else (soul, key)


def _selected(query: Query) -> tuple[str | Span, str | Span | None]:
    """(the soul or souls, the key or keys; L{None} for all of them)."""
    soul: str | Span = query.souls if query.soul is None else query.soul
    if query.key is not None:
        return soul, query.key
    return soul, None if query.keys == ALL else query.keys


def _query(soul: str | Span, key: str | Span | None) -> Query:
    name, souls = (None, soul) if isinstance(soul, Span) else (soul, ALL)
    if isinstance(key, Span):
        return Query(name, souls, keys=key)
    return Query(name, souls, key)


def _length(name: str | Span | None) -> int:
    if isinstance(name, Span):
        return len(name.prefix) + len(name.first or "") + len(name.last or "")
    return len(name or "")
