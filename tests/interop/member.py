"""
C{python member.py SETTINGS}: a relay that is a member of a WebRTC room, for tests that have it run elsewhere,
for instance in another network namespace. C{SETTINGS} is JSON: C{room}, C{peers}, C{paints} (whether it sends
a picture; it announces itself only once a minute then, as a page that hears of it while it joins makes the
offer, and npm's C{lib/webrtc.js} takes no other one after that), and what C{Rtc} takes.

It writes lines of JSON: C{{"event": name, …}} for each event of the room, C{{"heard": [key, value]}} for each
key of the node L{SOUL} that it hears of. It reads lines C{{"tell": [key, value]}}, and writes these there.
"""

from __future__ import annotations

import json
import sys
import time
from random import SystemRandom
from typing import Any

from twisted.internet import reactor, stdio
from twisted.logger import globalLogPublisher, textFileLogObserver
from twisted.protocols.basic import LineOnlyReceiver

from gunnet.rtc import signalling
from gunnet.rtc.events import TrackAdded, TrackEnded
from gunnet.rtc.ice import ice_server
from gunnet.rtc.local import LocalLink
from gunnet.rtc.media import test_pattern
from gunnet.rtc.wanted import Rtc
from gunnet.service import RelayService
from gunnet.settings import Settings
from gunnet.wire.ids import id_source
from gunnet.wire.message import split

SOUL = "talk"


class Orders(LineOnlyReceiver):
    """What the test wants."""

    delimiter = b"\n"

    def __init__(self, relay: RelayService, random: SystemRandom) -> None:
        self._relay = relay
        self._new_id = id_source(random)

    def connectionMade(self) -> None:
        """Watch, and tell what happens."""
        assert self._relay.room is not None
        self._relay.room.listen(self._happened)
        self._link = LocalLink("test", self._relay.mesh, reactor, self._hear, sys.exit)
        self._link.join()
        self._say(get={"#": SOUL})  # before anybody is met, who is to be asked all the same
        say(event="Ready")

    def _happened(self, event: object) -> None:
        say(event=type(event).__name__, **texts(event))

    def _say(self, **fields: Any) -> None:
        self._link.say(json.dumps({"#": self._new_id(), **fields}).encode())

    def _hear(self, frame: bytes) -> None:
        for text in split(frame):
            node = (json.loads(text).get("put") or {}).get(SOUL) or {}
            for key, value in node.items():
                if key != "_":
                    say(heard=[key, value])

    def lineReceived(self, line: bytes) -> None:
        """Write a key."""
        key, value = json.loads(line)["tell"]
        self._say(put={SOUL: {"_": {"#": SOUL, ">": {key: time.time() * 1000}}, key: value}})


def say(**fields: Any) -> None:
    """Tell the test."""
    print(json.dumps(fields), flush=True)


def texts(event: object) -> dict[str, str]:
    """What an event says, as far as it is text; of a track, its kind."""
    said = {name: value for name, value in vars(event).items() if isinstance(value, str)}
    return {**said, "kind": event.track.kind} if isinstance(event, TrackAdded | TrackEnded) else said


def main() -> None:
    """Run until killed."""
    wanted = json.loads(sys.argv[1])
    globalLogPublisher.addObserver(textFileLogObserver(sys.stderr))
    servers = tuple(ice_server(url) for url in wanted.pop("ice_servers", ()))
    paints = wanted.pop("paints", False)
    if paints:
        signalling.AGAIN_MS = signalling.ALONE_MS
    peers, turn = tuple(wanted.pop("peers")), tuple(wanted.pop("turn_servers", ()))
    rtc = Rtc(ice_servers=servers, turn_servers=turn, **wanted)
    settings = Settings(listen=("tcp:0:interface=127.0.0.1",), peers=peers, data=None, rtc=rtc)
    random = SystemRandom()
    relay = RelayService(settings, reactor, random)
    relay.startService()
    if paints and relay.room is not None:
        relay.room.send(test_pattern)
    stdio.StandardIO(Orders(relay, random))
    reactor.run()


if __name__ == "__main__":
    main()
