"""
Fuzzing for a while; what it found earlier; and that it finds something.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from gunnet.sea.firewall import Firewall
from tests.fuzz import oracle, target
from tests.fuzz.choices import HEAD, RECORD, joined, mutated, raw, records
from tests.fuzz.command import fuzz, has_atheris
from tests.fuzz.seeds import seeds

CRASHES = Path(__file__).resolve().parent / "crashes"
MUTATIONS = 300


class FuzzTests(SynchronousTestCase):
    """The fuzzer itself, for C{GUNNET_FUZZ_SECONDS}, a minute if nothing else is said."""

    def test_fuzz(self) -> None:
        """Nothing is found. If something is, the end of the output says in which file it is."""
        if not has_atheris():
            raise SkipTest(f"atheris, which fuzzes, is not there for Python {sys.version.split()[0]}")
        seconds = int(os.environ.get("GUNNET_FUZZ_SECONDS") or 60)
        seed = int(os.environ.get("GUNNET_FUZZ_SEED") or int.from_bytes(os.urandom(3), "big") + 1)
        status, said = fuzz(seconds, seed, os.environ.get("GUNNET_FUZZ_KEEP") or None)
        self.assertEqual(0, status, said)


class FoundTests(SynchronousTestCase):
    """What does not need atheris."""

    def test_found_earlier(self) -> None:
        """What fuzzing found, and was mended."""
        for path in sorted(CRASHES.glob("*.bin")):
            target.run(path.read_bytes())

    def test_seeds(self) -> None:
        """All holds for what fuzzing begins with, and signatures are verified and refused in it."""
        for data in seeds():
            target.run(data)

    def test_it_would_be_found(self) -> None:
        """A firewall that lets everything pass is found, by what stands then."""
        self.patch(Firewall, "concerns", _without_firewall)
        said = b'{"#":"a","put":{"a~b.c":{"_":{"#":"a~b.c",">":{"x":1}},"x":1}}}'
        error = self.assertRaises(target.Wrong, target.run, bytes(HEAD) + raw(0, said))
        self.assertIn("not signed", str(error))

    def test_oracle(self) -> None:
        """It knows what stands from what does not, without the firewall."""
        fault_of = oracle.fault_of
        self.assertIsNone(fault_of("room", "x", 1.0, b"1", signed_only=False))
        for soul, key, value in (
            ("~a.b", "x", b"1"),
            ("~@a", "~b", b'{"#":"~c"}'),
            ("~@", "a", b"null"),
            ("#", "x", b"1"),
            ("room", "x", b"[]"),
            ("room", "_", b"1"),
        ):
            self.assertIsNotNone(fault_of(soul, key, 1.0, value, signed_only=False), soul)
        self.assertIsNotNone(fault_of("room", "x", 1.0, b"1", signed_only=True))
        self.assertEqual(
            (True, False), (oracle.is_too_old("a<?2", 0, 2001), oracle.is_too_old("a<?2", 0, 2000))
        )
        self.assertEqual(
            (True, False, False),
            tuple(
                oracle.is_newer(cell, (1.0, b'"b"')) for cell in ((1.0, b'"c"'), (1.0, b'"a"'), (0.0, b'"c"'))
            ),
        )

    def test_mutations(self) -> None:
        """What is made of an input by moving its steps is an input with whole steps."""
        dice = Random(1)
        data = bytes(HEAD) + raw(1, b"{}") + bytes([1]).ljust(RECORD, b"\2")
        for _ in range(MUTATIONS):
            data = mutated(data, dice)
            self.assertEqual(data, joined(data[:HEAD], records(data)))


def _without_firewall(_firewall: Firewall, _soul: str) -> bool:
    return False
