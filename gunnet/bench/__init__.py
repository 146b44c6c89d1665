"""
C{gunnet bench}: load for any GUN relay, and what becomes of it.

L{gunnet.bench.peer} is one client's link, on L{gunnet.bench.frames}; L{gunnet.bench.sources} makes what it
says, L{gunnet.bench.load} says it and minds the answers, L{gunnet.bench.workloads} puts these together, and
L{gunnet.bench.run} measures.
"""
