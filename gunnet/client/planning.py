"""
From what a program puts to the cells of a graph (gun.js C{src/put.js}).

A C{dict} is a node of its own: it is put to the soul that it says (C{{"_": {"#": soul}}}), else to the one
that the property links to already, else to the path: soul and keys with C{/} between them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gunnet.client.errors import BadValue, NotAuthenticated
from gunnet.client.values import Cell, checked, checked_key, is_link, own_soul, shown
from gunnet.sea.keys import Pair
from gunnet.sea.puts import owner_of, sign_value

DEPTH_MAX = 100
"""So deeply nodes may be nested in what is put."""

SoulAt = Callable[[str, str], Awaitable[str | None]]
"""Gives the soul to which (soul, key) links, L{None} if it does not."""


class Reference(Protocol):
    """A chain, as a value: a link to where it leads."""

    def soul(self) -> Awaitable[str]:
        """The soul."""


def check(value: Any, path: tuple[str, ...], above: tuple[int, ...] = ()) -> None:
    """
    Whether all of a value can be put.

    @param path: where it is put to.
    @raise BadValue: something in it can't be.
    """
    if isinstance(value, dict) and not is_link(value):
        if len(above) >= DEPTH_MAX:
            raise BadValue(f"Invalid data: more than {DEPTH_MAX} nodes nested at {shown(path)}")
        if id(value) in above:
            return
        for key, item in value.items():
            if key != "_":
                check(item, (*path, checked_key(key, path)), (*above, id(value)))
    elif not _is_reference(value):
        checked(value, path)


def snapshot(value: dict[Any, Any]) -> dict[Any, Any]:
    """
    A node that passed L{check}, as it is now: until the souls of what is in it are known, the program may
    change its own. What is in it twice stays one node.
    """
    copies: dict[int, dict[Any, Any]] = {id(value): {}}
    todo = [value]
    while todo:
        node = todo.pop()
        copy = copies[id(node)]
        for key, item in node.items():
            if key == "_":
                copy[key] = {"#": own_soul(node)}
            elif isinstance(item, dict):
                if id(item) not in copies:
                    copies[id(item)] = {}
                    todo.append(item)
                copy[key] = copies[id(item)]
            else:
                copy[key] = item
    return copies[id(value)]


def _is_reference(value: Any) -> bool:
    return callable(getattr(value, "soul", None))


async def plan(soul: str, value: dict[str, Any], state: float, soul_at: SoulAt) -> list[Cell]:
    """
    The cells of a node that passed L{check}.

    @param state: of all of them, milliseconds.
    """
    cells: list[Cell] = []
    seen = {id(value): soul}
    todo = [(soul, value)]
    while todo:
        node, fields = todo.pop()
        for name, item in fields.items():
            if name == "_":
                continue
            key = str(name)
            if _is_reference(item):
                item = {"#": await item.soul()}
            elif isinstance(item, dict) and not is_link(item):
                target = seen.get(id(item))
                if target is None:
                    target = own_soul(item) or await soul_at(node, key) or f"{node}/{key}"
                    seen[id(item)] = target
                    todo.append((target, item))
                item = {"#": target}
            cells.append((node, key, state, item))
    return cells


def check_owner(soul: str, pair: Pair | None, certificate: str | None) -> None:
    """
    Whether something can be put to a soul.

    @param pair: of who is logged in.
    @raise NotAuthenticated: it is a user's, and who puts is not, or has no certificate of that user.
    """
    owner = _owner(soul)
    if owner is None:
        return
    if pair is None:
        raise NotAuthenticated(f"{soul} is a user's: nobody is logged in")
    if pair.pub != owner and certificate is None:
        raise NotAuthenticated(f"{soul} is another user's: it takes a certificate to write there")


def signed(cells: list[Cell], pair: Pair | None, certificate: str | None) -> list[Cell]:
    """
    The cells, with those signed that are to be.

    @raise NotAuthenticated: as L{check_owner}.
    @raise gunnet.sea.errors.SEAError: the certificate is none.
    """
    done = []
    for soul, key, state, value in cells:
        owner = _owner(soul)
        if owner is not None and not (key == "pub" and soul == f"~{owner}"):
            check_owner(soul, pair, certificate)
            assert pair is not None
            used = None if pair.pub == owner else certificate
            value = sign_value(soul, key, value, state, pair, certificate=used)
        done.append((soul, key, state, value))
    return done


def _owner(soul: str) -> str | None:
    """The key of the user whose a soul is. Lists of aliases (C{~@}) are nobody's."""
    return None if soul.startswith("~@") else owner_of(soul)
