"""
Who may connect, over HTTP: what a request says of who makes it, and tokens for those who own a key::

    GET  /gun/challenge                        {"challenge": text, "seconds": for so long}
    POST /gun/token {"pub": …, "proof": …}     {"token": text, "seconds": for so long}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from gunnet.access.door import COOKIE, Door, Refusal, Visit
from gunnet.access.users import CHALLENGE_SECONDS, TOKEN_SECONDS, NotProven, UserTokens
from gunnet.counters import Counters
from gunnet.transport.addresses import Addresses, address_of
from gunnet.wire import jstext

SAID_BYTES = 4_096
"""So much of a body is looked at."""

_TEXT = b"text/plain; charset=utf-8"

TOO_OFTEN = Refusal(429, "too many tries, or messages, from this address")


class Tries:
    """How often one address may try to get in and fail, if its messages are limited."""

    def __init__(self, addresses: Addresses, counters: Counters) -> None:
        self._addresses = addresses
        self._counters = counters

    def refuse(self, request: Request) -> Refusal | None:
        """Whether C{request} is one too many, and is not to be looked at."""
        address = address_of(request.getClientAddress())
        if address is None or self._addresses.may_try(address):
            return None
        self._counters.count("address_tries_refused")
        return TOO_OFTEN

    def failed(self, request: Request) -> None:
        """C{request} was looked at, and refused."""
        address = address_of(request.getClientAddress())
        if address is not None:
            self._addresses.failed(address)


def kept_out(request: Request, door: Door, tries: Tries, now: float) -> bytes | None:
    """
    Ask the door whether a request may come in, unless its address has tried too often.

    @param now: in seconds.
    @return: the answer to one that may not; L{None} for one that may.
    """
    refusal = tries.refuse(request)
    if refusal is not None:
        return refuse(request, refusal)
    refusal = door.refuse(visit_of(request), now)
    if refusal is not None:
        tries.failed(request)
        return refuse(request, refusal)
    return None


def visit_of(request: Request) -> Visit:
    """What a request says of who makes it."""
    tokens = [_text(value) for value in request.args.get(b"token", [])[:1]]
    kind, _, token = (request.getHeader(b"authorization") or b"").strip().partition(b" ")
    if kind.lower() == b"bearer":
        tokens.append(_text(token.strip()))
    origin = request.getHeader(b"origin") or request.getHeader(b"sec-websocket-origin")
    cookie = request.getCookie(COOKIE.encode())
    return Visit(
        origin=None if origin is None else _text(origin.strip()),
        host=_text(request.getHeader(b"host") or b""),
        tokens=tuple(tokens),
        cookies=() if cookie is None else (_text(cookie),),
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def refuse(request: Request, refusal: Refusal) -> bytes:
    """Answer a request with why not."""
    request.setResponseCode(refusal.code)
    request.setHeader(b"content-type", _TEXT)
    if refusal.code == 401:
        request.setHeader(b"www-authenticate", b"Bearer")
    return refusal.why.encode() + b"\n"


def answer(request: Request, what: dict[str, object]) -> bytes:
    """Answer a request with JSON that nobody keeps."""
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"cache-control", b"no-store")
    return json.dumps(what).encode() + b"\n"


class Challenge(Resource):
    """Gives challenges."""

    isLeaf = True

    def __init__(
        self, users: UserTokens, door: Door, counters: Counters, seconds: Callable[[], float]
    ) -> None:
        super().__init__()
        self._users = users
        self._door = door
        self._counters = counters
        self._seconds = seconds

    def render_GET(self, request: Request) -> bytes:
        """Give one."""
        visit = visit_of(request)
        refusal = self._door.refuse_origin(visit)
        if refusal is not None:
            return refuse(request, refusal)
        try:
            challenge = self._users.challenge(visit.host, self._seconds())
        except NotProven as why:
            self._counters.count("challenges_refused")
            return refuse(request, Refusal(403, str(why)))
        return answer(request, {"challenge": challenge, "seconds": CHALLENGE_SECONDS})


class Tokens(Resource):
    """Gives tokens for challenges that were met."""

    isLeaf = True

    def __init__(
        self, users: UserTokens, door: Door, tries: Tries, counters: Counters, seconds: Callable[[], float]
    ) -> None:
        super().__init__()
        self._users = users
        self._door = door
        self._tries = tries
        self._counters = counters
        self._seconds = seconds

    def render_POST(self, request: Request) -> bytes:
        """Give one, or say why not."""
        refusal = self._tries.refuse(request) or self._door.refuse_origin(visit_of(request))
        if refusal is not None:
            return refuse(request, refusal)
        body: Any = request.content
        try:
            said = jstext.parse(body.read(SAID_BYTES))
        except jstext.NotJSON:
            said = None
        if not isinstance(said, dict) or not {"pub", "proof"} <= said.keys():
            return refuse(request, Refusal(400, 'say {"pub": …, "proof": SEA.sign of the challenge} as JSON'))
        try:
            token = self._users.prove(said["pub"], said["proof"], self._seconds())
        except NotProven as why:
            self._counters.count("proofs_refused")
            self._tries.failed(request)
            return refuse(request, Refusal(403, str(why)))
        self._counters.count("tokens_given")
        return answer(request, {"token": token, "seconds": TOKEN_SECONDS})
