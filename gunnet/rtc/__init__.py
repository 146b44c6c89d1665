"""
Being a member of a WebRTC room, as gun's C{lib/webrtc.js} has them (C{docs/webrtc.md}).

C{signalling} decides and is sans-IO; C{effects} and C{events} are what comes of it. C{wanted} and
C{options}: what the operator wants; C{ice}: servers and credentials, made with the C{secret}. C{loop} is
the thread in which aiortc runs, C{connection} one connection there, C{offers} how its tracks are agreed on,
C{tracks} all of them, C{servers} why a server is of no use; C{connections} is all that for the reactor's
thread. C{channel} is the link over a connection, C{local} the way to the relay's own mesh, and C{room}
brings everything together. C{media} has things to send. What runs in the loop imports aiortc, and nothing
else does.
"""
