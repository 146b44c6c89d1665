"""
Tests for L{gunnet.mesh.gets}: questions that are passed on, and what comes of them.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.questions import Answerers
from gunnet.store.interface import StoreError
from gunnet.store.memory import MemoryStore
from gunnet.testing import Client, Conversation, Message, put
from gunnet.wire import jstext

URL = "ws://upstream/gun"


def get(message_id: str, soul: str, key: Any = None, **fields: Any) -> Message:
    """A get of a node, or of a property of it."""
    return {"#": message_id, "get": {"#": soul} if key is None else {"#": soul, ".": key}, **fields}


def questions(client: Client) -> list[str]:
    """The ids of the gets that came since the last look."""
    return [message["#"] for message in client.take() if "get" in message]


def be_gunnet(client: Client, *, bridge: bool = False) -> None:
    """Have a client tell that it is a gunnet relay."""
    client.say({"#": f"{client.name} is", "dam": "relay", "sync": 1, "bridge": bridge, "full": False})


class BrokenStore(MemoryStore):
    """Can't be read."""

    def node(self, soul: str, *args: Any, **fields: Any) -> Any:
        """Fail."""
        raise StoreError("a bad sector")


class OfferTests(SynchronousTestCase):
    """With AXE, a question we can't answer is offered to others in turns."""

    def setUp(self) -> None:
        """An asker and eight others."""
        self.meet(Limits())

    def meet(self, limits: Limits) -> None:
        """Begin anew with other bounds."""
        self.talk = Conversation(limits=limits)
        self.asker = self.talk.connect("asker", pid="pidAsker", hi=True)
        self.others = [self.talk.connect(f"p{number}", pid=f"pid{number}") for number in range(8)]

    def asked(self) -> list[int]:
        """Who was asked since the last look."""
        return [number for number, other in enumerate(self.others) if questions(other)]

    def test_turns(self) -> None:
        """Three at once, then three each 25 ms, until all were asked; nobody twice, the asker never."""
        self.asker.say(get("g", "s"))
        self.assertEqual([{"#", "@"}], [set(answer) for answer in self.asker.answers("g")])
        asked = [self.asked()]
        for _ in range(4):
            self.talk.advance(25.01)
            asked.append(self.asked())
        self.assertEqual([[0, 1, 2], [3, 4, 5], [6, 7], [], []], asked)
        self.assertEqual([], questions(self.asker))

    def test_subscribers_first(self) -> None:
        """Those who asked for the soul before are the likeliest to have it."""
        for number in (7, 5):
            self.others[number].say(get(f"s{number}", "s"))
        self.talk.advance(3_001)
        self.asked()
        self.asker.say(get("g", "s"))
        self.assertEqual([0, 5, 7], self.asked())

    def test_stopped_by_an_answer(self) -> None:
        """When somebody has answered with data nobody else is asked."""
        self.asker.say(get("g", "s"))
        self.asked()
        self.others[1].say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g", "##": 5}))
        self.talk.advance(100)
        self.assertEqual([], self.asked())

    def test_not_stopped_by_a_miss(self) -> None:
        """That one has nothing does not say that others have nothing."""
        self.asker.say(get("g", "s"))
        self.asked()
        self.others[1].say({"#": "a", "@": "g"})
        self.talk.advance(25.01)
        self.assertEqual([3, 4, 5], self.asked())

    def test_hit(self) -> None:
        """What we can answer is asked of nobody."""
        self.others[0].say(put("p", "s", {"x": 1}, self.talk.now))
        self.asker.say(get("g", "s"))
        self.talk.advance(100)
        self.assertEqual([], self.asked())

    def test_told(self) -> None:
        """Whoever has the question already, by C{><}, is not asked; whom it goes to is told."""
        self.asker.say(get("g", "s", **{"><": "pid1,pid2"}))
        (question,) = [message for message in self.others[0].take() if "get" in message]
        self.assertEqual("pidAsker,pid0,pid3,pid4", question["><"])
        self.talk.advance(100)
        self.assertEqual([3, 4, 5, 6, 7], self.asked())

    def test_who_left(self) -> None:
        """Whoever leaves meanwhile is passed over; if the asker leaves it does no harm."""
        self.asker.say(get("g", "s"))
        self.asked()
        self.others[3].close()
        self.asker.close()
        self.talk.advance(25.01)
        self.assertNotIn(3, self.asked())
        self.talk.advance(1_000)

    def test_private(self) -> None:
        """A question marked C{NTS} or C{nts} is answered and goes no further."""
        for name in ("NTS", "nts"):
            self.asker.say(get(f"g{name}", f"s{name}", **{name: 1}))
            self.assertEqual(1, len(self.asker.answers(f"g{name}")))
        self.talk.advance(100)
        self.assertEqual([], self.asked())

    def test_no_soul(self) -> None:
        """What nothing could answer is asked of nobody; a range of souls in turns, like all else."""
        self.asker.say({"#": "g1", "get": {"#": 5}})
        self.assertEqual([], self.asked())
        self.asker.say({"#": "g2", "get": {"#": {"*": "s"}, "%": 100}})
        self.assertEqual([0, 1, 2], self.asked())
        self.talk.advance(60)
        self.assertEqual([3, 4, 5, 6, 7], self.asked())

    def test_unknown_fields_go_along(self) -> None:
        """A question goes on with all its fields but the private ones, and keeps its id."""
        self.asker.say(get("g", "s", zeta={"b": [1, None]}, DBG=1, _=2))
        (question,) = [message for message in self.others[0].take() if "get" in message]
        question.pop("><")
        self.assertEqual(get("g", "s", zeta={"b": [1, None]}), question)

    def test_questions(self) -> None:
        """Of too many questions under way the oldest are given up, counted; all were answered already."""
        self.meet(Limits(questions=2))
        for number in range(4):
            self.asker.say(get(f"g{number}", f"s{number}"))
        self.assertEqual(2, self.talk.counters["questions_evicted"])
        self.asked()
        self.talk.advance(25.01)
        self.assertEqual({"s2", "s3"}, {m["get"]["#"] for m in self.others[3].heard if "get" in m})

    def test_question_bytes(self) -> None:
        """The same if their messages are too long together."""
        self.meet(Limits(question_bytes=2_500))
        for number in range(4):
            self.asker.say(get(f"g{number}", f"s{number}", padding="x" * 1_000))
        self.assertEqual(2, self.talk.counters["questions_evicted"])
        self.talk.advance(200)
        self.assertEqual(4, len([heard for heard in self.others[0].heard if "get" in heard]))

    def test_long_names(self) -> None:
        """A get of a soul that is longer than any name is a miss, and nobody is asked."""
        for number, asked in enumerate(({"#": "s" * 5_000}, {"#": {"*": "s" * 5_000}})):
            self.asker.say({"#": f"g{number}", "get": asked})
            self.assertEqual(["@", "#"], sorted(self.asker.answers(f"g{number}")[0], reverse=True))
        self.assertEqual([], self.asked())

    def test_question_peers(self) -> None:
        """A question is offered to no more peers than the bound."""
        self.meet(Limits(question_peers=4))
        self.asker.say(get("g", "s"))
        self.talk.advance(1_000)
        self.assertEqual([0, 1, 2, 3], self.asked())
        self.assertEqual(1, self.talk.counters["question_peers_exceeded"])


class AnswerFromOthersTests(SynchronousTestCase):
    """What the others say."""

    def setUp(self) -> None:
        """An asker, and one that has data."""
        self.begin(axe=True)

    def begin(self, *, axe: bool) -> None:
        """Begin in one of the two modes."""
        self.talk = Conversation(axe=axe)
        self.asker, self.holder = self.talk.connect("asker"), self.talk.connect("holder")

    def test_merged_stored_passed_on(self) -> None:
        """An answer is stored, acknowledged, and goes to the asker under its own id; then it is ours."""
        for axe in (True, False):
            self.begin(axe=axe)
            self.asker.say(get("g", "s"))
            self.holder.say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g", "##": 5, "more": [1]}))
            answer = self.asker.answers("g")[-1]
            self.assertEqual(
                ("a", 5, [1], 1), (answer["#"], answer["##"], answer["more"], answer["put"]["s"]["x"])
            )
            self.assertNotIn("><", answer)
            self.assertEqual(True, self.holder.answers("a")[0]["ok"])
            self.assertEqual(1, len(self.talk.writer.commits))
            self.holder.say(get("h", "s"))
            self.assertEqual(1, self.holder.answers("h")[0]["put"]["s"]["x"])

    def test_answerer_is_subscribed(self) -> None:
        """Who answers hears of what comes after, as with gun.js; not for names that are too long to keep."""
        for soul, told in (("s", 1), ("s" * 256, 1), ("s" * 257, 0)):
            self.begin(axe=True)
            self.asker.say(get("g", soul))
            self.holder.say(put("a", soul, {"x": 1}, self.talk.now - 1, **{"@": "g", "##": 5}))
            self.asker.say(put("p", soul, {"x": 2}, self.talk.now))
            self.assertEqual(told, len([heard for heard in self.holder.heard if "put" in heard]))

    def test_answering_relay(self) -> None:
        """A gunnet relay that answers asks itself for what it wants to hear of."""
        be_gunnet(self.holder)
        self.asker.say(get("g", "s"))
        self.holder.say(put("a", "s", {"x": 1}, self.talk.now - 1, **{"@": "g", "##": 5}))
        self.asker.say(put("p", "s", {"x": 2}, self.talk.now))
        self.assertEqual([], [heard for heard in self.holder.heard if "put" in heard])

    def test_same_hash(self) -> None:
        """An answer with the hash that the asker has, or was given, is merged and goes no further."""
        self.asker.say(get("g1", "s", **{"##": 5}))
        self.holder.say(put("a1", "s", {"x": 1}, self.talk.now, **{"@": "g1", "##": 5}))
        self.assertEqual([], [answer for answer in self.asker.answers("g1") if "put" in answer])
        self.asker.say(get("g2", "t"))
        self.holder.say(put("a2", "t", {"x": 1}, self.talk.now, **{"@": "g2", "##": 6}))
        self.holder.say(put("a3", "t", {"x": 1}, self.talk.now, **{"@": "g2", "##": 6}))
        self.assertEqual(["a2"], [answer["#"] for answer in self.asker.answers("g2") if "put" in answer])

    def test_lost_tie(self) -> None:
        """Where an answer loses a tie, what stands is in its place; an older one is the asker's to ignore."""
        for axe in (True, False):
            self.begin(axe=axe)
            self.asker.say(get("g", "s"))
            self.asker.say(put("p", "s", {"tie": 5, "old": "new"}, 2_000))
            self.holder.say(put("a", "s", {"tie": 10, "x": 1}, 2_000, **{"@": "g", "##": 7, "more": 1}))
            self.holder.say(put("b", "s", {"old": "older"}, 1_000, **{"@": "g", "##": 8}))
            mixed, older = [answer for answer in self.asker.answers("g") if "put" in answer]
            self.assertEqual(
                {"_": {"#": "s", ">": {"tie": 2_000, "x": 2_000}}, "tie": 5, "x": 1}, mixed["put"]["s"]
            )
            self.assertEqual(jstext.string_hash(jstext.stringify(mixed["put"], sort=True)), mixed["##"])
            self.assertEqual(("a", 1), (mixed["#"], mixed["more"]))
            self.assertEqual("older", older["put"]["s"]["old"])
            self.assertEqual(1, self.talk.counters["answers_corrected"])

    def test_other_hash(self) -> None:
        """Answers that differ are all passed on."""
        self.asker.say(get("g", "s"))
        self.holder.say(put("a1", "s", {"x": 1}, self.talk.now, **{"@": "g", "##": 5}))
        self.holder.say(put("a2", "s", {"x": 2}, self.talk.now, **{"@": "g", "##": 6}))
        self.assertEqual(["a1", "a2"], [answer["#"] for answer in self.asker.answers("g") if "put" in answer])

    def test_not_found(self) -> None:
        """That others have nothing either is passed on until there was data, and not after."""
        self.asker.say(get("g", "s"))
        self.holder.say({"#": "n1", "@": "g"})
        self.holder.say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g", "##": 5}))
        self.holder.say({"#": "n2", "@": "g"})
        self.assertEqual(["n1", "a"], [answer["#"] for answer in self.asker.answers("g")][1:])

    def test_err(self) -> None:
        """An error or an ok for a question is passed on at any time."""
        self.asker.say(get("g", "s"))
        self.holder.say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g", "##": 5}))
        self.holder.say({"#": "e", "@": "g", "err": "no"})
        self.assertEqual("no", self.asker.answers("g")[-1]["err"])

    def test_invalid(self) -> None:
        """A bad answer goes nowhere, and its sender is told."""
        self.asker.say(get("g", "s"))
        self.holder.say({"#": "a", "@": "g", "put": {"s": {"x": 1}}})
        self.assertEqual(1, len(self.asker.answers("g")))
        self.assertIn("err", self.holder.answers("a")[0])

    def test_unasked(self) -> None:
        """An answer to nobody's question is merged, and told to subscribers only."""
        self.asker.say(get("g", "s"))
        self.holder.say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "nobody's"}))
        self.assertEqual(1, self.asker.heard[-1]["put"]["s"]["x"])
        self.assertNotIn("@", self.asker.heard[-1])

    def test_flood(self) -> None:
        """With AXE off a question goes to all at once, hit or miss, with the hash of our answer."""
        self.begin(axe=False)
        self.asker.say(get("g1", "s"))
        self.assertNotIn("##", self.holder.take()[-1])
        self.asker.say(put("p", "s", {"x": 1}, self.talk.now))
        self.asker.say(get("g2", "s"))
        self.assertEqual(self.asker.answers("g2")[0]["##"], self.holder.take()[-1]["##"])


class UpstreamTests(SynchronousTestCase):
    """Upstreams are asked once for each soul or property and link."""

    def setUp(self) -> None:
        """A client and an upstream."""
        self.begin(Limits())

    def begin(self, limits: Limits) -> None:
        """Begin with other bounds."""
        self.talk = Conversation(limits=limits)
        self.a = self.talk.connect("a")
        self.up = self.talk.connect("up", url=URL)

    def test_once(self) -> None:
        """With an answer here, a second question for the same goes to it no more, nor one for a part."""
        self.a.say(put("p", "s", {"x": 1, "y": 1}, self.talk.now))
        self.a.say(get("g1", "s", "x"))
        self.a.say(get("g2", "s", "x"))
        self.a.say(get("g3", "s"))
        self.a.say(get("g4", "s"))
        self.a.say(get("g5", "s", "y"))
        self.assertEqual(["g1", "g3"], questions(self.up))

    def test_lex(self) -> None:
        """What is selected by LEX brings updates too, so it is asked for once, and not at all if all was."""
        lex = {"*": "x"}
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.a.say(get("g1", "s", lex))
        self.a.say(get("g2", "s", lex))
        self.a.say(get("g3", "s"))
        self.a.say(get("g4", "s", lex))
        self.assertEqual(["g1", "g3"], questions(self.up))

    def test_lex_budgets(self) -> None:
        """Asked for with another budget, it may be more: that is asked for again."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        for number, budget in enumerate((5, 10, 5)):
            self.a.say({"#": f"g{number}", "get": {"#": "s", ".": {"*": "x"}, "%": budget}})
        self.a.say({"#": "h", "get": {"#": "s", "%": 5}})
        self.a.say(get("i", "s"))
        self.assertEqual(["g0", "g1", "h", "i"], questions(self.up))

    def test_lex_souls(self) -> None:
        """gun.js has no subscriptions to a range of souls, so it is asked each time; a gunnet relay has."""
        for is_gunnet, asked in ((False, ["g1", "g2"]), (True, ["g1"])):
            self.begin(Limits())
            if is_gunnet:
                be_gunnet(self.up)
            self.a.say(put("p", "s", {"x": 1}, self.talk.now))
            for number in (1, 2):
                self.a.say({"#": f"g{number}", "get": {"#": {"*": "s"}, "%": 100}})
            self.assertEqual(asked, questions(self.up))

    def test_miss(self) -> None:
        """
        Without an answer here it is asked again: gun.js tells nobody what it learned from answers. But not
        while it has not answered what it was asked a moment ago.
        """
        self.a.say(get("g1", "s"))
        self.a.say(get("g2", "s"))
        self.assertEqual(["g1"], questions(self.up))
        self.up.say({"#": "miss", "@": "g1"})
        self.a.say(get("g3", "s"))
        self.talk.advance(3_001)
        self.a.say(get("g4", "s"))
        self.assertEqual(["g3", "g4"], questions(self.up))

    def test_hit(self) -> None:
        """It is asked although we have an answer, which may be old; with its hash."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.up.take()
        self.a.say(get("g", "s"))
        (question,) = self.up.take()
        self.assertEqual(self.a.answers("g")[0]["##"], question["##"])

    def test_not_its_own(self) -> None:
        """What it asks is not asked of it."""
        self.up.say(get("g", "s"))
        self.assertEqual([], questions(self.up))

    def test_reconnect(self) -> None:
        """A new link is asked for all that our peers are subscribed to, with the hashes of what we have."""
        now = self.talk.now
        self.a.say(put("p", "s", {"x": 1, "y": 2}, now))
        self.a.say([get("g1", "s"), get("g2", "t", "k"), get("g3", "s", "x")])
        digest = self.a.answers("g1")[0]["##"]
        self.up.close()
        back = self.talk.connect("again", url=URL, pid="pidUp")
        asked = {str(m["get"]): m.get("##") for m in back.take() if "get" in m}
        self.assertEqual(digest, asked[str({"#": "s"})])
        self.assertIsNone(asked[str({"#": "t", ".": "k"})])
        self.a.say(get("g4", "s"))
        self.assertEqual([], questions(back))

    def test_reconnect_without_greeting(self) -> None:
        """The link is asked when the greeting is over, or after half a second if nobody greets."""
        self.a.say(get("g1", "s"))
        self.up.close()
        back = self.talk.connect("again", url=URL)
        self.talk.advance(499)
        self.assertEqual([], questions(back))
        self.talk.advance(2)
        self.assertEqual(1, len(questions(back)))

    def test_reconnect_unreadable(self) -> None:
        """If the store can't be read, a new link is asked without hashes."""
        self.a.say([get("g1", "s"), get("g2", "t")])
        self.up.close()
        self.patch(self.talk.store, "node", BrokenStore(1).node)
        back = self.talk.connect("again", url=URL, pid="pidUp")
        self.assertEqual([None, None], [m.get("##") for m in back.heard if "get" in m])

    def test_reconnect_in_slices(self) -> None:
        """Many subscriptions are asked for bit by bit, all of them."""
        souls = [f"s{number}" for number in range(350)]
        self.a.say([get(f"g{soul}", soul) for soul in souls])
        self.up.close()
        back = self.talk.connect("again", url=URL, pid="pidUp")
        self.assertEqual(sorted(souls), sorted(m["get"]["#"] for m in back.heard if "get" in m))

    def test_flood_after_reconnect(self) -> None:
        """With AXE off the news that it answers goes to everybody, as a put; what is no news goes nowhere."""
        self.talk = Conversation(axe=False)
        self.a, b = self.talk.connect("a"), self.talk.connect("b", pid="pidB")
        self.up = self.talk.connect("up", url=URL)
        self.a.say(get("g", "s", "x"))
        self.up.close()
        self.up = self.talk.connect("up", url=URL, pid="pidUp")
        (question,) = [heard for heard in self.up.take() if "get" in heard]
        self.a.take(), b.take()
        news = put("n", "s", {"x": 2}, self.talk.now, **{"@": question["#"], "##": 7, "more": 1})
        self.up.say(news)
        self.up.say(put("o", "s", {"x": 1}, self.talk.now - 1, **{"@": question["#"], "##": 8}))
        self.up.say({"#": "miss", "@": question["#"]})
        for client in (self.a, b):
            (heard,) = client.take()
            self.assertEqual((news["put"], 1, "n"), (heard["put"], heard["more"], heard["#"]))
            self.assertFalse({"@", "##"} & heard.keys())

    def test_answer_after_reconnect(self) -> None:
        """What it answers then is news to those who are subscribed."""
        self.a.say(get("g", "s"))
        self.up.close()
        back = self.talk.connect("again", url=URL, pid="pidUp")
        (question,) = [message for message in back.take() if "get" in message]
        back.say(put("a", "s", {"x": 1}, self.talk.now, **{"@": question["#"]}))
        self.assertEqual(1, self.a.heard[-1]["put"]["s"]["x"])

    def test_upstream_souls(self) -> None:
        """When too many are remembered all are forgotten, counted, and asked for once more."""
        self.begin(Limits(upstream_souls=3))
        for number in range(4):
            self.a.say(get(f"g{number}", f"s{number}"))
        self.assertEqual(3, self.talk.counters["upstream_souls_evicted"])
        self.a.say(get("h", "s0"))
        self.assertEqual(["g0", "g1", "g2", "g3", "h"], questions(self.up))


class SourcesTests(SynchronousTestCase):
    """Several relays above, and bridges."""

    def setUp(self) -> None:
        """A client and five relays above."""
        self.talk = Conversation()
        self.a = self.talk.connect("a")
        self.ups = [self.talk.connect(f"up{number}", url=f"ws://up{number}/gun") for number in range(5)]

    def asked(self) -> list[int]:
        """Which of them were asked since the last look."""
        return [number for number, up in enumerate(self.ups) if questions(up)]

    def test_in_turns(self) -> None:
        """All of them are asked, three a turn, though there is an answer here; each once."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.a.say(get("g", "s"))
        asked = [self.asked()]
        for _ in range(2):
            self.talk.advance(25.01)
            asked.append(self.asked())
        self.assertEqual([[0, 1, 2], [3, 4], []], asked)

    def test_two_gets(self) -> None:
        """What was asked by a later get meanwhile is not asked when the turn of the first one comes."""
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.a.say(get("g", "s"))
        self.a.say(get("h", "s"))
        self.talk.advance(200)
        gets = [[heard["#"] for heard in up.heard if "get" in heard] for up in self.ups]
        self.assertEqual([["g"], ["g"], ["g"], ["h"], ["h"]], gets)

    def test_answer_in_between(self) -> None:
        """An answer ends the search, but not for those that are to keep us up to date: they get its hash."""
        other = self.talk.connect("other")
        for soul, fields in (("s", {}), ("t", {"##": 5})):
            self.a.say(get(f"g{soul}", soul, **fields))
            data = put(f"a{soul}", soul, {"x": 1}, self.talk.now)
            self.ups[0].say({**data, "@": f"g{soul}", "##": 77})
            self.asked()
            self.talk.advance(1_000)
            late = [heard for up in self.ups[3:] for heard in up.heard if heard.get("get") == {"#": soul}]
            self.assertEqual([77, 77], [heard["##"] for heard in late])
        self.assertEqual([], questions(other))

    def test_evicted_before_its_turn(self) -> None:
        """A source whose turn did not come is asked the next time."""
        self.talk = Conversation(limits=Limits(questions=1))
        self.a = self.talk.connect("a")
        self.ups = [self.talk.connect(f"up{number}", url=f"ws://up{number}/gun") for number in range(5)]
        for soul in "st":
            self.a.say(put(f"p{soul}", soul, {"x": 1}, self.talk.now))
            self.a.say(get(f"g{soul}", soul))
        self.talk.advance(120)
        self.asked()
        self.a.say(get("gs2", "s"))
        self.assertEqual([3, 4], self.asked())

    def test_named_in_the_question(self) -> None:
        """One that has the question already still has to know that we ask, if it understands that."""
        be_gunnet(self.ups[1])
        self.a.say(get("g", "s", **{"><": "ws://up0/gun,ws://up1/gun"}))
        self.talk.advance(1_000)
        self.assertEqual([1, 2, 3, 4], self.asked())

    def test_repeated_question(self) -> None:
        """A question that a gunnet relay says too is answered, and subscribes it; others are not heard."""
        relay, other = self.talk.connect("relay"), self.talk.connect("other")
        be_gunnet(relay)
        self.a.say(get("g", "s"))
        relay.take(), other.take()
        for client in (relay, other):
            client.say(get("g", "s"))
        relay.say(get("r", "r"))
        relay.say(get("r", "r"))
        self.assertEqual(1, len(relay.answers("r")))
        self.assertEqual(1, len(relay.answers("g")))
        self.assertEqual([], other.answers("g"))
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.assertEqual(1, len([heard for heard in relay.take() if "put" in heard]))
        self.assertEqual([], [heard for heard in other.take() if "put" in heard])

    def test_known_hash(self) -> None:
        """A gunnet relay that has our answer already hears that there is nothing; others hear nothing."""
        relay = self.talk.connect("relay")
        be_gunnet(relay)
        self.a.say(put("p", "s", {"x": 1}, self.talk.now))
        self.a.say(get("g0", "s"))
        digest = self.a.answers("g0")[0]["##"]
        for client, answers in ((self.a, 0), (relay, 1)):
            name = f"g{client.name}"
            client.say(get(name, "s", **{"##": digest}))
            self.assertEqual([{"#", "@"}] * answers, [set(answer) for answer in client.answers(name)])


class ShareTests(SynchronousTestCase):
    """Who asks the same at the same time shares one question."""

    def setUp(self) -> None:
        """Three askers, and two others."""
        self.begin(Limits())

    def begin(self, limits: Limits) -> None:
        """Begin with other bounds."""
        self.talk = Conversation(limits=limits)
        self.askers = [self.talk.connect(f"a{number}", pid=f"pidA{number}") for number in range(3)]
        self.holder = self.talk.connect("holder", pid="pidHolder")
        self.other = self.talk.connect("other", pid="pidOther")
        for client in (*self.askers, self.holder, self.other):
            client.say({"#": f"hi {client.name}", "dam": "hi"})

    def ask(self, **fields: Any) -> None:
        """Have all three ask for one thing."""
        for number, asker in enumerate(self.askers):
            asker.say(get(f"g{number}", "s", **fields))

    def put_answers(self, number: int) -> list[Message]:
        """All messages with data that one of them heard."""
        return [heard for heard in self.askers[number].heard if "put" in heard]

    def test_one_question(self) -> None:
        """Nobody is asked twice, and what comes back goes to all of them once, each under its question."""
        self.ask()
        self.talk.advance(500)
        self.assertEqual((["g0"], ["g0"]), (questions(self.holder), questions(self.other)))
        self.assertEqual(2, self.talk.counters["questions_shared"])
        self.holder.say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g0", "##": 5, "more": [1]}))
        self.talk.advance(500)
        ids = set()
        for number in range(3):
            (answer,) = self.put_answers(number)
            self.assertEqual((f"g{number}", 5, [1]), (answer["@"], answer["##"], answer["more"]))
            ids.add(answer["#"])
        self.assertEqual(3, len(ids))
        self.assertIn("a", ids)

    def test_known_hash(self) -> None:
        """One that has the answer is not given it; the others are, and it is stored."""
        data = put("a", "s", {"x": 1}, self.talk.now)
        digest = jstext.string_hash(jstext.stringify(data["put"], sort=True))
        for number, fields in enumerate(({"##": digest}, {}, {"##": digest})):
            self.askers[number].say(get(f"g{number}", "s", **fields))
        self.holder.say({**data, "@": "g0", "##": digest})
        self.assertEqual([0, 1, 0], [len(self.put_answers(number)) for number in range(3)])
        self.assertEqual(1, len(self.talk.writer.commits))

    def test_claimed_hash(self) -> None:
        """A hash that is not that of the data does not keep the data from anybody."""
        for number, digest in enumerate((5, None)):
            self.askers[number].say(get(f"g{number}", "s", **({"##": digest} if digest else {})))
        self.holder.say(put("a", "s", {"x": 2}, self.talk.now, **{"@": "g0", "##": 5}))
        self.assertEqual([1, 1], [len(self.put_answers(number)) for number in range(2)])

    def test_asker_that_has_something(self) -> None:
        """One whose hash tells that it has something is asked on behalf of the next."""
        self.askers[0].say(get("g0", "s", **{"##": 5}))
        self.askers[1].say(get("g1", "s"))
        self.askers[2].say(get("g2", "s"))
        self.assertEqual(["g1"], questions(self.askers[0]))
        self.askers[0].say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g1", "##": 5}))
        self.assertEqual([0, 1, 1], [len(self.put_answers(number)) for number in range(3)])

    def test_several_answers(self) -> None:
        """Each that differs goes to each of them; one that somebody gave before to nobody."""
        self.ask()
        self.holder.say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g0", "##": 5}))
        self.other.say(put("b", "s", {"x": 1}, self.talk.now, **{"@": "g0", "##": 5}))
        self.other.say(put("c", "s", {"x": 2}, self.talk.now, **{"@": "g0", "##": 6}))
        for number in range(3):
            self.assertEqual([5, 6], [answer["##"] for answer in self.put_answers(number)])

    def test_misses(self) -> None:
        """That somebody has nothing is told to all of them, the first time that it is said; as are errors."""
        self.ask()
        self.talk.advance(50)
        for number in range(3):
            self.holder.say({"#": f"m{number}", "@": "g0"})
        self.other.say({"#": "e", "@": "g0", "err": "no"})
        self.assertEqual(
            [5, 3, 3], [len(asker.answers(f"g{number}")) for number, asker in enumerate(self.askers)]
        )
        self.assertEqual(["no"] * 3, [a.answers(f"g{n}")[-1]["err"] for n, a in enumerate(self.askers)])

    def test_ends(self) -> None:
        """When all have answered it is asked anew; likewise after three seconds, or if all have left."""
        self.askers[0].say(get("g0", "s"))
        self.talk.advance(50)
        for client in (*self.askers[1:], self.holder, self.other):
            client.say({"#": f"miss of {client.name}", "@": "g0"})
        self.askers[0].say(get("h0", "s"))
        self.talk.advance(2_990)
        self.askers[1].say(get("h1", "s"))
        self.talk.advance(100)
        self.askers[1].say(get("h2", "s"))
        self.talk.advance(100)
        self.assertEqual(["g0", "h0", "h2"], questions(self.holder))
        self.holder.close(), self.other.close(), self.askers[2].close(), self.askers[0].close()
        late = self.talk.connect("late")
        late.say(get("h3", "s"))
        self.assertEqual(["g0", "h0", "h3"], questions(self.askers[1]))

    def test_lex(self) -> None:
        """The same goes for what is selected by LEX, if all of it is the same."""
        lex = {"#": {"*": "s"}, "%": 100}
        self.askers[0].say({"#": "g0", "get": lex})
        self.askers[1].say({"#": "g1", "get": lex})
        self.askers[2].say({"#": "g2", "get": {**lex, "%": 50}})
        self.talk.advance(100)
        self.assertEqual(["g0", "g2"], questions(self.holder))
        self.holder.say(put("a", "s1", {"x": 1}, self.talk.now, **{"@": "g0", "##": 5}))
        self.assertEqual(["g0", "g1"], [self.put_answers(number)[0]["@"] for number in range(2)])

    def test_first_asker_leaves(self) -> None:
        """The others still get what comes."""
        self.ask()
        self.askers[0].close()
        self.holder.say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g0", "##": 5}))
        self.assertEqual([1, 1], [len(self.put_answers(number)) for number in (1, 2)])

    def test_sharer_answers(self) -> None:
        """If one of those who ask turns out to know, it hears nothing of its own answer."""
        self.ask()
        self.askers[1].say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g0", "##": 5}))
        self.talk.advance(100)
        self.assertEqual([1, 0, 1], [len(self.put_answers(number)) for number in range(3)])

    def test_source_is_asked_for_a_sharer(self) -> None:
        """A source that itself asked first is asked by who comes next: it is to keep us up to date."""
        up = self.talk.connect("up", url=URL)
        up.say(get("g", "s"))
        self.askers[0].say(get("g0", "s"))
        self.assertEqual(["g0"], questions(up))
        up.say(put("a", "s", {"x": 1}, self.talk.now, **{"@": "g0", "##": 5}))
        self.assertEqual(1, len(self.put_answers(0)))

    def test_long_names(self) -> None:
        """Nothing is shared that would have to be kept at great length."""
        for number, asker in enumerate(self.askers[:2]):
            asker.say(get(f"g{number}", "s" * 257))
        self.talk.advance(100)
        self.assertEqual(["g0", "g1"], questions(self.holder))

    def test_question_sharers(self) -> None:
        """No more share one question than the bound; who is one too many begins another."""
        self.begin(Limits(question_sharers=1))
        self.ask()
        self.talk.advance(100)
        self.assertEqual(1, self.talk.counters["question_sharers_exceeded"])
        self.assertEqual(["g0", "g2"], questions(self.holder))

    def test_shared_questions(self) -> None:
        """No more questions are kept for sharing than the bound; the oldest is shared no more."""
        self.begin(Limits(shared_questions=2))
        for number in range(3):
            self.askers[0].say(get(f"g{number}", f"s{number}"))
        self.assertEqual(1, self.talk.counters["shared_questions_evicted"])
        self.askers[1].say(get("h2", "s2"))
        self.askers[1].say(get("h0", "s0"))
        self.talk.advance(100)
        self.assertEqual(["g0", "g1", "g2", "h0"], sorted(questions(self.holder)))


class BestFirstTests(SynchronousTestCase):
    """Who has answered well is asked first."""

    def begin(self, limits: Limits, count: int = 12) -> None:
        """An asker and others."""
        self.talk = Conversation(limits=limits)
        self.asker = self.talk.connect("asker")
        self.others = [self.talk.connect(f"p{number}") for number in range(count)]
        self.number = 0

    def teach(self, other: int, after_ms: float) -> None:
        """Have one answer a question after some time."""
        self.number += 1
        name = f"t{self.number}"
        self.asker.say(get(name, name))
        self.talk.advance(200)
        self.talk.advance(after_ms)
        values = {"x": self.number}
        self.others[other].say(put(f"a{name}", name, values, self.talk.now, **{"@": name, "##": 5}))
        self.asked()

    def asked(self) -> list[int]:
        """Who was asked since the last look."""
        return [number for number, other in enumerate(self.others) if questions(other)]

    def first(self) -> list[int]:
        """Who is asked first about something new."""
        self.number += 1
        self.talk.advance(1_000)
        self.asked()
        self.asker.say(get(f"f{self.number}", f"f{self.number}"))
        return self.asked()

    def test_hits(self) -> None:
        """One that has given data is asked before those that have not, the quicker of two first."""
        self.begin(Limits())
        self.assertEqual([0, 1, 2], self.first())
        self.teach(9, 1_000)
        self.teach(7, 0)
        self.assertEqual([0, 7, 9], self.first())
        self.teach(11, 0)
        self.teach(11, 0)
        self.assertEqual([7, 9, 11], self.first())
        self.teach(10, 0)
        self.assertNotIn(9, self.first())

    def test_forgets_slowly(self) -> None:
        """One that has nothing for long is asked like the others."""
        self.begin(Limits())
        self.teach(9, 0)
        self.assertIn(9, self.first())
        for _ in range(20):
            self.first()
        self.assertEqual([0, 1, 2], self.first())

    def test_link_ends(self) -> None:
        """A new link begins anew."""
        self.begin(Limits())
        self.teach(9, 0)
        self.others[9].close()
        self.others[9] = self.talk.connect("back")
        self.assertEqual([0, 1, 2], self.first())
        for client in (*self.others, self.asker):
            client.close()
        self.talk.advance(10_000)
        questions = self.talk.relay._gets._questions
        self.assertEqual((0, 0), (len(questions), len(questions._answerers)))

    def test_cost(self) -> None:
        """Of two that answer as often the quicker one is better, of two that are as quick the surer one."""
        answerers = Answerers(Limits(), Counters())
        slow, quick, unsure, silent = (Peer(name) for name in ("slow", "quick", "unsure", "silent"))
        for number in range(10):
            for peer, latency_ms in ((unsure, 10.0), (slow, 200.0), (quick, 10.0), (silent, 1.0)):
                answerers.asked(peer)
                data = peer is not silent and (peer is not unsure or number % 2 == 0)
                answerers.answered(peer, latency_ms, data=data)
        self.assertEqual([quick, unsure, slow], answerers.best())

    def test_answerers(self) -> None:
        """No more than the bound are ranked; the worst is not."""
        self.begin(Limits(answerers=2))
        self.teach(9, 1_000)
        self.teach(8, 0)
        self.teach(7, 0)
        self.assertEqual(1, self.talk.counters["answerers_evicted"])
        self.assertEqual([0, 7, 8], self.first())
