"""Tests for L{gunnet.wire.ids}."""

from __future__ import annotations

import re
from random import Random, SystemRandom

from twisted.trial.unittest import SynchronousTestCase

from gunnet.wire.ids import id_source


class IdTests(SynchronousTestCase):
    """Ids look as those of gun.js do and don't meet."""

    def test_form(self) -> None:
        """An id is nine letters and digits, from whichever source of chance."""
        for random in (Random(1), SystemRandom()):
            new_id = id_source(random)
            for _ in range(1_000):
                self.assertTrue(re.fullmatch("[0-9a-zA-Z]{9}", new_id()))

    def test_distinct(self) -> None:
        """Ten thousand ids differ, and all characters of gun.js are used, so that they are hard to guess."""
        new_id = id_source(Random(2))
        ids = [new_id() for _ in range(10_000)]
        self.assertEqual(len(set(ids)), 10_000)
        letters = "".join(ids)
        self.assertEqual(len(set(letters)), 61)
        for letter in set(letters):
            self.assertGreater(letters.count(letter), 90_000 / 256 * 3)

    def test_repeatable(self) -> None:
        """The same seed gives the same ids, another seed others; two sources share nothing."""
        one, same, other = id_source(Random(3)), id_source(Random(3)), id_source(Random(4))
        ids = [one() for _ in range(500)]
        self.assertEqual([same() for _ in range(500)], ids)
        self.assertEqual(set(ids) & {other() for _ in range(500)}, set())
