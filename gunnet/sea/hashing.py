"""
Work: passphrases made slow to guess, and plain hashes (gun.js C{sea/work.js}).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from gunnet.sea.entropy import RandomBytes, secure
from gunnet.sea.errors import BadData
from gunnet.sea.keys import Pair
from gunnet.sea.text import base64, plain_text, utf8

ROUNDS = 100_000
BITS = 512
SALT_BYTES = 9
ROUNDS_MAX = 10_000_000
"""More rounds than this are refused: they would take more than three seconds."""
BITS_MAX = 8 * 1024

_HASHES = {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_ENCODERS: dict[str, Callable[[bytes], str]] = {
    "base64": base64,
    "hex": bytes.hex,
    "utf8": lambda data: data.decode("latin-1"),
}


def work(
    data: Any,
    salt: Any = None,
    *,
    name: str = "PBKDF2",
    encode: str = "base64",
    iterations: int = ROUNDS,
    length: int = BITS,
    random: RandomBytes = secure,
) -> str:
    """
    PBKDF2 of data, or with C{name="SHA-256"} its hash.

    PBKDF2 takes some 50 ms and nothing else runs meanwhile in this thread: with a reactor, call it by
    C{deferToThread}.

    @param data: text, or other JSON, of which the text is taken.
    @param salt: text; a pair, for its C{epub}; L{None} for a random one, which nobody will know.
    @param name: C{PBKDF2}, or C{SHA-1}, C{SHA-256}, C{SHA-384}, C{SHA-512}: then only C{encode} counts.
    @param encode: C{base64}, C{hex}, or C{utf8} for a character per byte.
    @param length: in bits, a multiple of eight.
    @raise BadData: for data that JSON can't say, a salt or an option that is none.
    """
    text = plain_text(data)
    encoder = _ENCODERS.get(encode) if isinstance(encode, str) else None
    if encoder is None or not isinstance(name, str):
        raise BadData("no such encoding, or name of a hash")
    if name[:3].lower() == "sha":
        if name.upper() not in _HASHES:
            raise BadData("no such hash")
        return encoder(hashlib.new(_HASHES[name.upper()], text).digest())
    if name != "PBKDF2":
        raise BadData("no such work")
    if not _is_count(iterations, ROUNDS_MAX) or not _is_count(length, BITS_MAX) or length % 8:
        raise BadData("iterations or length out of bounds")
    derivation = PBKDF2HMAC(SHA256(), length // 8, utf8(_salt(salt, random)), iterations)
    return encoder(derivation.derive(text))


def _is_count(value: Any, highest: int) -> bool:
    return type(value) is int and 0 < value <= highest


def _salt(salt: Any, random: RandomBytes) -> str:
    if isinstance(salt, Pair):
        salt = salt.epub
    elif isinstance(salt, dict):
        salt = salt.get("epub")
    if salt is None or salt == "":
        return random(SALT_BYTES).decode("latin-1")
    if not isinstance(salt, str):
        raise BadData("a salt that is no text")
    return salt
