"""
Message ids and peer names: nine random letters and digits, as gun.js makes them (C{src/shim.js}).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

_LETTERS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXZ"
_TO_LETTER = bytes(_LETTERS[byte % len(_LETTERS)] for byte in range(256))
_STOCK = 200


def id_source(random: Random) -> Callable[[], str]:
    """
    A function that gives a new id at each call.

    @param random: for a relay that strangers reach, one that can't be foretold (L{random.SystemRandom}):
        who knows an id beforehand can make others take it for a duplicate.
    """
    stock: list[str] = []

    def new_id() -> str:
        if not stock:
            letters = random.randbytes(9 * _STOCK).translate(_TO_LETTER).decode("ascii")
            stock.extend([letters[at : at + 9] for at in range(0, len(letters), 9)])
        return stock.pop()

    return new_id
