"""
Good signatures, of something else.
"""

from __future__ import annotations

import math

from gunnet.testing import put
from tests.hostile.kinds import (
    ACCOUNT,
    ALICE,
    EVE,
    KEY,
    SOUL,
    STATE,
    VALUE,
    Kind,
    Making,
    fields_of,
    honest,
    sign,
    signature_of,
    text,
)


def texts() -> list[Kind]:
    """Signed values whose JSON is not what it was."""
    make = Making(honest())
    signed = sign()
    signature = signature_of(signed)
    for cut in range(1, len(signed), 12):
        make.add(f"cut to {cut} characters", signed[:cut])
    other = text({":": "other", "~": signature})
    for name, value in {
        "second value counts": f'{{":":"{VALUE}","~":"{signature}",":":"other"}}',
        "second signature counts": f'{signed[:-1]},"~":"{signature_of(sign("other"))}"}}',
        "second is null": f'{signed[:-1]},"~":null}}',
        "other soul named": text({**fields_of(other), "#": SOUL}),
        "where it was signed for": text(
            {**fields_of(sign(soul=f"{ACCOUNT}/x")), "#": f"{ACCOUNT}/x", ".": KEY, ">": STATE}
        ),
        "in __proto__": text({"__proto__": fields_of(signed)}),
        "in a list": f"[{signed}]",
        "in text": text(signed),
        "in constructor": text({"constructor": {"prototype": fields_of(signed)}}),
        "after SEA": "SEA" + signed,
        "byte order mark": "\ufeff" + signed,
        "NUL after": signed + "\0",
        "comma after": signed[:-1] + ",}",
        "two": signed + signed,
        "comment": signed + "//",
        "single quotes": signed.replace('"', "'"),
        "no quotes": signed.replace('":"', ":", 1),
        "no colon": signed.replace('":":', '"":', 1),
        "full-width colon": signed.replace('":":', '"：":', 1),
        "NaN": f'{{":":NaN,"~":"{signature}"}}',
        "1e999": f'{{":":1e999,"~":"{signature}"}}',
        "5,000 digits": f'{{":":{"9" * 5000},"~":"{signature}"}}',
        "undefined": f'{{":":undefined,"~":"{signature}"}}',
        "nested deeply": f'{{":":{"[" * 50_000}{"]" * 50_000},"~":"{signature}"}}',
        "open brackets": f'{{":":{"[" * 50_000}',
        "raw line feed": f'{{":":"a\nb","~":"{signature}"}}',
        "no-break space around": f"\xa0{signed}\xa0",
    }.items():
        make.add(name, value)
    return make.kinds


def values() -> list[Kind]:
    """A good signature, of another value."""
    make = Making(honest())
    for at in range(len(VALUE)):
        changed = VALUE[:at] + chr(ord(VALUE[at]) ^ 1) + VALUE[at + 1 :]
        make.add(f"character {at} changed", text({":": changed, "~": signature_of(sign())}))
    for name, signed, said in (
        ("text for a number", 5, "5"),
        ("number for text", "5", 5),
        ("text for null", None, "null"),
        ("null for text", "null", None),
        ("text for true", True, "true"),
        ("1 for true", True, 1),
        ("0 for false", False, 0),
        ("0 for null", None, 0),
        ("null for empty text", "", None),
        ("link for its JSON", '{"#":"room"}', {"#": "room"}),
        ("JSON for the link", {"#": "room"}, '{"#":"room"}'),
        ("other link", {"#": "room"}, {"#": "moor"}),
        ("link with more", {"#": "room"}, {"#": "room", "x": 1}),
        ("list of the link", {"#": "room"}, [{"#": "room"}]),
        ("longer", VALUE, VALUE + " "),
        ("NUL after", VALUE, VALUE + "\0"),
        ("upper case", VALUE, VALUE.upper()),
        ("composed otherwise", "é", "e\u0301"),
        ("confusable", "pay", "p\u0430y"),
        ("lone for replaced", "\ufffd", "\ud800"),
        ("replaced for lone", "\ud800", "\ufffd"),
        ("negative", 5, -5),
        ("next double", 0.1, math.nextafter(0.1, 1)),
        ("one more", 2**53, 2**53 + 2),
        ("deleted", VALUE, None),
        ("revived", None, VALUE),
    ):
        make.add(name, text({":": said, "~": signature_of(sign(signed))}), twin=honest(sign(signed)))
    return make.kinds


def souls() -> list[Kind]:
    """What was signed for one soul, put at another."""
    make = Making(honest())
    signed = sign()
    other = EVE.pub
    for name, soul in {
        "account": ACCOUNT,
        "below": f"{SOUL}/x",
        "beside": f"{ACCOUNT}/note",
        "no slash": f"{ACCOUNT}notes"[:88] + " notes",
        "slash after": f"{SOUL}/",
        "two slashes": SOUL.replace("/", "//"),
        "upper case": SOUL.replace("notes", "Notes"),
        "dots": f"{ACCOUNT}/x/../notes",
        "NUL after": f"{SOUL}\0",
        "ESC after": f"{SOUL}\x1b",
        "lone after": f"{SOUL}\ud800",
        "confusable": SOUL.replace("o", "\u043e", 1) if "o" in SOUL[88:] else SOUL + "\u043e",
        "owner after": f"{SOUL}~{other}",
        "of somebody else": f"~{other}/notes",
        "in somebody's": f"~{other}/{SOUL}",
        "something before": f"x{SOUL}",
        "expiring": f"{SOUL}<?99999",
        "hashed": f"{SOUL}#",
        "other parts": f"~{ALICE.pub.split('.')[0]}.{other.split('.')[1]}/notes",
        "parts swapped": f"~{'.'.join(reversed(ALICE.pub.split('.')))}/notes",
        "epub": f"~{ALICE.epub}/notes",
        "key padded": f"~{ALICE.pub}=/notes",
        "key cut": f"~{ALICE.pub[:-1]}/notes",
        "key's case": f"~{ALICE.pub.swapcase()}/notes",
        "no key": "~x.y/notes",
        "key of zeros": f"~{'A' * 43}.{'A' * 43}/notes",
        "key not on the curve": f"~{'B' * 42}A.{'B' * 42}A/notes",
        "empty parts": "~./notes",
        "key in base64": f"~{ALICE.pub.replace('-', '+').replace('_', '/')}+/notes",
    }.items():
        make.add(name, signed, soul=soul)
    return make.kinds


def keys_and_states() -> list[Kind]:
    """What was signed for one key and state, put at another."""
    make = Making(honest())
    signed = sign()
    for name, key in {
        "other": "note2",
        "upper case": KEY.upper(),
        "space after": KEY + " ",
        "NUL after": KEY + "\0",
        "ESC": KEY + "\x1b",
        "lone surrogate": KEY + "\udc00",
        "confusable": KEY.replace("o", "\u043e"),
        "__proto__": "__proto__",
        "pub": "pub",
        "constructor": "constructor",
        "quote": KEY + '","x":"',
        "zero-width": KEY + "\u200b",
        "index": "1",
    }.items():
        make.add(f"key: {name}", signed, key=key)
    for name, state in {
        "later": STATE + 1,
        "earlier": STATE - 1,
        "half later": STATE + 0.5,
        "next double": math.nextafter(STATE, math.inf),
        "double before": math.nextafter(STATE, 0),
        "0": 0,
        "negative": -STATE,
        "1": 1,
        "future": STATE + 60_000,
        "seconds": STATE / 1000,
        "smallest": 5e-324,
        "least": -1.7e308,
        "minus zero": -0.0,
    }.items():
        make.add(f"state: {name}", signed, state=state)
    return make.kinds


def replays() -> list[Kind]:
    """What was good once, said again."""
    older, newer = sign("old"), sign("new", state=STATE + 10)
    stale = put("new", SOUL, {KEY: newer}, STATE + 10)
    make = Making(answer="ok", before=(stale,))
    make.add("older than what stands", older)
    make.add("deleted long ago", sign(None))
    make.add("the same again", newer, state=STATE + 10)
    make.add("greatest value, older", sign("\uffff", state=STATE + 9), state=STATE + 9)
    make.add(
        "stale, state raised",
        older,
        state=STATE + 11,
        answer="Unverified data.",
        twin=honest(sign(state=STATE + 11), state=STATE + 11),
    )
    make.add("new value, state of the old", newer, answer="Unverified data.")
    make.say("id of another's put", {**put("new", SOUL, {KEY: older}, STATE)}, answer="")
    deleted = put("gone", SOUL, {KEY: sign(None, state=STATE + 10)}, STATE + 10)
    make.add("what was deleted", older, before=(deleted,))
    make.add(
        "what was deleted, state raised",
        older,
        state=STATE + 20,
        before=(deleted,),
        answer="Unverified data.",
    )
    return make.kinds


FAMILIES = {
    "signed text": texts,
    "signed value": values,
    "soul": souls,
    "key and state": keys_and_states,
    "replay": replays,
}
