"""
What is known of a comparison with a gun.js relay while it goes on (L{gunnet.mesh.plain}).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gunnet.graph.ham import Cell, Verdict, decide
from gunnet.graph.lex import Query
from gunnet.graph.node import PutRefused, read_put
from gunnet.limits import Limits
from gunnet.mesh.compare import Telling
from gunnet.mesh.debt import Name
from gunnet.wire import jstext


@dataclass
class PlainOutcome:
    """
    What a comparison did.

    @ivar error: why it ended early, L{None} if it did not.
    @ivar souls: how many nodes were asked for; C{unanswered}: of how many of them it is not known what is
        there.
    @ivar newer: cells that we had newer; C{sent}: those of them that it was put, for it may have been told
        already; C{received}: cells that were answered and newer than ours.
    """

    error: str | None = None
    souls: int = 0
    unanswered: int = 0
    newer: int = 0
    sent: int = 0
    received: int = 0


class Asked:
    """
    A node that was asked for.

    @ivar hashed: whether only with a hash, so that silence may mean that it is the same.
    @ivar answer: what was answered to the questions for the whole of it; L{None} if nothing was.
    @ivar questions: the ids of those that are waited for; C{part}: of the one for a property.
    @ivar checks: how often an answer was checked by a question for a property that was missing in it.
    @ivar wanting: the first property of ours that was missing when that was looked at.
    @ivar until: when no more is waited for.
    @ivar unanswered: whether it is not known if what was not answered is there.
    """

    __slots__ = (
        *("answer", "checks", "hashed", "part", "questions", "soul", "unanswered", "until", "wanting"),
    )

    def __init__(self, soul: str, until: float, *, hashed: bool) -> None:
        self.soul = soul
        self.until = until
        self.hashed = hashed
        self.answer: dict[str, Cell] | None = None
        self.questions: list[str] = []
        self.part: str | None = None
        self.checks = 0
        self.wanting: str | None = None
        self.unanswered = False


class Course:
    """
    The comparison with one peer.

    @ivar last: the soul that was asked for last; C{ended}: whether there is none after it.
    @ivar asked: nodes under way, by the ids of their questions; C{nodes}: how many they are.
    @ivar said: questions that are not answered, by id, the latest ones.
    @ivar complete: nodes of which the whole answer is there.
    @ivar silent: of nodes that were taken for the same, the soul by the id of what was not answered.
    @ivar late_at: until when that may be answered yet; L{None} for not any more.
    @ivar kept: cells in the answers to all nodes under way.
    @ivar long_told: cells that it was told some time before: if it lacks them, it has lost them, as gun.js
        may lose a large put, even one that it has acknowledged.
    """

    def __init__(self, telling: Telling, done: Callable[[PlainOutcome], None] | None) -> None:
        self.telling = telling
        self.done = [] if done is None else [done]
        self.last: str | None = None
        self.ended = False
        self.asked: dict[str, Asked] = {}
        self.nodes = 0
        self.said: dict[str, Query] = {}
        self.complete: list[Asked] = []
        self.silent: dict[str, str] = {}
        self.late_at: float | None = None
        self.kept = 0
        self.long_told: set[Name] = set()
        self.outcome = PlainOutcome()

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for, and nothing left to ask."""
        return self.ended and not self.nodes and not self.complete and self.late_at is None

    def drop_question(self, node: Asked, question_id: str) -> None:
        """An answer to it is not waited for any more."""
        self.asked.pop(question_id, None)
        if question_id in node.questions:
            node.questions.remove(question_id)
        if node.part == question_id:
            node.part = None

    def finish(self, node: Asked) -> None:
        """Its whole answer is there."""
        for question_id in list(node.questions):
            self.drop_question(node, question_id)
        self.nodes -= 1
        self.complete.append(node)

    def give_up(self, error: str) -> None:
        """Ask no more, and hear no more."""
        self.outcome.error = error
        self.ended = True
        self.asked.clear()
        self.complete.clear()
        self.silent.clear()
        self.nodes = 0
        self.late_at = None

    def tell(self) -> None:
        """It is over."""
        for done in self.done:
            done(self.outcome)


def is_newer(cell: Cell, than: Cell) -> bool:
    """Whether C{cell} stands against another one, when both are in the past."""
    return decide(*cell, than, cell[0]) is Verdict.TAKE


def readable_cells(put: bytes, soul: str, limits: Limits) -> dict[str, Cell]:
    """
    What can be read of an answer that is refused. gun.js loses the state of a cell on its disk now and then,
    and a put of that cell mends it.

    @param put: the JSON text of its C{put}.
    @param soul: the node to read.
    """
    graph: Any = jstext.parse(put)
    node: Any = graph.get(soul) if isinstance(graph, dict) else None
    meta: Any = node.get("_") if isinstance(node, dict) else None
    states: Any = meta.get(">") if isinstance(meta, dict) else None
    cells: dict[str, Cell] = {}
    for key in states if isinstance(states, dict) else ():
        alone = {soul: {"_": {"#": soul, ">": {key: states[key]}}, key: node.get(key)}}
        with suppress(PutRefused):
            cells.update({key: (s, v) for _, key, s, v in read_put(jstext.stringify(alone), limits)})
    return cells
