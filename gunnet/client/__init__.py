"""
GUN's chain API for Python: C{docs/client.md}.

::

    from gunnet import Gun

    gun = Gun("wss://relay.example/gun", data="mydata")
    gun.get("room").get("title").on(lambda title, key: print(title))
    await gun.get("room").put({"title": "hello"})

  - L{gun}: L{Gun}. L{chain}: L{Chain}; L{user}: L{User}; L{stream}: L{Stream}; L{errors}.
  - L{node}: the relay inside; L{line}: the link to it; L{root}: what the chains of one L{Gun} share.
  - L{nodes}: what is watched; L{paths}: following links; L{listeners}: C{on} and C{once}.
  - L{values}, L{planning}: what may be put, and what comes of it; L{writes}: until it is acknowledged;
    L{states}: when it was written; L{unsent}, L{store}: what no peer has yet, also after a restart.
  - L{waiting}: to be awaited everywhere; L{aio}: without Twisted's reactor.
"""

from gunnet.client.chain import Chain
from gunnet.client.errors import (
    AliasTaken,
    BadValue,
    Busy,
    Closed,
    GunError,
    NotAcknowledged,
    NotAuthenticated,
    PutRefused,
)
from gunnet.client.gun import Gun
from gunnet.client.stream import Stream
from gunnet.client.user import User
from gunnet.client.waiting import Waiting
from gunnet.client.writes import Put

__all__ = [
    "AliasTaken",
    "BadValue",
    "Busy",
    "Chain",
    "Closed",
    "Gun",
    "GunError",
    "NotAcknowledged",
    "NotAuthenticated",
    "Put",
    "PutRefused",
    "Stream",
    "User",
    "Waiting",
]
