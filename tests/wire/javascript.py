"""
What JavaScript does, told slowly: the models that the tests hold the code against, recorded figures of
gun.js, and values to try.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors.json").read_text("utf-8"))
"""What npm gun@0.2020.1241 answered under Node 20 (see its C{about} entries)."""

checked = settings(deadline=None, derandomize=True, max_examples=150)
"""How the tests run Hypothesis: the same examples each time, without a clock."""

HARD_CHARACTERS = (
    'ab_A09"\\/~ {}[]:,#\x00\x01\x08\x0a\x1b\x1f\x7f\x80\xe9\u2028\ud7ff\ud800\udbff\udc00\udfff'
    "\ue000\ufeff\uffff\U00010000\U0001f600\U0010ffff"
)

INTEGERS = (
    st.integers()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1])
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
FINITE = (
    FLOATS | st.integers(-(2**70), 2**70).map(float) | st.integers(-(10**6), 10**6).map(lambda n: n / 1000)
)


def joined(text: str) -> str:
    """C{text} as JSON gives it: a high and a low surrogate side by side are one character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def texts(min_size: int = 0, max_size: int = 12) -> st.SearchStrategy[str]:
    """Any text that JSON can give, lone surrogates included, with much of what is hard."""
    letters = st.sampled_from(HARD_CHARACTERS) | st.characters()
    return (
        st.text(letters, min_size=min_size, max_size=max_size)
        .map(joined)
        .filter(lambda s: len(s) >= min_size)
    )


def json_values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Any JSON value."""
    scalars = st.none() | st.booleans() | INTEGERS | FLOATS | texts()
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(), inner, max_size=4),
        max_leaves=max_leaves,
    )


def units(text: str) -> bytes:
    """Bytes that sort as JavaScript sorts C{text}."""
    return text.encode("utf-16-be", "surrogatepass")


def number_text(value: float) -> str:
    """ECMA-262, Number::toString, step by step."""
    if value == 0:
        return "0"
    if value < 0:
        return "-" + number_text(-value)
    _, figures, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, figures))
    k = len(digits)
    n = int(exponent) + k
    if k <= n <= 21:
        return digits + "0" * (n - k)
    if 0 < n <= 21:
        return digits[:n] + "." + digits[n:]
    if -6 < n <= 0:
        return "0." + "0" * -n + digits
    power = f"e+{n - 1}" if n > 0 else f"e-{1 - n}"
    return digits[0] + ("." + digits[1:] if k > 1 else "") + power


def string_text(text: str) -> str:
    """ECMA-262, QuoteJSONString."""
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
    pieces = []
    for letter in joined(text):
        if letter in short:
            pieces.append(short[letter])
        elif letter < " " or "\ud800" <= letter <= "\udfff":
            pieces.append(f"\\u{ord(letter):04x}")
        else:
            pieces.append(letter)
    return '"' + "".join(pieces) + '"'


def json_text(value: Any, *, sort: bool = False) -> str:
    """What C{JSON.stringify} makes of a value, with names in order if C{sort}."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, (int, float)):
        return number_text(float(value))
    if isinstance(value, list):
        return "[" + ",".join(json_text(item, sort=sort) for item in value) + "]"
    names = sorted(value, key=units) if sort else list(value)
    return "{" + ",".join(string_text(name) + ":" + json_text(value[name], sort=sort) for name in names) + "}"


def hash_of(text: str) -> int:
    """GUN's C{String.hash}, a unit at a time."""
    total = 0
    wide = units(text)
    for at in range(0, len(wide), 2):
        total = ((total << 5) - total + wide[at] * 256 + wide[at + 1]) & 0xFFFFFFFF
    return total - 2**32 if total >= 2**31 else total


def from_units(codes: list[int]) -> str:
    """The text of some UTF-16 code units."""
    return b"".join(code.to_bytes(2, "big") for code in codes).decode("utf-16-be", "surrogatepass")


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same to JavaScript, where 1 is 1.0 but not True."""
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if type(left) in (int, float) and type(right) in (int, float):
        return float(left) == float(right)
    return type(left) is type(right) and bool(left == right)
