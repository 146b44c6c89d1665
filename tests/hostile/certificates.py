"""
Certificates that are none, or do not allow it.
"""

from __future__ import annotations

import json
from typing import Any

from gunnet import sea
from gunnet.sea.certificates import EXPIRED, NOT_ALLOWED
from gunnet.sea.firewall import UNVERIFIED, WRONG_ACCOUNT
from gunnet.testing import put
from tests.hostile.kinds import (
    ACCOUNT,
    ALICE,
    BOB,
    EVE,
    INBOX,
    KEY,
    NOW,
    STATE,
    Kind,
    Making,
    fields_of,
    honest,
    sign,
    text,
)

GOOD = sea.certify(BOB, {"*": "inbox"}, ALICE)


def by_bob(
    certificate: Any = GOOD,
    *,
    soul: str = INBOX,
    key: str = KEY,
    state: float = STATE,
    by: sea.Pair = BOB,
    **fields: Any,
) -> str:
    """What Bob puts into Alice's graph, with any certificate."""
    signed = fields_of(sign(by=by, soul=soul, key=key, state=state))
    permission = (
        json.loads(certificate[3:])
        if isinstance(certificate, str) and certificate[:4] == "SEA{"
        else certificate
    )
    return text({**signed, "+": permission, "*": by.pub, **fields})


def terms(**other: Any) -> str:
    """A certificate of any terms, well signed."""
    fields = {"c": BOB.pub, "w": {"*": "inbox"}, **other}
    return sea.sign({name: fields[name] for name in sorted(fields) if fields[name] is not MISSING}, ALICE)


MISSING = object()


def certificate_forms() -> list[Kind]:
    """C{+} that is none."""
    make = Making(honest(by_bob(), soul=INBOX), soul=INBOX)
    good = json.loads(GOOD[3:])
    for name, value in {
        "missing": text({**fields_of(sign(by=BOB, soul=INBOX)), "*": BOB.pub}),
        "null": by_bob(None),
        "true": by_bob(True),
        "1": by_bob(1),
        "empty text": by_bob(""),
        "text": by_bob("inbox"),
        "as text": by_bob(None, **{"+": GOOD}),
        "list": by_bob([good]),
        "empty list": by_bob([]),
        "empty": by_bob({}),
        "no signature": by_bob({"m": good["m"]}),
        "no terms": by_bob({"s": good["s"]}),
        "terms null": by_bob({"m": None, "s": good["s"]}),
        "signature empty": by_bob({"m": good["m"], "s": ""}),
        "without the signer": text({**fields_of(sign(by=BOB, soul=INBOX)), "+": good}),
        "signed by another": by_bob(**{"~": fields_of(sign(by=EVE, soul=INBOX))["~"]}),
        "signer blank": by_bob(**{"*": " "}),
        "signed by the owner as Bob": by_bob(**{"~": fields_of(sign(soul=INBOX))["~"]}),
    }.items():
        make.add(name, value)
    make.answer = NOT_ALLOWED
    for name, permission in {
        "signature is a number": {**good, "s": 5},
        "signature is a list": {**good, "s": [5]},
        "signature is true": {**good, "s": True},
        "signature cut": {**good, "s": good["s"][:-4]},
        "signature of the value": {**good, "s": fields_of(sign())["~"]},
        "terms are 5": json.loads(sea.sign(5, ALICE)[3:]),
        "terms are text": json.loads(sea.sign("inbox", ALICE)[3:]),
        "terms are a list": json.loads(sea.sign([good["m"]], ALICE)[3:]),
        "terms changed: who": {**good, "m": {**good["m"], "c": "*"}},
        "terms changed: where": {**good, "m": {**good["m"], "w": {"*": ""}}},
        "terms changed: until": {**good, "m": {**good["m"], "e": NOW * 2}},
        "terms changed: more": {**good, "m": {**good["m"], "x": 1}},
        "[object Object]": {**good, "s": json.loads(sea.sign("[object Object]", ALICE)[3:])["s"]},
    }.items():
        make.add(name, by_bob(permission))
    return make.kinds


def certificate_terms() -> list[Kind]:
    """Certificates that allow something else."""
    make = Making(honest(by_bob(), soul=INBOX), soul=INBOX, answer=NOT_ALLOWED)
    for name, certificate in {
        "by the writer": sea.certify(BOB, {"*": "inbox"}, BOB),
        "by a stranger": sea.certify(BOB, {"*": "inbox"}, EVE),
        "for another": sea.certify(EVE, {"*": "inbox"}, ALICE),
        "for others": sea.certify([EVE, ALICE], {"*": "inbox"}, ALICE),
        "other path": sea.certify(BOB, {"*": "outbox"}, ALICE),
        "exactly the node": sea.certify(BOB, "inbox", ALICE),
        "longer path": sea.certify(BOB, {"*": "inbox/note1/x"}, ALICE),
        "in capitals": sea.certify(BOB, {"*": "INBOX"}, ALICE),
        "to read": sea.certify(BOB, {"read": {"*": "inbox"}}, ALICE),
        "other key": sea.certify(BOB, {"#": {"*": "inbox"}, ".": "note2"}, ALICE),
        "other key, any path": sea.certify(BOB, {".": "note2"}, ALICE),
        "key, other path": sea.certify(BOB, {"#": "outbox", ".": KEY}, ALICE),
        "range before": sea.certify(BOB, {">": "inboy"}, ALICE),
        "range after": sea.certify(BOB, {"<": "inbow"}, ALICE),
        "with the owner's slash": sea.certify(BOB, {"*": "/inbox"}, ALICE),
        "with the soul": sea.certify(BOB, {"*": INBOX}, ALICE),
    }.items():
        make.add(name, by_bob(certificate))
    return make.kinds


def certificate_policies() -> list[Kind]:
    """Certificates with terms that are none."""
    make = Making(honest(by_bob(), soul=INBOX), soul=INBOX, answer=NOT_ALLOWED)
    for name, policy in {
        "number": 5,
        "true": True,
        "null": None,
        "empty list": [],
        "empty": {},
        "list of lists": [[{"*": "inbox"}]],
        "number for a prefix": {"*": 5},
        "null for a prefix": {"*": None},
        "list for a prefix": {"*": ["inbox"]},
        "list of numbers": [1, 2],
        "nested": {"#": {"#": {"*": "inbox"}}},
        "missing": MISSING,
        "prototype": {"__proto__": {"*": "inbox"}},
        "empty text": "",
        "other mark": {"?": "inbox"},
    }.items():
        make.add(f"policy: {name}", by_bob(terms(w=policy)))
    for name, certificants in {
        "number": 5,
        "true": True,
        "null": None,
        "empty": {},
        "empty list": [],
        "numbers": [5, None],
        "object": {"pub": BOB.pub},
        "lists": [[BOB.pub]],
        "missing": MISSING,
        "empty text": "",
        "capitals": BOB.pub.upper(),
        "beginning": BOB.pub[:43],
        "account": f"~{BOB.pub}",
        "more": BOB.pub + " ",
    }.items():
        make.add(f"who: {name}", by_bob(terms(c=certificants)))
    make.answer = EXPIRED
    for name, expiry in {
        "before": STATE - 1,
        "half before": STATE - 0.5,
        "as text": str(STATE - 1),
        "text and more": f" {STATE - 1} years",
        "0": 0,
        "negative": -1e300,
        "text 0": "0",
    }.items():
        make.add(f"until: {name}", by_bob(terms(e=expiry)))
    return make.kinds


def certificate_use() -> list[Kind]:
    """A good certificate, used for what it is not for."""
    make = Making(honest(by_bob(), soul=INBOX), soul=INBOX, answer=NOT_ALLOWED)
    for name, soul, key in (
        ("account", ACCOUNT, KEY),
        ("auth", ACCOUNT, "auth"),
        ("alias", ACCOUNT, "alias"),
        ("epub", ACCOUNT, "epub"),
        ("other node", f"{ACCOUNT}/outbox", KEY),
        ("above", f"{ACCOUNT}/x/inbox", KEY),
        ("other separator", f"{ACCOUNT}.inbox", KEY),
        ("no-break space", f"{ACCOUNT}/\xa0inbox", KEY),
        ("confusable", f"{ACCOUNT}/\u0456nbox", KEY),
        ("two slashes", f"{ACCOUNT}//inbox", KEY),
    ):
        make.add(name, by_bob(soul=soul, key=key), soul=soul, key=key)
    make.add("account's key", by_bob(soul=ACCOUNT, key="pub"), soul=ACCOUNT, key="pub", answer=WRONG_ACCOUNT)
    eves = f"~{EVE.pub}/inbox"
    make.add("somebody else's graph", by_bob(soul=eves), soul=eves)
    make.add("another writer", by_bob(by=EVE))
    signed = by_bob()
    for name, other in (
        ("key", {"key": "note2"}),
        ("state", {"state": STATE + 1}),
        ("soul", {"soul": f"{INBOX}/x"}),
    ):
        make.add(f"replayed: {name}", signed, answer=UNVERIFIED, **other)
    forced = sea.certify("*", {"*": "inbox", "+": "*"}, ALICE)
    make.add(
        "must name the writer",
        by_bob(forced),
        answer=f'Path "inbox" or key "{KEY}" must contain string "{BOB.pub}".',
        twin=honest(by_bob(forced, key=BOB.pub), soul=INBOX, key=BOB.pub),
    )
    make.add(
        "names another",
        by_bob(forced, key=EVE.pub),
        key=EVE.pub,
        answer=f'Path "inbox" or key "{EVE.pub}" must contain string "{BOB.pub}".',
    )
    make.add(
        "names part of the writer",
        by_bob(forced, key=BOB.pub[:-1]),
        key=BOB.pub[:-1],
        answer=f'Path "inbox" or key "{BOB.pub[:-1]}" must contain string "{BOB.pub}".',
    )
    return make.kinds


def blocked_writers() -> list[Kind]:
    """Who has a good certificate, and is blocked by its owner."""
    make = Making(soul=INBOX)
    blocking = sea.certify(BOB, {"*": "inbox"}, ALICE, block="blocked")
    blocked = f"{ACCOUNT}/blocked"
    for name, said, where in (
        ("true", True, blocked),
        ("1", 1, blocked),
        ("by link", True, f"{ACCOUNT}/list"),
    ):
        entry = put("block", where, {BOB.pub: sign(said, soul=where, key=BOB.pub)}, STATE)
        link = put("link", ACCOUNT, {"blocked": sign({"#": where}, soul=ACCOUNT, key="blocked")}, STATE)
        make.add(
            name,
            by_bob(blocking),
            answer=f"Certificant {BOB.pub} blocked.",
            before=(entry, link) if where != blocked else (entry,),
            twin=None,
        )
    return make.kinds


FAMILIES = {
    "certificate's form": certificate_forms,
    "certificate's terms": certificate_terms,
    "certificate's policy": certificate_policies,
    "certificate's use": certificate_use,
    "blocked": blocked_writers,
}
