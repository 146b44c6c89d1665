"""
Every recorded conversation of gun.js, replayed: our relay says the same, or differs as it is meant to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from twisted.trial.unittest import SynchronousTestCase

from tests.mesh.deviations import AHEAD_MS, DEVIATIONS, base, of
from tests.mesh.replay import FRAMES, Replay, Said, load

_LINE = re.compile(r"([-+]) (\S+)((?: \S+)*)")


class Expected:
    """One line of the table of deviations."""

    def __init__(self, line: str) -> None:
        parts = _LINE.fullmatch(line)
        assert parts is not None, line
        self.is_ours = parts[1] == "+"
        self.who = parts[2]
        words = parts[3].split()
        self.count = int(words.pop()[1:]) if words and re.fullmatch(r"x\d+", words[-1]) else 1
        self._words = words

    def matches(self, said: Said) -> bool:
        """Whether C{said} is what the line speaks of."""
        who, message = said
        return who == self.who and all(_fits(word, message) for word in self._words)


def _fits(word: str, message: dict[str, object]) -> bool:
    if word == "*":
        return message.get("#") == "*" and "@" not in message
    if word[0] == "!":
        return word[1:] not in message
    if word[0] in "#@" and len(word) > 2:
        return fnmatchcase(str(message.get(word[0])), word[1:])
    return word in message


def unexplained(replay: Replay, deviations: list[tuple[str, ...]]) -> list[str]:
    """What of a replay and the table do not agree."""
    left = {True: list(replay.extra), False: list(replay.missing)}
    wrong = []
    for reason, *lines in deviations:
        for line in lines:
            expected = Expected(line)
            side = left[expected.is_ours]
            found = [said for said in side if expected.matches(said)][: expected.count]
            for said in found:
                side.remove(said)
            if len(found) != expected.count:
                wrong.append(f"listed, but {len(found)} of {expected.count} came: {line} ({reason})")
    wrong += [f"only gun.js said to {who}: {message}" for who, message in left[False]]
    wrong += [f"only we say to {who}: {message}" for who, message in left[True]]
    return wrong


class TraceTests(SynchronousTestCase):
    """One test per recorded conversation; see the end of this module."""

    def replay(self, name: str) -> None:
        """Replay one, and compare."""
        replay = Replay(load(name, AHEAD_MS.get(base(name), 0.0)))
        self.assertEqual([], unexplained(replay, of(name)))
        self.assertEqual(set(), replay.strangers_told, "names in >< that nobody has")
        self.assertEqual(0, replay.faults)

    def test_asked_back(self) -> None:
        """A real client that is back is asked back for what it is subscribed to; one that boots is not."""
        for mode in ("axe", "noaxe"):
            replay = Replay(load(f"41-real-client-reconnect.{mode}"))
            told = {
                answer["@"]: answer["##"]
                for answer in replay.said_to("G")
                if "put" in answer and "##" in answer
            }
            self.assertEqual(
                [{"#": "room", ".": "title"}, {"#": "whole"}], [said["get"] for _, said in replay.asked_back]
            )
            self.assertEqual(sorted(told.values()), sorted(said["##"] for _, said in replay.asked_back))
            self.assertEqual([], Replay(load(f"40-real-client-boot.{mode}")).asked_back)

    def test_table_names_traces(self) -> None:
        """Each deviation is of a trace that exists, and no trace is without frames."""
        names = {path.stem for path in FRAMES.glob("*.json")}
        self.assertEqual(set(), set(DEVIATIONS) - names - {base(name) for name in names})
        self.assertEqual([], [name for name in names if not load(name).events])


def _test(name: str) -> Callable[[TraceTests], None]:
    def test(self: TraceTests) -> None:
        self.replay(name)

    test.__doc__ = f"The conversation C{{{name}}}."
    return test


for _path in sorted(FRAMES.glob("*.json")):
    setattr(TraceTests, "test_" + re.sub(r"\W", "_", _path.stem), _test(_path.stem))
