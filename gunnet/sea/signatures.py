"""
Who said it: signatures (gun.js C{sea/sign.js}, C{sea/verify.js}).

Signed is text: text itself, anything else as JSON. ECDSA on P-256 with SHA-256 is done over the SHA-256 of
that text, so it is hashed twice. JSON has its names as they came in browsers, in order on relays of gun.js,
which therefore disagree about some objects; here either counts. What gun.js also believes, of data from
before 2019, is left out: C{docs/security.md}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from gunnet.graph.match import is_truthy
from gunnet.sea.errors import BadData, NotVerified
from gunnet.sea.keys import Keys, Pair, key_of, private_key, public_key
from gunnet.sea.text import base64, digest, from_base64, from_json_text, json_text, parsed, plain_text

_ECDSA = ec.ECDSA(SHA256())


def sign(data: Any, pair: Keys) -> str:
    """
    Sign data. Two signatures of the same are not the same: the library draws a number for each.

    @param data: any JSON. Text that is JSON is taken for what it says. What is signed by the pair already
        stays as it is.
    @return: C{SEA} and the JSON C{{"m": data, "s": signature}}.
    @raise BadData: if JSON can't say it.
    @raise BadKey: if the pair is none.
    """
    keys = Pair.of(pair)
    message = parsed(data)
    if isinstance(message, dict) and is_truthy(message.get("s")) and is_truthy(message.get("m")):
        try:
            verify(message, keys.pub)
        except NotVerified:
            pass
        else:
            return "SEA" + _written(message)
    signature = sign_text(plain_text(message), keys)
    return "SEA" + _written({"m": message, "s": signature})


def _written(value: Any) -> str:
    return json_text(value).decode("utf-8")


def sign_text(text: bytes, pair: Keys) -> str:
    """
    The signature of a text, 64 bytes as base64.

    @raise BadKey: if the pair is none.
    """
    keys = Pair.of(pair)
    r, s = utils.decode_dss_signature(private_key(keys.priv, keys.pub).sign(digest(text), _ECDSA))
    return base64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def verify(data: Any, pub: str | Keys) -> Any:
    """
    What was signed.

    @param data: C{SEA} and the JSON C{{"m":…, "s":…}}, the same without C{SEA}, or the object.
    @param pub: whose signature it must be: the public key, or a pair.
    @return: the data: of C{m} that is text and JSON, what it says. Of numbers no more is given than was
        signed, which is what a double holds.
    @raise NotVerified: if it is not signed by that key, or nothing signed at all.
    @raise BadKey: if the key is none.
    """
    key = key_of(pub, "pub")
    signed = parsed(data)
    if not isinstance(signed, dict) or "m" not in signed:
        raise NotVerified("nothing signed")
    message = signed["m"]
    text = verified_text(_texts(message), signed.get("s"), key)
    return parsed(message) if isinstance(message, str) else from_json_text(text)


def _texts(message: Any) -> Iterator[bytes]:
    """The texts that may have been signed for a message."""
    yield plain_text(message)
    if isinstance(message, (dict, list)):
        yield json_text(message, sort=True)


def verified_text(texts: Iterable[bytes], signature: Any, pub: str) -> bytes:
    """
    The first of some texts that C{signature} is of.

    @param texts: made as they are needed; one that is the same as the one before it costs nothing.
    @raise NotVerified: if it is of none, or there is one that JSON can't say.
    @raise BadKey: if C{pub} is no key.
    """
    key = public_key(pub)
    tried = None
    try:
        raw = from_base64(signature)
        for text in texts:
            if text != tried and is_signature(raw, text, key):
                return text
            tried = text
    except BadData as error:
        raise NotVerified(str(error)) from None
    raise NotVerified("not signed by that key")


def is_signature(signature: bytes, text: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    """
    Whether C{signature} is one of C{text}: the one expensive step, which may be done in any thread.

    @param signature: r and s, 64 bytes; of any other length it is none.
    """
    if len(signature) != 64:
        return False
    try:
        key.verify(as_der(signature), digest(text), _ECDSA)
    except InvalidSignature:
        return False
    return True


def as_der(signature: bytes) -> bytes:
    """
    r and s the way the library wants them: what its own C{encode_dss_signature} gives, without the way
    through two numbers.

    @param signature: 64 bytes.
    """
    r, s = _der_integer(signature[:32]), _der_integer(signature[32:])
    return b"\x30%c%b%b" % (len(r) + len(s), r, s)


def _der_integer(digits: bytes) -> bytes:
    bare = digits.lstrip(b"\0")
    if not bare or bare[0] > 0x7F:
        bare = b"\0" + bare
    return b"\x02%c%b" % (len(bare), bare)
