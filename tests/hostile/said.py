"""
Forged values in messages of all forms, with good ones among them, and too much of something.
"""

from __future__ import annotations

import json

from gunnet import sea
from gunnet.limits import Limits
from gunnet.sea.firewall import UNVERIFIED, WRONG_HASH
from gunnet.testing import put
from tests.hostile.kinds import (
    ACCOUNT,
    ANSWERED,
    COMPLAINT,
    EVE,
    INVALID,
    KEY,
    NOW,
    OK,
    SILENCE,
    SOUL,
    STATE,
    VALUE,
    Kind,
    Making,
    honest,
    sign,
    text,
)
from tests.hostile.shapes import NOT_JSON

TOO_BIG = f"Message too big!{COMPLAINT}"
FORGED = sign(by=EVE)


def sizes() -> list[Kind]:
    """Too much of something."""
    make = Making(put("honest", "room", {"x": 1}, STATE), answer=INVALID)
    make.say("soul", put("evil", "s" * 5_000, {"x": 1}, STATE))
    make.say("soul, in bytes", put("evil", "é" * 2_100, {"x": 1}, STATE))
    make.say("soul of a user", put("evil", SOUL + "s" * 5_000, {KEY: sign(soul=SOUL + "s" * 5_000)}, STATE))
    make.say("key", put("evil", "room", {"k" * 5_000: 1}, STATE))
    make.say("key of a user", put("evil", SOUL, {"k" * 5_000: sign(key="k" * 5_000)}, STATE))
    make.say(
        "properties",
        put("evil", "room", {f"k{number}": 1 for number in range(51)}, STATE),
        limits=Limits(put_cells=50),
    )
    make.say(
        "message",
        put("evil", "room", {"x": "v" * 3_000}, STATE),
        limits=Limits(message_bytes=2_000),
        answer=TOO_BIG,
    )
    make.say(
        "depth",
        {
            "#": "evil",
            "put": {"room": {"_": {"#": "room", ">": {"x": STATE}}, "x": 1}},
            "y": json.loads("[" * 101 + "]" * 101),
        },
        answer=NOT_JSON,
    )
    make.say(
        "depth of the put", {"#": "evil", "put": json.loads('{"a":' * 101 + "1" + "}" * 101)}, answer=NOT_JSON
    )
    make.say(
        "value of a user", put("evil", SOUL, {KEY: "x" * 1_000_000}, STATE), twin=None, answer=UNVERIFIED
    )
    make.say(
        "waiting to be stored",
        put("evil", "room", {"x": "v" * 3_000}, STATE),
        limits=Limits(pending_bytes=1_000),
        answer="Error: The relay is busy, too much is waiting to be stored.",
    )
    make.say(
        "waiting for their state",
        put("evil", "room", {"x": "v"}, NOW + 60_000),
        limits=Limits(deferred_cells=0),
        answer="Error: Too many writes wait for a future state.",
    )
    return make.kinds


def fields() -> list[Kind]:
    """A forged value in messages that say something else too."""
    make = Making(honest())
    evil = put("evil", SOUL, {KEY: FORGED}, STATE)
    for name, other in {
        "answer to nothing": {"@": "nobody asked"},
        "answer to itself": {"@": "evil"},
        "answer to a number": {"@": 5},
        "answer to a list": {"@": []},
        "answer to an object": {"@": {}},
        "answer to null": {"@": None},
        "answer at length": {"@": "x" * 500},
        "hash": {"##": 123},
        "hash as text": {"##": "123"},
        "hash is true": {"##": True},
        "hash is an object": {"##": {}},
        "hash and answer": {"##": 123, "@": "nobody asked"},
        "told to all": {"><": "subscriber,relay,honest"},
        "told is a number": {"><": 5},
        "told is a list": {"><": ["relay"]},
        "told at length": {"><": "a," * 5_000},
        "private": {"NTS": True},
        "private too": {"nts": 1},
        "ok true": {"ok": True},
        "ok 9": {"ok": {"@": 9, "/": 3}},
        "ok many": {"ok": {"@": 1e300, "/": -1}},
        "ok negative": {"ok": {"@": -5}},
        "ok text": {"ok": "yes"},
        "ok list": {"ok": [1]},
        "ok rtc": {"ok": {"rtc": {"id": "x"}}},
        "ok null": {"ok": None},
        "err": {"err": "no"},
        "get too": {"get": {"#": SOUL}},
        "get of all": {"get": {}},
        "opt": {"opt": {"cert": "SEA{}"}},
        "unknown fields": {"FOO": 1, "__proto__": {"ok": True}},
        "internals": {"_": {"verified": True}, "$": {}, "DBG": {"c": 1}},
        "of a relay": {"dam": None, "pid": "relay", "gunnet": 1},
    }.items():
        make.say(name, {**evil, **other})
    for name, id_ in {
        "number": 5,
        "null": None,
        "list": ["evil"],
        "object": {},
        "true": True,
        "empty": "",
        "long": "i" * 200,
    }.items():
        make.say(f"id: {name}", {**evil, "#": id_})
    return make.kinds


def frames() -> list[Kind]:
    """A forged value in frames of all forms, and messages that have other forms."""
    make = Making(honest())
    evil = put("evil", SOUL, {KEY: FORGED}, STATE)
    make.say("no id", {"put": evil["put"]})
    make.say("in a batch", [evil])
    make.say("as text in a batch", [text(evil)])
    make.say("in a batch of nonsense", [None, 5, "x", [], evil, {}])
    make.say("twice in a batch", [evil, {**evil, "#": "evil2"}], answer=(UNVERIFIED, UNVERIFIED))
    make.say("twice with one id", [evil, evil])
    make.say("again", evil, {**evil, "#": "evil2"}, answer=(UNVERIFIED, UNVERIFIED))
    make.say("put twice", text(evil).replace('"put"', '"put":{},"put"', 1))
    make.say(
        "node twice",
        text(evil)
        .replace('{"put":{', '{"put":{', 1)
        .replace(f'"put":{{{text(SOUL)}:', f'"put":{{{text(SOUL)}:5,{text(SOUL)}:', 1),
    )
    make.say(
        "value twice",
        text(put("evil", SOUL, {KEY: "@@"}, STATE)).replace(
            '"@@"', f"{text(sign())},{text(KEY)}:{text(FORGED)}"
        ),
    )
    make.say("key escaped", text(evil).replace(f'"{KEY}"', '"\\u006eote1"'))
    make.say("a control message", {**evil, "dam": "x"}, answer=SILENCE)
    make.say("a control message, rtc", {**evil, "dam": "rtc"}, answer=SILENCE)
    make.say("a hello", {**evil, "dam": "?", "pid": "evil"}, answer=SILENCE)
    for name, said in {
        "null": None,
        "text": "x",
        "number": 5,
        "list": [evil["put"]],
        "true": True,
        "empty list": [],
    }.items():
        make.say(f"put is {name}", {"#": "evil", "put": said}, answer=INVALID)
    make.say(
        "put of one property",
        {"#": "evil", "put": {"#": SOUL, ".": KEY, ":": VALUE, ">": STATE}},
        answer=INVALID,
    )
    make.say("put as text", {"#": "evil", "put": text(evil["put"])}, answer=INVALID)
    return make.kinds


def answers() -> list[Kind]:
    """Forged answers, and what is cut."""
    make = Making(honest())
    evil = put("evil", SOUL, {KEY: FORGED}, STATE)
    make.say("frame cut", text(evil)[:-9], answer=NOT_JSON)
    make.say("frame cut in a batch", text([evil])[:-9], answer=NOT_JSON)
    make.say("after a greeting", {"#": "q", "dam": "hi"}, evil)
    make.say("answer to a question", {**evil, "@": ANSWERED}, asked=SOUL)
    make.say("answer to a question, with its hash", {**evil, "@": ANSWERED, "##": 5}, asked=SOUL)
    make.say(
        "answer to a question, invalid",
        {**put("evil", SOUL, {KEY: []}, STATE), "@": ANSWERED},
        asked=SOUL,
        answer=INVALID,
    )
    make.say(
        "answer to a question, of something else",
        {**put("evil", f"{ACCOUNT}/x", {KEY: FORGED}, STATE), "@": ANSWERED},
        asked=SOUL,
    )
    return make.kinds


def mixed() -> list[Kind]:
    """Good cells with a bad one among them: they stand, it does not."""
    make = Making()
    good = {"a": sign("a", key="a"), "z": sign("z", key="z")}
    names = ((SOUL, "a"), (SOUL, "z"))
    for name, keys in {
        "first": (KEY, "a", "z"),
        "in the middle": ("a", KEY, "z"),
        "last": ("a", "z", KEY),
    }.items():
        for kind, bad in {"forged": FORGED, "not signed": 5, "null": None}.items():
            values_ = {**good, KEY: bad}
            make.say(
                f"{name}, {kind}", put("evil", SOUL, {key: values_[key] for key in keys}, STATE), good=names
            )
    evil = put("evil", SOUL, {KEY: FORGED}, STATE)["put"]
    room = put("evil", "room", {"x": 1}, STATE)["put"]
    for name, both in {"and anybody's": {**evil, **room}, "after anybody's": {**room, **evil}}.items():
        make.say(name, {"#": "evil", "put": both}, good=(("room", "x"),))
        make.say(f"{name}, as an answer", {"#": "evil", "@": "nobody", "put": both}, good=(("room", "x"),))
        make.say(f"{name}, with a hash", {"#": "evil", "##": 5, "put": both}, good=(("room", "x"),))
    content = put("evil", "#", {"x": 1}, STATE)["put"]
    make.say(
        "of two reasons",
        {"#": "evil", "put": {**evil, **room, **content}},
        good=(("room", "x"),),
        answer=(UNVERIFIED, WRONG_HASH),
    )
    make.say(
        "two of one reason",
        {"#": "evil", "put": {**put("", SOUL, {KEY: FORGED, "b": 5}, STATE)["put"], **room}},
        good=(("room", "x"),),
    )
    return make.kinds


def mixed_nodes() -> list[Kind]:
    """Good nodes with a bad one among them."""
    make = Making()
    evil = put("evil", SOUL, {KEY: FORGED}, STATE)["put"]
    room = put("evil", "room", {"x": 1}, STATE)["put"]
    old = put("evil", "chat<?60", {"x": 1}, NOW - 99_000)["put"]
    make.say("too old", {"#": "evil", "put": {**old, **room}}, good=(("room", "x"),), answer=OK)
    make.say("too old and forged", {"#": "evil", "put": {**old, **evil, **room}}, good=(("room", "x"),))
    make.say(
        "of two owners",
        {
            "#": "evil",
            "put": {
                **evil,
                **put("", f"~{EVE.pub}", {"x": sign(by=EVE, soul=f"~{EVE.pub}", key="x")}, STATE)["put"],
            },
        },
        good=((f"~{EVE.pub}", "x"),),
    )
    make.say(
        "in a batch",
        [put("g1", "room", {"x": 1}, STATE), {"#": "evil", "put": evil}, put("g2", "room", {"y": 2}, STATE)],
        good=(("room", "x"), ("room", "y")),
        answer=(OK, UNVERIFIED, OK),
    )
    make.say(
        "invalid, all of it",
        {"#": "evil", "put": {**room, "hall": {"_": {"#": "hall", ">": {"x": 5}}, "x": []}}},
        answer=INVALID,
    )
    make.say(
        "invalid and signed",
        {
            "#": "evil",
            "put": {
                **put("", SOUL, {"a": sign("a", key="a")}, STATE)["put"],
                "hall": {"_": {"#": "moor", ">": {}}},
            },
        },
        answer=INVALID,
    )
    account = put("evil", ACCOUNT, {"pub": EVE.pub, "name": sign("alice", soul=ACCOUNT, key="name")}, STATE)
    make.say("account", account, good=((ACCOUNT, "name"),), answer="Account not same!")
    name = sea.content_hash("x")
    make.say(
        "contents", put("evil", "#", {name: "x", "y": "x"}, STATE), good=(("#", name),), answer=WRONG_HASH
    )
    make.say(
        "future",
        {"#": "evil", "put": {**evil, **put("", "hall", {"x": 1}, NOW + 500)["put"]}},
        good=(("hall", "x"),),
    )
    return make.kinds


FAMILIES = {
    "size": sizes,
    "message": fields,
    "frame": frames,
    "answer": answers,
    "mixed": mixed,
    "mixed nodes": mixed_nodes,
}
