"""
Tests for L{gunnet.mesh.pace}: what is signed does not keep others waiting, nor do these keep it for ever.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.mesh.pace import ALONE, BACKLOG, COMMIT_MS, OVERDUE_MS, PATIENCE_MS, QUIET_MS, SLICE, Pace
from gunnet.mesh.puts import SIGNED_CELLS
from gunnet.testing import Client, Conversation, put

ALICE = sea.pair()
SOUL = f"~{ALICE.pub}"


class PaceTests(SynchronousTestCase):
    """The reckoning."""

    def test_alone(self) -> None:
        """While nobody else is there, nothing is kept back."""
        pace = Pace()
        self.assertEqual(ALONE, pace.begin(0.0, plain_waits=False))
        self.assertEqual((ALONE, None), (pace.left, pace.goes_on_at))
        pace.note_commit(0.0)
        self.assertEqual(1.0, pace.commit_at(1.0, 0))

    def test_others(self) -> None:
        """While others are there it is slices, and nothing while one waits for the disk, up to a limit."""
        pace = Pace()
        pace.note_plain(0.0)
        self.assertEqual(SLICE, pace.begin(1.0, plain_waits=False))
        self.assertEqual(0, pace.begin(1.0 + PATIENCE_MS / 2, plain_waits=True))
        self.assertEqual((0, 1.0 + PATIENCE_MS), (pace.left, pace.goes_on_at))
        self.assertEqual(SLICE, pace.begin(1.0 + PATIENCE_MS, plain_waits=True))
        self.assertEqual(ALONE, pace.begin(1.0 + QUIET_MS, plain_waits=False))

    def test_commits(self) -> None:
        """Commits are seldom then, unless much waits; and after a while they go first."""
        pace = Pace()
        pace.note_plain(0.0)
        pace.note_commit(0.0)
        self.assertEqual(COMMIT_MS, pace.commit_at(1.0, BACKLOG - 1))
        self.assertEqual(1.0, pace.commit_at(1.0, BACKLOG))
        self.assertFalse(pace.is_commit_overdue(OVERDUE_MS - 1))
        self.assertTrue(pace.is_commit_overdue(OVERDUE_MS))


class BesideTests(SynchronousTestCase):
    """A relay with one who signs and one who does not."""

    def setUp(self) -> None:
        self.talk = Conversation()
        self.signer, self.other = (self.talk.connect(name, hi=True) for name in ("signer", "other"))
        self.talk.advance(QUIET_MS * 2)

    def sign(self, number: int) -> dict[str, Any]:
        """A signed put."""
        value = sea.sign_value(SOUL, f"k{number}", number, self.talk.now, ALICE)
        return put(f"s{number}", SOUL, {f"k{number}": value}, self.talk.now)

    def write(self, number: int) -> None:
        """An unsigned one."""
        self.other.say(put(f"p{number}", "room", {"x": number}, self.talk.now))

    def acked(self, client: Client, kind: str) -> int:
        """How many puts were acknowledged."""
        return sum(message.get("@", "").startswith(kind) and message.get("ok") for message in client.heard)

    def begin(self) -> None:
        """Others are there, and signed puts were committed just now."""
        self.write(0)
        self.signer.say(self.sign(99))
        self.talk.writer.commits.clear()

    def committed(self) -> list[bool]:
        """Of each commit, whether it was of what is signed; the two are never in one."""
        for commit in self.talk.writer.commits:
            self.assertEqual(1, len({"~" in soul for soul, _, _ in commit}))
        return ["~" in commit[0][0] for commit in self.talk.writer.commits]

    def test_alone(self) -> None:
        """Signed puts are acknowledged at once while there is nothing else."""
        for number in range(3):
            self.signer.say(self.sign(number))
        self.assertEqual(3, self.acked(self.signer, "s"))

    def test_commits_of_their_own(self) -> None:
        """An unsigned put is not committed with signed ones, and one that comes later goes first."""
        self.begin()
        self.talk.writer.holding = True
        self.write(1)
        for number in range(4):
            self.signer.say(self.sign(number))
        self.write(2)
        self.talk.advance(COMMIT_MS)
        while self.talk.writer.held:
            self.talk.writer.release()
            self.talk.settle()
        self.assertEqual([False, False, True], self.committed())
        self.assertEqual((3, 5), (self.acked(self.other, "p"), self.acked(self.signer, "s")))

    def test_mixed(self) -> None:
        """A put with both is acknowledged once, when both are stored."""
        self.begin()
        mixed = self.sign(1)
        mixed["put"] |= put("", "hall", {"y": 1}, self.talk.now)["put"]
        self.talk.writer.holding = True
        self.signer.say(mixed)
        self.talk.writer.release()
        self.talk.settle()
        self.assertEqual(1, self.acked(self.signer, "s"))
        self.talk.advance(COMMIT_MS)
        self.talk.writer.release()
        self.talk.settle()
        self.assertEqual((2, [False, True]), (self.acked(self.signer, "s"), self.committed()))

    def test_mixed_fails(self) -> None:
        """If one of the two can't be stored it is no C{ok}, and one C{err}."""
        self.begin()
        mixed = self.sign(1)
        mixed["put"] |= put("", "hall", {"y": 1}, self.talk.now)["put"]
        self.signer.say(mixed)
        self.talk.writer.error = "disk full"
        self.talk.advance(COMMIT_MS)
        self.assertEqual(
            ["err"], [key for each in self.signer.answers("s1") for key in each if key in "ok err"]
        )

    def test_inbox(self) -> None:
        """More signed puts than a slice wait in the inbox while an unsigned one waits for the disk."""
        self.talk.writer.holding = True
        self.write(0)
        self.signer.say(self.sign(0))
        self.signer.say([self.sign(number) for number in range(1, 3 * SLICE)])
        self.assertGreater(len(self.signer.peer.inbox if self.signer.peer else ()), SLICE)
        self.talk.advance(PATIENCE_MS * 10)
        self.assertEqual(0, len(self.signer.peer.inbox if self.signer.peer else ()))
        self.talk.writer.holding = False
        self.talk.writer.release()
        self.talk.advance(OVERDUE_MS * 2)
        self.assertEqual(3 * SLICE, self.acked(self.signer, "s"))

    def test_not_for_ever(self) -> None:
        """Whoever writes without end does not keep signed puts from the disk."""
        self.write(0)
        self.signer.say(self.sign(0))
        self.signer.say(self.sign(1))
        begun = self.talk.now
        number = 0
        while self.acked(self.signer, "s") < 2:
            number += 1
            self.write(number)
            self.talk.advance(1)
            self.assertLess(self.talk.now, begun + 2 * OVERDUE_MS)

    def test_full_batches(self) -> None:
        """Many signed cells are committed in several batches, each put acknowledged once, after its own."""
        self.write(0)
        count = 3 * SIGNED_CELLS
        for number in range(count):
            self.signer.say(self.sign(number))
            self.write(number)
        self.talk.advance(COMMIT_MS * 20)
        self.assertEqual(count, self.acked(self.signer, "s"))
        sizes = [len(commit) for commit in self.talk.writer.commits if "~" in commit[0][0]]
        self.assertLessEqual(max(sizes), SIGNED_CELLS)
        self.assertEqual(count, sum(sizes))

    def test_end(self) -> None:
        """A relay that stops waits for nobody: all is stored and acknowledged."""
        self.write(0)
        self.signer.say(self.sign(0))
        self.signer.say(self.sign(1))
        self.successResultOf(self.talk.mesh.stopService())
        self.assertEqual(2, self.acked(self.signer, "s"))
