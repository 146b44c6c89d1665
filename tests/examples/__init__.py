"""
Each example as it is printed: in a process of its own, on loopback. And Klein, which is not among what gunnet
needs. Run by C{python -m tests examples}.
"""
