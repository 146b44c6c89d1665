A relay inside of a program on Twisted (``docs/embedding.md``): ``RelayService`` is a service for any ``MultiService``, with a store, rules and ways to know tokens that are objects of the program; ``GunResource`` mounts it
in any ``twisted.web`` or Klein site. Several in one process have nothing in common. ``examples/`` has programs that run as printed.
