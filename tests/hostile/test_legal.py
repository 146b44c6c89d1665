"""
What looks hostile and is not: other spellings of what somebody did sign.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

from twisted.trial.unittest import SynchronousTestCase

from gunnet import sea
from gunnet.testing import put
from tests.hostile.kinds import (
    ALICE,
    BOB,
    INBOX,
    KEY,
    SOUL,
    STATE,
    VALUE,
    Kind,
    having,
    sign,
    signature_of,
    text,
)
from tests.hostile.signatures import ORDER, with_signature
from tests.hostile.stage import Stage


def spellings() -> dict[str, str]:
    """Values that say what was signed in another way. gun.js takes each of them too."""
    signed = having("+/", sign)
    signature = signature_of(signed)
    raw = b64decode(signature)
    mirrored = ORDER - int.from_bytes(raw[32:], "big")
    fields = f'":":"{VALUE}","~":"{signature}"'
    return {
        "mirrored s": with_signature(b64encode(raw[:32] + mirrored.to_bytes(32, "big")).decode("ascii")),
        "white space in base64": with_signature(f"\n {signature[:40]}\t{signature[40:]}\f"),
        "no padding": with_signature(signature.rstrip("=")),
        "white space in JSON": f" {{ {fields} }}\n",
        "other order": f'{{"~":"{signature}",":":"{VALUE}"}}',
        "more fields": f'{{{fields},"x":1,"#":"~x.y",">":5}}',
        "the last counts": f'{{":":"other",{fields}}}',
        "escaped": f'{{"\\u003a":"\\u0068ello","~":"{signature}"}}',
        "a certificate for nothing": f'{{{fields},"+":{{"m":{{}},"s":"x"}}}}',
        "signer is nobody": f'{{{fields},"*":""}}',
    }


class LegalTests(SynchronousTestCase):
    """
    A signature does not cover how the value is written, so anybody can write it in another way. Of two ways
    with one state the greater text stands, as of all values. Nobody can say something else with that.
    """

    def test_spellings(self) -> None:
        """They are taken, and say what was signed."""
        for name, value in spellings().items():
            for axe in (True, False):
                said = put("odd", SOUL, {KEY: value}, STATE)
                stage = Stage(Kind(name, (said,)), axe=axe)
                self.assertEqual(["ok"], stage.say(said), name)
                self.assertEqual(VALUE, sea.unpacked(value), name)
                self.assertEqual({(SOUL, KEY)}, set(stage.cells()), name)
                self.assertEqual({}, stage.leave(), name)

    def test_tie(self) -> None:
        """Of two spellings of one state the greater text stands, in whichever order they come."""
        both = sorted([sign(), spellings()["white space in JSON"]])
        for first, second in (both, both[::-1]):
            before = put("first", SOUL, {KEY: first}, STATE)
            stage = Stage(Kind("tie", (before,), before=(before,)), axe=True)
            self.assertEqual(["ok"], stage.say(put("second", SOUL, {KEY: second}, STATE)))
            self.assertEqual({(SOUL, KEY): (STATE, text(both[1]).encode())}, stage.cells())

    def test_certificates(self) -> None:
        """A certificate for anybody is for anybody, and one path is the beginning of another."""
        for certificate, key in (
            (sea.certify("*", {"*": "inbox"}, ALICE), KEY),
            (sea.certify(BOB, [{"*": "in"}], ALICE), "x"),
        ):
            value = sign(by=BOB, soul=INBOX, key=key, certificate=certificate)
            said = put("certified", INBOX, {key: value}, STATE)
            self.assertEqual(["ok"], Stage(Kind("certified", (said,)), axe=True).say(said))
