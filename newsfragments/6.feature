``--rtc-room`` (extra ``gunnet[webrtc]``): a relay, or a program, is a member of a WebRTC room itself, as pages with gun's ``lib/webrtc.js`` are, with data, media, events and bounds
(``docs/webrtc.md``). ``--ice-server``, ``--turn-server`` and ``--turn-secret-file``: STUN and TURN servers for it and, at ``/gun/ice.json``, for pages, with credentials that expire.
