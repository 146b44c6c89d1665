"""
Tests for L{gunnet.simulate.links} and L{gunnet.simulate.network}.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from gunnet.simulate.clock import VirtualClock
from gunnet.simulate.links import Ear, End, Weather
from gunnet.simulate.network import TIMEOUT_SECONDS, Network


class Listening:
    """An end that notes all. @ivar log: what happened to it, with the time in milliseconds."""

    def __init__(self, clock: VirtualClock, *, wanted: bool = True) -> None:
        self.log: list[tuple[int, str]] = []
        self.end: End | None = None
        self._clock = clock
        self._wanted = wanted

    def note(self, what: str) -> None:
        """It happened now."""
        self.log.append((round(self._clock.seconds() * 1000), what))

    def opened(self, end: End) -> bool:
        """See L{Ear}."""
        self.end = end
        self.note("opened")
        return self._wanted

    def heard(self, end: End, frame: bytes) -> None:
        """See L{Ear}."""
        self.note(frame.decode())

    def lost(self, end: End, reason: str) -> None:
        """See L{Ear}."""
        self.note(f"lost: {reason}")

    def choked(self, end: End) -> None:
        """See L{Ear}."""
        self.note("choked")

    def drained(self, end: End) -> None:
        """See L{Ear}."""
        self.note("drained")

    @property
    def whats(self) -> list[str]:
        """What happened, without the times."""
        return [what for _, what in self.log]


class Host:
    """Somebody who can be dialled. @ivar ears: of each link, in order."""

    def __init__(self, name: str, clock: VirtualClock) -> None:
        self.name = name
        self.ears: list[Listening] = []
        self.wanted = True
        self._clock = clock

    def accept(self) -> Ear:
        """See L{gunnet.simulate.network.Listener}."""
        self.ears.append(Listening(self._clock, wanted=self.wanted))
        return self.ears[-1]


class NetworkCase(SynchronousTestCase):
    """A network with one host, C{b}."""

    def setUp(self) -> None:
        self.clock = VirtualClock(0.0)
        self.weather = Weather(latency=0.010, jitter=0.0)
        self.network = Network(self.clock, Random(1), self.weather)
        self.host = Host("b", self.clock)
        self.network.listen("b:", self.host)
        self.failed: list[str] = []

    def dial(self, *, lossy: bool = False, caller: str = "a") -> Listening:
        """Have C{caller} dial the host."""
        ear = Listening(self.clock)
        self.network.dial(caller, "b:", ear, self.failed.append, lossy=lossy)
        return ear

    def linked(self, *, lossy: bool = False, caller: str = "a") -> tuple[Listening, Listening, End, End]:
        """Dial, wait, and forget that it happened: (ear, ear at the host, end, end at the host)."""
        near = self.dial(lossy=lossy, caller=caller)
        self.clock.run_for(0.1)
        far = self.host.ears[-1]
        near.log.clear()
        far.log.clear()
        assert near.end is not None
        assert far.end is not None
        return near, far, near.end, far.end


class DialTests(NetworkCase):
    """Links that come about, and those that don't."""

    def test_opened(self) -> None:
        """The listener knows of a link a trip later, and the dialler two."""
        near = self.dial()
        self.clock.run_for(1)
        self.assertEqual(self.host.ears[0].log, [(10, "opened")])
        self.assertEqual(near.log, [(20, "opened")])
        assert near.end is not None
        self.assertEqual((near.end.name, near.end.far), ("a", "b"))

    def test_early_frames(self) -> None:
        """What the listener says at once does not come before the link."""
        self.weather.jitter = 0.5
        for _ in range(20):
            near = self.dial()
            while not self.host.ears:
                self.clock.run_for(0.001)
            end = self.host.ears.pop().end
            assert end is not None
            end.send(b"welcome")
            self.clock.run_for(2)
            self.assertEqual(near.whats, ["opened", "welcome"])

    def test_nobody(self) -> None:
        """Where nobody listens, the dialler is told."""
        self.network.unlisten("b:")
        self.dial()
        self.clock.run_for(0.019)
        self.assertEqual(self.failed, [])
        self.clock.run_for(0.002)
        self.assertEqual(self.failed, ["refused"])

    def test_not_wanted(self) -> None:
        """A listener that refuses the link has it closed."""
        self.host.wanted = False
        near = self.dial()
        self.clock.run_for(1)
        self.assertEqual(near.whats, ["opened", "lost: refused"])
        self.assertEqual(list(self.network.links()), [])

    def test_given_up(self) -> None:
        """Who gives up while dialling gets no link."""
        ear = Listening(self.clock)
        attempt = self.network.dial("a", "b:", ear, self.failed.append)
        self.clock.run_for(0.015)
        attempt.given_up = True
        self.clock.run_for(1)
        self.assertEqual((ear.log, self.failed), ([], []))
        self.assertEqual(self.host.ears[0].whats, ["opened", "lost: not wanted any more"])

    def test_partition(self) -> None:
        """Across a partition there is no answer."""
        self.network.part([{"a"}, {"b"}], 1.0, 1.0)
        self.dial()
        self.clock.run_for(TIMEOUT_SECONDS)
        self.assertEqual(self.failed, [])
        self.clock.run_for(0.1)
        self.assertEqual(self.failed, ["no answer"])
        self.network.heal()
        self.linked()


class StreamTests(NetworkCase):
    """In order, or not at all."""

    def test_order(self) -> None:
        """However long each frame takes, none overtakes another."""
        near, far, end, other = self.linked()
        self.weather.jitter = 0.2
        for number in range(50):
            end.send(b"%d" % number)
            other.send(b"%d" % number)
            self.clock.run_for(0.003)
        self.clock.run_for(1)
        for ear in (near, far):
            self.assertEqual(ear.whats, [str(number) for number in range(50)])

    def test_latency(self) -> None:
        """A frame takes its time."""
        _, far, end, _ = self.linked()
        end.send(b"x")
        self.clock.run_for(1)
        self.assertEqual(far.log, [(110, "x")])

    def test_drop(self) -> None:
        """Who closes is told at once, the other one after what was sent before; then nothing passes."""
        near, far, end, other = self.linked()
        end.send(b"last words")
        end.drop("enough")
        end.drop("more than enough")
        end.send(b"unheard")
        other.send(b"too late")
        self.clock.run_for(1)
        other.send(b"much too late")
        self.clock.run_for(1)
        self.assertEqual(near.log, [(100, "lost: enough")])
        self.assertEqual(far.log, [(110, "last words"), (110, "lost: enough")])

    def test_snap(self) -> None:
        """When a link breaks, what is on its way is lost, and each learns at its own time."""
        near, far, end, other = self.linked()
        end.send(b"lost")
        [wire] = self.network.links()
        wire.snap("cut", 5.0)
        wire.snap("cut again", 5.0)
        self.assertEqual(list(self.network.links()), [])
        end.send(b"lost too")
        other.send(b"lost too")
        self.clock.run_for(5)
        self.assertEqual((near.whats, far.whats), (["lost: cut"], ["lost: cut"]))
        self.assertNotEqual(near.log, far.log)

    def test_pause_reading(self) -> None:
        """What is not read waits, and fills the window, so that the sender is told to wait and to go on."""
        self.weather.window = 100
        near, far, end, other = self.linked()
        other.pause_reading()
        for number in range(10):
            end.send(f"{number:020}".encode())
        self.assertEqual(near.whats, ["choked"])
        self.clock.run_for(1)
        self.assertEqual((far.log, other.unread), ([], 200))
        other.resume_reading()
        other.resume_reading()
        self.clock.run_for(1)
        self.assertEqual(near.whats, ["choked", "drained"])
        self.assertEqual(far.whats, [f"{number:020}" for number in range(10)])
        self.assertEqual(other.unread, 0)

    def test_slow_reader(self) -> None:
        """One that reads a hundred bytes a second."""
        self.weather.window = 150
        near, far, end, other = self.linked()
        other.reads = 100.0
        for number in range(4):
            end.send(f"{number:050}".encode())
        self.clock.run_for(10)
        self.assertEqual([at for at, _ in far.log], [110, 610, 1110, 1610])
        self.assertEqual(near.log, [(100, "choked"), (1110, "drained")])

    def test_kill(self) -> None:
        """Who dies is told nothing any more; the others learn of it."""
        near, far, end, _ = self.linked()
        other_near, _, _, _ = self.linked(caller="c")
        end.send(b"unheard")
        self.network.kill("a", 2.0)
        self.clock.run_for(3)
        self.assertEqual((near.log, far.whats, other_near.log), ([], ["lost: the other end died"], []))


class PartitionTests(NetworkCase):
    """Nothing passes for a while."""

    def test_stall(self) -> None:
        """Streams that don't break hold what was sent, and deliver it in order in the end."""
        near, far, end, _ = self.linked()
        bystander, _, third, _ = self.linked(caller="c")
        far_of_third = self.host.ears[-1]
        end.send(b"before")
        self.network.part([{"a"}, {"b"}], 0.0, 1.0)
        end.send(b"during")
        third.send(b"by the way")
        self.clock.run_for(100)
        self.assertEqual((near.log, far.log), ([], []))
        self.assertEqual((bystander.log, far_of_third.whats), ([], ["by the way"]))
        self.network.heal()
        end.send(b"after")
        self.clock.run_for(1)
        self.assertEqual(far.whats, ["before", "during", "after"])

    def test_close_while_stalled(self) -> None:
        """A close gets through no earlier than what was said before it."""
        _, far, end, _ = self.linked()
        self.network.part([{"a"}, {"b"}], 0.0, 1.0)
        end.send(b"words")
        end.drop("closed")
        self.clock.run_for(10)
        self.assertEqual(far.log, [])
        self.network.heal()
        self.clock.run_for(1)
        self.assertEqual(far.whats, ["words", "lost: closed"])

    def test_broken(self) -> None:
        """Others break."""
        near, far, _, _ = self.linked()
        self.network.part([{"a"}, {"b"}], 1.0, 1.0)
        self.clock.run_for(2)
        self.assertEqual((near.whats, far.whats), (["lost: partition"], ["lost: partition"]))

    def test_sides(self) -> None:
        """Who is on no side reaches all."""
        self.network.part([{"a", "x"}, {"b"}], 1.0, 1.0)
        self.assertFalse(self.network.reaches("a", "b"))
        self.assertTrue(self.network.reaches("a", "x"))
        self.assertTrue(self.network.reaches("a", "c"))


class DatagramTests(NetworkCase):
    """Each for itself."""

    def heard(self, count: int = 1_000) -> list[int]:
        """What arrives of so many."""
        _, far, end, _ = self.linked(lossy=True)
        for number in range(count):
            end.send(b"%d" % number)
            self.clock.run_for(0.001)
        self.clock.run_for(10)
        return [int(what) for what in far.whats]

    def test_fair(self) -> None:
        """In fair weather all arrive."""
        self.assertEqual(self.heard(), list(range(1_000)))

    def test_loss(self) -> None:
        """Some are lost."""
        self.weather.loss = 0.2
        heard = self.heard()
        self.assertEqual(heard, sorted(set(heard)))
        self.assertTrue(700 < len(heard) < 900, len(heard))

    def test_doubles(self) -> None:
        """Some come twice."""
        self.weather.doubles = 0.2
        heard = self.heard()
        self.assertEqual(sorted(set(heard)), list(range(1_000)))
        self.assertTrue(1_100 < len(heard) < 1_300, len(heard))

    def test_overtaking(self) -> None:
        """Some are overtaken, and none is lost."""
        self.weather.overtaking = 0.2
        heard = self.heard()
        self.assertNotEqual(heard, sorted(heard))
        self.assertEqual(sorted(heard), list(range(1_000)))

    def test_partition(self) -> None:
        """What is sent across a partition is lost; the link stays."""
        near, far, end, _ = self.linked(lossy=True)
        self.network.part([{"a"}, {"b"}], 1.0, 1.0)
        end.send(b"during")
        self.clock.run_for(100)
        self.network.heal()
        end.send(b"after")
        self.clock.run_for(1)
        self.assertEqual((near.log, far.whats), ([], ["after"]))

    def test_held(self) -> None:
        """What comes while nobody reads is held, up to the window."""
        self.weather.window = 100
        _, far, end, other = self.linked(lossy=True)
        other.pause_reading()
        for number in range(10):
            end.send(f"{number:020}".encode())
        self.clock.run_for(1)
        self.assertEqual(far.log, [])
        other.resume_reading()
        self.clock.run_for(1)
        self.assertEqual(far.whats, [f"{number:020}" for number in range(5)])
