"""Tests for L{gunnet.wire.dup}, on a clock of their own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.wire.dup import Dup
from tests.wire.javascript import checked

START = 1_800_000_000_000.0
LIFE_MIN = 9_000.0
LIFE_MAX = 18_000.0


class Memory:
    """A L{Dup} and its clock: C{wait} lets time pass as a relay does, which wakes at C{next_at}."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.counters = Counters()
        self.dup: Dup[str] = Dup(limits or Limits(), self.counters)
        self.now = START
        self.dup.pass_time(self.now)

    def hear(self, name: str) -> None:
        """A message with this id comes, and the turn ends."""
        if self.dup.renew(name) is None:
            self.dup.remember(name, f"entry of {name}")
        self.dup.pass_time(self.now)

    def wait(self, duration: float) -> None:
        """Nothing comes for so many milliseconds."""
        until = self.now + duration
        while (at := self.dup.next_at) is not None and at <= until:
            self.now = max(self.now, at)
            self.dup.pass_time(self.now)
        self.now = until

    def life(self, name: str, step: float = 100.0) -> float:
        """For how long an id is found from now on."""
        begin = self.now
        while self.dup.find(name) is not None:
            self.wait(step)
        return self.now - begin


class LifeTests(SynchronousTestCase):
    """An id is remembered for 9 to 18 seconds after it was last seen."""

    def test_find(self) -> None:
        """What was remembered is found, and nothing else; what is remembered anew takes its place."""
        memory = Memory()
        self.assertIsNone(memory.dup.find("a"))
        self.assertIsNone(memory.dup.renew("a"))
        memory.dup.remember("a", "one")
        self.assertEqual(memory.dup.find("a"), "one")
        memory.wait(5_000)
        memory.dup.remember("a", "two")
        self.assertEqual(memory.dup.find("a"), "two")
        self.assertEqual(memory.dup.renew("a"), "two")
        self.assertIsNone(memory.dup.find("b"))
        memory.wait(20_000)
        self.assertIsNone(memory.dup.find("a"))

    def test_life(self) -> None:
        """At whatever moment an id comes, its life is within the bounds."""
        for offset in range(0, 9_001, 250):
            memory = Memory()
            memory.hear("first")
            memory.wait(offset)
            memory.hear("a")
            life = memory.life("a")
            self.assertGreaterEqual(life, LIFE_MIN, offset)
            self.assertLessEqual(life, LIFE_MAX + 100, offset)

    def test_life_after_idling(self) -> None:
        """An id that comes after a long silence lives as long: nothing was remembered, so no clock ran."""
        for idle in (8_999, 9_000, 18_001, 20_000, 86_400_000):
            memory = Memory()
            memory.hear("before")
            memory.wait(20_000)
            self.assertEqual(len(memory.dup), 0)
            self.assertIsNone(memory.dup.next_at)
            memory.now += idle
            memory.hear("a")
            self.assertGreaterEqual(memory.life("a"), LIFE_MIN, idle)

    def test_life_after_stalling(self) -> None:
        """If the process stood still, what comes first thereafter is not forgotten before its time."""
        memory = Memory()
        memory.hear("before")
        memory.now += 60_000
        memory.hear("a")
        self.assertGreaterEqual(memory.life("a"), LIFE_MIN)
        self.assertIsNone(memory.dup.find("before"))

    def test_renewal(self) -> None:
        """An id that is seen again and again stays; then it goes in its time."""
        memory = Memory()
        memory.hear("a")
        for _ in range(20):
            memory.wait(8_900)
            self.assertEqual(memory.dup.renew("a"), "entry of a")
        life = memory.life("a")
        self.assertTrue(LIFE_MIN <= life <= LIFE_MAX + 100, life)

    def test_counted_once(self) -> None:
        """However often an id is seen, it is one."""
        memory = Memory()
        for _ in range(6):
            memory.hear("a")
            self.assertEqual(len(memory.dup), 1)
            memory.wait(4_600)

    def test_find_does_not_renew(self) -> None:
        """To look is not to see."""
        memory = Memory()
        memory.hear("a")
        for _ in range(185):
            memory.wait(100)
            memory.dup.find("a")
        self.assertIsNone(memory.dup.find("a"))

    def test_next_at(self) -> None:
        """While something is remembered it says when to call again; in the end all is forgotten."""
        memory = Memory()
        self.assertIsNone(memory.dup.next_at)
        memory.hear("a")
        wakes = 0
        while (at := memory.dup.next_at) is not None:
            self.assertGreater(at, memory.now)
            self.assertLessEqual(at, memory.now + LIFE_MIN)
            memory.now = at
            memory.dup.pass_time(at)
            wakes += 1
        self.assertEqual(len(memory.dup), 0)
        self.assertLessEqual(wakes, 2)

    @checked
    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 6_000)), max_size=40))
    def test_any_course(self, course: list[tuple[str, float]]) -> None:
        """Whatever comes when: what was seen within 9 s is found, what was not within 18 s is not."""
        memory = Memory()
        seen: dict[str, float] = {}
        for name, pause in course:
            memory.hear(name)
            seen[name] = memory.now
            memory.wait(pause)
            for known, at in seen.items():
                age = memory.now - at
                if age < LIFE_MIN:
                    self.assertEqual(memory.dup.find(known), f"entry of {known}")
                elif age > LIFE_MAX:
                    self.assertIsNone(memory.dup.find(known))


class BoundTests(SynchronousTestCase):
    """Not more ids are remembered than L{Limits.dup_ids}."""

    def test_bound(self) -> None:
        """When too many come, the oldest go and are counted; the latest half is kept, but for one."""
        memory = Memory(Limits(dup_ids=300))
        for number in range(1_000):
            memory.dup.remember(f"id{number}", "entry")
            self.assertLessEqual(len(memory.dup), 300)
            for recent in range(max(0, number - 148), number + 1):
                self.assertIsNotNone(memory.dup.find(f"id{recent}"))
        self.assertEqual(memory.counters["dup_ids_evicted"], 1_000 - len(memory.dup))
        self.assertIsNone(memory.dup.find("id0"))

    def test_none_evicted(self) -> None:
        """Below the bound, nothing is evicted."""
        memory = Memory(Limits(dup_ids=300))
        for number in range(299):
            memory.dup.remember(f"id{number}", "entry")
        self.assertEqual(len(memory.dup), 299)
        self.assertEqual(memory.counters["dup_ids_evicted"], 0)

    def test_bound_with_renewals(self) -> None:
        """Who renews all he can between new ids does not get past the bound."""
        memory = Memory(Limits(dup_ids=300))
        sent = 0
        for _ in range(20):
            for _ in range(99):
                memory.dup.remember(f"id{sent}", "entry")
                sent += 1
            for number in range(sent):
                memory.dup.renew(f"id{number}")
                self.assertLessEqual(len(memory.dup), 300)
        self.assertGreater(memory.counters["dup_ids_evicted"], 1_000)

    def test_small(self) -> None:
        """Even the smallest bounds work: the last id is found."""
        for bound in (1, 2, 3, 4, 6):
            memory = Memory(Limits(dup_ids=bound))
            for name in "abcdefgh":
                memory.dup.remember(name, "entry")
                self.assertEqual(memory.dup.find(name), "entry")
                self.assertLessEqual(len(memory.dup), max(bound, 3))


class PinTests(SynchronousTestCase):
    """The ids of WebRTC announcements stay routable for one to two minutes."""

    def test_life(self) -> None:
        """At whatever moment an id is pinned, it is found for 60 to 120 seconds."""
        for offset in range(0, 120_001, 7_500):
            memory = Memory()
            memory.dup.pin("before", "other")
            memory.dup.pass_time(memory.now)
            memory.wait(offset)
            memory.dup.pin("a", "pinned")
            memory.dup.pass_time(memory.now)
            life = memory.life("a", step=500)
            self.assertGreaterEqual(life, 60_000, offset)
            self.assertLessEqual(life, 120_500, offset)
            self.assertIsNone(memory.dup.next_at)

    def test_pinned_again(self) -> None:
        """Each ack that carries signalling pins anew."""
        memory = Memory()
        for _ in range(5):
            memory.dup.pin("a", "pinned")
            memory.dup.pass_time(memory.now)
            memory.wait(59_000)
            self.assertEqual(memory.dup.find("a"), "pinned")
        life = memory.life("a", step=500)
        self.assertLessEqual(life, 61_500)

    def test_renew(self) -> None:
        """A pinned id that was forgotten otherwise is found by renewing, and remembered anew."""
        memory = Memory()
        memory.dup.pin("a", "pinned")
        memory.dup.pass_time(memory.now)
        memory.wait(30_000)
        self.assertEqual(len(memory.dup), 0)
        self.assertEqual(memory.dup.renew("a"), "pinned")
        self.assertEqual(len(memory.dup), 1)

    def test_others_go(self) -> None:
        """A pin keeps one id and no others; the entry remembered last comes first."""
        memory = Memory()
        memory.hear("a")
        memory.hear("b")
        memory.dup.pin("a", "pinned")
        self.assertEqual(memory.dup.find("a"), "entry of a")
        memory.wait(19_000)
        self.assertEqual(memory.dup.find("a"), "pinned")
        self.assertIsNone(memory.dup.find("b"))

    def test_next_at(self) -> None:
        """Pins alone wake the relay too, but not every few seconds."""
        memory = Memory()
        memory.dup.pin("a", "pinned")
        memory.dup.pass_time(memory.now)
        self.assertEqual(memory.dup.next_at, START + 60_000)

    def test_bound(self) -> None:
        """Not more are pinned than L{Limits.rtc_ids}; the oldest go and are counted."""
        memory = Memory(Limits(rtc_ids=100))
        for number in range(1_000):
            memory.dup.pin(f"id{number}", "pinned")
            for recent in range(max(0, number - 49), number + 1):
                self.assertIsNotNone(memory.dup.find(f"id{recent}"))
            self.assertIsNone(memory.dup.find(f"id{number - 100}"))
        found = sum(memory.dup.find(f"id{number}") is not None for number in range(1_000))
        self.assertLessEqual(found, 100)
        self.assertEqual(memory.counters["rtc_ids_evicted"], 1_000 - found)
        self.assertEqual(memory.counters["dup_ids_evicted"], 0)
