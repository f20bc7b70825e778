"""stepreward: an online service that scores the steps of mathematical solutions.

Importing this package starts nothing, reads no file and no environment variable.
"""
