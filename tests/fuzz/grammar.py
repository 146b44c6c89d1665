"""
Messages out of choices: mostly such as make sense, with signatures that are good now and then.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from gunnet import sea
from tests.fuzz.choices import Choices
from tests.hostile.kinds import ACCOUNT, ALICE, BOB, EVE, INBOX, KEY, NOW, SOUL, text

PAIRS = (ALICE, BOB, EVE)
BLOCKED = f"{ACCOUNT}/blocked"
CONTENT = sea.content_hash("hello")
SOULS = (
    *("room", SOUL, INBOX, ACCOUNT, f"~{BOB.pub}", f"~{EVE.pub}/x", BLOCKED, "~@alice", "~@", "#", "a#b"),
    *(
        "chat<?60",
        f"{ACCOUNT}/chat<?60",
        "chat<?-3",
        f"x~{ALICE.pub}",
        "a~b.c",
        "~~",
        "hall",
        "__proto__",
        "s\ud800",
    ),
    *("😀", "\x1b", f"~{ALICE.pub}~{BOB.pub}", f"{ACCOUNT}\0", ""),
)
KEYS = (
    *(
        KEY,
        "x",
        "pub",
        "alias",
        "blocked",
        ACCOUNT,
        f"~{EVE.pub}",
        BOB.pub,
        EVE.pub,
        CONTENT,
        f"a#{CONTENT}",
        "alice",
        "1",
        "10",
    ),
    *("__proto__", "\ud800", "z\x1b", "_", "", "constructor"),
)
VALUES: tuple[Any, ...] = (
    *(
        "hello",
        1,
        True,
        None,
        2.5,
        False,
        0,
        "",
        ALICE.pub,
        EVE.pub,
        {"#": ACCOUNT},
        {"#": "~@alice"},
        {"#": BLOCKED},
        {"#": "room"},
    ),
    *("\ud83d", "é😀", {"#": ""}, [], {"a": 1}, "SEA{}", "{}", '{":":1,"~":"x"}', 1e300),
)
OFFSETS = (0, -1, -1000, -2000, -0.5, -61_000, 400, 5_000, 50_000, 90_000_000)
ODD_STATES: tuple[Any, ...] = (0, -1, 1, 1e308, "5", None, True, [])
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    "",
    "a",
    [],
    {},
    "room",
    "x" * 130,
    1e300,
    [[]],
    {"#": "room"},
    "\ud800",
)
LEX: tuple[Any, ...] = (
    "x",
    KEY,
    {"*": ""},
    {"*": "1"},
    {">": "a", "<": "z", "-": 1},
    {},
    {"=": "x"},
    {"*": 5},
    5,
)
GETS: tuple[Any, ...] = (
    *SOULS,
    {"*": ""},
    {"*": "~"},
    {"=": "room"},
    {">": "a", "<": "s"},
    {"*": "r", "-": 1},
    5,
    None,
)
DAMS: tuple[Any, ...] = (
    *(
        "?",
        "hi",
        "!",
        "mob",
        "opt",
        "rtc",
        "relay",
        "relay",
        "sync",
        "sync",
        "off",
        "over",
        "wanted",
        5,
        None,
    ),
)
RANGES: tuple[Any, ...] = (
    *([[None, 0, "A" * 22]], [[None, 5, "B" * 22]], [[None, []]], [[None]], [["room"], [None, 1, "C" * 22]]),
    *(
        [["room", []], [None]],
        [[["room", "x"]], [None, ["room", ["x", NOW, "D" * 22]]]],
        [],
        [["z"], ["a"]],
        5,
    ),
)
NEEDED: tuple[Any, ...] = (["room", ["x"]], [ACCOUNT, [KEY, "pub"]], [], ["room"], [5, 5], [SOUL, [KEY]])
TIES: tuple[Any, ...] = (
    ["room", ["x", NOW, '"hello"']],
    [SOUL, [KEY, NOW - 1000, '"{']],
    [],
    ["room", ["x"]],
)


@lru_cache(4096)
def certificate(number: int) -> Any:
    """One of some certificates, not all of them good."""
    policy = (
        {"*": "inbox"},
        {"#": {"*": "inbox"}, ".": {"*": "n"}},
        {"<": "z"},
        {"+": "*", "*": "inbox"},
        "inbox/note1",
    )[number % 5]
    who = (BOB, "*", [BOB, EVE], EVE)[number // 5 % 4]
    owner = (ALICE, ALICE, BOB, EVE)[number // 20 % 4]
    expiry = (None, NOW + 30_000, NOW - 5_000)[number // 80 % 3]
    block = (None, "blocked", {"write": BLOCKED})[number // 240 % 3]
    return json.loads(sea.certify(who, policy, owner, expiry=expiry, block=block)[3:])


@lru_cache(20_000)
def signed(signer: int, soul: str, key: str, value: str, state: float, permission: int | None) -> str | None:
    """A signed value; C{None} where there can be none."""
    pair = PAIRS[signer]
    try:
        fields = json.loads(sea.sign_value(soul, key, json.loads(value), state, pair))
    except sea.SEAError:
        return None
    if permission is not None:
        fields |= {"+": certificate(permission), "*": pair.pub}
    return text(fields)


class Grammar:
    """
    Makes messages.

    @ivar ids: of messages that were said lately.
    @ivar stood: cells that were accepted lately.
    @ivar told: the last messages of the relay.
    """

    def __init__(self) -> None:
        self.stood: list[tuple[str, str, float, bytes]] = []
        self.told: list[dict[str, Any]] = []
        self.ids: list[str] = [f"m{number}" for number in range(8)]

    def state(self, choices: Choices, now: float) -> Any:
        """Mostly a state of about now."""
        return choices.of(ODD_STATES) if choices.one_in(12) else now + choices.of(OFFSETS)

    def value(self, choices: Choices, soul: str, key: str, state: Any) -> Any:
        """A value, signed or not, and if so perhaps for somewhere else."""
        value = choices.of(VALUES)
        how = choices.below(8)
        if how < 3 or type(state) not in (int, float):
            return value
        if isinstance(value, (list, dict)) and not sea.puts._is_value(value):
            return value
        if how == 7:
            soul, key = choices.of(SOULS), choices.of(KEYS)
        permission = choices.byte() | (choices.byte() & 3) << 8 if how >= 5 else None
        made = signed(choices.below(3), soul, key, text(value), state, permission)
        if made is not None and choices.one_in(8):
            at = choices.byte() % len(made)
            made = made[:at] + choices.of('"{}:x0\\') + made[at + 1 :]
        return value if made is None else made

    def node(self, choices: Choices, soul: str, now: float) -> Any:
        """A node, seldom an odd one."""
        values: dict[str, Any] = {}
        states: dict[str, Any] = {}
        for _ in range(1 + choices.below(3)):
            key = choices.of(KEYS)
            states[key] = self.state(choices, now)
            values[key] = self.value(choices, soul, key, states[key])
        if choices.one_in(30):
            states.popitem()
        meta: Any = {"#": soul if not choices.one_in(30) else choices.of(SOULS), ">": states}
        return {"_": meta, **values} if not choices.one_in(40) else choices.of(ODD)

    def again(self, choices: Choices) -> Any:
        """What stood some time ago, perhaps at another place or time."""
        soul, key, state, value = choices.of(self.stood)
        how = choices.below(4)
        state += choices.of(OFFSETS) if how == 1 else 0
        soul = choices.of(SOULS) if how == 2 else soul
        key = choices.of(KEYS) if how == 3 else key
        return {soul: {"_": {"#": soul, ">": {key: state}}, key: json.loads(value)}}

    def get(self, choices: Choices) -> Any:
        """A question."""
        asked: dict[str, Any] = {"#": choices.of(GETS)}
        if choices.one_in(2):
            asked["."] = choices.of(LEX)
        if choices.one_in(4):
            asked["%"] = choices.of((1, 20, 1000, "50", -1, 1e300))
        return asked

    def verb(self, choices: Choices) -> dict[str, Any]:
        """A control message, such as gunnet relays say them."""
        verb = choices.of(DAMS)
        said: dict[str, Any] = {"dam": verb}
        if verb == "?":
            said["pid"] = choices.of(("p1", "p2", None, 5))
        elif verb == "relay":
            said |= {
                "sync": 1,
                "bridge": choices.one_in(2),
                "full": choices.one_in(4),
                "peers": choices.of(([], ["wss://b.example/gun"], 5)),
            }
            said |= {choices.of(("token", "proof", "pid", "bridged", "x")): choices.of(ODD)}
        elif verb == "sync":
            said |= {"sync": 1, "ranges": choices.of(RANGES)}
            for name, values in (("need", NEEDED), ("ties", TIES), ("sent", (0, 5, -1)), ("@", self.ids)):
                if choices.one_in(3):
                    said[name] = choices.of(values)
            if choices.one_in(6):
                said[choices.of(("err", "wait", "equal", "sync", "ranges"))] = choices.of(ODD)
        elif verb in ("off", "over", "wanted"):
            said |= {
                "get": self.get(choices),
                choices.of(("by", "wanted", "@")): choices.of((*ODD, *self.ids)),
            }
        return said

    def message(self, choices: Choices, now: float) -> dict[str, Any]:
        """A message of any kind."""
        said: dict[str, Any] = {"#": f"m{choices.below(200)}"}
        kind = choices.below(10)
        if kind == 4 and self.stood:
            said["put"] = self.again(choices)
        elif kind < 5:
            said["put"] = {
                soul: self.node(choices, soul, now)
                for soul in [choices.of(SOULS) for _ in range(1 + choices.below(2))]
            }
        elif kind < 7:
            said["get"] = self.get(choices)
        elif kind < 8:
            said |= self.verb(choices)
        elif kind < 9 and self.told:
            # What the relay said, perhaps to somebody else, perhaps changed.
            said = {**choices.of(self.told), **(said if choices.one_in(2) else {})}
            if choices.one_in(3):
                said[choices.of(sorted(said))] = choices.of(ODD)
        else:
            said["@"] = choices.of(self.ids)
            said[choices.of(("ok", "err", "##", "put", "x"))] = choices.of(
                (True, 5, {"": 1}, None, "no", {"rtc": {}})
            )
        extra = choices.byte()
        for bit, name, values in (
            (1, "@", self.ids),
            (2, "##", (5, "5", -7, 1.5, True, {})),
            (4, "ok", (True, {"@": 9, "/": 2}, {"rtc": {}}, 5)),
            (8, "><", ("p1,p2", 5, "a")),
            (16, choices.of(("_", "$", "DBG", "NTS", "nts", "FOO", "%")), ODD),
            (32, choices.of(("#", "@", "put", "get", "dam", "##", "ok", "pid")), ODD),
        ):
            # Most messages have none of these.
            if extra & bit and extra & 128:
                said[name] = choices.of(values)
        return said
