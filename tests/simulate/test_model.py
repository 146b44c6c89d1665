"""
Tests for L{gunnet.simulate.model}, and of HAM against it.
"""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.ham import Verdict, decide
from gunnet.simulate.model import Graph, wins

TEXTS = [
    *(b"null", b"true", b"false", b"0", b"1", b"10", b"-2.5", b"1e+21", b'""', b'"a"', b'"ab"', b'"b"'),
    *(
        '"ä"'.encode(),
        '"\uffff"'.encode(),
        '"\U0001f600"'.encode(),
        b'"\\\\"',
        b'"\\""',
        b'"{"',
        b'{"#":"a"}',
    ),
]


class ModelTests(SynchronousTestCase):
    """The rules, by examples that are written out."""

    def test_states(self) -> None:
        """A later state wins, whatever the values."""
        self.assertTrue(wins(2, b'"a"', (1, b'"b"')))
        self.assertFalse(wins(1, b'"b"', (2, b'"a"')))
        self.assertTrue(wins(1, b"null", None))

    def test_ties(self) -> None:
        """At equal states the greater text wins, by UTF-16 code units; the same is no news."""
        self.assertTrue(wins(1, b'"b"', (1, b'"a"')))
        self.assertFalse(wins(1, b'"a"', (1, b'"b"')))
        self.assertFalse(wins(1, b'"a"', (1, b'"a"')))
        self.assertTrue(wins(1, '"\uffff"'.encode(), (1, '"\U0001f600"'.encode())))
        self.assertTrue(wins(1, b"null", (1, b'"z"')))

    def test_graph(self) -> None:
        """A graph keeps what stands."""
        graph = Graph()
        self.assertTrue(graph.write("a", "k", 1, b"1"))
        self.assertFalse(graph.write("a", "k", 0, b"2"))
        self.assertTrue(graph.write("a", "l", 0, b"2"))
        self.assertEqual(list(graph.cells()), [("a", "k", (1, b"1")), ("a", "l", (0, b"2"))])
        self.assertIsNone(graph.find("b", "k"))

    def test_as_the_relay(self) -> None:
        """The relay's own rule decides the same for all pairs of values, at equal and other states."""
        for text, known, state in product(TEXTS, TEXTS, (0.0, 1.0, 2.0)):
            verdict = decide(state, text, (1.0, known), 9.0)
            self.assertEqual(verdict is Verdict.TAKE, wins(state, text, (1.0, known)), (state, text, known))
