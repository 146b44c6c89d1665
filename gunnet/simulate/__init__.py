"""
The simulator: whole meshes of relays and clients on a virtual clock and a network that is made of dice.

The relays are real ones (L{gunnet.mesh.relay.Relay} in L{gunnet.turns.MeshService}); their clock, their
network, their disks and their clients are not. All dice come from one seed, so a run that failed once fails
again, frame by frame::

    gunnet simulate --seeds 0:500

  - L{clock}: the virtual reactor; L{links} and L{network}: what carries frames, and how it fails.
  - L{node}: a relay with a disk and a process that can crash; L{client}: a plain gun.js client.
  - L{model}: what should come of it all; L{crossings}: what went over which link.
  - L{scenario}: what happens, out of a seed; L{simulation}: has it happen; L{invariants}: what must be true
    at the end.
  - L{experiment} and L{plot}: a thousand relays, counted; L{command}: the command line of it.
"""
