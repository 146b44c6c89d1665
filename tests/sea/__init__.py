"""Tests of L{gunnet.sea}."""
