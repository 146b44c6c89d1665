"""
The chain API.
"""
