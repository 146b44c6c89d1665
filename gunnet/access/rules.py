"""
The operator's own rule: a Python callable, or a program (L{gunnet.access.program}). Either has a deadline,
and what holds when it does not answer is the operator's choice.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gunnet.counters import Counters
from gunnet.mesh.asks import ACCEPT, Answer, Ask, read_answer
from gunnet.settings_error import SettingsError

TELL_SECONDS = 10.0
"""That a rule fails is logged so often at most, however many puts it is asked about."""
NOT_ASKED = Answer("reject", "Error: The rule of this relay did not answer, try again later.")


class Rule:
    """
    What all kinds have in common: an answer in any case, and in time.

    @ivar counters: what goes wrong is counted here; set by who builds the relay.
    """

    _log = Logger()

    def __init__(self, reactor: IReactorTime, deadline: float, *, fails_open: bool) -> None:
        """
        @param deadline: seconds.
        @param fails_open: whether what could not be asked about may stand.
        """
        self.counters = Counters()
        self._reactor = reactor
        self._deadline = deadline
        self._default = ACCEPT if fails_open else NOT_ASKED
        self._tell_again = float("-inf")

    def ask(self, ask: Ask) -> Deferred[Answer]:
        """See L{gunnet.turns.Asked.ask}."""
        answered: Deferred[Answer] = Deferred()
        asked: Deferred[Any] = maybeDeferred(self._ask, ask)

        def give_up() -> None:
            # Not by what comes of cancelling: a coroutine may catch that, and go on.
            self.counters.count("rule_deadlines_exceeded")
            self._tell(f"no answer in {self._deadline:g} s")
            answered.callback(self._default)
            asked.cancel()

        late = self._reactor.callLater(self._deadline, give_up)

        def conclude(answer: Answer) -> None:
            if late.active():
                late.cancel()
                answered.callback(answer)

        asked.addCallback(self._read).addErrback(self._failed, late).addCallback(conclude)
        return answered

    def _read(self, said: object) -> Answer:
        answer = read_answer(said)
        self.counters.count("rule_answers")
        return answer

    def _failed(self, failure: Failure, late: IDelayedCall) -> Answer:
        if late.active():
            self.counters.count("rule_failures")
            self._tell(failure.getBriefTraceback())
        return self._default

    def _tell(self, why: str) -> None:
        now = self._reactor.seconds()
        if now >= self._tell_again:
            self._tell_again = now + TELL_SECONDS
            self._log.warn("the operator's rule failed, perhaps more often than this: {why}", why=why)

    def _ask(self, ask: Ask) -> object:
        """
        Ask.

        @return: what L{read_answer} takes, or a Deferred of it.
        """
        raise NotImplementedError


class CallableRule(Rule):
    """A Python callable: it is given an L{Ask}, and may return an answer, a Deferred or a coroutine of it."""

    def __init__(
        self, rule: Callable[[Ask], Any], reactor: IReactorTime, deadline: float, *, fails_open: bool
    ) -> None:
        super().__init__(reactor, deadline, fails_open=fails_open)
        self._rule = rule

    def _ask(self, ask: Ask) -> object:
        said = self._rule(ask)
        return ensureDeferred(said) if inspect.iscoroutine(said) else said


def load_rule(name: str) -> Callable[[Ask], Any]:
    """
    Find a rule by its name.

    @param name: C{module:callable}.
    @raise SettingsError: there is none of that name.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise SettingsError(f"rule {name!r} is not like module:callable")
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as e:  # what a module does while it is imported is anything
        raise SettingsError(f"rule {name!r}: {type(e).__name__}: {e}") from e
    if not callable(found):
        raise SettingsError(f"rule {name!r} can't be called")
    rule: Callable[[Ask], Any] = found
    return rule
