"""
Tests for L{gunnet.verifier}: signatures are verified in threads.
"""

from __future__ import annotations

import threading
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea, verifier
from gunnet.counters import Counters
from gunnet.graph.node import PutCell
from gunnet.limits import Limits
from gunnet.sea.firewall import UNVERIFIED, Check, Firewall, Judgement, Outcome, Rules
from gunnet.verifier import ThreadVerifier
from gunnet.wire import jstext
from tests.store.test_writer import Inbox

ALICE, EVE = sea.pair(), sea.pair()
SOUL = f"~{ALICE.pub}"
STATE = 1_800_000_000_000.0


def check(number: int, *, by: sea.Pair = ALICE) -> Check:
    """What is to be verified."""
    value = jstext.stringify(sea.sign_value(SOUL, "n", number, STATE, by))
    cell: PutCell = (SOUL, "n", STATE, value)
    judged = Firewall(Limits(), Counters(), Rules()).judge(cell, STATE)
    assert isinstance(judged, Check)
    return judged


class VerifierTests(SynchronousTestCase):
    """With two threads."""

    def setUp(self) -> None:
        """Start."""
        self.reactor = Inbox()
        self.verifier = ThreadVerifier(self.reactor, 2)
        self.addCleanup(self.verifier.stop)

    def outcomes(self, checks: list[Check], parts: int) -> list[Outcome]:
        """Verify, and wait for so many parts."""
        found: list[list[Outcome]] = []
        self.verifier.verify(checks).addCallback(found.append)
        for _ in range(parts):
            self.assertEqual([], found)
            self.reactor.turn()
        (outcomes,) = found
        return outcomes

    def test_in_order(self) -> None:
        """What comes of many comes in their order, whichever thread did it; not in the reactor's."""
        threads: set[int] = set()
        verify = verifier.verify

        def noting(check: Check) -> Outcome:
            threads.add(threading.get_ident())
            return verify(check)

        self.patch(verifier, "verify", noting)
        checks = [check(number, by=EVE if number % 3 else ALICE) for number in range(40)]
        expected = [UNVERIFIED if number % 3 else Judgement.ALLOWED for number in range(40)]
        self.assertEqual(expected, self.outcomes(checks, 2))
        self.assertNotIn(threading.get_ident(), threads)

    def test_few(self) -> None:
        """A few are not spread."""
        self.assertEqual([Judgement.ALLOWED], self.outcomes([check(1)], 1))

    def test_fault(self) -> None:
        """What fails for a reason of ours is not taken, and logged."""

        def broken(check: Any) -> Outcome:
            raise RuntimeError("on purpose")

        self.patch(verifier, "verify", broken)
        self.assertEqual([UNVERIFIED], self.outcomes([check(1)], 1))
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_fault_stays_at_home(self) -> None:
        """The others of its batch are verified all the same."""
        verify = verifier.verify
        checks = [check(number) for number in range(3)]

        def broken(each: Check) -> Outcome:
            if each is checks[1]:
                raise RuntimeError("on purpose")
            return verify(each)

        self.patch(verifier, "verify", broken)
        expected = [Judgement.ALLOWED, UNVERIFIED, Judgement.ALLOWED]
        self.assertEqual(expected, self.outcomes(checks, 1))
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_no_niceness(self) -> None:
        """Where threads have no niceness of their own, they do without."""

        def refuses(*_: int) -> int:
            raise OSError("not here")

        self.patch(verifier.os, "getpriority", refuses)
        self.assertEqual([Judgement.ALLOWED], self.outcomes([check(1)], 1))
