"""
gunnet: a network node for GUN, the decentralised realtime graph.
"""

__version__ = "0.1.0"
