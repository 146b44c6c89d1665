"""
Things to send to a room. Each is called in the thread of the loop, as L{gunnet.rtc.room.Room.send} does.
"""

from __future__ import annotations

from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaPlayer

FRAMES_PER_SECOND = 15
HERTZ = 440


def test_pattern() -> MediaStreamTrack:
    """Moving bars with a clock, 320 by 240 pixels."""
    player = MediaPlayer(f"testsrc=size=320x240:rate={FRAMES_PER_SECOND}", format="lavfi")
    assert player.video is not None
    return player.video


def tone() -> MediaStreamTrack:
    """A steady tone, 440 Hz."""
    player = MediaPlayer(f"sine=frequency={HERTZ}", format="lavfi")
    assert player.audio is not None
    return player.audio
