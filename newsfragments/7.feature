Behind a proxy (``docs/proxies.md``): ``--trust-proxy`` says whose ``Forwarded`` and ``X-Forwarded-For`` are believed, so that limits and logs see the
client's address; ``--proxy-protocol`` (and ``haproxy:`` endpoints) take the PROXY protocol, versions 1 and 2, from those only. ``unix:`` endpoints
replace the file of a relay that was killed, and are for the relay's user and group unless a ``mode=`` is said; ``systemd:`` endpoints leave systemd's
socket open for the next start, ``misc/`` has units. ``--redirect-http`` sends plain HTTP to HTTPS.

What a relay does can be seen (``docs/seeing.md``): Prometheus metrics with ``--metrics-listen`` or ``--metrics``, a Grafana dashboard (``misc/grafana-dashboard.json``), ``/readyz``, ``--log-format json`` and ``--log-level``, gun.js's own figures at ``/gun/stats.radata``, and with ``--trace`` the way of one message: ``gunnet trace ID``.

TLS on the relay (``docs/tls.md``): several certificates chosen by name, read again when their files change or on SIGHUP, with a warning 14 days before the end; ACME (``--acme-domain``, extra
``gunnet[acme]``) with HTTP-01 and TLS-ALPN-01; ``--tls-ca`` for private authorities. TLS 1.2 with forward secrecy is the least. Relays that are dialled say in the log why they were refused.

``gunnet.Gun`` is the chain API of GUN for Python (``get``, ``put``, ``set``, ``map``, ``on``, ``once``, ``off``, ``back``, ``opt``, ``user()``, LEX), with Deferreds and ``await``, on Twisted and on plain asyncio, offline first with a node of its own, ``authorities=`` for relays of a private authority (``docs/client.md``).

A relay inside of a program on Twisted (``docs/embedding.md``): ``RelayService`` is a service for any ``MultiService``, with a store, rules and ways to know tokens that are objects of the program; ``GunResource`` mounts it
in any ``twisted.web`` or Klein site. Several in one process have nothing in common. ``examples/`` has programs that run as printed.
