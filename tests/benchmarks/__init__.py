"""
Tests for C{benchmarks}: not for what they find, but for what they make of it.
"""
