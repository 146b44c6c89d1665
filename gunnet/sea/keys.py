"""
Keys: P-256 points and numbers as base64url, the way WebCrypto writes them in a JWK (gun.js C{sea/pair.js}).

A public key is C{x.y}, a private one C{d}; each part has 32 bytes, 43 characters. WebCrypto also takes other
spellings of the same number (padding, spare bits, a third part); here each key has one name, since graphs,
certificates and blocks go by names.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from gunnet.sea.errors import BadKey

PUBLIC_KEYS_MAX = 10_000
"""So many parsed public keys are kept; those used longest ago are parsed again."""

_PART = 43
_CURVE = ec.SECP256R1()


@dataclass(frozen=True, slots=True, repr=False)
class Pair:
    """
    The keys of somebody.

    @ivar pub: who it is: verifies signatures.
    @ivar priv: signs.
    @ivar epub: what others need for a shared secret.
    @ivar epriv: decrypts.
    """

    pub: str
    priv: str
    epub: str
    epriv: str

    @classmethod
    def of(cls, keys: Keys) -> Pair:
        """
        @param keys: a pair, or what JavaScript has as one: C{{"pub", "priv", "epub", "epriv"}}.
        @raise BadKey: if a key is missing or no text.
        """
        if isinstance(keys, Pair):
            return keys
        return cls(*(_text(keys, name) for name in ("pub", "priv", "epub", "epriv")))

    def as_dict(self) -> dict[str, str]:
        """What JavaScript has as a pair. Private keys are in it."""
        return {"pub": self.pub, "priv": self.priv, "epub": self.epub, "epriv": self.epriv}

    def __repr__(self) -> str:
        """Without the private keys, which have no business in logs."""
        return f"<Pair {self.pub}>"


Keys = Pair | Mapping[str, Any]
"""A pair, or what JavaScript has as one."""


def _text(keys: Any, name: str) -> str:
    value = getattr(keys, name, None) if isinstance(keys, Pair) else None
    if isinstance(keys, Mapping):
        value = keys.get(name)
    if not isinstance(value, str) or not value:
        raise BadKey(f"no {name}")
    return value


def key_of(keys: Any, name: str) -> str:
    """
    One key out of a pair, or text, which is that key itself.

    @raise BadKey: if there is none.
    """
    return keys if isinstance(keys, str) and keys else _text(keys, name)


def public_key(pub: Any) -> ec.EllipticCurvePublicKey:
    """
    @param pub: C{x.y}.
    @raise BadKey: if that is no point of the curve, or spelt otherwise.
    """
    if type(pub) is not str:
        raise BadKey("a public key that is no text")
    return _public_key(pub)


@lru_cache(PUBLIC_KEYS_MAX)
def _public_key(pub: str) -> ec.EllipticCurvePublicKey:
    if len(pub) != 2 * _PART + 1 or pub[_PART] != ".":
        raise BadKey("not a public key")
    point = b"\x04" + _bytes(pub[:_PART]) + _bytes(pub[_PART + 1 :])
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
    except ValueError:
        raise BadKey("not a public key") from None


def private_key(priv: str, pub: str) -> ec.EllipticCurvePrivateKey:
    """
    @raise BadKey: if it is none, or not that of C{pub}.
    """
    try:
        key = ec.derive_private_key(int.from_bytes(_bytes(priv), "big"), _CURVE)
    except ValueError as error:
        raise error if isinstance(error, BadKey) else BadKey("not a private key") from None
    if public_text(key) != pub:
        raise BadKey("a private and a public key that don't belong together")
    return key


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """The public key of a private one, as C{x.y}."""
    numbers = key.public_key().public_numbers()
    return f"{number_text(numbers.x)}.{number_text(numbers.y)}"


def number_text(value: int) -> str:
    """A number of 32 bytes as base64url without padding."""
    return base64url(value.to_bytes(32, "big"))


def base64url(data: bytes) -> str:
    """Base64url without padding."""
    text = binascii.b2a_base64(data, newline=False).decode("ascii")
    return text.rstrip("=").replace("+", "-").replace("/", "_")


def _bytes(part: str) -> bytes:
    try:
        data = binascii.a2b_base64(part.replace("-", "+").replace("_", "/") + "=")
    except ValueError:
        raise BadKey("not a key") from None
    if len(data) != 32 or base64url(data) != part:
        raise BadKey("not a key")
    return data
