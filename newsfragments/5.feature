``gunnet bench``: load for any GUN relay (puts, gets, one writer and many subscribers, connections, and a mix of what applications do), as much as it
answers or at a fixed rate without coordinated omission, with percentiles, as a table or JSON, and beside it what the load itself can reach (``docs/performance.md``).
Whole text frames no longer go through Autobahn, frames go straight to the socket, and garbage is looked for less often: more than twice the puts and gets per second.
Links that are gone leave no garbage. Signed puts make way for unsigned ones (``docs/security.md``).
An idle connection takes 3.3 KiB of memory in place of 14.3.
Where a C compiler is there, the hot modules are compiled into the wheel: 1.4 times the puts and gets per second. ``GUNNET_COMPILE=0`` leaves it at pure Python.
Pages of the data file that were read are given back to the system beyond 8 MiB: 123 MiB after a million puts in place of 174.
Who is to know a change is found out once for all changes of a turn, so that one writer reaches 50 subscribers one and a half times as fast; and a put takes a third less of the processor.
Hot nodes and what is remembered of gets take less memory (13 MiB for 30,000 gets in place of 43); ids, subscriptions and verified signatures count among ``cache_bytes``, now 24 MiB. In half an hour of
clients that come and go memory comes to 110 MiB, where it came to 136. Pages of the data file that were read are looked at twice a second.
What a client gets for the first time takes a quarter less of the processor, and sets of 500 two fifths less, as answers are hashed in machine code and clients that are back are asked back without reading nodes again.
