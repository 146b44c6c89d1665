"""
The chain: a place in the graph, and what can be done there (gun.js C{src/get.js}, C{src/put.js},
C{src/on.js}, C{src/map.js}, C{src/set.js}, C{src/back.js}).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from gunnet.client.errors import BadValue
from gunnet.client.listeners import ONCE_SECONDS, Callback, EachOnce, On, Once
from gunnet.client.paths import Change, Each, Key, Part, Step, Wire
from gunnet.client.planning import check
from gunnet.client.root import Root
from gunnet.client.stream import STREAM_ITEMS, Stream
from gunnet.client.values import checked_key, is_link, own_soul, query_of
from gunnet.client.waiting import Waiting, waiting_for
from gunnet.client.writes import Put
from gunnet.wire.jstext import stringify

if TYPE_CHECKING:
    from gunnet.client.gun import Gun


class Chain:
    """
    A place in the graph: a soul, and the way from there. Making one asks nobody for anything.

    It can be awaited: that is L{once} without anything given.
    """

    def __init__(self, gun: Gun, above: Chain | None, soul: str, steps: tuple[Step, ...] = ()) -> None:
        """
        Not for programs: L{gunnet.client.gun.Gun.get} and L{get} give chains.
        """
        self._gun = gun
        self._above = above
        self._soul = soul
        self._steps = steps

    @property
    def _root(self) -> Root:
        return self._gun.root

    def _origin(self) -> str:
        """The soul where the path begins."""
        return self._soul

    def __repr__(self) -> str:
        return f"<chain {self._soul!r} {' '.join(map(_shown, self._steps))}>"

    # Where

    def get(self, key: str | int | dict[str, Any]) -> Chain:
        """
        What is at a key. Where the way leads through a link, it goes on at the node that is linked to.

        @param key: text, not empty; an integer is written out. Or a LEX, for the part of this node that it
            selects: C{{".": {"*": prefix, ">": from, "<": to, "-": 1}, "%": characters}}, or C{{"=": key}}.
            Without C{%} up to C{limits.lex_characters} characters of it come. Or a link, which leads to its
            node wherever this chain is.
        @raise BadValue: it is none of these.
        """
        if is_link(key):
            assert isinstance(key, dict)
            return Chain(self._gun, self, key["#"])
        if isinstance(key, dict):
            return self._next(Part(self._lex(key)))
        return self._next(Key(checked_key(key)))

    def _lex(self, lex: dict[str, Any]) -> bytes:
        query_of(self._soul or "-", lex, self._root.limits)
        return stringify(lex)

    def _next(self, step: Step) -> Chain:
        steps = self._steps
        if steps and isinstance(steps[-1], Part) and not isinstance(step, Each):
            raise BadValue("after a LEX comes map(), or nothing")
        if steps and isinstance(steps[-1], Each) and steps[-1].change is not None:
            raise BadValue("nothing comes after a map() with a function")
        return Chain(self._gun, self, self._soul, (*steps, step))

    def map(self, select: dict[str, Any] | Change | None = None) -> Chain:
        """
        Each property of this node by itself. What is done with the result is done with each of them: those
        there are, and those that come.

        @param select: a LEX as for L{get}, for only those that it selects; or a function, called with (value,
            key), that gives what is told in place of the value, or L{None} for nothing.
        @raise BadValue: it is none of these.
        """
        lex = None
        steps = self._steps
        if steps and isinstance(steps[-1], Part):
            lex, steps = steps[-1].lex, steps[:-1]
        if isinstance(select, dict):
            lex, select = self._lex(select), None
        if steps and isinstance(steps[-1], Each) and steps[-1].change is not None:
            raise BadValue("nothing comes after a map() with a function")
        return Chain(self._gun, self, self._soul, (*steps, Each(lex, select)))

    def back(self, levels: int = 1) -> Chain | Gun:
        """
        The chain that this one came from.

        @param levels: how many L{get} or L{map} back; -1 for the L{Gun} itself.
        """
        place: Chain | None = self
        for _ in range(levels if levels >= 0 else len(self._steps) + 1):
            place = None if place is None else place._above
        return self._gun if place is None or levels < 0 else place

    def soul(self) -> Waiting[str]:
        """
        The soul of the node that is here, or that a C{dict} put here would get.

        @raise BadValue: (in the result) the path leads to many.
        """
        return waiting_for(self._find_soul())

    async def _find_soul(self) -> str:
        soul = self._origin()
        for name in self._names():
            soul = await self._root.soul_at(soul, name) or f"{soul}/{name}"
        return soul

    def _names(self) -> tuple[str, ...]:
        names = tuple([step.name for step in self._steps if isinstance(step, Key)])
        if len(names) < len(self._steps):
            raise BadValue("behind map() or a LEX are many places: take one with get()")
        return names

    # Reading

    def on(self, callback: Callback, *, change: bool = False) -> Chain:
        """
        Have a callback called with (value, key): with what is here, and whenever that changes. A node is a
        C{dict} of all that is known of it, in which links are C{{"#": soul}}; what was deleted is L{None}.
        While nothing is known, there is no call.

        @param change: tell of a node only the properties that have changed.
        @return: this chain.
        @raise Closed: the client is closed.
        @raise Busy: as many things are watched as C{limits.peer_subscriptions}.
        """
        self._root.listen(On(callback, self._root.counters, change=change), self._origin(), self._steps)
        return self

    def once(self, callback: Callback | None = None, *, wait: float | None = None) -> Waiting[Any]:
        """
        What is here. Something that is known may have been changed by others, and a node come in parts: it is
        given when it has been the same for some time. Of unknown data the peers are asked, and it is L{None}
        when all that are linked have said that they have nothing, at most
        L{gunnet.client.nodes.LACK_SECONDS} later.

        @param callback: called with (value, key), too. Of a path with L{map} in it, for each item once, also
            for those that come later, until L{off}.
        @param wait: how long it must have been the same, and how long to wait for unknown data, seconds. The
            default is 0.099 for the one, or 0 for a property that no linked peer could know of, and as above
            for the other. What is watched (L{on}) has been the same for long.
        @return: fires with the value; of a path with L{map} in it, with a C{dict} of the items by the key
            there (with several, by a C{tuple} of these).
            Fails with L{Closed}.
        @raise Closed: the client is closed.
        @raise Busy: as for L{on}.
        """
        root = self._root
        plural = any(isinstance(step, Each) for step in self._steps)
        if plural and callback is not None:
            quiet = ONCE_SECONDS if wait is None else wait
            root.listen(EachOnce(callback, root.counters, root.reactor, quiet), self._origin(), self._steps)
            callback = None
        once = Once(
            root.reactor,
            wait=wait,
            plural=plural,
            callback=callback,
            counters=root.counters,
            linked=lambda: root.linked,
        )
        root.listen(once, self._origin(), self._steps)
        return once.done

    def __await__(self) -> Generator[Any, None, Any]:
        return self.once().__await__()

    def stream(self, limit: int = STREAM_ITEMS) -> Stream:
        """
        The changes here, to be iterated: C{async for value, key in chain.stream()}. What comes faster than it
        is taken replaces what was not taken yet of the same item.

        @param limit: so many items may wait; beyond, the oldest is dropped.
        @raise Closed: the client is closed.
        @raise Busy: as for L{on}.
        """
        stream = Stream(limit, self._root.counters, self._root.later)
        self._root.listen(stream.listener, self._origin(), self._steps)
        return stream

    def off(self, callback: Callback | None = None) -> Chain:
        """
        End what was begun here, or further on the same way, by L{on}, L{stream}, or L{once} with L{map}.

        @param callback: only that of this callback.
        @return: this chain.
        """
        self._root.off(self._origin(), self._steps, callback)
        return self

    def meta(self) -> Waiting[dict[str, Any] | None]:
        """
        What GUN keeps beside a node, gun.js's C{_}: C{{"#": soul, ">": {key: state}}}, states in milliseconds
        since 1970. L{None} if there is no node here.
        """
        return waiting_for(self._find_meta())

    async def _find_meta(self) -> dict[str, Any] | None:
        once = Once(self._root.reactor)
        self._root.listen(once, self._origin(), (*self._steps, Wire()))
        node = await once.done
        return node["_"] if isinstance(node, dict) else None

    # Writing

    def put(
        self, value: Any, *, peer: bool = False, timeout: float | None = None, cert: str | None = None
    ) -> Put:
        """
        Put a value here.

        @param value: text, C{bool}, a number that JavaScript has, L{None} to delete, a C{dict} for a node
            (its values likewise; its soul is that of C{{"_": {"#": soul}}} in it, else that of the node that
            is here, else the path), a chain or C{{"#": soul}} for a link. At a soul itself only a C{dict}.
        @param peer: wait also until one of the peers has it.
        @param timeout: how long to wait for that, seconds; L{None} for as long as it takes.
        @param cert: what the owner gave (L{gunnet.client.user.User.certify}), where that is another user.
        @return: fires when it is durable here. Fails with L{gunnet.client.errors.PutRefused},
            L{gunnet.client.errors.NotAcknowledged} or L{gunnet.client.errors.Closed}.
        @raise BadValue: there is no such value in GUN, a list for one.
        @raise NotAuthenticated: here is a user's, and who is logged in can't put there.
        @raise Busy: L{gunnet.client.writes.WRITES_MAX} puts wait for their acks.
        @raise Closed: the client is closed.
        """
        soul, names = self._origin(), self._names()
        check(value, (soul, *names))
        if not names and (not isinstance(value, dict) or is_link(value)):
            raise BadValue("Data at root of graph must be a node (a dict).")
        for name in reversed(names):
            value = {name: value}
        return self._root.put(soul, value, self, peer=peer, timeout=timeout, cert=cert)

    def set(
        self, item: Any, *, peer: bool = False, timeout: float | None = None, cert: str | None = None
    ) -> Put:
        """
        Add an item to the set here: under its soul if it is a node, which gets a new one if it has none.

        @param item: as for L{put}; the others are as there, too.
        @return: as of L{put}; its C{chain} is the item.
        """
        root = self._root
        if isinstance(item, Chain):
            return _set_later(self, item, {"peer": peer, "timeout": timeout, "cert": cert})
        key = root.uuid()
        target = self.get(key)
        if is_link(item):
            key = item["#"]
            target = Chain(self._gun, self, key)
        elif isinstance(item, dict):
            key = own_soul(item) or root.new_soul()
            item = {**item, "_": {"#": key}}
            target = Chain(self._gun, self, key)
        put = self.get(key).put(item, peer=peer, timeout=timeout, cert=cert)
        put.chain = target
        return put


def _set_later(place: Chain, item: Chain, options: dict[str, Any]) -> Put:
    """Add a node to a set whose soul is still to be found."""
    done = Put()
    done.chain = item

    async def add() -> None:
        soul = await item.soul()
        await place.get(soul).put({"#": soul}, **options)

    waiting_for(add()).chainDeferred(done)
    return done


def _shown(step: Step) -> str:
    return step.name if isinstance(step, Key) else type(step).__name__.lower()
