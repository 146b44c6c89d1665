"""
What a program is told when something can't be done; each says in its text what.
"""

from __future__ import annotations

from gunnet.sea.errors import NotAuthenticated as NotOpened


class GunError(Exception):
    """The base of all errors of a client. L{gunnet.sea.errors.SEAError} is that of what is signed."""


class BadValue(GunError, ValueError):
    """A value, a key or a LEX that GUN has no place for; the text says where in what was given."""


class PutRefused(GunError):
    """
    A put was refused; C{str()} of it is the C{err} of the relay: of the own one, where nothing stands of a
    put with a fault in its form, and all but the refused of one that SEA's rules are against; or, with
    C{peer=True}, of all the peers that are linked.
    """


class NotAcknowledged(GunError):
    """No peer has acknowledged a put in time. It stands here, and goes on being told to peers."""


class NotAuthenticated(GunError, NotOpened):
    """Nobody is logged in, or there is no account of that alias that this passphrase opens."""


class AliasTaken(GunError):
    """There is an account of that alias (gun.js C{sea/create.js}: C{User already created!})."""


class Busy(GunError):
    """Too much is under way: a bound is reached, which the text names. Nothing was begun."""


class Closed(GunError):
    """The client is closed, or the relay in this process that it is a peer of has stopped."""
