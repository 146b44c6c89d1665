"""
Tests for L{gunnet.simulate.client}: it says what gun.js would.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.simulate.client import REDIAL_SECONDS, Client
from gunnet.simulate.clock import VirtualClock
from gunnet.simulate.links import Ear, End, Weather
from gunnet.simulate.network import Network
from gunnet.testing import messages, put
from gunnet.wire import jstext

START = 1_800_000_000.0
NOW = START * 1000


class Played:
    """A listener that says what the test says. @ivar said: what it heard."""

    name = "r"

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.end: End | None = None
        self.links = 0

    def accept(self) -> Ear:
        """See L{gunnet.simulate.network.Listener}."""
        return self

    def opened(self, end: End) -> bool:
        """See L{Ear}."""
        self.end = end
        self.links += 1
        return True

    def heard(self, end: End, frame: bytes) -> None:
        """See L{Ear}."""
        self.said += messages(frame)

    def lost(self, end: End, reason: str) -> None:
        """See L{Ear}."""
        self.end = None

    def choked(self, end: End) -> None:
        """See L{Ear}."""

    def drained(self, end: End) -> None:
        """See L{Ear}."""


class ClientCase(SynchronousTestCase):
    """One client, and a relay that is played by the test."""

    def setUp(self) -> None:
        self.clock = VirtualClock(START)
        self.network = Network(self.clock, Random(1), Weather(latency=0.001, jitter=0.0))
        self.relay = Played()
        self.network.listen("r:", self.relay)
        self.client = Client("c", "r:", self.network, Random(1))

    def wait(self, seconds: float = 0.1) -> None:
        """Let time pass."""
        self.clock.run_for(seconds)

    def say(self, *said: dict[str, Any]) -> None:
        """The relay says something, as one frame."""
        assert self.relay.end is not None
        self.relay.end.send(jstext.stringify(list(said) if len(said) > 1 else said[0]))
        self.wait()

    def take(self) -> list[dict[str, Any]]:
        """What the client has said since the last time."""
        self.wait()
        taken, self.relay.said[:] = list(self.relay.said), []
        return taken

    def lose_link(self) -> None:
        """The link breaks, and both know."""
        [wire] = self.network.links()
        wire.snap("broken", 0.0)
        self.wait(0.01)


class GreetingTests(ClientCase):
    """How it begins."""

    def test_boot(self) -> None:
        """C{hi} comes first, then what was said while it dialled."""
        self.client.ask("room")
        self.client.put("room", {"title": "one"})
        hi, get, written = self.take()
        self.assertEqual(hi["dam"], "hi")
        self.assertEqual(get["get"], {"#": "room"})
        self.assertEqual(written["put"], {"room": {"_": {"#": "room", ">": {"title": NOW}}, "title": "one"}})
        self.assertEqual(written["ok"], {"@": 9, "/": 1})

    def test_greeting(self) -> None:
        """It answers C{?} with its pid, and says nothing to an answer."""
        self.take()
        self.say({"#": "g1", "dam": "?", "pid": "relay"})
        [answer] = self.take()
        self.assertEqual((answer["dam"], answer["pid"], answer["@"]), ("?", self.client.pid, "g1"))
        self.say({"#": "g2", "dam": "?", "pid": "relay", "@": "x"})
        self.assertEqual(self.take(), [])

    def test_complaints(self) -> None:
        """What it is told was wrong, it notes."""
        self.take()
        self.say({"#": "e", "dam": "!", "err": "Message too big!"}, {"#": "f", "@": "x", "err": "no"})
        self.assertEqual(self.client.errors, ["Message too big!", "no"])


class GraphTests(ClientCase):
    """What it knows."""

    def known(self, key: str) -> object:
        """The value of a key of C{room}."""
        cell = self.client.graph.find("room", key)
        return None if cell is None else (cell[0], jstext.parse(cell[1]))

    def test_own_writes(self) -> None:
        """It knows what it wrote at once; an ack is noted with what was in the put, once."""
        written = self.client.put("room", {"a": 1, "b": None}, state=NOW - 5)
        self.assertEqual(self.known("a"), (NOW - 5, 1))
        self.assertEqual(self.known("b"), (NOW - 5, None))
        said = self.take()[-1]
        self.say({"#": "a1", "@": said["#"], "ok": True})
        self.say({"#": "a2", "@": said["#"], "ok": True})
        [(_, url, acked)] = self.client.acked
        self.assertEqual((url, acked), ("r:", written))
        self.assertEqual(self.client.unacked, {})

    def test_ham(self) -> None:
        """Later states win; of equal ones the greater text; what comes twice is heard once."""
        self.wait()
        self.say(put("1", "room", {"a": "m"}, NOW), put("2", "room", {"a": "z"}, NOW - 1))
        self.assertEqual(self.known("a"), (NOW, "m"))
        self.say(put("3", "room", {"a": "b"}, NOW))
        self.assertEqual(self.known("a"), (NOW, "m"))
        self.say(put("4", "room", {"a": "n"}, NOW), put("4", "room", {"a": "x"}, NOW))
        self.assertEqual(self.known("a"), (NOW, "n"))

    def test_future(self) -> None:
        """What is from the future waits for its time."""
        self.wait()
        self.say(put("1", "room", {"a": 1}, NOW + 5_000))
        self.assertIsNone(self.known("a"))
        self.wait(5)
        self.assertEqual(self.known("a"), (NOW + 5_000, 1))

    def test_acks_of_updates(self) -> None:
        """One with storage acknowledges an update as often as it is asked to; one without never does."""
        self.take()
        self.say(put("1", "room", {"a": 1}, NOW, ok={"@": 2, "/": 2}))
        self.assertEqual(self.take(), [])
        self.client.keeps = True
        self.say(put("2", "room", {"a": 1}, NOW, ok={"@": 2, "/": 2}))
        [ack] = self.take()
        self.assertEqual((ack["@"], ack["ok"]), ("2", {"": 1}))
        self.say(put("3", "room", {"a": 1}, NOW), put("4", "room", {"a": 1}, NOW, ok={"@": 0, "/": 2}))
        self.assertEqual(self.take(), [])


class QuestionTests(ClientCase):
    """Asking, and being asked."""

    def test_asks_once(self) -> None:
        """The same question is asked once; whole nodes, properties and LEX each in their form."""
        self.take()
        for _ in range(2):
            self.client.ask("room")
            self.client.ask("room", "title")
            self.client.ask("room", b'{".":{"*":"na"},"%":500}')
        self.assertEqual(
            [said["get"] for said in self.take()],
            [{"#": "room"}, {"#": "room", ".": "title"}, {"#": "room", ".": {"*": "na"}, "%": 500}],
        )

    def test_wants(self) -> None:
        """It is subscribed to what it asked for."""
        self.client.ask("room", "title")
        self.client.ask("list", b'{".":{"*":"na"},"%":500}')
        self.client.ask("note")
        for soul, key, wanted in (
            *(("room", "title", True), ("room", "text", False), ("list", "name", True)),
            *(("list", "title", False), ("note", "anything", True), ("else", "title", False)),
        ):
            self.assertIs(self.client.wants(soul, key), wanted, (soul, key))

    def test_answers(self) -> None:
        """It answers from memory: all, a part, or that it has nothing."""
        self.client.put("room", {"a": 1, "b": "two"}, state=7)
        self.take()
        self.say(
            {"#": "g1", "get": {"#": "room"}},
            {"#": "g2", "get": {"#": "room", ".": "b"}},
            {"#": "g3", "get": {"#": "room", ".": "x"}},
            {"#": "g4", "get": {"#": "nothing"}},
        )
        answers = {said["@"]: said for said in self.take()}
        whole = {"room": {"_": {"#": "room", ">": {"a": 7, "b": 7}}, "a": 1, "b": "two"}}
        self.assertEqual(answers["g1"]["put"], whole)
        self.assertEqual(answers["g2"]["put"], {"room": {"_": {"#": "room", ">": {"b": 7}}, "b": "two"}})
        for miss in ("g3", "g4"):
            self.assertEqual(set(answers[miss]), {"#", "@"})

    def test_known_answers(self) -> None:
        """It keeps silent when the asker has the same."""
        self.client.put("room", {"a": 1}, state=7)
        self.take()
        self.say({"#": "g1", "get": {"#": "room"}})
        [answer] = self.take()
        self.say({"#": "g2", "get": {"#": "room"}, "##": answer["##"]})
        self.assertEqual(self.take(), [])
        self.say({"#": "g3", "get": {"#": "room"}, "##": answer["##"] + 1})
        self.assertEqual(len(self.take()), 1)

    def test_chunks(self) -> None:
        """A large node is answered nine names at a time, C{_} included; a known chunk is left out."""
        self.client.put("room", {f"k{number:02}": number for number in range(20)}, state=7)
        self.take()
        self.say({"#": "g1", "get": {"#": "room"}})
        chunks = self.take()
        self.assertEqual([len(said["put"]["room"]) - 1 for said in chunks], [8, 9, 3])
        self.say(
            {"#": "h1", "@": "g2", "##": chunks[1]["##"]},
            {"#": "g2", "get": {"#": "room"}, "##": chunks[0]["##"]},
        )
        self.assertEqual([len(said["put"]["room"]) - 1 for said in self.take()], [3])

    def test_lex(self) -> None:
        """A LEX is answered by its storage, with the whole node; without one there is nothing."""
        self.client.put("room", {"a": 1, "b": 2}, state=7)
        self.take()
        self.say({"#": "g1", "get": {"#": "room", ".": {"*": "a"}}})
        self.assertEqual([set(said) for said in self.take()], [{"#", "@"}])
        self.client.keeps = True
        self.say({"#": "g2", "get": {"#": "room", ".": {"*": "a"}}})
        [answer] = self.take()
        self.assertEqual(set(answer["put"]["room"]), {"_", "a", "b"})


class LossTests(ClientCase):
    """After its link was lost."""

    def test_asks_again(self) -> None:
        """
        It dials after two seconds and asks for the same: whole nodes plainly, properties with the hash of the
        raw value if that is text. It says no C{hi}, and not what it wrote meanwhile.
        """
        self.client.ask("room", "title")
        self.client.ask("room", "count")
        self.client.ask("list")
        self.client.put("room", {"title": "one", "count": 1})
        self.take()
        self.lose_link()
        self.client.put("list", {"x": "offline"})
        self.wait(REDIAL_SECONDS - 0.02)
        self.assertEqual(self.relay.links, 1)
        title, count, whole = self.take()
        self.assertEqual(self.relay.links, 2)
        self.assertEqual((title["get"], title["##"]), ({"#": "room", ".": "title"}, 110182))
        self.assertEqual((count["get"], "##" in count), ({"#": "room", ".": "count"}, False))
        self.assertEqual((whole["get"], "##" in whole), ({"#": "list"}, False))

    def test_keeps_trying(self) -> None:
        """It dials until somebody is there."""
        self.take()
        self.network.unlisten("r:")
        self.lose_link()
        self.wait(60)
        self.assertEqual(self.relay.links, 1)
        self.network.listen("r:", self.relay)
        self.wait(3)
        self.assertEqual(self.relay.links, 2)

    def test_once(self) -> None:
        """With C{returns} off it stays away, as gun.js does when it fails to come back."""
        self.take()
        self.client.returns = False
        self.lose_link()
        self.wait(60)
        self.assertEqual(self.relay.links, 1)

    def test_reload(self) -> None:
        """A page that is loaded anew knows nothing, is somebody else, and its application asks again."""
        self.client.ask("room")
        self.client.put("room", {"a": 1})
        pid = self.client.pid
        self.take()
        self.client.reload()
        self.assertIsNone(self.client.graph.find("room", "a"))
        self.assertNotEqual(self.client.pid, pid)
        self.assertEqual([said.get("dam") or said["get"] for said in self.take()], ["hi", {"#": "room"}])
        self.assertEqual(self.relay.links, 2)

    def test_leave(self) -> None:
        """Who leaves does not come back."""
        self.take()
        self.client.leave()
        self.wait(60)
        self.assertEqual(self.relay.links, 1)
        self.assertEqual(list(self.network.links()), [])
