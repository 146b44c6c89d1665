``gunnet bench``: load for any GUN relay (puts, gets, one writer and many subscribers, connections, and a mix of what applications do), as much as it
answers or at a fixed rate without coordinated omission, with percentiles, as a table or JSON, and beside it what the load itself can reach (``docs/performance.md``).
