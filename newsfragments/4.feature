``gunnet.sea``: keys, signatures, encryption, work, certificates and accounts of SEA as a library, byte for byte as gun.js has them, without its legacy
fallbacks (``docs/security.md``).
