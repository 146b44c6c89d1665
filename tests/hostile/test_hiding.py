"""
Something forged does not hide what is true.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.testing import Conversation, put
from tests.hostile.kinds import EVE, KEY, SOUL, STATE, sign


class HidingTests(SynchronousTestCase):
    """One who asks, and two who answer: the first one forges."""

    def answered(self, false: dict[str, Any], *, axe: bool) -> None:
        """The honest answer comes second, and has the hash that the false one claims to have."""
        talk = Conversation(axe=axe)
        asker, eve, honest = (talk.connect(name, pid=name, hi=True) for name in ("asker", "eve", "honest"))
        asker.say({"#": "question", "get": {"#": SOUL}})
        talk.advance(100)
        eve.say({"#": "false", "@": "question", "##": 5, "put": false})
        true = put("true", SOUL, {KEY: sign()}, STATE)["put"]
        honest.say({"#": "true", "@": "question", "##": 5, "put": true})
        talk.advance(100)
        self.assertEqual([true], [each["put"] for each in asker.answers("question") if each.get("put")])
        self.assertEqual((STATE, 0), (talk.store.cell(SOUL, KEY)[0], talk.counters["faults"]))  # type: ignore[index]
        # Once it is known, it is known.
        eve.say({"#": "again", "@": "question", "##": 5, "put": true})
        self.assertEqual(1, talk.counters["answers_duplicate"])

    def test_hash_of_what_is_refused(self) -> None:
        """A refused answer, or a put that is none, does not count as the answer with that hash."""
        for axe in (True, False):
            self.answered(put("", SOUL, {KEY: sign(by=EVE)}, STATE)["put"], axe=axe)
            self.answered(put("", SOUL, {KEY: sign(), "x": 5}, STATE - 1)["put"], axe=axe)
            self.answered({SOUL: {"_": {"#": SOUL}, KEY: []}}, axe=axe)
