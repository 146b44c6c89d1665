"""
Puts that are no graph.
"""

from __future__ import annotations

import json
from typing import Any

from gunnet.testing import put
from tests.hostile.kinds import (
    COMPLAINT,
    INVALID,
    NOW,
    SOUL,
    STATE,
    Kind,
    Making,
    text,
)

PROTOTYPE = (
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "valueOf",
    "hasOwnProperty",
    "__defineGetter__",
    "big",
)


NOT_JSON = f"DAM JSON parse error.{COMPLAINT}"


def node(meta: Any, **values: Any) -> dict[str, Any]:
    """A put of one node in C{room}, with any C{_}."""
    return {"#": "evil", "put": {"room": {"_": meta, **values}}}


def states() -> list[Kind]:
    """States that are none."""
    make = Making(put("honest", "room", {"x": 1}, STATE), answer=INVALID, soul="room", key="x")
    for name, state in {
        "text": str(STATE),
        "empty text": "",
        "true": True,
        "false": False,
        "null": None,
        "list": [STATE],
        "object": {"x": STATE},
        "date": "2026-01-01",
        "1e308": 1e308,
        "a day and more ahead": NOW + 86_460_000,
        "year 9999": 253370764800000,
        "2^63": 2**63,
        "400 digits": 10**400,
        "Infinity as text": "Infinity",
        "NaN as text": "NaN",
        "-Infinity as text": "-Infinity",
    }.items():
        if name == "400 digits":
            make.say(name, text(put("evil", "room", {"x": 1}, 5)).replace('"x":5', '"x":' + "9" * 400))
        else:
            make.add(name, 1, state=state)
    plain = text(put("evil", "room", {"x": 1}, 5))
    for name, raw in {"1e999": "1e999", "-1e999": "-1e999"}.items():
        make.say(name, plain.replace('"x":5', f'"x":{raw}'))
    for name, raw in {
        "NaN": "NaN",
        "Infinity": "Infinity",
        "undefined": "undefined",
        "hexadecimal": "0x5",
        "leading zero": "05",
        "plus": "+5",
        "dot": "5.",
        "nothing": "",
    }.items():
        make.say(name, plain.replace('"x":5', f'"x":{raw}'), answer=NOT_JSON)
    return make.kinds


def metas() -> list[Kind]:
    """C{_} that is none, or of another node."""
    make = Making(put("honest", "room", {"x": 1}, STATE), answer=INVALID)
    good = {"x": STATE}
    make.say("missing", {"#": "evil", "put": {"room": {"x": 1}}})
    for name, meta in {
        "null": None,
        "true": True,
        "text": "room",
        "number": 5,
        "list": ["room", good],
        "empty": {},
        "no soul": {">": good},
        "no states": {"#": "room"},
        "other soul": {"#": "moor", ">": good},
        "soul is a number": {"#": 5, ">": good},
        "soul is null": {"#": None, ">": good},
        "soul is a list": {"#": ["room"], ">": good},
        "soul is an object": {"#": {"#": "room"}, ">": good},
        "soul empty": {"#": "", ">": good},
        "soul of a user": {"#": SOUL, ">": good},
        "soul in capitals": {"#": "ROOM", ">": good},
        "soul with NUL": {"#": "room\0", ">": good},
        "states null": {"#": "room", ">": None},
        "states a list": {"#": "room", ">": [STATE]},
        "states a number": {"#": "room", ">": STATE},
        "states text": {"#": "room", ">": "x"},
        "states empty": {"#": "room", ">": {}},
        "state of another key": {"#": "room", ">": {"y": STATE}},
        "state in __proto__": {"#": "room", ">": {"__proto__": good}},
    }.items():
        make.say(name, node(meta, x=1))
    make.say("a key without state", node({"#": "room", ">": good}, x=1, y=2))
    for name, value in {
        "null": None,
        "text": "x",
        "number": 5,
        "true": True,
        "list": [1],
        "empty": {},
        "empty list": [],
    }.items():
        make.say(f"node: {name}", {"#": "evil", "put": {"room": value}})
    make.say("empty soul", put("evil", "", {"x": 1}, STATE))
    make.say("empty key", put("evil", "room", {"": 1}, STATE))
    for name in PROTOTYPE:
        make.say(
            f"soul {name} of another",
            {"#": "evil", "put": {name: {"_": {"#": "room", ">": good}, "x": 1}}},
            twin=put("honest", name, {"x": 1}, STATE),
        )
        make.say(
            f"key {name} without state",
            node({"#": "room", ">": good}, x=1, **{name: 5}),
            twin=put("honest", "room", {name: 5}, STATE),
        )
    return make.kinds


def values() -> list[Kind]:
    """Values that no graph can hold."""
    make = Making(put("honest", "room", {"x": 1}, STATE), answer=INVALID, soul="room", key="x")
    for name, value in {
        "empty list": [],
        "list": [1],
        "list of lists": [[]],
        "empty object": {},
        "object": {"a": 1},
        "link to nothing": {"#": ""},
        "link to a number": {"#": 5},
        "link to null": {"#": None},
        "link to true": {"#": True},
        "link to a list": {"#": ["room"]},
        "link to a link": {"#": {"#": "room"}},
        "link with more": {"#": "room", "x": 1},
        "link with _": {"_": {"#": "room"}, "#": "room"},
        "node": {"_": {"#": "room", ">": {}}},
        "link twice over": [{"#": "room"}],
        "__proto__": {"__proto__": {"#": "room"}},
        "nested 90": json.loads("[" * 90 + "]" * 90),
        "lex": {"*": "x"},
        "list of states": [STATE, 1],
    }.items():
        make.add(name, value)
    plain = text(put("evil", "room", {"x": 5}, STATE))
    for name, raw in {"1e999": "1e999", "-1e999": "-1e999", "400 digits": "9" * 400}.items():
        make.say(name, plain.replace('"x":5', f'"x":{raw}'))
    for name, raw in {
        "NaN": "NaN",
        "undefined": "undefined",
        "Infinity": "Infinity",
        "single quotes": "'a'",
        "raw line feed": '"a\nb"',
        "raw NUL": '"\0"',
        "bad escape": '"\\x41"',
        "half an escape": '"\\u00"',
        "nothing": "",
        "two": "1 2",
        "function": "function(){}",
        "comment": "/*x*/1",
        "nested 200": "[" * 200 + "]" * 200,
        "open 200": "[" * 200,
    }.items():
        make.say(name, plain.replace('"x":5', f'"x":{raw}'), answer=NOT_JSON)
    return make.kinds


FAMILIES = {
    "state": states,
    "meta": metas,
    "value": values,
}
