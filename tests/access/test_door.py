"""
Tests for who may connect: L{gunnet.access.door}, and the ways to know a token.
"""

from __future__ import annotations

import os
from random import Random

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.access import tokens
from gunnet.access.door import BAD_TOKEN, NO_TOKEN, TOKEN_CHARACTERS_MAX, Door, Visit
from gunnet.access.tokens import JWTs, Secrets, read_jwt_key, read_secrets
from gunnet.access.users import CHALLENGE_SECONDS, TOKEN_SECONDS, NotProven, UserTokens, secret_in
from gunnet.access.wanted import Access
from gunnet.counters import Counters
from gunnet.settings import SettingsError
from tests.access.test_files import FileCase

ALICE, EVE = sea.pair(), sea.pair()
APP = "https://app.example"
SECRET = "correct horse battery staple"
KEY = "k" * 32
UNKNOWN_CURVE = f"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAVUDQgAE{"A" * 86}==
-----END PUBLIC KEY-----
"""
LONG_AGO, FAR_AHEAD = 1_000_000_000, 32_000_000_000


class DoorTests(SynchronousTestCase):
    """The door itself."""

    def setUp(self) -> None:
        self.counters = Counters()
        self.door = Door([APP], (), self.counters)
        first, second = tokens._hash(SECRET), tokens._hash("another secret")
        self.guarded = Door((), [Secrets(lambda: [first]), Secrets(lambda: [second])], self.counters)

    def code(self, door: Door, **visit: object) -> int:
        refusal = door.refuse(Visit(**visit), 0.0)  # type: ignore[arg-type]
        return 0 if refusal is None else refusal.code

    def test_open(self) -> None:
        """Without rules everybody may."""
        door = Door((), (), self.counters)
        self.assertEqual(0, self.code(door, origin="https://evil.example"))

    def test_origins(self) -> None:
        """Pages of other places may not, and those who are no pages may."""
        self.assertEqual(0, self.code(self.door, origin=APP))
        self.assertEqual(0, self.code(self.door, origin="HTTPS://App.Example"))
        self.assertEqual(0, self.code(self.door))
        for origin in (
            "https://evil.example",
            "http://app.example",
            f"{APP}:8443",
            f"{APP}.evil",
            "null",
            "",
        ):
            self.assertEqual(403, self.code(self.door, origin=origin), origin)
        self.assertEqual(6, self.counters["links_of_other_origins_refused"])

    def test_tokens(self) -> None:
        """One token that one of the ways knows admits; what they are told differs by whether they had one."""
        self.assertEqual(0, self.code(self.guarded, tokens=(SECRET,)))
        self.assertEqual(0, self.code(self.guarded, tokens=("nonsense", "another secret")))
        for given, why in (((), NO_TOKEN), (("",), NO_TOKEN), ((SECRET[:-1],), BAD_TOKEN)):
            refusal = self.guarded.refuse(Visit(tokens=given), 0.0)
            assert refusal is not None
            self.assertEqual((401, why), (refusal.code, refusal.why))
        self.assertEqual(3, self.counters["links_without_token_refused"])

    def test_long_token(self) -> None:
        """A token that is too long is none, and no more than three are tried."""
        self.assertEqual(401, self.code(self.guarded, tokens=("x" * (TOKEN_CHARACTERS_MAX + 1),)))
        self.assertEqual(401, self.code(self.guarded, tokens=("a", "b", "c", SECRET)))

    def test_both(self) -> None:
        """A token does not make up for an origin."""
        door = Door([APP], [Secrets(lambda: [tokens._hash(SECRET)])], self.counters)
        self.assertEqual(403, self.code(door, origin="https://evil.example", tokens=(SECRET,)))
        self.assertEqual(401, self.code(door, origin=APP))
        self.assertEqual(0, self.code(door, origin=APP, tokens=(SECRET,)))

    def test_cookies(self) -> None:
        """A cookie comes along whoever's page asks: it counts for pages from here, and those allowed."""
        one = {"cookies": (SECRET,), "host": "relay.example:8765"}
        self.assertEqual(0, self.code(self.guarded, **one))
        self.assertEqual(0, self.code(self.guarded, origin="http://relay.example:8765", **one))
        for origin in ("https://evil.example", "null", "http://relay.example", "http://[", "", "http://"):
            self.assertEqual(401, self.code(self.guarded, origin=origin, **one), origin)
        self.assertEqual(401, self.code(self.guarded, origin="http://", cookies=(SECRET,)))
        door = Door([APP], [Secrets(lambda: [tokens._hash(SECRET)])], self.counters)
        self.assertEqual(0, self.code(door, origin=APP, **one))


class SecretsTests(FileCase):
    """Tokens out of a file."""

    def test_read(self) -> None:
        """Any of them admits."""
        found = read_secrets(self.file(f"{SECRET}\n# old ones\n{KEY} # Bob's\n"))
        way = Secrets(lambda: found)
        for token, admitted in (
            (SECRET, True),
            (KEY, True),
            ("", False),
            (SECRET + " ", False),
            ("\ud800", False),
        ):
            self.assertEqual(admitted, way.admits(token, 0.0), token)

    def test_mistakes(self) -> None:
        """What could be guessed is refused, and not repeated to whoever reads the log."""
        path = self.file("12345678\n")
        why = str(self.assertRaises(SettingsError, read_secrets, path))
        self.assertIn("line 1", why)
        self.assertNotIn("12345678", why)
        self.patch(tokens, "SECRETS_MAX", 1)
        path = self.file(f"{SECRET}\n{KEY}\n")
        self.assertIn("more than 1 ", str(self.assertRaises(SettingsError, read_secrets, path)))


class JWTTests(FileCase):
    """JWTs."""

    def way(self, **wanted: str) -> JWTs:
        key = read_jwt_key(self.file(KEY + "\n"), "HS256")
        return JWTs(lambda: key, "HS256", wanted.get("audience"), wanted.get("issuer"))

    def test_signed(self) -> None:
        """What was signed with the key and has not ended admits."""
        for claims, key, admitted in (
            ({"sub": "alice"}, KEY, True),
            ({"exp": FAR_AHEAD}, KEY, True),
            ({"exp": LONG_AGO}, KEY, False),
            ({"nbf": FAR_AHEAD}, KEY, False),
            ({"exp": "never"}, KEY, False),
            ({"sub": "alice"}, "x" * 32, False),
            ({"aud": "somebody"}, KEY, False),
        ):
            token = jwt.encode(claims, key, algorithm="HS256")
            self.assertEqual(admitted, self.way().admits(token, 0.0), claims)
        for token in ("", "a.b.c", "x" * 8000, "\ud800", f"{'[' * 4000}.e30.x"):
            self.assertFalse(self.way().admits(token, 0.0))

    def test_algorithm(self) -> None:
        """The relay says the algorithm, not the token."""
        self.assertFalse(self.way().admits(jwt.encode({}, "", algorithm="none"), 0.0))
        self.assertFalse(self.way().admits(jwt.encode({}, "k" * 64, algorithm="HS512"), 0.0))

    def test_audience_and_issuer(self) -> None:
        """If the relay is to see to these, they must be there."""
        way = self.way(audience="relay", issuer="app")
        for claims, admitted in (
            ({"aud": "relay", "iss": "app"}, True),
            ({"aud": ["x", "relay"], "iss": "app"}, True),
            ({"aud": "relay"}, False),
            ({"iss": "app"}, False),
            ({"aud": "relay", "iss": "eve"}, False),
        ):
            self.assertEqual(admitted, way.admits(jwt.encode(claims, KEY, algorithm="HS256"), 0.0), claims)

    def test_public_key(self) -> None:
        """With a public key the relay can't make tokens itself; that key is no secret to sign with either."""
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        key = read_jwt_key(self.file(pem.decode()), "ES256")
        way = JWTs(lambda: key, "ES256", None, None)
        self.assertTrue(way.admits(jwt.encode({"exp": FAR_AHEAD}, private, algorithm="ES256"), 0.0))
        forged = jwt.encode({"exp": FAR_AHEAD}, KEY, algorithm="HS256")
        self.assertFalse(way.admits(forged, 0.0))

    def test_bad_keys(self) -> None:
        """Keys that are none, or too short, or should not be here."""
        for text, algorithm, why in (
            ("short", "HS256", "at least 32 bytes"),
            ("k" * 63, "HS512", "at least 64 bytes"),
            (KEY, "RS256", "no key for RS256"),
            ("-----BEGIN PRIVATE KEY-----", "ES256", "public key"),
            (UNKNOWN_CURVE, "ES256", "no key for ES256"),
        ):
            path = self.file(text)
            self.assertIn(why, str(self.assertRaises(SettingsError, read_jwt_key, path, algorithm)))


class UserTests(SynchronousTestCase):
    """Challenges for users."""

    def setUp(self) -> None:
        self.allowed = {ALICE.pub}
        self.users = UserTokens(b"s" * 32, lambda: self.allowed, Random(1).randbytes)

    def refused(self, pub: object, proof: object, now: float = 0.0) -> str:
        return str(self.assertRaises(NotProven, self.users.prove, pub, proof, now))

    def test_way_in(self) -> None:
        """Who signs a challenge with an allowed key is given a token, which admits for some time."""
        challenge = self.users.challenge("relay.example:8765", 0.0)
        self.assertTrue(challenge.startswith("gunnet-challenge:relay.example:8765:"))
        token = self.users.prove(ALICE.pub, sea.sign(challenge, ALICE), CHALLENGE_SECONDS - 1)
        ends = CHALLENGE_SECONDS - 1 + TOKEN_SECONDS
        self.assertTrue(self.users.admits(token, ends - 1))
        self.assertFalse(self.users.admits(token, ends))
        self.allowed.clear()
        self.assertFalse(self.users.admits(token, 0.0))

    def test_challenges_differ(self) -> None:
        """No two are the same, and a host that could be mistaken for more is not repeated."""
        self.assertNotEqual(self.users.challenge("a", 0.0), self.users.challenge("a", 0.0))
        self.assertIn(":unknown:", self.users.challenge("a b", 0.0))

    def test_passed_on(self) -> None:
        """
        Another relay can't have a challenge that names it, to pass it on to users of both, if this one knows
        its own names.
        """
        users = UserTokens(b"s" * 32, lambda: self.allowed, Random(1).randbytes, ["relay.example"])
        self.assertIn(":Relay.Example:", users.challenge("Relay.Example", 0.0))
        for host in ("evil.example", "relay.example:80", "", "unknown"):
            self.assertRaises(NotProven, users.challenge, host, 0.0)

    def test_refused(self) -> None:
        """No token for others, for what was not signed, not a challenge of this relay, or too old."""
        challenge = self.users.challenge("a", 0.0)
        self.assertIn("may not", self.refused(EVE.pub, sea.sign(challenge, EVE)))
        self.assertIn("no signature", self.refused(ALICE.pub, sea.sign(challenge, EVE)))
        self.assertIn("too old", self.refused(ALICE.pub, sea.sign(challenge, ALICE), CHALLENGE_SECONDS))
        other = UserTokens(b"o" * 32, lambda: self.allowed, Random(1).randbytes).challenge("a", 0.0)
        for said in (other, challenge + "0", "", ":", 5, None, {"a": 1}, f"{challenge}:\u1234"):
            self.assertIn("no challenge", self.refused(ALICE.pub, sea.sign(said, ALICE)), said)
        for pub in (None, 5, {}, [], ""):
            self.refused(pub, "SEA{}")
        for proof in (None, 5, {}, [], "", "SEA{}"):
            self.refused(ALICE.pub, proof)

    def test_forged(self) -> None:
        """A token can't be made, or changed; a challenge is none."""
        challenge = self.users.challenge("a", 0.0)
        token = self.users.prove(ALICE.pub, sea.sign(challenge, ALICE), 0.0)
        for forged in (
            "",
            "u",
            "u.",
            "u.9.x.y",
            token[:-1],
            token + "0",
            token.replace("u.36", "u.99"),
            challenge,
        ):
            self.assertFalse(self.users.admits(forged, 0.0), forged)

    def test_secret(self) -> None:
        """The secret is kept in the data folder, for its owner only."""
        folder = self.mktemp()
        os.mkdir(folder)
        secret = secret_in(folder, os.urandom)
        self.assertEqual(secret, secret_in(folder, os.urandom))
        path = os.path.join(folder, "access.secret")
        self.assertEqual(0o600, os.stat(path).st_mode & 0o777)
        self.assertNotEqual(secret_in(None, os.urandom), secret_in(None, os.urandom))
        with open(path, "wb") as file:
            file.write(b"short")
        self.assertIn("damaged", str(self.assertRaises(SettingsError, secret_in, folder, os.urandom)))
        nowhere = os.path.join(folder, "nowhere")
        self.assertIn("No such file", str(self.assertRaises(SettingsError, secret_in, nowhere, os.urandom)))


class WantedTests(SynchronousTestCase):
    """What an operator may want."""

    def test_refused(self) -> None:
        """Each mistake is one clear line."""
        for fields, why in (
            ({"token_file": " "}, "file of tokens"),
            ({"allow_origin": ("app.example",)}, "'app.example'"),
            ({"allow_origin": ("https://app.example/x",)}, "/x"),
            ({"allow_origin": ("https://b\u00fccher.example",)}, "xn--"),
            ({"jwt_algorithm": "none"}, "'none'"),
            ({"jwt_audience": "a"}, "without a JWT key"),
            ({"allow_host": ("https://a",), "allow_user": "u"}, "'https://a'"),
            ({"allow_host": ("a",)}, "without a file of users"),
        ):
            self.assertIn(why, str(self.assertRaises(SettingsError, Access, **fields)))
