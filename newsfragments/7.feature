TLS on the relay (``docs/tls.md``): several certificates chosen by name, read again when their files change or on SIGHUP, with a warning 14 days before the end; ACME (``--acme-domain``, extra
``gunnet[acme]``) with HTTP-01 and TLS-ALPN-01; ``--tls-ca`` for private authorities. TLS 1.2 with forward secrecy is the least. Relays that are dialled say in the log why they were refused.
