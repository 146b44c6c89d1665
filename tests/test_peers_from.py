"""
Tests for L{gunnet.peers_from}: relays out of a list on the web.
"""

from __future__ import annotations

import json
from itertools import count
from random import Random
from typing import Any

from OpenSSL import SSL
from treq.client import HTTPClient
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver, StringTransport
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.urls import AllowRule
from gunnet.peers_from import FETCH_SECONDS, REDIRECTS_MAX, RETRY_SECONDS, PeersFrom, read_list
from gunnet.settings import SettingsError
from tests.mesh.test_urls import INSIDE

URL = "https://lists.example/relays"

MARKDOWN = """# Relays of friends

Add yours at the end, and **try it first**. How to run one: https://docs.example/gun/relay.html, or
see [the guide](https://docs.example/relay).

## Europe
* https://one.example/gun
* **https://two.example:8765/gun**, kept by ann@two.example
- [three](https://three.example/gun) (slow)
1. <https://four.example/gun>.
- `wss://five.example/gun`

| relay | since |
|---|---|
| https://six.example/deep/gun | 2024 |

## Gone
- ~~https://gone.example/gun~~ since May
<!-- https://hidden.example/gun -->

Your own: http://localhost:8765/gun
"""

HTML = """<!DOCTYPE html>
<html><head><link rel="stylesheet" href="https://cdn.example/style.css"></head><body>
<ul><li><a href="https://one.example/gun">https://one.example/gun</a></li>
<li><a href='https://two.example/gun'>two</a> <li>&lt;https://three.example/gun&gt;
<li><del><a href="https://gone.example/gun">gone</a></del></ul></body></html>
"""

PLAIN = """
# one to a line
https://one.example/gun
ws://two.example:8765

https://three.example/somewhere/else
"""


class ReadTests(SynchronousTestCase):
    """Lists of all forms."""

    def test_json(self) -> None:
        """Arrays and objects, of URLs or of objects that have one."""
        urls = ["https://one.example/gun", "wss://two.example/other"]
        contents: tuple[object, ...] = (
            urls,
            {"peers": urls},
            {"peers": {url: {} for url in urls}},
            dict.fromkeys(urls, 1),
            {url: {"country": "nl"} for url in urls},
            [{"url": url, "up": True} for url in urls],
            {"peers": [{"url": urls[0]}, urls[1]], "date": "today"},
            [*urls, None, 5, ["x"], {}, {"url": 5}, "nonsense", {"peers": "x"}],
        )
        for content in contents:
            self.assertEqual(read_list(json.dumps(content, indent=1)), urls, content)

    def test_markdown(self) -> None:
        """Whatever ends in C{/gun}, unless it is struck out or in a comment."""
        self.assertEqual(
            read_list(MARKDOWN),
            [
                "https://one.example/gun",
                "https://two.example:8765/gun",
                "https://three.example/gun",
                "https://four.example/gun",
                "wss://five.example/gun",
                "https://six.example/deep/gun",
                "http://localhost:8765/gun",
            ],
        )

    def test_html(self) -> None:
        """The same in HTML, once each."""
        self.assertEqual(read_list(HTML), [f"https://{name}.example/gun" for name in ("one", "two", "three")])

    def test_plain(self) -> None:
        """If there is nothing but a URL on each line, all of them, whatever their path."""
        expected = [
            "https://one.example/gun",
            "ws://two.example:8765",
            "https://three.example/somewhere/else",
        ]
        self.assertEqual(read_list(PLAIN), expected)
        self.assertEqual(read_list(PLAIN.replace("\n", "\r\n")), expected)

    def test_markdown_with_brackets(self) -> None:
        """What only looks like JSON is read as text."""
        for text in (
            "[one](https://one.example/gun)",
            '["https://one.example/gun"',
            "{https://one.example/gun}",
        ):
            self.assertEqual(read_list(text), ["https://one.example/gun"])

    def test_nothing(self) -> None:
        """Any text at all can be read."""
        for text in (
            "",
            "[]",
            "{}",
            "5",
            "null",
            "no relays today",
            "http://",
            "[" * 100_000,
            "\0",
            "~~" * 9,
        ):
            self.assertEqual(read_list(text), [])

    def test_long(self) -> None:
        """A large one that is made to be hard to read is not."""
        for text in ("<del>", "<!--", "~~a", "~", "https://", "https://a/", "[https://a/gun](", "/gun"):
            read_list("x " + text * (1_000_000 // len(text)))


class Web(Resource):
    """
    A site whose every page says what the test wants.

    @ivar pages: path to (status, headers, body); a body of L{None} never comes.
    @ivar asked: the paths that were asked for.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[bytes, tuple[int, dict[str, str], bytes | None]] = {}
        self.asked: list[bytes] = []
        self.last: Request | None = None

    def render_GET(self, request: Request) -> Any:
        self.asked.append(request.uri)
        self.last = request
        status, headers, body = self.pages[request.path]
        request.setResponseCode(status)
        for name, value in headers.items():
            request.setHeader(name.encode(), value.encode())
        return NOT_DONE_YET if body is None else body


class FetchTests(SynchronousTestCase):
    """When it is fetched, and what comes of it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.seeds = count(1)
        self.web = Web()
        self.found: list[list[str]] = []
        self.counters = Counters()
        self.lines = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.page(json.dumps(["https://one.example/gun"]))

    def page(self, body: str | None, status: int = 200, path: bytes = b"/relays", **headers: str) -> None:
        """Let the site say something from now on."""
        self.web.pages[path] = (status, headers, None if body is None else body.encode())

    def start(self, url: str = URL, networks: tuple[str, ...] = (), **limits: int) -> PeersFrom:
        service = PeersFrom(
            url,
            self.found.append,
            self.clock,
            Random(next(self.seeds)),
            self.counters,
            Limits(**limits),
            allowed=AllowRule(networks),
            client=HTTPClient(RequestTraversalAgent(self.web)),
        )
        service.startService()
        self.addCleanup(lambda: service.stopService() if service.running else None)
        return service

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.advance(1)

    def logged(self) -> list[str]:
        return [
            formatEvent(event)
            for event in self.lines
            if event["log_namespace"].startswith("gunnet.peers_from.")
        ]

    def test_at_the_start_and_again(self) -> None:
        """It is fetched at once, and from then on every ten minutes or somewhat sooner."""
        self.start()
        self.assertEqual(self.found, [["wss://one.example/gun"]])
        self.page(json.dumps(["https://two.example/gun"]))
        self.wait(449)
        self.assertEqual(len(self.found), 1)
        self.wait(151)
        self.assertEqual(self.found[1:], [["wss://two.example/gun"]])
        self.wait(6_000)
        self.assertTrue(11 <= len(self.found) <= 16, len(self.found))
        self.assertEqual(self.counters["lists_fetched"], len(self.found))

    def test_jitter(self) -> None:
        """Those who use the same list don't fetch it in the same moment."""
        for _ in range(20):
            self.start()
        self.assertEqual(len({call.getTime() for call in self.clock.getDelayedCalls()}), 20)

    def test_log(self) -> None:
        """One line when the list changes, and not one each time."""
        self.start()
        self.wait(3_000)
        self.assertEqual(self.logged(), [f"1 relays are listed at {URL}"])

    def test_stop(self) -> None:
        """After the end nothing happens any more."""
        service = self.start()
        service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_while_fetching(self) -> None:
        """Nor does what was under way."""
        self.page(None)
        service = self.start()
        service.stopService()
        self.assertEqual((self.clock.getDelayedCalls(), self.logged(), self.found), ([], [], []))

    def test_failures(self) -> None:
        """
        What fails is tried again soon, then ever less often; it is logged once, and what the list said before
        stays. When it works again, that is logged too.
        """
        self.start()
        self.page("gone", 404)
        self.wait(600)
        failed = self.counters["lists_refused"]
        self.assertGreaterEqual(failed, 1)
        self.wait(RETRY_SECONDS)
        self.assertGreaterEqual(self.counters["lists_refused"], failed + 1)
        self.wait(6_000)
        self.assertTrue(10 <= self.counters["lists_refused"] <= 22, self.counters)
        [_, why] = self.logged()
        self.assertIn("status 404", why)
        self.assertEqual(len(self.found), 1)
        self.page(json.dumps(["https://one.example/gun"]))
        self.wait(600)
        self.assertEqual(self.found[1:], self.found[:1])
        self.assertEqual(len(self.logged()), 3)

    def test_of_no_use(self) -> None:
        """So is a list without any relay in it, whatever else it is."""
        self.start()
        for times, body in enumerate(
            ("", "[]", "{", "<html>503 but 200</html>", '["http://10.0.0.1/gun"]'), 1
        ):
            self.page(body)
            self.clock.advance(600)
            self.assertEqual(self.counters["lists_refused"], times)
        self.assertEqual(len(self.found), 1)
        self.assertIn("no relay is in it", self.logged()[-1])

    def test_no_connection(self) -> None:
        """So is a list that can't be had at all."""

        class Nobody:
            def request(self, *args: object, **fields: object) -> Deferred[Any]:
                failed: Deferred[Any] = Deferred()
                failed.errback(ConnectError(string="nobody there"))
                return failed

        self.patch(RequestTraversalAgent, "request", Nobody.request)
        self.start()
        self.assertIn("nobody there", self.logged()[0])

    def test_mute(self) -> None:
        """A site that doesn't say all of it in time is cut off."""
        self.page(None)
        self.start()
        self.wait(FETCH_SECONDS - 1)
        self.assertEqual(self.counters["lists_refused"], 0)
        self.wait(1)
        self.assertEqual(self.counters["lists_refused"], 1)
        self.assertIn("30 seconds", self.logged()[0])

    def test_dripping(self) -> None:
        """So is one that says it drop by drop."""
        self.page(None)
        service = self.start()
        for _ in range(int(FETCH_SECONDS)):
            self.assertFalse(self.is_cut(service, b"["))
            self.clock.advance(1)
        self.assertEqual(self.counters["lists_refused"], 1)
        self.assertTrue(self.is_cut(service, b"["))

    def is_cut(self, service: PeersFrom, body: bytes) -> bool:
        """Whether the connection is cut of a response that has such a body, and more to come."""
        request, agent = self.web.last, service._client._agent
        assert request is not None
        lost: list[object] = []
        request.notifyFinish().addErrback(lost.append)
        request.write(body)
        agent.flush()  # type: ignore[attr-defined]
        return bool(lost)

    def test_cut(self) -> None:
        """What is of no use is not read on: the status, the size or the place says so."""
        for status, location, body in ((404, "", b"x"), (200, "", b"x" * 1001), (301, "http://a", b"x")):
            self.page(None, status, Location=location)
            service = self.start(list_bytes=1_000)
            self.assertTrue(self.is_cut(service, body), status)
            self.assertIsNone(service._fetching)
        self.page(None)
        self.assertFalse(self.is_cut(self.start(list_bytes=1_000), b"x" * 1_000))

    def test_list_bytes(self) -> None:
        """A list that is too large is of no use, and not read to its end."""
        self.page(json.dumps(["https://one.example/gun"]) + " " * 1_000)
        self.start(list_bytes=1_000)
        self.assertEqual((self.found, self.counters["lists_refused"]), ([], 1))
        self.assertIn("more than 1000 bytes", self.logged()[0])

    def test_listed_relays(self) -> None:
        """Of a long list the first ones are taken."""
        self.page(json.dumps([f"https://r{n}.example/gun" for n in range(9)]))
        self.start(listed_relays=3)
        self.assertEqual(self.found, [[f"wss://r{n}.example/gun" for n in range(3)]])
        self.assertEqual(self.counters["listed_relays_exceeded"], 6)

    def test_inside(self) -> None:
        """A list can't have the relay knock at doors inside, unless the operator allows it."""
        self.page(json.dumps([*INSIDE, "https://one.example/gun", "http://10.0.0.1:8765/gun", "x://y"]))
        self.start()
        self.assertEqual(self.found.pop(), ["wss://one.example/gun"])
        self.assertEqual(self.counters["listed_urls_private"], len(INSIDE) + 1)
        self.assertEqual(self.counters["listed_urls_bad"], 1)
        self.page('["http://10.0.0.1:8765/gun"]')
        self.start(networks=("10.0.0.0/8",))
        self.assertEqual(self.found.pop(), ["ws://10.0.0.1:8765/gun"])

    def test_once_each(self) -> None:
        """Several spellings are one relay."""
        self.page("https://one.example/gun HTTPS://ONE.example:443/gun")
        self.start()
        self.assertEqual(self.found, [["wss://one.example/gun"]])

    def test_text(self) -> None:
        """A page of a wiki will do, even with bytes that are no UTF-8."""
        self.web.pages[b"/relays"] = (200, {}, b"\xff\xfe " + MARKDOWN.encode())
        self.start()
        self.assertEqual(len(self.found[0]), 6)

    def test_query(self) -> None:
        """The URL of the list is taken as it is."""
        self.start(URL + "?format=json&x=%20")
        self.assertEqual(self.web.asked, [b"/relays?format=json&x=%20"])

    def test_moved(self) -> None:
        """A list that has moved is followed."""
        self.page("", 302, Location="/other")
        self.page(json.dumps(["https://one.example/gun"]), path=b"/other")
        self.start()
        self.assertEqual(self.web.asked, [b"/relays", b"/other"])
        self.assertEqual(len(self.found), 1)

    def test_moved_inside(self) -> None:
        """But not to where nobody should be led, nor away from HTTPS."""
        for location in (
            "http://lists.example/relays",
            "http://127.0.0.1/relays",
            "https://127.0.0.1/relays",
            "https://2130706433/relays",
            "https://localhost/relays",
            "https://10.0.0.1/relays",
            "https://[::1]/relays",
            "https://me@10.0.0.1/relays",
            "//169.254.169.254/latest",
            "file:///etc/passwd",
            "ftp://lists.example/relays",
            "https://[",
        ):
            self.page("", 301, Location=location)
            self.start()
            self.assertEqual(self.web.asked, [b"/relays"], location)
            self.web.asked.clear()
        self.assertEqual(self.found, [])

    def test_moved_away_from_https(self) -> None:
        """Not even to where the operator lets relays be."""
        self.page("", 301, Location="http://127.0.0.1/relays")
        self.start(networks=("127.0.0.0/8",))
        self.assertEqual(self.web.asked, [b"/relays"])
        self.assertIn("not HTTPS", self.logged()[0])

    def test_moved_in_a_circle(self) -> None:
        """Nor for ever."""
        self.page("", 307, Location="/relays")
        self.start()
        self.assertEqual(len(self.web.asked), REDIRECTS_MAX + 1)
        self.assertIn("moved more than", self.logged()[0])

    def test_https(self) -> None:
        """Plain HTTP is only for lists on the same machine."""
        for url in ("http://lists.example/relays", "http://10.0.0.1/x", "ftp://lists.example", "relays.json"):
            self.assertRaises(SettingsError, self.start, url)
        self.start("http://127.0.0.1:8000/relays")
        self.assertEqual(len(self.found), 1)

    def test_fault(self) -> None:
        """Our own mistake is logged with its traceback, and the list is fetched again."""

        def broken(relays: list[str]) -> None:
            raise RuntimeError("broken")

        service = self.start()
        service._found = broken
        self.clock.advance(600)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_certificates(self) -> None:
        """By default an agent that checks certificates fetches it, anew each time."""
        from twisted.internet.testing import MemoryReactorClock
        from twisted.web.client import URI

        service = PeersFrom(URL, self.found.append, MemoryReactorClock(), Random(1), self.counters, Limits())
        agent: Any = service._client._agent
        endpoint = agent._endpointFactory.endpointForURI(URI.fromBytes(URL.encode()))
        tls = endpoint._wrapperFactory(Factory.forProtocol(Protocol)).buildProtocol(None)
        tls.makeConnection(StringTransport())
        self.assertEqual(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, tls.getHandle().get_verify_mode())
        self.assertFalse(agent._pool.persistent)
