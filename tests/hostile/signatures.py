"""
Values that are not signed, not by whom they should be, or not for where they stand.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gunnet import sea
from gunnet.sea.keys import private_key
from gunnet.sea.puts import signed_text
from gunnet.sea.text import digest
from tests.hostile.kinds import (
    ACCOUNT,
    ALICE,
    BOB,
    EVE,
    KEY,
    SOUL,
    STATE,
    VALUE,
    Kind,
    Making,
    fields_of,
    having,
    honest,
    sign,
    signature_of,
    text,
)

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


"""Of the curve P-256."""


def with_signature(signature: Any) -> str:
    """The usual value with any signature."""
    return text({":": VALUE, "~": signature})


def unsigned() -> list[Kind]:
    """Nothing that could be a signature."""
    make = Making(honest())
    signed = sign()
    for name, value in {
        "text": VALUE,
        "empty text": "",
        "number": 5,
        "zero": 0,
        "true": True,
        "false": False,
        "null": None,
        "link": {"#": SOUL},
        "link to the account": {"#": ACCOUNT},
        "JSON null": "null",
        "JSON number": "1",
        "JSON text": '"hello"',
        "JSON list": text([VALUE, signature_of(signed)]),
        "JSON empty": "{}",
        "only a value": text({":": VALUE}),
        "only a signature": text({"~": signature_of(signed)}),
        "other names": text({"m": VALUE, "s": signature_of(signed)}),
        "[object Object]": "[object Object]",
        "of sea.sign": sea.sign(VALUE, ALICE),
        "of sea.sign, JSON": sea.sign({":": VALUE}, ALICE),
        "encrypted": sea.encrypt(VALUE, ALICE),
    }.items():
        make.add(name, value)
    return make.kinds


def types() -> list[Kind]:
    """C{~} that is no text."""
    make = Making(honest())
    raw = b64decode(signature_of(sign()))
    for name, signature in {
        "number": 5,
        "fraction": 1.5,
        "true": True,
        "false": False,
        "null": None,
        "empty text": "",
        "list of bytes": list(raw),
        "list of it": [signature_of(sign())],
        "empty list": [],
        "empty object": {},
        "object of bytes": {str(at): byte for at, byte in enumerate(raw)},
        "object s": {"s": signature_of(sign())},
        "link": {"#": SOUL},
        "huge number": 10**300,
        "huge text": "A" * 200_000,
        "huge list": [0] * 20_000,
        "words": "hello world",
        "number as text": "-5",
    }.items():
        make.add(name, with_signature(signature))
    return make.kinds


def bytes_of() -> list[Kind]:
    """Signatures of wrong numbers and lengths."""
    make = Making(honest())
    raw = b64decode(signature_of(sign()))
    r, s = raw[:32], raw[32:]
    zero, order, full = bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32
    der = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    for name, signature in {
        "r is 0": zero + s,
        "s is 0": r + zero,
        "both are 0": zero + zero,
        "r is the order": order + s,
        "s is the order": r + order,
        "both are the order": order + order,
        "r is above the order": full + s,
        "s is above the order": r + full,
        "both are above": full + full,
        "r is 1": (1).to_bytes(32, "big") + s,
        "swapped": s + r,
        "r twice": r + r,
        "s twice": s + s,
        "r negated": (ORDER - int.from_bytes(r, "big")).to_bytes(32, "big") + s,
        "backwards": raw[::-1],
        "inverted": bytes(255 - byte for byte in raw),
        "DER": der,
        "half": r,
        "63 bytes": raw[:63],
        "65 bytes": raw + b"\0",
        "0 before": b"\0" + raw,
        "twice": raw + raw,
        "recovery byte before": b"\x1b" + raw,
        "4096 bytes": raw * 64,
    }.items():
        make.add(name, with_signature(b64encode(signature).decode("ascii")))
    for at in (0, 1, 15, 31, 32, 33, 47, 62, 63):
        flipped = bytearray(raw)
        flipped[at] ^= 1
        make.add(f"bit flipped in byte {at}", with_signature(b64encode(bytes(flipped)).decode("ascii")))
    return make.kinds


def spelling() -> list[Kind]:
    """Signatures that are no base64, or cut."""
    make = Making(honest())
    signed = having("+/", sign)
    signature = signature_of(signed)
    middle = signature[:40], signature[40:]
    for name, spelt in {
        "base64url": signature.replace("+", "-").replace("/", "_"),
        "hexadecimal": b64decode(signature).hex(),
        "padding in the middle": "=".join(middle),
        "padding thrice": signature + "=",
        "one padding": signature[:-1],
        "padding before": "==" + signature[:-2],
        "vertical tab": "\v".join(middle),
        "NUL": "\0".join(middle),
        "no-break space": "\xa0".join(middle),
        "line separator": "\u2028".join(middle),
        "zero-width space": "\u200b".join(middle),
        "byte order mark": "\ufeff" + signature,
        "lone surrogate": "\ud800".join(middle),
        "percent": signature.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
        "full-width letters": "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in signature),
        "lower case": signature.lower(),
        "upper case": signature.upper(),
        "backwards": signature[::-1],
        "data URL": "data:;base64," + signature,
        "Latin-1 of the bytes": b64decode(signature).decode("latin-1"),
        "UTF-8 of the bytes": b64decode(signature).decode("utf-8", "replace"),
        "base64 twice": b64encode(signature.encode()).decode(),
        "quoted": f'"{signature}"',
    }.items():
        make.add(name, with_signature(spelt))
    for size in (*range(1, 86, 7), 84):
        make.add(f"cut to {size} characters", with_signature(signature[:size]))
    return make.kinds


def signers() -> list[Kind]:
    """Signed well, by who has no say."""
    make = Making(honest())
    by_eve = fields_of(sign(by=EVE))
    for name, fields in {
        "somebody else": by_eve,
        "somebody else, who says so": {**by_eve, "*": EVE.pub},
        "somebody else as the owner": {**by_eve, "*": ALICE.pub},
        "the owner as somebody else": {**fields_of(sign()), "*": EVE.pub},
        "signer is a number": {**by_eve, "*": 5},
        "signer is true": {**by_eve, "*": True},
        "signer is a list": {**by_eve, "*": [EVE.pub]},
        "signer is an object": {**by_eve, "*": {"pub": EVE.pub}},
        "signer is anybody": {**by_eve, "*": "*"},
        "signer is his account": {**by_eve, "*": f"~{EVE.pub}"},
        "signer in capitals": {**by_eve, "*": EVE.pub.upper()},
        "signer's epub": {**by_eve, "*": EVE.epub},
        "signer twice": {**by_eve, "*": EVE.pub + EVE.pub},
        "signer is huge": {**by_eve, "*": EVE.pub * 2000},
        "signer is the soul": {**by_eve, "*": SOUL},
    }.items():
        make.add(name, text(fields))
    return make.kinds


def legacy() -> list[Kind]:
    """What gun.js still believes, and other texts and hashes than the one that is to be signed."""
    make = Making(honest())
    meant = signed_text(SOUL, KEY, VALUE, STATE)
    fields = json.loads(meant)
    for name, said in {
        "[object Object]": "[object Object]",
        "undefined": "undefined",
        "null": "null",
        "empty": " ",
        "value": VALUE,
        "JSON of the value": {":": VALUE},
        "sorted otherwise": dict(reversed(fields.items())),
        "no state": {k: fields[k] for k in "#.:"},
        "no soul": {k: fields[k] for k in ".:>"},
        "no key": {k: fields[k] for k in "#:>"},
        "state as text": {**fields, ">": str(STATE)},
        "more": {**fields, "x": 1},
        "in a list": [fields],
        "with spaces": json.dumps(fields) + " .",
        "text of the text": f"x{meant.decode()}",
    }.items():
        make.add(f"signed {name}", with_signature(json.loads(sea.sign(said, ALICE)[3:])["s"]))
    key = private_key(ALICE.priv, ALICE.pub)
    for name, data, hash_ in (
        ("hashed once", meant, hashes.SHA256()),
        ("hashed thrice", digest(digest(meant)), hashes.SHA256()),
        ("SHA-1", digest(meant), hashes.SHA1()),
        ("SHA-384", digest(meant), hashes.SHA384()),
        ("SHA-512", digest(meant), hashes.SHA512()),
    ):
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hash_)))
        make.add(name, with_signature(b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()))
    objects = json.loads(sea.sign("[object Object]", ALICE)[3:])["s"]
    for name, other in (
        ("by somebody", {"*": EVE.pub}),
        ("by the owner", {"*": ALICE.pub}),
        ("as certificate", {"*": BOB.pub, "+": {"m": {"c": "*", "w": {"*": ""}}, "s": objects}}),
    ):
        make.add(f"[object Object] {name}", text({":": VALUE, "~": objects, **other}))
    return make.kinds


FAMILIES = {
    "not signed": unsigned,
    "signature's type": types,
    "signature's bytes": bytes_of,
    "signature's spelling": spelling,
    "signer": signers,
    "legacy": legacy,
}
