"""
Input that nobody honest sends: a corpus of named kinds, each shown to be refused.
"""
