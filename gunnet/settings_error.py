"""
What an operator asks for that can't be done.
"""

from __future__ import annotations


class SettingsError(ValueError):
    """What was asked for can't be done. C{str()} of it is one clear line for the operator."""
