"""
Tests for L{gunnet.access.gate}: what an operator wants, put together.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import jwt
from twisted.internet.testing import MemoryReactorClock

from gunnet import sea
from gunnet.access.door import Visit
from gunnet.access.files import LOOK_AGAIN_SECONDS
from gunnet.access.gate import Gate
from gunnet.access.program import ProgramRule
from gunnet.access.rules import CallableRule
from gunnet.access.wanted import Access
from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.settings import SettingsError
from tests.access.test_files import FileCase

ALICE = sea.pair()
SECRET = "correct horse battery staple"
KEY = "k" * 32


class GateTests(FileCase):
    """Gates of several kinds."""

    def gate(self, **access: Any) -> Gate:
        self.clock = MemoryReactorClock()
        return Gate(Access(**access), Limits(), self.clock, os.urandom)

    def admits(self, gate: Gate, token: str) -> bool:
        door = gate.door(None, Counters())
        return door.refuse(Visit(tokens=(token,)), 0.0) is None

    def test_open(self) -> None:
        """Without wishes there are no files, no rule and no refusal."""
        gate = self.gate()
        self.assertEqual(([], None, None), (gate.services, gate.rule, gate.users))
        self.assertTrue(self.admits(gate, ""))
        self.assertIsNone(gate.users)

    def test_any_way(self) -> None:
        """A secret, a JWT or what a user was given: each admits, nothing else does."""
        gate = self.gate(
            token_file=self.file(SECRET), jwt_key=self.file(KEY), allow_user=self.file(ALICE.pub)
        )
        door = gate.door(None, Counters())
        assert gate.users is not None
        given = gate.users.prove(ALICE.pub, sea.sign(gate.users.challenge("a", 0.0), ALICE), 0.0)
        for token, admitted in (
            (SECRET, True),
            (jwt.encode({"sub": "bob"}, KEY, algorithm="HS256"), True),
            (given, True),
            (KEY, False),
            (ALICE.pub, False),
        ):
            self.assertEqual(admitted, door.refuse(Visit(tokens=(token,)), 0.0) is None, token)

    def test_taken_off(self) -> None:
        """A secret that is taken off the list admits no more."""
        path = self.file(SECRET)
        gate = self.gate(token_file=path)
        for service in gate.services:
            service.startService()
        self.assertTrue(self.admits(gate, SECRET))
        self.write(path, "another secret, long enough")
        self.clock.advance(LOOK_AGAIN_SECONDS)
        self.assertFalse(self.admits(gate, SECRET))

    def test_rules(self) -> None:
        """A rule of either kind; a program that is not there is told at the start."""
        self.assertIsInstance(self.gate(rule="tests.access.test_rules:no_rule").rule, CallableRule)
        gate = self.gate(rule_program=f"{sys.executable} 'a b'")
        self.assertIsInstance(gate.rule, ProgramRule)
        self.assertEqual([gate.rule], gate.services)
        self.assertIn("nowhere", str(self.assertRaises(SettingsError, self.gate, rule_program="/nowhere x")))
        self.assertRaises(SettingsError, self.gate, rule="no.such:rule")

    def test_mistakes(self) -> None:
        """Each file is read at the start."""
        for name in ("allow_pub", "token_file", "jwt_key", "allow_user"):
            self.assertIn("No such", str(self.assertRaises(SettingsError, self.gate, **{name: "/nowhere"})))
