"""
What was heard, by kind of message.
"""

from __future__ import annotations


class Heard:
    """
    Counts messages that were not heard before. Plain numbers: each message passes here.

    @ivar puts: likewise C{gets}; C{acks}, answers without data; C{dams}, of the mesh itself; C{others}, of
        kinds that only applications know.
    @ivar bytes: of all frames.
    """

    __slots__ = ("acks", "bytes", "dams", "gets", "others", "puts")

    def __init__(self) -> None:
        self.puts = 0
        self.gets = 0
        self.acks = 0
        self.dams = 0
        self.others = 0
        self.bytes = 0

    def by_kind(self) -> dict[str, int]:
        """How many messages of which kind."""
        return {
            "put": self.puts,
            "get": self.gets,
            "ack": self.acks,
            "dam": self.dams,
            "other": self.others,
        }
