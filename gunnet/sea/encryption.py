"""
What only some may read (gun.js C{sea/encrypt.js}, C{sea/decrypt.js}, C{sea/aeskey.js}, C{sea/secret.js}).

AES-256-GCM with an iv of 15 bytes. Its key is the SHA-256 of the key's text with a salt of nine bytes behind
it, each of them as the character of that number.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gunnet.sea.entropy import RandomBytes, secure
from gunnet.sea.errors import BadData, NotDecrypted
from gunnet.sea.keys import Keys, base64url, key_of, private_key, public_key
from gunnet.sea.text import base64, digest, from_base64, from_utf8, json_text, parsed, plain_text, utf8

SALT_BYTES = 9
IV_BYTES = 15


def encrypt(data: Any, key: str | Keys, *, random: RandomBytes = secure) -> str:
    """
    Encrypt data.

    @param data: any JSON. Lone surrogates in text are lost, as in gun.js.
    @param key: any text but the empty one, such as a L{secret}; of a pair its C{epriv}.
    @return: C{SEA} and the JSON C{{"ct":…, "iv":…, "s":…}}.
    @raise BadData: if JSON can't say it.
    @raise BadKey: if there is no key.
    """
    return "SEA" + json_text(encrypted(data, key, random)).decode("ascii")


def encrypted(data: Any, key: str | Keys, random: RandomBytes) -> dict[str, str]:
    """What L{encrypt} writes, as an object."""
    secret_text = key_of(key, "epriv")
    text = plain_text(data)
    salt, iv = random(SALT_BYTES), random(IV_BYTES)
    sealed = AESGCM(_aes_key(secret_text, salt)).encrypt(iv, text, None)
    return {"ct": base64(sealed), "iv": base64(iv), "s": base64(salt)}


def decrypt(data: Any, key: str | Keys) -> Any:
    """
    Decrypt what L{encrypt} or gun.js encrypted.

    @param data: the text, with C{SEA} or without, or the object.
    @param key: as in L{encrypt}.
    @return: the data: of text that is JSON, what it says. A byte order mark in front is lost, as in gun.js.
    @raise NotDecrypted: if it was encrypted with another key, or is nothing encrypted at all.
    @raise BadKey: if there is no key.
    """
    secret_text = key_of(key, "epriv")
    sealed = parsed(data)
    if not isinstance(sealed, dict):
        raise NotDecrypted("nothing encrypted")
    try:
        ct, iv, salt = (from_base64(sealed.get(name)) for name in ("ct", "iv", "s"))
        text = AESGCM(_aes_key(secret_text, salt)).decrypt(iv, ct, None)
    except (BadData, InvalidTag, ValueError):
        raise NotDecrypted("not decrypted by that key") from None
    return parsed(from_utf8(text))


def _aes_key(key: str, salt: bytes) -> bytes:
    return digest(utf8(key + salt.decode("latin-1")))


def secret(epub: str | Keys, pair: Keys) -> str:
    """
    The secret that two share, made of the C{epub} of one and the pair of the other: the same both ways.

    @param epub: the other's, or the other's pair.
    @return: 43 characters, good as a key for L{encrypt}.
    @raise BadKey: if a key is none.
    """
    mine = private_key(_named(pair, "epriv"), _named(pair, "epub"))
    return base64url(mine.exchange(ec.ECDH(), public_key(key_of(epub, "epub"))))


def _named(pair: Any, name: str) -> str:
    return key_of(None if isinstance(pair, str) else pair, name)
