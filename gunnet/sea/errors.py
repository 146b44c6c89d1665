"""
What SEA refuses. Whatever is passed in, of whatever type, it is one of these or it is right.
"""

from __future__ import annotations


class SEAError(ValueError):
    """Something that SEA can't do, or does not believe; its text says what."""


class BadKey(SEAError):
    """A key, or a pair of them, that is none."""


class BadData(SEAError):
    """Something that JSON can't say, or that makes no sense where it was given."""


class NotVerified(SEAError):
    """No signature of that key, over that data."""


class NotDecrypted(SEAError):
    """It can't be decrypted: another key, or not what was encrypted."""


class NotCertified(SEAError):
    """
    A certificate that does not allow what was written; C{str()} of it is what a relay says in C{err}
    (gun.js C{sea/index.js}, C{check.pub}).
    """


class NotAuthenticated(SEAError):
    """No account of that alias is opened by that passphrase."""
