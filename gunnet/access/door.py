"""
The door: who may connect. It is asked before there is a peer, with what the HTTP request said.

Where a browser's page comes from is one question, whether somebody has a token is another; both must be
answered well. Of several ways to know a token, any one will do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from gunnet.counters import Counters

COOKIE = "gun_token"
TOKEN_CHARACTERS_MAX = 8_192
"""A longer token is none."""

WRONG_ORIGIN = "pages of this origin may not connect here"
NO_TOKEN = "a token is needed to connect here: ?token=…, Authorization: Bearer …, or the cookie gun_token"
BAD_TOKEN = "this token is not accepted here, or not any more"


class Way(Protocol):
    """One way to know a token."""

    def admits(self, token: str, now: float) -> bool:
        """
        Whether who has C{token} may connect.

        @param now: seconds since 1970.
        """


@dataclass(frozen=True)
class Visit:
    """
    What a request said.

    @ivar origin: where the page that made it is from; L{None} if it was no browser.
    @ivar host: the host that was asked for.
    @ivar tokens: of the query and the Authorization header.
    @ivar cookies: those named L{COOKIE}.
    """

    origin: str | None = None
    host: str = ""
    tokens: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Why somebody may not connect. @ivar code: of HTTP. @ivar why: one line, for whoever it is."""

    code: int
    why: str


class Door:
    """Says who may connect."""

    def __init__(self, origins: Collection[str], ways: Sequence[Way], counters: Counters) -> None:
        """
        @param origins: where pages may be from; empty for anywhere.
        @param ways: how tokens are known; empty if none is needed.
        """
        self._origins = frozenset(origins)
        self._ways = tuple(ways)
        self._counters = counters

    def refuse(self, visit: Visit, now: float) -> Refusal | None:
        """
        Whether C{visit} may not become a link.

        @param now: seconds since 1970.
        """
        refusal = self.refuse_origin(visit)
        if refusal is not None or not self._ways:
            return refusal
        tokens = visit.tokens + (visit.cookies if self._is_own_page(visit) else ())
        tokens = tuple(token for token in tokens if 0 < len(token) <= TOKEN_CHARACTERS_MAX)[:3]
        # A browser sends cookies along with what any page asks for, so there may be two that differ.
        if any(way.admits(token, now) for token in tokens for way in self._ways):
            return None
        self._counters.count("links_without_token_refused")
        return Refusal(401, BAD_TOKEN if tokens else NO_TOKEN)

    def refuse_origin(self, visit: Visit) -> Refusal | None:
        """Whether C{visit} comes from a page that has no business here."""
        if not self._origins or visit.origin is None or visit.origin.lower() in self._origins:
            return None
        self._counters.count("links_of_other_origins_refused")
        return Refusal(403, WRONG_ORIGIN)

    def _is_own_page(self, visit: Visit) -> bool:
        """
        Whether a cookie was meant: it comes along when any page in the world asks, so one of another site
        counts only if the operator has named it.
        """
        if visit.origin is None or visit.origin.lower() in self._origins:
            return True
        try:
            return urlsplit(visit.origin).netloc.lower() == visit.host.lower() != ""
        except ValueError:
            return False
