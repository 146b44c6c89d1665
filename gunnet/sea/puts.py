"""
Signed values: what stands in the graph of a user (gun.js C{sea/index.js}).

On the wire and on disk such a value is a string, the JSON of::

    {":":value, "~":signature}
    {":":value, "~":signature, "+":certificate, "*":public key of who signed}

Signed is the JSON of C{{"#":soul, ".":key, ":":value, ">":state}}. A value is deleted by a signed C{null}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from gunnet.graph.match import is_truthy
from gunnet.sea.errors import BadData, NotVerified
from gunnet.sea.keys import Keys, Pair
from gunnet.sea.signatures import sign_text, verified_text
from gunnet.sea.text import base64, digest, from_json_text, json_text, parsed, plain_text
from gunnet.wire import jstext

_CUT = re.compile(r"[^\w-]", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{64}\Z", re.ASCII)


def owner_of(soul: str) -> str | None:
    """
    The public key that a soul is owned by; it may be no key at all, and then nobody can write there.

    That is what follows the first C{~}, cut at all that is no letter, digit, C{_} or C{-}: its first two
    pieces (gun.js C{SEA.opt.pub}). So C{chat~room/x} is owned by C{room.x}.

    @return: L{None} if there are no two pieces.
    """
    parts = soul.split("~", 2)
    if len(parts) < 2 or not parts[1]:
        return None
    pieces = _CUT.split(parts[1], 2)
    return ".".join(pieces[:2]) if len(pieces) > 1 else None


class SignedValue(Struct, frozen=True):
    """
    A signed value taken apart.

    @ivar value: C{:}, the value itself.
    @ivar signature: C{~}, base64.
    @ivar certificate: C{+}, the owner's permission, L{None} if there is none.
    @ivar signer: C{*}, the public key of who signed, L{None} for the owner.
    """

    value: Any
    signature: Any
    certificate: Any = None
    signer: Any = None


def read_signed(value: Any) -> SignedValue:
    """
    Take a value apart, and believe nothing of it yet.

    @param value: the value of a property.
    @raise NotVerified: if it is no signed value.
    """
    signed = _signed(value)
    if signed is None:
        raise NotVerified("not a signed value")
    return signed


def unpacked(value: Any) -> Any:
    """
    What a property says: of a signed value what was signed, else the value itself. Nothing is verified: this
    is for what was verified before it was stored.
    """
    signed = _signed(value)
    return value if signed is None else signed.value


def _signed(value: Any) -> SignedValue | None:
    if not isinstance(value, str):
        return None
    try:
        fields = jstext.parse_text(value)
    except jstext.NotJSON:
        return None
    if not isinstance(fields, dict) or ":" not in fields or not is_truthy(fields.get("~")):
        return None
    return SignedValue(fields[":"], fields["~"], fields.get("+"), fields.get("*"))


def signed_text(soul: str, key: str, value: Any, state: float) -> bytes:
    """
    The text that is signed for a value, with the names of objects in it as they came.

    @raise BadData: if there is none. gun.js can't sign for the state 0 or an empty key.
    """
    if not isinstance(soul, str) or not soul or not isinstance(key, str) or not key:
        raise BadData("no soul or no key")
    if type(state) not in (int, float) or not state:
        raise BadData("no state")
    return _text_around(json_text(value), soul, key, state)


def _text_around(value: bytes, soul: str, key: str, state: float) -> bytes:
    names = (jstext.string(soul), jstext.string(key), value, json_text(state))
    return b'{"#":%b,".":%b,":":%b,">":%b}' % names


def _texts(soul: str, key: str, value: Any, state: float) -> Iterator[bytes]:
    """The texts that may have been signed for a value."""
    yield signed_text(soul, key, value, state)
    if isinstance(value, (dict, list)):
        yield _text_around(json_text(value, sort=True), soul, key, state)


def sign_value(
    soul: str, key: str, value: Any, state: float, pair: Keys, *, certificate: str | None = None
) -> str:
    """
    The signed value to put at (soul, key, state), and there only.

    @param value: L{None} to delete; text, number, L{bool}; C{{"#": soul}} to link.
    @param certificate: of L{gunnet.sea.certificates.certify}, where the soul is somebody else's.
    @raise BadData: if it is no value that a graph can hold, or the certificate is none.
    @raise BadKey: if the pair is none.
    """
    keys = Pair.of(pair)
    if not _is_value(value):
        raise BadData("not a value for a graph")
    fields = {":": value, "~": sign_text(signed_text(soul, key, value, state), keys)}
    if certificate is not None:
        permission = parsed(certificate)
        if not is_certificate(permission):
            raise BadData("not a certificate")
        fields |= {"+": permission, "*": keys.pub}
    return json_text(fields).decode("utf-8")


def _is_value(value: Any) -> bool:
    if isinstance(value, dict):
        return len(value) == 1 and isinstance(value.get("#"), str) and bool(value["#"])
    return not isinstance(value, list)


def is_certificate(value: Any) -> bool:
    """Whether a value has the form of something signed."""
    return isinstance(value, dict) and is_truthy(value.get("m")) and is_truthy(value.get("s"))


def verify_value(soul: str, key: str, value: Any, state: float, owner: str) -> SignedValue:
    """
    Verify who signed a value, for exactly this soul, key and state.

    If the C{signer} is another than the owner, a certificate is there, but whether it allows this is not
    looked at: L{gunnet.sea.certificates.verify_put} does both. (gun.js believes values that somebody else
    signed and that have no certificate. This does not.)

    @param owner: L{owner_of} the soul.
    @raise NotVerified: if it is not signed by whom it says, or needs a certificate and has none.
    @raise BadKey: if the signer's key is none.
    """
    signed = read_signed(value)
    signer = signed.signer if is_truthy(signed.signer) else owner
    if signer != owner and not is_certificate(signed.certificate):
        raise NotVerified("signed by somebody else, without a certificate")
    text = verified_text(_texts(soul, key, signed.value, state), signed.signature, signer)
    return SignedValue(_value_in(text, signed.value), signed.signature, signed.certificate, signer)


def _value_in(text: bytes, value: Any) -> Any:
    """C{value}, but of numbers only what was signed."""
    if value is None or isinstance(value, (bool, str)):
        return value
    return from_json_text(text)[":"]


def content_hash(value: Any) -> str:
    """
    The address of content: the SHA-256 of text as it is or of other values' JSON, as base64.

    @raise BadData: if JSON can't say it.
    """
    return base64(digest(plain_text(value)))


def is_content(key: str, value: Any) -> bool:
    """
    Whether C{value} may stand under C{key} in a soul with C{#} in it: what follows the last C{#} of the key
    must be its L{content_hash}, or the same as 64 hexadecimal digits.
    """
    name = key.rpartition("#")[2]
    try:
        found = content_hash(value)
    except BadData:
        return False
    return name == found or (_HEX.match(name) is not None and base64(bytes.fromhex(name)) == found)
