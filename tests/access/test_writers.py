"""
Tests for who may write: a whole relay with C{--require-signed} or C{--allow-pub}.
"""

from __future__ import annotations

from typing import Any

from gunnet import sea, service
from gunnet.access.files import LOOK_AGAIN_SECONDS
from gunnet.access.wanted import Access
from gunnet.sea.firewall import NOT_A_WRITER
from gunnet.settings import SettingsError
from gunnet.turns import InlineVerifier
from tests.test_service import Client, ServiceCase

ALICE, BOB = sea.pair(), sea.pair()
STATE = 1_000.0


def public(key: str = "b") -> dict[str, Any]:
    """A put that nobody signed."""
    return {"room": {"_": {"#": "room", ">": {key: STATE}}, key: "c"}}


def signed(pair: sea.Pair, state: float = STATE) -> dict[str, Any]:
    """A put of the account of C{pair}."""
    return sea.sign_node(f"~{pair.pub}", {"name": "x"}, state, pair)


class VerifierAtOnce(InlineVerifier):
    """One without threads, that a relay may stop."""

    def stop(self) -> None:
        pass


class WriterCase(ServiceCase):
    """A relay and one client."""

    def start(self, **access: Any) -> None:
        self.patch(service, "ThreadVerifier", lambda *_: VerifierAtOnce())
        self.service = self.relay(access=Access(**access))
        self.service.startService()
        self.addCleanup(lambda: self.stop(self.service))
        self.reactor.advance(10.0)
        self.client = Client(self.reactor)

    def put(self, message_id: str, graph: dict[str, Any]) -> Any:
        """What comes of a put: C{True}, or the first C{err}."""
        self.client.say({"#": message_id, "put": graph})
        self.turns()
        answers = [each for each in self.client.got() if each.get("@") == message_id]
        return answers[0].get("err", answers[0].get("ok"))

    def keys(self, *pairs: sea.Pair) -> str:
        path = self.mktemp()
        self.write(path, *pairs)
        return path

    def write(self, path: str, *pairs: sea.Pair) -> None:
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{pair.pub}\n" for pair in pairs)


class RequireSignedTests(WriterCase):
    """C{--require-signed}."""

    def test_off(self) -> None:
        """By default there is a public space."""
        self.start()
        self.assertIs(True, self.put("1", public()))
        self.assertIs(True, self.put("2", signed(ALICE)))

    def test_on(self) -> None:
        """What nobody signs is refused, what anybody signs is not."""
        self.start(require_signed=True)
        self.assertIn("missing public key", self.put("1", public()))
        self.assertIs(True, self.put("2", signed(ALICE)))
        self.assertEqual(1, self.service.mesh.relay.counters["cells_refused"])


class AllowPubTests(WriterCase):
    """C{--allow-pub}."""

    def test_only_these(self) -> None:
        """Only those in the file may write."""
        self.start(allow_pub=self.keys(ALICE))
        self.assertIs(True, self.put("1", signed(ALICE)))
        self.assertEqual(NOT_A_WRITER, self.put("2", signed(BOB)))
        self.assertEqual(NOT_A_WRITER, self.put("3", public()))

    def test_changed(self) -> None:
        """A change of the file holds without a restart."""
        path = self.keys(ALICE)
        self.start(allow_pub=path)
        self.write(path, ALICE, BOB)
        self.turns(LOOK_AGAIN_SECONDS * 1.5)
        self.assertIs(True, self.put("1", signed(BOB)))
        self.write(path, BOB)
        self.turns(LOOK_AGAIN_SECONDS * 1.5)
        self.assertEqual(NOT_A_WRITER, self.put("2", signed(ALICE)))

    def test_one_file_for_all(self) -> None:
        """The same file may say who writes and who connects."""
        path = self.keys(ALICE)
        relay = self.relay(access=Access(allow_pub=path, allow_user=path, token_file=self.secrets()))
        relay.startService()
        self.assertEqual(3, len(relay.gate.files))
        self.stop(relay)

    def secrets(self) -> str:
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write("correct horse battery staple\n")
        return path

    def test_mistake(self) -> None:
        """A file with a mistake in it keeps the relay from starting."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write("nonsense\n")
        relay = self.relay(access=Access(allow_pub=path))
        self.assertIn("line 1", str(self.assertRaises(SettingsError, relay.startService)))
