"""
What an operator's own rule is asked, and what it may answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gunnet.graph.node import PutCell
from gunnet.mesh.writers import signer_of
from gunnet.wire import jstext

REJECTED = "Error: The operator of this relay does not allow it."
ANSWER_CHARACTERS = 1_000
"""A longer reason is cut."""


@dataclass(frozen=True)
class Ask:
    """
    May a put stand? Only what the firewall has let through is asked about.

    @ivar number: which one it is; each has another.
    @ivar message: the id that its sender gave it; not unique.
    @ivar peer: who sent it, as logs call it: C{ws 192.0.2.7:51724} of one that came to us.
    @ivar cells: (soul, key, state, JSON text of the value), each.
    """

    number: int
    message: str
    peer: str
    cells: tuple[PutCell, ...]

    def writers(self) -> list[str | None]:
        """Who signed each cell, verified; L{None} for nobody."""
        return [signer_of(cell) for cell in self.cells]

    def as_json(self) -> bytes:
        """One line of JSON, without its end."""
        signers = self.writers()
        cells = [
            b'{"soul":%b,"key":%b,"state":%b,"value":%b,"writer":%b}'
            % (jstext.string(soul), jstext.string(key), jstext.stringify(state), value, _text(signer))
            for (soul, key, state, value), signer in zip(self.cells, signers, strict=True)
        ]
        known = dict.fromkeys(signer for signer in signers if signer is not None)
        return b'{"id":"%d","message":%b,"peer":%b,"writers":[%b],"put":[%b]}' % (
            self.number,
            jstext.string(self.message),
            jstext.string(self.peer),
            b",".join(map(jstext.string, known)),
            b",".join(cells),
        )


def _text(value: str | None) -> bytes:
    return b"null" if value is None else jstext.string(value)


@dataclass(frozen=True)
class Answer:
    """
    What a rule says.

    @ivar action: C{accept}; C{reject}, which its sender is told; or C{drop}, which nobody is.
    @ivar err: why it was rejected, for its sender.
    """

    action: Literal["accept", "reject", "drop"]
    err: str = REJECTED


ACCEPT = Answer("accept")
DROP = Answer("drop")


def read_answer(said: object) -> Answer:
    """
    What somebody means by an answer: L{True}, L{False}, an L{Answer}, its action, or
    C{{"action": …, "err": …}}.

    @raise ValueError: it is nothing of that.
    """
    if isinstance(said, Answer):
        return said
    if isinstance(said, bool):
        return ACCEPT if said else Answer("reject")
    action, err = (said.get("action"), said.get("err")) if isinstance(said, dict) else (said, None)
    if action == "accept":
        return ACCEPT
    if action == "drop":
        return DROP
    if action == "reject":
        return Answer("reject", err[:ANSWER_CHARACTERS] if isinstance(err, str) and err else REJECTED)
    raise ValueError("not an answer: an action is accept, reject or drop")
