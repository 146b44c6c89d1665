"""
Where our relay says something else than the recorded gun.js relays, per trace of C{tests/frames}, and why.

A key with C{.axe} or C{.noaxe} holds for that trace, one without for both. Each entry begins with the
reason; the lines after it say what is expected, in full: C{-} is what only gun.js said, C{+} what only we
say, then to whom, then C{#id} or C{@id} (C{*}, C{?} and C{[12]} as in file names; C{*} alone is an id of the
relay), fields that the message has, or C{!field} has not, and C{x3} if there are that many. C{closed} stands
for the link having been closed by the relay.

The number before a reason is the section of the protocol notes that it was taken from.

One class of deviation is not listed, for it concerns nearly every trace: a client that did not say C{hi} is
asked back for what it asked for, as it may be one that was cut off and wrote meanwhile (L{tests.mesh.replay}
says what counts as that).
"""

from __future__ import annotations

KNOWN = "13.5: what is known already or older is acknowledged at once, not left to time out"
INVALID = "13.2: an invalid put is refused with err as a whole, not dropped, applied in part or passed on"
ECHO = "16.8: a writer is not sent what it wrote itself"
HIT = "16.4: after an answer of our own, nobody else is asked"
ONCE = "16.4: a question is offered once to each peer, not twice"
SHARED = "16.4: what somebody else has just asked for is asked of nobody again; both get what comes back"
TOLD_HASH = "14.8: a question that goes on after our answer always carries its hash"
ONE_ANSWER = "14.5: one answer from one view, not one from memory and one from disk, nor chunks of nine names"
PER_TURN = "16.2: updates are merged per turn, not per 9 ms"
STALE = "12.6: a write is compared with what is stored, so an older one never wins"
EMPTY = "4.3: a message without content is not passed on"
STRICT = "2.4: JSON is read strictly; broken text is answered with an error and not guessed at"
NO_SOUL = "14.7: a get without a soul is a miss, and nobody is asked"
BUILT_INS = "defect 4: names of JavaScript built-ins are names like others"
IDS = "7.5: an id that is no text, or too long, counts as missing"
PREFIX = "14.6: prefix and range both hold, on the whole name"
FINITE = "12.8: states are finite numbers"
ALWAYS = "14.9: every get is answered"
EXACT = "16.1: a get with LEX subscribes to what it selects, be it souls or a part of a node, and to no more"
LINKED = "16.6: upstreams are dialled at the start, not when something is broadcast"
UPWARD = "16.7: upstreams are told every change, asked for or not"
ONCE_PER_LINK = "16.7: an upstream is asked once per link, and keeps us up to date from then on"
COMPARED = "17: an upstream that is no gunnet relay is asked, once, for each node that we have"
CLAIMED = "17.2: whoever claims the process id of an upstream does not cut the link to it, nor loses its own"
NO_MOB = "18.3: mob is not obeyed"
NO_OPT = "18.4: opt is not obeyed unless the operator says so, and then not answered with ok"

Deviation = tuple[str, ...]

DEVIATIONS: dict[str, list[Deviation]] = {
    "02-put-ack": [(KNOWN, "+ A @put000002 ok", "+ A @put000003 ok")],
    "03-get-hit.noaxe": [(TOLD_HASH, "- A #get000001 get !##", "+ A #get000001 get ##")],
    "04-get-miss.axe": [(HIT, "- A #get000003 get ##")],
    "05-get-property.axe": [(ALWAYS, "+ A @get00001[12] put x2")],
    "06-lex-keys": [
        (ONE_ANSWER, "- A @lex00001[45] put x2"),
        ("14.6: a budget over 100,000 means 100,000", "- A @lex000016 put", "+ A @lex000016 put"),
    ],
    "07-lex-souls": [
        (
            "14.7: souls in a range have their own names",
            "- A @lex00000[456] put x3",
            "+ A @lex00000[456] put x3",
        )
    ],
    "08-subscribe-live.axe": [(PER_TURN, "- B * put ok", "+ B * put ok x3")],
    "09-batch-frames": [(EMPTY, "- B *")],
    "12-malformed-json": [
        (STRICT, "- A @mal00000[13456] x5", "- B #mal00000[13456] get x5", "+ A * dam err x13"),
        (EMPTY, "- B * x6"),
    ],
    "13-invalid-graph": [
        (
            INVALID,
            "+ A @bad0000?? err x18",
            "- A @chk-mix00 put",
            "+ A @chk-mix00 !put",
            "+ B #chk-mix00 get !##",
        ),
        (FINITE, "- A @bad00001[56] ok x2"),
        (FINITE, "- A @chk-s[tn]000 put x4", "+ A @chk-s[tn]000 !put x2"),
        (FINITE, "+ B #chk-s[tn]000 get !## x2"),
        ("13.5: an empty put is acknowledged: all of it is known", "+ A @bad000011 ok"),
    ],
    "13-invalid-graph.noaxe": [
        (INVALID, "- B #bad0000?? put x11"),
        (INVALID, "- B #chk-mix00 get ##", "- B #chk-s[tn]000 get ## x2"),
    ],
    "14-future-state": [("12.7: a deferred write is acknowledged when it is stored", "+ A @fut000001 ok")],
    "14-future-state.axe": [
        (ECHO, "- A * put ok x2"),
        (HIT, "- B #get000002 get ##"),
        (SHARED, "- B #get000001 get"),
    ],
    "15-conflict-tie": [(KNOWN, "+ A @tie00000[238] ok x3")],
    "15-conflict-tie.axe": [(ECHO, "- A * put ok x5"), (HIT, "- B #tieg0000? get ## x9")],
    "15-conflict-tie.noaxe": [
        ("15: what is not news is not passed on", "- B #tie00000[238] put x3"),
    ],
    "16-dup-window": [
        ("7.5: each copy renews the memory of an id", "- A @same00001 !put x2"),
    ],
    "17-hash-dedup-get.noaxe": [(ONE_ANSWER, "- A @get000003 put")],
    "18-chunked-memory-reply": [
        (ONE_ANSWER, "- B @get000001 put % x3", "- B @get000001 put !%", "- B @get000002 put % x2"),
        (ONE_ANSWER, "- B @get000002 put !%"),
    ],
    "18-chunked-memory-reply.axe": [
        (HIT, "- A #get000001 get"),
        ("14.8: who has the hash of a chunk gets the whole, as its hash is another", "+ B @get000002 put !%"),
    ],
    "18-chunked-memory-reply.noaxe": [(TOLD_HASH, "- A #get000001 get !##", "+ A #get000001 get ##")],
    "19-acks-from-others.axe": [
        (ONCE, "- B #subC00001 get", "- C #subB00001 get"),
        (SHARED, "- A #subC00001 get", "- B #subC00001 get"),
    ],
    "22-lex-after-whole-get": [(ALWAYS, "+ A @lex000003 put")],
    "22-lex-after-whole-get.axe": [(ALWAYS, "+ A @lex000002 put"), (ECHO, "- A * put ok")],
    "23-poison-after-get-constructor": [(BUILT_INS, "+ A @put000001 ok")],
    "23-poison-esc": [
        (ONE_ANSWER, "- A @get000001 put"),
        ("defect 41: U+001B is a character like others", "- A @get00000[23] put x2", "+ A @get000002 put"),
        ("defect 41: U+001B is a character like others", "+ A @get000003 !put"),
    ],
    "23-poison-key": [
        (BUILT_INS, "+ A @put000000 ok", "- A @get000000 !put", "+ A @get000000 put"),
        (BUILT_INS, "- A @get000003 put", "+ A @get000003 put", "- A @get000010 put", "+ A @get000010 put"),
        ("defect 42: an empty key and _ are refused", "+ A @put00000[34] err x2"),
        ("defect 42: an empty key and _ are refused", "- A @get000004 put", "+ A @get000004 !put"),
    ],
    "23-poison-soul-__proto__": [
        (
            BUILT_INS,
            "+ A @put000001 ok",
            "- A @get000001 !put",
            "+ A @get000001 put",
            "- B #get000001 get !##",
        ),
    ],
    "23-poison-soul-__proto__.noaxe": [
        (BUILT_INS, "- B #put000001 put", "+ B #put000001 put", "+ B #get000001 get ##"),
    ],
    "23-poison-soul-big": [(BUILT_INS, "+ A @put000001 ok")],
    "23-poison-soul-big.noaxe": [(BUILT_INS, "+ B #put000001 put")],
    "23-poison-soul-constructor": [(BUILT_INS, "+ A @put000001 ok")],
    "23-poison-soul-constructor.noaxe": [(BUILT_INS, "+ B #put000001 put")],
    "23-poison-soul-hasOwnProperty": [(BUILT_INS, "+ A @put000001 ok")],
    "23-poison-soul-hasOwnProperty.noaxe": [(BUILT_INS, "+ B #put000001 put")],
    "23-poison-soul-toString": [(BUILT_INS, "+ A @put000001 ok")],
    "23-poison-soul-toString.noaxe": [(BUILT_INS, "+ B #put000001 put")],
    "24-restart-from-disk": [
        (
            STALE,
            "- A @get00000[34] put x2",
            "+ A @get00000[34] put x2",
            "- A @get000005 put x2",
            "+ A @get000005 put",
        ),
    ],
    "24-restart-from-disk.axe": [(STALE, "- A * put ok")],
    "26-unknown-fields": [(IDS, "- A @LLLLLL* put", "- B #LLLLLL* get ##", "+ A @[*] put")],
    "26-unknown-fields.axe": [
        (ECHO, "- A * put ok"),
        ("4.4: of a message with put and get only the put counts", "- B #pug000001 put get x2"),
        (HIT, "- B * get ## x2"),
        (NO_SOUL, "- A @????????? put x6", "+ A @????????? !put x7", "- B #????????? get x6"),
    ],
    "26-unknown-fields.noaxe": [
        ("3: DBG is not passed on", "- B #put000001 DBG", "+ B #put000001 !DBG"),
        (IDS, "+ B * get ##"),
        (NO_SOUL, "- A @????????? put x6", "+ A @????????? !put x7", "- B #????????? get x7"),
    ],
    "27-disk-error": [
        ("defect 31: err is a short text, once", "- A @put000002 err x2", "+ A @put000002 err"),
        ("13.8: what could not be stored is not served", "- A @get000001 put", "+ A @get000001 put"),
    ],
    "28-answer-without-question.axe": [
        (HIT, "- A #get000009 get ##", "- C #get000009 get ##"),
        ("13.7: news that came as an answer goes to subscribers too", "+ B * put ok x2"),
    ],
    "28-answer-without-question.noaxe": [
        ("13.7: news that came as an answer goes to subscribers too", "+ B * put ok x2"),
    ],
    "30-axe-coalesce": [
        (PER_TURN, "- B * put ok x2", "+ B * put ok x5"),
        (KNOWN, "+ C @fast0000[13] ok x2"),
    ],
    "32-int-keys-hash": [
        (TOLD_HASH, "- G #get000001 get !##", "+ G #get000001 get ##"),
        (KNOWN, "+ G @hsUEJEqDo ok"),
    ],
    "33-browser-localstorage-ack.axe": [(HIT, "- L #get000001 get ##")],
    "34-axe-coalesced-ack": [(PER_TURN, "- B * put ok", "+ B * put ok x2")],
    "37-axe-soul-lex": [(EXACT, "- C * put ok", "+ B * put ok")],
    "38-lex-prefix-and-range": [
        (PREFIX, "- A @lex00000[01] put x2", "+ A @lex000000 put"),
        (PREFIX, "+ A @lex000001 !put", "- A @lex000002 put"),
        (PREFIX, "+ A @lex00000[23] put x2", "- A @lex000003 !put"),
    ],
    "40-real-client-boot.axe": [
        (ECHO, "- G * put ok x3"),
        (HIT, "- G #G7fN7gNN6 get", "- G #8LzylcvMr get ##", "- G #9LLhDTVJ0 get"),
        (KNOWN, "+ G @w1iqrGmWh ok"),
        (ALWAYS, "+ H @9LLhDTVJ0 put"),
    ],
    "40-real-client-boot.noaxe": [
        (TOLD_HASH, "- G #2akhbn6Nw get !##", "- G #4shrEvtZs get !##", "- G #2MuXBFoIO get !##"),
        (TOLD_HASH, "+ G #2akhbn6Nw get ##", "+ G #4shrEvtZs get ##", "+ G #2MuXBFoIO get ##"),
        (KNOWN, "+ G @HcMUmSl2f ok", "+ G @6J71XGNb4 ok"),
        (ALWAYS, "+ H @2MuXBFoIO put"),
    ],
    "41-real-client-reconnect.axe": [(ECHO, "- G * put ok")],
    "42-real-client-lack": [
        (KNOWN, "+ G @9vI8EXq2R ok"),
        ("the peer that wrote this is not in the trace", "- G * put"),
    ],
    "43-user-create-auth.axe": [
        (ECHO, "- G * put ok x3", "- H * put ok x3"),
        (HIT, "- G #Km2ajwiWd get ##", "- G #4lHS40mo2 get", "- G #PoxgqOelu get"),
        (KNOWN, "+ G @Fkvr6WpwT ok"),
    ],
    "43-user-create-auth.noaxe": [
        (TOLD_HASH, "- G #iL69EuuiU get !##", "+ G #iL69EuuiU get ##"),
        (KNOWN, "+ G @TExNZbxj6 ok"),
    ],
    "51-real-client-infinity": [
        (FINITE, "- A @put000001 ok", "+ A @put000001 err"),
        (FINITE, "- A #WrrqRl4fC get ##", "+ A #WrrqRl4fC get !##"),
        (FINITE, "- G @WrrqRl4fC put x2", "+ G @WrrqRl4fC !put"),
    ],
    "60-axe-get-turns": [(HIT, "- P1 #get000003 get ##", "- P3 #get000003 get ##")],
    "61-relay-connects-out.axe": [
        (ECHO, "- A * put ok"),
        (LINKED, "+ UP1 #get000001 get !##"),
        (ONCE_PER_LINK, "- UP1 #get000009 get !##"),
        (UPWARD, "+ UP1 * put ok x2"),
        (COMPARED, "+ UP1 * get !## x2"),
    ],
    "61-relay-connects-out.noaxe": [(COMPARED, "+ UP1 * get !## x2")],
    "62-up-duplicate-A": [(CLAIMED, "- UP1 closed")],
    "62-up-duplicate-z": [(CLAIMED, "- IN closed")],
    "64-dam-opt.axe": [(NO_OPT, "- A @opt000001 dam ok", "- UP1 @OOoBJRQEJ dam pid")],
    "65-rtc-signalling.axe": [(ECHO, "- A * put ok", "- B * put ok"), (HIT, "- B #getA00001 get ##")],
    "67-service-tag": [(NO_MOB, "- A closed")],
    "68-two-relays-chain.axe": [
        (LINKED, "+ A@R1 @putA0000[23] ok x2", "+ B@R2 @putB00001 ok", "+ B@R2 * put ok x2"),
        (LINKED, "- A@R1 @getA00001 put", "+ A@R1 @getA00001 put", "+ B@R2 @getB00001 put"),
        (ECHO, "- A@R1 * put ok", "- B@R2 * put ok"),
    ],
    "68-two-relays-chain.noaxe": [
        (LINKED, "+ A@R1 @putA00001 ok", "+ B@R2 #putA00001 put", "- B@R2 @getB00001 !put"),
    ],
    "68b-two-relays-chain-kicked": [
        (ECHO, "- A@R1 * put ok", "- B@R2 * put ok"),
        (HIT, "- B@R2 #getA00001 get ##"),
    ],
    "71-webrtc-real-clients.axe": [
        (ECHO, "- G * put ok", "- H * put ok"),
        (HIT, "- G #Uuw7dQ3zK get ##", "- G #fM28grPLk get ##"),
        (ALWAYS, "+ G @pnoB9osHK !put"),
        (KNOWN, "+ G @HH7930Jxn ok"),
    ],
    "71-webrtc-real-clients.noaxe": [
        (ONE_ANSWER, "- H @GdQ8mq4IX put"),
        (ALWAYS, "+ G @F0TtU4IAV !put"),
        (KNOWN, "+ G @hQqMGOz0d ok"),
    ],
}

AHEAD_MS = {"14-future-state": 1_500.0}
"""By how much the latest state of a trace is meant to lie in the future when it is first said."""


def of(name: str) -> list[Deviation]:
    """The deviations of one trace."""
    return DEVIATIONS.get(base(name), []) + (DEVIATIONS.get(name, []) if name != base(name) else [])


def base(name: str) -> str:
    """The name of a trace without the mode it was recorded in."""
    return name.removesuffix(".noaxe").removesuffix(".axe")
