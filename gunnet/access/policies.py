"""
Who may use a relay, as the program says that it is part of: objects, in place of the files and names that an
operator gives (L{gunnet.access.wanted}).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gunnet.access.door import Way
from gunnet.access.wanted import Access
from gunnet.mesh.asks import Ask
from gunnet.settings_error import SettingsError


@dataclass(frozen=True)
class Policies:
    """
    What a program says itself of who may use its relay. By default nothing.

    @ivar rule: is asked about each put. It is given an L{Ask<gunnet.mesh.asks.Ask>} and returns what
        L{read_answer<gunnet.mesh.asks.read_answer>} takes (L{True}, L{False}, C{"drop"}, a L{dict}), or a
        Deferred or a coroutine of that. How long it may take and what holds without an answer is said by
        L{Access.rule_deadline} and L{Access.rule_fail}.
    @ivar ways: ways to know the token of who connects, beside those of L{Access}. With any, a token is
        needed.
    @ivar writers: the public keys that may write; L{None} for all.
    """

    rule: Callable[[Ask], Any] | None = None
    ways: tuple[Way, ...] = ()
    writers: frozenset[str] | None = None

    def check(self, access: Access, *, multicast: bool) -> None:
        """
        Compare with what the settings say.

        @param multicast: whether the relay is to find others on the local network.
        @raise SettingsError: both say something of one thing, or the one makes the other worthless.
        """
        if self.rule is not None and (access.rule, access.rule_program) != (None, None):
            raise SettingsError("there can be one rule: that of the program, or that of the settings")
        if self.writers is not None and access.allow_pub is not None:
            raise SettingsError("who may write is said by the program or by a file, not by both")
        if self.ways and multicast:
            raise SettingsError(
                "multicast lets anybody on the local network read and write without a token: "
                "tokens and multicast exclude each other"
            )
