"""
Tests for L{gunnet.bench}, on links in memory and a virtual clock: nothing is measured here.
"""
