"""
New keys (gun.js C{sea/pair.js}).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from gunnet.sea.entropy import RandomBytes
from gunnet.sea.keys import Pair, number_text, public_text

_CURVE = ec.SECP256R1()


def pair(*, random: RandomBytes | None = None) -> Pair:
    """
    The keys of somebody new.

    @param random: random bytes that repeat themselves make keys that do, for tests; without it the library
        draws them.
    """
    signing, sharing = _key(random), _key(random)
    return Pair(
        pub=public_text(signing),
        priv=_private_text(signing),
        epub=public_text(sharing),
        epriv=_private_text(sharing),
    )


def _key(random: RandomBytes | None) -> ec.EllipticCurvePrivateKey:
    if random is None:
        return ec.generate_private_key(_CURVE)
    order = _CURVE.group_order
    while not 0 < (number := int.from_bytes(random(32), "big")) < order:
        pass
    return ec.derive_private_key(number, _CURVE)


def _private_text(key: ec.EllipticCurvePrivateKey) -> str:
    return number_text(key.private_numbers().private_value)
