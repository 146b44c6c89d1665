``gunnet.sea``: keys, signatures, encryption, work, certificates and accounts of SEA as a library, byte for byte as gun.js has them, without its legacy
fallbacks (``docs/security.md``).
The relay checks every put as SEA does, by soul and key: signatures, certificates, aliases, content addressed by its hash, and souls that expire. What may
not stand is neither stored nor passed on, and its sender is told. The five holes of gun.js there are closed.

Who may use a relay (``docs/access.md``): ``--require-signed`` leaves no public space, ``--allow-pub FILE`` lets only the keys in a file write.
Who may connect is said by origins (``--allow-origin``) and tokens: secrets (``--token-file``), JWTs (``--jwt-key``), or what the owner of a SEA key is given for signing a
challenge (``--allow-user``) that names this relay (``--allow-host``). A stock gun.js client connects with ``Gun(['https://relay.example/gun?token=…'])``.
Links, messages and bytes of one address (``--address-…``), and signed puts of one key (``--writer-…``), can be limited, and with messages handshakes that are refused.
What a user, or all that begins alike, may keep can be limited (``--quota-user``, ``--quota``); ``gunnet top`` lists the users that keep most.
An operator's own rule is asked about each put before it is stored or relayed: a Python callable (``--rule``) or any program that reads and writes lines of JSON (``--rule-program``).
