"""
What is allowed when it is said, and not any more when its time comes.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.limits import Limits
from gunnet.testing import Conversation, put
from tests.hostile.kinds import ACCOUNT, ALICE, BOB, INBOX, KEY, NOW, STATE, sign

LATER = NOW + 60_000


class LaterTests(SynchronousTestCase):
    """Bob may write, and puts something with a state that is still to come."""

    def begin(self, **limits: int) -> None:
        """He does."""
        self.talk = Conversation(limits=Limits(**limits))  # type: ignore[arg-type]
        self.alice, self.bob = self.talk.connect("alice"), self.talk.connect("bob")
        certificate = sea.certify(BOB, {"*": "inbox"}, ALICE, block="blocked")
        value = sign(by=BOB, soul=INBOX, state=LATER, certificate=certificate)
        self.bob.say(put("later", INBOX, {KEY: value}, LATER, x=1))
        self.assertEqual(1, self.talk.relay.health()["deferred"])

    def block(self) -> None:
        """Alice blocks him."""
        blocked = f"{ACCOUNT}/blocked"
        entry = sign(True, soul=blocked, key=BOB.pub)
        self.alice.say(put("block", blocked, {BOB.pub: entry}, STATE))

    def answers(self) -> list[object]:
        """What Bob hears when the time has come."""
        self.talk.advance(LATER - self.talk.now + 100)
        self.assertEqual((0, 0), (self.talk.relay.health()["deferred"], self.talk.counters["faults"]))
        return [each.get("err", each.get("ok")) for each in self.bob.answers("later")]

    def test_allowed(self) -> None:
        """If nothing happens, it stands."""
        self.begin()
        self.assertEqual([True], self.answers())
        self.assertIsNotNone(self.talk.store.cell(INBOX, KEY))

    def test_blocked_meanwhile(self) -> None:
        """Who was blocked meanwhile is refused, also if what was verified then is forgotten."""
        for verified in (100, 1):
            self.begin(verified=verified)
            self.block()
            self.assertEqual([f"Certificant {BOB.pub} blocked."], self.answers())
            self.assertIsNone(self.talk.store.cell(INBOX, KEY))
            self.assertEqual(1, self.talk.counters["cells_refused"])

    def test_one_of_two(self) -> None:
        """What came with it stands."""
        self.begin()
        self.block()
        self.bob.say({"#": "both", "put": {**put("", "room", {"x": 1}, LATER)["put"]}})
        self.answers()
        self.assertIsNotNone(self.talk.store.cell("room", "x"))
