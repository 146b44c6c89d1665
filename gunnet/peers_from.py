"""
Relays to link to, out of a list that somebody keeps on the web.

The list is fetched at the start and then again and again (C{--peers-from URL}). Its forms are those in which
such lists are found: JSON, or any text, Markdown and HTML included, in which the URLs of relays stand, as on
the page of volunteers in GUN's wiki.

The operator trusts whoever keeps the list to name relays, and no more than that: it must come over HTTPS, and
what it names is guarded like all that others told (L{gunnet.transport.dialers}).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from random import Random
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from treq.client import HTTPClient
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import HTTPConnectionPool, ResponseDone, _HTTP11ClientFactory
from twisted.web.http import PotentialDataLoss

from gunnet import __version__
from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.urls import AllowRule, read_url
from gunnet.settings import SettingsError, list_url
from gunnet.tls.outgoing import Trust

REFRESH_SECONDS = 600.0
RETRY_SECONDS = 10.0
"""The pause after a failure; after each further one it is twice as long, up to the usual one."""
FETCH_SECONDS = 30.0
REDIRECTS_MAX = 5

_HEADERS: dict[bytes | str, bytes | str] = {
    "User-Agent": f"gunnet/{__version__}",
    "Accept": "application/json, text/*;q=0.9, */*;q=0.5",
}
_MOVED = (301, 302, 303, 307, 308)
_IN_TEXT = re.compile(r"(?:https?|wss?)://(?:\[[0-9a-f:.]+\])?[^\s\"'<>()\[\]{}`|\\^]+", re.IGNORECASE)
_STRUCK_OUT = re.compile(r"~~[^\n]+?~~")
_LEFT_OUT = (("<!--", "-->"), ("<del>", "</del>"), ("<s>", "</s>"), ("<strike>", "</strike>"))
_RELAY_PATH = re.compile(r"https?://[^/]+/(?:[^?#]*/)?gun/?|wss?://.*", re.IGNORECASE)


class ListError(Exception):
    """The list can't be used. C{str()} of it says why."""


class PeersFrom(Service):
    """
    Keeps what is dialled the same as a list on the web.

    @ivar url: of the list.
    """

    name = "peers-from"
    log = Logger()

    def __init__(
        self,
        url: str,
        found: Callable[[list[str]], None],
        reactor: Any,
        random: Random,
        counters: Counters,
        limits: Limits,
        *,
        allowed: AllowRule | None = None,
        client: HTTPClient | None = None,
        trust: Trust | None = None,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        """
        @param found: called with the relays in the list each time it was fetched.
        @param random: for the pauses: the many who use one list should not fetch it in one moment.
        @param allowed: which hosts may be dialled.
        @param client: what fetches; the default checks certificates.
        @param trust: whom that believes about them; L{None} for the system's authorities.
        @raise SettingsError: the list is not to be had in a safe way.
        """
        self.url = list_url(url)
        self._found = found
        self._reactor = reactor
        self._random = random
        self._counters = counters
        self._limits = limits
        self._allowed = allowed or AllowRule()
        self._client = client or _new_client(reactor, trust or Trust())
        self._refresh_seconds = refresh_seconds
        self._retry_seconds = RETRY_SECONDS
        self._fetching: Deferred[Any] | None = None
        self._next: IDelayedCall | None = None
        self._known: list[str] | None = None
        self._failed = False

    # Twisted calls

    def startService(self) -> None:
        """Fetch the list, and go on doing so."""
        super().startService()
        self._begin()

    def stopService(self) -> None:
        """Fetch it no more."""
        super().stopService()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._fetching is not None:
            self._fetching.cancel()

    # Fetching

    def _begin(self) -> None:
        self._next = None
        self._fetching = Deferred.fromCoroutine(self._fetch())
        self._fetching.addTimeout(FETCH_SECONDS, self._reactor, _late)
        self._fetching.addCallback(self._usable).addCallbacks(self._take, self._fail)
        self._fetching.addErrback(lambda failure: self.log.failure("dialling what is listed", failure))
        self._fetching.addBoth(self._again)

    async def _fetch(self) -> str:
        url = self.url
        for _ in range(REDIRECTS_MAX + 1):
            response = await self._client.get(
                url, headers=_HEADERS, allow_redirects=False, unbuffered=True, reactor=self._reactor
            )
            location = response.headers.getRawHeaders("location")
            if response.code not in _MOVED or not location:
                break
            _discard(response)
            url = self._redirected(urljoin(url, location[0]))
        else:
            raise ListError(f"it has moved more than {REDIRECTS_MAX} times")
        if response.code != 200:
            _discard(response)
            raise ListError(f"status {response.code}")
        body = _Body(self._limits.list_bytes)
        response.deliverBody(body)
        return (await body.done).decode("utf-8", "replace")

    def _redirected(self, url: str) -> str:
        """Whoever keeps a list can lead us neither away from HTTPS nor inside with it."""
        try:
            parts = urlsplit(list_url(url))
        except SettingsError as e:
            raise ListError(f"it leads elsewhere: {e}") from e
        first = urlsplit(self.url)
        if parts.hostname != first.hostname:
            host = read_url(f"https://{parts.netloc}/", len(url) + 9)
            if host is None or not self._allowed.allows_host(host.host):
                raise ListError(f"it leads to {url!r}, which is not public")
        if first.scheme == "https" and parts.scheme != "https":
            raise ListError(f"it leads to {url!r}, which is not HTTPS")
        return url

    def _take(self, relays: list[str]) -> None:
        self._counters.count("lists_fetched")
        if self._failed or relays != self._known:
            self.log.info("{count} relays are listed at {url}", count=len(relays), url=self.url)
        self._failed = False
        self._known = relays
        self._retry_seconds = RETRY_SECONDS
        self._found(relays)

    def _usable(self, text: str) -> list[str]:
        relays: dict[str, None] = {}
        for told in read_list(text):
            url = read_url(told, self._limits.url_characters)
            if url is None:
                self._counters.count("listed_urls_bad")
            elif not self._allowed.allows_host(url.host):
                self._counters.count("listed_urls_private")
            else:
                relays[url.text] = None
        if not relays:
            raise ListError("no relay is in it")
        limit = self._limits.listed_relays
        if len(relays) > limit:
            self._counters.count("listed_relays_exceeded", len(relays) - limit)
        return list(relays)[:limit]

    def _fail(self, failure: Failure) -> None:
        """The list is of no use this time: what it said before stays."""
        if not self.running:
            return
        self._counters.count("lists_refused")
        if not self._failed:
            self._failed = True
            self.log.warn(
                "no use of the list of relays at {url}: {why}; what it said before stays, it is tried again",
                url=self.url,
                why=_reason(failure),
            )

    def _again(self, _: object) -> None:
        self._fetching = None
        if not self.running:
            return
        seconds = self._refresh_seconds
        if self._failed:
            seconds = min(self._retry_seconds, self._refresh_seconds)
            self._retry_seconds = seconds * 2
        self._next = self._reactor.callLater(seconds * self._random.uniform(0.75, 1.0), self._begin)


class _QuietFactory(_HTTP11ClientFactory):
    """Twisted's, less the two lines that it logs for each connection."""

    noisy = False


def _new_client(reactor: Any, trust: Trust) -> HTTPClient:
    """A client that checks certificates, and keeps no connection open between two requests."""
    pool = HTTPConnectionPool(reactor, persistent=False)
    pool._factory = _QuietFactory
    return HTTPClient(trust.agent(reactor, pool))


class _Body(Protocol):
    """
    The body of a response, up to a size.

    @ivar done: fires with it; fails with L{ListError} if it is too large, or with why it is not whole. When
        that is cancelled, the connection is cut.
    """

    def __init__(self, bytes_max: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._cut())
        self._bytes_max = bytes_max
        self._body = bytearray()

    def dataReceived(self, data: bytes) -> None:
        """Some of it."""
        self._body += data
        if len(self._body) > self._bytes_max:
            self._body.clear()
            self._cut()
            self._end(Failure(ListError(f"it has more than {self._bytes_max} bytes")))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """All of it, or something went wrong."""
        whole = reason.check(ResponseDone, PotentialDataLoss) is not None
        self._end(bytes(self._body) if whole else reason)

    def _cut(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()

    def _end(self, result: bytes | Failure) -> None:
        if not self.done.called:
            self.done.callback(result)


def _discard(response: Any) -> None:
    """Cut the connection of a response whose body is not read: it would be kept waiting for that."""
    body = _Body(0)
    body.done.addErrback(lambda _: None)
    response.deliverBody(body)
    body.done.cancel()


def read_list(text: str) -> list[str]:
    """
    Find the URLs of relays in a list of whatever form, in its order.

    JSON may be an array of URLs, or of objects with C{url}; an object with one of these as C{peers}; or an
    object whose keys are URLs. In any other text the URLs count whose path ends in C{/gun} or whose scheme is
    that of WebSockets, unless they are struck out; if it is nothing but one URL on each line, all of them.
    """
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return list(_in_json(json.loads(text)))
        except (ValueError, RecursionError):
            pass  # Markdown may begin with a bracket as well
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if all(_IN_TEXT.fullmatch(line) for line in lines):
        return lines
    text = _STRUCK_OUT.sub(" ", text)
    for begin, end in _LEFT_OUT:
        text = _without(text, begin, end)
    urls = (found[0].rstrip(".,;:!?*_") for found in _IN_TEXT.finditer(unescape(text)))
    return [url for url in dict.fromkeys(urls) if _RELAY_PATH.fullmatch(url)]


def _without(text: str, begin: str, end: str) -> str:
    """The text less all that stands between two marks; in a time that grows as its length does."""
    kept = []
    at = 0
    while (first := text.find(begin, at)) >= 0 and (last := text.find(end, first)) >= 0:
        kept.append(text[at:first])
        at = last + len(end)
    return " ".join([*kept, text[at:]])


def _in_json(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        content = content.get("peers", content)
    for each in content if isinstance(content, (list, dict)) else ():
        url = each.get("url") if isinstance(each, dict) else each
        if isinstance(url, str) and "://" in url:
            yield url


def _late(_result: object, seconds: float) -> NoReturn:
    raise ListError(f"it took more than {seconds:.0f} seconds")


def _reason(failure: Failure) -> str:
    """Why, in a line. Requests that fail hide the reason in a list of failures."""
    reasons = getattr(failure.value, "reasons", None) or [failure]
    return "; ".join(f"{reason.getErrorMessage() or reason.type.__name__}" for reason in reasons)
