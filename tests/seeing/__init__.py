"""Tests for L{gunnet.seeing}."""
