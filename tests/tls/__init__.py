"""
Tests for L{gunnet.tls}.
"""
