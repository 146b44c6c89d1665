"""
The fields of a message, as msgspec decodes them. Apart from what is done with them (L{gunnet.wire.message}),
because classes of msgspec can't be compiled (docs/performance.md).
"""

from __future__ import annotations

from typing import Any

import msgspec

NOTHING = msgspec.Raw()


class Message(msgspec.Struct):
    """
    The fields that a relay acts on. Any JSON value may stand in any of them: nothing is checked yet.

    @ivar id: C{#}, the message id.
    @ivar re: C{@}, the id that this answers.
    @ivar digest: C{##}, the hash of C{put}.
    @ivar told: C{><}, comma-joined names of peers that already have the message.
    @ivar put: JSON text, or L{NOTHING}; likewise C{get}, C{ok}, C{err}.
    @ivar dam: the verb of a control message.
    @ivar pid: the process id of the sender (verb C{?}).
    @ivar trace: C{DBG}, timing stamps of debugging relays; never forwarded, like C{_} and C{$}.
    @ivar private: C{NTS} or C{nts}: served, never forwarded (gun.js C{src/root.js}).
    """

    id: Any = msgspec.field(name="#", default=None)
    re: Any = msgspec.field(name="@", default=None)
    digest: Any = msgspec.field(name="##", default=None)
    told: Any = msgspec.field(name="><", default=None)
    put: msgspec.Raw = NOTHING
    get: msgspec.Raw = NOTHING
    ok: msgspec.Raw = NOTHING
    err: msgspec.Raw = NOTHING
    dam: Any = None
    pid: Any = None
    trace: msgspec.Raw = msgspec.field(name="DBG", default=NOTHING)
    meta: msgspec.Raw = msgspec.field(name="_", default=NOTHING)
    chain: msgspec.Raw = msgspec.field(name="$", default=NOTHING)
    private: Any = msgspec.field(name="NTS", default=None)
    private_too: Any = msgspec.field(name="nts", default=None)
