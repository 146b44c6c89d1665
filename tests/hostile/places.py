"""
What may not stand where nobody signs.
"""

from __future__ import annotations

import hashlib
from typing import Any

from gunnet import sea
from gunnet.sea.firewall import NO_ALIAS, NO_DATA, UNVERIFIED, WRONG_ACCOUNT, WRONG_ALIAS, WRONG_HASH
from gunnet.testing import put
from tests.hostile.kinds import (
    ACCOUNT,
    ALICE,
    EVE,
    INVALID,
    KEY,
    NOW,
    OK,
    STATE,
    VALUE,
    Kind,
    Making,
    sign,
    text,
)


def aliases() -> list[Kind]:
    """C{~@} and C{~@alias}."""
    make = Making(
        put("honest", "~@alice", {ACCOUNT: {"#": ACCOUNT}}, STATE),
        soul="~@alice",
        key=ACCOUNT,
        answer=WRONG_ALIAS,
    )
    for name, value in {
        "text": "alice",
        "its own name as text": ACCOUNT,
        "number": 5,
        "true": True,
        "another account": {"#": f"~{EVE.pub}"},
        "link without ~": {"#": ALICE.pub},
        "below": {"#": f"{ACCOUNT}/x"},
        "alias": {"#": "~@alice"},
        "space after": {"#": ACCOUNT + " "},
        "JSON of the link": text({"#": ACCOUNT}),
        "signed": sign({"#": ACCOUNT}, soul="~@alice", key=ACCOUNT),
    }.items():
        make.add(name, value)
    for name, value in {"null": None, "false": False, "0": 0, "empty text": ""}.items():
        make.add(name, value, answer=NO_ALIAS)
        make.add(f"list: {name}", value, soul="~@", key="alice", answer=NO_DATA)
    for name, value in {
        "link with more": {"#": ACCOUNT, "x": 1},
        "link to a number": {"#": 5},
        "list": [{"#": ACCOUNT}],
    }.items():
        make.add(name, value, answer=INVALID)
    for name, key in {
        "key is another": f"~{EVE.pub}",
        "key without ~": ALICE.pub,
        "key is the alias": "alice",
        "key confusable": ACCOUNT + "\u200b",
        "key NUL": ACCOUNT + "\0",
    }.items():
        make.add(name, {"#": ACCOUNT}, key=key)
    for name, soul in {
        "no name": "~@",
        "name is ~": "~@~",
        "name is an account": f"~@{ACCOUNT}",
        "name __proto__": "~@__proto__",
        "lone surrogate": "~@\ud800",
    }.items():
        make.add(f"{name}: other link", {"#": "room"}, soul=soul)
    make.twin = put("honest", "~@", {"alice": {"#": "~@alice"}}, STATE)
    for name, value in {
        "list: other alias": {"#": "~@eve"},
        "list: account": {"#": ACCOUNT},
        "list: no ~@": {"#": "alice"},
        "list: text": "~@alice",
        "list: true": True,
    }.items():
        make.add(name, value, soul="~@", key="alice")
    return make.kinds


def accounts() -> list[Kind]:
    """C{pub} of an account."""
    make = Making(
        put("honest", ACCOUNT, {"pub": ALICE.pub}, STATE), soul=ACCOUNT, key="pub", answer=WRONG_ACCOUNT
    )
    for name, value in {
        "another's": EVE.pub,
        "null": None,
        "true": True,
        "number": 5,
        "empty text": "",
        "link": {"#": ACCOUNT},
        "with ~": ACCOUNT,
        "space after": ALICE.pub + " ",
        "in capitals": ALICE.pub.upper(),
        "epub": ALICE.epub,
        "half": ALICE.pub[:43],
        "signed": sign(ALICE.pub, soul=ACCOUNT, key="pub"),
        "JSON of it": text(ALICE.pub),
        "escaped": ALICE.pub.replace(".", "\\u002e"),
    }.items():
        make.add(name, value)
    for name, soul, key in (
        ("below", f"{ACCOUNT}/x", "pub"),
        ("slash after", f"{ACCOUNT}/", "pub"),
        ("Pub", ACCOUNT, "Pub"),
        ("something before", f"x{ACCOUNT}", "pub"),
        ("another property", ACCOUNT, "epub"),
        ("expiring", f"{ACCOUNT}<?99999", "pub"),
    ):
        make.add(name, ALICE.pub, soul=soul, key=key, answer=UNVERIFIED)
    return make.kinds


def contents() -> list[Kind]:
    """Souls with C{#}."""
    good = sea.content_hash(VALUE)
    make = Making(put("honest", "#", {good: VALUE}, STATE), soul="#", key=good, answer=WRONG_HASH)
    for name, value in {
        "other value": "hellp",
        "null": None,
        "true": True,
        "number": 5,
        "empty text": "",
        "capitals": "HELLO",
        "space after": "hello ",
        "link": {"#": VALUE},
        "JSON of it": '"hello"',
        "signed": sign(soul="#", key=good),
        "NUL after": "hello\0",
    }.items():
        make.add(f"value: {name}", value)
    return make.kinds


def content_names() -> list[Kind]:
    """Names that are no hash of it."""
    good = sea.content_hash(VALUE)
    make = Making(put("honest", "#", {good: VALUE}, STATE), soul="#", key=good, answer=WRONG_HASH)
    raw = hashlib.sha256(VALUE.encode()).digest()
    named = sea.content_hash("a~~~b?>>")
    for name, key in {
        "none": "x",
        "empty": "#",
        "empty after #": f"{good}#",
        "lower case": good.lower(),
        "swapped case": good.swapcase(),
        "no padding": good.rstrip("="),
        "more padding": good + "=",
        "space after": good + " ",
        "newline after": good + "\n",
        "text after": good + "x",
        "cut": good[:-4],
        "wrong after #": f"{good}#x",
        "hexadecimal, 63": raw.hex()[:63],
        "hexadecimal, 65": raw.hex() + "0",
        "0x": "0x" + raw.hex(),
        "hexadecimal, spaced": raw.hex(" "),
        "hexadecimal, newline": raw.hex() + "\n",
        "hashed twice": sea.content_hash(raw.hex()),
        "SHA-1": hashlib.sha1(VALUE.encode()).hexdigest(),
        "SHA-512": hashlib.sha512(VALUE.encode()).hexdigest(),
        "of JSON": sea.content_hash('"hello"'),
        "full-width": "".join(chr(ord(c) + 0xFEE0) for c in raw.hex()),
        "of other": named,
    }.items():
        make.add(f"name: {name}", VALUE, key=key)
    url = next(
        text_
        for text_ in (f"hello {number}" for number in range(99))
        if set("+/") & set(sea.content_hash(text_))
    )
    name = sea.content_hash(url)
    make.add(
        "name: base64url",
        url,
        key=name.replace("+", "-").replace("/", "_"),
        twin=put("honest", "#", {name: url}, STATE),
    )
    for name, soul in {
        "in a name": "pictures#2026",
        "with NUL": "#\0",
        "of a user's": "user#",
        "with @": "@#~",
        "twice": "##",
    }.items():
        make.add(f"soul: {name}", "other", soul=soul)
    return make.kinds


def expiry() -> list[Kind]:
    """Souls with C{<?}, and what is too old for them. Nobody is told."""
    make = Making(answer=OK)
    for soul, seconds in {
        "chat<?60": 60,
        "chat<?1.5": 1.5,
        "chat<? 2e1": 20,
        "chat<?.5": 0.5,
        "chat<?+3": 3,
        "chat<?60x": 60,
        "chat<?60<?9999999": 60,
        "<?60": 60,
        "chat<?\t60": 60,
        "chat<?6e1e9": 60,
        "chat<?060": 60,
        "chat<?60.": 60,
        "chat#<?60": 60,
        f"{ACCOUNT}/chat<?60": 60,
        "~@alice<?60": 60,
    }.items():
        old = NOW - seconds * 1000 - 2_000
        value: Any = sign(soul=soul, state=old) if soul.startswith(ACCOUNT) else VALUE
        twin = None
        if soul.startswith("chat<"):
            twin = put("honest", soul, {KEY: value}, NOW + 499)
        make.add(text(soul)[1:-1] if len(soul) < 30 else "of a user", value, soul=soul, state=old, twin=twin)
    for seconds_text in ("-3", "-.5", "-1e9"):
        make.add(f"chat<?{seconds_text}", VALUE, soul=f"chat<?{seconds_text}", state=NOW - 1)
        make.add(f"chat<?{seconds_text}, future", VALUE, soul=f"chat<?{seconds_text}", state=NOW + 5_000)
    make.add("state 0", VALUE, soul="chat<?60", state=0)
    make.add("state negative", VALUE, soul="chat<?60", state=-NOW)
    make.add(
        "of a user, forged",
        sign(by=EVE, soul=f"{ACCOUNT}/chat<?60"),
        soul=f"{ACCOUNT}/chat<?60",
        answer=UNVERIFIED,
    )
    return make.kinds


FAMILIES = {
    "alias": aliases,
    "account": accounts,
    "content": contents,
    "content's name": content_names,
    "expiry": expiry,
}
