"""
Each kind of hostile input is refused, and its honest twin is not.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gunnet.wire import jstext
from tests.hostile.corpus import FAMILIES, kinds
from tests.hostile.kinds import Kind
from tests.hostile.stage import Stage, is_as_expected, values_in

KINDS_MIN = 200


class CorpusTests(SynchronousTestCase):
    """The corpus itself."""

    def test_size(self) -> None:
        """It has at least 200 kinds, each with a name of its own, no two the same, and most with a twin."""
        names = [f"{family}: {kind.name}" for family in FAMILIES for kind in kinds(family)]
        self.assertGreaterEqual(len(names), KINDS_MIN)
        self.assertEqual(len(names), len(set(names)))
        said = [(kind.said, kind.before, kind.limits) for family in FAMILIES for kind in kinds(family)]
        texts = [repr(each) for each in said]
        self.assertEqual([], [name for name, text in zip(names, texts, strict=True) if texts.count(text) > 1])
        twins = [kind for family in FAMILIES for kind in kinds(family) if kind.twin is not None]
        self.assertGreater(len(twins), len(names) * 3 // 4)


class RefusedTests(SynchronousTestCase):
    """Base of what is made below: one test for each family, with updates to subscribers and with flooding."""

    family: str

    def run_kind(self, kind: Kind, *, axe: bool) -> None:
        """Say it, and look at everything it could have changed."""
        where = f"{self.family}: {kind.name} ({'AXE' if axe else 'flood'})"
        stage = Stage(kind, axe=axe)
        before = stage.cells()
        answers = [answer for said in kind.said for answer in stage.say(said)]
        self.assertTrue(is_as_expected(answers, kind.answer), f"{where}: answered {answers}")
        after = stage.cells()
        new = {name for name in after if after[name] != before.get(name)}
        self.assertEqual(set(kind.good), new, where)
        self.assertEqual(set(), set(before) - set(after), where)
        good = {name: (state, value) for name, (state, value) in after.items() if name in kind.good}
        for name, messages in stage.told().items():
            told = {
                each: (state, jstext.stringify(value)) for each, (state, value) in values_in(messages).items()
            }
            self.assertEqual({}, {each: cell for each, cell in told.items() if good.get(each) != cell}, where)
            if not good:
                self.assertEqual([], messages, f"{where}: {name} was told")
        self.assertTrue(stage.is_alive(), where)
        self.assertEqual({}, stage.leave(), where)
        self.assertEqual(after, stage.cells(), where)
        self.assertEqual([], self.flushLoggedErrors(), where)

    def run_twin(self, kind: Kind, *, axe: bool) -> None:
        """Say what an honest one would: it stands, is acknowledged, and told to who subscribes."""
        if kind.twin is None:
            return
        where = f"{self.family}: twin of {kind.name} ({'AXE' if axe else 'flood'})"
        stage = Stage(kind, axe=axe)
        self.assertEqual(["ok"], stage.say(kind.twin), where)
        names = values_in([kind.twin])
        after = stage.cells()
        for name, (state, value) in names.items():
            self.assertEqual((state, jstext.stringify(value)), after.get(name), where)
        told = values_in(stage.told()["subscriber"])
        self.assertEqual(names, {name: told.get(name) for name in names}, where)
        self.assertEqual({}, stage.leave(), where)


def _test(*, axe: bool) -> object:
    def test(self: RefusedTests) -> None:
        twins: set[str] = set()
        for kind in kinds(self.family):
            self.run_kind(kind, axe=axe)
            said = repr((kind.twin, kind.limits, kind.before))
            if said not in twins:
                twins.add(said)
                self.run_twin(kind, axe=axe)

    test.__doc__ = "Each kind of the family is refused, and nothing comes of it; its honest twin stands."
    return test


def _made() -> dict[str, type[RefusedTests]]:
    made = {}
    for family in FAMILIES:
        name = "".join([part.capitalize() for part in family.replace("'", "").split()]) + "Tests"
        tests = {"test_axe": _test(axe=True), "test_flood": _test(axe=False)}
        made[name] = type(
            name,
            (RefusedTests,),
            {"__doc__": f"Hostile: {family}.", "__module__": __name__, "family": family, **tests},
        )
    return made


globals().update(_made())
