"""
Certificates: what an owner allows others to write in the own graph (gun.js C{sea/certify.js},
C{sea/index.js}).

A certificate is signed data of these fields: C{c} who, C{e} until which state, C{w} and C{r} which paths may
be written and read, C{wb} and C{rb} where to look for those that are blocked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gunnet.graph.match import is_truthy, matches
from gunnet.sea.errors import BadData, NotCertified, NotVerified, SEAError
from gunnet.sea.keys import Keys, Pair
from gunnet.sea.puts import SignedValue, owner_of, unpacked, verify_value
from gunnet.sea.signatures import sign, verify
from gunnet.sea.text import from_json_text, json_text

ReadValue = Callable[[str, str], Any]
"""Gives what is stored at (soul, key) as it is stored, L{None} if there is nothing."""

NOT_ALLOWED = "Certificate verification fail."
EXPIRED = "Certificate expired."

_LEX_MARKS = ("+", "#", ".", "=", "*", ">", "<")
_NUMBER = re.compile(r"\s*([+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))", re.ASCII)


def certify(
    certificants: Any, policy: Any, authority: Keys, *, expiry: float | None = None, block: Any = None
) -> str:
    """
    Allow others to write in one's own graph.

    Its names are in order at every depth, so that browsers and relays of gun.js read the same text.

    @param certificants: C{*} for anybody, a public key, a pair, or a list of them.
    @param policy: which paths below C{~pub/} may be written: text for exactly that one, a LEX, or a list of
        these. A LEX may name soul (C{#}) and key (C{.}) apart; with C{"+": "*"} path or key must have the
        writer's public key in it. C{{"read":…, "write":…}} sets both policies.
    @param authority: whose graph it is.
    @param expiry: the last state that may be written, milliseconds since 1970. The writer says the state!
    @param block: below C{~pub}, the node that has C{{public key: True}} of those that may not write any more;
        or C{{"read":…, "write":…}}.
    @return: C{SEA} and the JSON C{{"m":…, "s":…}}.
    @raise BadData: if there are no certificants or there is no policy.
    @raise BadKey: if the pair is none.
    """
    read, write = _policies(policy)
    read_block, write_block = _blocks(block)
    terms: dict[str, Any] = {"c": _certificants(certificants)}
    if expiry is not None:
        if type(expiry) not in (int, float):
            raise BadData("an expiry that is no number")
        terms["e"] = expiry
    for name, value in (("r", read), ("rb", read_block), ("w", write), ("wb", write_block)):
        if value is not None:
            terms[name] = value
    return sign(from_json_text(json_text(terms, sort=True)), authority)


def _certificants(given: Any) -> str | list[str]:
    each = given if isinstance(given, list) else [given]
    names = [item.pub if isinstance(item, Pair) else _pub_in(item) for item in each]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise BadData("no certificants")
    if any(name == "*" for name in names) or (not isinstance(given, list) and "*" in names[0]):
        return "*"
    return names[0] if len(names) == 1 else names


def _pub_in(item: Any) -> Any:
    return item.get("pub") if isinstance(item, Mapping) else item


def _policies(policy: Any) -> tuple[Any, Any]:
    read = write = None
    if isinstance(policy, dict):
        read, write = policy.get("read") or None, policy.get("write") or None
        if write is None and any(policy.get(mark) for mark in _LEX_MARKS):
            write = policy
    elif isinstance(policy, (str, list)) and policy:
        write = policy
    if read is None and write is None:
        raise BadData("no policy")
    return read, write


def _blocks(block: Any) -> tuple[Any, Any]:
    if isinstance(block, str) or block is None:
        return None, block or None
    if not isinstance(block, dict) or not (block.get("read") or block.get("write")):
        raise BadData("not a block")
    return block.get("read") or None, block.get("write") or None


@dataclass(frozen=True, slots=True)
class Certificate:
    """
    A certificate whose signature was verified.

    @ivar owner: who gave it.
    @ivar terms: what was signed.
    """

    owner: str
    terms: dict[str, Any]

    def check(self, signer: str, soul: str, key: str, state: float, read: ReadValue) -> None:
        """
        Whether C{signer} may write (soul, key) with this state.

        @param read: as for L{check_block}.
        @raise NotCertified: if not.
        """
        self.check_terms(signer, soul, key, state)
        self.check_block(signer, read)

    @property
    def blocks(self) -> bool:
        """Whether the owner may keep a list of blocked writers."""
        return is_truthy(self.terms.get("wb"))

    def check_terms(self, signer: str, soul: str, key: str, state: float) -> None:
        """
        Whether C{signer} may write (soul, key) with this state, unless the owner blocks it.

        The first policy that fits decides. Of a policy with both C{#} and C{.} both must fit (in gun.js C{.}
        counts for nothing then).

        @raise NotCertified: if not.
        """
        expiry = _as_number(self.terms.get("e"))
        if expiry is not None and state > expiry:
            raise NotCertified(EXPIRED)
        if not self._is_for(signer):
            raise NotCertified(NOT_ALLOWED)
        path = soul.partition("/")[2]
        policies = self.terms.get("w")
        for lex in policies if isinstance(policies, list) else [policies]:
            if _fits(lex, path, key):
                self._check_names(lex, path, key, signer)
                return
        raise NotCertified(NOT_ALLOWED)

    def _is_for(self, signer: str) -> bool:
        certificants = self.terms.get("c")
        if isinstance(certificants, list):
            return any(name in ("*", signer) for name in certificants if isinstance(name, str))
        return isinstance(certificants, str) and (certificants == signer or "*" in certificants)

    def _check_names(self, lex: Any, path: str, key: str, signer: str) -> None:
        forced = lex.get("+") if isinstance(lex, dict) else None
        if (
            isinstance(forced, (str, list))
            and "*" in forced
            and path
            and signer not in path
            and signer not in key
        ):
            raise NotCertified(f'Path "{path}" or key "{key}" must contain string "{signer}".')

    def check_block(self, signer: str, read: ReadValue) -> None:
        """
        Whether the owner has not blocked C{signer}.

        @param read: asked for at most two values, where the owner keeps a list of blocked writers; what is
            not there blocks nobody.
        @raise NotCertified: if so.
        """
        block = self.terms.get("wb")
        if isinstance(block, dict):
            soul = block.get("#")
        elif isinstance(block, str) and block and not block.startswith("~"):
            soul = _link(read(f"~{self.owner}", block)) or f"~{self.owner}/{block}"
        else:
            soul = block
        if isinstance(soul, str) and soul:
            blocked = unpacked(read(soul, signer))
            if blocked is True or (type(blocked) in (int, float) and blocked == 1):
                raise NotCertified(f"Certificant {signer} blocked.")


def _link(value: Any) -> str | None:
    plain = unpacked(value)
    soul = plain.get("#") if isinstance(plain, dict) else None
    return soul if isinstance(soul, str) else None


def _fits(lex: Any, path: str, key: str) -> bool:
    full = f"{path}/{key}" if path else key
    if not isinstance(lex, dict):
        return matches(full, lex)
    soul_lex, key_lex = lex.get("#"), lex.get(".")
    if is_truthy(soul_lex) and is_truthy(key_lex):
        return matches(path, soul_lex) and matches(key, key_lex)
    if is_truthy(soul_lex):
        return matches(path, soul_lex) or matches(full, soul_lex)
    if is_truthy(key_lex):
        return matches(key, key_lex) or matches(full, lex)
    return matches(full, lex)


def _as_number(value: Any) -> Any:
    """C{value} as C{parseFloat} reads it; L{None} if that is no number."""
    if type(value) in (int, float):
        return value if -math.inf < value < math.inf else None
    match = _NUMBER.match(value) if isinstance(value, str) else None
    return float(match[1]) if match else None


def read_certificate(certificate: Any, owner: str) -> Certificate:
    """
    Verify a certificate's signature. What comes of it depends on nothing else, and may be kept.

    @param certificate: text, or the object that C{+} of a signed value is.
    @raise NotCertified: if it is none, or not given by C{owner}.
    """
    try:
        terms = verify(certificate, owner)
    except SEAError:
        raise NotCertified(NOT_ALLOWED) from None
    if not isinstance(terms, dict):
        raise NotCertified(NOT_ALLOWED)
    return Certificate(owner, terms)


def verify_put(soul: str, key: str, value: Any, state: float, read: ReadValue) -> SignedValue:
    """
    Whether a value may stand in a user's graph: signed by the owner, or by somebody with a certificate of the
    owner that allows it.

    The property C{pub} of an account is not signed, but equals its owner's key.

    @param read: as for L{Certificate.check}.
    @raise NotVerified: if it is not signed, or has no owner.
    @raise NotCertified: if a certificate is needed and this one does not do.
    @raise BadKey: if a key is none.
    """
    owner = owner_of(soul) if isinstance(soul, str) else None
    if owner is None:
        raise NotVerified("no soul of a user")
    if key == "pub" and soul == f"~{owner}":
        if value != owner:
            raise NotVerified("not the owner's key")
        return SignedValue(owner, None, signer=owner)
    signed = verify_value(soul, key, value, state, owner)
    if signed.signer != owner:
        read_certificate(signed.certificate, owner).check(signed.signer, soul, key, state, read)
    return signed


def nothing_stored(_soul: str, _key: str) -> None:
    """A L{ReadValue} for who has no graph: nobody is blocked."""
