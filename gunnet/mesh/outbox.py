"""
What waits to be sent to one peer, and how it is packed into frames (gun.js C{src/mesh.js}, C{say}).
"""

from __future__ import annotations


class Outbox:
    """
    Messages in order, as JSON text.

    @ivar size: bytes that wait.
    """

    __slots__ = ("_messages", "size")

    def __init__(self) -> None:
        self._messages: list[bytes] = []  # an empty deque weighs 760 bytes
        self.size = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, text: bytes) -> None:
        """Let a message wait."""
        self._messages.append(text)
        self.size += len(text)

    def drop_oldest(self) -> int:
        """
        Forget the message that waited longest.

        @return: its size, bytes.
        """
        size = len(self._messages.pop(0))
        self.size -= size
        return size

    def clear(self) -> None:
        """Forget everything."""
        self._messages.clear()
        self.size = 0

    def frames(self, pack_bytes: int) -> list[bytes]:
        """
        Take everything out, as frames: a message that is alone or larger than C{pack_bytes} is a frame of
        its own, others share an array of up to that size.
        """
        messages = self._messages
        if len(messages) == 1:
            frames = [messages[0]]
        else:
            frames = []
            pack: list[bytes] = []
            size = 0
            for text in messages:
                if pack and size + len(text) > pack_bytes:
                    frames.append(_packed(pack))
                    pack = []
                    size = 0
                pack.append(text)
                size += len(text) + 1
            if pack:
                frames.append(_packed(pack))
        self.clear()
        return frames


def _packed(messages: list[bytes]) -> bytes:
    return messages[0] if len(messages) == 1 else b"[" + b",".join(messages) + b"]"
