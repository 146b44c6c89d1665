"""
Tests for L{gunnet.testing}, which others build on.
"""

from __future__ import annotations

from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

import gunnet.testing
from gunnet.testing import Conversation, MemoryLink, put


class ExampleTests(SynchronousTestCase):
    """What its documentation says."""

    def test_example(self) -> None:
        """The example of the docstring runs."""
        example = (gunnet.testing.__doc__ or "").split("::\n")[1].split("\nTwo relays")[0]
        self.assertIn("Conversation()", example)
        exec(dedent(example), {"Conversation": Conversation, "put": put})

    def test_same_seed(self) -> None:
        """Two conversations from one seed are the same to the byte."""
        heard = []
        for _ in range(2):
            talk = Conversation(seed=7)
            a = talk.connect("a", pid="pidA")
            a.say(put("p", "s", {"x": 1}, talk.now))
            heard.append(a.link.frames)
        self.assertEqual(heard[0], heard[1])

    def test_restart(self) -> None:
        """A conversation over the store of an earlier one knows what that one stored."""
        before = Conversation()
        before.connect("a").say(put("p", "s", {"x": 1}, before.now))
        after = Conversation(store=before.store)
        a = after.connect("a")
        a.say({"#": "g", "get": {"#": "s"}})
        self.assertEqual(1, a.answers("g")[0]["put"]["s"]["x"])

    def test_link(self) -> None:
        """A link that was closed keeps the first reason, and takes no more."""
        link = MemoryLink("link")
        link.send(b"{}")
        link.drop("first")
        link.drop("second")
        link.send(b"[]")
        self.assertEqual(([b"{}"], "first"), (link.frames, link.dropped))

    def test_writer(self) -> None:
        """Commits are done at once, held, or failed, as the test wishes."""
        talk = Conversation()
        a = talk.connect("a")
        a.say(put("p1", "s", {"x": 1}, talk.now))
        talk.writer.holding = True
        a.say(put("p2", "s", {"y": 1}, talk.now))
        self.assertEqual((1, 1), (len(talk.writer.commits), len(talk.writer.held)))
        talk.writer.error = "full"
        talk.writer.release()
        talk.settle()
        self.assertIn("err", a.answers("p2")[0])
        talk.writer.holding = False
        a.say(put("p3", "s", {"z": 1}, talk.now))
        self.assertIn("err", a.answers("p3")[0])
        self.assertEqual(1, len(talk.writer.commits))
