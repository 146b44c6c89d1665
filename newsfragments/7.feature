A relay inside of a program on Twisted (``docs/embedding.md``): ``RelayService`` is a service for any ``MultiService``, with a store, rules and ways to know tokens that are objects of the program; ``GunResource`` mounts it
in any ``twisted.web`` or Klein site. Several in one process have nothing in common. ``examples/`` has programs that run as printed.
`gunnet.Gun` is GUN's chain API for Python (`get`, `put`, `set`, `map`, `on`, `once`, `off`, `back`, `opt`, `user()`, LEX), with Deferreds and `await`, on Twisted and on plain asyncio, offline first with a node of its own (docs/client.md).
