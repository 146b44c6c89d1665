"""
Showing by plain HTTP that a name is ours (RFC 8555, 8.3)::

    GET /.well-known/acme-challenge/TOKEN       what the authority wants to read, while it is waited for
"""

from __future__ import annotations

from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

CHALLENGE_PATH = b"/.well-known/acme-challenge/"


class ChallengeResource(Resource):
    """
    The answers that are waited for. It may be mounted at L{CHALLENGE_PATH} of any site on port 80.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[bytes, bytes] = {}

    def put(self, token: str, answer: str) -> None:
        """Answer this from now on."""
        self._answers[token.encode()] = answer.encode()

    def drop(self, token: str) -> None:
        """Answer it no more."""
        self._answers.pop(token.encode(), None)

    def render_GET(self, request: Request) -> bytes:
        """Give one."""
        answer = self._answers.get(request.path.removeprefix(CHALLENGE_PATH))
        if answer is None:
            request.setResponseCode(404)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"not found\n" if answer is None else answer


class PlainRoot(Resource):
    """All of a port for plain HTTP: the challenges, and something else in all other places."""

    def __init__(self, challenges: ChallengeResource, fallback: IResource | None = None) -> None:
        """
        @param fallback: a leaf that answers the rest, for instance by leading to HTTPS; L{None} for C{404}.
        """
        super().__init__()
        self._challenges = challenges
        self._fallback = fallback or notFound()

    def getChildWithDefault(self, name: bytes, request: Request) -> IResource:
        """Find what is asked for."""
        is_challenge = request.path.startswith(CHALLENGE_PATH) and request.method in (b"GET", b"HEAD")
        return self._challenges if is_challenge else self._fallback
