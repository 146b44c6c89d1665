Relays on one local network find each other by UDP multicast, as gun.js does and with it (``docs/multicast.md``): ``--multicast``, ``--multicast-interface``, ``--multicast-ttl``,
``--no-multicast``. It is on, unless links need a token. gunnet relays that hear each other also link over WebSocket, so that no bulk goes over UDP and nothing that is lost there is lost;
without a route, over IPv6 alone, and after a partition too.
``--rtc-room`` (extra ``gunnet[webrtc]``): a relay, or a program, is a member of a WebRTC room itself, as pages with gun's ``lib/webrtc.js`` are, with data, media, events and bounds
(``docs/webrtc.md``). ``--ice-server``, ``--turn-server`` and ``--turn-secret-file``: STUN and TURN servers for it and, at ``/gun/ice.json``, for pages, with credentials that expire.
