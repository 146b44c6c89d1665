"""
Coverage-guided fuzzing of all that a relay hears: C{python -m tests fuzz}.
"""
