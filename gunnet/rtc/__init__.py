"""
Being a member of a WebRTC room, as gun's C{lib/webrtc.js} has them (C{docs/webrtc.md}).

C{signalling} decides and is sans-IO. C{wanted} and C{options}: what the operator wants; C{ice}: servers and
credentials. C{secret} reads what is shared with TURN. C{loop} is the thread in which aiortc runs, C{connection} one connection there, C{offers} how its
tracks are agreed on; C{channel} is the link over it, C{local} the way to the relay's own mesh. C{room} brings
them together, with C{events} and C{media} for programs. Only C{connection} and C{media} import aiortc.
"""
