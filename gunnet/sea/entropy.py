"""
Where random bytes come from, if the caller does not say: the operating system.

Nothing that a relay decides by imports this.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

RandomBytes = Callable[[int], bytes]
"""Gives that many random bytes."""

secure: RandomBytes = secrets.token_bytes
"""The random bytes of the operating system."""
