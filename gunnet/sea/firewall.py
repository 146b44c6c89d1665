"""
The firewall: which values may stand where (gun.js C{sea/index.js}, C{check}).

What a soul says of its owner decides: C{~@} and C{~@alias} hold links that say what their key says, C{~pub}
is its owner's, who signs each value or certifies who may, a soul with C{#} holds what its keys are the hashes
of, and one with C{<?seconds} nothing older. All others are anybody's, unless only signed data is wanted.

L{Firewall.judge} decides what can be at once. For a signature it gives a L{Check}, for L{verify} to be called
with anywhere, also in a thread; L{Firewall.conclude} makes a verdict of what comes of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b

from msgspec import Struct

from gunnet.counters import Counters
from gunnet.graph.expiry import is_expired
from gunnet.graph.node import PutCell, linked_soul
from gunnet.limits import Limits
from gunnet.sea.certificates import Certificate, ReadValue, read_certificate
from gunnet.sea.errors import NotCertified, SEAError
from gunnet.sea.puts import is_content, owner_of, read_signed, verify_value
from gunnet.wire import jstext

UNVERIFIED = "Unverified data."
WRONG_ACCOUNT = "Account not same!"
WRONG_ALIAS = "Alias not same!"
NO_DATA = "Data must exist!"
NO_ALIAS = "Alias must exist!"
WRONG_HASH = "Data hash not same as hash!"
NOT_A_WRITER = "Writer not allowed."
NOT_OWNED = "Soul missing public key at '{key}'."

_DIGEST_BYTES = 16
_OUTCOME_BYTES = 130


class Judgement(Enum):
    """
    What becomes of a value without a word to its sender.

    @cvar ALLOWED: it may stand.
    @cvar EXPIRED: it is too old for its soul, and left out.
    @cvar DROPPED: the operator does not want it, nor its sender to know.
    """

    ALLOWED = "allowed"
    EXPIRED = "expired"
    DROPPED = "dropped"


class Check(Struct, frozen=True):
    """
    A signature that is to be verified.

    @ivar value: the value as it stands in the graph.
    @ivar owner: the public key in the soul.
    @ivar name: what L{verify} makes of it depends on nothing that has another name.
    """

    soul: str
    key: str
    state: float
    value: str
    owner: str
    name: bytes


@dataclass(frozen=True, slots=True)
class Permitted:
    """
    A value signed by somebody with a certificate that allows it, unless the owner has blocked C{signer}
    since.
    """

    certificate: Certificate
    signer: str


Verdict = Judgement | str
"""What becomes of a value; text is the C{err} for its sender."""

Outcome = Judgement | str | Permitted
"""What comes of a L{Check}."""


def verify(check: Check) -> Outcome:
    """Do the work of a L{Check}. It may be kept: nothing else is looked at, no clock and no graph."""
    try:
        signed = verify_value(check.soul, check.key, check.value, check.state, check.owner)
        if signed.signer == check.owner:
            return Judgement.ALLOWED
        certificate = read_certificate(signed.certificate, check.owner)
        certificate.check_terms(signed.signer, check.soul, check.key, check.state)
        return Permitted(certificate, signed.signer) if certificate.blocks else Judgement.ALLOWED
    except NotCertified as error:
        return str(error)
    except SEAError:
        return UNVERIFIED


@dataclass(frozen=True)
class Rules:
    """
    What an operator asks for.

    @ivar signed_only: whether souls that nobody owns are refused (C{--require-signed}; C{secure} in gun.js).
    @ivar writers: the public keys that may write, and then nobody else may; L{None} for all.
    """

    signed_only: bool = False
    writers: Collection[str] | None = None


class Firewall:
    """
    Applies the rules, and remembers what was verified lately.

    @ivar rules: those that are not the same for all relays.
    """

    def __init__(self, limits: Limits, counters: Counters, rules: Rules) -> None:
        self._limits = limits
        self._counters = counters
        self.rules = rules
        self._young: dict[bytes, Outcome] = {}
        self._old: dict[bytes, Outcome] = {}

    def __len__(self) -> int:
        """How many outcomes are remembered."""
        return len(self._young) + len(self._old)

    @property
    def memory_bytes(self) -> int:
        """Roughly what they take."""
        return _OUTCOME_BYTES * len(self)

    def concerns(self, soul: str) -> bool:
        """Whether there are rules for what may stand in C{soul}."""
        if "~" in soul or "#" in soul or "<?" in soul:
            return True
        return self.rules.signed_only or self.rules.writers is not None

    def judge(self, cell: PutCell, now: float) -> Outcome | Check:
        """
        Judge one value of a put, in the order of gun.js's own tests.

        @param now: milliseconds since 1970.
        """
        soul, key, state, value = cell
        if is_expired(soul, state, now):
            return Judgement.EXPIRED
        if soul.startswith("~@"):
            return self._judge_alias(soul, key, value)
        owner = owner_of(soul)
        if owner is not None:
            return self._judge_owned(soul, key, state, value, owner)
        if self.rules.writers is not None:
            return NOT_A_WRITER
        if "#" in soul:
            return Judgement.ALLOWED if is_content(key, jstext.parse(value)) else WRONG_HASH
        return NOT_OWNED.format(key=key) if self.rules.signed_only else Judgement.ALLOWED

    def _judge_alias(self, soul: str, key: str, value: bytes) -> Verdict:
        """C{~@} has a link to each C{~@alias}, and these have one to each account."""
        if value in (b"null", b"false", b"0", b'""'):
            return NO_DATA if soul == "~@" else NO_ALIAS
        if linked_soul(value) != (f"~@{key}" if soul == "~@" else key):
            return WRONG_ALIAS
        if self.rules.writers is not None and soul != "~@" and owner_of(key) not in self.rules.writers:
            return NOT_A_WRITER
        return Judgement.ALLOWED

    def _judge_owned(self, soul: str, key: str, state: float, value: bytes, owner: str) -> Outcome | Check:
        if key == "pub" and soul == f"~{owner}":
            if value != jstext.string(owner):
                return WRONG_ACCOUNT
            return (
                NOT_A_WRITER
                if self.rules.writers is not None and owner not in self.rules.writers
                else Judgement.ALLOWED
            )
        if not value.startswith(b'"'):
            return UNVERIFIED
        text = str(jstext.parse(value))
        if self.rules.writers is not None and not self._is_by_writer(text, owner):
            return NOT_A_WRITER
        name = _name(soul, key, state, value)
        outcome = self._young.get(name)
        if outcome is None:
            outcome = self._old.pop(name, None)
            if outcome is None:
                return Check(soul, key, state, text, owner, name)
            self._remember(name, outcome)
        self._counters.count("verifications_known")
        return outcome

    def _is_by_writer(self, value: str, owner: str) -> bool:
        """Whether C{value} claims to be signed by one who may write."""
        try:
            signer = read_signed(value).signer
        except SEAError:
            return False
        return isinstance(signer or owner, str) and (signer or owner) in (self.rules.writers or ())

    def learn(self, check: Check, outcome: Outcome) -> None:
        """Remember what came of C{check}."""
        self._remember(check.name, outcome)

    def _remember(self, name: bytes, outcome: Outcome) -> None:
        self._young[name] = outcome
        if len(self._young) >= self._limits.verified // 2:
            self._counters.count("verified_evicted", len(self._old))
            self._old, self._young = self._young, {}

    def conclude(self, outcome: Outcome, read: ReadValue) -> Verdict:
        """
        Whether a value may stand of which this came.

        @param read: gives what is stored, for a list of blocked writers.
        """
        if not isinstance(outcome, Permitted):
            return outcome
        try:
            outcome.certificate.check_block(outcome.signer, read)
        except NotCertified as error:
            return str(error)
        return Judgement.ALLOWED


def _name(soul: str, key: str, state: float, value: bytes) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for text in (repr(state), soul, key):
        written = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(written))
        digest.update(written)
    digest.update(value)
    return digest.digest()
