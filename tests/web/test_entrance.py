"""
Tests for L{gunnet.web.entrance}: who may connect, as requests.
"""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

from gunnet import sea
from gunnet.access import tokens
from gunnet.access.door import Door
from gunnet.access.tokens import Secrets
from gunnet.access.users import UserTokens
from gunnet.limits import Limits
from gunnet.transport.link import Links
from gunnet.transport.websocket import ServerFactory
from gunnet.web.resource import SAID_BYTES, RelaySite, Root
from tests.transport.doubles import RecordingMesh
from tests.web.test_resource import UPGRADE, Answer, WebCase

ALICE, EVE = sea.pair(), sea.pair()
SECRET = "correct horse battery staple"
HOSTS = ("relay.example", "a")
APP = "https://app.example"


class EntranceTests(WebCase):
    """A relay for those with a secret, or the key of Alice, and for pages from one place."""

    def setUp(self) -> None:
        super().setUp()
        self.begin(self.mesh)

    def begin(self, mesh: RecordingMesh) -> None:
        self.mesh = mesh
        factory = ServerFactory(self.mesh, Links(), self.clock)  # type: ignore[arg-type]
        self.counters = self.mesh.relay.counters
        users = UserTokens(b"s" * 32, lambda: {ALICE.pub}, Random(1).randbytes, HOSTS)
        door = Door([APP], [Secrets(lambda: [tokens._hash(SECRET)]), users], self.counters)
        self.site = RelaySite(Root(factory, self.path, None, door, users), self.clock)

    def connect(self, query: str = "", headers: bytes = b"") -> Answer:
        return self.ask(f"/gun{query}", headers=UPGRADE + headers)

    def post(self, body: bytes, headers: bytes = b"") -> Answer:
        head = b"Host: relay.example\r\nContent-Length: %d\r\n" % len(body)
        transport = self.connected()
        transport.protocol.dataReceived(b"POST /gun/token HTTP/1.1\r\n" + head + headers + b"\r\n" + body)
        return Answer(transport.value())

    def test_tokens(self) -> None:
        """A token is taken from the query, the Authorization header or the cookie."""
        quoted = SECRET.replace(" ", "%20")
        for query, headers in (
            (f"?x=1&token={quoted}", b""),
            ("", f"Authorization: bearer {SECRET}\r\n".encode()),
            ("", f"Cookie: a=b; gun_token={SECRET}\r\n".encode()),
            ("?token=wrong", f"Cookie: gun_token={SECRET}\r\nOrigin: {APP}\r\n".encode()),
        ):
            self.assertEqual(101, self.connect(query, headers).code, (query, headers))

    def test_refused(self) -> None:
        """Without one, or from elsewhere, there is no link, and a line that says why."""
        answer = self.connect()
        self.assertEqual((401, "Bearer"), (answer.code, answer.headers["www-authenticate"]))
        self.assertIn(b"a token is needed", answer.body)
        self.assertIn(b"not accepted", self.connect("?token=%ff").body)
        answer = self.connect(f"?token={SECRET.replace(' ', '+')}", b"Origin: https://evil.example\r\n")
        self.assertEqual(403, answer.code)
        self.assertEqual(401, self.connect("", f"Authorization: Basic {SECRET}\r\n".encode()).code)
        self.assertEqual([], self.mesh.calls)
        self.assertEqual(3, self.counters["links_without_token_refused"])
        self.assertEqual(1, self.counters["links_of_other_origins_refused"])

    def test_pages(self) -> None:
        """Pages and health are for everybody."""
        for path in ("/", "/gun", "/healthz"):
            self.assertEqual(200, self.ask(path).code)

    def test_way_in(self) -> None:
        """A user signs a challenge, is given a token, and connects with it."""
        answer = self.ask("/gun/challenge")
        self.assertEqual("no-store", answer.headers["cache-control"])
        proof = sea.sign(json.loads(answer.body)["challenge"], ALICE)
        given = self.post(json.dumps({"pub": ALICE.pub, "proof": proof}).encode())
        self.assertEqual(200, given.code)
        self.assertEqual(101, self.connect(f"?token={json.loads(given.body)['token']}").code)
        self.assertEqual(1, self.counters["tokens_given"])

    def test_no_way_in(self) -> None:
        """Others are not, nor is what makes no sense."""
        proof = sea.sign(json.loads(self.ask("/gun/challenge").body)["challenge"], EVE)
        body = json.dumps({"pub": EVE.pub, "proof": proof}).encode()
        self.assertEqual(403, self.post(body).code)
        self.assertEqual(1, self.counters["proofs_refused"])
        for nonsense in (b"", b"{", b"[]", b"{}", b'{"pub":1}', b"x" * (SAID_BYTES + 1), b"\xff"):
            self.assertEqual(400, self.post(nonsense).code, nonsense[:9])
        for path in ("/gun/challenge", "/gun/token"):
            self.assertIn(self.ask(path, "PUT").code, (405, 501))
        self.assertEqual(403, self.ask("/gun/challenge", headers=b"Host: evil.example\r\n").code)
        self.assertEqual(1, self.counters["challenges_refused"])
        evil = b"Origin: https://evil.example\r\n"
        self.assertEqual(403, self.post(body, evil).code)
        self.assertEqual(403, self.ask("/gun/challenge", headers=b"Host: a\r\n" + evil).code)

    def test_tries(self) -> None:
        """
        Where messages of an address are limited, so are tries with tokens and proofs that fail. Those that do
        not fail cost nothing.
        """
        self.begin(RecordingMesh(replace(Limits(), address_messages=1)))
        proof = {"pub": EVE.pub, "proof": "SEA{}"}
        for _ in range(3):
            self.assertEqual(401, self.connect("?token=guess").code)
            self.assertEqual(403, self.post(json.dumps(proof).encode()).code)
        self.assertEqual(429, self.connect("?token=guess").code)
        self.assertEqual(429, self.connect(f"?token={SECRET.replace(' ', '+')}").code)
        self.assertEqual(429, self.post(json.dumps(proof).encode()).code)
        self.assertEqual(3, self.counters["address_tries_refused"])
        self.clock.advance(1.0)
        for _ in range(9):
            self.assertEqual(101, self.connect(f"?token={SECRET.replace(' ', '+')}").code)
        self.assertEqual(401, self.connect("?token=guess").code)

    def test_tries_unlimited(self) -> None:
        """Elsewhere they may."""
        for _ in range(99):
            self.assertEqual(401, self.connect("?token=guess").code)

    def test_off(self) -> None:
        """Without users there is nothing to be had."""
        WebCase.setUp(self)
        self.assertEqual(404, self.ask("/gun/challenge").code)
        self.assertIn(self.post(b"{}").code, (404, 405))
